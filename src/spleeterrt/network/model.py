"""A loaded model: weights in the kernels' layout, and the forward pass over segments."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from .._kernels import machine, nn, offline
from .._version import __version__
from ..arguments import names, told
from ..arrays import Float32, aligned_empty, aligned_zeros
from ..errors import ArgumentError, ArgumentTypeError, ModelError
from ..parallel import available_threads, check_threads, no_threads, run_parallel, started_pool
from .config import ModelConfig, check_network_size
from .layers import LAYER_DTYPE, LAYER_NAMES, lower, pack_weights, weight_layout
from .method_plan import Plan, check_plan, default_isa, make_plan, network_of
from .modes import ModePlan

if TYPE_CHECKING:
    from .._kernels.nn import _ReferenceLayer
    from .._kernels.offline import Separation
    from .._kernels.stream import Engine

_logger = logging.getLogger("spleeterrt")

# What the weights belong to; the other fields of a configuration may change under them.
_NETWORK_FIELDS = (
    "instruments",
    "n_channels",
    "model_type",
    "conv_activation",
    "deconv_activation",
    "conv_n_filters",
)


# At most; each beyond the first has the address space of a workspace, and uses little of it.
_THREADS_PER_NETWORK = 8


class Networks(NamedTuple):
    """What an engine gets of a model (`_kernels/network_set.pxd`), and keeps.

    Attributes:
        isa: instruction set of the table's fast layers; None: it has none.
        table: the layers, lowered for T x F.
        workspace_floats: that these need.
        weights: (all networks, floats), packed.
        rows: of the weights those of the mode's networks.
        softmax: estimates by a softmax across all networks.
        rolling: of the table's encoders those that roll along with a stream's windows.
        reference: capsule of the reference layers.
    """

    isa: str | None
    table: npt.NDArray[np.void]
    workspace_floats: int
    weights: Float32
    rows: list[int]
    softmax: bool
    rolling: int
    reference: _ReferenceLayer


@runtime_checkable
class SupportsPack(Protocol):
    """A stem's tensors that can be packed without being arrays first."""

    def pack(self, plan: Plan, arena: Float32) -> None: ...


class SupportsLoad(Protocol):
    """How a model was loaded, to load it again (`models.loading`)."""

    @property
    def source(self) -> str | dict[str, str]: ...

    def load(self, config: ModelConfig) -> Model: ...


