"""What a plan means on this machine: per layer its shape, method, weights, predicted and measured time.

Needs a model's configuration only: the networks are measured with random weights, because their time does
not depend on them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from .config import DEPTH, ModelConfig
from .costs import Cost, Machine, Shape, group_cost, groups, measure_machine, shapes
from .layers import LAYER_NAMES, channels, lower, weight_layout
from .method_plan import LAZY, ROWS, STAGED, TILES, Plan, default_isa, make_plan
from .model import Model
from .tensors import expected_shapes

ROUNDS, SECONDS = 5, 0.2  # of measuring: both at least


class PlannedLayer(NamedTuple):
    """A layer, or those that run together in strips.

    Attributes:
        names: `"e3"`, or `"e1+e2"`.
        shapes: of each of them (padded channels).
        weights: bytes of one stem.
        cost: operations and bytes.
        predicted, measured: seconds of one stem, one segment, one thread.
    """

    names: str
    shapes: tuple[Shape, ...]
    weights: int
    cost: Cost
    predicted: float
    measured: float


class PlannedNetwork(NamedTuple):
    """One stem's network under a plan.

    Attributes:
        weights: bytes per stem.
        workspace: bytes per thread.
    """

    config: ModelConfig
    plan: Plan
    machine: Machine
    layers: tuple[PlannedLayer, ...]
    weights: int
    workspace: int

    @property
    def padded(self) -> bool:
        """Whether the kernels hold more channels than the network has."""
        return channels(self.config) != channels(self.config, self.plan.isa)


def planned_network(
    config: ModelConfig, low_memory: bool = False, types: Sequence[str] | None = None
) -> PlannedNetwork:
    """Plan a network for the configuration's T and F, predict and measure it; types: as of `make_plan`."""
    config = config.replace(instruments=config.instruments[:1])
    plan = make_plan(config, default_isa(), low_memory, types)
    layer_shapes = shapes(config, plan, config.T, config.F)
    _, workspace_floats = lower(config, plan, config.T, config.F)
    layout = weight_layout(config, plan)
    starts = [offsets[0] for offsets in layout.offsets] + [layout.size]
    model = Model(config, {config.instruments[0]: random_weights(config, plan)}, plan=plan, consume=True)
    seconds, machine = _measure(model, config.T, config.F)
    layers = []
    for group in groups([shape.method for shape in layer_shapes]):
        members = tuple(layer_shapes[index] for index in group)
        cost = group_cost(members)
        isa = None if members[0].method == "reference" else plan.isa
        layers.append(
            PlannedLayer(
                "+".join(LAYER_NAMES[index] for index in group),
                members,
                sum(4 * (starts[index + 1] - starts[index]) for index in group),
                cost,
                machine.seconds(cost, isa),
                float(min(round_[list(group)].sum() for round_ in seconds)),
            )
        )
    return PlannedNetwork(config, plan, machine, tuple(layers), 4 * layout.size, 4 * workspace_floats)


def random_weights(config: ModelConfig, plan: Plan | None = None) -> dict[str, npt.NDArray[Any]]:
    """One stem's tensors, such that values keep their size from layer to layer (denormal ones are slow).

    plan: kernels in what it keeps them in; None: float32.
    """
    rng = np.random.default_rng(0)
    stem: dict[str, npt.NDArray[Any]] = {}
    for name, shape in expected_shapes(config).items():
        if name.endswith("/kernel"):
            into = shape[3 if name.startswith("conv2d_transpose") else 2]
            scale = np.float32((shape[0] * shape[1] * into / 8) ** -0.5)
            stem[name] = rng.standard_normal(shape, np.float32) * scale
        elif name.endswith(("/gamma", "/moving_variance")):
            stem[name] = np.ones(shape, np.float32)
        else:
            stem[name] = np.zeros(shape, np.float32)
    for kernel, kept in zip(
        (name for name in stem if name.endswith("/kernel")), plan.types if plan else (), strict=False
    ):
        if kept == "int8":
            out = stem[kernel].shape[2 if kernel.startswith("conv2d_transpose") else 3]
            scale = np.abs(stem[kernel]).max() / np.float32(127)
            stem[f"{kernel}_scale"] = np.full(out, scale, np.float32)
            stem[kernel] = np.rint(stem[kernel] / scale).astype(np.int8)
        else:
            stem[kernel] = stem[kernel].astype(kept)
    return stem


def _measure(model: Model, frames: int, bins: int) -> tuple[npt.NDArray[np.float64], Machine]:
    """Seconds [rounds, layers]; the first round, with cold memory, is left out. And the machine at its best
    between them, as the layers count at theirs: a spell that is slow or fast changes both.
    """
    magnitudes = np.abs(np.random.default_rng(1).standard_normal((1, frames, bins, 2), np.float32))
    rounds: list[list[float]] = []
    machine = measure_machine()
    start = time.perf_counter()
    while len(rounds) <= ROUNDS or time.perf_counter() - start < SECONDS:
        profile = model.profile(magnitudes)
        rounds.append([sum(stages.values()) for stages in profile.values()])
        machine = machine.faster(measure_machine())
    return np.array(rounds[1:]), machine


# --- words -------------------------------------------------------------------------------------


def shape_text(layer: PlannedLayer) -> str:
    """Frames x bins of the first layer's input and the last one's output."""
    first, last = layer.shapes[0], layer.shapes[-1]

    def fine(shape: Shape) -> tuple[int, int]:
        return (shape.h, shape.w) if shape.layer == 2 * DEPTH else (2 * shape.h, 2 * shape.w)

    def text(size: tuple[int, int]) -> str:
        return f"{size[0]} x {size[1]}"

    into = (first.h, first.w) if first.decoder else fine(first)
    out = fine(last) if last.layer >= DEPTH else (last.h, last.w)
    return f"{text(into)} -> {text(out)}"


def channels_text(layer: PlannedLayer) -> str:
    return " -> ".join(map(str, (layer.shapes[0].into, *(shape.out for shape in layer.shapes))))


def method_text(layer: PlannedLayer) -> str:
    words = [_method(shape) for shape in layer.shapes]
    text = " + ".join(dict.fromkeys(words))
    return f"{text}, in strips" if len(words) > 1 else text


def _method(shape: Shape) -> str:
    method = shape.method
    if method in TILES:
        weights = "on the fly" if method in LAZY else "at its start" if method == STAGED else "stored"
        small = {2: " from float16", 1: " from int8"}.get(shape.weight_bytes, "")
        tile = "1x4" if method == ROWS else f"{TILES[method]}x{TILES[method]}"
        return f"Winograd F({tile}) {weights}{small}"
    return "im2col + BLAS" if method == "reference" else "direct"
