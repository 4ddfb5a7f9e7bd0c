"""A graph of ONNX operations that nobody vouches for: what makes a value, its attributes, its constants.

Constants are folded here, in numpy: a short list of operations that only move, join and convert numbers, as
exporters leave them (PyTorch's order of paddings). All results together are bounded by the size of the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]

OLDEST_OPSET = 9
SPARE_BYTES = 1 << 20  # beyond the weights: small files may have relatively large constants
_DOMAINS = ("", "ai.onnx")
_FLOATS = (1, 10, 11)  # TensorProto.FLOAT, FLOAT16, DOUBLE
_DTYPES = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float16, 11: np.float64}
_INTEGER_WEIGHTS = (
    "ConvInteger",
    "QLinearConv",
    "DynamicQuantizeLinear",
    "DequantizeLinear",
    "QuantizeLinear",
)


class Foreign(Exception):
    """The graph is something else than the network that was looked for; says which part differs."""


class Node:
    """One operation: kind, names of its inputs and outputs, attributes by name."""

    def __init__(self, proto: Any) -> None:
        self.kind: str = proto.op_type
        self.inputs: tuple[str, ...] = tuple(proto.input)
        self.outputs: tuple[str, ...] = tuple(proto.output)
        self._proto = proto
        self.name: str = proto.name or (proto.output[0] if proto.output else "")

    def __str__(self) -> str:
        return f"{self.kind} ({self.name[:80]!r})"

    def input(self, number: int) -> str:
        """The name of an input; "" where it is left out."""
        return self.inputs[number] if number < len(self.inputs) else ""

    def attributes(self, **defaults: Any) -> dict[str, Any]:
        """The attributes, and the defaults of those that are left out: int, float, bytes, tensor, list of
        integers, tuple of floats. A default may be a type: None, if the attribute is left out.

        Raises:
            Foreign: there is another one than `defaults` names, or one twice or of another type.
        """
        found = {name: None if isinstance(value, type) else value for name, value in defaults.items()}
        seen: set[str] = set()
        for entry in self._proto.attribute:
            if entry.name not in defaults or entry.name in seen or entry.ref_attr_name:
                raise Foreign(
                    f"{self} has an attribute that is not expected, {entry.name!r} = {_shown(entry)}"
                )
            seen.add(entry.name)
            value = _read_attribute(entry)
            default = defaults[entry.name]
            if not isinstance(value, default if isinstance(default, type) else type(default)):
                raise Foreign(f"{self}: its attribute {entry.name!r} is of another type than expected")
            found[entry.name] = value
        return found


def _read_attribute(entry: Any) -> Any:
    """Its value by its type; None of a type that no operation here has."""
    if entry.type in (6, 7):  # AttributeProto.FLOATS, INTS
        return tuple(entry.floats) if entry.type == 6 else list(entry.ints)
    field = {1: "f", 2: "i", 3: "s", 4: "t"}.get(entry.type)
    return None if field is None else getattr(entry, field)


def _shown(entry: Any) -> str:
    """An attribute's value, shortly."""
    for part in ("ints", "floats"):
        if values := list(getattr(entry, part)[:8]):
            return str(values)
    return str({1: entry.f, 2: entry.i, 3: bytes(entry.s[:40])}.get(entry.type, "..."))


