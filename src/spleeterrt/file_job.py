"""One audio file into one file per stem, in constant memory: what `Separator.separate_to_file` does.

    AudioReader -> ReadAhead -> the separator -> WriteBehind -> StemFileWriter

A new way to read or write is a field of `ReadOptions` or `WriteOptions`, a line where it is used, and a
keyword of `separate_to_file`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from .activity import ActivityMeter, vocals_of, written
from .arguments import PathLike, choice, flag
from .arrays import Float32
from .atomic import write_whole
from .audio import Codec
from .audio.file_objects import renamed
from .audio.formats import codec_name
from .audio.stem_files import MIX, STEM_CODECS, STEM_COUNT, in_order
from .background import ReadAhead, WriteBehind
from .errors import ArgumentError, AudioError, SpleeterError, reason
from .names import ACTIVITY_FORMATS, CHANNELS, ActivityFormat, Channels
from .output_paths import activity_path

if TYPE_CHECKING:
    from .audio.films import Film
    from .audio.formats import Format
    from .audio.reader import AudioReader
    from .audio.tags import Tags
    from .audio.writer import StemFileWriter

logger = logging.getLogger("spleeterrt")

# Rates of songs: with `sample_rate="source"` one of them must do.
_USUAL_RATES = (44100, 48000, 32000, 22050, 16000, 11025, 8000)

Blocks: TypeAlias = Callable[[], Iterable[Float32]]
Piece: TypeAlias = tuple[dict[str, Float32], Float32]  # stems that networks make, and the mix


@dataclass(frozen=True)
class ReadOptions:
    """How the song is read; see `Separator.separate_to_file`."""

    offset: float | None = 0
    duration: float | None = None
    downmix: bool = False
    track: int | None = None
    fill_gaps: bool = False

    def open(self, path: PathLike, sample_rate: int | None = None) -> AudioReader:
        """The reader of a song, at `sample_rate` or its own."""
        from .audio.reader import AudioReader

        return AudioReader(
            path,
            offset=self.offset,
            duration=self.duration,
            sample_rate=sample_rate,
            track=self.track,
            downmix=self.downmix,
            fill_gaps=self.fill_gaps,
        )


@dataclass(frozen=True)
class WriteOptions:
    """How the stems are written; see `Separator.separate_to_file`."""

    codec: Codec | str | None = None
    bitrate: str | int | None = None
    bit_depth: str = "int16"
    clip: str = "clamp"
    sample_rate: int | Literal["source"] | None = None
    tags: bool | None = None
    channels: Channels = "stereo"
    remux: bool = False
    vocals_activity: ActivityFormat | None = None

    def __post_init__(self) -> None:
        choice("channels", self.channels, CHANNELS)
        if self.vocals_activity is not None:
            choice("vocals_activity", self.vocals_activity, ACTIVITY_FORMATS)
        if self.tags is not None:
            flag("tags", self.tags)

    @property
    def is_stem_file(self) -> bool:
        """Whether all stems of a song go into one file."""
        return codec_name(self.codec) in STEM_CODECS

    @property
    def is_wav(self) -> bool:
        return codec_name(self.codec) == "wav"

    def with_codec(self, codec: str) -> WriteOptions:
        """These with the codec that it will be, checked as far as that goes without a file.

        Raises:
            SpleeterError: tags that cannot be written.
        """
        options = replace(self, codec=codec)
        options.check_tags()
        return options

    def are_special(self) -> bool:
        """Whether there are some that only the built-in adapter knows."""
        # Codec and bitrate are Spleeter's, and not checked yet.
        return bool(self.tags) or replace(self, codec=None, bitrate=None, tags=None) != WriteOptions(
            None, None, tags=None
        )

    def open(
        self, paths: Mapping[str, Path], rate: int, file_rate: int, song: PathLike, **more: Any
    ) -> StemFileWriter:
        """The writer of the stems of `song`, at `rate`, to files at `file_rate`."""
        from .audio.writer import StemFileWriter

        return StemFileWriter(
            paths,
            rate,
            codec=self.codec,
            bitrate=self.bitrate,
            bit_depth=self.bit_depth,
            clip=self.clip,
            file_rate=file_rate,
            name=os.fsdecode(song),
            **more,
        )

    def file_rate(self, rate: int, source_rate: int) -> int:
        """Hz of the files, of stems at `rate`."""
        from .audio.formats import usual_rate
        from .audio.resample import checked_rate

        if self.sample_rate is None:
            return usual_rate(self.codec, rate)
        if isinstance(self.sample_rate, str) and self.sample_rate == "source":
            return source_rate
        return checked_rate(self.sample_rate, "sample rate of the files")

    def check(self, stems: Sequence[str], model_rate: int) -> Format:
        """The format of the files with these stems, of a model at so many Hz.

        Checks what would fail for every song alike.

        Raises:
            SpleeterError: settings of files that cannot be.
        """
        from .audio.formats import Format

        self.check_tags()
        self.check_stem_file(stems)
        rates = _USUAL_RATES if self.sample_rate == "source" else [self.file_rate(model_rate, model_rate)]
        problem: SpleeterError | None = None
        for rate in rates:
            try:
                return Format(self.codec, self.bit_depth, self.clip, self.bitrate, rate, 2)
            except SpleeterError as error:
                problem = problem or error
        assert problem is not None
        raise problem

    def is_mono(self, song: AudioReader) -> bool:
        """Whether the files of this song are."""
        return song.source_channels == 1 and self.channels == "source"

    def check_stem_file(self, stems: Sequence[str]) -> None:
        """Raise `ArgumentError` if all of these are to go into one file and cannot."""
        if not self.is_stem_file:
            return
        if len(stems) != STEM_COUNT or MIX in stems:
            raise ArgumentError(
                f"codec {codec_name(self.codec)}: a stem file holds the mix and exactly {STEM_COUNT} stems, "
                f"these are {', '.join(stems)}; use all stems of a model with drums, bass, other and vocals "
                "(spleeter:4stems, starter:4stems)"
            )
        if self.channels != "stereo":
            raise ArgumentError("stem files are stereo, of mono songs too: leave channels at 'stereo'")

    def check_tags(self) -> bool:
        """Whether the stems get anything of the song's tags.

        Raises:
            SpleeterError: they are asked for but cannot be written.
        """
        from .audio.tag_writers import TAGGED_CODECS
        from .audio.tags import NEEDS_MUTAGEN, mutagen_installed

        codec = codec_name(self.codec)
        if self.is_wav:
            return self.tags is not False
        possible = codec in TAGGED_CODECS
        if self.tags and not possible:
            raise SpleeterError(f"tags: {codec} files hold none here; use {', '.join(TAGGED_CODECS)}")
        if self.tags and not mutagen_installed():
            raise SpleeterError(NEEDS_MUTAGEN)
        return possible and self.tags is not False and mutagen_installed()


class SeparatedFiles(dict[str, Path]):
    """The path of each stem, and what was done to the sound on its way there.

    Attributes:
        sample_rate: Hz of the files.
        clipped: of each stem, samples (of all channels) that were beyond full scale and are cut off there.
        gain: by which all stems were multiplied (`clip="rescale"`); else 1.
        levels: of each stem, peak and RMS in dB relative to full scale, before samples beyond it are cut off;
            None: silence.
        vocals_activity: the file with the times of singing, if it was asked for; else None.

    `clipped`, `gain` and `levels` are None where another adapter than the built-in one wrote the files.
    """

    def __init__(
        self,
        paths: Mapping[str, Path],
        sample_rate: int | None = None,
        clipped: Mapping[str, int] | None = None,
        gain: float | None = None,
        levels: Mapping[str, tuple[float | None, float | None]] | None = None,
        vocals_activity: Path | None = None,
    ) -> None:
        super().__init__(paths)
        self.vocals_activity = vocals_activity
        self.sample_rate, self.gain = sample_rate, gain
        self.clipped = None if clipped is None else dict(clipped)
        self.levels = None if levels is None else dict(levels)


@dataclass(frozen=True)
class Engine:
    """What a job needs of its separator.

    Attributes:
        stems: that are made, in order.
        run: separates; takes what gives the blocks at the separator's rate (again and again, where there
            are several passes) and about how many samples they have in all (None: unknown).
        rate: Hz of the blocks.
        rest: the stem that is the mix minus the others.
        threads: for the encoders.
        depth: how many blocks are read ahead and written behind.
    """

    stems: tuple[str, ...]
    run: Callable[[Blocks, int | None], Iterator[Piece]]
    rate: int
    rest: str | None
    threads: int
    depth: int


@dataclass(frozen=True)
class FileJob:
    """The separation of one file.

    Attributes:
        named: what it is called in messages: a file object is read from a copy at `path`.
    """

    path: PathLike
    named: PathLike
    paths: Mapping[str, Path]
    reading: ReadOptions
    writing: WriteOptions
    engine: Engine
    _warnings: list[str] = field(default_factory=list)

    def run(self) -> SeparatedFiles:
        """Read, separate and write; the files appear together when all are complete.

        Raises:
            SpleeterError: a stem would replace the input.
            AudioError: the input cannot be read or the output not be written.
        """
        from .audio.resample import resampled_frames

        with self.reading.open(self.path) as probe:  # says what the file is before anything is written
            source_rate, likely_frames, frames = probe.source_rate, probe.likely_frames, probe.frames
            mono = self.writing.is_mono(probe)
            films = self._films(probe.place) if self.writing.remux else None
        meter = None if self.writing.vocals_activity is None else ActivityMeter(self.engine.rate)
        total = None
        if likely_frames is not None:
            total = resampled_frames(likely_frames, source_rate, self.engine.rate)
        check_targets(self.path, self.paths)
        with ExitStack() as passes, self._writer(source_rate, frames, mono, films, passes) as writer:

            def blocks() -> Iterator[Float32]:
                return passes.enter_context(ReadAhead(self._read(writer), self.engine.depth))

            def write(piece: Piece) -> None:
                sources, mix = piece
                if meter is not None:
                    meter.process(vocals_of(sources, mix, self.engine.rest), mix)
                if mono:
                    sources, mix = {stem: mono_mix(block) for stem, block in sources.items()}, mono_mix(mix)
                writer.write(sources, mix)

            with WriteBehind(write, self.engine.depth) as later:
                for piece in self.engine.run(blocks, total):
                    later(piece)
                    del piece
        log_warnings(renamed(self._warnings, self.path, self.named))
        activity = None if meter is None else self._write_activity(meter)
        log_files(self.paths)
        return SeparatedFiles(
            self.paths, writer.file_rate, writer.clipped, writer.gain, writer.levels, activity
        )

    def _write_activity(self, meter: ActivityMeter) -> Path:
        kind = self.writing.vocals_activity
        assert kind is not None
        target = activity_path(self.named, self.paths, kind)
        start = self.reading.offset or 0
        try:
            write_whole(target, written([found.later(start) for found in meter.finish()], kind).encode())
        except OSError as error:
            raise AudioError(f"{target}: cannot be written: {reason(error)}") from error
        return target

    def _read(self, writer: StemFileWriter) -> Iterator[Float32]:
        """The blocks that are separated; they make the length of the files exact."""
        from .audio.resample import resampled_frames

        with self.reading.open(self.path, self.engine.rate) as reader:
            yield from reader.stereo()
            self._warnings[:] = reader.warnings
            if self.writing.remux and reader.gap > _GAP:
                self._warnings.append(
                    f"{self.path!s}: the time stamps of the sound have gaps of {reader.gap:.2f} s, which are "
                    "too long to be filled: after them the new sound comes too early"
                )
            writer.total_frames = resampled_frames(reader.source_frames, reader.source_rate, writer.file_rate)

    def _mix(self, file_rate: int, mono: bool) -> Generator[Float32, None, None]:
        """The song at the rate of the files."""
        with self.reading.open(self.path, file_rate) as reader:
            for block in reader.stereo():
                yield mono_mix(block) if mono else block

    def _writer(
        self,
        source_rate: int,
        frames: int | None,
        mono: bool,
        films: Mapping[str, Film] | None,
        passes: ExitStack,
    ) -> StemFileWriter:
        """`frames`: those of the input, where that is known."""
        from .audio.resample import resampled_frames

        engine = self.engine
        if films:
            file_rate = next(iter(films.values())).container.rate(source_rate)
        else:
            file_rate = self.writing.file_rate(engine.rate, source_rate)
        mix = None
        tracks = (MIX, *in_order(engine.stems)) if self.writing.is_stem_file else ()
        needs_mix = bool(tracks) or engine.rest in self.paths
        if needs_mix and engine.rate not in (source_rate, file_rate):
            # At the separator's rate it has lost what lies above its band.
            mix = passes.enter_context(closing(self._mix(file_rate, mono)))
        return self.writing.open(
            self.paths,
            engine.rate,
            file_rate,
            self.named,
            channels=1 if mono else 2,
            total_frames=frames and resampled_frames(frames, source_rate, file_rate),
            residual=engine.rest,
            mix=mix,
            threads=engine.threads,
            tracks=tracks,
            films=films,
            tags=None
            if films
            else stem_tags(self.path, self.paths, self.reading, self.writing, source_rate, file_rate),
        )

    def _films(self, place: tuple[int, Fraction] | None) -> dict[str, Film]:
        """What the sound of each stem is put into.

        Raises:
            AudioError: the input is no film that can be written.
        """
        from .audio.films import Film, container_of
        from .audio.tags import read_tags

        path = Path(os.fsdecode(self.path))
        container = container_of(path)
        if place is None:
            raise AudioError(f"{path}: --remux needs a film; this is none, or several in one file")
        tags = read_tags(path, texts=self.writing.tags is not False, marks=False)
        titles = {stem: tags.titled(stem).texts.get("title", [None])[0] for stem in self.paths}
        return {stem: Film(path, container, *place, title=titles[stem]) for stem in self.paths}


_GAP = 0.1  # seconds, of sound that is missing in a film


def mono_mix(block: Float32) -> Float32:
    """The mean of both channels, which the networks may mask differently even where they hear the same."""
    mean: Float32 = block.mean(axis=1, dtype=np.float32, keepdims=True)
    return mean


def check_targets(path: PathLike, targets: Mapping[str, Path]) -> None:
    """Raise `SpleeterError` if one of the files that will be written is the one that is read."""
    source = os.fsdecode(path)
    for target in targets.values():
        try:
            same = target.exists() and os.path.samefile(target, source)
        except (OSError, ValueError) as error:  # a name too long, for example
            raise AudioError(f"{target}: cannot be written: {reason(error)}") from error
        if same:
            raise SpleeterError(f"{target}: a stem would replace the input; choose another output")


def log_warnings(messages: Iterable[str]) -> None:
    """Each once."""
    for message in dict.fromkeys(messages):
        logger.warning("%s", message)


def log_files(paths: Mapping[str, Path]) -> None:
    for path in paths.values():
        logger.info("File %s written succesfully", path)  # Spleeter's spelling: programs look for it


def stem_tags(
    path: PathLike,
    stems: Iterable[str],
    reading: ReadOptions,
    writing: WriteOptions,
    source_rate: int,
    file_rate: int,
) -> dict[str, Tags] | None:
    """Of each stem. WAV files get texts only if they are asked for, times (reference, cues) always."""
    if not writing.check_tags():
        return None
    from .audio.tags import read_tags

    song = Path(os.fsdecode(path))
    if writing.is_wav:
        start = round((reading.offset or 0) * source_rate)
        tags = read_tags(song, texts=writing.tags is True).moved(start, source_rate, file_rate)
    else:
        tags = read_tags(song, marks=False)
    if writing.is_stem_file:
        return dict.fromkeys(stems, tags)
    return {stem: tags.titled(stem) for stem in stems}
