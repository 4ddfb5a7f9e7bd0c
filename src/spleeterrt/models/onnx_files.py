"""ONNX files: a model written for other runtimes, and the weights of such files read back.

Written: one file per stem, input `magnitude` and output `<stem>`, both (segments, T, F, 2), all but the last
dimension free. A softmax model's masks need the networks of all stems: it becomes one file with one output
per stem. Or in the layout of sherpa-onnx, which takes one kind of model only: `x` and `y`, (2, segments, 512,
1024), with the metadata that it asks for.

Read: those files, and graphs of the same network from elsewhere, whatever their tensors are called: a file is
followed operation by operation, and refused unless it is exactly this U-Net (paddings and skips included).
That covers what PyTorch exports, like sherpa-onnx's Spleeter files: channels first, TensorFlow's
padding as Pad and Slice, batch norms of their own, weights in float32 or float16.

Needs the package `onnx` (`pip install "spleeterrt[onnx]"`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_whole
from ..errors import ModelError, SpleeterError
from ..names import ONNX_LAYOUTS
from ..network.config import DEPTH, OFFICIAL_CONFIGS, ModelConfig
from ..network.tensors import StemWeights, Tensor, check_weights, layer_name
from ..regular import read_regular
from .onnx_graph import Foreign, Graph
from .onnx_network import EPSILON, ONNX_ACTIVATIONS, SAME, read_networks
from .onnx_scan import check_size

ONNX_SUFFIX = ".onnx"
IR_VERSION = 8
ALL_STEMS = "stems"  # file name of a softmax model
MAX_BYTES = (1 << 31) - 1  # of a file; protobuf's own limit
_VARIANTS = ("", ".fp16")  # of one stem's file, the better one first


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelError('ONNX files need the package onnx: pip install "spleeterrt[onnx]"') from error
    return onnx


# --- writing ------------------------------------------------------------------------


@dataclass(frozen=True)
class _Layout:
    """How a file looks from outside.

    Attributes:
        opset: the operations' version.
        input, output: names; output "": the stem's.
        shape: of both; a name is a free dimension.
        channels_first, and_back: the permutations to and from (segments, channels, T, F).
    """

    opset: int
    input: str
    output: str
    shape: tuple[int | str, ...]
    channels_first: tuple[int, ...]
    and_back: tuple[int, ...]


_GRAPH_LAYOUTS = {
    # ONNX Runtime since 1.12, OpenVINO since 2022.3.
    "spleeterrt": _Layout(17, "magnitude", "", ("segments", "frames", "bins", 2), (0, 3, 1, 2), (0, 2, 3, 1)),
    "sherpa": _Layout(13, "x", "y", (2, "num_splits", 512, 1024), (1, 0, 2, 3), (1, 0, 2, 3)),
}
_SHERPA = OFFICIAL_CONFIGS["2stems"]
_SHERPAS = (  # built into sherpa-onnx
    *("sample_rate", "frame_length", "frame_step", "T", "F"),
    *("separation_exponent", "mask_extension"),
)


def save_onnx(
    folder: Path,
    config: ModelConfig,
    weights: Mapping[str, Mapping[str, Tensor]],
    layout: str = "spleeterrt",
) -> list[Path]:
    """Write a model's ONNX files into `folder`, each in one step. Returns their paths.

    Args:
        layout: one of `names.ONNX_LAYOUTS`.

    Raises:
        ModelError: the package onnx is missing, a file cannot be written, or the layout cannot hold this.
    """
    check_layout(config, layout)
    onnx = _onnx()
    groups = {ALL_STEMS: config.instruments} if config.softmax else {s: (s,) for s in config.instruments}
    paths = []
    for name, stems in groups.items():
        model = _Writer(onnx, config, layout).model({stem: weights[stem] for stem in stems})
        paths.append(folder / f"{name}{ONNX_SUFFIX}")
        try:
            write_whole(paths[-1], model.SerializeToString())
        except OSError as error:
            raise ModelError(f"{paths[-1]}: cannot write: {error.strerror or error}") from error
        del model
    return paths


def check_layout(config: ModelConfig, layout: str) -> None:
    """Raise `ModelError` unless there is such a layout, and it can hold such a model."""
    if layout not in ONNX_LAYOUTS:
        raise ModelError(f"layout: expected one of {', '.join(ONNX_LAYOUTS)}, got {layout!r}")
    if layout != "sherpa":
        return
    if set(config.instruments) != set(_SHERPA.instruments):
        raise ModelError(
            f"sherpa-onnx separates {' and '.join(_SHERPA.instruments)}; this model's stems are "
            f"{', '.join(config.instruments)}"
        )
    if config.softmax:
        raise ModelError("sherpa-onnx takes one network per stem; this model's stems depend on each other")
    other = [key for key in _SHERPAS if getattr(config, key) != getattr(_SHERPA, key)]
    if other:

        def values(of: ModelConfig) -> str:
            return ", ".join(f"{key} {getattr(of, key)}" for key in other)

        raise ModelError(
            f"sherpa-onnx needs {values(_SHERPA)}, as spleeter:2stems has; this model has {values(config)}"
        )


class _Writer:
    """One graph; TensorFlow's uneven padding is an attribute of ONNX's convolutions."""

    def __init__(self, onnx: Any, config: ModelConfig, layout: str) -> None:
        self._onnx = onnx
        self._config = config
        self._layout = layout
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []

    def model(self, stems: Mapping[str, Mapping[str, Tensor]]) -> Any:
        helper, layout = self._onnx.helper, _GRAPH_LAYOUTS[self._layout]
        mix = self._node("Transpose", [layout.input], "mix", perm=layout.channels_first)
        logits = [self._unet(stem, tensors, mix) for stem, tensors in stems.items()]
        for stem, mask in zip(stems, self._masks(list(stems), logits), strict=True):
            last = self._node("Transpose", [mask], f"{stem}/laid_out", perm=layout.and_back)
            self._node("Mul", [last, layout.input], layout.output or stem)

        def describe(name: str) -> Any:
            return helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, layout.shape)

        outputs = [layout.output or stem for stem in stems]
        graph = helper.make_graph(
            self._nodes, "unet", [describe(layout.input)], list(map(describe, outputs)), self._initializers
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", layout.opset)], ir_version=IR_VERSION
        )
        model.producer_name = "spleeterrt"
        helper.set_model_props(model, self._metadata(list(stems)))
        self._onnx.checker.check_model(model, full_check=True)
        return model

    def _metadata(self, stems: list[str]) -> dict[str, str]:
        if self._layout == "sherpa":  # without one of the first three its program ends
            return {
                "model_type": "spleeter",
                "sample_rate": str(self._config.sample_rate),
                "stems": "2",
                "version": "1",
                "comment": stems[0],
            }
        return {"spleeterrt_config": json.dumps(self._config.to_dict()), "stems": ",".join(stems)}

    def _masks(self, stems: list[str], logits: list[str]) -> list[str]:
        if not self._config.softmax:
            return [self._node("Sigmoid", [x], f"{s}/mask") for s, x in zip(stems, logits, strict=True)]
        axis = self._constant("axis", np.array([1], np.int64))
        stacked = [
            self._node("Unsqueeze", [x, axis], f"{s}/stacked") for s, x in zip(stems, logits, strict=True)
        ]
        together = self._node("Concat", stacked, "logits", axis=1)
        self._node("Softmax", [together], "softmax", axis=1)
        sizes = self._constant("sizes", np.ones(len(stems), np.int64))
        parts = [f"{stem}/part" for stem in stems]
        self._nodes.append(self._onnx.helper.make_node("Split", ["softmax", sizes], parts, axis=1))
        return [self._node("Squeeze", [f"{s}/part", axis], f"{s}/mask") for s in stems]

    def _unet(self, stem: str, tensors: Mapping[str, Tensor], mix: str) -> str:
        """Add one stem's network; the name of its logits."""
        config = self._config

        def convolution(kind: str, layer: str, x: str, **options: Any) -> str:
            # H, W, in, out (H, W, out, in of a transposed one) both become what ONNX wants.
            weight = self._constant(
                f"{stem}/{layer}/kernel", tensors[f"{layer}/kernel"].transpose(3, 2, 0, 1)
            )
            bias = self._constant(f"{stem}/{layer}/bias", tensors[f"{layer}/bias"])
            return self._node(kind, [x, weight, bias], f"{stem}/{layer}", **options)

        def norm(index: int, x: str) -> str:
            layer = layer_name("batch_normalization", index)
            parts = [f"{layer}/{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance")]
            constants = [self._constant(f"{stem}/{part}", tensors[part]) for part in parts]
            return self._node("BatchNormalization", [x, *constants], f"{stem}/{layer}", epsilon=EPSILON)

        def activation(name: str, x: str) -> str:
            operation, attributes = ONNX_ACTIVATIONS[name]
            return self._node(operation, [x], f"{x}/activation", **attributes)

        x, skips = mix, []
        strided: dict[str, Any] = {"strides": [2, 2], "pads": list(SAME)}
        for k in range(DEPTH):
            x = convolution("Conv", layer_name("conv2d", k), x, **strided)
            if k < DEPTH - 1:
                skips.append(x)
                x = activation(config.conv_activation, norm(k, x))
        for k in range(DEPTH):
            x = convolution("ConvTranspose", layer_name("conv2d_transpose", k), x, **strided)
            x = norm(DEPTH + k, activation(config.deconv_activation, x))
            if k < DEPTH - 1:
                x = self._node("Concat", [skips[DEPTH - 2 - k], x], f"{x}/concat", axis=1)
        return convolution("Conv", layer_name("conv2d", DEPTH), x, dilations=[2, 2], pads=[3, 3, 3, 3])

    def _constant(self, name: str, value: np.ndarray[Any, Any]) -> str:
        self._initializers.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def _node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self._nodes.append(self._onnx.helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output


# --- reading ------------------------------------------------------------------------


def is_onnx(path: Path) -> bool:
    return path.suffix.lower() == ONNX_SUFFIX


def onnx_stems(folder: Path) -> dict[str, Path]:
    """The ONNX files of a folder by stem, from their names; of `vocals.onnx` and `vocals.fp16.onnx` the
    first. Empty if there is none."""
    names = sorted(path for path in folder.iterdir() if is_onnx(path) and not path.name.startswith("."))
    return by_stem(names)


def by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    """ONNX files by stem, from their names."""
    found: dict[str, dict[str, Path]] = {}
    for path in paths:
        stem, dot, variant = path.name[: -len(ONNX_SUFFIX)].partition(".")
        found.setdefault(stem, {})[dot + variant] = path
    chosen = {}
    for stem, variants in found.items():
        known = [variant for variant in _VARIANTS if variant in variants]
        chosen[stem] = variants[known[0] if known else min(variants)]
    return chosen


def read_onnx(files: Mapping[str, Path]) -> tuple[ModelConfig, dict[str, StemWeights]]:
    """Read a model from ONNX files by stem, as `onnx_stems` gives them; files that say their stems' names
    themselves (those written here) may have any.

    Returns:
        Configuration, and float32 tensors by stem and name. Of a file written elsewhere T, F, filters and
        activations are known, and the rest is taken to be as in Spleeter's own configurations.

    Raises:
        ModelError: not readable, not this network, or files of different networks.
    """
    onnx = _onnx()
    config: ModelConfig | None = None
    origin: Path | None = None
    weights: dict[str, StemWeights] = {}
    for name, path in files.items():
        found, stems = _read_file(onnx, path, name)
        if origin is not None and config is not None and _kind(found) != _kind(config):
            raise ModelError(f"{path}: another kind of network than {origin}")
        for stem, tensors in stems.items():
            if stem in weights:
                raise ModelError(f"{path}: stem {stem!r} is in another file too")
            weights[stem] = tensors
        config, origin = config or found, origin or path
    if config is None:
        raise ModelError("no ONNX file was named")
    try:
        config = config.replace(instruments=_order(config.instruments, weights))
    except SpleeterError as error:  # stems' names that are none
        raise ModelError(f"{origin}: {error}") from error
    check_weights(config, weights, origin)
    return config, {stem: weights[stem] for stem in config.instruments}


def _kind(config: ModelConfig) -> ModelConfig:
    return config.replace(instruments=("any",), model_dir="")


def _order(named: tuple[str, ...], weights: Mapping[str, Any]) -> tuple[str, ...]:
    """The stems in the model's own order, if it is known; else as they came."""
    for order in (named, *(config.instruments for config in OFFICIAL_CONFIGS.values())):
        if set(order) == set(weights):
            return order
    return tuple(weights)


def _read_file(onnx: Any, path: Path, name: str) -> tuple[ModelConfig, dict[str, StemWeights]]:
    try:
        content = read_regular(path, MAX_BYTES)
    except OSError as error:
        raise ModelError(f"{path}: cannot read: {error.strerror or error}") from error
    try:
        check_size(content)
        model = onnx.load_model_from_string(content)
    except Foreign as error:
        raise ModelError(f"{path}: {error}") from error
    except Exception as error:  # protobuf's own
        raise ModelError(f"{path}: not a readable ONNX file: {error}") from error
    size = len(content)
    del content
    try:
        return _read_model(onnx, model, path, name, size)
    except (Foreign, SpleeterError) as error:
        raise ModelError(f"{path}: not a Spleeter U-Net that can be read: {error}") from error
    except Exception as error:  # what damaged fields make of onnx and numpy
        raise ModelError(f"{path}: a damaged ONNX file: {error!r}") from error


def _read_model(
    onnx: Any, model: Any, path: Path, name: str, size: int
) -> tuple[ModelConfig, dict[str, StemWeights]]:
    own = {entry.key: entry.value for entry in model.metadata_props}
    ours = "spleeterrt_config" in own
    if ours and "stems" not in own:
        raise Foreign("its metadata do not name its stems")
    stems = own["stems"].split(",") if ours else [name]
    graph = Graph(onnx, model, path.parent, size)
    networks = read_networks(graph, len(stems))
    if len(stems) > 1 and graph.outputs != stems:
        raise Foreign(f"its outputs are {', '.join(graph.outputs)}, its metadata name {', '.join(stems)}")
    first = networks.stems[0]
    biases = [first.tensors[f"{layer_name('conv2d', k)}/bias"] for k in range(DEPTH)]
    facts = {
        "conv_activation": first.conv,
        "deconv_activation": first.deconv,
        "conv_n_filters": tuple(map(len, biases)),
        "model_type": "unet.softmax_unet" if networks.softmax else "unet.unet",
    }
    for stem, network in zip(stems, networks.stems, strict=True):
        if (network.conv, network.deconv) != (first.conv, first.deconv):
            raise Foreign(f"the activations of {stem!r} are not those of {stems[0]!r}")
    if ours:
        try:
            config = ModelConfig.from_dict(json.loads(own["spleeterrt_config"])).replace(**facts)
        except (ValueError, AttributeError, RecursionError) as error:
            raise Foreign(f"its metadata: {error}") from error
        other = [output for output in graph.outputs if output in config.instruments and output not in stems]
        if other:
            raise Foreign(f"its output is {other[0]!r}, its metadata name {stems[0]!r}")
    else:
        default = ModelConfig(instruments=("any",))
        frames, bins = networks.frames or default.T, networks.bins or default.F
        config = ModelConfig(instruments=(name,), T=frames, F=bins).replace(**facts)
    return config, {stem: network.tensors for stem, network in zip(stems, networks.stems, strict=True)}
