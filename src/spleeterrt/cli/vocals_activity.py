"""`spleeterrt vocals-activity`: the times of singing in a song."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import AudioError, SeparationCancelled
from ..names import ACTIVITY_FORMATS, ActivityFormat
from .command import Command, no_effect
from .completion import complete_files
from .errors import handle_errors, usage_errors
from .options import DEFAULT_MODEL, downmix_option, model_option_of, threads_option, track_option
from .songs import local_path
from .terminal import CancelOnSignal, configure_logging, logger, progress_bar

if TYPE_CHECKING:
    from ..activity import Activity, ActivitySettings

_GROUPS = {
    "Input": ("vocals", "model", "track", "downmix"),
    "What is singing": ("on", "off", "floor", "gap", "shortest"),
    "Output": ("output", "kind"),
    "Others": ("threads", "quiet", "help"),
}


@click.command(
    cls=Command,
    groups=_GROUPS,
    no_args_is_help=True,
    examples="""
    spleeterrt vocals-activity -p spleeter:2stems song.mp3                   # separates it
    spleeterrt vocals-activity --vocals stems/song/vocals.wav song.mp3       # of finished stems
    spleeterrt vocals-activity --format audacity -o song.txt song.stem.mp4   # has its vocals inside
    """,
)
@click.argument("song", metavar="SONG", shell_complete=complete_files)
@click.option(
    "--vocals",
    type=click.Path(),
    default=None,
    metavar="FILE",
    help="Its vocals, if they are separated already.",
)
@model_option_of(default=None, help=f"Model that separates it, as of separate.  [default: {DEFAULT_MODEL}]")
@track_option
@downmix_option
@click.option(
    "--on",
    type=float,
    default=-12.0,
    show_default=True,
    metavar="DB",
    help="Level of the vocals relative to the song at which singing begins.",
)
@click.option(
    "--off",
    type=float,
    default=-18.0,
    show_default=True,
    metavar="DB",
    help="Relative level at which it ends; not above --on.",
)
@click.option(
    "--floor",
    type=float,
    default=-50.0,
    show_default=True,
    metavar="DBFS",
    help="Level of the vocals below which nothing is singing.",
)
@click.option(
    "--gap",
    type=click.FloatRange(0),
    default=0.3,
    show_default=True,
    metavar="SECONDS",
    help="Shorter pauses are left out.",
)
@click.option(
    "--shortest",
    type=click.FloatRange(0),
    default=0.2,
    show_default=True,
    metavar="SECONDS",
    help="Shorter stretches of singing are left out.",
)
@click.option(
    "-o", "--output", type=click.Path(), default=None, help="Output file.  [default: standard output]"
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(ACTIVITY_FORMATS),
    default="csv",
    show_default=True,
    help="csv: start, end and level, with a header; json: a list of objects; audacity: labels that Audacity "
    "imports.",
)
@threads_option
@click.option("--quiet", "-q", is_flag=True, help="Print no progress bar and no warnings.")
@click.pass_context
@handle_errors
def vocals_activity(
    ctx: click.Context,
    song: str,
    vocals: str | None,
    model: str | None,
    track: int | None,
    downmix: bool,
    on: float,
    off: float,
    floor: float,
    gap: float,
    shortest: float,
    output: str | None,
    kind: ActivityFormat,
    threads: int | None,
    quiet: bool,
) -> None:
    """Print the times of singing in SONG.

    Singing is where the vocals are loud enough beside the whole song. SONG is separated for that, unless its
    vocals are at hand (--vocals) or it is a stem file; with -p or --track that is separated, too.
    """
    from ..activity import ActivitySettings, written
    from ..stem_activity import activity_of_stems, vocals_track

    configure_logging(quiet=quiet)
    with usage_errors():
        settings = ActivitySettings(on, off, floor, gap, shortest)
    path = local_path(song)
    if vocals is not None:
        for sentence in no_effect(
            ctx, dict.fromkeys(("model", "threads"), "the vocals are separated already")
        ):
            logger.warning("%s", sentence)
    with CancelOnSignal() as interruption:
        try:
            if vocals is not None:
                found = activity_of_stems(
                    local_path(vocals),
                    path,
                    settings=settings,
                    track=track,
                    downmix=downmix,
                    cancel=interruption,
                )
            elif model is None and track is None and os.path.isfile(path) and vocals_track(path) is not None:
                found = activity_of_stems(path, settings=settings, cancel=interruption)
            else:
                found = _separated(
                    path, model or DEFAULT_MODEL, settings, track, downmix, threads, quiet, interruption
                )
        except SeparationCancelled:
            raise KeyboardInterrupt from None
    text = written(found, kind)
    if output is None:
        click.echo(text, nl=False)
        return
    from ..atomic import write_whole

    try:
        write_whole(Path(output), text.encode())
    except OSError as error:
        raise AudioError(f"{output}: cannot be written: {error.strerror or error}") from error


def _separated(
    song: str,
    model: str,
    settings: ActivitySettings,
    track: int | None,
    downmix: bool,
    threads: int | None,
    quiet: bool,
    interruption: CancelOnSignal,
) -> list[Activity]:
    from ..separator import Separator

    separator = Separator(model, threads=threads)
    with progress_bar(song, 1, 1, quiet) as bar:
        return separator.vocals_activity(
            song,
            settings=settings,
            track=track,
            downmix=downmix,
            progress=bar,
            cancel=interruption,
        )
