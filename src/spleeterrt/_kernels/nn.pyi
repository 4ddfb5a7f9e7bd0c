# What `nn.pyx` offers, which says the shapes; `tests/unit/test_stubs.py` compares the two.
from collections.abc import Sequence
from typing import Literal, NewType, TypeAlias, TypedDict

import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

_Float32: TypeAlias = npt.NDArray[np.float32]
_Float64: TypeAlias = npt.NDArray[np.float64]
_Pair: TypeAlias = tuple[int, int]
_Table: TypeAlias = npt.NDArray[np.void]  # a structured array of LAYER_FIELDS, int64

# (n_channels, conv_n_filters, codes of conv_activation and deconv_activation)
_Network: TypeAlias = tuple[int, tuple[int, ...], int, int]
# (methods of the 13 layers, instruction set or None, compact, types of their kernels)
_Plan: TypeAlias = tuple[tuple[str, ...], str | None, bool, tuple[str, ...]]

class _ConfigFields(TypedDict):  # of `ModelConfig`, those of the network left out
    instruments: tuple[str, ...]
    model_dir: str
    sample_rate: int
    frame_length: int
    frame_step: int
    T: int
    F: int
    separation_exponent: float
    mask_extension: Literal["average", "zeros"]
    model_type: Literal["unet.softmax_unet", "unet.unet"]

_ReferenceLayer = NewType("_ReferenceLayer", object)  # a capsule

BLAS: str
OP_CONV: int
OP_TRANSPCONV: int
OP_MASK: int
METHOD_REFERENCE: int
METHOD_DIRECT: int
METHOD_WINOGRAD2: int
METHOD_WINOGRAD4: int
METHOD_ROWS4: int
METHOD_WINOGRAD2X4: int
MOST_ROLLING: int
NOWHERE: int
NETWORK_INPUT: int
NETWORK_OUTPUT: int
PROFILE_STAGES: tuple[str, ...]
LAYER_FIELDS: tuple[str, ...]
FAST_ISAS: tuple[str, ...]
METHODS: tuple[tuple[str, int, bool], ...]  # (name, tile, lazy)
MOST_FILTERS: int
BATCH_NORM_EPSILON: float
CHUNK_FLOATS: int
CHUNK_MIN_PIXELS: int

