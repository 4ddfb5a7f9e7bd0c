# What `spectral.pyx` offers, which says the shapes; `tests/unit/test_stubs.py` compares the two.
from collections.abc import Sequence
from typing import TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
from typing_extensions import Self, disjoint_base

_Float32: TypeAlias = npt.NDArray[np.float32]
_Float64: TypeAlias = npt.NDArray[np.float64]
_Complex64: TypeAlias = npt.NDArray[np.complex64]
_Indices: TypeAlias = npt.NDArray[np.uintp]

class _ModeFields(TypedDict):
    stems: tuple[str, ...]
    networks: tuple[int, ...]
    made: tuple[int, ...]
    rest: int  # -1: none
    ratio: bool
    cascade: bool
    above: float
    share: float

CHUNK_FRAMES: int
covariance_terms: int
WIENER_EPSILON: float
WINDOW_COMPENSATION: float
LARGEST_SAMPLE: float
MODES: tuple[str, ...]

def plan_mode(
    mode: str,
    instruments: Sequence[str],
    softmax: bool,
    wanted: Sequence[str],
    residual: bool,
    above: float,
    full_band: bool,
    live: bool,
    two_stems: str | None,
) -> tuple[str, _ModeFields]: ...
def hann_window(length: int) -> list[float]: ...
def default_sets() -> dict[str, str]: ...
def model_stems(held: Sequence[str]) -> tuple[str, ...]: ...
def first_beyond(samples: _Float32, limit: float) -> int: ...
def ratio_masks(x: _Float32, exponent: float, masks: _Float32, isa: str | None = None) -> None: ...
def own_mask(
    x: _Float32, magnitudes: _Float32, silent: float, mask: _Float32, isa: str | None = None
) -> None: ...
def mean_mask(mask: _Float32, mean: _Float32, isa: str | None = None) -> None: ...
def peak_magnitude(spectrum: _Complex64) -> float: ...
def wiener_accumulate(
    spectrum: _Complex64, magnitudes: _Float32, frames: int, eps: float, sums: _Float64, threads: int
) -> None: ...
def wiener_apply(
    spectrum: _Complex64,
    magnitudes: _Float32,
    frames: int,
    eps: float,
    scale: float,
    sums: _Float64,
    out: _Complex64,
    threads: int,
) -> None: ...

@disjoint_base
class Stft:
    def __new__(
        cls,
        frame_length: int,
        hop: int,
        fft_length: int,
        analysis: _Float32,
        synthesis: _Float32,
        isa: str,
    ) -> Self: ...
    @property
    def isa(self) -> str: ...
    @property
    def frame_length(self) -> int: ...
    @property
    def hop(self) -> int: ...
    @property
    def bins(self) -> int: ...
    def work_floats(self, f: int, stems: int, chosen: int) -> int: ...
    def analyse(
        self,
        samples: _Float32,
        frames: int,
        spectrum: _Complex64 | None,
        magnitude: _Float32 | None,
        work: _Float32,
    ) -> None: ...
    def separate(
        self,
        samples: _Float32,
        estimates: _Float32,
        exponent: float,
        magnitudes: _Float32 | None,
        silent: float,
        average: bool,
        above: float,
        stems: _Indices,
        frames: int,
        outs: list[_Float32],
        skip: int,
        tails: _Float32,
        carry: _Float32,
        work: _Float32,
    ) -> None: ...
    def separate_spectra(
        self,
        spectra: _Complex64,
        stems: _Indices,
        frames: int,
        outs: list[_Float32],
        skip: int,
        tails: _Float32,
        carry: _Float32,
        work: _Float32,
    ) -> None: ...
