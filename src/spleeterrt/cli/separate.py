"""`spleeterrt separate`: Spleeter's flags, several files and folders, a progress bar."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..audio.stem_files import STEM_CODECS
from ..errors import SeparationCancelled, SpleeterError
from ..names import ACTIVITY_FORMATS, ActivityFormat
from .command import Command
from .completion import complete_files
from .errors import handle_errors
from .file_options import (
    codec_to_write,
    file_options,
    file_settings,
    mode_settings,
    separator_settings,
    stems_to_write,
)
from .options import OutputFolder, model_option, threads_option
from .projects import check_project, project_option, project_path, set_defaults, write_project
from .report import Report
from .songs import Song, find_conflicts, find_songs
from .terminal import CancelOnSignal, Draw, check_folder, configure_logging, progress_bar

if TYPE_CHECKING:
    from ..separator import Separator

# Spellings of Spleeter 1 and what they are here; its -i is left out, files are arguments.
_SPLEETER_1 = {"--max_duration": "-d", "--audio_codec": "-c", "-m": "--mwf"}
_SPLEETER_1_INPUTS = ("-i", "--inputs", "--audio_filenames")

_GROUPS = {
    "Input": ("offset", "duration", "recursive", "track", "downmix"),
    "Model and stems": ("model", "stems", "two_stems", "karaoke", "mode", "above_band", "full_band", "mwf",
                        "residual"),
    "Output": ("output", "filename_format", "codec", "stem_file", "bitrate", "bit_depth", "sample_rate",
                "channels", "clip", "tags", "remux", "project", "vocals_activity", "skip_existing"),
    "Machine": ("threads", "low_memory", "short_segments", "adapter"),
    "Messages": ("quiet", "verbose", "as_json", "spleeter_log", "help"),
}  # fmt: skip
_EXAMPLES = """
spleeterrt separate -p starter:2stems song.mp3
spleeterrt separate -p spleeter:4stems -o stems song.mp3 other.flac
spleeterrt separate --karaoke -c mp3 -b 192k -s 1:30 -d 30 song.wav
spleeterrt separate --recursive --skip-existing -o stems music/
"""


class _SeparateCommand(Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        # By hand, because `-i a.mp3 b.mp3` would be one input and one argument, and `-i a.mp3` no argument.
        options = args[: args.index("--")] if "--" in args else args
        old = [arg for arg in options if arg.startswith(_SPLEETER_1_INPUTS)]
        if old and not ctx.resilient_parsing:
            import shlex

            here = map(_without_inputs, args)
            raise click.UsageError(
                "files are arguments, without -i (as in Spleeter 2). The command line is then:\n"
                f"  spleeterrt separate {shlex.join(filter(None, here))}",
                ctx,
            )
        return super().parse_args(ctx, args)


def _without_inputs(word: str) -> str:
    """A word of Spleeter 1's command line as it is here; empty where it is to be left out."""
    if not word.startswith(_SPLEETER_1_INPUTS):
        return _SPLEETER_1.get(word, word)
    return word.partition("=")[2] if word.startswith("--") else word.removeprefix("-i")


def default_output() -> str:
    """Spleeter's; asked for when it is used: a machine without a folder for temporary files may do well."""
    try:
        return str(Path(tempfile.gettempdir()) / "separated_audio")
    except OSError:
        raise click.UsageError(
            "there is no folder for temporary files that can be written; name the results' folder with -o"
        ) from None


@click.command(cls=_SeparateCommand, no_args_is_help=True, groups=_GROUPS, examples=_EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...", shell_complete=complete_files)
@click.option("-B", "--stft-backend", hidden=True, expose_value=False)  # of Spleeter before 2.1
@model_option
@click.option(
    "-o",
    "--output_path",
    "--output",
    "output",
    type=OutputFolder(),
    default=default_output,
    help="Output folder.  [default: separated_audio in the folder for temporary files]",
)
@file_options
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help="Include all subfolders; the output folder gets the same structure.",
)
@click.option(
    "-a", "--adapter", default=None, help="Use this audio adapter (module.Class) instead of the built-in one."
)
@click.option(
    "--remux",
    is_flag=True,
    help="Write a copy of a film whose sound is the mix without vocals, or a copy for each chosen stem. "
    "Needs the extra spleeterrt[ffmpeg].",
)
@project_option
@click.option(
    "--vocals-activity",
    type=click.Choice(ACTIVITY_FORMATS),
    default=None,
    help="Also write when there is singing, to SONG.vocals.csv, .json or .txt (labels for Audacity) beside "
    "the stems, as `spleeterrt vocals-activity` finds it.",
)
@threads_option
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Skip songs whose stems all exist, to resume a folder. Without this option they are replaced.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per file, each on a line of its own."
)
@click.option(
    "--spleeter-log",
    is_flag=True,
    help="Print the lines that Spleeter prints: `File ... written succesfully`.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print no progress bar, no summary and no warnings.")
