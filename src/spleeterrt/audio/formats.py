"""Output formats: which settings each can have, and samples as a file's integers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError
from .ffmpeg import NEEDS_FFMPEG, ffmpeg_installed

if TYPE_CHECKING:
    from numpy.typing import NDArray

CODECS = ("wav", "flac", "ogg", "mp3", "opus", "m4a", "wma")
FFMPEG_CODECS = ("m4a", "wma")
BIT_DEPTHS = ("int16", "int24", "float32")
CLIP_MODES = ("clamp", "rescale", "none")
_LOSSLESS_DEPTHS = {"wav": BIT_DEPTHS, "flac": ("int16", "int24")}
FULL_SCALE = {"int16": 1 << 15, "int24": 1 << 23}
_SUBTYPES = {"int16": "PCM_16", "int24": "PCM_24", "float32": "FLOAT"}
_SAMPLE_BYTES = {"int16": 2, "int24": 3, "float32": 4}

_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_AAC_RATES = (
    7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000,
)  # fmt: skip
_MAX_WMA_RATE = 48000

_QUANTIZE_VALUES = 1 << 14

_MP3_KBITS = {
    "MPEG-1": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "MPEG-2": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    "MPEG-2.5": (8, 16, 24, 32, 40, 48, 56, 64),
}
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

# libvorbis' nominal kbit/s per channel at qualities 0, 0.1 ... 1.0, for 40 to 50 kHz.
_VORBIS_STEREO = (32.0, 40.0, 48.0, 56.0, 64.0, 80.0, 96.0, 112.0, 128.0, 160.0, 250.0)
_VORBIS_OTHER = (48.0, 60.0, 70.0, 80.0, 86.0, 96.0, 110.0, 120.0, 140.0, 160.0, 240.0)


def quantize(block: NDArray[Any], bit_depth: str) -> NDArray[Any]:
    """Samples as the integers of a file, as ffmpeg rounds: `clip(rint(x * full_scale))`.

    Args:
        block: float samples in [-1, 1], any shape; what is beyond saturates.
        bit_depth: `"int16"` gives int16; `"int24"` gives int32 in [-2^23, 2^23 - 1].
            `"float32"` gives float32, not clipped.
    """
    if bit_depth == "float32":
        return np.asarray(block, dtype=np.float32)
    full = full_scale(bit_depth)
    values = np.ascontiguousarray(block).reshape(-1)
    integers: NDArray[Any] = np.empty(values.shape, np.int16 if bit_depth == "int16" else np.int32)
    # A part at a time, in one place: the pages of fresh temporaries would cost more than the arithmetic.
    scratch = np.empty(min(len(values), _QUANTIZE_VALUES), np.result_type(values, np.float32))
    for start in range(0, len(values), _QUANTIZE_VALUES):
        part = slice(start, start + _QUANTIZE_VALUES)
        scaled = scratch[: len(values[part])]
        # Scaling by a power of two is exact in float32; rint rounds halves to even.
        np.multiply(values[part], full, out=scaled)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -full, full - 1, out=scaled)
        integers[part] = scaled
    return integers.reshape(np.shape(block))


def parse_bitrate(bitrate: str | int | float) -> int:
    """Bits per second of `"128k"`, `"128000"`, `128000` or `128` (numbers below 1000 are kbit/s).

    Raises:
        AudioError: not a positive bitrate.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(k?)(?:bit/s|bps|b)?\s*", str(bitrate), re.IGNORECASE)
    value = float(match[1]) if match else 0.0
    if match is None or not value > 0:
        raise AudioError(f"bitrate: expected e.g. '128k' or 128000, got {bitrate!r}")
    return round(value * 1000) if match[2] or value < 1000 else round(value)


def check_codec(codec: str) -> str:
    """The codec in small letters.

    Raises:
        AudioError: unknown, or what writes it is not installed.
    """
    name = str(codec).lower()
    if name not in CODECS:
        raise AudioError(f"codec {name!r} cannot be written; use {', '.join(CODECS[:-1])} or {CODECS[-1]}")
    if name in FFMPEG_CODECS:
        if not ffmpeg_installed():
            raise AudioError(f"codec {name}: {NEEDS_FFMPEG}")
        return name
    import soundfile

    if ("OGG" if name == "opus" else name.upper()) not in soundfile.available_formats():
        raise AudioError(f"this libsndfile ({soundfile.__libsndfile_version__}) cannot write {name} files")
    return name


def usual_rate(codec: str, rate: int) -> int:
    """The rate of files if none is asked for: Opus knows few."""
    return 48000 if str(codec).lower() == "opus" and rate not in _OPUS_RATES else rate


