"""Modes: which networks run, on what, and which stems become of them (the face of `_kernels/core/modes`).

`docs/modes.md` has the definitions, what each costs and what it gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real

from .._kernels import spectral
from ..arguments import told
from ..errors import ArgumentError
from ..names import MODES
from .config import ModelConfig

model_stems = spectral.model_stems  # of the stems that a file holds networks of, those that make one model


@dataclass(frozen=True)
class ModePlan:
    """What a mode does with a model.

    Attributes:
        name: of the mode.
        stems: those that are made, in order; all of them where the rest is wanted.
        networks: those that run, in order, by their stems' names.
        made: the place among `stems` of each network's stem, or -1.
        rest: the stem that is the mix minus the others.
        ratio: masks are the ratio of the estimates, else each network's own.
        cascade: the networks run one after the other, each on what those before leave.
        above: own masks: the weight of the bins above F.
        share: own masks where the mix is silent.
    """

    name: str
    stems: tuple[str, ...]
    networks: tuple[str, ...]
    made: tuple[int, ...]
    rest: str | None
    ratio: bool
    cascade: bool
    above: float
    share: float


def plan_mode(
    mode: str,
    config: ModelConfig,
    *,
    stems: Sequence[str] | None = None,
    residual: bool = False,
    above_band: float | None = None,
    full_band: bool = False,
    live: bool = False,
    two_stems: str | None = None,
) -> ModePlan:
    """The plan of a mode for a model.

    Args:
        stems: wanted; None: all. In mode `residual` the network of the first one runs.
        residual: in the modes `ratio` and `direct` the last stem becomes the mix minus the others.
        above_band: weight above F of the modes' own masks; None: 0.1, or `live` one over the number of stems.
        full_band: the masks are extended above F, so that there is no such weight.
        two_stems: this stem, and the mix minus it under the name of `no_` and the stem's.

    Raises:
        SpleeterError: the model or the options do not go with the mode, and what would.
    """
    if not isinstance(mode, str):
        raise ArgumentError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    if stems is not None and (not isinstance(stems, (str, Sequence)) or not stems):
        raise ArgumentError(f"stems: expected a sequence of names, got {stems!r}")
    wanted = [] if stems is None else [stems] if isinstance(stems, str) else list(stems)
    if not all(isinstance(name, str) for name in wanted):
        raise ArgumentError(f"stems: expected names, got {wanted}")
    if above_band is not None and not (isinstance(above_band, Real) and not above_band < 0):
        raise ArgumentError(f"above_band: expected a number from 0 to 1 or None, got {above_band!r}")
    above = -1.0 if above_band is None else float(above_band)
    if two_stems is not None and not isinstance(two_stems, str):
        raise ArgumentError(f"two_stems: expected the name of a stem, got {told(two_stems)}")
    problem, made = spectral.plan_mode(
        mode, config.instruments, config.softmax, wanted, residual, above, full_band, live, two_stems
    )
    if problem:
        raise ArgumentError(problem)
    return ModePlan(
        name=mode,
        stems=made["stems"],
        networks=tuple(config.instruments[index] for index in made["networks"]),
        made=made["made"],
        rest=None if made["rest"] < 0 else made["stems"][made["rest"]],
        ratio=made["ratio"],
        cascade=made["cascade"],
        above=made["above"],
        share=made["share"],
    )
