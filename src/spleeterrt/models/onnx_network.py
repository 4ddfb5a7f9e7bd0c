"""The U-Net in a graph of ONNX operations: followed from its outputs back to the input.

Every operation, operand and attribute on the way has to be that of Spleeter's network; what they are called,
and what no output depends on, does not matter. Channels may come first or last, or before the segments as in
sherpa-onnx's files, if input and output agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..network.config import DEPTH
from ..network.tensors import StemWeights, layer_name
from .onnx_graph import Foreign, Graph, Node

EPSILON = 1e-3
SAME = (1, 1, 2, 2)  # 5 x 5, stride 2, as TensorFlow pads: top, left, bottom, right
ONNX_ACTIVATIONS: dict[str, tuple[str, dict[str, float]]] = {
    "LeakyReLU": ("LeakyRelu", {"alpha": 0.2}),
    "ReLU": ("Relu", {}),
    "ELU": ("Elu", {"alpha": 1.0}),
}
_ONNX_ALPHA = {"LeakyRelu": 0.01, "Elu": 1.0}  # where a file says none
_NAMES = {operation: name for name, (operation, _) in ONNX_ACTIVATIONS.items()}
_DIMENSIONS = ("segments", "channels", "frames", "bins")  # of the convolutions
_LAYOUTS = ((0, 3, 1, 2), (0, 1, 2, 3), (1, 0, 2, 3))  # of the input, by the dimensions of the convolutions
_OPERANDS = {"kernel": 1, "bias": 2}
_NORM_PARTS = ("gamma", "beta", "moving_mean", "moving_variance")


class Network(NamedTuple):
    """One stem's.

    Attributes:
        conv, deconv: activations, by their names in a configuration.
        tensors: float32, by TensorFlow's names.
    """

    conv: str
    deconv: str
    tensors: StemWeights


class Networks(NamedTuple):
    """Those of a file.

    Attributes:
        stems: in the order of the file's outputs.
        softmax: whether the masks come from a softmax across the stems.
        frames, bins: of the input; 0 where they are free.
    """

    stems: list[Network]
    softmax: bool
    frames: int
    bins: int


def read_networks(graph: Graph, stems: int) -> Networks:
    """The networks behind a graph's outputs.

    Raises:
        Foreign: it has another number of outputs than `stems`, or is not exactly this U-Net.
    """
    if len(graph.outputs) != stems or len(set(graph.outputs)) != stems:
        raise Foreign(f"it has {len(graph.outputs)} outputs, expected {stems}")
    masks = [_Output(graph, name) for name in graph.outputs]
    softmax = graph.made_by(masks[0].source, "Sigmoid") is None
    logits = _softmax_logits(graph, masks) if softmax else [_sigmoid_logits(graph, mask) for mask in masks]
    networks, layouts = [], set()
    for mask, value in zip(masks, logits, strict=True):
        stem = _Stem(graph)
        layout = stem.follow(value)
        mask.check(layout)
        layouts.add(layout)
        networks.append(stem.network())
    if len(layouts) != 1:
        raise Foreign("its stems read the input in different orders of its dimensions")
    ((_, _, frames, bins),) = layouts
    return Networks(networks, softmax, graph.input_shape[frames], graph.input_shape[bins])


Order = tuple[int, ...]


def _transposed(graph: Graph, name: str) -> tuple[str, Order]:
    """What a value is a transposition of, and the dimension there of each of its dimensions."""
    order: Order = (0, 1, 2, 3)
    seen = set()
    while (node := graph.made_by(name, "Transpose")) is not None:
        perm = node.attributes(perm=[3, 2, 1, 0])["perm"]
        if sorted(perm) != [0, 1, 2, 3] or node in seen:
            raise Foreign(f"{node}: expected an order of four dimensions, got {perm[:8]}")
        seen.add(node)
        order = tuple(perm[k] for k in order)
        name = node.input(0)
    return graph.origin(name), order


class _Output:
    """One of the graph's outputs: a mask times the input.

    Attributes:
        source: what the mask is a transposition of.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self.name = name
        product, self._outer = _transposed(graph, name)
        node = graph.maker(product, ["Mul"], f"the output {name!r}")
        node.attributes()
        sides = [_transposed(graph, side) for side in node.inputs]
        masks = [side for side in sides if side[0] != graph.input]
        if len(sides) != 2 or len(masks) != 1:
            raise Foreign(f"the output {name!r}: {node} is not the product of a mask and the input")
        self.source, self._mask = masks[0]
        ((_, self._input),) = [side for side in sides if side[0] == graph.input]

    def put(self, source: str, order: Order) -> None:
        """The mask is made, one to one, of `source`, whose dimensions it has in this order."""
        self.source, self._mask = source, tuple(order[k] for k in self._mask)

    def check(self, layout: Order) -> None:
        """Check that mask, input and output have the same dimensions.

        layout: where the input has the dimensions of the convolutions.
        """
        of_input = tuple(layout.index(k) for k in range(4))
        if tuple(of_input[k] for k in self._input) != self._mask:
            raise Foreign(
                f"the output {self.name!r}: the mask's dimensions are not in the order of the input's"
            )
        if tuple(self._mask[k] for k in self._outer) != of_input:
            raise Foreign(f"the output {self.name!r}: its dimensions are not in the order of the input's")


