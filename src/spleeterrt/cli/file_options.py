"""Options of the commands that make files of stems: how songs are separated, read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from ..audio.stem_files import STEM_CODECS
from ..names import BIT_DEPTHS, CHANNELS, CLIP_MODES, CODECS
from .options import (
    above_band_option,
    downmix_option,
    duration_option,
    full_band_option,
    mode_option,
    names_of,
    offset_option,
    track_option,
)

# Names of the arguments of `Separator` and of `separate_to_file` that follow from them.
_SETTINGS = ("low_memory", "short_segments")
_FILES = (
    "offset", "duration", "track", "downmix", "codec", "bitrate", "filename_format", "bit_depth", "clip",
    "sample_rate", "channels", "tags",
)  # fmt: skip


class _SampleRate(click.ParamType):  # type: ignore[type-arg]
    name = "hz|source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is None or value == "source" or isinstance(value, int):
            return value
        try:
            rate = int(value)
        except ValueError:
            rate = 0
        if not 1000 <= rate <= 768_000:
            self.fail(f"expected a rate of 1000 to 768000 Hz or 'source', got {value!r}", param, ctx)
        return rate


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds them to a command, whose function gets them by name."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS: tuple[Callable[..., Any], ...] = (
    click.option(
        "-f",
        "--filename_format",
        default="{filename}/{instrument}.{codec}",
        show_default=True,
        help="Names of the output files; may use {filename}, {instrument}, {foldername} and {codec}.",
    ),
    click.option(
        "-c",
        "--codec",
        type=click.Choice(CODECS, case_sensitive=False),
        default=None,
        help="Output format; m4a, wma and stem files need the extra spleeterrt[ffmpeg]. stem, stem-alac: one "
        "file per song for DJ programs, with the mix and four stems (AAC, lossless).  [default: from the "
        "ending of the names, or else wav]",
    ),
    click.option(
        "--stem-file",
        is_flag=True,
        help="Write one stem file per song, SONG.stem.mp4; short for --codec stem.",
    ),
    click.option(
        "-b",
        "--bitrate",
        default=None,
        help="Bitrate of lossy codecs; in stem files of each track.  [default: 128k; of stem files 256k]",
    ),
    offset_option,
    duration_option,
    mode_option,
    above_band_option,
    click.option("--mwf", is_flag=True, help="Apply a multichannel Wiener filter (two passes)."),
    click.option("--stems", default=None, metavar="A,B", help="Write only these stems, separated by commas."),
    click.option(
        "--residual",
        is_flag=True,
        help="Make the last stem the mix minus the others, so that the stems sum to the mix.",
    ),
    click.option(
        "--two-stems",
        default=None,
        metavar="STEM",
        help="Write this stem and everything else (no_STEM), which sum to the mix; with --mode direct only "
        "one network runs.",
    ),
    click.option(
        "--karaoke",
        is_flag=True,
        help="Write one file per song, the mix without vocals; short for --two-stems vocals --stems "
        "no_vocals.",
    ),
    full_band_option,
    track_option,
    downmix_option,
    click.option(
        "--bit-depth",
        type=click.Choice(BIT_DEPTHS),
        default="int16",
        show_default=True,
        help="Bit depth of lossless files (wav, flac, ...).",
    ),
    click.option(
        "--clip",
        type=click.Choice(CLIP_MODES),
        default="clamp",
        show_default=True,
        help="How to handle samples that exceed full scale. clamp: clip them; rescale: turn down all stems "
        "of a song with one gain; none: keep them (float32).",
    ),
    click.option(
        "--sample-rate",
        type=_SampleRate(),
        default=None,
        help="Sample rate of the output.  [default: the model's]",
    ),
    click.option(
        "--channels",
        type=click.Choice(CHANNELS),
        default="stereo",
        show_default=True,
        help="Channels of the output. source: mono if the input is mono.",
    ),
    click.option(
        "--tags/--no-tags",
        default=None,
        help="Copy tags and cover, with a title like 'Song (vocals)'.  [default: on if spleeterrt[tags] is "
        "installed; in wav files only time reference and cue points]",
    ),
    click.option("--low-memory", is_flag=True, help="Use less memory; somewhat slower."),
    click.option(
        "--short-segments",
        is_flag=True,
        help="Separate songs of up to 5.9 s in segments of 256 frames, where the model's are longer: less "
        "work for short clips, but other samples than Spleeter's near their end.",
    ),
)


def separator_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `Separator`."""
    settings = {name: options[name] for name in _SETTINGS}
    return {**mode_settings(options), **settings, "MWF": options["mwf"]}


def file_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of `separate_to_file`."""
    return {name: options[name] for name in _FILES}


def mode_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """What decides which stems there are: the arguments of `plan_mode` beside the configuration."""
    names = ("mode", "residual", "above_band", "full_band", "two_stems")
    return {**{name: options[name] for name in names}, "stems": names_of(options["stems"])}


def codec_to_write(options: Mapping[str, Any]) -> str | None:
    """--codec, as --stem-file has it."""
    codec: str | None = options["codec"]
    if not options["stem_file"]:
        return codec
    if codec not in (None, *STEM_CODECS):
        raise click.UsageError(f"--stem-file is --codec stem, not {codec}: leave out one or the other")
    return codec or STEM_CODECS[0]


def stems_to_write(options: Mapping[str, Any], *, remux: bool = False) -> dict[str, str | None]:
    """`two_stems` and `stems`, as --karaoke and --remux have them."""
    chosen = {name: options[name] for name in ("two_stems", "stems")}
    given = any(value is not None for value in chosen.values())
    if options["karaoke"] and given:
        raise click.UsageError(
            "--karaoke is --two-stems vocals --stems no_vocals: leave out one or the other"
        )
    if options["karaoke"] or (remux and not given):
        return {"two_stems": "vocals", "stems": "no_vocals"}
    return chosen