@click.option("--verbose", is_flag=True, help="Print each step.")
@click.pass_context
@handle_errors
def separate(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    model: str,
    output: str,
    recursive: bool,
    adapter: str | None,
    remux: bool,
    project: str | None,
    vocals_activity: ActivityFormat | None,
    threads: int | None,
    skip_existing: bool,
    as_json: bool,
    spleeter_log: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """Separate audio files into stems; a folder stands for the audio files in it.

    Each song is read, separated and written in blocks: its length does not matter. A file that fails
    does not stop the others; the exit code is then 1.
    """
    spleeter_log = _spleeter_log(ctx, as_json, spleeter_log)
    options |= set_defaults(ctx)
    options["codec"] = ctx.params["codec"] = codec_to_write(options)
    options |= stems_to_write(options, remux=remux)
    report = Report(as_json, options["mode"], quiet, spleeter_log, configure_logging(verbose, quiet))
    check_folder()
    with report.checking():
        from ..activity import check_vocals
        from ..models import configuration
        from .checks import check_output, find_adapter, say_what_has_no_effect, stems_made

        config = configuration(model)
        wanted = stems_made(config, mode_settings(options))
        if vocals_activity is not None:
            check_vocals(stems_made(config, {**mode_settings(options), "stems": None}))
        audio_adapter = find_adapter(adapter)
        files_format = check_output(ctx.params, wanted, config.sample_rate, audio_adapter)
        say_what_has_no_effect(ctx, files_format)
        if files_format is not None:
            options["codec"] = files_format.codec
        check_project(project, options["filename_format"], options["codec"])
    songs = find_songs(
        files,
        report,
        recursive=recursive,
        without=output,
        as_named=audio_adapter is not None,
        films=remux,
        stem_files=options["codec"] not in STEM_CODECS,
    )
    paths = partial(_paths, output, options["filename_format"], options["codec"], wanted, remux)
    outputs = _outputs(songs, report, paths)
    report.total = len(report.failed) + len(outputs)
    if skip_existing:
        for song in [song for song in outputs if _is_done(song, outputs[song], vocals_activity, project)]:
            report.skip(song.name, outputs.pop(song))
    if outputs:
        with report.loading():
            from ..separator import Separator

            separator = Separator(model, threads=threads, **separator_settings(options))
        settings = {
            **file_settings(options),
            "audio_adapter": audio_adapter,
            "remux": remux,
            "vocals_activity": vocals_activity,
        }
        try:
            _separate_all(outputs, separator, output, report, 2 if options["mwf"] else 1, project, settings)
        except KeyboardInterrupt:
            report.interrupted(output, skip_existing)
            raise
    report.finish(output)


def _is_done(song: Song, paths: Mapping[str, Path], vocals_activity: str | None, project: str | None) -> bool:
    """Whether all results of a song are there."""
    from ..output_paths import activity_path

    times = None if vocals_activity is None else activity_path(song.name, paths, vocals_activity)
    beside = [path for path in (times, project_path(project, song.name, paths)) if path is not None]
    return all(map(os.path.exists, [*paths.values(), *beside]))


def _spleeter_log(ctx: click.Context, as_json: bool, spleeter_log: bool) -> bool:
    """Whether Spleeter's own lines are printed."""
    if not (as_json and spleeter_log):
        return spleeter_log
    if ctx.get_parameter_source("spleeter_log") is not click.core.ParameterSource.DEFAULT_MAP:
        raise click.UsageError("--json and --spleeter-log both print a line per file; choose one")
    return False  # what is asked for goes before what `python -m spleeter` prints by default


def _paths(
    output: str, filename_format: str, codec: str | None, stems: Sequence[str], remux: bool, song: Song
) -> dict[str, Path]:
    from ..output_paths import film_paths, output_paths

    folder = os.path.join(output, song.folder)
    if remux:
        return film_paths(Path(song.name), folder, filename_format, stems)
    return output_paths(song.name, folder, filename_format, codec, stems)


def _outputs(
    songs: Sequence[Song], report: Report, paths: Callable[[Song], dict[str, Path]]
) -> dict[Song, dict[str, Path]]:
    """Where the stems of each song go; songs that have no place are reported."""
    outputs: dict[Song, dict[str, Path]] = {}
    for song in songs:
        try:
            outputs[song] = paths(song)
        except SpleeterError as error:
            report.fail(song.name, error)
    for song, reason in find_conflicts(outputs, songs).items():
        report.fail(song.name, SpleeterError(reason))
        del outputs[song]
    return outputs


def _separate_all(
    outputs: Mapping[Song, Mapping[str, Path]],
    separator: Separator,
    output: str,
    report: Report,
    passes: int,
    project: str | None,
    options: Mapping[str, Any],
) -> None:
    """One song after the other; `passes`: how often each is gone over.

    Raises:
        KeyboardInterrupt: a signal asked for the end; no song is half done.
    """
    from ..file_job import SeparatedFiles

    with CancelOnSignal() as interruption:
        for song, paths in outputs.items():
            report.begin(paths)
            try:
                with progress_bar(song.name, report.number, report.total, report.quiet) as bar:

                    def progress(done: float, total: float | None, draw: Draw | None = bar) -> None:
                        report.seconds = done / passes
                        if draw:
                            draw(done, total)

                    made = separator.separate_to_file(
                        song.name,
                        os.path.join(output, song.folder),
                        progress=progress,
                        cancel=interruption,
                        **options,
                    )
                target = project_path(project, song.name, paths)
                write_project(target, made or {})
            except SeparationCancelled:
                raise KeyboardInterrupt from None
            except Exception as error:  # of the file, or of the user's adapter: the others go on
                report.fail(song.name, error)
            else:
                report.succeed(song.name, made or SeparatedFiles(paths), target)
            if interruption.is_set():  # too late for this song, in time for the next
                raise KeyboardInterrupt
