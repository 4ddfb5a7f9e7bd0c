"""Output formats: which settings each can have, and samples as a file's integers."""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import floats, told
from ..errors import ArgumentTypeError, AudioError, AudioOptionError
from ..names import BIT_DEPTHS, CLIP_MODES, CODECS
from .ffmpeg import FFMPEG_SUFFIXES, NEEDS_FFMPEG, ffmpeg_installed
from .stem_files import STEM_CODECS, STEM_ENDINGS

if TYPE_CHECKING:
    from numpy.typing import NDArray

FFMPEG_CODECS = ("m4a", "wma", *STEM_CODECS)
PCM_CODECS = ("wav", "aiff", "caf", "w64", "au")  # plain samples, float32 among them
DEFAULT_BITRATE = "128k"
_USUAL_BITRATES = {"stem": "256k"}
_LOSSLESS_DEPTHS = {
    **dict.fromkeys(PCM_CODECS, BIT_DEPTHS),
    **dict.fromkeys(("flac", "stem-alac"), ("int16", "int24")),
}

# The codecs that a file with such an ending may hold, the usual one first.
ENDINGS = {
    ".wav": ("wav",),
    ".wave": ("wav",),
    ".flac": ("flac",),
    ".ogg": ("ogg", "opus"),
    ".oga": ("ogg", "opus"),
    ".mp3": ("mp3",),
    ".opus": ("opus",),
    ".aiff": ("aiff",),
    ".aif": ("aiff",),
    ".aifc": ("aiff",),
    ".caf": ("caf",),
    ".w64": ("w64",),
    ".au": ("au",),
    ".snd": ("au",),
    ".m4a": ("m4a",),
    ".m4b": ("m4a",),
    ".mp4": ("m4a",),
    ".wma": ("wma",),
    ".asf": ("wma",),
    **dict.fromkeys(STEM_ENDINGS, STEM_CODECS),
}
# Endings of formats that cannot be written; of others nothing is known, and they go with any codec.
_FOREIGN_ENDINGS = {*FFMPEG_SUFFIXES, ".rf64", ".bwf", ".raw", ".pcm", ".mp2", ".voc", ".sd2"} - set(ENDINGS)
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
        block: float samples in [-1, 1], any shape; what is beyond saturates, NaN becomes 0.
        bit_depth: `"int16"` gives int16; `"int24"` gives int32 in [-2^23, 2^23 - 1].
            `"float32"` gives float32, not clipped.
    """
    block = floats("block", block)
    if isinstance(bit_depth, str) and bit_depth == "float32":
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
        try:
            with np.errstate(invalid="raise"):
                integers[part] = scaled
        except FloatingPointError:
            integers[part] = np.nan_to_num(scaled, copy=False)
    return integers.reshape(np.shape(block))


def parse_bitrate(bitrate: str | int | float | None) -> int:
    """Bits per second of `"128k"`, `"1M"`, `"128000"`, `128000` or `128` (numbers below 1000 are kbit/s).

    None is the usual one of all codecs, 128k.

    Raises:
        AudioError: not a positive bitrate.
    """
    text = DEFAULT_BITRATE if bitrate is None else str(bitrate)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([km]?)(?:bit/s|bps|b)?\s*", text, re.IGNORECASE)
    value = float(match[1]) if match else 0.0
    if match is None or not 0 < value < 1e15:
        raise AudioOptionError(f"bitrate: expected e.g. '128k' or 128000, got {told(bitrate)}")
    unit = match[2].lower()
    return round(value * (1e6 if unit == "m" else 1e3 if unit or value < 1000 else 1))


def codec_name(codec: object) -> str:
    """The name of a codec in small letters; `codec` is a string or a member of an enumeration of them."""
    # A (str, Enum) of another library prints as "Codec.MP3".
    return str(codec.value if isinstance(codec, Enum) else codec).strip().lower()


def codec_of(path: str | Path, codec: object = None, *, called: str | None = None) -> str:
    """The codec of a file to be written: `codec`, or where it is None what the ending of the name says.

    Without either it is wav.

    Args:
        called: what errors call the file; None: by its path.

    Raises:
        AudioError: the ending is that of another format than `codec`, or, without `codec`, of none that can
            be written; an unknown codec; what writes it is not installed.
    """
    ending = _ending(path, codec)
    if codec is not None:
        name = check_codec(codec)
        if ending in ENDINGS:
            is_wrong = name not in ENDINGS[ending]
        else:  # DJ programs know stem files by their names
            is_wrong = ending in _FOREIGN_ENDINGS or name in STEM_CODECS
        if is_wrong:
            usual = ", ".join(key for key, codecs in ENDINGS.items() if name in codecs)
            raise AudioOptionError(
                f"{called or path}: a file named {ending or 'so'} cannot hold {name} ({usual}); "
                "change one of them"
            )
        return name
    if ending in ENDINGS:
        return check_codec(ENDINGS[ending][0])
    if re.fullmatch(r"\.[a-z][a-z0-9]{0,4}", ending) or ending in _FOREIGN_ENDINGS:
        raise AudioOptionError(
            f"{called or path}: no format that can be written has the ending {ending}; "
            f"use {', '.join(ENDINGS)}, or name a codec"
        )
    return "wav"


def _ending(path: str | Path, codec: object) -> str:
    """The last ending of a file's name in small letters; of a stem file the last two.

    With another codec `song.stem.m4a` is a song that is called `song.stem`.
    """
    if codec is None or codec_name(codec) in STEM_CODECS:
        for ending in STEM_ENDINGS:
            if str(path).lower().endswith(ending):
                return ending
    return Path(path).suffix.lower()


def check_codec(codec: object) -> str:
    """The name of the codec in small letters.

    Raises:
        AudioError: unknown, or what writes it is not installed.
    """
    name = codec_name(codec)
    if name not in CODECS:
        raise AudioOptionError(
            f"codec {name!r} cannot be written; use {', '.join(CODECS[:-1])} or {CODECS[-1]}"
        )
    if name in FFMPEG_CODECS:
        if not ffmpeg_installed():
            raise AudioError(f"codec {name}: {NEEDS_FFMPEG}")
        return name
    import soundfile

    if ("OGG" if name == "opus" else name.upper()) not in soundfile.available_formats():
        raise AudioError(f"this libsndfile ({soundfile.__libsndfile_version__}) cannot write {name} files")
    return name


def usual_rate(codec: object, rate: int) -> int:
    """The rate of files if none is asked for: Opus knows few."""
    return 48000 if codec_name(codec) == "opus" and rate not in _OPUS_RATES else rate


class Format:
    """The output format, validated: what libsndfile or FFmpeg needs to open a file.

    Attributes:
        bits_per_second: of mp3, opus, m4a and wma, after `warnings`; else 0.
        warnings: what was asked for but is not to be had, and what comes instead.
    """

    def __init__(
        self,
        codec: object,
        bit_depth: str,
        clip: str,
        bitrate: str | int | None,
        rate: int,
        channels: int,
    ) -> None:
        codec = check_codec(codec)
        if not isinstance(bit_depth, str) or bit_depth not in BIT_DEPTHS:
            raise AudioOptionError(
                f"bit depth: expected one of {', '.join(BIT_DEPTHS)}, got {told(bit_depth)}"
            )
        if not isinstance(clip, str) or clip not in CLIP_MODES:
            raise AudioOptionError(f"clip: expected one of {', '.join(CLIP_MODES)}, got {told(clip)}")
        self.lossless = codec in _LOSSLESS_DEPTHS
        if self.lossless and bit_depth not in _LOSSLESS_DEPTHS[codec]:
            possible = " or ".join(_LOSSLESS_DEPTHS[codec])
            raise AudioOptionError(f"{codec} files cannot hold {bit_depth}; use {possible}")
        self.pcm = codec in PCM_CODECS
        if clip == "none" and not (self.pcm and bit_depth == "float32"):
            raise AudioOptionError(
                "clip 'none' needs bit depth float32 (wav, aiff, caf, w64, au): others have a full scale"
            )
        limit = {"flac": 8, "opus": 8}.get(codec, 2 if codec == "mp3" or codec in FFMPEG_CODECS else 255)
        if isinstance(channels, bool) or not isinstance(channels, (int, np.integer)):
            raise ArgumentTypeError(f"channels: expected an integer, got {told(channels)}")
        if not 1 <= channels <= limit:
            raise AudioOptionError(f"{codec} files have 1 to {limit} channels, not {told(channels)}")
        if codec in STEM_CODECS and channels != 2:
            raise AudioOptionError("stem files are stereo: leave channels at 'stereo'")
        self.codec, self.bit_depth, self.rate, self.channels = codec, bit_depth, rate, channels
        self.subtype = _SUBTYPES[bit_depth] if self.lossless else "OPUS" if codec == "opus" else None
        self.frame_bytes = channels * _SAMPLE_BYTES[bit_depth]
        self.bits_per_second = 0
        self.level: float | None = None
        self.warnings: list[str] = []
        if not self.lossless:
            self._set_bitrate(parse_bitrate(_USUAL_BITRATES.get(codec) if bitrate is None else bitrate))

    def _set_bitrate(self, wanted: int) -> None:
        if self.codec == "ogg":
            self.level, got = _vorbis_level(wanted, self.rate, self.channels)
        elif self.codec == "mp3":
            possible = [1000 * kbits for kbits in _mp3_kbits(self.rate)]
            self.bits_per_second = got = min(possible, key=lambda rate: (abs(rate - wanted), -rate))
            self.level = _mp3_level(got, possible)
        else:
            bottom, top = _bitrates(self.codec, self.rate, self.channels)
            self.bits_per_second = got = min(max(bottom, wanted), top)
            self.level = (top - got) / (top - bottom)  # libsndfile's, of Opus
        if got != wanted:
            self.warnings.append(
                f"{self.codec} files with {self.channels} channel{'s' if self.channels > 1 else ''} at "
                f"{self.rate} Hz cannot have a bitrate of {wanted / 1000:g}k; it is {got / 1000:g}k"
            )


def full_scale(bit_depth: str) -> int:
    if not isinstance(bit_depth, str) or bit_depth not in FULL_SCALE:
        raise AudioOptionError(f"bit depth: expected one of {', '.join(BIT_DEPTHS)}, got {told(bit_depth)}")
    return FULL_SCALE[bit_depth]


def _mp3_kbits(rate: int) -> tuple[int, ...]:
    if rate not in _MP3_RATES:
        raise AudioOptionError(f"mp3 files cannot have {rate} Hz, only {', '.join(map(str, _MP3_RATES))}")
    return _MP3_KBITS["MPEG-1" if rate >= 32000 else "MPEG-2" if rate >= 16000 else "MPEG-2.5"]


def _mp3_level(bits_per_second: int, possible: list[int]) -> float:
    """libsndfile's compression level of an exact constant bitrate.

    libsndfile takes `int(top - level * (top - bottom))` kbit/s, the range depending on the MPEG
    version; half a kbit/s more keeps the truncation from ending one below.
    """
    top, bottom = possible[-1], possible[0]
    return max(0.0, (top - bits_per_second - 500) / (top - bottom))


def _bitrates(codec: str, rate: int, channels: int) -> tuple[int, int]:
    """The least and the highest bits per second."""
    if codec == "opus":
        if rate not in _OPUS_RATES:
            raise AudioOptionError(
                f"opus files cannot have {rate} Hz, only {', '.join(map(str, _OPUS_RATES))}"
            )
        return 6_000 * channels, 256_000 * channels
    if codec in ("m4a", "stem"):
        if rate not in _AAC_RATES:
            raise AudioOptionError(
                f"{codec} files cannot have {rate} Hz, only {', '.join(map(str, _AAC_RATES))}"
            )
        return 8_000, 6 * rate * channels  # 6144 bits for 1024 frames of a channel
    if rate > _MAX_WMA_RATE:
        raise AudioOptionError(f"wma files cannot have {rate} Hz, only up to {_MAX_WMA_RATE}")
    return 24_000, 320_000


def _vorbis_level(bits_per_second: int, rate: int, channels: int) -> tuple[float, int]:
    """libsndfile's compression level of the Vorbis quality with the nearest nominal bitrate, and that one.

    libvorbis' own table for 40 to 50 kHz, linear in between, scaled by the sample rate elsewhere.
    """
    table = _VORBIS_STEREO if channels == 2 else _VORBIS_OTHER
    scale = (1.0 if 40000 <= rate <= 50000 else rate / 44100) * channels * 1000
    quality = float(np.interp(bits_per_second / scale, table, np.linspace(0.0, 1.0, len(table))))
    nominal = min(max(bits_per_second, round(table[0] * scale)), round(table[-1] * scale))
    return 1.0 - quality, nominal
