"""A `StreamSeparator` between file descriptors: bytes in, bytes out, for `spleeterrt stream`.

    DescriptorSource (pipe, file) -> samples -> StreamSeparator -> one Output for each stem, or one for all

Every read takes what is there, every write is given to the system at once, and each of them can be stopped
by a signal between two samples. A named pipe has a thread: its reader may come late, and may read
another one first.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..audio.channels import downmix, downmix_weights
from ..audio.coded import coded_samples
from ..audio.layouts import Layout, mask_layout, parse_layout
from ..audio.pcm import SampleFormat, SampleTail, decode, read_wav_header
from ..errors import AudioError, reason
from .descriptors import BINARY, Interruption, descriptor_number, set_binary
from .outputs import Encoding, Output, open_output

if TYPE_CHECKING:
    from .pace import Pace
    from .stream import StreamSeparator

    Float32 = np.typing.NDArray[np.float32]

_START_BYTES = 1 << 15
_READ_BYTES = 1 << 16


# --- in ----------------------------------------------------------------------------


class DescriptorSource:
    """Samples from a descriptor.

    Attributes:
        name: for messages.
        rate, channels, format: known after `open`.
        layout: the speakers of the channels, where a WAV header tells, or as told to `mix_down`.
        warnings: what was not as it should be, complete at the end.
    """

    rate: int
    channels: int
    format: SampleFormat
    layout: Layout | None = None

    def __init__(self, path: str | None, interruption: Interruption) -> None:
        """path: of a file or a named pipe; None: standard input."""
        self.name = "standard input" if path is None else path
        self.is_wav = False
        self.frames = 0
        self.warnings: list[str] = []
        self._interruption = interruption
        self._left: int | None = None  # bytes of samples
        self._pending = b""
        self._mixes = False
        self._tail: SampleTail | None = None  # where it is not known how many bytes there are
        self._start: bytes | None = b""  # as long as it may turn out not to be sound
        number = 0 if path is None else descriptor_number(path)
        try:
            if number is not None:
                self.descriptor, self._ours = number, False
                os.fstat(number)
            else:
                assert path is not None
                with interruption.raising():  # a named pipe waits for its writer
                    self.descriptor, self._ours = os.open(path, os.O_RDONLY | BINARY), True
            if stat.S_ISDIR(os.fstat(self.descriptor).st_mode):
                raise AudioError(f"{self.name}: cannot be read: it is a folder")
        except (OSError, ValueError) as error:
            text = f"{self.name}: cannot be read: {reason(error)}"
            if re.match(r"[a-z]+://", self.name, re.IGNORECASE):
                text += (
                    f". Addresses are read by ffmpeg: ffmpeg -i {self.name} -f wav - | spleeterrt stream ..."
                )
            raise AudioError(text) from error
        set_binary(self.descriptor)

    def open(self, format: SampleFormat | None, rate: int | None, channels: int | None) -> bool:
        """Raw samples, or with format None: what the WAV header says. False: it is time to stop."""
        if format is not None:
            assert rate is not None
            assert channels is not None
            self.format, self.rate, self.channels = format, rate, channels
            return True
        try:
            header = read_wav_header(self._exactly, self.name)
        except AudioError:
            if self._interruption.is_set():
                return False
            raise
        self.is_wav = True
        self.format, self.rate, self.channels = header.format, header.rate, header.channels
        self._left = header.data_bytes
        layout = mask_layout(header.mask)
        self.layout = layout if layout is not None and len(layout) == self.channels else None
        self._tail = SampleTail() if header.data_bytes is None else None
        return True

    def read(self, most: int) -> Float32 | None:
        """At least one and at most so many samples (n, channels): those that are there. None: the end."""
        size = self.format.bytes * self.channels
        while len(self._pending) < size:
            wanted = most * size - len(self._pending)
            if self._left is not None:
                wanted = min(wanted, self._left)
            data = self._some(wanted) if wanted else b""
            if self._left is not None:
                self._left -= len(data)
            ended = not data
            if self._tail is not None:
                data = self._tail.end() if ended else self._tail.feed(data)
            if ended and not data:
                self._end(size)
                return None
            self._refuse_coded(data)
            self._pending += data
        count = min(most, len(self._pending) // size)
        data, self._pending = self._pending[: count * size], self._pending[count * size :]
        if not self.frames and not self.is_wav and data.startswith((b"RIFF", b"RF64")):
            self.warnings.append(
                f"{self.name}: begins with a WAV header, which is taken for samples; without --input-format, "
                "--rate and --channels it is read as WAV"
            )
        self.frames += count
        return decode(data, self.format, self.channels)

    def _refuse_coded(self, data: bytes) -> None:
        """DTS and the like, which digital outputs carry in place of samples, would be heard as noise."""
        if self._start is None:
            return
        self._start = self._start + data if self._start else data.lstrip(b"\0")
        if self.format.name != "s16le" or self.channels != 2 or len(self._start) > _START_BYTES:
            self._start = None
        elif (coded := coded_samples(self._start)) is not None:
            raise AudioError(
                f"{self.name}: the samples are not sound but {coded}, as digital outputs send it to a "
                "decoder; decode it first, e.g. with `ffmpeg -i FILE -f wav -`"
            )

    def mix_down(self, layout: str | None) -> None:
        """From here on `stereo` mixes all channels.

        layout: as of `audio.downmix`; None: what the header tells, else the usual one.

        Raises:
            SpleeterError: of another number of channels, or nobody knows one.
        """
        if layout is not None:
            self.layout = parse_layout(layout, self.channels)
        downmix_weights(self.layout, self.channels)
        self._mixes = True

    def stereo(self, block: Float32) -> Float32:
        """A block as (n, 2): of more channels the first two, or all mixed; mono stays (n, 1)."""
        return downmix(block, self.layout) if self._mixes else block[:, : min(2, self.channels)]

    @property
    def is_file(self) -> bool:
        """Whether all of it is there already, so that it has no clock of its own."""
        return stat.S_ISREG(os.fstat(self.descriptor).st_mode)

    def drain(self) -> None:
        """Read what follows the samples, so that its writer does not fail; of another song, warn."""
        if self._left != 0:
            return
        start = b""
        while data := self._some(_READ_BYTES):
            start = start or data
            if self.is_file:
                break
        if b"WAVEfmt " in start:
            self.warnings.append(f"{self.name}: another WAV file follows the samples: it is left out")

    def close(self) -> None:
        if self._ours:
            self._ours = False
            os.close(self.descriptor)

    def _end(self, size: int) -> None:
        if self._interruption.is_set():
            return
        if self._left:
            missing = self._left // size / self.rate
            self.warnings.append(f"{self.name}: ends {missing:.3f} s before the length in its header")
        padding = self._pending == b"\0" and self._tail is not None and self._tail.dropped
        if self._pending and not padding:
            self.warnings.append(
                f"{self.name}: the last {len(self._pending)} bytes are no whole sample and are left out"
            )
            self._pending = b""

    def _some(self, most: int) -> bytes:
        """What is there; empty at the end, or if it is time to stop."""
        try:
            while self._interruption.wait(read=self.descriptor):
                with contextlib.suppress(BlockingIOError):
                    return os.read(self.descriptor, most)
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read: {reason(error)}") from error
        return b""

    def _exactly(self, count: int) -> bytes:
        parts = []
        while count and (data := self._some(count)):
            parts.append(data)
            count -= len(data)
        return b"".join(parts)


# --- between -----------------------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """An output and the stems whose channels it gets, side by side; none: the mix."""

    output: Output
    stems: tuple[str, ...]


def run_stream(
    source: DescriptorSource,
    separator: StreamSeparator,
    routes: Sequence[Route],
    interruption: Interruption,
    *,
    keep_latency: bool,
    pace: Pace | None = None,
    watch: Callable[[], None] | None = None,
) -> None:
    """All samples of the source through the separator, to the outputs; ends with the source, at a signal, or
    when nobody reads any more.

    keep_latency: the output is as late as the separator, and so much longer; else it begins with the first
    sample and is as long as the input.
    pace: waits for the clock before every block.
    watch: called after every block.
    """
    fixed, most = separator.block_is_fixed, separator.largest_block
    skip = 0 if keep_latency else separator.latency
    wanted = {stem for route in routes for stem in route.stems}
    mixes = any(not route.stems for route in routes)
    written = 0

    def send(stems: dict[str, Float32], mix: Float32 | None, last: int | None = None) -> None:
        nonlocal skip, written
        count = len(next(iter(stems.values())) if mix is None else mix)
        first = min(skip, count)
        skip -= first
        end = count if last is None else min(count, first + last - written)
        written += end - first
        for route in routes:
            blocks = [stems[stem][first:end] for stem in route.stems]
            if not blocks:
                assert mix is not None
                blocks = [mix[first:end]]
            route.output.write(blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1))

    def process(block: Float32, last: int | None = None) -> None:
        stems = {stem: np.empty((len(block), 2), np.float32) for stem in wanted}
        mix = np.empty((len(block), 2), np.float32) if mixes else None
        separator.process(block, stems, mix_out=mix)
        send(stems, mix, last)
        if watch is not None:
            watch()

    collected = np.empty((most, 2), np.float32)
    have = 0
    while not all(route.output.gone for route in routes):
        block = source.read(most - have)
        if block is None:
            break
        if pace is not None:
            pace.wait(len(block), interruption)
        collected[have : have + len(block)] = source.stereo(block)
        have += len(block)
        if have == most or not fixed:
            process(collected[:have])
            have = 0
    if all(route.output.gone for route in routes):
        return
    if interruption.is_set() and not any(route.output.lasting for route in routes):
        return
    total = source.frames + (separator.latency if keep_latency else 0)
    if have:
        collected[have:] = 0.0
        process(collected, total)
    mix = np.empty((separator.latency, 2), np.float32) if mixes else None
    send(separator.flush(mix_out=mix), mix, total)


__all__ = ["DescriptorSource", "Encoding", "Interruption", "Output", "Route", "open_output", "run_stream"]
