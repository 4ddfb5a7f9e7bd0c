"""`spleeterrt separate`: Spleeter's flags, several files and folders, a progress bar."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from ..audio import ffmpeg
from ..errors import SeparationCancelled, SpleeterError
from ..signals import SignalHandler
from .completion import complete_files
from .errors import FAILED, error_code, error_message, handle_errors
from .options import above_band_option, full_band_option, mode_option, model_option, names_of, threads_option

if TYPE_CHECKING:
    from ..separator import Separator

DEFAULT_OUTPUT = str(Path(tempfile.gettempdir()) / "separated_audio")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc")
CODECS = ("wav", "flac", "ogg", "mp3", "opus", "m4a", "wma")

Draw: TypeAlias = Callable[[float, "float | None"], None]  # of a progress bar

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
@full_band_option
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
    "--tags/--no-tags",
    default=None,
    help="Carry over tags and cover, the title as 'Song (vocals)'; not to wav.  "
    "[default: if spleeterrt[tags] is installed]",
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
    full_band: bool,
    bit_depth: str,
    clip: str,
    sample_rate: Any,
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
    configure_logging(verbose, quiet)
    check_folder()
    report = _Report(as_json, mode)
    songs = _find_songs(files, report)
    from ..audio.adapter import AudioAdapter
    from ..audio.formats import check_codec
    from ..separator import Separator, output_paths

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
        )
    outputs: dict[str, dict[str, Path]] = {}
    for song in songs:
        try:
            outputs[song] = output_paths(song, output, filename_format, codec, separator.stems)
        except SpleeterError as error:
            report.fail(song, error)
    for song, reason in _conflicts(outputs, songs).items():
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
                        progress=progress,
                        cancel=interruption,
                    )
                report.succeed(
                    song, outputs[song], partial(_result_rate, separator, song, sample_rate, codec)
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


def check_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:  # MKL would end the process
        raise SpleeterError(f"the current folder cannot be read: {error.strerror}") from error


def _result_rate(separator: Separator, song: str, sample_rate: Any, codec: str) -> int:
    if sample_rate == "source":
        from ..audio.reader import AudioReader

        with AudioReader(song) as reader:
            return reader.source_rate
    from ..audio.formats import usual_rate

    return usual_rate(codec, separator.sample_rate) if sample_rate is None else int(sample_rate)


def _conflicts(outputs: dict[str, dict[str, Path]], songs: list[str]) -> dict[str, str]:
    """Songs whose stems would replace an input, or a stem of an earlier song, with the reason."""
    inputs = {os.path.realpath(song): song for song in songs}
    taken: dict[str, str] = {}
    conflicts: dict[str, str] = {}
    for song, stems in outputs.items():
        names = [os.path.realpath(path) for path in stems.values()]
        for name, path in zip(names, stems.values(), strict=True):
            if name in inputs:
                conflicts[song] = (
                    f"{song}: {path} would replace the input {inputs[name]}; choose another output"
                )
            elif name in taken:
                conflicts[song] = (
                    f"{song}: {path} already holds a stem of {taken[name]}; "
                    "use {foldername} or another --filename_format"
                )
        if song not in conflicts:
            taken.update(dict.fromkeys(names, song))
    return conflicts


class Interruption(SignalHandler):
    """The first Ctrl-C or SIGTERM asks the separation to stop between two segments, where nothing is half
    done (inside a callback of an audio library an exception would be lost); the second one raises.
    """

    def __init__(self) -> None:
        super().__init__()
        self._asked = False

    def is_set(self) -> bool:
        return self._asked

    def handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True


def printable(text: str) -> str:
    """No control characters of a file name reach the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@dataclass
