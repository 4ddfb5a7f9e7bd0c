"""ONNX files: a model written for other runtimes, and the weights of such files read back.

Written: one file per stem, input `magnitude` and output `<stem>`, both (segments, T, F, 2), all but the last
dimension free. A softmax model's masks need the networks of all stems: it becomes one file with one output
per stem.

Read: those files, and graphs of the same network from elsewhere, whatever their tensors are called: a file is
followed operation by operation, and refused unless it is exactly this U-Net (paddings and skips included).
That covers what PyTorch exports, like sherpa-onnx's Spleeter files: channels first, TensorFlow's
padding as Pad and Slice, batch norms of their own, weights in float32 or float16.

Needs the package `onnx` (`pip install "spleeterrt[onnx]"`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import write_whole
from ..config import DEPTH, OFFICIAL_CONFIGS, ModelConfig
from ..errors import ModelError, SpleeterError
from .weights import StemWeights, Tensor, check_weights, layer_name

SUFFIX = ".onnx"
OPSET = 17  # ONNX Runtime since 1.12, OpenVINO since 2022.3
IR_VERSION = 8
ALL_STEMS = "stems"  # file name of a softmax model
EPSILON = 1e-3
_VARIANTS = ("", ".fp16")  # of one stem's file, the better one first
_SAME = (1, 1, 2, 2)  # 5 x 5, stride 2, as TensorFlow pads: top, left, bottom, right
_ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "LeakyReLU": ("LeakyRelu", {"alpha": 0.2}),
    "ReLU": ("Relu", {}),
    "ELU": ("Elu", {"alpha": 1.0}),
}


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ModelError('ONNX files need the package onnx: pip install "spleeterrt[onnx]"') from error
    return onnx


# --- writing ------------------------------------------------------------------------


def save_onnx(folder: Path, config: ModelConfig, weights: Mapping[str, Mapping[str, Tensor]]) -> list[Path]:
    """Write a model's ONNX files into `folder`, each in one step. Returns their paths.

    Raises:
        ModelError: the package onnx is missing, or a file cannot be written.
    """
    onnx = _onnx()
    groups = {ALL_STEMS: config.instruments} if config.softmax else {s: (s,) for s in config.instruments}
    paths = []
    for name, stems in groups.items():
        model = _Writer(onnx, config).model({stem: weights[stem] for stem in stems})
        paths.append(folder / f"{name}{SUFFIX}")
        try:
            write_whole(paths[-1], model.SerializeToString())
        except OSError as error:
            raise ModelError(f"{paths[-1]}: cannot write: {error.strerror or error}") from error
        del model
    return paths


class _Writer:
    """One graph; TensorFlow's uneven padding is an attribute of ONNX's convolutions."""

    def __init__(self, onnx: Any, config: ModelConfig) -> None:
        self._onnx = onnx
        self._config = config
        self._nodes: list[Any] = []
        self._initializers: list[Any] = []

    def model(self, stems: Mapping[str, Mapping[str, Tensor]]) -> Any:
        helper, config = self._onnx.helper, self._config
        mix = self._node("Transpose", ["magnitude"], "mix", perm=[0, 3, 1, 2])
        logits = [self._unet(stem, tensors, mix) for stem, tensors in stems.items()]
        for stem, mask in zip(stems, self._masks(list(stems), logits), strict=True):
            last = self._node("Transpose", [mask], f"{stem}/channels_last", perm=[0, 2, 3, 1])
            self._node("Mul", [last, "magnitude"], stem)

        def describe(name: str) -> Any:
            shape = ["segments", "frames", "bins", config.n_channels]
            return helper.make_tensor_value_info(name, self._onnx.TensorProto.FLOAT, shape)

        graph = helper.make_graph(
            self._nodes, "unet", [describe("magnitude")], list(map(describe, stems)), self._initializers
        )
        model = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
        )
        model.producer_name = "spleeterrt"
        helper.set_model_props(
            model, {"spleeterrt_config": json.dumps(config.to_dict()), "stems": ",".join(stems)}
        )
        self._onnx.checker.check_model(model, full_check=True)
        return model

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
            operation, attributes = _ACTIVATIONS[name]
            return self._node(operation, [x], f"{x}/activation", **attributes)

        x, skips = mix, []
        strided: dict[str, Any] = {"strides": [2, 2], "pads": list(_SAME)}
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
    return path.suffix.lower() == SUFFIX


def onnx_stems(folder: Path) -> dict[str, Path]:
    """The ONNX files of a folder by stem, from their names; of `vocals.onnx` and `vocals.fp16.onnx` the
    first. Empty if there is none."""
    names = sorted(path for path in folder.iterdir() if is_onnx(path) and not path.name.startswith("."))
    return by_stem(names)


def by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    """ONNX files by stem, from their names."""
    found: dict[str, dict[str, Path]] = {}
    for path in paths:
        stem, dot, variant = path.name[: -len(SUFFIX)].partition(".")
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
    config = config.replace(instruments=_order(config.instruments, weights))
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
        model = onnx.load(str(path))
    except Exception as error:  # protobuf's own, OSError, and ValueError of external data
        raise ModelError(f"{path}: not a readable ONNX file: {error}") from error
    own = {entry.key: entry.value for entry in model.metadata_props}
    try:
        stems = own["stems"].split(",") if "spleeterrt_config" in own else [name]
        reader = _Reader(onnx, path, model)
        networks = [reader.network() for _ in stems]
        softmax = reader.finish(len(stems))
    except _Foreign as error:
        raise ModelError(f"{path}: not a Spleeter U-Net that can be read: {error}") from error
    conv, deconv, weights = networks[0]
    filters = tuple(len(weights[f"{layer_name('conv2d', k)}/bias"]) for k in range(DEPTH))
    facts = {
        "conv_activation": conv,
        "deconv_activation": deconv,
        "conv_n_filters": filters,
        "model_type": "unet.softmax_unet" if softmax else "unet.unet",
    }
    try:
        if "spleeterrt_config" in own:
            config = ModelConfig.from_dict(json.loads(own["spleeterrt_config"])).replace(**facts)
        else:
            frames, bins = _input_size(model.graph, reader.channels_last)
            config = ModelConfig(instruments=(name,), T=frames, F=bins).replace(**facts)
    except (SpleeterError, ValueError, KeyError, AttributeError) as error:
        raise ModelError(f"{path}: {error}") from error
    return config, {stem: network[2] for stem, network in zip(stems, networks, strict=True)}


def _input_size(graph: Any, channels_last: bool) -> tuple[int, int]:
    """T and F that a graph takes; Spleeter's own where it leaves them free."""
    default = ModelConfig(instruments=("any",))
    dims = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim]
    if len(dims) != 4:
        raise ModelError(f"expected an input with 4 dimensions, got {len(dims)}")
    first = 1 if channels_last else 2
    return dims[first] or default.T, dims[first + 1] or default.F


