"""The drop-in for `spleeter.separator.Separator`: waveforms and files in, stems out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import chain, count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .arguments import choice, flag, function
from .arrays import Float32
from .audio import Codec as Codec  # here it is in Spleeter, and the next one too
from .audio.adapter import AudioAdapter as AudioAdapter
from .audio.channels import stereo_blocks
from .errors import ArgumentError, SeparationCancelled, SpleeterError
from .file_separation import FileSeparation, own
from .models import Source, configuration
from .models.loading import load_model
from .names import MODES, Mode
from .network.model import Model
from .network.modes import plan_mode
from .parallel import check_threads
from .pipeline import Pipeline
from .watching import Cancel, Progress, stopper

if TYPE_CHECKING:
    from .network.config import ModelConfig
    from .network.modes import ModePlan


SHORT_FRAMES = 256  # T of `short_segments`


class Separator(FileSeparation):
    """Separates music into stems.

    Args:
        params_descriptor: what `load_model` takes (`"spleeter:2stems"`, `"starter:2stems"`, a configuration
            file, a checkpoint folder, a `.safetensors` file), or a loaded `Model`.
        MWF: multichannel Wiener filter instead of the ratio mask.
        multiprocess, stft_backend: accepted for callers of Spleeter 2, in either order, and without effect:
            nothing is forked, and there is one STFT.
        threads: of the networks; None: as `spleeterrt info` shows (`OMP_NUM_THREADS`, cores, quotas).
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
        short_segments: signals of up to 256 frames (5.9 s at 44100 Hz with Spleeter's frames) run in segments
            of 256, where the model's T is larger: 0.7 of the work, and other samples than
            Spleeter's towards the end of the signal (docs/catalogue.md).

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
        mode: Mode = "ratio",
        above_band: float | None = None,
        residual: bool = False,
        full_band: bool = False,
        two_stems: str | None = None,
        short_segments: bool = False,
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
            "short_segments": short_segments,
        }
        self._threads = check_threads(threads)
        MWF, low_memory = flag("MWF", MWF), flag("low_memory", low_memory)
        residual, full_band = flag("residual", residual), flag("full_band", full_band)
        check_modes(mode, MWF=MWF, full_band=full_band)

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
        self._short_model = _short_twin(model) if flag("short_segments", short_segments) else None
        self._stems = _choose(stems, self._mode.stems)
        super().__init__()
        # What programs written for Spleeter read.
        self._multiprocess = flag("multiprocess", multiprocess)
        self._sample_rate = model.config.sample_rate
        self._params = model.config.to_dict()
        self._own_names = frozenset(vars(self)) - foreign

    def __repr__(self) -> str:
        source = self._loaded.source or self._loaded.origin or "a model of one's own"
        settings = [f"mode={self.mode}", *(name for name in _FLAGS if self._settings[name])]
        return f"<Separator {source}: {', '.join(self._stems)}; {', '.join(settings)}>"

    def __getstate__(self) -> tuple[Model, dict[str, Any], dict[str, Any]]:
        """Model, settings and a subclass's attributes; jobs that run are no part of a copy."""
        others = {name: value for name, value in vars(self).items() if name not in self._own_names}
        return self._loaded, self._settings, others

    def __setstate__(self, state: tuple[Model, dict[str, Any], dict[str, Any]]) -> None:
        model, settings, others = state
        Separator.__init__(self, model, **settings)
        vars(self).update(others)

    def close(self) -> None:
        """Wait for what was started with synchronous=False, and free the buffers and the thread that are kept
        between calls. The separator can be used again.

        Raises:
            SpleeterError: what went wrong in such a job first; all have ended.
        """
        try:
            super().close()
        finally:
            self._release_buffers()

    def _release_buffers(self) -> None:
        self._model.release_buffers()
        if self._short_model is not None:
            self._short_model.release_buffers()

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

    @own
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
            SeparationCancelled: `cancel` asked it to stop.
        """
        (mix,) = stereo_blocks([waveform])
        pipeline = self._pipeline(samples=len(mix))
        results = {name: np.empty(mix.shape, np.float32) for name in pipeline.stems}
        with self._running():
            pipeline.run_into(mix, list(results.values()), self._watch(len(mix), progress, cancel))
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
        stop = stopper(cancel)
        try:
            file = tempfile.TemporaryFile(prefix="spleeterrt-")  # noqa: SIM115 (closed below)
        except OSError as error:
            raise SpleeterError(
                f"MWF: the input must be spooled, and there is no folder for temporary files that can be "
                f"written (TMPDIR): {error.strerror or error}"
            ) from error
        with file as spool:
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
        for sources, _ in self._run(blocks, total, progress, cancel, rest=True):
            finished = {stem: sources[stem] for stem in self._stems}
            del sources
            yield finished
            del finished

    def _pipeline(self, rest: bool = True, samples: int | None = None) -> Pipeline:
        """rest: whether it makes the stem, too, that is the mix minus the others.
        samples: of the signal; None: more than short segments are for.
        """
        model = self._model
        if self._short_model is not None and samples is not None and samples <= self._most_short_samples():
            model = self._short_model
        return Pipeline(model, self._threads, self._mode, self._MWF, rest=rest, low_memory=self._low_memory)

    def _most_short_samples(self) -> int:
        """The longest signal that one short segment holds."""
        config = self._model.config
        return SHORT_FRAMES * config.frame_step - config.frame_length

    def _measured(
        self, blocks: Callable[[], Iterable[Float32]]
    ) -> tuple[int | None, Callable[[], Iterable[Float32]]]:
        """The samples of a short signal, None of a longer one; and its blocks again, the first of which are
        read for that."""
        source = iter(blocks())
        begun: list[Float32] = []
        samples, most = 0, self._most_short_samples()
        for block in source:
            begun.append(block)
            samples += len(block)
            if samples > most:
                break
        passes = chain([chain(begun, source)], (blocks() for _ in count()))
        return (samples if samples <= most else None), lambda: next(passes)

    def _watch(
        self, total: int | None, progress: Progress | None, cancel: Cancel | None
    ) -> Callable[[int], None]:
        """Report progress and stop where `cancel` says so; it is asked at once."""
        rate = self.sample_rate
        function("progress", progress)
        seconds = None if total is None else total * (2 if self._MWF else 1) / rate
        stop = stopper(cancel)

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
                self._release_buffers()

    def _run(
        self,
        blocks: Callable[[], Iterable[Float32]],
        total: int | None,
        progress: Progress | None,
        cancel: Cancel | None,
        *,
        rest: bool = False,
    ) -> Iterator[tuple[dict[str, Float32], Float32]]:
        """Pieces of (stems, mix): the stems that networks make, and the rest if it is wanted."""
        on_samples = self._watch(total, progress, cancel)
        samples = None
        if self._short_model is not None:
            samples, blocks = self._measured(blocks)
        pipeline = self._pipeline(rest, samples)
        with self._running():
            for sources, mix in pipeline.run(blocks, on_samples):
                yield dict(zip(pipeline.stems, sources, strict=True)), mix
                del sources, mix  # not kept while the next piece is made


def check_modes(mode: str, *, MWF: bool, full_band: bool) -> None:
    """Raise `ArgumentError` for an unknown mode, and for a Wiener filter with what it does not go with."""
    choice("mode", mode, MODES)
    if MWF and mode != "ratio":
        raise ArgumentError(f"MWF: the Wiener filter needs all networks' estimates: mode ratio, not {mode}")
    if MWF and full_band:
        raise ArgumentError(
            "full_band: Spleeter's Wiener filter is silent above the networks' band; use one or the other"
        )


def _short_twin(model: Model) -> Model | None:
    """The model in short segments; None where its own are not longer."""
    config = model.config
    return model.with_config(config.replace(T=SHORT_FRAMES)) if config.T > SHORT_FRAMES else None


def _choose(stems: Sequence[str] | None, made: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the stems that are made which are wanted: more are where the rest needs them."""
    wanted = made if stems is None else (stems,) if isinstance(stems, str) else stems
    return tuple(name for name in made if name in wanted)


_FLAGS = ("MWF", "low_memory", "residual", "full_band", "two_stems", "short_segments")
_STFT_BACKENDS = ("auto", "tensorflow", "librosa")  # of Spleeter 2.0 to 2.3


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
