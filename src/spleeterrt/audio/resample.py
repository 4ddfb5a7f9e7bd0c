"""Resampling of a stream by soxr, with an exact length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from .._kernels import machine
from ..arguments import told
from ..errors import AudioOptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray


MIN_RATE, MAX_RATE = 1000, 768000  # Hz
LOWEST_RATE = 100  # Hz, of a file that is to be resampled
LARGEST_OUTPUT = 1 << 19  # frames; a usual block of 8 kHz becomes 361,000 at 44.1 kHz


def checked_number(value: Any, what: str) -> float:
    """`value` as a float, which may be infinite or NaN; an AudioOptionError naming it if not a number."""
    try:
        if isinstance(value, (str, bytes, bytearray)):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise AudioOptionError(f"{what}: expected a number, got {told(value)}") from None


def checked_count(value: Any, what: str) -> int:
    """`value` as a number of things, 0 or more; an AudioOptionError naming it if it is none."""
    count = checked_number(value, what)
    if not 0 <= count < 1 << 63:
        raise AudioOptionError(f"{what}: expected 0 or more, got {told(value)}")
    return round(count)


def checked_rate(value: Any, what: str = "sample rate") -> int:
    """`value` (a number, or `"44100"`) rounded to whole Hz; an AudioOptionError naming it if that is not a
    sensible sample rate.
    """
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    rate = checked_number(value, what)
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioOptionError(f"{what}: expected {MIN_RATE} to {MAX_RATE} Hz, got {told(value)}")
    return round(rate)


def resampled_frames(frames: int, rate: int, new_rate: int) -> int:
    """Frames after resampling: `frames * new_rate / rate` rounded, halves up (soxr's own rule).

    At least 1 for a stream that is not empty. Integer arithmetic: exact for any length.
    """
    if frames <= 0:
        return 0
    return max(1, (2 * frames * new_rate + rate) // (2 * rate))


class StreamResampler:
    """Resamples blocks float32 `(n, channels)`; the cut into blocks does not change the output.

    The output of `process` plus `flush` has exactly `resampled_frames(total input)` frames and
    no delay. Quality: soxr HQ (20 bits).
    """

    def __init__(self, rate: int, new_rate: int, channels: int) -> None:
        import soxr

        self._rate, self._new_rate, self._channels = rate, new_rate, channels
        self._stream = soxr.ResampleStream(rate, new_rate, channels, dtype="float32", quality="HQ")
        self._read = 0
        self._written = 0

    def process(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take `(n, channels)`, give what is ready: `(m, channels)`, m may be 0."""
        self._read += len(block)
        block = np.ascontiguousarray(block, dtype=np.float32)
        with machine.NoDenormals():  # soxr would be several times slower on them
            out: NDArray[np.float32] = self._stream.resample_chunk(block)
        self._written += len(out)
        return out

    def process_in_parts(self, block: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
        """As `process`, in parts of at most some `LARGEST_OUTPUT` frames: a file may say that it has 1 Hz."""
        step = max(1, LARGEST_OUTPUT * self._rate // self._new_rate)
        for start in range(0, len(block), step):
            yield self.process(block[start : start + step])

    def flush(self) -> NDArray[np.float32]:
        """The rest, trimmed or zero-padded to the exact length."""
        empty = np.zeros((0, self._channels), dtype=np.float32)
        if not self._read:
            return empty
        with machine.NoDenormals():
            out: NDArray[np.float32] = self._stream.resample_chunk(empty, last=True)
        return fit(out, resampled_frames(self._read, self._rate, self._new_rate) - self._written)


def fit(block: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """`block` trimmed or zero-padded at its end to `frames` (a negative number means 0)."""
    frames = max(0, frames)
    if len(block) >= frames:
        return block[:frames]
    return np.concatenate([block, np.zeros((frames - len(block), block.shape[1]), dtype=block.dtype)])
