"""What Windows, macOS and Linux on ARM have in other places, or not at all: simulated here by what is missing
and by fakes of what is there.
"""

from __future__ import annotations

import ctypes
import errno
import importlib.util
import io
import itertools
import os
import re
import signal
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import SpleeterError, atomic, cli, errors, load_model, output_paths
from spleeterrt.audio.pcm import SAMPLE_FORMATS
from spleeterrt.cli import keys, system, terminal
from spleeterrt.models import convert
from spleeterrt.realtime import clients, descriptors, outputs
from spleeterrt.realtime.descriptors import Interruption, write_units
from support.golden import case
from support.windows_files import windows_files

linux = pytest.mark.skipif(sys.platform != "linux", reason="simulates other systems on Linux")


class WindowsOs:
    """`os`, as far as our modules see a difference. (Paths and what Python's own modules see stay.)"""

    name = "nt"

    def __getattr__(self, name: str) -> object:
        if name in ("set_blocking", "O_NONBLOCK", "sched_getaffinity"):  # the first: before Python 3.12
            raise AttributeError(name)
        return getattr(os, name)


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for module in (atomic, cli, descriptors, errors, outputs):
        monkeypatch.setattr(module, "os", WindowsOs())
    sockets_only = types.SimpleNamespace(select=lambda *_: pytest.fail("select knows sockets only"))
    monkeypatch.setattr(descriptors, "select", sockets_only)
    return monkeypatch


# --- streams -----------------------------------------------------------------------------------------


@linux
def test_a_signal_on_windows_ends_a_stream_between_two_samples(windows: pytest.MonkeyPatch) -> None:
    with Interruption() as interruption:
        assert interruption.wait(read=0)  # nothing to look at: the read itself waits
        assert interruption.wait(seconds=0.01)
        signal.raise_signal(signal.SIGINT)
        assert interruption.is_set()
        assert not interruption.wait(read=0)
        with pytest.raises(KeyboardInterrupt):  # another one insists
            signal.raise_signal(signal.SIGINT)


@linux
def test_a_wait_for_another_program_on_windows(windows: pytest.MonkeyPatch) -> None:
    with Interruption() as interruption:
        with pytest.raises(KeyboardInterrupt), interruption.raising():
            signal.raise_signal(signal.SIGINT)
        interruption.stop()
        assert interruption.is_set()


@linux
def test_a_pipe_without_room_on_windows(windows: pytest.MonkeyPatch) -> None:
    sizes = iter([3, BlockingIOError(), 5])

    def write(descriptor: int, data: bytes) -> int:
        size = next(sizes)
        if isinstance(size, Exception):
            raise size
        return size

    windows.setattr(os, "write", write)
    write_units(1, b"12345678", 8, Interruption())
    assert next(sizes, None) is None


@linux
@pytest.mark.parametrize("number", [errno.EINVAL, errno.EPIPE])
def test_a_reader_that_has_gone_on_windows(windows: pytest.MonkeyPatch, number: int) -> None:
    read, write = os.pipe()
    encoding = outputs.Encoding(SAMPLE_FORMATS["s16le"], False, 2, 44100)
    output = outputs.DirectOutput(write, "a pipe", encoding, Interruption())

    def closed(descriptor: int, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    windows.setattr(os, "write", closed)
    output.put(b"1234")
    assert output.gone
    os.close(read)
    os.close(write)


def test_an_invalid_argument_elsewhere_is_an_error() -> None:
    assert errors.reader_gone(OSError(errno.EINVAL, "")) == (os.name == "nt")
    assert errors.reader_gone(OSError(errno.EPIPE, ""))
    assert errors.reader_gone(ConnectionAbortedError())  # how Windows tells of a page that was closed
    assert not errors.reader_gone(OSError(errno.ENOSPC, ""))
    assert not errors.reader_gone(ValueError())


@linux
def test_messages_nobody_reads_on_windows(windows: pytest.MonkeyPatch) -> None:
    def closed(*_: object, **__: object) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    windows.setattr(terminal.click, "echo", closed)
    terminal.say("done")
    windows.setattr(cli.cli, "main", closed)
    ended: list[int] = []
    windows.setattr(os, "_exit", ended.append)
    ending = types.SimpleNamespace(over=lambda: None)
    assert cli._run([], ending, {}) == cli.FAILED  # type: ignore[arg-type]
    assert ended == []


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_names_that_the_encoding_of_a_pipe_lacks(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, "strict"))
    cli._take_any_character()
    terminal.say("Ольга.wav")
    assert written.getvalue().rstrip() == b"?????.wav"


# --- files ---------------------------------------------------------------------------------------------


