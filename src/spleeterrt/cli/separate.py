"""`spleeterrt separate`: Spleeter's flags, several files and folders, a progress bar."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ..audio.stem_files import STEM_CODECS
from ..errors import SeparationCancelled, SpleeterError
from ..names import BIT_DEPTHS, CHANNELS, CLIP_MODES, CODECS
from .command import Command
from .completion import complete_files
from .errors import handle_errors
from .options import (
    OutputFolder,
    above_band_option,
    downmix_option,
    duration_option,
    full_band_option,
    mode_option,
    model_option,
    names_of,
    offset_option,
    threads_option,
    track_option,
)
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
                "channels", "clip", "tags", "remux", "skip_existing"),
    "Machine": ("threads", "low_memory", "adapter"),
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
@click.option(
    "-f",
    "--filename_format",
    default="{filename}/{instrument}.{codec}",
    show_default=True,
    help="Names of the output files; may use {filename}, {instrument}, {foldername} and {codec}.",
)
@click.option(
    "-c",
    "--codec",
    type=click.Choice(CODECS, case_sensitive=False),
    default=None,
    help="Output format; m4a, wma and stem files need the extra spleeterrt[ffmpeg]. stem, stem-alac: one "
    "file per song for DJ programs, with the mix and four stems (AAC, lossless).  [default: from the "
    "ending of the names, or else wav]",
)
@click.option(
    "--stem-file", is_flag=True, help="Write one stem file per song, SONG.stem.mp4; short for --codec stem."
)
@click.option(
    "-b",
    "--bitrate",
    default=None,
    help="Bitrate of lossy codecs; in stem files of each track.  [default: 128k; of stem files 256k]",
)
@offset_option
@duration_option
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help="Include all subfolders; the output folder gets the same structure.",
)
@click.option(
    "-a", "--adapter", default=None, help="Use this audio adapter (module.Class) instead of the built-in one."
)
@mode_option
@above_band_option
@click.option("--mwf", is_flag=True, help="Apply a multichannel Wiener filter (two passes).")
@click.option("--stems", default=None, metavar="A,B", help="Write only these stems, separated by commas.")
@click.option(
    "--residual",
    is_flag=True,
    help="Make the last stem the mix minus the others, so that the stems sum to the mix.",
)
@click.option(
    "--two-stems",
    default=None,
    metavar="STEM",
    help="Write this stem and everything else (no_STEM), which sum to the mix; with --mode direct only one "
    "network runs.",
)
@click.option(
    "--karaoke",
    is_flag=True,
    help="Write one file per song, the mix without vocals; short for --two-stems vocals --stems no_vocals.",
)
@full_band_option
@click.option(
    "--remux",
    is_flag=True,
    help="Write a copy of a film whose sound is the mix without vocals, or a copy for each chosen stem. "
    "Needs the extra spleeterrt[ffmpeg].",
)
@track_option
@downmix_option
@click.option(
    "--bit-depth",
    type=click.Choice(BIT_DEPTHS),
    default="int16",
    show_default=True,
    help="Bit depth of lossless files (wav, flac, ...).",
)
@click.option(
    "--clip",
    type=click.Choice(CLIP_MODES),
    default="clamp",
    show_default=True,
    help="How to handle samples that exceed full scale. clamp: clip them; rescale: turn down all stems of "
    "a song with one gain; none: keep them (float32).",
)
@click.option(
    "--sample-rate",
    type=_SampleRate(),
    default=None,
    help="Sample rate of the output.  [default: the model's]",
)
@click.option(
    "--channels",
    type=click.Choice(CHANNELS),
    default="stereo",
    show_default=True,
    help="Channels of the output. source: mono if the input is mono.",
)
@click.option(
    "--tags/--no-tags",
    default=None,
    help="Copy tags and cover, with a title like 'Song (vocals)'.  [default: on if spleeterrt[tags] is "
    "installed; in wav files only time reference and cue points]",
)
@threads_option
@click.option("--low-memory", is_flag=True, help="Use less memory; somewhat slower.")
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
    files: tuple[str, ...],
    model: str,
    output: str,
    filename_format: str,
    codec: str | None,
    stem_file: bool,
    bitrate: str | None,
    offset: float,
    duration: float | None,
    recursive: bool,
    adapter: str | None,
    mode: str,
    above_band: float | None,
    mwf: bool,
    stems: str | None,
    residual: bool,
    two_stems: str | None,
    karaoke: bool,
    remux: bool,
    full_band: bool,
    track: int | None,
    downmix: bool,
    bit_depth: str,
    clip: str,
    sample_rate: Any,
    channels: Literal["stereo", "source"],
    tags: bool | None,
    threads: int | None,
    low_memory: bool,
    skip_existing: bool,
    as_json: bool,
    spleeter_log: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Separate audio files into stems; a folder stands for the audio files in it.

    Each song is read, separated and written in blocks: its length does not matter. A file that fails
    does not stop the others; the exit code is then 1.
    """
    spleeter_log = _spleeter_log(ctx, as_json, spleeter_log)
    codec = ctx.params["codec"] = _codec(codec, stem_file)
    two_stems, stems = _stems_to_write(two_stems, stems, karaoke=karaoke, remux=remux)
    report = Report(as_json, mode, quiet, spleeter_log, configure_logging(verbose, quiet))
    check_folder()
    chosen = names_of(stems)
    settings: dict[str, Any] = {
        "stems": chosen,
        "mode": mode,
        "residual": residual,
        "above_band": above_band,
        "full_band": full_band,
        "two_stems": two_stems,
    }
    with report.checking():
        from ..models import configuration
        from ..network.modes import plan_mode
        from .checks import check_output, find_adapter, say_what_has_no_effect

        config = configuration(model)
        made = plan_mode(config=config, **settings).stems
        wanted = [stem for stem in made if chosen is None or stem in chosen]
        audio_adapter = find_adapter(adapter)
        files_format = check_output(ctx.params, wanted, config.sample_rate, audio_adapter)
        say_what_has_no_effect(ctx, files_format)
        codec = codec if files_format is None else files_format.codec
    songs = find_songs(
        files,
        report,
        recursive=recursive,
        without=output,
        as_named=audio_adapter is not None,
        films=remux,
        stem_files=codec not in STEM_CODECS,
    )
    outputs = _outputs(songs, report, partial(_paths, output, filename_format, codec, wanted, remux))
    report.total = len(report.failed) + len(outputs)
    if skip_existing:
        for song in [song for song, paths in outputs.items() if all(map(os.path.exists, paths.values()))]:
            report.skip(song.name, outputs.pop(song))
    if outputs:
        with report.loading():
            from ..separator import Separator

            separator = Separator(model, MWF=mwf, threads=threads, low_memory=low_memory, **settings)
        options = {
            "audio_adapter": audio_adapter,
            "offset": offset,
            "duration": duration,
            "codec": codec,
            "bitrate": bitrate,
            "filename_format": filename_format,
            "bit_depth": bit_depth,
            "clip": clip,
            "sample_rate": sample_rate,
            "tags": tags,
            "track": track,
            "remux": remux,
            "downmix": downmix,
            "channels": channels,
        }
        try:
            _separate_all(outputs, separator, output, report, 2 if mwf else 1, options)
        except KeyboardInterrupt:
            report.interrupted(output, skip_existing)
            raise
    report.finish(output)


