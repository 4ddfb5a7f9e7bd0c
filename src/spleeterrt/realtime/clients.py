"""Audio clients for a `StreamSeparator`: a client of the JACK server, or the sound card through PortAudio.

Their callback is compiled code (`_kernels/core/live`), which knows no Python. A client is closed, and its
callback ended, before the engine that it uses.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, ParamSpec, TypeVar

from .._kernels import live
from ..audio.channels import downmix_weights
from ..audio.layouts import LAYOUTS, Layout, parse_layout
from ..errors import ArgumentError, ClosedError, SpleeterError
from ..names import LIVE_BLOCK
from .stream import StreamSeparator


def _for_macos(name: str) -> tuple[str, ...]:
    """Where installers and Homebrew (Intel), Homebrew (Apple) and MacPorts put a library."""
    return name, *(f"{folder}/lib/{name}" for folder in ("/usr/local", "/opt/homebrew", "/opt/local"))


JACK_LIBRARIES = {
    "win32": ("libjack64.dll", "libjack.dll"),
    "darwin": _for_macos("libjack.0.dylib"),
}.get(sys.platform, ("libjack.so.0",))
PORTAUDIO_LIBRARIES = {
    # As PortAudio's builds by CMake, MSYS2, vcpkg and Visual Studio call it.
    "win32": (
        "libportaudio.dll",
        "libportaudio-2.dll",
        "portaudio.dll",
        "portaudio_x64.dll",
        "libportaudio64bit.dll",
    ),
    "darwin": _for_macos("libportaudio.2.dylib"),
}.get(sys.platform, ("libportaudio.so.2",))

P = ParamSpec("P")
T = TypeVar("T")
_Client = TypeVar("_Client", bound="AudioClient")


class LiveStats(NamedTuple):
    """What a client's callback has seen so far.

    Attributes:
        callbacks: blocks of audio.
        xruns: losses that the server or the driver told of, whoever was late.
        missed: callbacks that took longer than their block lasts.
        silent: blocks for which there was no engine.
        worst_callback_seconds: the longest callback.
        clipped: samples beyond full scale in the mix, or in the stem that a sound card plays.
    """

    callbacks: int
    xruns: int
    missed: int
    silent: int
    worst_callback_seconds: float
    clipped: int = 0


class AudioClient:
    """What `JackClient` and `PortAudioClient` have in common.

    Attributes:
        stems: names of the stems, as given.
        layout: of the input channels that are mixed to stereo; None: there are two at most.
        inputs: names of the ports that take the input; none of a sound card.
    """

    kind = ""
    inputs: Sequence[str] = ()
    layout: Layout | None = None

    def __init__(self, stems: Sequence[str], client: live.Client) -> None:
        self.stems = tuple(stems)
        self._client: live.Client | None = client
        self._lock = threading.Lock()  # `use` and `close` leave the GIL with the client in their hands

    @property
    def name(self) -> str:
        """Of the client in the graph, or of the devices."""
        return self._open().name

    @property
    def sample_rate(self) -> int:
        return self._open().sample_rate

    @property
    def block(self) -> int:
        """Samples of a callback; a JACK server may change it at any time."""
        return self._open().block

    @property
    def realtime(self) -> bool:
        """Whether the callback is known to run before all ordinary threads."""
        return self._open().realtime

    @property
    def priority(self) -> int:
        """Real-time priority of the callback (1 to 99); 0: none, or not known."""
        return self._open().priority

    @property
    def device_latency(self) -> float:
        """Seconds that the devices add, where they are not in the graph."""
        return self._open().device_latency

    @property
    def ended(self) -> str:
        """Why no more sound comes, or ""."""
        return self._open().ended

    @property
    def stats(self) -> LiveStats:
        return LiveStats(**self._open().stats())

    def reset_stats(self) -> None:
        self._open().reset_stats()

    @property
    def levels(self) -> dict[str, float]:
        """Peaks of the stems, of "input" and of "mix", 1.0 full scale; they fall by 20 dB a second."""
        return dict(zip((*self.stems, "input", "mix"), self._open().levels(), strict=True))

    def use(self, separator: StreamSeparator | None) -> None:
        """The engine of the next callbacks; None: silence. The client keeps it alive as long as it is needed.

        Raises:
            SpleeterError: it has other stems, or is closed.
        """
        if separator is not None and separator.instruments != self.stems:
            raise ArgumentError(f"this client has the ports {self.stems}, not {separator.instruments}")
        with self._lock:
            self._open().use(None if separator is None else separator.native)

    def start(self) -> None:
        """The callback runs from here on."""
        _plainly(self.kind, self._open().start)

    def close(self) -> None:
        """End the callback, close the ports; may be called twice."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    def __enter__(self: _Client) -> _Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> live.Client:
        if self._client is None:
            raise ClosedError("the audio client is closed")
        return self._client