class Model:
    """The networks of all stems, ready to run; safe to use from several threads at once.

    Attributes:
        config: the `ModelConfig`.
        instruments: stem names, in the model's order.
        networks: the stems whose networks are in memory; all, unless fewer were asked for.
        origin: the file or folder that the weights came from, or None.
        source: what `load_model` was asked for, or None.

    A model that was loaded pickles as its source, which is loaded again where it is unpickled; one made of
    tensors pickles with its weights, for machines with the same instruction set and version of this package.
    Copies share the weights.

    Args:
        weights: TensorFlow's tensors of each stem, {stem: {name: float32 array}} (`spleeterrt.models`), or
            what packs them itself (`SupportsPack`).
        plan: which method runs each layer; None: the best for this CPU.
        consume: remove each stem's tensors from `weights` once they are packed, to save memory.
        networks: the stems whose networks will run; None: all.
        arena: makes the float32 array of zeros (networks, floats) that the packed weights go to, its rows
            at 64-byte boundaries.

    Raises:
        SpleeterError: a network that the model does not have, or a part of a softmax model's.
    """

    def __init__(
        self,
        config: ModelConfig,
        weights: MutableMapping[str, Any],
        origin: Path | None = None,
        *,
        plan: Plan | None = None,
        consume: bool = False,
        networks: Sequence[str] | None = None,
        arena: Callable[[tuple[int, int]], Float32] = aligned_zeros,
    ) -> None:
        if not isinstance(config, ModelConfig):
            raise ArgumentTypeError(f"config: expected a ModelConfig, got {told(config)}")
        if not isinstance(weights, Mapping):
            raise ArgumentTypeError(f"weights: expected {{stem: {{name: tensor}}}}, got {told(weights)}")
        if plan is not None and not isinstance(plan, Plan):
            raise ArgumentTypeError(f"plan: expected a Plan or None, got {told(plan)}")
        if plan is not None:
            check_plan(plan)
        self.config = config
        self.origin = origin
        self.networks = _chosen_networks(config, networks)
        missing = [stem for stem in self.networks if stem not in weights]
        if missing:
            raise ArgumentError(
                f"weights: those of {', '.join(missing)} are missing, of {told(list(weights))}"
            )
        self._plan = plan = make_plan(config, default_isa()) if plan is None else plan
        self._weights = arena((len(self.networks), weight_layout(config, plan).size))

        def pack(index: int) -> None:
            stem = self.networks[index]
            tensors = weights[stem]
            if isinstance(tensors, SupportsPack):
                tensors.pack(plan, self._weights[index])
            else:
                pack_weights(config, plan, tensors, self._weights[index])
            if consume:
                weights.pop(stem)

        stems = len(self.networks)
        workers = 1 if plan.compact else min(stems, check_threads(None))  # each holds a tensor meanwhile
        pool = started_pool(workers, "spleeterrt-pack") if workers > 1 else None
        with pool or contextlib.nullcontext():
            list((pool.map if pool else map)(pack, range(stems)))
        self._tables: dict[tuple[int, int], tuple[npt.NDArray[np.void], int]] = {}
        self._kept: Float32 | None = None
        self._lock = threading.Lock()
        self.recipe: SupportsLoad | None = None  # of `load_model`: how to load it again, for pickles

    @property
    def source(self) -> str | dict[str, str] | None:
        return None if self.recipe is None else self.recipe.source

    @classmethod
    def of_packed(
        cls,
        config: ModelConfig,
        plan: Plan,
        weights: Float32,
        origin: Path | None,
        networks: tuple[str, ...],
    ) -> Model:
        """A model of weights that are packed already: (networks, floats) by `plan`, for this very version."""
        model = object.__new__(cls)
        model.config, model.origin, model.networks = config, origin, networks
        model._plan, model._weights = plan, weights
        model._tables, model._kept, model._lock, model.recipe = {}, None, threading.Lock(), None
        return model

    @property
    def instruments(self) -> tuple[str, ...]:
        return self.config.instruments

    @property
    def packed_weights(self) -> Float32:
        """(networks, floats), in the layout of the plan."""
        return self._weights

    def __repr__(self) -> str:
        c = self.config
        source = "" if self.source is None else f" {self.source}:"
        return f"<Model{source} {', '.join(c.instruments)}; T={c.T}, F={c.F}, filters={c.conv_n_filters}>"

    def __copy__(self) -> Model:
        return self.with_config(self.config)

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        return self.with_config(self.config)  # nobody changes the weights

    def __reduce__(self) -> tuple[Any, ...]:
        if self.recipe is not None:
            return self.recipe.load, (self.config,)
        facts = (__version__, self.config, self.origin, tuple(self._plan), self.networks)
        return _rebuild, (*facts, np.asarray(self._weights))

    def predict(self, magnitudes: npt.NDArray[np.float32], threads: int | None = None) -> dict[str, Float32]:
        """The networks' estimates of the stems' magnitudes.

        Args:
            magnitudes: float32 (segments, T, F, 2), |STFT| of the stereo mix. T and F may differ from the
                configuration's; both are multiples of 64.
            threads: how many run the segments and stems; those beyond their number share a network. None:
                as many as OMP_NUM_THREADS says, or one per core that this process may use.

        Returns:
            One float32 (segments, T, F, 2) array per stem of `networks`: the network's mask (sigmoid, or
            softmax across stems) times the input, before the ratio mask. The same bits for any number of
            threads and however the segments are divided over calls.

        Raises:
            SpleeterError: another dtype or shape.
        """
        outputs = self.forward(self._check(magnitudes), check_threads(threads))
        return dict(zip(self.networks, outputs, strict=True))

    def rows(self, networks: Sequence[str]) -> list[int]:
        """Where networks stand among those in memory, for `forward`.

        Raises:
            SpleeterError: one is not in memory.
        """
        networks = names("networks", networks)
        for name in networks:
            if name not in self.networks:
                raise ArgumentError(
                    f"the network of {name} is not in memory, only {', '.join(self.networks)}; "
                    "load the model with it (load_model(..., networks=None): all)"
                )
        return [self.networks.index(name) for name in networks]

    def _check(self, magnitudes: npt.NDArray[np.float32]) -> Float32:
        try:
            magnitudes = np.asarray(magnitudes)
        except ValueError as error:  # lists of different lengths
            raise ArgumentError(f"predict: expected an array: {error}") from error
        if (
            magnitudes.dtype != np.float32
            or magnitudes.ndim != 4
            or magnitudes.shape[3] != self.config.n_channels
        ):
            raise ArgumentError(
                f"predict: expected float32 (segments, frames, bins, {self.config.n_channels}), "
                f"got {magnitudes.dtype} {magnitudes.shape}"
            )
        check_network_size(magnitudes.shape[1], magnitudes.shape[2])
        # A view into a file's bytes may be contiguous and yet not aligned.
        return np.require(magnitudes, requirements=["C", "ALIGNED"])

    def forward(
        self,
        magnitudes: Float32,
        threads: int,
        outputs: Float32 | None = None,
        rows: Sequence[int] | None = None,
    ) -> Float32:
        """`predict` on validated, contiguous input: (stems, segments, T, F, 2).

        rows: the networks that run, of `rows`, one a stem; None: all.
        """
        frames = magnitudes.shape[1]
        return self._forward(magnitudes, threads, 0, frames, outputs, rows)

    def forward_rows(self, magnitudes: Float32, threads: int, first: int, last: int) -> Float32:
        """`forward(...)[:, :, first:last]`, the same bits for less work: what these frames do not depend on
        is left out."""
        if not 0 <= first < last <= magnitudes.shape[1]:
            raise ArgumentError(f"no frames {first} to {last} of {magnitudes.shape[1]}")
        return self._forward(magnitudes, threads, first, last, None, None)

    def _forward(
        self,
        magnitudes: Float32,
        threads: int,
        first: int,
        last: int,
        outputs: Float32 | None,
        rows: Sequence[int] | None,
    ) -> Float32:
        segments, frames, bins, channels = magnitudes.shape
        rows = range(len(self.networks)) if rows is None else rows
        if outputs is None:
            outputs = aligned_empty((len(rows), segments, last - first, bins, channels))
        table, size = self._table(frames, bins)
        if last - first < frames:
            table = nn.want_frames(table, first, last)
        threads = _network_threads(threads, segments * len(rows))
        workspaces = self._borrow(threads, size)
        try:
            run_parallel(
                nn.forward,
                self._plan.isa,
                table,
                self._weights,
                workspaces[:threads],
                magnitudes,
                outputs,
                self.config.softmax,
                None,
                rows,
            )
        finally:
            self._give_back(workspaces)
        return outputs

    def stream_engine(self, options: Mapping[str, Any], mode: ModePlan) -> Engine:
        """A real-time engine (`spleeterrt.realtime.stream`) on these weights."""
        from .._kernels import stream

        try:
            rows, size, rolling = stream.stream_table(network_of(self.config), self._plan, mode, options)
            table = np.frombuffer(rows, LAYER_DTYPE), size, rolling
            engine = stream.Engine(self._networks_of(table, mode), mode, options)
        except RuntimeError as error:  # std::system_error
            raise no_threads() from error
        if engine.threads < options["threads"]:
            _logger.warning(
                "the system gives this stream %d of %d threads (a limit of processes or memory)",
                engine.threads,
                options["threads"],
            )
        return engine

    def separation_engine(self, options: Mapping[str, Any], mode: ModePlan) -> Separation:
        """An offline engine (`spleeterrt.pipeline`) on these weights."""
        table = *self._table(options["frames"], options["bins"]), 0
        return offline.Separation(self._networks_of(table, mode), mode, options)

    def _networks_of(self, lowered: tuple[npt.NDArray[np.void], int, int], mode: ModePlan) -> Networks:
        table, size, rolling = lowered
        return Networks(
            isa=self._plan.isa,
            table=table,
            workspace_floats=size,
            weights=self._weights,
            rows=self.rows(mode.networks),
            softmax=self.config.softmax,
            rolling=rolling,
            reference=nn.reference_capsule(),
        )

    def run_networks(self, engine: Separation, threads: int) -> None:
        """The tasks of an offline engine that are its networks."""
        threads = _network_threads(threads, engine.tasks)
        workspaces = self._borrow(threads, engine.workspace_floats)
        try:
            run_parallel(engine.run, workspaces[:threads])
        finally:
            self._give_back(workspaces)

    def with_config(self, config: ModelConfig) -> Model:
        """The same networks, weights shared, under another configuration (mask extension, exponent, T, F)."""
        if not isinstance(config, ModelConfig):
            raise ArgumentTypeError(f"with_config: expected a ModelConfig, got {told(config)}")
        if any(getattr(config, name) != getattr(self.config, name) for name in _NETWORK_FIELDS):
            raise ArgumentError(
                f"with_config: the networks themselves ({', '.join(_NETWORK_FIELDS)}) cannot change"
            )
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__, config=config, _tables={}, _kept=None, _lock=threading.Lock())
        return twin

    def release_buffers(self) -> None:
        """Free the workspaces that are kept between calls."""
        with self._lock:
            self._kept = None

    def profile(self, magnitudes: Float32) -> dict[str, dict[str, float]]:
        """Seconds per layer and stage (columns, gemm, rest; fast: a fast kernel whole) of all stems on one
        thread, for an input as of `predict`.
        """
        magnitudes = self._check(magnitudes)
        table, size = self._table(*magnitudes.shape[1:3])
        seconds = np.zeros((len(table), len(nn.PROFILE_STAGES)))
        outputs = aligned_empty((len(self.networks), *magnitudes.shape))
        workspaces = self._borrow(1, size)
        try:
            nn.forward(
                self._plan.isa,
                table,
                self._weights,
                workspaces[:1],
                magnitudes,
                outputs,
                self.config.softmax,
                seconds,
            )
        finally:
            self._give_back(workspaces)
        return {
            name: dict(zip(nn.PROFILE_STAGES, map(float, row), strict=True))
            for name, row in zip(LAYER_NAMES, seconds, strict=True)
        }

    def _table(self, frames: int, bins: int) -> tuple[npt.NDArray[np.void], int]:
        table = self._tables.get((frames, bins))
        if table is None:
            table = self._tables[frames, bins] = lower(self.config, self._plan, frames, bins)
        return table

    # Workspaces (some 30 MB a thread) are kept between calls; concurrent calls get their own.
    def _borrow(self, threads: int, size: int) -> Float32:
        with self._lock:
            kept, self._kept = self._kept, None
        if kept is None or kept.shape[0] < threads or kept.shape[1] != size:
            kept = None  # freed before the new one is made
            kept = aligned_empty((threads, size))
        return kept

    def _give_back(self, workspaces: Float32) -> None:
        with self._lock:
            self._kept = workspaces