class _Report:
    """What became of the files: for people, or (`as_json`) an object a line on standard output."""

    as_json: bool
    mode: str
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0  # of audio, of the file at hand
    _load_seconds: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.as_json:
            logger.addHandler(_Collector(self._warnings))

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While the model is loaded; its failure is one of no file in particular."""
        self.begin()
        try:
            yield
        except Exception as error:
            self._print(None, error)
            raise
        self._load_seconds = time.monotonic() - self._begun

    def begin(self) -> None:
        self._begun, self.seconds = time.monotonic(), 0.0
        self._warnings.clear()

    def succeed(self, song: str, stems: dict[str, Path], rate: Callable[[], int]) -> None:
        self.done.append(song)
        if not self.as_json:
            return
        result = {
            "file": song,
            "status": "done",
            "mode": self.mode,
            "stems": {stem: os.path.abspath(path) for stem, path in stems.items()},
            "sample_rate": rate(),
            "seconds": round(self.seconds, 3),
            "wall_seconds": round(time.monotonic() - self._begun, 3),
            "load_seconds": round(self._load_seconds, 3),
            "peak_memory_bytes": _peak_memory(),
            "warnings": list(self._warnings),
        }
        click.echo(json.dumps(result))

    def fail(self, song: str, error: Exception) -> None:
        self.failed.append(song)
        message = error_message(error)
        if song not in message:
            message = f"{song}: {message}"
        click.echo(f"Error: {printable(message)}", err=True)
        logger.info("where it failed", exc_info=error)
        self._print(song, error)

    def _print(self, song: str | None, error: Exception) -> None:
        if self.as_json:
            problem = {"code": error_code(error), "message": error_message(error)}
            click.echo(json.dumps({"file": song, "status": "failed", "error": problem}))

    def finish(self, output: str, quiet: bool) -> None:
        if not quiet and not self.as_json and self.done:
            count = "1 file" if len(self.done) == 1 else f"{len(self.done)} files"
            click.echo(
                f"{count} separated in {time.monotonic() - self.started:.1f} s; the stems are in {output}"
            )
        if self.failed:
            if len(self.failed) + len(self.done) > 1:
                click.echo(
                    f"{len(self.failed)} of {len(self.failed) + len(self.done)} files failed:", err=True
                )
                for song in self.failed:
                    click.echo(f"  {printable(song)}", err=True)
            raise click.exceptions.Exit(FAILED)


class _Collector(logging.Handler):
    """Keeps the warnings for `--json`."""

    def __init__(self, messages: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())


def _peak_memory() -> int | None:
    """Bytes of this process at most so far; None where the system does not say."""
    try:
        # Not getrusage on Linux: what the parent had before it became this program counts there.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    except (ImportError, OSError, ValueError):
        return None


def _find_songs(files: tuple[str, ...], report: _Report) -> list[str]:
    """The files to separate, each once; folders give their audio files, sorted, without sub-folders."""
    songs: list[str] = []
    for name in files:
        try:
            if not name:
                raise SpleeterError("an empty file name (an unset variable?)")
            if not os.path.isdir(name):
                songs.append(name)
                continue
            entries = sorted(str(entry) for entry in Path(name).iterdir() if _is_file(entry))
            suffixes = AUDIO_SUFFIXES + (ffmpeg.AUDIO_SUFFIXES if ffmpeg.ffmpeg_installed() else ())
            found = [entry for entry in entries if entry.lower().endswith(suffixes)]
            if not ffmpeg.ffmpeg_installed():
                others = [entry for entry in entries if entry.lower().endswith(ffmpeg.AUDIO_SUFFIXES)]
                if others:
                    logger.warning("%s (%d files left out): %s", others[0], len(others), ffmpeg.NEEDS_FFMPEG)
            if not found:
                raise SpleeterError(f"{name}: no audio file in this folder ({', '.join(suffixes)})")
            songs.extend(found)
        except (OSError, ValueError, SpleeterError) as error:
            report.fail(name, error)
    return list(dict.fromkeys(songs))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def configure_logging(verbose: bool, quiet: bool) -> None:
    handler: logging.Handler = (
        logging.NullHandler() if sys.stderr is None else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
    logger.propagate = False


@contextmanager
def progress_bar(song: str, number: int, count: int, quiet: bool) -> Iterator[Draw | None]:
    """A bar in seconds of audio with the time left, on a terminal; nothing in a pipe."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    name = printable(Path(song).name)
    label = f"[{number}/{count}] {name}" if count > 1 else name
    known = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
    unknown = "{desc} {n:.0f} s of audio [{elapsed}]"
    with tqdm(
        total=None,
        desc=label if len(label) <= 40 else label[:39] + "…",
        bar_format=unknown,
        leave=False,
        file=sys.stderr,
    ) as bar:

        def update(done: float, total: float | None) -> None:
            if total is not None and bar.total != total:
                bar.total, bar.bar_format = total, known
            bar.update(done - bar.n)

        yield update
