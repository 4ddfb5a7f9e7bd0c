"""What is wrong with the options of commands, found before any work, and what has no effect."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SpleeterError
from .command import no_effect

if TYPE_CHECKING:
    from ..audio.adapter import AudioAdapter
    from ..audio.formats import Format
    from ..network.config import ModelConfig
    from ..realtime.stream import StreamSettings

_BUILT_IN_ONLY = {
    "bit_depth": "int16",
    "clip": "clamp",
    "sample_rate": None,
    "tags": None,
    "channels": "stereo",
    "track": None,
    "vocals_activity": None,
}

logger = logging.getLogger("spleeterrt")


def find_adapter(name: str | None) -> AudioAdapter | None:
    """The user's own adapter; None: the built-in one, also by Spleeter's name of its own.

    Raises:
        SpleeterError: there is none of that name.
    """
    if name is None:
        return None
    from ..audio.adapter import AudioAdapter

    adapter = AudioAdapter.get(name)
    return None if type(adapter) is type(AudioAdapter.default()) else adapter


def stems_made(config: ModelConfig, settings: Mapping[str, Any]) -> list[str]:
    """Names of the stems that are written.

    Args:
        settings: of `plan_mode`.

    Raises:
        SpleeterError: a mode that the model does not have, an unknown stem.
    """
    from ..network.modes import plan_mode

    made = plan_mode(config=config, **settings).stems
    chosen = settings["stems"]
    return [stem for stem in made if chosen is None or stem in chosen]


def check_output(
    options: Mapping[str, Any], stems: Sequence[str], model_rate: int, adapter: AudioAdapter | None
) -> Format | None:
    """Check what would fail for every song alike.

    Args:
        options: of the command, by name.
        stems: those that are written.

    Returns:
        The format of the files; None where an adapter of the user's writes them.

    Raises:
        SpleeterError: a format of names, or settings of files, that cannot be.
    """
    from ..output_paths import output_codec, output_paths

    codec = options["codec"]
    if options["remux"]:
        _check_film(options, stems, adapter)
        return None
    if adapter is None:
        codec = output_codec(options["filename_format"], codec)
    output_paths("song.wav", options["output"], options["filename_format"], codec, stems)
    if adapter is not None:
        others = [name for name, usual in _BUILT_IN_ONLY.items() if options[name] != usual]
        if others:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in others)
            raise SpleeterError(
                f"{names}: for the built-in adapter only; {type(adapter).__name__} decides for itself"
            )
        return None
    from ..file_job import WriteOptions

    return WriteOptions(
        codec,
        options["bitrate"],
        options["bit_depth"],
        options["clip"],
        options["sample_rate"],
        options["tags"],
        options["channels"],
    ).check(stems, model_rate)


def check_stream(settings: StreamSettings, model: str, named: Iterable[str]) -> None:
    """Check the options of a stream before the model is loaded and sound flows.

    Args:
        named: stems that options name.

    Raises:
        SpleeterError: which option makes no sense, or is of a stem that is not made.
    """
    from ..models import configuration

    config = configuration(model)
    settings.options(config)
    stems = settings.plan(config).stems
    for stem in named:
        if stem not in stems:
            raise SpleeterError(f"no stem {stem!r}; there are {', '.join(stems)}")


def _check_film(options: Mapping[str, Any], stems: Sequence[str], adapter: AudioAdapter | None) -> None:
    from ..audio.ffmpeg import NEEDS_FFMPEG, ffmpeg_installed
    from ..audio.formats import parse_bitrate
    from ..output_paths import output_paths

    if adapter is not None:
        raise SpleeterError(f"--remux: for the built-in adapter only, not {type(adapter).__name__}")
    if not ffmpeg_installed():
        raise SpleeterError(f"--remux {NEEDS_FFMPEG}")
    if options["offset"] or options["duration"] is not None:
        raise SpleeterError("--remux: a film is separated as a whole, without -s and -d")
    if options["clip"] == "none":
        raise SpleeterError("--clip none: the sound of a film has a full scale")
    parse_bitrate(options["bitrate"])
    ending = Path(options["filename_format"]).suffix.lower()
    output_paths("film", options["output"], options["filename_format"], ending or "mp4", stems)


def say_what_has_no_effect(ctx: click.Context, files: Format | None) -> None:
    """Warn of options that were given and do nothing."""
    options = ctx.params
    reasons = {"stft_backend": "there is one backend only"}
    if options["remux"]:
        because = "--remux chooses it by the kind of the film"
        reasons |= dict.fromkeys(("codec", "bit_depth", "sample_rate"), because)
    if files is not None and files.lossless:
        reasons["bitrate"] = f"{files.codec} files are lossless"
    elif files is not None:
        reasons["bit_depth"] = f"{files.codec} files have no bit depth"
    if options["mode"] in ("residual", "three"):
        reasons["residual"] = f"the stems of mode {options['mode']} sum to the mix anyway"
    elif options["two_stems"] or options["karaoke"]:
        reasons["residual"] = "a stem and everything else sum to the mix anyway"
    if not any(map(os.path.isdir, options["files"])):
        reasons["recursive"] = "no folder is named"
    for sentence in no_effect(ctx, reasons):
        logger.warning("%s", sentence)