class JackClient(AudioClient):
    """A client of the JACK server: `in_left`, `in_right`; `<stem>_left`, ..., `mix_left`, `mix_right`.

    With a layout of more than two channels the inputs are called by its positions, `in_FL`, `in_FC`, ...

    Its latency is reported to the server, so that hosts can compensate it.

    Args:
        stems: names of the stems, in the order of the engine.
        name: of the client; the server makes it unique.
        library: libjack, where it is not in its usual place.
        layout: of the input, mixed to stereo by the weights of ITU-R BS.775: `"5.1"` or `"FL+FR+FC"`, as of
            `spleeterrt.audio.downmix`; None: stereo.

    Raises:
        SpleeterError: no library or no server, and what to do.
    """

    kind = "JACK"

    def __init__(
        self,
        stems: Sequence[str],
        name: str = "spleeterrt",
        library: str | None = None,
        layout: str | None = None,
    ) -> None:
        if not name or "\0" in name or ":" in name or len(name) > 32:
            raise ArgumentError(f"the client's name: expected 1 to 32 characters without ':', got {name!r}")
        libraries = JACK_LIBRARIES if library is None else (library,)
        self.layout, weights = _mixed(layout)
        self.inputs = ["in_left", "in_right"] if self.layout is None else [f"in_{at}" for at in self.layout]
        mixing = (self.inputs, weights) if weights else ()
        self._jack = _plainly(self.kind, live.Jack, libraries, name, list(stems), *mixing)
        super().__init__(stems, self._jack)

    @property
    def capture_latency(self) -> int:
        """Samples from the hardware's input to our outputs, as the server tells other clients."""
        self._open()
        return self._jack.capture_latency

    def connect(self, source: str, target: str) -> None:
        """Connect two ports, by their full names."""
        self._open()
        _plainly(self.kind, self._jack.connect, source, target)

    def hardware(self, sources: bool) -> list[str]:
        """Full names of the sound card's ports: its inputs (`sources`), or its outputs."""
        self._open()
        return _plainly(self.kind, self._jack.hardware, sources)

    def connect_hardware(self, *, capture: bool, playback: bool) -> list[tuple[str, str]]:
        """Connect the first inputs of the sound card to ours, and our mix to its first two outputs.

        Returns:
            What was connected: (source, target).
        """
        name = self.name
        pairs: list[tuple[str, str]] = []
        if capture:
            sources = self.hardware(True)
            if len(sources) == 1 and self.layout is None:
                sources *= 2
            pairs += zip(sources, (f"{name}:{port}" for port in self.inputs), strict=False)
        if playback:
            pairs += zip((f"{name}:mix_left", f"{name}:mix_right"), self.hardware(False)[:2], strict=False)
        for source, target in pairs:
            self.connect(source, target)
        return pairs


class PortAudioClient(AudioClient):
    """The sound card: its stereo (or mono) input in, the mix under the gains or one stem out.

    Args:
        stems: names of the stems, in the order of the engine.
        device: of the input: a part of its name, or its number; None: the system's.
        output_device: of the output; None: as `device`.
        output_stem: what is played; None: the mix.
        sample_rate: None: 44100 Hz if the devices have it, else their own.
        block: samples of a callback.
        library: libportaudio, where it is not in its usual place nor in the Python package sounddevice.
        layout: of as many input channels, mixed to stereo, as of `JackClient`; None: the first two.

    Raises:
        SpleeterError: no library, no device, and what to do.
    """

    kind = "PortAudio"

    def __init__(
        self,
        stems: Sequence[str],
        device: str | None = None,
        output_device: str | None = None,
        output_stem: str | None = None,
        sample_rate: int | None = None,
        block: int = LIVE_BLOCK,
        library: str | None = None,
        layout: str | None = None,
    ) -> None:
        self.layout, weights = _mixed(layout)
        if output_stem is not None and output_stem not in stems:
            raise ArgumentError(f"output_stem: expected one of {', '.join(stems)}, got {output_stem!r}")
        if not 16 <= block <= 1 << 16:
            raise ArgumentError(f"block: expected 16 to 65536 samples, got {block!r}")
        libraries = _portaudio_libraries() if library is None else [library]
        output_device = device if output_device is None else output_device
        with _no_chatter():
            client = _plainly(
                self.kind,
                live.PortAudio,
                libraries,
                device or "",
                output_device or "",
                len(stems),
                len(stems) if output_stem is None else list(stems).index(output_stem),
                sample_rate or 0,
                44100,
                block,
                *((weights,) if weights else ()),
            )
        super().__init__(stems, client)

    @property
    def device_inputs(self) -> int:
        """Channels that the input device has."""
        return self._open().device_inputs