def _sigmoid_logits(graph: Graph, mask: _Output) -> str:
    node = graph.maker(mask.source, ["Sigmoid"], f"the mask of {mask.name!r}")
    node.attributes()
    mask.put(*_transposed(graph, node.input(0)))
    return mask.source


def _softmax_logits(graph: Graph, masks: Sequence[_Output]) -> list[str]:
    """The logits of all stems: stacked, softmax, split again, in the same order."""
    logits: list[str] = []
    for number, mask in enumerate(masks):
        part = f"the mask of {mask.name!r}"
        squeeze = graph.maker(mask.source, ["Squeeze", "Sigmoid"], part)
        if squeeze.kind != "Squeeze":
            raise Foreign("its masks come neither from a sigmoid each nor from one softmax")
        split = graph.maker(squeeze.input(0), ["Split"], part)
        softmax = graph.maker(split.input(0), ["Softmax"], part)
        together = graph.maker(softmax.input(0), ["Concat"], part)
        axis = _axis(graph, together.attributes(axis=int)["axis"], together)
        if graph.opset < 13:  # which flattened the dimensions behind the axis, too
            raise Foreign(f"{softmax} of opset {graph.opset} is not across stems")
        if _axis(graph, softmax.attributes(axis=-1)["axis"], softmax) != axis:
            raise Foreign(f"{softmax} is not across the stems, which are dimension {axis}")
        _check_split(graph, split, axis, len(masks))
        if graph.origin(squeeze.input(0)) != split.outputs[number]:
            raise Foreign(f"{part} is not part {number + 1} of the softmax: the stems are in another order")
        if len(together.inputs) != len(masks):
            raise Foreign(f"{together} joins {len(together.inputs)} logits, expected {len(masks)}")
        stacked = graph.maker(together.inputs[number], ["Unsqueeze"], part)
        for node in (squeeze, stacked):
            if _axes(graph, node) != [axis]:
                raise Foreign(f"{node} is not along the stems, which are dimension {axis}")
        mask.put(*_transposed(graph, stacked.input(0)))
        logits.append(mask.source)
    return logits


def _axis(graph: Graph, axis: Any, node: Node) -> int:
    """A dimension of the stacked logits."""
    if not isinstance(axis, int) or not -5 <= axis < 5:
        raise Foreign(f"{node} is along dimension {axis}")
    return axis % 5


def _axes(graph: Graph, node: Node) -> list[int]:
    given = node.attributes(axes=list)["axes"]
    if name := node.input(1):
        given = graph.numbers(name, str(node))
    return [_axis(graph, axis, node) for axis in given or []]


def _check_split(graph: Graph, node: Node, axis: int, stems: int) -> None:
    """Into single stems along `axis`."""
    given = node.attributes(axis=0, split=list, num_outputs=stems)
    sizes = given["split"]
    if name := node.input(1):
        sizes = graph.numbers(name, str(node))
    equal = sizes is None or sizes == [1] * stems
    if _axis(graph, given["axis"], node) != axis or not equal or given["num_outputs"] != stems:
        raise Foreign(f"{node} does not part single stems along dimension {axis}")
    if len(node.outputs) != stems:
        raise Foreign(f"{node} has {len(node.outputs)} parts, expected {stems}")