@linux
def test_a_target_that_is_open_for_a_moment(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made, target = tmp_path / "made", tmp_path / "target"
    made.write_text("new")
    target.write_text("old")
    real, failures = os.replace, [PermissionError(errno.EACCES, "")] * 3

    def replace(source: object, to: object) -> None:
        if failures:
            raise failures.pop()
        real(source, to)  # type: ignore[arg-type]

    windows.setattr(os, "replace", replace)
    atomic.replace(made, target)
    assert (target.read_text(), made.exists(), failures) == ("new", False, [])


@linux
def test_a_target_that_stays_open(windows: pytest.MonkeyPatch, tmp_path: Path) -> None:
    moments = itertools.count(0, atomic.REPLACE_SECONDS / 3)  # whatever holds this process up
    windows.setattr(time, "monotonic", lambda: next(moments))
    made, target = tmp_path / "made", tmp_path / "target"
    made.write_text("new")
    with open(target, "w"), windows_files(windows) as refused:
        with pytest.raises(OSError, match=r"open in another program.*close it there") as caught:
            atomic.replace(made, target)
        assert len(refused) == 3
    assert errors.reason(caught.value).startswith("it is open")
    assert made.read_text() == "new"


@linux
def test_what_cannot_be_replaced_elsewhere_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits"))

    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError, match="Permission denied"):
        atomic.replace(tmp_path / "made", tmp_path / "target")


@linux
def test_a_model_file_that_a_model_was_loaded_from_can_be_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = convert(case("tiny-2stems") / "config.json", tmp_path / "m.safetensors", progress=False)
    model = load_model(path)
    with windows_files(monkeypatch) as refused:
        convert(path, path, dtype="float16", progress=False)
    assert refused == []
    assert model.instruments == load_model(path).instruments


def test_files_are_replaced_by_one_function() -> None:
    """Which knows of files in use. (A folder in the way of a model's is moved, not replaced.)"""
    package = Path(atomic.__file__).parent
    found = {
        path.relative_to(package).as_posix(): len(re.findall(r"\bos\.(?:replace|rename)\(|\.rename\(", text))
        for path in package.rglob("*.py")
        if (text := path.read_text(encoding="utf-8"))
    }
    assert {name: count for name, count in found.items() if count} == {"atomic.py": 1, "models/store.py": 1}


@pytest.mark.parametrize(
    "name", ["stems a:b.wav", "nul.wav", "COM1", "what?", "vocals. ", "end.", 'a"b', "tab\t", "a/con/b.wav"]
)
def test_names_that_windows_has_not(windows: pytest.MonkeyPatch, name: str) -> None:
    windows.setattr(output_paths, "os", WindowsOs())
    with pytest.raises(SpleeterError, match="is no name of a file on Windows"):
        output_paths.output_paths(Path("song.mp3"), "out", name, "wav", ["vocals"])


def test_names_that_windows_has(windows: pytest.MonkeyPatch) -> None:
    windows.setattr(output_paths, "os", WindowsOs())
    for name in ("{filename}/{instrument}.{codec}", "./a b/.hidden/console {instrument}.wav", "ü – 音.wav"):
        output_paths.output_paths(Path("song.mp3"), "out", name, "wav", ["vocals"])


# --- terminals -------------------------------------------------------------------------------------------


def windows_keys(monkeypatch: pytest.MonkeyPatch, pressed: str):
    """`cli/keys.py` as Windows runs it."""
    waiting = list(pressed)
    console = types.SimpleNamespace(kbhit=lambda: bool(waiting), getwch=lambda: waiting.pop(0))
    monkeypatch.setitem(sys.modules, "msvcrt", console)
    monkeypatch.setattr(sys, "platform", "win32")
    spec = importlib.util.spec_from_file_location("windows_keys", keys.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.WindowsKeys()


def test_keys_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = windows_keys(monkeypatch, "m\xe0Q\0;1")  # between them Page Down and F1
    read = []
    while found.wait(0.0):
        read.append(found.read())
    assert read == ["m", "", "", "1"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Kernel:
    """Of Windows: a console in some mode, and the memory of the process."""

    def __init__(self, mode: int | None, willing: bool = True) -> None:
        self.mode, self.willing = mode, willing
        self.GetStdHandle = lambda number: 7  # an attribute takes `restype`

        def current():
            return 0xFFFFFFFFFFFFFFFF

        self.GetCurrentProcess = current

    def GetConsoleMode(self, handle, mode) -> int:
        if self.mode is not None:
            mode._obj.value = self.mode
        return self.mode is not None

    def SetConsoleMode(self, handle, mode: int) -> int:
        if self.willing:
            self.mode = mode
        return self.willing

    def K32GetProcessMemoryInfo(self, process, counters, size: int) -> int:
        assert size == (4 + 4 + 8 * 8 if sys.maxsize > 1 << 32 else 40)
        counters._obj.PeakWorkingSetSize = 123456789
        return 1


def test_meters_in_a_console_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TERM", raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    for mode, willing, expected, then in (
        (3, True, True, 7), (3, False, False, 3), (7, False, True, 7), (None, False, True, None)
    ):  # fmt: skip
        kernel = Kernel(mode, willing)
        monkeypatch.setattr(ctypes, "WinDLL", lambda name, kernel=kernel: kernel, raising=False)
        assert system.moves_cursor(Terminal()) is expected
        assert kernel.mode == then
    assert not system.moves_cursor(io.StringIO())


# --- the machine -------------------------------------------------------------------------------------------


def test_peak_memory_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "WinDLL", lambda name: Kernel(None), raising=False)
    assert system.peak_memory() == 123456789


