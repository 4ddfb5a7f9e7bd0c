# What `stream.pyx` offers; `tests/unit/test_stubs.py` compares the two.
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
from typing_extensions import Self, disjoint_base

from ..network.config import ModelConfig
from ..network.method_plan import Network, Plan
from ..network.model import Networks
from ..network.modes import ModePlan

_Float32: TypeAlias = npt.NDArray[np.float32]

class _StreamStats(TypedDict):
    runs: int
    underruns: int
    dropped: int
    covered_frames: int
    repaired: int
    load: float
    run_seconds: float
    worst_run_seconds: float
    process_seconds: float
    worst_process_seconds: float
    process_load: float
    priority_refused: bool

class _Option(TypedDict):
    name: str
    kind: str
    native: bool
    usual: float | None
    least: float
    most: float
    unit: str
    what: str

OPTIONS: tuple[_Option, ...]

def stream_windows(
    frame_length: int, hop: int, synthesis: int
) -> tuple[list[float], list[float], list[float]]: ...
def resolve(
    asked: Mapping[str, float], config: ModelConfig, mode: ModePlan
) -> tuple[str, dict[str, Any]]: ...
def stream_latency(values: Mapping[str, Any]) -> int: ...
def stream_table(
    network: Network, plan: Plan, mode: ModePlan, values: Mapping[str, Any]
) -> tuple[bytearray, int, int]: ...

@disjoint_base
class Engine:
    def __new__(cls, networks: Networks, mode: ModePlan, values: Mapping[str, Any]) -> Self: ...
    @property
    def latency(self) -> int: ...
    @property
    def largest_block(self) -> int: ...
    @property
    def threads(self) -> int: ...
    @property
    def block_is_fixed(self) -> bool: ...
    @property
    def forked(self) -> bool: ...
    @property
    def source(self) -> object: ...
    def process(self, block: _Float32, outs: Sequence[_Float32 | None], mix: _Float32 | None) -> None: ...
    def flush(self, outs: Sequence[_Float32 | None], mix: _Float32 | None) -> None: ...
    def reset(self, position: int = 0) -> None: ...
    def settling(self) -> int: ...
    def set_realtime(self, realtime: int) -> None: ...
    def set_gain(self, stem: int, gain: float) -> None: ...
    def stats(self) -> _StreamStats: ...
    def reset_stats(self) -> None: ...
    def pause(self, stop: bool) -> None: ...
    def idle(self) -> bool: ...
