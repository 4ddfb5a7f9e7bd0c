"""A song in one piece, Spleeter's way: an adapter loads it, and saves its stems one by one.

For adapters and methods of the user's own; `FileJob` is the way in constant memory.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .arrays import Float32
from .audio import Codec
from .audio.adapter import AudioAdapter
from .audio.channels import downmix
from .audio.file_objects import described_path, input_path, renamed
from .audio.formats import DEFAULT_BITRATE, codec_name
from .errors import ArgumentError, AudioError, SpleeterError
from .file_job import ReadOptions, SeparatedFiles, WriteOptions, log_files, log_warnings, mono_mix, stem_tags
from .output_paths import output_codec, output_paths


@dataclass(frozen=True)
class SongJob:
    """The arguments of `Separator.separate_to_file`.

    Attributes:
        audio: whatever the adapter loads.
    """

    audio: Any
    destination: str | os.PathLike[str]
    filename_format: str
    reading: ReadOptions
    writing: WriteOptions
    adapter: AudioAdapter

    def check(self, stems: Sequence[str] | None, saved_otherwise: bool) -> None:
        """What can be known before the work.

        Args:
            stems: that will be saved; None: not known yet.
            saved_otherwise: whether a method of the user's saves them.

        Raises:
            SpleeterError: options of the built-in adapter where another one saves; names that cannot be.
        """
        for name in ("remux", "vocals_activity"):
            if getattr(self.writing, name):
                raise ArgumentError(f"{name}: goes with the built-in adapter, separate and save_to_file only")
        special = self.writing.are_special()
        if not is_builtin(self.adapter):
            special |= self.reading.track is not None
        if special and (saved_otherwise or not is_builtin(self.adapter)):
            raise ArgumentError(
                "bit_depth, clip, sample_rate, tags, channels and track are the built-in adapter's; "
                f"your {'save_to_file' if saved_otherwise else 'adapter'} decides for itself"
            )
        writing = self.writing.with_codec(self.codec())
        if writing.is_stem_file:
            raise ArgumentError(
                f"codec {writing.codec}: a stem file needs the mix, too; only separate_to_file makes one, "
                "with the built-in adapter, separate and save_to_file"
            )
        if stems is not None:
            self._paths(stems)

    def load(self, sample_rate: int) -> np.ndarray:
        """The waveform.

        Raises:
            SpleeterError: the adapter gives another rate.
        """
        if is_builtin(self.adapter):  # which has more options than an adapter has arguments
            with input_path(self.audio) as path, self.reading.open(path, sample_rate) as reader:
                blocks = list(reader)
                log_warnings(renamed(reader.warnings, path, described_path(self.audio)))
            return np.concatenate(blocks)
        waveform, rate = self.adapter.load(
            self.audio,
            offset=self.reading.offset,
            duration=self.reading.duration,
            sample_rate=sample_rate,
        )
        if rate is not None and round(float(rate)) != sample_rate:
            raise SpleeterError(
                f"{type(self.adapter).__name__}.load: asked for {sample_rate} Hz, got {rate} Hz"
            )
        return downmix(waveform) if self.reading.downmix else waveform

    def save(self, sources: Mapping[str, Float32], sample_rate: int) -> SeparatedFiles:
        """Save the stems; the built-in adapter's files appear together when all are complete."""
        paths = self._paths(tuple(sources))
        if is_builtin(self.adapter):
            return self._write(sources, paths, sample_rate)
        codec, bitrate = self.codec(), self.writing.bitrate
        for stem, data in sources.items():
            _make_folder(paths[stem].parent)
            self.adapter.save(
                str(paths[stem]),
                data,
                sample_rate,
                codec,
                DEFAULT_BITRATE if bitrate is None else str(bitrate),
            )
        return SeparatedFiles(paths, sample_rate)

    def _write(
        self, sources: Mapping[str, Float32], paths: Mapping[str, Path], sample_rate: int
    ) -> SeparatedFiles:
        writing = self.writing.with_codec(self.codec())
        named, source_rate, mono = described_path(self.audio), sample_rate, False
        if writing.tags is not False or "source" in (writing.sample_rate, writing.channels):
            with input_path(self.audio) as path, self.reading.open(path) as probe:
                source_rate = probe.source_rate
                mono = writing.is_mono(probe)
        if mono:
            sources = {stem: mono_mix(block) for stem, block in sources.items()}
        file_rate = writing.file_rate(sample_rate, source_rate)
        tags = stem_tags(named, paths, self.reading, writing, source_rate, file_rate)
        with writing.open(
            paths, sample_rate, file_rate, named, channels=1 if mono else 2, tags=tags
        ) as writer:
            writer.write(sources)
        log_files(paths)
        return SeparatedFiles(paths, writer.file_rate, writer.clipped, writer.gain)

    def _paths(self, stems: Sequence[str]) -> dict[str, Path]:
        named = described_path(self.audio)
        return output_paths(named, self.destination, self.filename_format, self.codec(), stems)

    def codec(self) -> Codec:
        """What an adapter gets; Spleeter's default, where the ending of the names says nothing else."""
        codec = self.writing.codec
        if is_builtin(self.adapter):
            codec = output_codec(self.filename_format, codec)
        try:
            return Codec.WAV if codec is None else Codec(codec_name(codec))
        except ValueError:
            raise ArgumentError(f"codec: expected one of {[c.value for c in Codec]}, got {codec!r}") from None


def is_builtin(adapter: AudioAdapter) -> bool:
    """Whether an adapter is the package's own; a subclass of it may read and write elsewhere."""
    from .audio.soundfile_adapter import SoundFileAudioAdapter

    return type(adapter) is SoundFileAudioAdapter


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioError(f"cannot make the folder {folder}: {error.strerror or error}") from error
