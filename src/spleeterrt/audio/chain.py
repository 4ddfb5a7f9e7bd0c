"""`ChainSource`: the parts of a file, one behind the other, with the rate and the channels of the first."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import AudioError, SpleeterError
from .blocks import BlockSource
from .channels import downmix
from .layouts import Layout
from .parts import MOST_PARTS, few
from .resample import StreamResampler, resampled_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .source import AudioSource

_STEP = 1152  # frames, as `AudioReader` reads
_HALF_POWER = np.float32(math.sqrt(0.5))
_MOST_NOTES = 5  # about parts


@dataclass
class _Link:
    """A part; its lengths are at its own rate."""

    open: Callable[[], AudioSource]
    number: int
    rate: int
    channels: int
    layout: Layout | None
    frames: int | None
    likely_frames: int | None


class ChainSource(BlockSource):
    """Decodes the parts in order; see `AudioSource` in `source`.

    A part of another rate is resampled, one of other channels mixed as FFmpeg does (mono to both channels
    and stereo to mono with -3 dB).
    """

    def __init__(self, path: Path, parts: Sequence[Callable[[], AudioSource]]) -> None:
        """parts: what opens each of them."""
        self._path, self._count = path, len(parts)
        self.notes: list[str] = []
        self.damage: list[str] = []
        if len(parts) > MOST_PARTS:
            self.damage.append(f"it has more than {MOST_PARTS} parts: the rest is left out")
            parts = parts[:MOST_PARTS]
        self._lost: list[str] = []
        self._links: list[_Link] = []
        for number, part in enumerate(parts, 1):
            self._add(part, number)
        first = self._links[0]
        self.rate, self.channels, self.layout = first.rate, first.channels, first.layout
        mixed = [link.number for link in self._links if link.channels > self.channels]
        if mixed:
            listed = ", ".join(map(str, mixed[:_MOST_NOTES])) + (" ..." if len(mixed) > _MOST_NOTES else "")
            which = f"parts {listed} of {self._count} have" if len(mixed) > 1 else f"part {listed} has"
            self.notes.append(f"{which} more channels than the first ({self.channels}): mixed down")
        self.frames = self._sum([link.frames for link in self._links])
        self.likely_frames = self._sum([link.likely_frames for link in self._links])
        self._blocks: Generator[NDArray[np.float32], None, None] = self._decoded()
        self._ready = np.empty((0, self.channels), np.float32)

    def _add(self, part: Callable[[], AudioSource], number: int) -> None:
        try:
            source = part()
        except AudioError as error:
            if number == 1:
                raise
            reason = str(error).partition(": ")[2].partition(";")[0]
            self.damage.append(f"part {number} of {self._count} is left out: {reason}")
            return
        source.close()
        if number == 1:
            self.notes += source.notes
        if source.frames != 0 or number == 1:
            kind = source.rate, source.channels, source.layout
            self._links.append(_Link(part, number, *kind, source.frames, source.likely_frames))

    def _sum(self, lengths: list[int | None]) -> int | None:
        """Of parts, at the rate of the first; None if one is not known."""
        total = 0
        for link, length in zip(self._links, lengths, strict=True):
            if length is None:
                return None
            total += resampled_frames(length, link.rate, self.rate)
        return total

    def close(self) -> None:
        self._blocks.close()

    def seek(self, frame: int) -> int:
        return 0  # a part that is damaged would displace what follows

    def end_warning(self, position: int) -> str | None:
        return f"{self._path}: {'; '.join(few(self._lost))}" if self._lost else None

    def _decoded(self) -> Generator[NDArray[np.float32], None, None]:
        for link in self._links:
            source = link.open()
            try:
                yield from self._samples(source, link)
            finally:
                source.close()

    def _samples(self, source: AudioSource, link: _Link) -> Iterator[NDArray[np.float32]]:
        source.seek(0)
        step = np.empty((_STEP, link.channels), np.float32)
        resampler = None
        if link.rate != self.rate:
            resampler = StreamResampler(link.rate, self.rate, self.channels)
        done = 0
        while count := source.read(step):
            done += count
            block = self._mixed(step[:count], link)
            if resampler is None:
                yield block
            else:
                yield from resampler.process_in_parts(block)
        if resampler is not None:
            yield resampler.flush()
        warning = source.end_warning(done)
        if warning is not None:
            reason = warning.removeprefix(f"{self._path}: ")
            self._lost.append(f"part {link.number} of {self._count}: {reason}")

    def _mixed(self, block: NDArray[np.float32], link: _Link) -> NDArray[np.float32]:
        """A new block, with the channels of the first part."""
        if link.channels == self.channels:
            return np.array(block)
        if link.channels > 2:
            try:
                block = downmix(block, link.layout, normalize=False)
            except SpleeterError:  # nobody knows what the channels are
                block = block[:, :2]
        if self.channels == 1:
            return np.asarray((block[:, :1] + block[:, 1:2]) * _HALF_POWER)
        out = np.zeros((len(block), self.channels), np.float32)
        if link.channels > 1:
            out[:, :2] = block
        elif self.layout is not None and "FC" in self.layout:
            out[:, self.layout.index("FC")] = block[:, 0]
        else:
            out[:, :2] = block * _HALF_POWER
        return out
