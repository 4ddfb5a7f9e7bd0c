"""Options that several commands share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from ..names import MODES
from .completion import complete_models

DEFAULT_MODEL = "spleeter:2stems"


def model_option_of(**settings: Any) -> Callable[[Any], Any]:
    """The option that names a model, under all its names."""
    return click.option(
        "-p", "--params_filename", "--model", "model", shell_complete=complete_models, **settings
    )


model_option = model_option_of(
    default=DEFAULT_MODEL,
    show_default=True,
    help="Model: starter:2stems or starter:4stems (small, included in the package); spleeter:2stems, "
    "4stems or 5stems (each also with -16kHz; downloaded once); a config.json, a folder with a checkpoint "
    "or ONNX files, or a .safetensors file.",
)


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """90, 1:30 or 1:02:03.5 -> seconds."""

    name = "time"

    def __init__(self, *, positive: bool = False) -> None:
        self._positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = value
        if isinstance(value, str):
            value = self._seconds(value.strip())
        if not (value > 0 if self._positive else value >= 0) or not math.isfinite(value):
            what = "a length" if self._positive else "a time"
            self.fail(f"expected {what} in seconds or as in 1:30 or 1:02:03.5, got {text!r}", param, ctx)
        return value

    @staticmethod
    def _seconds(text: str) -> float:
        if ":" not in text:
            try:
                return float(text.removesuffix("s"))
            except ValueError:
                return math.nan
        match = re.fullmatch(r"(?:(\d+):)?(\d+):(\d+(?:[.,]\d*)?)", text, re.ASCII)
        if match is None:
            return math.nan
        hours, minutes, seconds = int(match[1] or 0), int(match[2]), float(match[3].replace(",", "."))
        if seconds >= 60 or (match[1] is not None and minutes >= 60):
            return math.nan
        return hours * 3600 + minutes * 60 + seconds


offset_option = click.option(
    "-s", "--offset", type=Seconds(), default=0.0, help="Start position: 90, 1:30 or 1:02:03.5.  [default: 0]"
)
duration_option = click.option(
    "-d",
    "--duration",
    type=Seconds(positive=True),
    default=None,
    help="Maximum duration, written like --offset.  [default: to the end]",
)


class OutputFolder(click.ParamType):  # type: ignore[type-arg]
    """A folder that is there and can be written, or can be made."""

    name = "folder"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("an empty name (an unset variable?)", param, ctx)
        if "\0" in value:
            self.fail(f"not a name of a folder: {value!r}", param, ctx)
        if "://" in value:
            self.fail(
                f"{value} is no folder of this machine; `spleeterrt catalogue` writes there (s3:// and gs://)",
                param,
                ctx,
            )
        for folder in (Path(value), *Path(value).parents):
            if not os.path.lexists(folder):
                continue
            if not folder.is_dir():
                self.fail(f"{folder} is not a folder", param, ctx)
            if not os.access(folder, os.W_OK | os.X_OK):
                self.fail(f"{folder} cannot be written", param, ctx)
            break
        return value


threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="Number of threads for the networks.  [default: the number that `spleeterrt info` shows]",
)
full_band_option = click.option(
    "--full-band", is_flag=True, help="Extend the masks above the networks' band (11 kHz)."
)
downmix_option = click.option(
    "--downmix",
    is_flag=True,
    help="Mix more than two channels (5.1, ...) down to stereo with the weights of ITU-R BS.775. Without "
    "this option the first two channels are used.",
)
track_option = click.option(
    "--track",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Select one of several audio tracks, counted from 1.  [default: the file's default track]",
)

mode_option = click.option(
    "--mode",
    type=click.Choice(MODES),
    default="ratio",
    show_default=True,
    help="How the networks' estimates are used. ratio: Spleeter's masks; direct: each network's own mask; "
    "residual: one network of a two-stem model, the other stem is the mix minus its stem (half the work); "
    "three: vocals, drums and accompaniment from two networks.",
)
above_band_option = click.option(
    "--above-band",
    type=click.FloatRange(0, 1),
    default=None,
    metavar="WEIGHT",
    help="In modes other than ratio: weight of a network's stem above its 11 kHz band.  [default: 0.1; in "
    "real time 1 / stems]",
)


def names_of(text: str | None) -> list[str] | None:
    """The names between commas."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
