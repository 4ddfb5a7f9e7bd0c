"""`--project`: sets of stems that other programs open."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..audio.stem_files import STEM_CODECS

PROJECTS = ("folder", "reaper")
# What it makes of options that are not given: names that say in a program which song a clip is of, and sound
# as it would be recorded there.
_DEFAULTS = {
    "filename_format": "{filename}/{filename} - {instrument}.{codec}",
    "bit_depth": "int24",
    "sample_rate": "source",
}
_ENDING = ".RPP"

project_option = click.option(
    "--project",
    type=click.Choice(PROJECTS),
    default=None,
    help="Write sets for audio workstations: a folder per song with 24-bit files at the song's rate, called "
    "'SONG - STEM.wav'; reaper: with a project, SONG.RPP. Other options still apply.",
)


def set_defaults(ctx: click.Context) -> dict[str, Any]:
    """Give options that the user has not given the values that sets need, and return these.

    Raises:
        UsageError: --project does not go with another option.
    """
    options = ctx.params
    if options["project"] is None:
        return {}
    if options["remux"] or options["adapter"] or options["codec"] in STEM_CODECS or options["stem_file"]:
        raise click.UsageError("--project: goes with a file for each stem, by the built-in adapter")
    given = click.core.ParameterSource.COMMANDLINE
    missing = {
        name: value for name, value in _DEFAULTS.items() if ctx.get_parameter_source(name) is not given
    }
    options |= missing
    return missing


def check_project(project: str | None, filename_format: str, codec: str | None) -> None:
    """Raise `SpleeterError` if the project cannot have such files."""
    if project == "reaper":
        from ..output_paths import output_paths
        from ..reaper import check_reaper_ending

        check_reaper_ending(output_paths("song", ".", filename_format, codec, ["stem"])["stem"])


def project_path(project: str | None, song: str, paths: Mapping[str, Path]) -> Path | None:
    """Where the project of a song goes: beside the first of its stems; None: there is none."""
    if project != "reaper":
        return None
    return next(iter(paths.values())).parent / f"{Path(song).stem}{_ENDING}"


def write_project(target: Path | None, files: Mapping[str, Any]) -> None:
    """Write the project of a song, if there is one."""
    if target is not None:
        from ..reaper import save_reaper_project

        save_reaper_project(target, files)
