"""`spleeterrt separate`: Spleeter's flags, several files and folders, a progress bar."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..audio import ffmpeg
from ..errors import SeparationCancelled, SpleeterError
from .errors import handle_errors

if TYPE_CHECKING:
    pass

DEFAULT_OUTPUT = str(Path(tempfile.gettempdir()) / "separated_audio")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc")
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
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@click.option("-i", "--inputs", hidden=True, default=None)
@click.option(
    "-p",
    "--params_filename",
    "--model",
    "model",
    default="spleeter:2stems",
    show_default=True,
    help="Model: spleeter:2stems, 4stems, 5stems (or -16kHz), a config.json, a checkpoint folder, "
    "a .safetensors file.",
)
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
@click.option("--mwf", is_flag=True, help="Multichannel Wiener filter (two passes).")
@click.option("--stems", default=None, metavar="A,B", help="Write these stems only, separated by commas.")
@click.option(
    "--residual", is_flag=True, help="The last stem is the mix minus the others: the stems sum to the mix."
)
@click.option("--full-band", is_flag=True, help="Extend the masks above the networks' band (11 kHz).")
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
@click.option("--threads", type=click.IntRange(min=1), default=None, help="[default: one per core]")
@click.option("--low-memory", is_flag=True, help="Less memory, somewhat slower.")
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
    quiet: bool,
    verbose: bool,
) -> None:
    """Separate audio files into stems; a folder stands for the audio files in it.

    Each song is read, separated and written in blocks: its length does not matter. A file that fails
    does not stop the others; the exit code is then 1.
    """
    if inputs is not None:
        raise click.UsageError("-i is not supported (nor by Spleeter 2): name the files as arguments")
    _configure_logging(verbose, quiet)
    _check_folder()
    report = _Report()
    songs = _find_songs(files, report)
    from ..audio.adapter import AudioAdapter
    from ..audio.formats import check_codec
    from ..separator import Separator, output_paths

    audio_adapter = AudioAdapter.get(adapter) if adapter else None
    if audio_adapter is None:
        check_codec(codec)
    separator = Separator(
        model,
        MWF=mwf,
        threads=threads,
        low_memory=low_memory,
        stems=None if stems is None else [name.strip() for name in stems.split(",") if name.strip()],
        residual=residual,
        full_band=full_band,
    )
    outputs: dict[str, list[Path]] = {}
    for song in songs:
        try:
            outputs[song] = list(output_paths(song, output, filename_format, codec, separator.stems).values())
        except SpleeterError as error:
            report.fail(song, error)
    for song, reason in _conflicts(outputs, songs).items():
        report.fail(song, SpleeterError(reason))
        del outputs[song]
    with _Interruption() as interruption:
        for number, song in enumerate(outputs, 1):
            try:
                with _progress_bar(song, number, len(outputs), quiet) as progress:
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
                report.done.append(song)
                for path in outputs[song]:
                    logger.info("wrote %s", path)
            except SeparationCancelled:
                raise KeyboardInterrupt from None
            except Exception as error:  # of the file, or of the user's adapter: the others go on
                report.fail(song, error)
            if interruption.is_set():  # too late for this song, in time for the next
                raise KeyboardInterrupt
    report.finish(output, quiet)


def _check_folder() -> None:
    try:
        os.getcwd()
    except OSError as error:  # MKL would end the process
        raise SpleeterError(f"the current folder cannot be read: {error.strerror}") from error


def _conflicts(outputs: dict[str, list[Path]], songs: list[str]) -> dict[str, str]:
    """Songs whose stems would replace an input, or a stem of an earlier song, with the reason."""
    inputs = {os.path.realpath(song): song for song in songs}
    taken: dict[str, str] = {}
    conflicts: dict[str, str] = {}
    for song, paths in outputs.items():
        names = [os.path.realpath(path) for path in paths]
        for name, path in zip(names, paths, strict=True):
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


class _Interruption:
    """The first Ctrl-C or SIGTERM asks the separation to stop between two segments, where nothing is half
    done (inside a callback of an audio library an exception would be lost); the second one raises.
    """

    def __init__(self) -> None:
        self._asked = False
        self._before: dict[int, Any] = {}

    def is_set(self) -> bool:
        return self._asked

    def _handle(self, _signal: int, _frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True

    def __enter__(self) -> _Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _printable(text: str) -> str:
    """No control characters of a file name reach the terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


@dataclass
class _Report:
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def fail(self, song: str, error: Exception) -> None:
        self.failed.append(song)
        message = str(error) if isinstance(error, SpleeterError) else f"{type(error).__name__}: {error}"
        if song not in message:
            message = f"{song}: {message}"
        click.echo(f"Error: {_printable(message)}", err=True)
        logger.info("where it failed", exc_info=error)

    def finish(self, output: str, quiet: bool) -> None:
        if not quiet and self.done:
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
                    click.echo(f"  {_printable(song)}", err=True)
            raise click.exceptions.Exit(1)


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


def _configure_logging(verbose: bool, quiet: bool) -> None:
    handler: logging.Handler = (
        logging.NullHandler() if sys.stderr is None else logging.StreamHandler(sys.stderr)
    )
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
    logger.propagate = False


@contextmanager
def _progress_bar(
    song: str, number: int, count: int, quiet: bool
) -> Iterator[Callable[[float, float | None], None] | None]:
    """A bar in seconds of audio with the time left, on a terminal; nothing in a pipe."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    name = _printable(Path(song).name)
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
