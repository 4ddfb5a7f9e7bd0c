"""Samples as bytes, and WAV headers as programs write them to pipes: nothing here seeks.

libsndfile reads WAV from pipes, too, but takes a length of 0 at its word, which programs write that do not
know it, and waits until a whole block is there. So pipes have a small parser of their own.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError
from .formats import quantize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class SampleFormat:
    """How a sample is stored; `s24_32le`: 24 bits in the lower three of four bytes, the fourth says nothing
    (ALSA's S24_LE)."""

    name: str
    bytes: int
    floating: bool = False


SAMPLE_FORMATS = {
    format.name: format
    for format in (
        SampleFormat("u8", 1),
        SampleFormat("s16le", 2),
        SampleFormat("s24le", 3),
        SampleFormat("s32le", 4),
        SampleFormat("s24_32le", 4),
        SampleFormat("f32le", 4, floating=True),
        SampleFormat("f64le", 8, floating=True),
    )
}
RAW_FORMATS = ("s16le", "s24le", "s32le", "s24_32le", "f32le")  # those that are written

WAV_FORMS = (b"RIFF", b"RF64", b"BW64")
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")  # after the two bytes of the format
_UNKNOWN = 0xFFFFFFFF
_LARGEST_HEADER = 1 << 24  # bytes before the samples: tags and pictures, not more
LARGEST_TAIL = 1 << 20  # bytes of a chunk after samples of unknown length
MOST_TAIL = 2 << 20  # bytes of all of them


def decode(data: bytes, format: SampleFormat, channels: int) -> Float32:
    """Whole samples as float32 (n, channels), full scale 1."""
    if format.name == "u8":
        samples = np.frombuffer(data, np.uint8).astype(np.float32)
        samples = (samples - 128) * np.float32(2**-7)
    elif format.name == "s16le":
        samples = np.frombuffer(data, "<i2").astype(np.float32) * np.float32(2**-15)
    elif format.name == "s24le":
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        samples = wide.view("<i4")[:, 0].astype(np.float32) * np.float32(2**-31)
    elif format.name == "s32le":
        samples = np.frombuffer(data, "<i4").astype(np.float32) * np.float32(2**-31)
    elif format.name == "s24_32le":
        samples = (np.frombuffer(data, "<i4") << 8).astype(np.float32) * np.float32(2**-31)
    else:
        with np.errstate(over="ignore", invalid="ignore"):
            samples = np.frombuffer(data, f"<f{format.bytes}").astype(np.float32)
    return samples.reshape(-1, channels)


def encode(block: Float32, format: SampleFormat) -> bytes:
    """The bytes of samples; integers saturate at full scale."""
    if format.name == "s16le":
        return quantize(block, "int16").astype("<i2", copy=False).tobytes()
    if format.name == "s24le":
        wide = np.ascontiguousarray(quantize(block, "int24").astype("<i4", copy=False))
        return wide.view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    if format.name == "s24_32le":
        return quantize(block, "int24").astype("<i4", copy=False).tobytes()
    if format.name == "s32le":
        scaled = np.rint(block.astype(np.float64) * 2.0**31)
        return np.clip(scaled, -(2.0**31), 2.0**31 - 1).astype("<i4").tobytes()
    return np.ascontiguousarray(block, dtype="<f4").tobytes()


# --- WAV -------------------------------------------------------------------------


# What may follow an odd chunk at once: some programs leave its byte of padding out.
_COMMON_CHUNKS = frozenset(
    b"data,fmt ,LIST,fact,PEAK,bext,iXML,id3 ,ID3 ,cue ,smpl,JUNK,RIFF,RF64".split(b",")
)


def means_unknown(size: int) -> bool:
    """Whether a size is what programs write that do not know it: ffmpeg all ones, sox 0x7FFFF000, GStreamer
    0x7FFF0000, arecord about 0x80000000, others 0."""
    return size == 0 or 0x7FFF0000 <= size <= 0x80000100 or size >= 0xFFFFF000


def lacks_padding(after: bytes) -> bool:
    """Whether a chunk follows at once where a byte of padding belongs first; after: the next five bytes."""
    return after[:4] in _COMMON_CHUNKS and after[1:5] not in _COMMON_CHUNKS


# Of the chunks that programs write behind samples: names, sizes and the beginning of what is in them.
_TAIL_NAMES = (b"LIST", b"id3 ", b"ID3 ", b"cue ")
_TAIL_CHUNK = re.compile(
    rb"LIST(?P<list>.{4})(?:INFO|adtl)|(?:id3|ID3) (?P<id3>.{4})ID3.|cue (?P<cue>.{4})(?P<points>.{4})",
    re.DOTALL,
)


def tail_start(data: bytes, complete: bool) -> int:
    """Where the chunks begin that samples end with; `len(data)` if there are none.

    Args:
        complete: nothing follows the data; else what may become such chunks counts too.
    """
    found = []
    for name in _TAIL_NAMES:
        at = data.find(name)
        while at >= 0:
            found.append(at)
            at = data.find(name, at + 1)
        if not complete:
            found += [len(data) - count for count in (1, 2, 3) if data.endswith(name[:count])]
    ends: dict[int, bool] = {}
    for at in sorted(found, reverse=True):  # so that each is looked at once, however many follow each other
        ends[at] = _ends_with_chunks(data, at, complete, ends)
    first = max(0, len(data) - MOST_TAIL)
    return min((at for at, is_tail in ends.items() if is_tail and at >= first), default=len(data))


def _ends_with_chunks(data: bytes, at: int, complete: bool, ends: dict[int, bool]) -> bool:
    """Whether the data ends with chunks from here on; ends: the same of places further behind."""
    match = _TAIL_CHUNK.match(data, at)
    if match is None:
        begins = any(name.startswith(data[at : at + 4]) for name in _TAIL_NAMES)
        return not complete and begins and len(data) - at < 12
    size = int.from_bytes(match["list"] or match["id3"] or match["cue"], "little")
    if size > LARGEST_TAIL:
        return False
    if match["cue"] and size != 4 + 24 * int.from_bytes(match["points"], "little"):
        return False
    at += 8 + size + size % 2
    if at < len(data):
        return ends.get(at, False)
    return not complete or at - len(data) <= 1  # the last padding may be missing


class SampleTail:
    """Keeps chunks behind samples of unknown length from being taken for samples.

    What may be such a chunk is held back until it is known whether the input ends with it.

    Attributes:
        dropped: bytes of chunks at the end of the input.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """What is certainly samples."""
        data = self._held + data
        start = tail_start(data, complete=False)
        self._held = data[start:]
        return data[:start]

    def end(self) -> bytes:
        """Nothing more comes: what is samples after all."""
        start = tail_start(self._held, complete=True)
        samples = self._held[:start]
        self.dropped += len(self._held) - start
        self._held = b""
        return samples


@dataclass(frozen=True)
class WavHeader:
    """What a WAV header says; `data_bytes` is None where the length was not known; `mask`: of the speakers,
    0 where it does not say."""

    format: SampleFormat
    channels: int
    rate: int
    data_bytes: int | None
    mask: int = 0


def read_wav_header(read: Callable[[int], bytes], name: str) -> WavHeader:
    """Everything up to the first sample.

    Args:
        read: gives exactly so many bytes, fewer only at the end.
        name: of the input, for messages.

    Raises:
        AudioError: not a WAV stream, a cut off one, or one with samples of another kind.
    """
    used = 0
    returned = b""

    def take(count: int, what: str) -> bytes:
        nonlocal used, returned
        data, returned = returned[:count], returned[count:]
        if len(data) < count:
            data += read(count - len(data))
        used += count
        if len(data) < count:
            raise AudioError(f"{name}: the WAV header is cut off in {what}")
        return data

    start = read(12)
    used = 12
    if not start:
        raise AudioError(f"{name}: the input is empty")
    if start[:4] not in WAV_FORMS or (len(start) >= 12 and start[8:12] != b"WAVE"):
        raise AudioError(
            f"{name}: not a WAV stream (it begins with {start[:4]!r}). Raw samples need --input-format, "
            "--rate and --channels; other formats go through e.g. `ffmpeg -i FILE -f wav -`"
        )
    if len(start) < 12:
        raise AudioError(f"{name}: the WAV header is cut off after {len(start)} bytes")
    whole = struct.unpack("<I", start[4:8])[0]
    header: tuple[SampleFormat, int, int] | None = None
    long_size: int | None = None
    mask = 0
    while True:
        kind, size = struct.unpack("<4sI", take(8, "the head of a chunk"))
        if kind == b"data":
            break
        if size > _LARGEST_HEADER - used:
            raise AudioError(f"{name}: a chunk {kind!r} of {size} bytes before the samples")
        body = take(size, f"chunk {kind!r}")
        if size % 2:
            after = take(5, "the head of a chunk")
            kept = 0 if lacks_padding(after) else 1
            returned, used = after[kept:] + returned, used - len(after[kept:])
        if kind == b"fmt ":
            header = _read_format(body, name)
            if body[:2] == struct.pack("<H", _EXTENSIBLE) and len(body) >= 24:
                mask = struct.unpack("<I", body[20:24])[0]
        elif kind == b"ds64" and size >= 16:
            long_size = struct.unpack("<Q", body[8:16])[0]
    if header is None:
        raise AudioError(f"{name}: a WAV stream without a format (no 'fmt ' chunk before the samples)")
    return WavHeader(*header, _data_bytes(size, long_size, whole, used), mask)


def _data_bytes(size: int, long_size: int | None, whole: int, used: int) -> int | None:
    if size == _UNKNOWN and long_size is not None:
        return None if long_size in (0, (1 << 64) - 1) else long_size
    if size == 0:
        more_follows = 8 + whole > used and not means_unknown(whole)
        return 0 if more_follows else None
    return None if means_unknown(size) else size


def is_low_24_bit(format: bytes) -> bool:
    """Whether a `fmt ` chunk is that of `arecord -f S24_LE`: plain PCM of 24 bits in four bytes, the lower
    three of them. (The extensible format has such samples at the top, as 32 bits.)"""
    tag, channels, _, _, frame_bytes, bits = struct.unpack_from("<HHIIHH", format)
    return bool(tag == _PCM and bits == 24 and channels and frame_bytes == 4 * channels)


def _read_format(body: bytes, name: str) -> tuple[SampleFormat, int, int]:
    if len(body) < 16:
        raise AudioError(f"{name}: a WAV format of {len(body)} bytes, expected at least 16")
    tag, channels, rate, _, frame_bytes, bits = struct.unpack("<HHIIHH", body[:16])
    if tag == _EXTENSIBLE and len(body) >= 40 and body[26:40] == _GUID_TAIL:
        tag = struct.unpack("<H", body[24:26])[0]
    size = frame_bytes // channels if channels else 0
    if is_low_24_bit(body) and rate:
        return SAMPLE_FORMATS["s24_32le"], channels, rate
    # Fewer valid bits than their bytes hold lie at the top: the scale is the same.
    whole = channels and frame_bytes == size * channels and (bits + 7) // 8 == size
    if whole and rate and tag in (_PCM, _FLOAT):
        for format in SAMPLE_FORMATS.values():
            if (format.bytes, format.floating) == (size, tag == _FLOAT):
                return format, channels, rate
    raise AudioError(
        f"{name}: WAV samples that are not read here (format {tag:#x}, {bits} bits, {channels} channels, "
        f"{rate} Hz); convert them by e.g. `ffmpeg -i FILE -f wav -`"
    )


def wav_header(
    format: SampleFormat, channels: int, rate: int, frames: int | None, large: bool = False
) -> bytes:
    """A header for `frames` samples; None: of unknown length, as ffmpeg writes it to pipes.

    Args:
        large: leave room for, and where `frames` need it use, 64-bit sizes (RF64); the length of
            the header is the same for any number of frames.
    """
    tag = _FLOAT if format.floating else _PCM
    frame_bytes = channels * format.bytes
    if channels > 2 or (format.bytes > 2 and not format.floating):
        # No speaker positions: the channels of several stems have none.
        mask = {1: 4, 2: 3}.get(channels, 0)
        extension = struct.pack("<HHIH", 22, 8 * format.bytes, mask, tag) + _GUID_TAIL
        tag = _EXTENSIBLE
    else:
        extension = struct.pack("<H", 0) if format.floating else b""
    values = (tag, channels, rate, rate * frame_bytes, frame_bytes, 8 * format.bytes)
    chunks = _chunk(b"fmt ", struct.pack("<HHIIHH", *values) + extension)
    if format.floating:  # expected of all but integers
        chunks += _chunk(b"fact", struct.pack("<I", _UNKNOWN if frames is None else min(frames, _UNKNOWN)))
    data_bytes = _UNKNOWN if frames is None else frames * frame_bytes
    padded = data_bytes + (data_bytes % 2 if frames is not None else 0)
    whole = _UNKNOWN if frames is None else 4 + (36 if large else 0) + len(chunks) + 8 + padded
    first, form = b"", b"RIFF"
    if large and frames is not None and whole > _UNKNOWN - 1:
        form, first = b"RF64", _chunk(b"ds64", struct.pack("<QQQI", whole, data_bytes, frames, 0))
        whole = data_bytes = _UNKNOWN
    elif large:
        first = _chunk(b"JUNK", bytes(28))
    whole, data_bytes = min(whole, _UNKNOWN), min(data_bytes, _UNKNOWN)
    return (
        struct.pack("<4sI4s", form, whole, b"WAVE")
        + first
        + chunks
        + struct.pack("<4sI", b"data", data_bytes)
    )


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(body)) + body


def clipped(block: NDArray[Any], format: SampleFormat) -> int:
    """Samples beyond full scale, which integers cannot hold."""
    return 0 if format.floating else int(np.count_nonzero(np.abs(block) > 1.0))


__all__ = [
    "LARGEST_TAIL",
    "RAW_FORMATS",
    "SAMPLE_FORMATS",
    "WAV_FORMS",
    "SampleFormat",
    "SampleTail",
    "WavHeader",
    "clipped",
    "decode",
    "encode",
    "is_low_24_bit",
    "lacks_padding",
    "means_unknown",
    "read_wav_header",
    "tail_start",
    "wav_header",
]  # fmt: skip
