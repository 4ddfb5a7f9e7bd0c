"""`spleeterrt separate`: Spleeter's flags, several files and folders, a progress bar."""

from __future__ import annotations

import logging
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ..errors import SeparationCancelled, SpleeterError
from .completion import complete_files
from .errors import handle_errors
from .options import (
    above_band_option,
    downmix_option,
    full_band_option,
    mode_option,
    model_option,
    names_of,
    threads_option,
    track_option,
)
from .report import Report
from .songs import find_conflicts, find_songs
from .terminal import Draw, Interruption, check_folder, configure_logging, progress_bar

if TYPE_CHECKING:
    from ..separator import Separator

DEFAULT_OUTPUT = str(Path(tempfile.gettempdir()) / "separated_audio")
CODECS = ("wav", "flac", "ogg", "mp3", "opus", "m4a", "wma")

logger = logging.getLogger("spleeterrt")


class _SampleRate(click.ParamType):  # type: ignore[type-arg]
    name = "hz|source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value is None or value == "source" or isinstance(value, int):
            return value
        try:
            rate = int(value)
        except ValueError:
            rate = 0
        if rate < 1:
            self.fail(f"expected a rate in Hz or 'source', got {value!r}", param, ctx)
        return rate


@click.command(no_args_is_help=True)
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...", shell_complete=complete_files)
@click.option("-i", "--inputs", hidden=True, default=None)
@model_option
@click.option(
    "-o",
    "--output_path",
    "--output",
    "output",
    default=DEFAULT_OUTPUT,
    show_default=True,
    help="Folder of the results.",
)
@click.option(
    "-f",
    "--filename_format",
    default="{filename}/{instrument}.{codec}",
    show_default=True,
    help="Names of the results; may use {filename}, {instrument}, {foldername}, {codec}.",
)
@click.option(
    "-c",
    "--codec",
    type=click.Choice(CODECS),
    default="wav",
    show_default=True,
    help="m4a and wma need the extra spleeterrt[ffmpeg].",
)
@click.option("-b", "--bitrate", default="128k", show_default=True, help="Of the lossy codecs.")
@click.option("-s", "--offset", type=float, default=0.0, show_default=True, help="Start, in seconds.")
@click.option("-d", "--duration", type=float, default=None, help="At most so many seconds  [default: all]")
@click.option(
    "-a", "--adapter", default=None, help="Audio adapter class, module.Class, instead of the built-in one."
)
@mode_option
@above_band_option
@click.option("--mwf", is_flag=True, help="Multichannel Wiener filter (two passes).")
@click.option("--stems", default=None, metavar="A,B", help="Write these stems only, separated by commas.")
@click.option(
    "--residual", is_flag=True, help="The last stem is the mix minus the others: the stems sum to the mix."
)
@click.option(
    "--two-stems",
    default=None,
    metavar="STEM",
    help="That stem and everything else (no_STEM), which sum to the mix; with --mode direct by one network.",
)
@click.option(
    "--karaoke",
    is_flag=True,
    help="One file a song, the mix without vocals: --two-stems vocals --stems no_vocals.",
)
@full_band_option
@track_option
@downmix_option
@click.option(
    "--bit-depth",
    type=click.Choice(["int16", "int24", "float32"]),
    default="int16",
    show_default=True,
    help="Of wav and flac.",
)
@click.option(
    "--clip",
    type=click.Choice(["clamp", "rescale", "none"]),
    default="clamp",
    show_default=True,
    help="What happens beyond full scale; rescale: one gain for all stems of a song.",
)
@click.option(
    "--sample-rate", type=_SampleRate(), default=None, help="Rate of the results  [default: the model's]"
)
@click.option(
    "--channels",
    type=click.Choice(["stereo", "source"]),
    default="stereo",
    show_default=True,
    help="Of the results; source: mono where the input is.",
)
@click.option(
    "--tags/--no-tags",
    default=None,
    help="Carry over tags and cover, the title as 'Song (vocals)'.  "
    "[default: if spleeterrt[tags] is installed; to wav time reference and cue points only]",
)
@threads_option
@click.option("--low-memory", is_flag=True, help="Less memory, somewhat slower.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per file, a line each.")
@click.option("--quiet", "-q", is_flag=True, help="No progress bar, no summary.")
@click.option("--verbose", is_flag=True, help="Say what is done.")
@handle_errors
def separate(
    files: tuple[str, ...],
    inputs: str | None,
    model: str,
    output: str,
    filename_format: str,
    codec: str,
    bitrate: str,
    offset: float,
    duration: float | None,
    adapter: str | None,
    mode: str,
    above_band: float | None,
    mwf: bool,
    stems: str | None,
    residual: bool,
    two_stems: str | None,
    karaoke: bool,
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
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Separate audio files into stems; a folder stands for the audio files in it.

    Each song is read, separated and written in blocks: its length does not matter. A file that fails
    does not stop the others; the exit code is then 1.
    """
    if inputs is not None:
        raise click.UsageError("-i is not supported (nor by Spleeter 2): name the files as arguments")
    if karaoke:
        if two_stems is not None or stems is not None:
            raise click.UsageError(
                "--karaoke is --two-stems vocals --stems no_vocals: leave out one or the other"
            )
        two_stems, stems = "vocals", "no_vocals"
    configure_logging(verbose, quiet)
    check_folder()
    report = Report(as_json, mode)
    songs = find_songs(files, report)
    from ..audio.adapter import AudioAdapter
    from ..audio.formats import check_codec
    from ..output_paths import output_paths
    from ..separator import Separator

    audio_adapter = AudioAdapter.get(adapter) if adapter else None
    if audio_adapter is None:
        check_codec(codec)
    with report.loading():
        separator = Separator(
            model,
            MWF=mwf,
            threads=threads,
            low_memory=low_memory,
            stems=names_of(stems),
            mode=mode,
            above_band=above_band,
            residual=residual,
            full_band=full_band,
            two_stems=two_stems,
        )
    outputs: dict[str, dict[str, Path]] = {}
    for song in songs:
        try:
            outputs[song] = output_paths(song, output, filename_format, codec, separator.stems)
        except SpleeterError as error:
            report.fail(song, error)
    for song, reason in find_conflicts(outputs, songs).items():
        report.fail(song, SpleeterError(reason))
        del outputs[song]
    with Interruption() as interruption:
        for number, song in enumerate(outputs, 1):
            report.begin()
            try:
                with progress_bar(song, number, len(outputs), quiet) as bar:

                    def progress(done: float, total: float | None, draw: Draw | None = bar) -> None:
                        report.seconds = done / (2 if mwf else 1)
                        if draw:
                            draw(done, total)

                    separator.separate_to_file(
                        song,
                        output,
                        audio_adapter=audio_adapter,
                        offset=offset,
                        duration=duration,
                        codec=codec,
                        bitrate=bitrate,
                        filename_format=filename_format,
                        bit_depth=bit_depth,
                        clip=clip,
                        sample_rate=sample_rate,
                        tags=tags,
                        track=track,
                        downmix=downmix,
                        channels=channels,
                        progress=progress,
                        cancel=interruption,
                    )
                report.succeed(
                    song, outputs[song], partial(_result_rate, separator, song, sample_rate, codec, track)
                )
                for path in outputs[song].values():
                    logger.info("wrote %s", path)
            except SeparationCancelled:
                raise KeyboardInterrupt from None
            except Exception as error:  # of the file, or of the user's adapter: the others go on
                report.fail(song, error)
            if interruption.is_set():  # too late for this song, in time for the next
                raise KeyboardInterrupt
    report.finish(output, quiet)


def _result_rate(separator: Separator, song: str, sample_rate: Any, codec: str, track: int | None) -> int:
    if sample_rate == "source":
        from ..audio.reader import AudioReader

        with AudioReader(song, track=track) as reader:
            return reader.source_rate
    from ..audio.formats import usual_rate

    return usual_rate(codec, separator.sample_rate) if sample_rate is None else int(sample_rate)