class _Stem:
    """Follows one stem's network from its logits back to the input."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._tensors: StemWeights = {}
        self._conv: set[str] = set()
        self._deconv: set[str] = set()

    def follow(self, logits: str) -> Order:
        """Read the network; where the graph's input has the dimensions of the convolutions."""
        x = self._convolution(logits, layer_name("conv2d", DEPTH), size=4, dilation=2, pads=(3, 3, 3, 3))
        skips: list[str] = []  # of the outermost layer first
        for k in reversed(range(DEPTH)):
            x = self._activation(self._norm(x, DEPTH + k), self._deconv, f"decoder layer {k + 1}")
            x = self._up(x, layer_name("conv2d_transpose", k))
            if k:
                skip, x = self._concat(x, k)
                skips.append(skip)
        for k in reversed(range(DEPTH)):
            name = layer_name("conv2d", k)
            if k < DEPTH - 1:
                x = self._norm(self._activation(x, self._conv, f"encoder layer {k + 1}"), k)
                if skips[k] != self._graph.origin(x):
                    raise Foreign(f"{name}: its skip takes {skips[k]!r} instead of its output")
            x = self._down(x, name)
        source, layout = _transposed(self._graph, x)
        if source != self._graph.input:
            raise Foreign(f"conv2d reads {source!r} instead of the input")
        if layout not in _LAYOUTS:
            raise Foreign(f"its input is transposed by {list(layout)}, which is no layout of {_DIMENSIONS}")
        return layout

    def network(self) -> Network:
        if len(self._conv) != 1 or len(self._deconv) != 1:
            raise Foreign("its layers have different activations")
        # The norm after the deepest layer is in checkpoints only: nothing reads it.
        unused = layer_name("batch_normalization", DEPTH - 1)
        width = len(self._tensors[f"{layer_name('conv2d', DEPTH - 1)}/bias"])
        for part in _NORM_PARTS:
            value = np.ones if part in ("gamma", "moving_variance") else np.zeros
            self._tensors[f"{unused}/{part}"] = value(width, np.float32)
        return Network(self._conv.pop(), self._deconv.pop(), self._tensors)

    def _down(self, x: str, name: str) -> str:
        """An encoder's convolution with TensorFlow's padding, its own or a Pad before. Returns its input."""
        node = self._graph.maker(x, ["Conv"], name)
        pad = self._graph.made_by(node.input(0), "Pad")
        if pad is None:
            return self._convolution(x, name, size=5, stride=2, pads=SAME)
        padded = self._convolution(x, name, size=5, stride=2, pads=(0, 0, 0, 0))
        assert pad is self._graph.made_by(padded, "Pad")
        self._check_pad(pad, name)
        return pad.input(0)

    def _check_pad(self, node: Node, name: str) -> None:
        given = node.attributes(mode=b"constant", pads=list, value=0.0)
        pads = self._graph.numbers(node.input(1), str(node)) if node.input(1) else given["pads"]
        value: Any = self._graph.constant(node.input(2), str(node)) if node.input(2) else given["value"]
        axes = self._graph.numbers(node.input(3), str(node)) if node.input(3) else [0, 1, 2, 3]
        amounts = [[0, 0] for _ in range(4)]
        if pads is None or len(pads) != 2 * len(axes) or any(not -4 <= axis < 4 for axis in axes):
            raise Foreign(f"{name}: {node} pads by {pads} along the dimensions {axes}")
        for axis, before, after in zip(axes, pads, pads[len(axes) :], strict=False):
            amounts[axis % 4] = [before, after]
        zero = np.size(value) == 1 and not np.any(value)
        if not zero or given["mode"] != b"constant" or amounts != [[0, 0], [0, 0], [1, 2], [1, 2]]:
            raise Foreign(f"{name}: {node} pads by {pads} along the dimensions {axes}")

    def _up(self, x: str, name: str) -> str:
        """A decoder's transposed convolution, cropped by itself or by Slices behind. Returns its input."""
        cropped: list[int] = []
        while (node := self._graph.made_by(x, "Slice")) is not None and len(cropped) < 2:
            cropped += self._cropped(node, name)
            x = node.input(0)
        pads = (0, 0, 0, 0) if cropped else SAME
        if cropped and sorted(cropped) != [2, 3]:
            raise Foreign(f"{name}: cropped along the dimensions {cropped}")
        return self._convolution(x, name, size=5, stride=2, pads=pads, kind="ConvTranspose")

    def _cropped(self, node: Node, name: str) -> list[int]:
        """The dimensions of which a Slice takes [1:-2]."""
        given = node.attributes(starts=list, ends=list, axes=list)
        starts, ends, axes = (
            self._graph.numbers(node.input(k), str(node)) if node.input(k) else given[part]
            for k, part in enumerate(("starts", "ends", "axes"), 1)
        )
        steps = self._graph.numbers(node.input(4), str(node)) if node.input(4) else [1] * len(axes or [])
        right = axes and len(starts or []) == len(ends or []) == len(axes) == len(steps)
        if not right or {*zip(starts, ends, steps, strict=True)} != {(1, -2, 1)}:
            raise Foreign(f"{name}: a slice from {starts} to {ends} of the dimensions {axes}")
        return [axis % 4 for axis in axes]

    def _convolution(
        self,
        x: str,
        name: str,
        *,
        size: int,
        pads: tuple[int, ...],
        stride: int = 1,
        dilation: int = 1,
        kind: str = "Conv",
    ) -> str:
        """Read a convolution's weights. Returns its input."""
        node = self._graph.maker(x, [kind], name)
        kernel = self._graph.weights(node.input(1), f"{name}/kernel")
        expected: dict[str, Any] = {
            "kernel_shape": [size, size],
            "strides": [stride, stride],
            "dilations": [dilation, dilation],
            "pads": list(pads),
            "group": 1,
            "auto_pad": b"NOTSET",
        }
        plain: dict[str, Any] = {"kernel_shape": [size, size], "strides": [1, 1], "dilations": [1, 1]}
        plain |= {"pads": [0, 0, 0, 0], "group": 1, "auto_pad": b"NOTSET"}
        if kind == "ConvTranspose":
            expected["output_padding"] = plain["output_padding"] = [0, 0]
        got = node.attributes(**plain)
        for key, value in expected.items():
            if got[key] != value:
                raise Foreign(f"{name}: {node} has {key} {_plain(got[key])}, expected {_plain(value)}")
        if kernel.ndim != 4 or kernel.shape[2:] != (size, size):
            raise Foreign(f"{name}: {node} has a kernel of {kernel.shape}, expected (.., .., {size}, {size})")
        if not node.input(2):
            raise Foreign(f"{name}: {node} has no bias")
        self._tensors[f"{name}/kernel"] = np.ascontiguousarray(kernel.transpose(2, 3, 1, 0))
        self._tensors[f"{name}/bias"] = self._vector(node.input(2), f"{name}/bias")
        return node.input(0)

    def _norm(self, x: str, index: int) -> str:
        """Read a batch norm. Returns its input."""
        name = layer_name("batch_normalization", index)
        node = self._graph.maker(x, ["BatchNormalization"], name)
        given = node.attributes(epsilon=1e-5, momentum=0.9, training_mode=0, spatial=1)
        epsilon = given["epsilon"]
        training = given["training_mode"] or any(node.outputs[1:])  # which they meant before opset 14
        if training or given["spatial"] != 1 or not 0 <= epsilon < 1:
            raise Foreign(f"{name}: {node} is in training mode, not per channel, or has epsilon {epsilon:g}")
        if len(node.inputs) != 5:
            raise Foreign(f"{name}: {node} has {len(node.inputs)} inputs, expected 5")
        values = dict(
            zip(
                _NORM_PARTS,
                (self._vector(node.inputs[k + 1], f"{name}/{part}") for k, part in enumerate(_NORM_PARTS)),
                strict=True,
            )
        )
        if abs(epsilon - EPSILON) > 1e-9:  # ours is fixed
            values["moving_variance"] = values["moving_variance"] + np.float32(epsilon - EPSILON)
        self._tensors.update({f"{name}/{part}": value for part, value in values.items()})
        return node.input(0)

    def _activation(self, x: str, found: set[str], part: str) -> str:
        """Note an activation. Returns its input."""
        node = self._graph.maker(x, list(_NAMES), part)
        name = _NAMES[node.kind]
        defaults = {"alpha": _ONNX_ALPHA[node.kind]} if node.kind in _ONNX_ALPHA else {}
        given = node.attributes(**defaults)
        for key, value in ONNX_ACTIVATIONS[name][1].items():
            if not abs(given[key] - value) <= 1e-6:
                raise Foreign(f"{part}: {node} with {key} = {given[key]:g}, expected {value:g}")
        found.add(name)
        return node.input(0)

    def _concat(self, x: str, k: int) -> tuple[str, str]:
        """What is read by decoder layer k + 1: the skip, and what the layer before made."""
        part = f"decoder layer {k + 1}"
        node = self._graph.maker(x, ["Concat"], part)
        axis = node.attributes(axis=int)["axis"]
        if axis not in (1, -3) or len(node.inputs) != 2:
            raise Foreign(f"{part}: {node} joins {len(node.inputs)} values along dimension {axis}")
        if self._graph.made_by(node.inputs[0], "Conv") is None:
            raise Foreign(f"{part}: {node} has to begin with the encoder's convolution, the skip")
        return self._graph.origin(node.inputs[0]), node.inputs[1]

    def _vector(self, name: str, part: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        value = self._graph.weights(name, part)
        if value.ndim != 1:
            raise Foreign(f"{part}: expected a list of numbers, got the shape {value.shape}")
        return value


def _plain(value: Any) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