def open_client(
    backend: str,
    stems: Sequence[str],
    *,
    name: str = "spleeterrt",
    device: str | None = None,
    output_device: str | None = None,
    output_stem: str | None = None,
    block: int = LIVE_BLOCK,
    layout: str | None = None,
) -> AudioClient:
    """backend: "jack", "portaudio", or "auto": JACK if a server runs, else PortAudio.

    Raises:
        SpleeterError: why there is no sound, and what to do.
    """

    def jack() -> AudioClient:
        return JackClient(stems, name, layout=layout)

    def portaudio() -> AudioClient:
        return PortAudioClient(stems, device, output_device, output_stem, block=block, layout=layout)

    if backend == "jack":
        return jack()
    if backend == "portaudio":
        return portaudio()
    if backend != "auto":
        raise ArgumentError(f"backend: expected auto, jack or portaudio, got {backend!r}")
    if device is not None or output_device is not None or output_stem is not None:
        return portaudio()
    try:
        return jack()
    except SpleeterError as no_jack:
        try:
            return portaudio()
        except SpleeterError as no_portaudio:
            raise SpleeterError(f"{no_jack}\n{no_portaudio}") from None


def _mixed(layout: str | None) -> tuple[Layout | None, list[float]]:
    """A layout and the weights of its channels in both sides; none for one or two channels.

    Raises:
        SpleeterError: an unknown layout or position.
    """
    if layout is None:
        return None, []
    known = LAYOUTS.get(layout.strip().lower())
    # One word that is no name is refused as such, not taken for a single position.
    found = parse_layout(layout, len(known) if known else max(2, layout.count("+") + 1))
    if len(found) <= 2:
        return None, []
    return found, [weight for sides in downmix_weights(found, len(found)) for weight in sides]


_HELP = {
    ("JACK", "library not found"): "install JACK 2 (libjack) or PipeWire's libjack, or use the other backend",
    ("JACK", "no server"): "start one, for example `jackd -d alsa` or QjackCtl; with PipeWire: `pw-jack "
    "spleeterrt live ...`; or use the other backend",
    (
        "PortAudio",
        "library not found",
    ): "`pip install sounddevice` (Windows, macOS), or install libportaudio2 (Debian) or portaudio (Fedora, "
    "Arch, Homebrew)",
    ("PortAudio", "this machine has no"): "connect one, name one with --device, or use JACK",
}


def _plainly(kind: str, function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Call compiled code; its RuntimeError as a SpleeterError that says what to do."""
    try:
        return function(*args, **options)
    except RuntimeError as error:
        text = str(error)
        tips = [tip for (of, about), tip in _HELP.items() if of == kind and text.startswith(about)]
        raise SpleeterError(f"{kind}: {text}" + "".join(f": {tip}" for tip in tips)) from error


def _portaudio_libraries() -> list[str]:
    """The system's, then that of the package sounddevice."""
    from importlib.util import find_spec

    libraries = list(PORTAUDIO_LIBRARIES)
    spec = find_spec("_sounddevice_data")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        found = Path(folder, "portaudio-binaries").glob("libportaudio*")
        # Those for other processors cannot be loaded; that with ASIO only where there is no other.
        libraries += sorted(map(str, found), key=lambda path: ("asio" in path, path))
    return libraries


@contextmanager
def _no_chatter() -> Iterator[None]:
    """Nothing on standard error: while it looks for devices, ALSA complains of each that is not there."""
    try:
        saved = os.dup(2)
    except OSError:  # closed: nothing can be written there
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


__all__ = ["AudioClient", "JackClient", "LiveStats", "PortAudioClient", "open_client"]
