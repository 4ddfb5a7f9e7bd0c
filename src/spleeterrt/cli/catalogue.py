"""`spleeterrt catalogue`: a folder, bucket or table of songs, by many processes or machines, resumable."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ..audio.stem_files import STEM_CODECS
from ..errors import SpleeterError
from .command import Command
from .completion import complete_files
from .errors import FAILED, handle_errors, usage_errors
from .file_options import (
    codec_to_write,
    file_options,
    file_settings,
    mode_settings,
    separator_settings,
    stems_to_write,
)
from .options import OutputFolder, model_option
from .terminal import CancelOnSignal, check_folder, configure_logging, printable, say, status_line

if TYPE_CHECKING:
    from ..catalogue.job import Job
    from ..catalogue.rows import Row
    from ..catalogue.scheduler import Counts

logger = logging.getLogger("spleeterrt")

_GROUPS = {
    "Input": ("offset", "duration", "track", "downmix"),
    "Model and stems": ("model", "stems", "two_stems", "karaoke", "mode", "above_band", "full_band", "mwf",
                        "residual"),
    "Output": ("filename_format", "codec", "stem_file", "bitrate", "bit_depth", "sample_rate", "channels",
                "clip", "tags"),
    "Manifest": ("manifest", "fragments", "compact", "attempts", "again"),
    "Machines": ("engine", "address", "workers", "songs_per_task", "low_memory", "short_segments"),
    "Messages": ("quiet", "verbose", "as_json", "help"),
}  # fmt: skip
_EXAMPLES = """
spleeterrt catalogue -p spleeter:4stems music/ stems/
spleeterrt catalogue -p spleeter:2stems -c flac s3://songs/in s3://songs/out
spleeterrt catalogue songs.csv stems/ --engine dask --address tcp://10.0.0.1:8786
"""
_LISTED = 20  # failures at the end, and songs whose warnings are shown
_LINE_SECONDS = 30.0  # between lines of progress, where there is no terminal


@click.command(cls=Command, no_args_is_help=True, groups=_GROUPS, examples=_EXAMPLES)
@click.argument("source", metavar="INPUT", shell_complete=complete_files)
@click.argument("output", metavar="OUTPUT", shell_complete=complete_files)
@model_option
@file_options
@click.option(
    "--engine",
    type=click.Choice(["local", "dask", "ray"]),
    default="local",
    show_default=True,
    help="What runs the workers. local: processes of this machine; dask, ray: a cluster (extras "
    "spleeterrt[dask], spleeterrt[ray]).",
)
@click.option(
    "--address",
    default=None,
    help="Address of the Dask scheduler or the Ray cluster.  [default: workers on this machine]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    help="Number of worker processes on this machine, of one thread each.  [default: the number of threads "
    "that `spleeterrt info` shows]",
)
@click.option(
    "--songs-per-task",
    type=click.IntRange(1, 10_000),
    default=None,
    help="Songs that a worker takes at a time; their rows make one fragment of the manifest.  [default: 1, "
    "more from 20000 songs on]",
)
@click.option(
    "--manifest",
    default=None,
    metavar="PLACE",
    help="Folder or URI of the manifest.  [default: _spleeterrt/manifest below OUTPUT]",
)
@click.option(
    "--manifest-format",
    "fragments",
    type=click.Choice(["jsonl", "parquet"]),
    default="jsonl",
    show_default=True,
    help="How the manifest is written; parquet needs the extra spleeterrt[parquet].",
)
@click.option(
    "--compact", is_flag=True, help="Join the manifest's fragments into few files at the end of the run."
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Give a song up after so many failures, those of earlier runs included.",
)
@click.option("--again", is_flag=True, help="Separate songs that are done or given up, too.")
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the manifest's row of each song, each on a line of its own.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print no progress, no summary and no warnings.")
@click.option("--verbose", is_flag=True, help="Print each step.")
@click.pass_context
@handle_errors
def catalogue(
    ctx: click.Context,
    /,
    source: str,
    output: str,
    model: str,
    engine: str,
    address: str | None,
    workers: int | None,
    songs_per_task: int | None,
    manifest: str | None,
    fragments: str,
    compact: bool,
    attempts: int,
    again: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Separate a catalogue of songs by many processes or machines.

    INPUT is a folder or bucket with all its subfolders, a pattern such as 'music/**/*.flac', or a table
    (CSV, JSON lines or Parquet) with a column uri; OUTPUT a folder or bucket. What is done stands in a
    manifest: the same command again does what is missing, whatever was killed in between.
    """
    configure_logging(verbose, quiet)
    check_folder()
    options["codec"] = ctx.params["codec"] = codec_to_write(options)
    options |= stems_to_write(options)
    from ..audio.song_names import audio_suffixes
    from ..catalogue.engines import make_engine
    from ..catalogue.listing import folder_inside, list_songs
    from ..catalogue.manifest import History, Manifest
    from ..catalogue.places import is_remote, normal
    from ..catalogue.plan import Plan
    from ..catalogue.scheduler import Run

    if not is_remote(output):
        OutputFolder().convert(normal(output), None, ctx)
    with usage_errors():
        job, stems = _job(model, normal(output), manifest, fragments, ctx.params, options)
        inside = folder_inside(source, job.output)
    kept = Manifest(job.manifest)
    view = _View(as_json, quiet, output)
    with closing(Plan(job, stems, History(kept.rows()), attempts, again)) as plan:
        stem_files = options["codec"] not in STEM_CODECS
        without = job.output if inside is None else None
        plan.list(list_songs(source, without, stem_files=stem_files), inside)
        if not (plan.total or plan.faults):
            raise SpleeterError(f"{source}: no audio file ({', '.join(audio_suffixes())})")
        with usage_errors():
            machines = make_engine(engine, address, workers)
        # Only now: Ray has a handler of its own.
        with machines, CancelOnSignal() as stop, status_line(quiet) as line:
            view.line = line
            counts = Run(plan, machines, view.row, view.progress, songs_per_task).go(stop)
    view.finish(counts, interrupted=stop.is_set())
    if stop.is_set():
        raise KeyboardInterrupt
    if compact:
        fragments_before, rows = kept.compact(fragments)
        view.note(f"the manifest's {fragments_before} fragments are joined: {rows} rows in {job.manifest}")
    if counts.failed:
        raise click.exceptions.Exit(FAILED)