class Format:
    """The output format, validated: what libsndfile or FFmpeg needs to open a file."""

    def __init__(
        self, codec: str, bit_depth: str, clip: str, bitrate: str | int, rate: int, channels: int
    ) -> None:
        codec = check_codec(codec)
        if bit_depth not in BIT_DEPTHS:
            raise AudioError(f"bit depth: expected one of {', '.join(BIT_DEPTHS)}, got {bit_depth!r}")
        if clip not in CLIP_MODES:
            raise AudioError(f"clip: expected one of {', '.join(CLIP_MODES)}, got {clip!r}")
        self.lossless = codec in _LOSSLESS_DEPTHS
        if self.lossless and bit_depth not in _LOSSLESS_DEPTHS[codec]:
            possible = " or ".join(_LOSSLESS_DEPTHS[codec])
            raise AudioError(f"{codec} files cannot hold {bit_depth}; use {possible}")
        if clip == "none" and not (codec == "wav" and bit_depth == "float32"):
            raise AudioError("clip 'none' needs wav files with bit depth float32: others have a full scale")
        limit = {"mp3": 2, "m4a": 2, "wma": 2, "flac": 8, "opus": 8}.get(codec, 255)
        if not 1 <= channels <= limit:
            raise AudioError(f"{codec} files have 1 to {limit} channels, not {channels}")
        self.codec, self.bit_depth, self.rate, self.channels = codec, bit_depth, rate, channels
        self.subtype = _SUBTYPES[bit_depth] if self.lossless else "OPUS" if codec == "opus" else None
        self.frame_bytes = channels * _SAMPLE_BYTES[bit_depth]
        self.bits_per_second = 0
        self.level: float | None = None
        if codec == "mp3":
            self.bits_per_second = parse_bitrate(bitrate)
            self.level = _mp3_level(self.bits_per_second, rate)
        elif codec == "ogg":
            self.level = 1.0 - _vorbis_quality(parse_bitrate(bitrate), rate, channels)
        elif codec == "opus":
            self.level = _opus_level(parse_bitrate(bitrate), rate, channels)
        elif codec in FFMPEG_CODECS:
            self.bits_per_second = parse_bitrate(bitrate)
            _check_ffmpeg(codec, self.bits_per_second, rate, channels)


def full_scale(bit_depth: str) -> int:
    try:
        return FULL_SCALE[bit_depth]
    except KeyError:
        raise AudioError(f"bit depth: expected one of {', '.join(BIT_DEPTHS)}, got {bit_depth!r}") from None


def _mp3_level(bits_per_second: int, rate: int) -> float:
    """libsndfile's compression level of an exact constant bitrate.

    libsndfile takes `int(top - level * (top - bottom))` kbit/s, the range depending on the MPEG
    version; half a kbit/s more keeps the truncation from ending one below.
    """
    if rate not in _MP3_RATES:
        raise AudioError(f"mp3 files cannot have {rate} Hz, only {', '.join(map(str, _MP3_RATES))}")
    version = "MPEG-1" if rate >= 32000 else "MPEG-2" if rate >= 16000 else "MPEG-2.5"
    valid = _MP3_KBITS[version]
    if bits_per_second % 1000 or bits_per_second // 1000 not in valid:
        raise AudioError(
            f"mp3 files at {rate} Hz cannot have a bitrate of {bits_per_second / 1000:g}k, "
            f"only {', '.join(f'{k}k' for k in valid)}"
        )
    top, bottom = valid[-1], valid[0]
    return max(0.0, (top - bits_per_second // 1000 - 0.5) / (top - bottom))


def _opus_level(bits_per_second: int, rate: int, channels: int) -> float:
    """libsndfile's compression level of an Opus bitrate: linear from 256 to 6 kbit/s per channel."""
    if rate not in _OPUS_RATES:
        raise AudioError(f"opus files cannot have {rate} Hz, only {', '.join(map(str, _OPUS_RATES))}")
    top, bottom = 256_000 * channels, 6_000 * channels
    if not bottom <= bits_per_second <= top:
        raise AudioError(
            f"opus files with {channels} channel{'s' if channels > 1 else ''} cannot have a bitrate of "
            f"{bits_per_second / 1000:g}k, only {bottom // 1000}k to {top // 1000}k"
        )
    return (top - bits_per_second) / (top - bottom)


def _check_ffmpeg(codec: str, bits_per_second: int, rate: int, channels: int) -> None:
    if codec == "m4a":
        if rate not in _AAC_RATES:
            raise AudioError(f"m4a files cannot have {rate} Hz, only {', '.join(map(str, _AAC_RATES))}")
        top = 6 * rate * channels  # 6144 bits for 1024 frames of a channel
    else:
        if rate > _MAX_WMA_RATE:
            raise AudioError(f"wma files cannot have {rate} Hz, only up to {_MAX_WMA_RATE}")
        top = 320_000
    bottom = _LEAST_FFMPEG[codec]
    if not bottom <= bits_per_second <= top:
        raise AudioError(
            f"{codec} files at {rate} Hz cannot have a bitrate of {bits_per_second / 1000:g}k, "
            f"only {bottom // 1000}k to {top / 1000:g}k"
        )


_LEAST_FFMPEG = {"m4a": 8000, "wma": 24000}


def _vorbis_quality(bits_per_second: int, rate: int, channels: int) -> float:
    """Vorbis quality in [0, 1] whose nominal bitrate is closest.

    libvorbis' own table for 40 to 50 kHz, linear in between, scaled by the sample rate elsewhere.
    """
    table = _VORBIS_STEREO if channels == 2 else _VORBIS_OTHER
    scale = 1.0 if 40000 <= rate <= 50000 else rate / 44100
    wanted = bits_per_second / 1000 / channels / scale
    return float(np.interp(wanted, table, np.linspace(0.0, 1.0, len(table))))