class _Foreign(Exception):
    """The graph is something else."""


_TRANSPARENT = ("Cast", "Identity")
_CROPPED = ", cropped "
_LAYERS = (
    "Conv",
    "ConvTranspose",
    "BatchNormalization",
    "Concat",
    *(operation for operation, _ in _ACTIVATIONS.values()),
)
_ENDS = ("Sigmoid", "Softmax", "Mul", "Unsqueeze", "Split", "Squeeze")


class _Reader:
    """Follows a graph from its input: every value has a name of what it is in the U-Net, and every layer is
    compared with the next one of that U-Net."""

    def __init__(self, onnx: Any, path: Path, model: Any) -> None:
        from onnx.reference import ReferenceEvaluator

        graph = model.graph
        self._evaluator, self._numpy = ReferenceEvaluator, onnx.numpy_helper
        self._opsets = {entry.domain: entry.version for entry in model.opset_import}
        self._base = path.parent
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        inputs = [value.name for value in graph.input if value.name not in self._constants]
        if len(inputs) != 1:
            raise _Foreign(f"it has {len(inputs)} inputs")
        self._labels = {inputs[0]: "mix"}
        self._ends: list[str] = []
        self.channels_last = False
        self._nodes = self._layers(graph)

    def network(self) -> tuple[str, str, StemWeights]:
        """The next stem: its activations, and its tensors by TensorFlow's names."""
        tensors: StemWeights = {}
        conv: set[str] = set()
        deconv: set[str] = set()
        x, skips = "mix", []
        for k in range(DEPTH):
            name = layer_name("conv2d", k)
            x = self._convolution("Conv", x, name, tensors, {"strides": [2, 2]}, _SAME)
            if k < DEPTH - 1:
                skips.append(x)
                x = self._activation(self._norm(x, k, tensors), conv)
        for k in range(DEPTH):
            name = layer_name("conv2d_transpose", k)
            x = self._convolution("ConvTranspose", x, name, tensors, {"strides": [2, 2]}, _SAME)
            x = self._norm(self._activation(x, deconv), DEPTH + k, tensors)
            if k < DEPTH - 1:
                node = self._next("Concat", [skips[DEPTH - 2 - k], x])
                x = self._label(node, f"concat {k}")
        name = layer_name("conv2d", DEPTH)
        self._convolution("Conv", x, name, tensors, {"dilations": [2, 2]}, (3, 3, 3, 3))
        if len(conv) != 1 or len(deconv) != 1:
            raise _Foreign("its layers have different activations")
        # The norm after the deepest layer is in checkpoints only: nothing reads it.
        unused = layer_name("batch_normalization", DEPTH - 1)
        width = len(tensors[f"{layer_name('conv2d', DEPTH - 1)}/bias"])
        for part in ("gamma", "beta", "moving_mean", "moving_variance"):
            value = np.ones if part in ("gamma", "moving_variance") else np.zeros
            tensors[f"{unused}/{part}"] = value(width, np.float32)
        return conv.pop(), deconv.pop(), tensors

    def finish(self, stems: int) -> bool:
        """Check that nothing but the masks follows; whether they come from a softmax."""
        extra = next(self._nodes, None)
        if extra is not None:
            raise _Foreign(f"a {extra.op_type} is left over")
        softmax = "Softmax" in self._ends
        if softmax == ("Sigmoid" in self._ends) or (not softmax and self._ends.count("Sigmoid") != stems):
            raise _Foreign("its masks come neither from a sigmoid each nor from one softmax")
        return softmax

    def _layers(self, graph: Any) -> Iterator[Any]:
        """The layers in order; what only moves, pads or crops values is followed on the way."""
        for node in self._sorted(graph):
            kind = node.op_type
            if all(name in self._constants for name in node.input if name):
                self._fold(node)
            elif kind == "Pad":
                self._pad(node)
            elif kind == "Slice":
                self._slice(node)
            elif kind == "Transpose":
                self._transpose(node)
            elif kind in _TRANSPARENT:
                if node.input[0] in self._labels:
                    self._labels[node.output[0]] = self._labels[node.input[0]]
            elif kind == "Concat" and not self._is_skip(node):
                continue  # the stacked logits of a softmax
            elif kind in _LAYERS:
                yield node
            elif kind in _ENDS:
                self._ends.append(kind)
            elif kind in ("ConvInteger", "QLinearConv", "DynamicQuantizeLinear", "DequantizeLinear"):
                raise _Foreign("its weights are integers; take the float32 or float16 file")
            else:
                raise _Foreign(f"it has the operation {kind}")

    def _sorted(self, graph: Any) -> Iterator[Any]:
        """The nodes, inputs first: files of other programs may have them in any order."""
        known = {"", *self._constants, *self._labels}
        pending = list(graph.node)
        while pending:
            waiting = []
            for node in pending:
                if known.issuperset(node.input):
                    yield node
                    known.update(node.output)
                else:
                    waiting.append(node)
            if len(waiting) == len(pending):
                raise _Foreign(f"the inputs of a {waiting[0].op_type} are missing")
            pending = waiting

    def _fold(self, node: Any) -> None:
        """What depends on constants only, like PyTorch's order of paddings."""
        try:
            inputs = {name: self._value(name) for name in node.input if name}
            values = self._evaluator(node, opsets=self._opsets).run(None, inputs)
        except Exception as error:  # of the operation, whatever it is
            raise _Foreign(f"a constant {node.op_type} that cannot be computed: {error}") from error
        for name, value in zip(node.output, values, strict=True):
            self._constants[name] = self._numpy.from_array(np.asarray(value), name)

    def _is_skip(self, node: Any) -> bool:
        return any(name in self._labels for name in node.input)

    def _transpose(self, node: Any) -> None:
        """Of the input, before the first layer, and of what follows the last one."""
        label = self._labels.get(node.input[0])
        if label is None:
            return
        order = _attribute(node, "perm", [])
        if label != "mix" or order not in ([0, 3, 1, 2], [1, 0, 2, 3]):
            raise _Foreign(f"a transposition {order} of {label}")
        self.channels_last = order == [0, 3, 1, 2]
        self._labels[node.output[0]] = label

    def _pad(self, node: Any) -> None:
        label = self._labels.get(node.input[0])
        values = self._value(node.input[1]).tolist() if len(node.input) > 1 else _attribute(node, "pads", [])
        constant = len(node.input) < 3 or not node.input[2] or not self._value(node.input[2]).any()
        mode = _attribute(node, "mode", b"constant")
        if label is None or not constant or mode != b"constant" or values != [0, 0, 1, 1, 0, 0, 2, 2]:
            raise _Foreign(f"a padding by {values}")
        self._labels[node.output[0]] = f"{label}, padded"

    def _slice(self, node: Any) -> None:
        """[1:-2] of rows, columns or both."""
        label = self._labels.get(node.input[0])
        starts, ends, axes = (self._value(name).tolist() for name in node.input[1:4])
        steps = self._value(node.input[4]).tolist() if len(node.input) > 4 else [1] * len(axes)
        cuts = list(zip(starts, ends, steps, strict=True))
        if label is None or any(cut != (1, -2, 1) for cut in cuts) or not set(axes) <= {2, 3}:
            raise _Foreign(f"a slice from {starts} to {ends} of the dimensions {axes}")
        name, *crops = [*label.split(_CROPPED), *map(str, axes)]
        self._labels[node.output[0]] = _CROPPED.join([name, *sorted(crops)])

    def _next(self, kinds: str | Sequence[str], inputs: Sequence[str]) -> Any:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        node = next(self._nodes, None)
        if node is None:
            raise _Foreign(f"a {kinds[0]} is missing")
        if node.op_type not in kinds:
            raise _Foreign(f"expected {' or '.join(kinds)} on {inputs[0]}, got {node.op_type}")
        count = len(inputs)
        got = [self._labels.get(name, name) for name in node.input[:count]]
        if got != list(inputs):
            raise _Foreign(f"expected {node.op_type} on {' and '.join(inputs)}, got {' and '.join(got)}")
        return node

    def _label(self, node: Any, label: str) -> str:
        self._labels[node.output[0]] = label
        return label

    def _convolution(
        self,
        kind: str,
        x: str,
        name: str,
        tensors: StemWeights,
        attributes: Mapping[str, Any],
        pads: tuple[int, ...],
    ) -> str:
        size = [4, 4] if "dilations" in attributes else [5, 5]
        node = next(self._nodes, None)
        if node is None or node.op_type != kind:
            raise _Foreign(f"expected {kind} on {x}, got {node.op_type if node else 'the end'}")
        label = self._labels.get(node.input[0], node.input[0])
        weight = self._value(node.input[1])
        own = {
            "strides": _attribute(node, "strides", [1, 1]),
            "dilations": _attribute(node, "dilations", [1, 1]),
            "group": _attribute(node, "group", 1),
            "output_padding": _attribute(node, "output_padding", [0, 0]),
            "auto_pad": _attribute(node, "auto_pad", b"NOTSET"),
            "output_shape": _attribute(node, "output_shape", []),
        }
        plain = {
            "strides": [1, 1],
            "dilations": [1, 1],
            "group": 1,
            "output_padding": [0, 0],
            "auto_pad": b"NOTSET",
            "output_shape": [],
        }
        if own != {**plain, **attributes} or list(weight.shape[2:]) != size or weight.ndim != 4:
            raise _Foreign(f"{name} is no convolution {size} with {dict(attributes)}")
        own_pads = tuple(_attribute(node, "pads", [0, 0, 0, 0]))
        cropped = False
        if own_pads == pads:
            right = label == x
        elif any(own_pads):
            right = False
        elif kind == "Conv":
            right = label == f"{x}, padded"
        else:
            right = cropped = label == x
        if not right:
            raise _Foreign(f"{name} reads {label} with the padding {own_pads}")
        if len(node.input) < 3:
            raise _Foreign(f"{name} has no bias")
        tensors[f"{name}/kernel"] = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))
        tensors[f"{name}/bias"] = self._value(node.input[2])
        self._label(node, name)
        return f"{name}{_CROPPED}2{_CROPPED}3" if cropped else name

    def _norm(self, x: str, index: int, tensors: StemWeights) -> str:
        node = self._next("BatchNormalization", [x])
        name = layer_name("batch_normalization", index)
        gamma, beta, mean, variance = (self._value(constant) for constant in node.input[1:5])
        epsilon = _attribute(node, "epsilon", 1e-5)
        if abs(epsilon - EPSILON) > 1e-9:  # ours is fixed
            variance = variance + np.float32(epsilon - EPSILON)
        values = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
        tensors.update({f"{name}/{part}": value for part, value in values.items()})
        return self._label(node, name)

    def _activation(self, x: str, found: set[str]) -> str:
        names = {operation: name for name, (operation, _) in _ACTIVATIONS.items()}
        node = self._next(list(names), [x])
        name = names[node.op_type]
        for key, value in _ACTIVATIONS[name][1].items():
            got = _attribute(node, key, {"LeakyRelu": 0.01, "Elu": 1.0}[node.op_type])
            if abs(got - value) > 1e-6:
                raise _Foreign(f"{node.op_type} with {key} = {got:g}")
        found.add(name)
        return self._label(node, f"{name} of {x}")

    def _value(self, name: str) -> np.ndarray[Any, Any]:
        """A constant; floating-point ones as float32."""
        if name not in self._constants:
            raise _Foreign(f"{name!r} is no constant")
        value: np.ndarray[Any, Any] = self._numpy.to_array(self._constants[name], str(self._base))
        return value.astype(np.float32) if value.dtype.kind == "f" else value


def _attribute(node: Any, name: str, default: Any) -> Any:
    for attribute in node.attribute:
        if attribute.name == name:
            for field in ("ints", "floats"):
                if values := getattr(attribute, field):
                    return list(values)
            return {1: attribute.f, 2: attribute.i, 3: attribute.s}.get(attribute.type, default)
    return default
