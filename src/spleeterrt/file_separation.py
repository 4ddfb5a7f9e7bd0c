"""The part of `Separator` that deals with files."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

import numpy.typing as npt

from .activity import Activity, ActivityMeter, ActivitySettings, check_vocals, vocals_of
from .arguments import flag, function
from .arrays import Float32
from .audio import Codec
from .audio.adapter import AudioAdapter
from .audio.file_objects import AudioInput, described_path, input_path, renamed
from .background_jobs import BackgroundJobs
from .errors import ArgumentError, ArgumentTypeError, SeparationCancelled
from .file_job import Engine, FileJob, Piece, ReadOptions, SeparatedFiles, WriteOptions, log_warnings
from .names import ActivityFormat, BitDepth, Channels, ClipMode, CodecName
from .output_paths import DEFAULT_FORMAT, film_paths, output_codec, output_paths
from .song_job import SongJob, is_builtin
from .watching import Cancel, Progress, stopper

if TYPE_CHECKING:
    from .network.modes import ModePlan

Method = TypeVar("Method", bound=Callable[..., Any])

_own: set[Any] = set()


def own(method: Method) -> Method:
    """A method that is done otherwise than by calling it, as long as nobody puts another one in its place."""
    _own.add(method)
    return method


def _overrides(separator: FileSeparation, name: str) -> bool:
    """Whether a subclass, or somebody from outside, has put another method in the place of ours."""
    return getattr(getattr(separator, name), "__func__", None) not in _own


class FileSeparation(BackgroundJobs):
    """`separate_to_file` and `save_to_file`."""

    _stems: tuple[str, ...]
    _mode: ModePlan
    _threads: int
    _low_memory: bool

    @property
    @abstractmethod
    def sample_rate(self) -> int: ...

    @abstractmethod
    def separate(
        self,
        waveform: npt.ArrayLike,
        audio_descriptor: str | None = "",
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> dict[str, Float32]: ...

    @abstractmethod
    def _run(
        self,
        blocks: Callable[[], Iterable[Float32]],
        total: int | None,
        progress: Progress | None,
        cancel: Cancel | None,
    ) -> Iterator[Piece]: ...

    @overload
    def separate_to_file(
        self,
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        audio_adapter: AudioAdapter | None = None,
        offset: float | None = 0,
        duration: float | None = None,
        codec: Codec | CodecName | None = None,
        bitrate: str | int | None = None,
        filename_format: str = DEFAULT_FORMAT,
        synchronous: Literal[True] = True,
        *,
        bit_depth: BitDepth = "int16",
        clip: ClipMode = "clamp",
        sample_rate: int | Literal["source"] | None = None,
        tags: bool | None = None,
        downmix: bool = False,
        channels: Channels = "stereo",
        track: int | None = None,
        remux: bool = False,
        vocals_activity: ActivityFormat | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> SeparatedFiles: ...

    @overload
    def separate_to_file(
        self,
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        audio_adapter: AudioAdapter | None = None,
        offset: float | None = 0,
        duration: float | None = None,
        codec: Codec | CodecName | None = None,
        bitrate: str | int | None = None,
        filename_format: str = DEFAULT_FORMAT,
        *,
        synchronous: bool,
        bit_depth: BitDepth = "int16",
        clip: ClipMode = "clamp",
        sample_rate: int | Literal["source"] | None = None,
        tags: bool | None = None,
        downmix: bool = False,
        channels: Channels = "stereo",
        track: int | None = None,
        remux: bool = False,
        vocals_activity: ActivityFormat | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> SeparatedFiles | None: ...

    def separate_to_file(
        self,
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        audio_adapter: AudioAdapter | None = None,
        offset: float | None = 0,
        duration: float | None = None,
        codec: Codec | CodecName | None = None,
        bitrate: str | int | None = None,
        filename_format: str = DEFAULT_FORMAT,
        synchronous: bool = True,
        *,
        bit_depth: BitDepth = "int16",
        clip: ClipMode = "clamp",
        sample_rate: int | Literal["source"] | None = None,
        tags: bool | None = None,
        downmix: bool = False,
        channels: Channels = "stereo",
        track: int | None = None,
        remux: bool = False,
        vocals_activity: ActivityFormat | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> SeparatedFiles | None:
        """Separate an audio file into one file per stem, in constant memory.

        The files appear together when all are complete; on an error or a cancellation none does.

        Args:
            audio_descriptor: the file: its path, a binary file object, or its bytes (`bytes` without a zero
                byte are a path). {filename} of what has no name is `audio`. Where `audio_adapter` is given,
                whatever that takes.
            destination: folder of the results; made if it is missing.
            audio_adapter: reads and writes instead of the built-in one; the whole song is then in memory.
            offset, duration: seconds; duration None: to the end (Spleeter stops after 600 s).
            codec: `"wav"`, `"flac"`, `"ogg"`, `"mp3"`, `"opus"`, `"aiff"`, `"caf"`, `"w64"`, `"au"`; with
                FFmpeg also `"m4a"`, `"wma"` and one stem file per song, `"stem"` (AAC) or `"stem-alac"`
                (lossless), for DJ programs: the mix and four stems. None: by the ending of `filename_format`,
                else wav.
            bitrate: of the lossy ones, of stem files of each track; None: 128k, of `"stem"` 256k. One that
                the codec does not have becomes the nearest, with a warning.
            filename_format: may use {filename}, {instrument}, {foldername} and {codec}; below `destination`.
            synchronous: False: return at once; `join` waits and raises what went wrong.
            bit_depth: `"int16"`, `"int24"` or `"float32"` (FLAC: the integers only).
            clip: `"clamp"` at full scale, `"rescale"` all stems by one gain where one would clip,
                `"none"` (float32).
            sample_rate: Hz of the files; None: the model's (Opus: 48000); `"source"`: the input's.
            tags: carry the song's tags and cover over, the title as `Song (vocals)`. None: if mutagen is
                installed; to WAV only the time reference (`bext`) and cue points of a WAV file. True: texts
                to WAV too, and for other codecs mutagen must be there.
            downmix: mix more than two channels to stereo by the weights of ITU-R BS.775
                (`spleeterrt.audio.downmix`); else the first two are used, with a warning.
            channels: of the files: `"stereo"`, or `"source"`: mono where the input is (the mean of both
                sides).
            track: of a file with several audio tracks, counted from 1; None: the default one, with a
                warning that lists them.
            remux: of a film: each stem becomes the sound of a copy of the film, of the same kind and with its
                pictures and subtitles; `codec` does not count (needs FFmpeg; docs/formats.md).
            vocals_activity: also write when there is singing, to `SONG.vocals.csv` (or `.json`, `.txt`)
                beside the stems: `"csv"`, `"json"` or `"audacity"` (docs/dj.md).

        Returns:
            The path of each stem (of a stem file one path, under the name `stems`), with the attributes
            `clipped`, `gain`, `sample_rate` and `vocals_activity`; None where synchronous is False.

        Raises:
            SpleeterError: also for two stems with one path, before anything is written.
            AudioError: the input cannot be read or the output not be written.
        """
        remux = flag("remux", remux)
        reading = ReadOptions(offset, duration, downmix, track, fill_gaps=remux)
        if remux and (offset or duration is not None):
            raise ArgumentError("remux: a film is separated as a whole, without offset and duration")
        writing = WriteOptions(
            codec, bitrate, bit_depth, clip, sample_rate, tags, channels, remux, vocals_activity
        )
        if vocals_activity is not None:
            check_vocals(self._mode.stems)
        synchronous = flag("synchronous", synchronous)
        function("progress", progress)
        stopper(cancel)
        adapter = _adapter(audio_adapter)
        saves = _overrides(self, "save_to_file")
        if saves or _overrides(self, "separate") or not is_builtin(adapter):
            song = SongJob(audio_descriptor, destination, filename_format, reading, writing, adapter)
            song.check(None if saves or _overrides(self, "separate") else self._stems, saves)
            return self._do(partial(self._separate_song, song, progress, cancel), synchronous)
        named = described_path(audio_descriptor)
        if remux:
            paths = film_paths(named, destination, filename_format, self._stems)
        else:
            writing = writing.with_codec(output_codec(filename_format, codec))
            writing.check_stem_file(self._stems)
            paths = output_paths(named, destination, filename_format, writing.codec, self._stems)
        # A file object is read now: it may be closed when the job runs.
        with ExitStack() as stack:
            path = stack.enter_context(input_path(audio_descriptor, for_later=not synchronous))
            files = FileJob(path, named, paths, reading, writing, self._engine(progress, cancel))
            kept = stack.pop_all()

        def job() -> SeparatedFiles:
            with kept:
                return files.run()

        return self._do(job, synchronous)

    def vocals_activity(
        self,
        audio_descriptor: AudioInput,
        *,
        settings: ActivitySettings | None = None,
        downmix: bool = False,
        track: int | None = None,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> list[Activity]:
        """When there is singing in a file, which is separated for this, in constant memory.

        Args:
            audio_descriptor: the file: its path, a binary file object, or its bytes.
            settings: what counts as singing; None: the usual (`spleeterrt.activity.ActivitySettings`).
            downmix, track, progress, cancel: as for `separate_to_file`.

        Returns:
            The stretches of singing in order, with `start` and `end` in seconds and `level` in dBFS.

        Raises:
            SpleeterError: there is no stem `vocals`; `cancel` asked it to stop.
            AudioError: the file cannot be read.
        """
        check_vocals(self._mode.stems)
        reading, meter = ReadOptions(downmix=downmix, track=track), ActivityMeter(self.sample_rate, settings)
        with input_path(audio_descriptor) as path, ExitStack() as passes:
            with reading.open(path, self.sample_rate) as probe:
                total = probe.likely_frames
            readers = []

            def blocks() -> Iterator[Float32]:
                readers.append(passes.enter_context(reading.open(path, self.sample_rate)))
                return readers[-1].stereo()

            for sources, mix in self._run(blocks, total, progress, cancel):
                meter.process(vocals_of(sources, mix, self._mode.rest), mix)
            log_warnings(renamed(readers[-1].warnings, path, described_path(audio_descriptor)))
        return meter.finish()

    def _engine(self, progress: Progress | None, cancel: Cancel | None) -> Engine:
        def run(blocks: Callable[[], Iterable[Float32]], total: int | None) -> Iterator[Piece]:
            return self._run(blocks, total, progress, cancel)

        depth = 1 if self._low_memory else 2
        return Engine(self._stems, run, self.sample_rate, self._mode.rest, self._threads, depth)

    def _separate_song(
        self, song: SongJob, progress: Progress | None, cancel: Cancel | None
    ) -> SeparatedFiles | None:
        """Spleeter's way: the adapter loads, `separate` separates, `save_to_file` has the adapter save."""
        if stopper(cancel)():
            raise SeparationCancelled("the separation was cancelled")
        waveform = song.load(self.sample_rate)
        # Spleeter's `separate` has no further arguments.
        watched: dict[str, Any] = {"progress": progress, "cancel": cancel}
        sources = self.separate(waveform, song.audio, **({} if _overrides(self, "separate") else watched))
        if not _overrides(self, "save_to_file"):
            return song.save(sources, self.sample_rate)
        return self.save_to_file(
            sources,
            song.audio,
            os.fspath(song.destination),
            song.filename_format,
            song.codec(),
            song.adapter,
            song.writing.bitrate,
            True,
        )

    @overload
    def save_to_file(
        self,
        sources: Mapping[str, Float32],
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        filename_format: str = DEFAULT_FORMAT,
        codec: Codec | CodecName | None = None,
        audio_adapter: AudioAdapter | None = None,
        bitrate: str | int | None = None,
        synchronous: Literal[True] = True,
    ) -> SeparatedFiles: ...

    @overload
    def save_to_file(
        self,
        sources: Mapping[str, Float32],
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        filename_format: str = DEFAULT_FORMAT,
        codec: Codec | CodecName | None = None,
        audio_adapter: AudioAdapter | None = None,
        bitrate: str | int | None = None,
        *,
        synchronous: bool,
    ) -> SeparatedFiles | None: ...

    @own
    def save_to_file(
        self,
        sources: Mapping[str, Float32],
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        filename_format: str = DEFAULT_FORMAT,
        codec: Codec | CodecName | None = None,
        audio_adapter: AudioAdapter | None = None,
        bitrate: str | int | None = None,
        synchronous: bool = True,
    ) -> SeparatedFiles | None:
        """Write separated waveforms (as `separate` returns them), named after `audio_descriptor`.

        The other arguments, the result and the errors are those of `separate_to_file`.
        """
        if not isinstance(sources, Mapping):
            raise ArgumentTypeError(
                f"sources: expected waveforms by stem, as separate returns them, got {type(sources).__name__}"
            )
        song = SongJob(
            audio_descriptor,
            destination,
            filename_format,
            ReadOptions(),
            WriteOptions(codec, bitrate, tags=False),
            _adapter(audio_adapter),
        )
        song.check(tuple(sources), False)
        synchronous = flag("synchronous", synchronous)
        return self._do(partial(song.save, dict(sources), self.sample_rate), synchronous)


def _adapter(adapter: AudioAdapter | None) -> AudioAdapter:
    """The default for None; any object with its methods does, as for Spleeter."""
    function("audio_adapter", adapter, "load")
    function("audio_adapter", adapter, "save")
    return AudioAdapter.default() if adapter is None else adapter