def _network_threads(threads: int, tasks: int) -> int:
    """How many threads run so many networks: those beyond their number take parts of them."""
    most = tasks if machine.OPENMP else tasks * _THREADS_PER_NETWORK
    return available_threads(max(1, min(threads, most)))


def _rebuild(
    version: str,
    config: ModelConfig,
    origin: Path | None,
    plan: tuple[Any, ...],
    networks: tuple[str, ...],
    weights: Float32,
) -> Model:
    """A pickled model without a source: its weights are in the layout of a plan."""
    known = Plan(*plan)
    if version != __version__ or (known.isa is not None and known.isa not in nn.FAST_ISAS):
        raise ModelError(
            f"a model without a source was pickled by version {version} for {known.isa or 'any CPU'}; this "
            f"is version {__version__} on a machine with {', '.join(nn.FAST_ISAS) or 'neither'}. A model "
            "that is loaded from a file has no such limits"
        )
    copy = aligned_zeros(weights.shape)
    copy[:] = weights
    return Model.of_packed(config, known, copy, origin, networks)


def _chosen_networks(config: ModelConfig, networks: Sequence[str] | None) -> tuple[str, ...]:
    if networks is None:
        return config.instruments
    networks = names("networks", networks)
    unknown = [name for name in networks if name not in config.instruments]
    if unknown or not networks or len(set(networks)) < len(networks):
        raise ArgumentError(
            f"networks: expected some of {list(config.instruments)}, got {unknown or list(networks)}"
        )
    chosen = tuple(name for name in config.instruments if name in networks)
    if config.softmax and chosen != config.instruments:
        raise ArgumentError(
            "networks: the masks of this model are made of all networks together (softmax); load them all"
        )
    return chosen