def conv_out_same(size: int, stride: int) -> int: ...
def conv_out_padded(size: int, kernel: int, stride: int, pads: int, dilation: int) -> int: ...
def same_padding(size: int, kernel: int, stride: int, dilation: int) -> int: ...
def transpconv_out_same(size: int, stride: int) -> int: ...
def transpconv_out_padded(size: int, kernel: int, stride: int, pads: int, output_padding: int) -> int: ...
def gemm(a: _Float32, trans_a: bool, b: _Float32, trans_b: bool, c: _Float32) -> None: ...
def builtin_gemm(
    a: _Float32, trans_a: bool, b: _Float32, trans_b: bool, c: _Float32, isa: str | None = None
) -> None: ...
def im2col(
    x: _Float32, grid: _Pair, kernel: _Pair, stride: _Pair, dilation: _Pair, pad: _Pair, cols: _Float32
) -> None: ...
def col2im(
    cols: _Float32, grid: _Pair, kernel: _Pair, stride: _Pair, dilation: _Pair, pad: _Pair, x: _Float32
) -> None: ...
def conv2d(
    x: _Float32,
    weights: _Float32,
    bias: _Float32,
    kernel: _Pair,
    stride: _Pair,
    dilation: _Pair,
    pad: _Pair,
    cols: _Float32,
    y: _Float32,
) -> None: ...
def conv2d_transpose(
    x: _Float32,
    weights: _Float32,
    kernel: _Pair,
    stride: _Pair,
    pad: _Pair,
    cols: _Float32,
    chunk_rows: int,
    y: _Float32,
) -> None: ...
def activate(x: _Float32, activation: int, y: _Float32, isa: str | None = None) -> None: ...
def bias_norm_activate(
    raw: _Float32,
    first: int,
    channels: int,
    bias: _Float32,
    scale: _Float32,
    shift: _Float32,
    activation: int,
    out: _Float32,
    isa: str | None = None,
) -> None: ...
def bias_activate_norm(
    x: _Float32,
    bias: _Float32,
    activation: int,
    scale: _Float32,
    shift: _Float32,
    out: _Float32,
    first: int,
    isa: str | None = None,
) -> None: ...
def bias_mask(
    logits: _Float32, bias: _Float32, input: _Float32, out: _Float32, isa: str | None = None
) -> None: ...
def softmax_mask(x: _Float32, input: _Float32, isa: str | None = None) -> None: ...
def fast_matrices(
    isa: str, tile: int, data: _Float64, output: _Float64, filter: _Float64, float_filter: _Float64
) -> None: ...
def expand(isa: str, type: str, small: npt.NDArray[np.uint8], scales: _Float32, out: _Float32) -> None: ...
def default_sets() -> dict[str, str]: ...
def activation_code(name: str) -> int: ...
def default_isa() -> str | None: ...
def make_plan(
    network: _Network, isa: str | None, low_memory: bool, types: Sequence[str] | None = None
) -> tuple[tuple[str, ...], bool, tuple[str, ...]]: ...
def check_plan(plan: _Plan) -> None: ...
def methods_at(network: _Network, plan: _Plan, frames: int, bins: int) -> tuple[str, ...]: ...
def pass_tiles(in_c: int, out_c: int, compact: bool) -> int: ...
def row_tiles(in_c: int, out_c: int, compact: bool, h: int, w: int) -> int: ...
def cpu_is_intel() -> bool: ...
def filter_cost(tile: int) -> int: ...
def channels(network: _Network, padded: bool) -> list[tuple[int, int]]: ...
def tensor_shapes(network: _Network) -> list[dict[str, tuple[int, ...]]]: ...
def weight_layout(network: _Network, plan: _Plan) -> tuple[tuple[tuple[int, int, int, int], ...], int]: ...
def pack_layer(
    network: _Network,
    plan: _Plan,
    layer: int,
    tensors: Sequence[npt.NDArray[np.generic]],
    arena: _Float32,
    scales: _Float32 | None = None,
) -> None: ...
def fold_batch_norm(
    gamma: _Float64,
    beta: _Float64,
    mean: _Float64,
    variance: _Float64,
    epsilon: float,
    scale: _Float32,
    shift: _Float32,
) -> None: ...
def lower(
    network: _Network,
    plan: _Plan,
    frames: int,
    bins: int,
    chunk_floats: int,
    chunk_min_pixels: int,
    rolling: int = 0,
    two_rows: bool = False,
) -> tuple[bytearray, int]: ...
def load_model_file(
    path: str, isa: str | None = None, low_memory: bool = False
) -> tuple[_ConfigFields, _Network, _Plan, list[bytes], _Pair]: ...
def reference_capsule() -> _ReferenceLayer: ...
def want_frames(table: _Table, first: int, last: int) -> _Table: ...
def forward(
    isa: str | None,
    table: _Table,
    weights: _Float32,
    workspaces: _Float32,
    inputs: _Float32,
    outputs: _Float32,
    softmax: bool,
    profile: _Float64 | None,
    networks: Sequence[int] | None = None,
) -> None: ...

@disjoint_base
class ModelFile:
    def __init__(self, path: bytes) -> None: ...
    @property
    def config(self) -> tuple[_ConfigFields, _Network]: ...
    @property
    def tensors(self) -> dict[str, str]: ...
    def check(self) -> None: ...
    def read(self, stem: str, layer: int, index: int, values: _Float32) -> None: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    def load(self, plan: _Plan, stem: str, arena: _Float32) -> None: ...