class Graph:
    """The main graph of a model.

    Attributes:
        input: name of its only input that is no constant.
        input_shape: its dimensions; 0 where one is free.
        outputs: names.
        opset: version of the standard operations.

    Raises:
        Foreign: at once or on use: the graph is malformed, or of an unsupported kind.
    """

    def __init__(self, onnx: Any, model: Any, folder: Path, size: int) -> None:
        """`folder` holds the tensors that lie outside of the file, `size` is the file's, in bytes."""
        self._onnx, self._folder = onnx, folder
        graph = model.graph
        self._budget = 8 * (size + self._size_outside(graph.initializer)) + SPARE_BYTES
        self.opset = self._read_opset(onnx, model)
        if graph.sparse_initializer:
            raise Foreign("it has sparse weights")
        self._stored: dict[str, Any] = {tensor.name: tensor for tensor in graph.initializer}
        if len(self._stored) != len(graph.initializer):
            raise Foreign("two of its constants have one name")
        self._values: dict[str, Array] = {}
        inputs = [value for value in graph.input if value.name not in self._stored]
        if len(inputs) != 1:
            raise Foreign(f"it has {len(inputs)} inputs, expected one")
        self.input: str = inputs[0].name
        kind = inputs[0].type.tensor_type
        if kind.elem_type not in _FLOATS:
            raise Foreign("its input is not of floating-point numbers")
        if len(kind.shape.dim) != 4:
            raise Foreign(f"expected an input with 4 dimensions, got {len(kind.shape.dim)}")
        self.input_shape: list[int] = [dim.dim_value for dim in kind.shape.dim]
        self.outputs: list[str] = [value.name for value in graph.output]
        self._makers: dict[str, Node] = {}
        for proto in graph.node:
            if proto.domain not in _DOMAINS:
                raise Foreign(f"it has the operation {proto.op_type} of {proto.domain!r}")
            if proto.op_type in _INTEGER_WEIGHTS:
                raise Foreign("its weights are integers; take the float32 or float16 file")
            node = Node(proto)
            for name in filter(None, node.outputs):
                if name in self._makers or name in self._stored or name == self.input:
                    raise Foreign(f"{name!r} is made twice")
                self._makers[name] = node

    def _size_outside(self, tensors: Any) -> int:
        """Bytes of the files that hold tensors."""
        names = {
            entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"
        }
        try:
            return sum((self._folder / name).stat().st_size for name in names)
        except (OSError, ValueError) as error:
            raise Foreign(f"a file with its weights cannot be read: {error}") from error

    @staticmethod
    def _read_opset(onnx: Any, model: Any) -> int:
        versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
        newest = onnx.defs.onnx_opset_version()
        if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
            raise Foreign(
                f"its operations are of the opset {', '.join(map(str, versions)) or '(none)'}; "
                f"{OLDEST_OPSET} to {newest} can be read with this version of the package onnx"
            )
        if any(function.domain in _DOMAINS for function in model.functions):
            raise Foreign("it defines standard operations anew")
        return int(versions[0])

    # --- values -------------------------------------------------------------------------

    def origin(self, name: str) -> str:
        """The value that `name` is, apart from its precision: identities and conversions are passed."""
        for _ in range(len(self._makers) + 1):
            node = self._makers.get(name)
            if node is None or name != node.outputs[0] or not self._passes(node):
                return name
            name = node.inputs[0]
        raise Foreign(f"{name!r} depends on itself")

    def _passes(self, node: Node) -> bool:
        if node.kind not in ("Identity", "Cast", "Dropout") or not node.inputs:
            return False
        if node.kind == "Cast":
            to = node.attributes(to=0, saturate=1, round_mode=b"up")["to"]
            if to not in _FLOATS:
                raise Foreign(f"{node} makes other numbers than floating-point ones of 16 bits or more")
        if node.kind == "Dropout":
            node.attributes(ratio=0.5, seed=0)
            if node.input(2):  # the training mode
                raise Foreign(f"{node} may be in training mode")
        return True

    def maker(self, name: str, kinds: Sequence[str], part: str) -> Node:
        """The operation that makes a value, which has to be one of `kinds`; `part` says for what."""
        name = self.origin(name)
        node = self._makers.get(name)
        wanted = " or ".join(kinds)
        if node is None:
            got = "the input" if name == self.input else f"the constant {name!r}"
            if name != self.input and name not in self._stored:
                got = f"{name!r}, which nothing makes"
            raise Foreign(f"{part}: expected {wanted}, got {got}")
        if node.kind not in kinds:
            raise Foreign(f"{part}: expected {wanted}, got {node}")
        if name != node.outputs[0] and node.kind != "Split":
            raise Foreign(f"{part}: a second output of {node}")
        return node

    def made_by(self, name: str, kind: str) -> Node | None:
        """The operation that makes a value, if it is of this kind."""
        node = self._makers.get(self.origin(name))
        return node if node is not None and node.kind == kind else None

    # --- constants ----------------------------------------------------------------------

    def constant(self, name: str, part: str) -> Array:
        """A constant, folded if need be; `part` says for what.

        Raises:
            Foreign: it depends on the input, or cannot be computed.
        """
        if name in self._stored:
            return self._load(self._stored[name])  # not kept: it lies in the file
        pending, entered = [name], set[str]()
        while pending:
            at = pending[-1]
            if at in self._values:
                pending.pop()
            elif at in self._stored:
                self._values[at] = self._load(self._stored[at])
            else:
                node = self._makers.get(at)
                if node is None:
                    raise Foreign(f"{part}: {at!r} is no constant")
                missing = [n for n in node.inputs if n and n not in self._values]
                if not missing:
                    self._values[at] = self._fold(node, at)
                elif at in entered:
                    raise Foreign(f"{part}: {at!r} depends on itself")
                else:
                    entered.add(at)
                    pending += missing
        return self._values[name]

    def numbers(self, name: str, part: str) -> list[int]:
        """A constant list of integers."""
        value = self.constant(name, part)
        if value.dtype.kind not in "iu" or value.ndim > 1 or value.size > 64:
            raise Foreign(f"{part}: expected a list of integers, got {value.dtype} {value.shape}")
        return [int(number) for number in value.reshape(-1)]

    def weights(self, name: str, part: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        """A constant of floating-point numbers, as float32."""
        value = self.constant(name, part)
        if value.dtype.kind != "f":
            raise Foreign(f"{part}: expected floating-point numbers, got {value.dtype}")
        return value.astype(np.float32)

    def _load(self, tensor: Any) -> Array:
        """A tensor of the file, or of one beside it."""
        try:
            dtype = _DTYPES.get(tensor.data_type)
            if dtype is None:
                name = self._onnx.TensorProto.DataType.Name(tensor.data_type)
                raise Foreign(f"the constant {tensor.name!r} is of {name}; expected float32 or float16")
            count = math.prod(tensor.dims)
            if any(size < 0 for size in tensor.dims) or len(tensor.dims) > 8:
                raise Foreign(f"the constant {tensor.name!r} has the shape {list(tensor.dims)[:9]}")
            size = count * np.dtype(dtype).itemsize
            self.spend(size)
            if tensor.external_data:
                tensor = self._with_length(tensor, size)
            value: Array = self._onnx.numpy_helper.to_array(tensor, str(self._folder))
        except Foreign:
            raise
        except Exception as error:  # whatever onnx and numpy make of damaged tensors
            raise Foreign(f"the constant {tensor.name!r} is damaged: {error}") from error
        if value.dtype != dtype:
            raise Foreign(f"the constant {tensor.name!r} is of {value.dtype}")
        return value

    def _with_length(self, tensor: Any, size: int) -> Any:
        """A tensor that says how many bytes of a file beside it are its own; else onnx reads all of them."""
        told = [entry.value for entry in tensor.external_data if entry.key == "length"]
        if any(value != str(size) for value in told):
            raise Foreign(f"the constant {tensor.name!r} has {told[0][:20]} bytes, expected {size}")
        if told:
            return tensor
        copy = self._onnx.TensorProto()
        copy.CopyFrom(tensor)
        copy.external_data.add(key="length", value=str(size))
        return copy

    def spend(self, size: int) -> None:
        self._budget -= size
        if self._budget < 0:
            raise Foreign("its constants are larger than its weights")

    def _fold(self, node: Node, output: str) -> Array:
        rule = _RULES.get(node.kind)
        if rule is None or output != node.outputs[0]:
            raise Foreign(f"{node}: expected a constant, and this cannot be computed beforehand")
        inputs = [self._values[name] if name else None for name in node.inputs]
        try:
            return rule(self, node, inputs)
        except Foreign:
            raise
        except Exception as error:  # numpy's, of shapes and axes that do not fit
            raise Foreign(f"{node}: cannot be computed: {error}") from error

    def _constant(self, node: Node, inputs: Sequence[Any]) -> Array:
        values = {
            name: value
            for name, value in node.attributes(
                value=object, value_float=float, value_floats=tuple, value_int=int, value_ints=list
            ).items()
            if value is not None
        }
        if len(values) != 1:
            raise Foreign(f"{node} has {len(values)} values")
        ((name, value),) = values.items()
        if name == "value":
            return self._load(value)
        return np.array(value, np.float32 if "float" in name else np.int64)

    def _constant_of_shape(self, node: Node, inputs: Sequence[Any]) -> Array:
        value = node.attributes(value=object)["value"]
        fill = np.zeros(1, np.float32) if value is None else self._load(value).reshape(1)
        shape = [int(size) for size in inputs[0]]
        if any(size < 0 for size in shape):
            raise Foreign(f"{node} has the shape {shape[:9]}")
        self.spend(math.prod(shape) * fill.itemsize)
        return np.full(shape, fill[0])

    def axes(self, node: Node, inputs: Sequence[Any]) -> tuple[int, ...] | None:
        """Of Squeeze and Unsqueeze: an input since opset 13, before an attribute."""
        given = node.attributes(axes=list)["axes"]
        if len(inputs) > 1 and inputs[1] is not None:
            given = inputs[1].tolist()
        return None if given is None else tuple(given)


def _concat(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    graph.spend(sum(value.nbytes for value in inputs))
    return np.concatenate(inputs, axis=node.attributes(axis=int)["axis"])


def _reshape(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    data, shape = inputs
    keep_zero = node.attributes(allowzero=0)["allowzero"]
    sizes = [data.shape[k] if size == 0 and not keep_zero else int(size) for k, size in enumerate(shape)]
    graph.spend(data.nbytes)
    return np.reshape(data, sizes)


def _slice(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    node.attributes()
    data, starts, ends, axes, steps = [*inputs, None, None][:5]
    axes = range(len(starts)) if axes is None else axes
    steps = [1] * len(starts) if steps is None else steps
    cuts = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        cuts[int(axis)] = slice(int(start), int(end), int(step))
    return data[tuple(cuts)]  # type: ignore[no-any-return]


def _transpose(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    return np.transpose(inputs[0], node.attributes(perm=list)["perm"])


def _cast(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    to = node.attributes(to=0, saturate=1, round_mode=b"up")["to"]
    graph.spend(inputs[0].size * np.dtype(_DTYPES[to]).itemsize)
    with np.errstate(invalid="ignore", over="ignore"):
        return inputs[0].astype(_DTYPES[to])  # type: ignore[no-any-return]


def _identity(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    node.attributes()
    return inputs[0]  # type: ignore[no-any-return]


def _squeeze(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    return np.squeeze(inputs[0], graph.axes(node, inputs))  # type: ignore[no-any-return]


def _unsqueeze(graph: Graph, node: Node, inputs: Sequence[Any]) -> Array:
    return np.expand_dims(inputs[0], graph.axes(node, inputs) or ())


_RULES: Mapping[str, Callable[[Graph, Node, Sequence[Any]], Array]] = {
    "Constant": Graph._constant,
    "ConstantOfShape": Graph._constant_of_shape,
    "Concat": _concat,
    "Reshape": _reshape,
    "Slice": _slice,
    "Transpose": _transpose,
    "Cast": _cast,
    "Identity": _identity,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
