"""`spleeterrt plot`: the spectrograms of a song and its stems, as a picture."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..audio.song_names import audio_suffixes, is_clutter
from ..errors import AudioError, SeparationCancelled, SpleeterError
from ..names import MIXTURE_NAME
from .command import Command
from .completion import complete_files
from .errors import handle_errors
from .options import (
    downmix_option,
    duration_option,
    model_option_of,
    offset_option,
    threads_option,
    track_option,
)
from .songs import counted, local_path
from .terminal import CancelOnSignal, check_folder, configure_logging, printable, progress_bar, say

if TYPE_CHECKING:
    from ..arrays import Float32
    from ..plot import Spectrogram
    from ..separator import Separator

ORDER = ("vocals", "drums", "bass", "guitar", "piano", "other", "accompaniment")  # of a folder's stems

logger = logging.getLogger("spleeterrt")


@click.command(
    cls=Command,
    no_args_is_help=True,
    groups={
        "Input": ("model", "offset", "duration", "track", "downmix"),
        "Output": ("output", "top", "decibels", "title"),
        "Machine": ("threads",),
        "Messages": ("quiet", "help"),
    },
    examples="""
    spleeterrt plot song.mp3 out/song -o song.png      # a folder of stems
    spleeterrt plot song.mp3 vocals.wav drums.wav      # some files
    spleeterrt plot song.mp3 -p spleeter:4stems        # separates as well; no stem is written
    spleeterrt plot song.mp3                           # the song alone
    """,
)
@click.argument("song", metavar="SONG", shell_complete=complete_files)
@click.argument("stems", nargs=-1, metavar="[STEM|FOLDER]...", shell_complete=complete_files)
@model_option_of(
    default=None,
    help="Separate SONG with this model, as in `separate`, and draw its stems.",
)
@click.option(
    "-o",
    "--output",
    "output",
    type=click.Path(),
    default=None,
    help="Output file: .png, .pdf or .svg.  [default: SONG's name with .png, in the current folder]",
)
@offset_option
@duration_option
@track_option
@downmix_option
@click.option(
    "--top",
    type=click.FloatRange(0.1, 22.05),
    default=15.0,
    show_default=True,
    help="Upper end of the frequency axis in kHz.",
)
@click.option(
    "--range",
    "decibels",
    type=click.FloatRange(10, 200),
    default=80.0,
    show_default=True,
    help="Range of the colours in dB, below the loudest point of SONG.",
)
@click.option("--title", default=None, help="Title of SONG's row.  [default: its name]")
@threads_option
@click.option("--quiet", "-q", is_flag=True, help="Print no progress bar and no final line.")
@handle_errors
def plot(
    song: str,
    stems: tuple[str, ...],
    model: str | None,
    output: str | None,
    offset: float,
    duration: float | None,
    track: int | None,
    downmix: bool,
    top: float,
    decibels: float,
    title: str | None,
    threads: int | None,
    quiet: bool,
) -> None:
    """Draw the spectrograms of a song and its stems, a row each.

    Time goes to the right, frequency up, louder is brighter; all rows have one scale, whose 0 dB is the
    loudest point of SONG. The number next to a stem's name is its energy relative to SONG's. A stem begins
    when SONG does. Memory does not depend on the length. Needs matplotlib (the extra `plot`).
    """
    if model is not None and stems:
        raise click.UsageError("name a model or the stems, not both")
    configure_logging(False, quiet)
    check_folder()
    song = local_path(song)
    from ..atomic import write_whole
    from ..plot import PICTURE_FORMATS, draw, require_matplotlib

    target = Path(f"{Path(song).stem}.png" if output is None else output)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in PICTURE_FORMATS:
        raise click.UsageError(
            f"--output: expected a name in .{', .'.join(PICTURE_FORMATS)}, got {str(target)!r}"
        )
    require_matplotlib()  # before minutes of work
    files = _stem_files(song, stems)
    _check_target(target, [Path(song), *files.values()])
    with CancelOnSignal() as interruption:
        try:
            job = _Job(offset, duration, downmix, top, interruption, quiet)
            if model is None:
                mix = job.read(Path(song), track)
                rows = {name: job.read(path) for name, path in files.items()}
            else:
                from ..separator import Separator

                mix, rows = job.separate(Path(song), Separator(model, threads=threads), track)
        except SeparationCancelled:
            raise KeyboardInterrupt from None
        if interruption.is_set():
            raise KeyboardInterrupt
        content = draw(
            printable(Path(song).name if title is None else title),
            mix,
            [(printable(name), row) for name, row in rows.items()],
            top_khz=top,
            range_db=decibels,
            start=offset,
            kind=kind,
        )
        try:
            write_whole(target, content)
        except OSError as error:
            raise SpleeterError(f"{target}: cannot be written: {error.strerror or error}") from error
    if not quiet:
        say(f"the picture is {target}")


class _Job:
    """Makes the spectrograms of a picture, all of the same part of their files."""

    def __init__(
        self,
        offset: float,
        duration: float | None,
        downmix: bool,
        top: float,
        cancel: CancelOnSignal,
        quiet: bool,
    ) -> None:
        self._offset, self._duration, self._downmix = offset, duration, downmix
        self._top = top
        self._cancel = cancel
        self._quiet = quiet

    def read(self, path: Path, track: int | None = None) -> Spectrogram:
        from ..plot import SAMPLE_RATE, SpectrogramBuilder

        builder = SpectrogramBuilder(self._top)
        for block in self._blocks(path, SAMPLE_RATE, track):
            builder.add(block)
        return builder.finish()

    def separate(
        self, path: Path, separator: Separator, track: int | None
    ) -> tuple[Spectrogram, dict[str, Spectrogram]]:
        from ..plot import SpectrogramBuilder

        rate = separator.sample_rate
        mix = SpectrogramBuilder(self._top, rate)
        rows = {stem: SpectrogramBuilder(self._top, rate) for stem in separator.stems}

        def blocks() -> Iterator[Float32]:
            for block in self._blocks(path, rate, track):
                mix.add(block)
                yield block

        with progress_bar(str(path), 1, 1, self._quiet) as bar:
            for piece in separator.separate_blocks(blocks(), progress=bar, cancel=self._cancel):
                for stem, block in piece.items():
                    rows[stem].add(block)
        return mix.finish(), {stem: builder.finish() for stem, builder in rows.items()}

    def _blocks(self, path: Path, rate: int, track: int | None) -> Iterator[Float32]:
        from ..audio.reader import AudioReader

        with AudioReader(
            path,
            offset=self._offset,
            duration=self._duration,
            sample_rate=rate,
            track=track,
            downmix=self._downmix,
        ) as reader:
            for block in reader.stereo():
                if self._cancel.is_set():
                    raise SeparationCancelled("the drawing was cancelled")
                yield block
            for message in reader.warnings:
                logger.warning("%s", message)


def _stem_files(song: str, stems: Iterable[str]) -> Mapping[str, Path]:
    """{name of the stem: file}: the files as they are named, those of a folder in `ORDER`.

    Raises:
        SpleeterError: a folder without stems; two stems of one name.
    """
    paths: list[Path] = []
    for name in stems:
        path = Path(local_path(name))
        paths.extend(_folder_stems(path, Path(song)) if path.is_dir() else [path])
    files: dict[str, Path] = {}
    for path in dict.fromkeys(paths):
        name = _stem_name(path, Path(song))
        if name in files:
            raise SpleeterError(f"two stems have the name {name!r}: {files[name]} and {path}")
        files[name] = path
    return files


def _folder_stems(folder: Path, song: Path) -> list[Path]:
    suffixes = audio_suffixes()
    try:
        entries = [path for path in sorted(folder.iterdir()) if path.name.lower().endswith(suffixes)]
        if clutter := [path.name for path in entries if is_clutter(path.name)]:
            logger.warning("%s: left out %s", folder, counted(clutter, "hidden file"))
        found = [
            path
            for path in entries
            if path.is_file()
            and not is_clutter(path.name)
            and path.stem != MIXTURE_NAME
            and not (song.exists() and path.samefile(song))
        ]
    except OSError as error:
        raise AudioError(f"{folder}: {error.strerror or error}") from error
    if not found:
        raise AudioError(f"{folder}: no stems in this folder ({', '.join(suffixes)})")

    def place(path: Path) -> int:
        name = _stem_name(path, song)
        return ORDER.index(name) if name in ORDER else len(ORDER)

    return sorted(found, key=place)


def _stem_name(path: Path, song: Path) -> str:
    """`vocals` of vocals.wav, and of SONG_vocals.wav."""
    rest = path.stem.removeprefix(song.stem)
    return rest.lstrip(" _-.") or path.stem if rest != path.stem else path.stem


def _check_target(target: Path, inputs: Iterable[Path]) -> None:
    for path in inputs:
        if target.exists() and path.exists() and target.samefile(path):
            raise SpleeterError(f"{target}: the picture would replace an input; choose another --output")
