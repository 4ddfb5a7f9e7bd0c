"""The drop-in for `spleeter.separator.Separator`: waveforms and files in, stems out."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from .arguments import choice, flag, function
from .audio import Codec
from .audio.adapter import AudioAdapter
from .audio.channels import stereo_blocks
from .audio.file_objects import AudioInput, described_path, input_path
from .errors import ArgumentError, ArgumentTypeError, SeparationCancelled, SpleeterError
from .file_job import Engine, FileJob, Piece, ReadOptions, SeparatedFiles, WriteOptions
from .layers import Float32
from .models import Source, configuration
from .modes import MODES, plan_mode
from .network import Model, load_model
from .output_paths import DEFAULT_FORMAT, film_paths, output_codec, output_paths
from .parallel import check_threads, started_pool
from .pipeline import Pipeline
from .song_job import SongJob, is_builtin

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from .config import ModelConfig
    from .modes import ModePlan

logger = logging.getLogger("spleeterrt")

Progress: TypeAlias = Callable[[float, "float | None"], object]
"""Called with the seconds of audio done and the seconds in all (None: unknown). With MWF the signal is
gone over twice: both passes count."""


class CancelEvent(Protocol):
    def is_set(self) -> bool: ...


Cancel: TypeAlias = CancelEvent | Callable[[], bool]
"""A `threading.Event`, or a function that returns True to stop."""


class Separator:
    """Separates music into stems.

    Args:
        params_descriptor: what `load_model` takes (`"spleeter:2stems"`, `"starter:2stems"`, a configuration
            file, a checkpoint folder, a `.safetensors` file), or a loaded `Model`.
        MWF: multichannel Wiener filter instead of the ratio mask.
        multiprocess, stft_backend: accepted for callers of Spleeter 2, in either order, and without effect:
            nothing is forked, and there is one STFT.
        threads: of the networks; None: one per core.
        low_memory: smaller weights (see `load_model`; a loaded `Model` stays as it is), one segment at a
            time and no buffers kept between calls; somewhat slower, the same to within rounding.
        stems: names of the stems to return or write; None: all. The ratio mask needs the networks of all
            stems in any case; the mode `direct` runs those of the chosen ones, `residual` that of the
            first one.
        mode: which networks run, and what becomes of what they find (docs/modes.md):
            `"ratio"`: Spleeter's ratio mask, over the networks of all stems;
            `"direct"`: each network's own mask;
            `"residual"`: of a model of two stems one by its own mask, the other is the mix minus it: half
            the work;
            `"three"`: vocals, drums and accompaniment, which sum to the mix, by two networks: drums first,
            vocals from what they leave.
        above_band: weight of the bins from F on (11 kHz in the standard models) in `direct`, of the
            network's stem in `residual`, of vocals and drums each in `three`; None: 0.1.
        residual: the last stem becomes the mix minus all others, so that the stems sum to the mix (in the
            modes `residual` and `three` they do anyway).
        full_band: masks reach above bin F: the mean of the mask over the F bins, Spleeter's mask extension
            `average`, whatever the configuration says.
        two_stems: the name of a stem: it and everything else, the mix minus it, named `no_vocals` for
            `"vocals"`; they sum to the mix. In the mode `ratio` all networks run, in `direct` one alone.
            `stems` may choose one of the two.

    Separators pickle and copy by their model and settings (`Model`). As a context manager one is closed at
    the end (`close`).

    Raises:
        SpleeterError: unknown model, stem or mode; a mode that the model does not have; options that exclude
            each other; the model is missing or corrupt (`ModelError`).
    """

    def __init__(
        self,
        params_descriptor: Source | Model = "spleeter:2stems",
        MWF: bool = False,
        multiprocess: bool = True,
        stft_backend: Any = None,
        *,
        threads: int | None = None,
        low_memory: bool = False,
        stems: Sequence[str] | None = None,
        mode: str = "ratio",
        above_band: float | None = None,
        residual: bool = False,
        full_band: bool = False,
        two_stems: str | None = None,
    ) -> None:
        foreign = set(vars(self))  # of a subclass
        if isinstance(multiprocess, str) and multiprocess in _STFT_BACKENDS:  # in the order of Spleeter 2.0
            multiprocess, stft_backend = (True if stft_backend is None else stft_backend), multiprocess
        if stft_backend is not None:
            choice("stft_backend", stft_backend, _STFT_BACKENDS)
        self._settings: dict[str, Any] = {
            "MWF": MWF,
            "multiprocess": multiprocess,
            "stft_backend": stft_backend,
            "threads": threads,
            "low_memory": low_memory,
            "stems": stems,
            "mode": mode,
            "above_band": above_band,
            "residual": residual,
            "full_band": full_band,
            "two_stems": two_stems,
        }
        self._threads = check_threads(threads)
        MWF, low_memory = flag("MWF", MWF), flag("low_memory", low_memory)
        residual, full_band = flag("residual", residual), flag("full_band", full_band)
        choice("mode", mode, MODES)
        if MWF and mode != "ratio":
            raise ArgumentError(
                f"MWF: the Wiener filter needs all networks' estimates: mode ratio, not {mode}"
            )
        if MWF and full_band:
            raise ArgumentError(
                "full_band: Spleeter's Wiener filter is silent above the networks' band; use one or the other"
            )

        def plan(config: ModelConfig) -> ModePlan:
            return plan_mode(
                mode,
                config,
                stems=stems,
                residual=residual,
                above_band=above_band,
                full_band=full_band,
                two_stems=two_stems,
            )

        if isinstance(params_descriptor, Model):
            model = params_descriptor
        elif mode == "ratio":
            model = load_model(params_descriptor, low_memory=low_memory)
        else:
            networks = plan(configuration(params_descriptor)).networks
            model = load_model(params_descriptor, low_memory=low_memory, networks=networks)
        self._loaded = model
        self._mode = plan(model.config)
        if full_band:
            model = model.with_config(model.config.replace(mask_extension="average"))
        elif mode != "ratio":  # they have a weight there
            model = model.with_config(model.config.replace(mask_extension="zeros"))
        model.rows(self._mode.networks)  # complains of those that are missing
        self._model = model
        self._MWF = MWF
        self._low_memory = low_memory
        self._stems = _choose(stems, self._mode.stems)
        self._worker: ThreadPoolExecutor | None = None
        self._worker_process = 0
        self._tasks: list[Future[Any]] = []
        self._lock = threading.Lock()
        # What programs written for Spleeter read.
        self._multiprocess = flag("multiprocess", multiprocess)
        self._sample_rate = model.config.sample_rate
        self._params = model.config.to_dict()
        self._own_names = frozenset(vars(self)) - foreign

    def __repr__(self) -> str:
        source = self._loaded.source or self._loaded.origin or "a model of one's own"
        settings = [f"mode={self.mode}", *(name for name in _FLAGS if self._settings[name])]
        return f"<Separator {source}: {', '.join(self._stems)}; {', '.join(settings)}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """As `close`; where an error is on its way already, those of the jobs are only logged."""
        try:
            self.close()
        except Exception as other:
            if kind is None:
                raise
            logger.warning("a separation in the background failed: %s", other)

    def __getstate__(self) -> tuple[Model, dict[str, Any], dict[str, Any]]:
        """Model, settings and a subclass's attributes; jobs that run are no part of a copy."""
        others = {name: value for name, value in vars(self).items() if name not in self._own_names}
        return self._loaded, self._settings, others

    def __setstate__(self, state: tuple[Model, dict[str, Any], dict[str, Any]]) -> None:
        model, settings, others = state
        Separator.__init__(self, model, **settings)
        vars(self).update(others)

    @property
    def model(self) -> Model:
        return self._model

    @property
    def stems(self) -> tuple[str, ...]:
        """Names of the stems that are returned, in the model's order."""
        return self._stems

    @property
    def mode(self) -> str:
        return self._mode.name

    @property
    def networks(self) -> tuple[str, ...]:
        """Names of the stems whose networks run."""
        return self._mode.networks

    @property
    def sample_rate(self) -> int:
        """Hz of the waveforms that go in and come out."""
        return self._model.config.sample_rate

    @property
    def _pool(self) -> Any:
        """Spleeter's pool of processes, for programs that give it work or close it: the one thread here."""
        if not self._multiprocess:
            return None
        return import_module("spleeterrt.spleeter_names").WorkerPool(self._submit)

    # --- arrays -----------------------------------------------------------------

    def separate(
        self,
        waveform: npt.ArrayLike,
        audio_descriptor: str | None = "",
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> dict[str, Float32]:
        """Separate a waveform.

        Args:
            waveform: floating-point (samples, channels) at the model's rate, full scale 1.0. Mono is
                duplicated; of more than two channels the first two count, with a warning:
                `spleeterrt.audio.downmix` mixes all of them.
            audio_descriptor: ignored (Spleeter's signature).

        Returns:
            float32 (samples, 2) per stem.

        Raises:
            SpleeterError: another shape or dtype; a sample is NaN or infinite.
            SeparationCancelled: `cancel` said so.
        """
        (mix,) = stereo_blocks([waveform])
        names, pipeline = self._pipeline()
        results = {name: np.empty(mix.shape, np.float32) for name in names}
        with self._running():
            pipeline.run_into(mix, list(results.values()), self._watch(len(mix), progress, cancel))
        if self._mode.rest is not None:
            results[self._mode.rest] = rest = np.empty(mix.shape, np.float32)
            for start in range(0, len(mix), _REST_SAMPLES):
                part = slice(start, start + _REST_SAMPLES)
                rest[part] = _rest([results[name][part] for name in names], mix[part])
        return {stem: results[stem] for stem in self._stems}

    def separate_blocks(
        self,
        blocks: Iterable[npt.ArrayLike],
        *,
        progress: Progress | None = None,
        cancel: Cancel | None = None,
    ) -> Iterator[dict[str, Float32]]:
        """Separate a signal that comes in blocks of any size, in constant memory.

        Yields blocks of the stems in order, float32 (samples, 2), as soon as they are finished; joined
        they equal `separate` of the joined input, bit for bit. With MWF the input is spooled to a
        temporary file first, because the filter needs the whole signal.
        """
        if isinstance(blocks, np.ndarray) and blocks.ndim < 3:
            raise ArgumentError(
                f"separate_blocks: expected blocks, got one array {blocks.shape}; "
                "pass [waveform], or call separate(waveform)"
            )
        if not self._MWF:
            yield from self._yield_blocks(lambda: stereo_blocks(blocks), None, progress, cancel)
            return
        stop = _stopper(cancel)
        with tempfile.TemporaryFile(prefix="spleeterrt-") as spool:
            total = 0
            for block in stereo_blocks(blocks):
                if stop():
                    raise SeparationCancelled("the separation was cancelled")
                try:
                    spool.write(block.tobytes())
                except OSError as error:
                    raise SpleeterError(
                        f"cannot spool the input in {tempfile.gettempdir()}: {error.strerror or error}"
                    ) from error
                total += len(block)

            def read() -> Iterator[Float32]:
                spool.seek(0)
                while data := spool.read(1 << 20):
                    yield np.frombuffer(data, np.float32).reshape(-1, 2)

            yield from self._yield_blocks(read, total, progress, cancel)

    def _yield_blocks(
        self,
        blocks: Callable[[], Iterable[Float32]],
        total: int | None,
        progress: Progress | None,
        cancel: Cancel | None,
    ) -> Iterator[dict[str, Float32]]:
        for sources, mix in self._run(blocks, total, progress, cancel):
            if self._mode.rest is not None:
                sources[self._mode.rest] = _rest(list(sources.values()), mix)
            finished = {stem: sources[stem] for stem in self._stems}
            del sources
            yield finished
            del finished

    def _pipeline(self) -> tuple[tuple[str, ...], Pipeline]:
        """The stems that networks make (the rest is what they leave of the mix), and what makes them."""
        made = self._mode.made
        networks = np.array([index for index, stem in enumerate(made) if stem >= 0], np.intp)
        names = tuple(self._mode.stems[made[index]] for index in networks)
        pipeline = Pipeline(
            self._model, self._threads, networks, self._MWF, mode=self._mode, low_memory=self._low_memory
        )
        return names, pipeline

    def _watch(
        self, total: int | None, progress: Progress | None, cancel: Cancel | None
    ) -> Callable[[int], None]:
        """Report progress and stop where `cancel` says so; it is asked at once."""
        rate = self.sample_rate
        function("progress", progress)
        seconds = None if total is None else total * (2 if self._MWF else 1) / rate
        stop = _stopper(cancel)

        def on_samples(done: int) -> None:
            if progress:
                progress(done / rate, seconds)
            if stop():
                raise SeparationCancelled("the separation was cancelled")

        if stop():
            raise SeparationCancelled("the separation was cancelled")
        return on_samples

    @contextmanager
    def _running(self) -> Iterator[None]:
        try:
            yield
        finally:
            if self._low_memory:
                self._model.release_buffers()

    def _run(
        self,
        blocks: Callable[[], Iterable[Float32]],
        total: int | None,
        progress: Progress | None,
        cancel: Cancel | None,
    ) -> Iterator[tuple[dict[str, Float32], Float32]]:
        """Pieces of (stems, mix): the stems that networks make."""
        names, pipeline = self._pipeline()
        on_samples = self._watch(total, progress, cancel)
        with self._running():
            for sources, mix in pipeline.run(blocks, on_samples):
                yield dict(zip(names, sources, strict=True)), mix
                del sources, mix  # not kept while the next piece is made

    # --- files ------------------------------------------------------------------

    def separate_to_file(
        self,
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        audio_adapter: AudioAdapter | None = None,
        offset: float | None = 0,
        duration: float | None = None,
        codec: Codec | str | None = None,
        bitrate: str | int | None = "128k",
        filename_format: str = DEFAULT_FORMAT,
        synchronous: bool = True,
        *,
        bit_depth: str = "int16",
        clip: str = "clamp",
        sample_rate: int | Literal["source"] | None = None,
        tags: bool | None = None,
        downmix: bool = False,
        channels: Literal["stereo", "source"] = "stereo",
        track: int | None = None,
        remux: bool = False,
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
                FFmpeg also `"m4a"` and `"wma"`. None: by the ending of `filename_format`, else wav.
            bitrate: of the lossy ones; one that the codec does not have becomes the nearest, with a warning.
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

        Returns:
            The path of each stem, with the attributes `clipped`, `gain` and `sample_rate`; None where
            synchronous is False.

        Raises:
            SpleeterError: also for two stems with one path, before anything is written.
            AudioError: the input cannot be read or the output not be written.
        """
        reading = ReadOptions(offset, duration, downmix, track)
        remux = flag("remux", remux)
        if remux and (offset or duration is not None):
            raise ArgumentError("remux: a film is separated as a whole, without offset and duration")
        writing = WriteOptions(codec, bitrate, bit_depth, clip, sample_rate, tags, channels, remux)
        synchronous = flag("synchronous", synchronous)
        function("progress", progress)
        _stopper(cancel)
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
            paths = output_paths(named, destination, filename_format, writing.codec, self._stems)
        # A file object is read now: it may be closed when the job runs.
        with ExitStack() as stack:
            path = stack.enter_context(input_path(audio_descriptor))
            files = FileJob(path, paths, reading, writing, self._engine(progress, cancel))
            kept = stack.pop_all()

        def job() -> SeparatedFiles:
            with kept:
                return files.run()

        return self._do(job, synchronous)

    def _engine(self, progress: Progress | None, cancel: Cancel | None) -> Engine:
        def run(blocks: Callable[[], Iterable[Float32]], total: int | None) -> Iterator[Piece]:
            return self._run(blocks, total, progress, cancel)

        depth = 1 if self._low_memory else 2
        return Engine(run, self.sample_rate, self._mode.rest, self._threads, depth)

    def _separate_song(
        self, song: SongJob, progress: Progress | None, cancel: Cancel | None
    ) -> SeparatedFiles | None:
        """Spleeter's way: the adapter loads, `separate` separates, `save_to_file` has the adapter save."""
        if _stopper(cancel)():
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

    def save_to_file(
        self,
        sources: Mapping[str, Float32],
        audio_descriptor: AudioInput,
        destination: str | os.PathLike[str],
        filename_format: str = DEFAULT_FORMAT,
        codec: Codec | str | None = None,
        audio_adapter: AudioAdapter | None = None,
        bitrate: str | int | None = "128k",
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

    def join(self, timeout: float | None = 200) -> None:
        """Wait for what was started with synchronous=False; raises the first error of those jobs.

        Raises:
            SpleeterError: a job needs longer than `timeout` seconds.
        """
        with self._lock:
            tasks = self._tasks if self._worker_process == os.getpid() else []
        done, running = wait(tasks, timeout)
        with self._lock:
            self._tasks = [task for task in self._tasks if task not in done]
        for task in tasks:
            failure = task.exception() if task in done else None
            if failure:
                raise failure
        if running:
            raise SpleeterError(f"join: a separation is still running after {timeout} s")

    def close(self) -> None:
        """Wait for what was started with synchronous=False, and free the buffers and the thread that are kept
        between calls. The separator can be used again.

        Raises:
            SpleeterError: what went wrong in such a job first; all have ended.
        """
        try:
            self.join(None)
        finally:
            with self._lock:
                worker, self._worker = self._worker, None
                ours = self._worker_process == os.getpid()
            if worker is not None and ours:
                worker.shutdown()
            self._model.release_buffers()

    def _do(self, job: Callable[[], SeparatedFiles | None], synchronous: bool) -> SeparatedFiles | None:
        if synchronous:
            return job()
        task = self._submit(job)
        with self._lock:
            self._tasks.append(task)
        return None

    def _submit(self, job: Callable[[], Any]) -> Future[Any]:
        with self._lock:
            if self._worker is None or self._worker_process != os.getpid():
                # A forked child has the parent's pool without its worker.
                self._worker = started_pool(1, "spleeterrt")
                self._worker_process = os.getpid()
                self._tasks = []
            if self._worker is not None:
                return self._worker.submit(job)
        done: Future[Any] = Future()  # the system gives no thread: here and now
        try:
            done.set_result(job())
        except Exception as error:
            done.set_exception(error)
        return done


_REST_SAMPLES = 1 << 16  # bounds the temporaries in float64


def _rest(sources: Iterable[Float32], mix: Float32) -> Float32:
    """The mix minus stems."""
    rest = mix.astype(np.float64)
    for block in sources:
        rest -= block
    return rest.astype(np.float32)


def _choose(stems: Sequence[str] | None, made: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the stems that are made which are wanted: more are where the rest needs them."""
    wanted = made if stems is None else (stems,) if isinstance(stems, str) else stems
    return tuple(name for name in made if name in wanted)


def _adapter(adapter: AudioAdapter | None) -> AudioAdapter:
    """The default for None; any object with its methods does, as for Spleeter."""
    function("audio_adapter", adapter, "load")
    function("audio_adapter", adapter, "save")
    return AudioAdapter.default() if adapter is None else adapter


def _stopper(cancel: Cancel | None) -> Callable[[], bool]:
    if cancel is None:
        return lambda: False
    if hasattr(cancel, "is_set"):
        return cancel.is_set
    function("cancel", cancel)
    return cancel


def _overrides(separator: Separator, name: str) -> bool:
    """Whether a subclass, or somebody from outside, has put another method in the place of ours."""
    return getattr(getattr(separator, name), "__func__", None) is not _OWN[name]


_FLAGS = ("MWF", "low_memory", "residual", "full_band", "two_stems")
_STFT_BACKENDS = ("auto", "tensorflow", "librosa")  # of Spleeter 2.0 to 2.3
_OWN = {name: getattr(Separator, name) for name in ("separate", "save_to_file")}


def __getattr__(name: str) -> Any:
    if name in _SPLEETERS:
        return getattr(import_module("spleeterrt.spleeter_names"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# What Spleeter has in its module of this name, and this one does not.
_SPLEETERS = (
    "DataGenerator",
    "EstimatorSpecBuilder",
    "InputProviderFactory",
    "ModelProvider",
    "STFTBackend",
    "create_estimator",
    "get_default_audio_adapter",
    "load_configuration",
    "model_fn",
    "to_stereo",
)
