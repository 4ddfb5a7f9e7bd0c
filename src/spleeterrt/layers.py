"""From weights to the flat table of layers that the kernels execute.

The U-Net of Spleeter (`model/functions/unet.py`, `apply_unet`) becomes 13 rows: e1..e6, d1..d6 and
the output layer. Buffers are offsets into one workspace per thread, weights offsets into one
arena per stem, so that one table serves all stems and all threads:

- `skip k`: [H_k, W_k, 2 C_k], the concatenation before d(7-k): encoder k writes its raw output into the
  first half of each pixel, the decoder its own into the second. Concatenation costs nothing.
- Until the decoder comes, the second half holds the encoder's normed and activated output, the input of
  the next layer. Where one of the two runs on the reference path, which wants it dense, it goes to
  one of two buffers in turn; the reference decoder's accumulator and d6's output reuse them.
- The fast outer layers work in strips: e1's normed output and d5's output are rings of a few rows, d6's
  output never leaves the kernel, and skip 1 is e1's output alone.
- `cols`: the columns of one chunk of pixels, or the scratch of a fast kernel.
- The fast kernels hold channels in sixteens; the others are zeros all the way: their weights, biases, scales
  and shifts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ._kernels import nn
from .config import DEPTH, ModelConfig, check_network_size
from .models.weights import layer_name
from .planner import LAZY, METHODS, TILES, Plan, methods_at, padded, pass_tiles

Float32 = npt.NDArray[np.float32]

ACTIVATION_CODES = {None: 0, "LeakyReLU": 1, "ReLU": 2, "ELU": 3}
BATCH_NORM_EPSILON = 1e-3  # Keras' default, which Spleeter keeps
ALIGNMENT = 64  # bytes; a BLAS may round differently for other alignments

LAYER_DTYPE = np.dtype([(name, np.int64) for name in nn.LAYER_FIELDS])
LAYER_NAMES = (
    *(f"e{k}" for k in range(1, DEPTH + 1)),
    *(f"d{k}" for k in range(1, DEPTH + 1)),
    "out",
)

# Gap between the rows of images, in floats. The rows of default sizes are 64 KiB long on every level: without
# a gap the rows of a tile meet in the same few sets of the caches.
ROW_GAP = 9 * 16

# Columns per chunk, in floats: large enough for the BLAS to amortise packing its operands, small
# enough for the columns to stay in the cache between im2col and GEMM.
CHUNK_FLOATS = 1 << 18
CHUNK_MIN_PIXELS = 128


def aligned_empty(shape: tuple[int, ...]) -> Float32:
    """An uninitialised float32 array whose rows (all but the last axis) start at 64-byte boundaries
    where the last axis is a multiple of 16.
    """
    count = int(np.prod(shape))
    raw = np.empty(count + ALIGNMENT // 4, np.float32)
    shift = (-raw.ctypes.data % ALIGNMENT) // 4
    return raw[shift : shift + count].reshape(shape)


def aligned_zeros(shape: tuple[int, ...]) -> Float32:
    """The same, of zeros: memory that is never written is never taken."""
    count = int(np.prod(shape))
    raw = np.zeros(count + ALIGNMENT // 4, np.float32)
    shift = (-raw.ctypes.data % ALIGNMENT) // 4
    return raw[shift : shift + count].reshape(shape)


class _Arena:
    """Hands out offsets in floats, each at a 64-byte boundary."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, count: int) -> int:
        offset = self.size
        self.size += -(-count // 16) * 16
        return offset


class WeightLayout(NamedTuple):
    """Where each layer's numbers stand in a stem's arena: (weights, bias, scale, shift) offsets."""

    offsets: tuple[tuple[int, int, int, int], ...]
    size: int


def channels(config: ModelConfig, isa: str | None = None) -> list[tuple[int, int]]:
    """(input, output) channels of the 13 layers, padded for the kernels of `isa`."""
    widths = (config.n_channels, *(padded(width, isa) for width in config.conv_n_filters))
    encoder = [(widths[k], widths[k + 1]) for k in range(DEPTH)]
    decoder = []
    for k in range(DEPTH):  # d(k+1): up to the width of the skip that it meets; d6: 1 channel
        into = widths[DEPTH] if k == 0 else 2 * widths[DEPTH - k]
        out = widths[DEPTH - 1 - k] if k < DEPTH - 1 else 1
        decoder.append((into, out))
    return [*encoder, *decoder, (1, config.n_channels)]


FIRST, D5, LAST, MASK = 0, 2 * DEPTH - 2, 2 * DEPTH - 1, 2 * DEPTH  # rows of the outer layers


def _taps(index: int) -> int:
    return 16 if index == MASK else 25


def _is_decoder(index: int) -> bool:
    return DEPTH <= index < 2 * DEPTH


def _tile(method: str) -> int:
    return TILES.get(method, 4)  # "lazy" weights are the same for all tiles


def check_plan(plan: Plan) -> None:
    """Raise `ValueError` for a plan that cannot run: the outer layers are fast together with e2 and d5."""
    direct = [method == "direct" for method in plan.methods]
    winograd = [method in TILES or method in LAZY for method in plan.methods]
    good = (
        len(plan.methods) == MASK + 1
        and direct[LAST] == direct[MASK]
        and not any(direct[FIRST + 1 : LAST])
        and (not direct[FIRST] or winograd[FIRST + 1])
        and (not direct[LAST] or winograd[D5])
        and not winograd[FIRST]
        and not any(winograd[LAST:])
        and (plan.isa is not None or not any(direct + winograd))
    )
    if not good:
        raise ValueError(f"not a plan: {plan}")


def weight_layout(config: ModelConfig, plan: Plan) -> WeightLayout:
    """Sizes a stem's arena."""
    check_plan(plan)
    arena = _Arena()
    offsets = []
    for index, ((into, out), method) in enumerate(zip(channels(config, plan.isa), plan.methods, strict=True)):
        if method in TILES or method in LAZY:
            count = nn.fast_weight_floats(
                plan.isa, _is_decoder(index), _tile(method), method in LAZY, into, out
            )
        elif method == "direct" and index == FIRST:
            count = nn.fast_first_sizes(plan.isa, 4, 0, out)[0]
        elif method == "direct" and index == LAST:
            count = nn.fast_last_sizes(plan.isa, 4, 0, into)[0]
        else:
            count = _taps(index) * into * out
        weights = arena.take(count)
        offsets.append((weights, arena.take(out), arena.take(out), arena.take(out)))
    return WeightLayout(tuple(offsets), arena.size)


def fold_batch_norm(
    gamma: npt.ArrayLike,
    beta: npt.ArrayLike,
    mean: npt.ArrayLike,
    variance: npt.ArrayLike,
    epsilon: float = BATCH_NORM_EPSILON,
) -> tuple[Float32, Float32]:
    """Inference batch norm as (scale, shift), float32: y = x * scale + shift (epsilon: Keras' 1e-3)."""
    scale = np.asarray(gamma, np.float64) / np.sqrt(np.asarray(variance, np.float64) + epsilon)
    shift = np.asarray(beta, np.float64) - np.asarray(mean, np.float64) * scale
    return scale.astype(np.float32), shift.astype(np.float32)


def _padded_kernel(config: ModelConfig, plan: Plan, index: int, kernel: Float32) -> Float32:
    """A kernel in TensorFlow's layout with zeros for the channels that the fast kernels add, flat."""
    kernel = np.asarray(kernel, np.float32)
    into, out = channels(config)[index]
    padded_into, padded_out = channels(config, plan.isa)[index]
    if (into, out) == (padded_into, padded_out):
        return np.ascontiguousarray(kernel).reshape(-1)
    # A decoder's input is the skip and the layer before, each padded on its own.
    parts = 2 if DEPTH < index < 2 * DEPTH else 1
    into, padded_into = into // parts, padded_into // parts
    taps = kernel.shape[:2]
    if _is_decoder(index):  # [5, 5, out, in]
        wide = np.zeros((*taps, padded_out, parts, padded_into), np.float32)
        wide[:, :, :out, :, :into] = kernel.reshape(*taps, out, parts, into)
    else:
        wide = np.zeros((*taps, padded_into, padded_out), np.float32)
        wide[:, :, :into, :out] = kernel
    return wide.reshape(-1)


def pack_weights(config: ModelConfig, plan: Plan, stem: Mapping[str, Float32], arena: Float32) -> None:
    """Copy one stem's tensors (TensorFlow's names and layouts) into its arena of zeros, batch norm folded.

    On the reference path HWIO kernels are the GEMM operand [H * W * I, O] as they lie; transposed kernels
    (H, W, out, in) are [H * W * out, in]. Fast layers have layouts of their own. Batch norm becomes
    scale = gamma / sqrt(variance + 1e-3) and shift = beta - mean * scale, in float64. The batch norm
    behind e6 is unused, as in Spleeter.
    """
    layout = weight_layout(config, plan)
    for index, (weights, bias, scale, shift) in enumerate(layout.offsets):
        if index < DEPTH:
            name = layer_name("conv2d", index)
        elif index < MASK:
            name = layer_name("conv2d_transpose", index - DEPTH)
        else:
            name = layer_name("conv2d", DEPTH)
        kernel = _padded_kernel(config, plan, index, stem[f"{name}/kernel"])
        biases = np.asarray(stem[f"{name}/bias"], np.float32)
        method = plan.methods[index]
        into, out = channels(config, plan.isa)[index]
        if method in TILES or method in LAZY:
            layer = (plan.isa, _is_decoder(index), _tile(method), method in LAZY, into, out)
            scratch = aligned_empty((nn.fast_prepare_scratch_floats(*layer),))
            nn.fast_prepare(*layer, kernel, arena[weights:], scratch)
        elif method == "direct" and index == FIRST:
            nn.fast_first_prepare(plan.isa, out, kernel, arena[weights:])
        elif method == "direct" and index == LAST:
            nn.fast_last_prepare(plan.isa, into, kernel, arena[weights:])
        else:
            arena[weights : weights + kernel.size] = kernel
        arena[bias : bias + biases.size] = biases
        if index == MASK:
            continue
        norm = layer_name("batch_normalization", index)
        gamma, beta, mean, variance = (
            stem[f"{norm}/{part}"] for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scales, shifts = fold_batch_norm(gamma, beta, mean, variance)
        arena[scale : scale + scales.size] = scales
        arena[shift : shift + scales.size] = shifts


def _chunk(depth: int, pixels: int, unit: int = 1) -> int:
    """How many units (pixels, or rows of `unit` pixels) one chunk of columns holds."""
    best = max(CHUNK_FLOATS // depth, CHUNK_MIN_PIXELS)
    return max(1, min(best, pixels) // unit)


def lower(config: ModelConfig, plan: Plan, frames: int, bins: int) -> tuple[npt.NDArray[np.void], int]:
    """The table of layers for inputs of frames x bins, and the floats that a workspace needs.

    Depends on the configuration, the plan and the size only: the same input gives the same bits
    however many segments and threads there are.

    Raises:
        SpleeterError: frames or bins is not a positive multiple of 64.
    """
    check_network_size(frames, bins)
    methods = methods_at(config, plan, frames, bins)
    widths = channels(config, plan.isa)
    arena = _Arena()
    size = [(frames >> k, bins >> k) for k in range(DEPTH + 1)]  # size[k]: after e(k)
    first_strips, last_strips = methods[FIRST] == "direct", methods[LAST] == "direct"

    def pixels(level: int) -> int:
        return size[level][0] * size[level][1]

    # Floats of a pixel of skip k: of the concatenation, or of e1's output alone.
    skip_ld = [0, *(widths[k - 1][1] * (1 if k == 1 and last_strips else 2) for k in range(1, DEPTH))]
    gap = 0 if plan.compact or "reference" in methods else ROW_GAP
    skip_row = [0, *(size[k][1] * skip_ld[k] + gap for k in range(1, DEPTH))]
    skips = [nn.NOWHERE, *(arena.take(size[k][0] * skip_row[k]) for k in range(1, DEPTH))]
    bottom = arena.take(pixels(DEPTH) * widths[DEPTH - 1][1])

    def dense_input(k: int) -> bool:  # from e(k) to e(k + 1): the reference path knows no other
        if k == 1 and first_strips:
            return False
        return "reference" in methods[k - 1 : k + 1] or skip_ld[k] == widths[k - 1][1]

    def dense_size(parity: int) -> int:
        return max(
            (pixels(k) * widths[k - 1][1] for k in range(1, DEPTH) if k % 2 == parity and dense_input(k)),
            default=0,
        )

    sums_size = max(
        (
            pixels(DEPTH - 1 - k) * widths[DEPTH + k][1]
            for k in range(DEPTH)
            if methods[DEPTH + k] == "reference"
        ),
        default=0,
    )
    turn = (
        arena.take(max(sums_size, dense_size(1))),
        arena.take(max(0 if last_strips else pixels(0), dense_size(0))),
    )

    rows: list[dict[str, Any]] = []
    for k in range(1, DEPTH + 1):
        (h, w), (out_h, out_w) = size[k - 1], size[k]
        into, out = widths[k - 1]
        normed, normed_ld, normed_row = nn.NOWHERE, 0, 0
        if k < DEPTH and dense_input(k):
            normed, normed_ld, normed_row = turn[(k + 1) % 2], out, out_w * out
        elif k < DEPTH and not (k == 1 and first_strips):
            normed, normed_ld, normed_row = skips[k] + out, skip_ld[k], skip_row[k]
        rows.append(
            {
                "op": nn.OP_CONV,
                "activation": ACTIVATION_CODES[config.conv_activation],
                "h": h,
                "w": w,
                "c": into,
                "out_h": out_h,
                "out_w": out_w,
                "kernel": 5,
                "stride": 2,
                "pad_top": nn.same_padding(h, 5, 2, 1) // 2,
                "pad_left": nn.same_padding(w, 5, 2, 1) // 2,
                "src": nn.NETWORK_INPUT if k == 1 else rows[-1]["normed"],
                "src_ld": into if k == 1 else rows[-1]["normed_ld"],
                "src_row": w * into if k == 1 else rows[-1]["normed_row"],
                "dst": skips[k] if k < DEPTH else bottom,
                "dst_ld": skip_ld[k] if k < DEPTH else out,
                "dst_row": skip_row[k] if k < DEPTH else out_w * out,
                "normed": normed,
                "normed_ld": normed_ld,
                "normed_row": normed_row,
                "chunk": _chunk(25 * into, out_h * out_w),
            }
        )
    for k in range(1, DEPTH + 1):
        (h, w), (in_h, in_w) = size[DEPTH - k], size[DEPTH + 1 - k]
        into, out = widths[DEPTH + k - 1]
        last = k == DEPTH
        rows.append(
            {
                "op": nn.OP_TRANSPCONV,
                "activation": ACTIVATION_CODES[config.deconv_activation],
                "h": h,
                "w": w,
                "c": out,
                "out_h": in_h,
                "out_w": in_w,
                "kernel": 5,
                "stride": 2,
                "pad_top": nn.same_padding(h, 5, 2, 1) // 2,
                "pad_left": nn.same_padding(w, 5, 2, 1) // 2,
                "src": bottom if k == 1 else skips[DEPTH + 1 - k],
                "src_ld": into if k == 1 else skip_ld[DEPTH + 1 - k],
                "src_row": in_w * into if k == 1 else skip_row[DEPTH + 1 - k],
                # the second half of each pixel of the concatenation
                "dst": turn[1] if last else skips[DEPTH - k] + out,
                "dst_ld": out if last else 2 * out,
                "dst_row": w * out if last else skip_row[DEPTH - k],
                "normed": nn.NOWHERE,
                "sums": turn[0],
                "chunk": _chunk(25 * out, in_h * in_w, in_w),
            }
        )
    rows.append(
        {
            "op": nn.OP_MASK,
            "h": frames,
            "w": bins,
            "c": 1,
            "out_h": frames,
            "out_w": bins,
            "kernel": 4,
            "stride": 1,
            "dilation": 2,
            "pad_top": nn.same_padding(frames, 4, 1, 2) // 2,
            "pad_left": nn.same_padding(bins, 4, 1, 2) // 2,
            "src": turn[1],
            "src_ld": 1,
            "dst": nn.NETWORK_OUTPUT,
            "dst_ld": config.n_channels,
            "normed": nn.NOWHERE,
            "chunk": _chunk(16, frames * bins),
        }
    )
    for row, (into, out) in zip(rows, widths, strict=True):
        row.update(in_c=into, out_c=out)
    for row, method in zip(rows, methods, strict=True):
        if method in TILES:  # of the grid of inputs of the transposed convolution, of outputs of the other
            tiles = -(-row["out_h"] // TILES[method]) * -(-row["out_w"] // TILES[method])
            row["pass_tiles"] = min(tiles, pass_tiles(row["in_c"], row["out_c"], plan.compact))
    scratch_size = _place_scratch(rows, methods, plan.isa, gap)
    cols = arena.take(scratch_size)

    table = np.zeros(len(rows), LAYER_DTYPE)
    table["dilation"] = 1
    table["method"] = [METHODS[method] for method in methods]
    table["plain"] = [method in LAZY for method in methods]
    weights = weight_layout(config, plan)
    for index, row in enumerate(rows):
        for key in row.pop("_in_scratch", ()):
            row[key] += cols
        offsets = dict(zip(("weights", "bias", "scale", "shift"), weights.offsets[index], strict=True))
        for key, value in {**offsets, **row}.items():
            table[index][key] = value
    return table, arena.size


def _place_scratch(rows: list[dict[str, Any]], methods: tuple[str, ...], isa: str | None, gap: int) -> int:
    """Gives every layer its scratch, and the strips between outer layers their rings; returns the floats.

    All share one region, strips' layers excepted, which run together. Offsets are from its start;
    `_in_scratch` names the fields that hold one.
    """
    largest = 0

    def place(*parts: tuple[int, int, str]) -> None:  # (row, floats, field), one after the other
        nonlocal largest
        at = _Arena()
        for index, floats, field in parts:
            rows[index][field] = at.take(floats)
            rows[index].setdefault("_in_scratch", []).append(field)
        largest = max(largest, at.size)

    def winograd_floats(index: int) -> int:
        row = rows[index]
        decoder = _is_decoder(index)
        width = row["out_w"] if decoder else row["w"]
        return int(
            nn.fast_scratch_floats(
                isa,
                decoder,
                TILES[methods[index]],
                width,
                row["src_ld"],
                row["in_c"],
                row["out_c"],
                row["pass_tiles"],
            )
        )

    done = set()
    if methods[FIRST] == "direct":
        first, second = rows[FIRST], rows[FIRST + 1]
        width, c = second["w"], first["out_c"]
        second["src_ld"] = first["normed_ld"] = c
        second["src_row"] = first["normed_row"] = width * c + gap
        _, floats, ring = nn.fast_first_sizes(isa, TILES[methods[FIRST + 1]], first["w"], c)
        first["dst_ring"] = second["src_ring"] = ring
        ring_floats = ring * first["normed_row"]
        place(
            (FIRST, floats, "cols"),
            (FIRST, ring_floats, "normed"),
            (FIRST + 1, winograd_floats(FIRST + 1), "cols"),
        )
        second["src"] = first["normed"]
        second["_in_scratch"].append("src")
        done |= {FIRST, FIRST + 1}
    if methods[LAST] == "direct":
        d5, d6 = rows[D5], rows[LAST]
        _, floats, ring = nn.fast_last_sizes(isa, TILES[methods[D5]], d6["out_w"], d6["in_c"])
        d5["dst_ring"], d5["dst_ld"] = ring, d5["out_c"]
        d5["dst_row"] = d5["w"] * d5["out_c"] + gap
        place(
            (D5, winograd_floats(D5), "cols"),
            (D5, ring * d5["dst_row"], "dst"),
            (LAST, floats, "cols"),
        )
        d6["dst"] = nn.NOWHERE
        done |= {D5, LAST, MASK}
    for index, row in enumerate(rows):
        if index in done:
            continue
        if methods[index] in TILES:
            place((index, winograd_floats(index), "cols"))
        else:
            pixels = row["out_w"] if row["op"] == nn.OP_TRANSPCONV else 1
            floats = row["kernel"] ** 2 * row["c"] * pixels
            if row["op"] == nn.OP_MASK:  # with `nn.want_frames` its products, too
                floats += row["out_c"]
            place((index, row["chunk"] * floats, "cols"))
    return largest