def _job(
    model: str,
    output: str,
    manifest: str | None,
    fragments: str,
    params: Mapping[str, Any],
    options: Mapping[str, Any],
) -> tuple[Job, list[str]]:
    """What is the same for all songs, and the stems that are written; what can be checked is."""
    from ..catalogue.job import Job
    from ..catalogue.manifest import FOLDER
    from ..catalogue.places import files_of, normal
    from ..catalogue.rows import encode
    from ..models import configuration
    from ..models.mapped import model_digest
    from .checks import check_output, stems_made

    config = configuration(model)
    stems = stems_made(config, mode_settings(options))
    # Of the output itself `normal` and `files_of` decide: it may be a URI.
    names = {**params, "output": os.sep, "remux": False}
    checked = check_output(names, stems, config.sample_rate, None)
    assert checked is not None
    encode([], fragments)  # says what is not installed
    place = files_of(output).join(output, FOLDER, "manifest") if manifest is None else normal(manifest)
    job = Job(
        model,
        model_digest(model),
        output,
        place,
        separator_settings(options),
        {**file_settings(options), "codec": checked.codec},
        fragments,
        uploads=files_of(output).open_uploads(output),
        run=f"{time.time_ns():x}",
    )
    return job, stems


class _View:
    """What people and programs see of a run."""

    def __init__(self, as_json: bool, quiet: bool, output: str) -> None:
        self._as_json, self._quiet, self._output = as_json, quiet, output
        self._failed: list[str] = []
        self._warned = 0
        self._told = time.monotonic()
        self.line: Callable[[str], object] | None = None

    def row(self, row: Row) -> None:
        if row.status == "failed":
            message = row.error or ""
            shown = message if row.uri in message else f"{row.uri}: {message}"
            say(f"Error: {printable(shown)}", err=True)
            if len(self._failed) <= _LISTED:
                self._failed.append(row.uri)
        if row.warnings:
            self._warn(row)
        if self._as_json:
            click.echo(json.dumps(row.to_dict()))

    def _warn(self, row: Row) -> None:
        """As `separate` does, but for the first songs only: a catalogue may have any number of them."""
        self._warned += 1
        if self._warned <= _LISTED:
            for message in row.warnings:
                logger.warning("%s", message)
        elif self._warned == _LISTED + 1:
            logger.warning("more songs have warnings; their rows in the manifest tell them")

    def progress(self, counts: Counts) -> None:
        if self.line is not None:
            self.line(_progress(counts))
        elif not self._quiet and time.monotonic() - self._told > _LINE_SECONDS:
            self._told = time.monotonic()
            say(_progress(counts), err=True)

    def note(self, message: str) -> None:
        if not self._quiet:
            say(message, err=True)

    def finish(self, counts: Counts, *, interrupted: bool) -> None:
        seconds = time.monotonic() - counts.started
        skipped = f", {counts.skipped} were done before" if counts.skipped else ""
        warned = f", {self._warned} with warnings" if self._warned else ""
        if not (self._quiet or self._as_json):
            say(
                f"{counts.done} of {counts.total} songs separated in {_time(seconds)}{skipped}{warned}; "
                f"{_time(counts.seconds)} of audio by {_time(counts.cpu_seconds)} of CPU time; "
                f"the stems are in {self._output}"
            )
        if counts.failed > 1:
            say(f"{counts.failed} songs failed:", err=True)
            for uri in self._failed[:_LISTED]:
                say(f"  {printable(uri)}", err=True)
            if counts.failed > _LISTED:
                say("  ... (the manifest has them all)", err=True)
        if interrupted:
            self.note("to do the rest, run the same command again")


def _progress(counts: Counts) -> str:
    known = counts.seconds_left
    ended = counts.done + counts.failed + counts.skipped
    parts = [f"{ended} of {counts.total} songs"]
    if counts.failed:
        parts.append(f"{counts.failed} failed")
    if known is not None:
        parts += [f"{counts.songs_per_hour:.0f} songs/hour", f"{_clock(known)} left"]
    return ", ".join(parts)


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 99.95 else _clock(seconds)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