def test_peak_memory_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(resource, "getrusage", lambda who: types.SimpleNamespace(ru_maxrss=5000))
    assert system.peak_memory() == 5000


def test_peak_memory_here() -> None:
    before = system.peak_memory()
    assert before is not None
    assert 10 << 20 < before < 64 << 30
    block = np.ones(64 << 17)  # 64 MB
    after = system.peak_memory()
    assert after is not None
    assert after >= before
    assert block.nbytes == 64 << 20


def test_the_cpu_of_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Key:
        def __init__(self, root: int, path: str) -> None:
            asked.append((root, path))

        def __enter__(self):
            return self

        def __exit__(self, *_: object) -> None:
            pass

    registry = types.SimpleNamespace(
        HKEY_LOCAL_MACHINE=2, OpenKey=Key, QueryValueEx=lambda key, name: (f"  A {name} @ 3 GHz ", 1)
    )
    monkeypatch.setitem(sys.modules, "winreg", registry)
    monkeypatch.setattr(sys, "platform", "win32")
    assert system.cpu_name() == "A ProcessorNameString @ 3 GHz"
    assert asked == [(2, r"HARDWARE\DESCRIPTION\System\CentralProcessor\0")]


def test_the_cpu_of_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    def sysctlbyname(name, text, size, new, new_size) -> int:
        assert name == b"machdep.cpu.brand_string"
        text.value = b"Apple M2 Pro"
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: types.SimpleNamespace(sysctlbyname=sysctlbyname))
    assert system.cpu_name() == "Apple M2 Pro"
    monkeypatch.setattr(ctypes, "CDLL", lambda name: types.SimpleNamespace(sysctlbyname=lambda *_: -1))
    monkeypatch.setattr(system.platform, "processor", lambda: "arm")
    assert system.cpu_name() == "arm"


def core(implementer: str, part: str) -> str:
    return f"processor\t: 0\nCPU implementer\t: {implementer}\nCPU part\t: {part}\n\n"


@pytest.mark.parametrize(
    ("cpuinfo", "board", "expected"),
    [
        (core("0x41", "0xd0b") * 4, "Raspberry Pi 5\0", "Cortex-A76 (Raspberry Pi 5)"),
        (core("0x41", "0xd03") * 4 + core("0x41", "0xd09") * 4, None, "Cortex-A53 and Cortex-A73"),
        (core("0x41", "0xd0c"), None, "Neoverse N1"),
        (core("0x99", "0xabc"), None, "ARM core 0x99/0xabc"),
        ("processor : 0\nmodel name : AMD EPYC 7763\nmodel name : another\n", "a board\0", "AMD EPYC 7763"),
        ("processor : 0\n", None, "x"),
    ],
)  # fmt: skip
def test_the_cpu_of_linux(
    monkeypatch: pytest.MonkeyPatch, cpuinfo: str, board: str | None, expected: str
) -> None:
    def lines(path: str) -> list[str]:
        text = {"/proc/cpuinfo": cpuinfo, "/proc/device-tree/model": board}[path]
        if text is None:
            raise FileNotFoundError(path)
        return text.splitlines()

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(system, "_lines", lines)
    monkeypatch.setattr(system.platform, "processor", lambda: "x")
    assert system.cpu_name() == expected


# --- live --------------------------------------------------------------------------------------------------


def client_libraries(monkeypatch: pytest.MonkeyPatch, platform: str):
    monkeypatch.setattr(sys, "platform", platform)
    name = f"spleeterrt.realtime.clients_{platform}"
    spec = importlib.util.spec_from_file_location(name, clients.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_where_audio_libraries_are_on_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    found = client_libraries(monkeypatch, "darwin")
    for names, file in (
        (found.JACK_LIBRARIES, "libjack.0.dylib"),
        (found.PORTAUDIO_LIBRARIES, "libportaudio.2.dylib"),
    ):
        folders = ("/usr/local/lib/", "/opt/homebrew/lib/", "/opt/local/lib/")
        assert names == (file, *(f"{folder}{file}" for folder in folders))


def test_the_library_of_sounddevice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Windows: its folder has one for each processor, and one with ASIO."""
    folder = tmp_path / "portaudio-binaries"
    folder.mkdir()
    for kind in ("64bit-asio", "64bit", "32bit", "arm64"):
        (folder / f"libportaudio{kind}.dll").touch()
    spec = types.SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    found = [Path(path).stem.removeprefix("libportaudio") for path in clients._portaudio_libraries()]
    assert found[-4:] == ["32bit", "64bit", "arm64", "64bit-asio"]


def test_no_library_says_what_to_do() -> None:
    with pytest.raises(SpleeterError, match=r"library not found.*pip install sounddevice"):
        clients.PortAudioClient(("vocals",), library=str(Path("nowhere") / "libportaudio.dll"))