def _spleeter_log(ctx: click.Context, as_json: bool, spleeter_log: bool) -> bool:
    """Whether Spleeter's own lines are printed."""
    if not (as_json and spleeter_log):
        return spleeter_log
    if ctx.get_parameter_source("spleeter_log") is not click.core.ParameterSource.DEFAULT_MAP:
        raise click.UsageError("--json and --spleeter-log both print a line per file; choose one")
    return False  # what is asked for goes before what `python -m spleeter` prints by default


def _codec(codec: str | None, stem_file: bool) -> str | None:
    """--codec, as --stem-file has it."""
    if not stem_file:
        return codec
    if codec not in (None, *STEM_CODECS):
        raise click.UsageError(f"--stem-file is --codec stem, not {codec}: leave out one or the other")
    return codec or STEM_CODECS[0]


def _stems_to_write(
    two_stems: str | None, stems: str | None, *, karaoke: bool, remux: bool
) -> tuple[str | None, str | None]:
    """--two-stems and --stems, as --karaoke and --remux have them."""
    if karaoke and (two_stems is not None or stems is not None):
        raise click.UsageError(
            "--karaoke is --two-stems vocals --stems no_vocals: leave out one or the other"
        )
    if karaoke or (remux and two_stems is None and stems is None):
        return "vocals", "no_vocals"
    return two_stems, stems


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
            except SeparationCancelled:
                raise KeyboardInterrupt from None
            except Exception as error:  # of the file, or of the user's adapter: the others go on
                report.fail(song.name, error)
            else:
                report.succeed(song.name, made or SeparatedFiles(paths))
            if interruption.is_set():  # too late for this song, in time for the next
                raise KeyboardInterrupt
