"""Films whose sound can be replaced: which kinds there are, and what of one is needed for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import AudioError
from .ffmpeg import NEEDS_FFMPEG, ffmpeg_installed

if TYPE_CHECKING:
    from fractions import Fraction


@dataclass(frozen=True)
class Container:
    """How a kind of film is written.

    Attributes:
        muxer: FFmpeg's name.
        codec: of the sound, as the formats know it; the encoder is FFmpeg's.
        rates: that the sound may have, the usual one first; empty: any.
        late: streams cannot begin later than the file: what comes before the sound is silence.
    """

    muxer: str
    codec: str
    encoder: str
    rates: tuple[int, ...] = ()
    late: bool = False

    def rate(self, wanted: int) -> int:
        """The rate of the sound that is wanted, or the usual one where the codec does not have it."""
        return wanted if not self.rates or wanted in self.rates else self.rates[0]


_AAC_RATES = (48000, 44100, 96000, 88200, 64000, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_MPEG_RATES = (48000, 44100, 32000)
_MP4 = Container("mp4", "m4a", "aac", _AAC_RATES)
_MKV = Container("matroska", "m4a", "aac", _AAC_RATES)
_WEBM = Container("webm", "opus", "libopus", (48000,))
_TS = Container("mpegts", "m4a", "aac", _MPEG_RATES)
_MPEG = Container("vob", "mp3", "mp2", _MPEG_RATES)
_ASF = Container("asf", "wma", "wmav2", (48000, 44100, 32000, 22050, 16000, 11025, 8000))
CONTAINERS = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": Container("mov", "m4a", "aac", _AAC_RATES),
    ".mkv": _MKV,
    ".webm": _WEBM,
    ".avi": Container("avi", "wav", "pcm_s16le", late=True),
    ".wmv": _ASF,
    ".asf": _ASF,
    ".flv": Container("flv", "m4a", "aac", (44100, 48000)),
    ".ts": _TS,
    ".mts": _TS,
    ".m2ts": _TS,
    ".mpg": _MPEG,
    ".mpeg": _MPEG,
    ".vob": _MPEG,
    ".3gp": Container("3gp", "m4a", "aac", _AAC_RATES),
}


@dataclass(frozen=True)
class Film:
    """The source of pictures.

    Attributes:
        path: of the film.
        container: of the film, and of the result.
        stream: index of the audio stream whose place the sound takes.
        start: seconds, by the film's time stamps, at which the first sample of the sound is due.
        title: for the result's metadata; None: the film's own.
    """

    path: Path
    container: Container
    stream: int
    start: Fraction
    title: str | None = None


def container_of(path: Path) -> Container:
    """By the ending of a film's name.

    Raises:
        AudioError: it is none that can be written; FFmpeg is not installed.
    """
    known = CONTAINERS.get(path.suffix.lower())
    if known is None:
        raise AudioError(
            f"{path}: --remux needs a film whose name ends in one of {', '.join(CONTAINERS)}: the result is "
            "of the same kind"
        )
    if not ffmpeg_installed():
        raise AudioError(f"{path}: --remux {NEEDS_FFMPEG}")
    return known
