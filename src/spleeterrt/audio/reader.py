"""`AudioReader`: an audio file as a stream of float32 blocks, in constant memory.

libsndfile decodes what it knows (`libsndfile.py`, and `chain.py` where a file consists of several), FFmpeg
the rest (`ffmpeg_source.py`). A part that is
resampled equals the same part of the whole file resampled: what surrounds it is read too, as far as
the filter reaches.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import flag
from ..arguments import path as checked_path
from ..errors import AudioError
from .channels import downmix, downmix_weights, left_out, to_stereo
from .opening import open_source
from .parts import few
from .resample import LOWEST_RATE, StreamResampler, checked_number, checked_rate, resampled_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

# libsndfile drops what one failed call had decoded, so a damaged file is read in small steps;
# a fixed step also makes what can be recovered independent of `block_frames`.
_STEP = 1152
_LONGEST = 1e12  # seconds: of more no number of frames can be made
_MARGIN = 512  # frames of the lower rate: more than the filter of the resampler reaches


class AudioReader:
    """Iterates over the samples of one audio file.

    Args:
        path: of the file (str, bytes or path object); a regular file.
        offset: seconds to skip, None for 0: `round(offset * rate)` frames of what the whole file
            would give, exactly.
        duration: seconds to deliver, at most; None or infinity for all.
        sample_rate: Hz to resample to, 1000 to 768000; None keeps the file's.
        track: of a file with several audio tracks, counted from 1; None: the default one, with a warning.
        downmix: mix more than two channels to stereo (`spleeterrt.audio.downmix`).
        fill_gaps: silence, up to a minute, where the time stamps of a film's sound leave room.
        block_frames: frames per block, of the file's rate; the samples do not depend on it.

    Attributes:
        source_rate, rate: Hz of the file and of the blocks.
        source_channels, channels: of the file and of the blocks.
        layout: the speakers of the file's channels, named as FFmpeg names them; None: the file does not tell.
        frames: frames that the iteration will give: n source frames make
            `round(n * rate / source_rate)`, halves up, at least 1. None if the file does not say
            how long it is. A damaged file gives fewer.
        warnings: messages about the file; complete after the iteration.
        damaged: whether one of them tells of sound that is missing.

    The blocks are float32, C-contiguous, `(n, channels)`, n >= 1; integer files in [-1, 1), float
    files as they are. One pass only.

    Raises:
        AudioError: not a readable audio file, nothing at `offset`, or (while iterating) nothing
            could be decoded.
    """

    def __init__(
        self,
        path: str | bytes | os.PathLike[str],
        *,
        offset: float | None = 0.0,
        duration: float | None = None,
        sample_rate: float | None = None,
        track: int | None = None,
        downmix: bool = False,
        fill_gaps: bool = False,
        block_frames: int = 65536,
    ) -> None:
        self.path = Path(checked_path("audio", path))
        self.warnings: list[str] = []
        offset = 0.0 if offset is None else checked_number(offset, f"{self.path}: offset")
        if not (math.isfinite(offset) and offset >= 0):
            raise AudioError(f"{self.path}: offset must be >= 0 seconds, got {offset!r}")
        offset = min(offset, _LONGEST)
        if duration is not None:
            duration = checked_number(duration, f"{self.path}: duration")
            if not duration > 0:
                raise AudioError(f"{self.path}: duration must be > 0 seconds, got {duration!r}")
            duration = min(duration, _LONGEST)
        rate = None if sample_rate is None else checked_rate(sample_rate, f"{self.path}: sample rate")
        if not 1 <= checked_number(block_frames, f"{self.path}: block_frames") < 1 << 31:
            raise AudioError(
                f"{self.path}: block_frames must be 1 or more, less than 2**31, got {block_frames!r}"
            )
        self._block_frames = int(block_frames)
        if track is not None and not (isinstance(track, int) and track >= 1):
            raise AudioError(f"{self.path}: track: expected a number from 1 on, got {track!r}")
        self._source = open_source(self.path, track, fill_gaps)
        told = few(self._source.notes) + few(self._source.damage)
        self.warnings += [f"{self.path}: {message}" for message in told]
        self.damaged = bool(self._source.damage)
        self.source_rate: int = self._source.rate
        if rate is not None and self.source_rate < LOWEST_RATE:  # gigabytes of nothing, of a small file
            self._source.close()
            raise AudioError(f"{self.path}: {self.source_rate} Hz, as its header says, is no sound")
        self.rate = self.source_rate if rate is None else rate
        self.layout = self._source.layout
        self.source_channels: int = self._source.channels
        self._mixes = flag("downmix", downmix) and self.source_channels > 2
        self.channels = 2 if self._mixes else self.source_channels
        self._length: int | None = self._source.frames
        self._offset = offset
        self._start = round(offset * self.source_rate)
        self._position = 0  # source frames decoded or skipped
        self._limit: int | None = None
        if duration is not None:
            self._limit = max(1, round(duration * self.source_rate))
        try:
            if self._mixes:
                downmix_weights(self.layout, self.source_channels)  # complains of unknown ones
            self._check_length(offset)
        except BaseException:
            self.close()
            raise
        self._iterated = False

    @property
    def frames(self) -> int | None:
        """Frames that the iteration will give; None if unknown."""
        return None if self._length is None else self._frames_of(self._part(self._length))

    @property
    def likely_frames(self) -> int | None:
        """As `frames`, or about so many (for a progress bar)."""
        length = self._source.likely_frames
        return None if length is None else self._frames_of(self._part(length))

    @property
    def source_frames(self) -> int:
        """Frames of the file, at its own rate, that the iteration has given."""
        return self._part(self._position)

    @property
    def place(self) -> tuple[int, Fraction] | None:
        """Of what FFmpeg reads: the index of the stream, and the time of its first sample in seconds."""
        stream = getattr(self._source, "stream", None)
        return None if stream is None else (stream, getattr(self._source, "start", Fraction(0)))

    @property
    def source_bits(self) -> int | None:
        """24 where FFmpeg decodes a lossless track of so many bits a sample; else None."""
        return getattr(self._source, "bits", None)

    @property
    def gap(self) -> float:
        """After the iteration: seconds by which the file's time stamps run ahead of the sound."""
        return float(getattr(self._source, "gap", 0.0))

    def _part(self, length: int) -> int:
        """Of a file of `length` frames, those that are asked for."""
        count = max(0, length - self._start)
        return count if self._limit is None else min(count, self._limit)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._source.close()

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        if self._iterated:
            raise AudioError(f"{self.path}: an AudioReader gives its blocks once; open another one")
        self._iterated = True
        if self.rate == self.source_rate:
            yield from self._blocks(self._start, self._limit)
        else:
            yield from self._resampled_blocks()

    @property
    def left_out(self) -> str | None:
        """A warning of the channels that `stereo` leaves out; None: there are none."""
        missing = left_out(self.channels, self.layout)
        return None if missing is None else f"{self.path}: {missing}"

    def stereo(self) -> Iterator[NDArray[np.float32]]:
        """The blocks as networks take them, `(n, 2)`.

        Mono is duplicated; of more than two channels the first two are used, with a warning.
        """
        if self.left_out is not None:
            self.warnings.append(self.left_out)
        yield from map(to_stereo, self)

    def _resampled_blocks(self) -> Iterator[NDArray[np.float32]]:
        """The part of the whole file, resampled, from frame `round(offset * rate)`."""
        margin = _MARGIN * math.ceil(max(1.0, self.source_rate / self.rate))
        # From a frame whose time is a whole number of frames in both rates.
        period = self.source_rate // math.gcd(self.source_rate, self.rate)
        first = max(0, self._start - margin) // period * period
        drop = round(self._offset * self.rate) - first // period * (self.rate * period // self.source_rate)
        limit = math.inf if self._limit is None else self._frames_of(self._limit)
        end = None if self._limit is None else self._start + self._limit + margin - first
        resampler = StreamResampler(self.source_rate, self.rate, self.channels)
        done = fed = 0

        def part(out: NDArray[np.float32]) -> NDArray[np.float32]:
            nonlocal drop, done
            kept = out[drop:]
            drop = max(0, drop - len(out))
            if done + len(kept) > limit:
                kept = kept[: int(limit) - done]
            done += len(kept)
            return np.ascontiguousarray(kept)

        wanted = drop
        for block in self._blocks(first, end):
            fed += len(block)
            for resampled in resampler.process_in_parts(block):
                out = part(resampled)
                if len(out):
                    yield out
                if done == limit:
                    return
        limit = self._frames_of(self.source_frames)
        # Rounding may ask for a little more than there is: what the filter gives after the end.
        missing = wanted + int(limit) - resampled_frames(fed, self.source_rate, self.rate)
        if missing > 0:
            silence = np.zeros((missing * self.source_rate // self.rate + 2, self.channels), np.float32)
            out = part(resampler.process(silence))
            if len(out):
                yield out
        out = part(resampler.flush())
        if len(out):
            yield out

    def _frames_of(self, count: int) -> int:
        return resampled_frames(count, self.source_rate, self.rate)

    def _check_length(self, offset: float) -> None:
        if self._length == 0:
            raise AudioError(f"{self.path}: the file holds no audio (0 frames)")
        if self._length is not None and self._start >= self._length:
            raise AudioError(self._beyond(offset, self._length))

    def _beyond(self, offset: float, length: int) -> str:
        return f"{self.path}: offset {offset:g} s is beyond the end ({length / self.source_rate:.3f} s)"

    def _blocks(self, start: int, wanted: int | None) -> Iterator[NDArray[np.float32]]:
        """`wanted` frames from `start`, with the channels that are asked for."""
        blocks = self._source_blocks(start, wanted)
        return (downmix(block, self.layout) for block in blocks) if self._mixes else blocks

    def _source_blocks(self, start: int, wanted: int | None) -> Iterator[NDArray[np.float32]]:
        """`wanted` source frames from `start`, whatever the file really holds."""
        position = self._source.seek(start)
        skip = start - position
        block: NDArray[np.float32] = np.empty((self._block_frames, self.source_channels), dtype=np.float32)
        filled = delivered = 0
        step = np.empty((_STEP, self.source_channels), dtype=np.float32)
        while wanted is None or delivered + filled < wanted:
            n = self._source.read(step)
            if n == 0:
                break
            position += n
            self._position = position
            data = step[:n]
            if skip:
                data, skip = data[skip:], max(0, skip - n)
            if wanted is not None:
                data = data[: wanted - delivered - filled]
            while len(data):
                part = min(len(data), len(block) - filled)
                block[filled : filled + part] = data[:part]
                filled, data = filled + part, data[part:]
                if filled == len(block):
                    yield block
                    delivered += filled
                    # A new array: the consumer may keep the one it has.
                    block, filled = np.empty_like(block), 0
        if filled:
            yield block[:filled]
            delivered += filled
        if position == 0:
            raise AudioError(f"{self.path}: no audio could be decoded")
        if position <= self._start:
            raise AudioError(self._beyond(self._start / self.source_rate, position))
        self.warnings += [f"{self.path}: {note}" for note in getattr(self._source, "late_notes", ())]
        if self._limit is None or position < self._start + self._limit:
            warning = self._source.end_warning(position)
            if warning is not None:
                self.warnings.append(warning)
                self.damaged = True
