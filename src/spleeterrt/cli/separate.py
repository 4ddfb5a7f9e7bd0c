"""`spleeterrt separate`: Spleeter's flags, several files and folders, a progress bar."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..errors import SpleeterError
from .errors import handle_errors

if TYPE_CHECKING:
    pass

DEFAULT_OUTPUT = str(Path(tempfile.gettempdir()) / "separated_audio")
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".aifc")
CODECS = ("wav", "flac", "ogg", "mp3")

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
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...", type=click.Path())
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
@click.option("-c", "--codec", type=click.Choice(CODECS), default="wav", show_default=True)
@click.option("-b", "--bitrate", default="128k", show_default=True, help="Of mp3 and ogg.")
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
@click.option("--threads", type=click.IntRange(min=1), default=None, help="[default: one per core]")
@click.option("--low-memory", is_flag=True, help="Keep fewer buffers; same samples.")
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
    report = _Report()
    songs = _find_songs(files, report)
    from ..audio.adapter import AudioAdapter
    from ..separator import Separator, output_paths

    audio_adapter = AudioAdapter.get(adapter) if adapter else None
    separator = Separator(
        model,
        MWF=mwf,
        threads=threads,
        low_memory=low_memory,
        stems=None if stems is None else [name.strip() for name in stems.split(",") if name.strip()],
        residual=residual,
        full_band=full_band,
    )
    taken: dict[Path, str] = {}
    with _terminate_as_interrupt():
        for number, song in enumerate(songs, 1):
            try:
                paths = output_paths(song, output, filename_format, codec, separator.stems)
                for path in paths.values():
                    other = taken.setdefault(path.absolute(), song)
                    if other != song:
                        raise SpleeterError(
                            f"{song}: {path} already holds a stem of {other}; "
                            "use {foldername} or another --filename_format"
                        )
                with _progress_bar(song, number, len(songs), quiet) as progress:
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
                        progress=progress,
                    )
                report.done.append(song)
                for path in paths.values():
                    logger.info("wrote %s", path)
            except Exception as error:  # of the file, or of the user's adapter: the others go on
                report.fail(song, error)
    report.finish(output, quiet)


@dataclass
class _Report:
    done: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def fail(self, song: str, error: Exception) -> None:
        self.failed.append(song)
        message = str(error) if isinstance(error, SpleeterError) else f"{type(error).__name__}: {error}"
        click.echo(f"Error: {message if song in message else f'{song}: {message}'}", err=True)
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
                    click.echo(f"  {song}", err=True)
            raise click.exceptions.Exit(1)


def _find_songs(files: tuple[str, ...], report: _Report) -> list[str]:
    """The files to separate, each once; folders give their audio files, sorted, without sub-folders."""
    songs: list[str] = []
    for name in files:
        path = Path(name)
        if path.is_dir():
            try:
                found = sorted(str(entry) for entry in path.iterdir() if _is_audio(entry))
                if not found:
                    raise SpleeterError(f"{name}: no audio file in this folder ({', '.join(AUDIO_SUFFIXES)})")
            except (OSError, SpleeterError) as error:
                report.fail(name, error)
                continue
            songs.extend(found)
        else:
            songs.append(name)
    return list(dict.fromkeys(songs))


def _is_audio(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def _configure_logging(verbose: bool, quiet: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)
    logger.propagate = False


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C, so that temporary files are removed."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _progress_bar(
    song: str, number: int, count: int, quiet: bool
) -> Iterator[Callable[[float, float | None], None] | None]:
    """A bar in seconds of audio with the time left, on a terminal; nothing in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    name = Path(song).name
    label = f"[{number}/{count}] {name}" if count > 1 else name
    with tqdm(
        total=None,
        desc=label if len(label) <= 40 else label[:39] + "…",
        unit="s",
        bar_format="{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]",
        leave=False,
        file=sys.stderr,
    ) as bar:

        def update(done: float, total: float | None) -> None:
            if total is None:
                bar.bar_format = "{desc} {n:.0f} s of audio [{elapsed}]"
            elif bar.total != total:
                bar.total = total
            bar.update(done - bar.n)

        yield update
