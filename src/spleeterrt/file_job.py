"""One audio file into one file per stem, in constant memory: what `Separator.separate_to_file` does.

    AudioReader -> ReadAhead -> the separator -> WriteBehind -> StemFileWriter

A new way to read or write is a field of `ReadOptions` or `WriteOptions`, a line where it is used, and a
keyword of `separate_to_file`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from .audio import Codec
from .background import ReadAhead, WriteBehind
from .errors import SpleeterError
from .layers import Float32
from .output_paths import PathLike

if TYPE_CHECKING:
    from .audio.reader import AudioReader
    from .audio.tags import Tags
    from .audio.writer import StemFileWriter

logger = logging.getLogger("spleeterrt")

Blocks: TypeAlias = Callable[[], Iterable[Float32]]
Piece: TypeAlias = tuple[dict[str, Float32], Float32]  # stems that networks make, and the mix


@dataclass(frozen=True)
class ReadOptions:
    """How the song is read; see `Separator.separate_to_file`."""

    offset: float | None = 0
    duration: float | None = None
    downmix: bool = False
    track: int | None = None

    def open(self, path: PathLike, sample_rate: int | None = None) -> AudioReader:
        from .audio.reader import AudioReader

        return AudioReader(
            path,
            offset=self.offset,
            duration=self.duration,
            sample_rate=sample_rate,
            track=self.track,
            downmix=self.downmix,
        )


@dataclass(frozen=True)
class WriteOptions:
    """How the stems are written; see `Separator.separate_to_file`."""

    codec: Codec | str = "wav"
    bitrate: str | int = "128k"
    bit_depth: str = "int16"
    clip: str = "clamp"
    sample_rate: int | Literal["source"] | None = None
    tags: bool | None = None
    channels: Literal["stereo", "source"] = "stereo"

    def __post_init__(self) -> None:
        if self.channels not in ("stereo", "source"):
            raise SpleeterError(f"channels: expected 'stereo' or 'source', got {self.channels!r}")

    @property
    def is_wav(self) -> bool:
        return str(self.codec).lower() == "wav"

    def check_tags(self) -> bool:
        """Whether the stems get anything of the song's tags.

        Raises:
            SpleeterError: they are asked for but cannot be written.
        """
        from .audio.tag_writers import TAGGED_CODECS
        from .audio.tags import NEEDS_MUTAGEN, mutagen_installed

        if self.is_wav:
            return self.tags is not False
        possible = str(self.codec).lower() in TAGGED_CODECS
        if self.tags and not possible:
            raise SpleeterError(f"tags: {self.codec} files hold none here; use {', '.join(TAGGED_CODECS)}")
        if self.tags and not mutagen_installed():
            raise SpleeterError(NEEDS_MUTAGEN)
        return possible and self.tags is not False and mutagen_installed()


@dataclass(frozen=True)
class Engine:
    """What a job needs of its separator.

    Attributes:
        run: separates; takes what gives the blocks at the separator's rate (again and again, where there
            are several passes) and about how many samples they have in all (None: unknown).
        rate: Hz of the blocks.
        rest: the stem that is the mix minus the others.
        threads: for the encoders.
        depth: how many blocks are read ahead and written behind.
    """

    run: Callable[[Blocks, int | None], Iterator[Piece]]
    rate: int
    rest: str | None
    threads: int
    depth: int


@dataclass(frozen=True)
class FileJob:
    """The separation of one file."""

    path: PathLike
    paths: Mapping[str, Path]
    reading: ReadOptions
    writing: WriteOptions
    engine: Engine
    _warnings: list[str] = field(default_factory=list)

    def run(self) -> None:
        """Read, separate and write; the files appear together when all are complete.

        Raises:
            SpleeterError: a stem would replace the input.
            AudioError: the input cannot be read or the output not be written.
        """
        from .audio.resample import resampled_frames

        with self.reading.open(self.path) as probe:  # says what the file is before anything is written
            source_rate, source_frames = probe.source_rate, probe.likely_frames
            mono = probe.source_channels == 1 and self.writing.channels == "source"
        total = None
        if source_frames is not None:
            total = resampled_frames(source_frames, source_rate, self.engine.rate)
        self._check_targets()
        with self._writer(source_rate, source_frames, total, mono) as writer, ExitStack() as passes:

            def blocks() -> Iterator[Float32]:
                return passes.enter_context(ReadAhead(self._read(writer), self.engine.depth))

            def write(piece: Piece) -> None:
                sources, mix = piece
                if mono:
                    sources, mix = {stem: _mono(block) for stem, block in sources.items()}, _mono(mix)
                writer.write(sources, mix)

            with WriteBehind(write, self.engine.depth) as later:
                for piece in self.engine.run(blocks, total):
                    later(piece)
                    del piece
        for message in dict.fromkeys(self._warnings):
            logger.warning("%s", message)

    def _check_targets(self) -> None:
        for target in self.paths.values():
            if target.exists() and os.path.samefile(target, os.fsdecode(self.path)):
                raise SpleeterError(f"{target}: a stem would replace the input; choose another output")

    def _read(self, writer: StemFileWriter) -> Iterator[Float32]:
        with self.reading.open(self.path, self.engine.rate) as reader:
            yield from reader.stereo()
            self._warnings[:] = reader.warnings
            if self.writing.sample_rate == "source":
                writer.total_frames = reader.source_frames  # now exactly

    def _writer(
        self, source_rate: int, source_frames: int | None, total: int | None, mono: bool
    ) -> StemFileWriter:
        """`source_frames`: of the input; `total`: of the separated sound; both may be guesses."""
        from .audio.formats import usual_rate
        from .audio.writer import StemFileWriter

        options = self.writing
        if options.sample_rate is None:
            file_rate = usual_rate(options.codec, self.engine.rate)
            file_frames = total if file_rate == self.engine.rate else None
        elif options.sample_rate == "source":
            file_rate, file_frames = source_rate, source_frames
        else:
            file_rate, file_frames = options.sample_rate, None
        return StemFileWriter(
            self.paths,
            self.engine.rate,
            channels=1 if mono else 2,
            codec=options.codec,
            bitrate=options.bitrate,
            bit_depth=options.bit_depth,
            clip=options.clip,
            file_rate=file_rate,
            total_frames=file_frames,
            residual=self.engine.rest,
            tags=self._tags(source_rate, file_rate),
            threads=self.engine.threads,
        )

    def _tags(self, source_rate: int, file_rate: int) -> dict[str, Tags] | None:
        """Of each stem. WAV files get texts only if they are asked for, times (reference, cues) always."""
        if not self.writing.check_tags():
            return None
        from .audio.tags import read_tags

        path = Path(os.fsdecode(self.path))
        if self.writing.is_wav:
            start = round((self.reading.offset or 0) * source_rate)
            tags = read_tags(path, texts=self.writing.tags is True).moved(start, source_rate, file_rate)
        else:
            tags = read_tags(path, marks=False)
        return {stem: tags.titled(stem) for stem in self.paths}


def _mono(block: Float32) -> Float32:
    """The mean of both channels, which the networks may mask differently even where they hear the same."""
    mean: Float32 = block.mean(axis=1, dtype=np.float32, keepdims=True)
    return mean
