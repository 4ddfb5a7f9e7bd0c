"""Other graphs made of a network's: nearly the same, and valid mostly."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import onnx

_KINDS = (
    "Identity", "Relu", "LeakyRelu", "Elu", "Sigmoid", "Tanh", "Softmax", "Mul", "Add", "Transpose", "Cast",
    "Concat", "Conv", "ConvTranspose", "Slice", "Pad", "Squeeze", "Unsqueeze", "Dropout", "Neg", "Abs",
)  # fmt: skip


def mutate_graph(rng: random.Random, model: Any) -> None:
    for _ in range(rng.choice((1, 1, 2, 3))):
        rng.choice(_CHANGES)(rng, model)


def _node(rng: random.Random, model: Any) -> Any:
    # The end of the graph is where outputs can be exchanged.
    nodes = model.graph.node
    return (
        nodes[rng.randrange(max(0, len(nodes) - 12), len(nodes))] if rng.random() < 0.4 else rng.choice(nodes)
    )


def _names(model: Any) -> list[str]:
    made = [name for node in model.graph.node for name in node.output]
    return [*made, *(tensor.name for tensor in model.graph.initializer), model.graph.input[0].name]


def _operand(rng: random.Random, model: Any) -> None:
    node = _node(rng, model)
    if not node.input:
        return
    at = rng.randrange(len(node.input))
    match rng.randrange(4):
        case 0:
            node.input[:] = list(reversed(node.input))
        case 1:
            del node.input[at]
        case 2:
            other = _node(rng, model)
            if other.input:
                to = rng.randrange(len(other.input))
                node.input[at], other.input[to] = other.input[to], node.input[at]
        case _:
            node.input[at] = rng.choice(_names(model))


def _kind(rng: random.Random, model: Any) -> None:
    _node(rng, model).op_type = rng.choice(_KINDS)


def _attribute(rng: random.Random, model: Any) -> None:
    node = _node(rng, model)
    if not node.attribute or rng.random() < 0.2:
        donors = [entry for other in model.graph.node for entry in other.attribute]
        if donors:
            node.attribute.append(rng.choice(donors))
        return
    at = rng.randrange(len(node.attribute))
    entry = node.attribute[at]
    if rng.random() < 0.2:
        del node.attribute[at]
    elif entry.ints:
        k = rng.randrange(len(entry.ints))
        if rng.random() < 0.5:
            j = rng.randrange(len(entry.ints))
            entry.ints[k], entry.ints[j] = entry.ints[j], entry.ints[k]
        else:
            entry.ints[k] += rng.choice((-2, -1, 1, 2, 1 << 40))
    elif entry.type == onnx.AttributeProto.INT:
        entry.i += rng.choice((-2, -1, 1, 2, 1 << 40))
    elif entry.type == onnx.AttributeProto.FLOAT:
        entry.f *= rng.choice((0.0, -1.0, 0.5, 2.0, float("nan")))
    elif entry.type == onnx.AttributeProto.TENSOR:
        _damage(rng, entry.t)
    else:
        entry.type = rng.randrange(15)


def _between(rng: random.Random, model: Any) -> None:
    """An operation before an input, mostly one that changes nothing."""
    node = _node(rng, model)
    if not node.input:
        return
    at = rng.randrange(len(node.input))
    name = f"between {len(model.graph.node)}"
    kind = rng.choice(("Identity", "Identity", "Cast", "Dropout", "Transpose", "Relu", "Neg"))
    attributes: dict[str, Any] = {}
    if kind == "Cast":
        attributes["to"] = rng.choice((1, 1, 10, 11, 7))
    if kind == "Transpose":
        attributes["perm"] = rng.sample(range(4), 4)
    model.graph.node.append(onnx.helper.make_node(kind, [node.input[at]], [name], **attributes))
    if kind == "Transpose" and rng.random() < 0.5:
        back = [attributes["perm"].index(k) for k in range(4)]
        model.graph.node.append(onnx.helper.make_node(kind, [name], [f"{name} back"], perm=back))
        name += " back"
    node.input[at] = name


def _remove(rng: random.Random, model: Any) -> None:
    node = _node(rng, model)
    if node.input and node.output:
        node.op_type = "Identity"
        del node.input[1:]
        del node.attribute[:]


def _outputs(rng: random.Random, model: Any) -> None:
    node = _node(rng, model)
    match rng.randrange(4):
        case 0:
            rng.choice(model.graph.output).name = rng.choice(_names(model))
        case 1:
            outputs = list(model.graph.output)
            rng.shuffle(outputs)
            del model.graph.output[:]
            model.graph.output.extend(outputs)
        case 2:
            node.output[:] = rng.sample(list(node.output), len(node.output))
        case _:
            node.output.append(f"more {len(model.graph.node)}")


def _damage(rng: random.Random, tensor: Any) -> None:
    match rng.randrange(5):
        case 0:
            tensor.dims[:] = [size + rng.choice((-1, 0, 0, 1)) for size in tensor.dims]
        case 1:
            tensor.dims[:] = list(reversed(tensor.dims))
        case 2:
            tensor.data_type = rng.randrange(25)
        case 3:
            tensor.dims.append(rng.choice((0, 1, -1, 1 << 40)))
        case _:
            raw = bytearray(tensor.raw_data)
            if raw:
                raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            tensor.raw_data = bytes(raw)


def _tensor(rng: random.Random, model: Any) -> None:
    if model.graph.initializer:
        _damage(rng, rng.choice(model.graph.initializer))


def _metadata(rng: random.Random, model: Any) -> None:
    if model.metadata_props:
        entry = rng.choice(model.metadata_props)
        entry.value = rng.choice(
            (
                "",
                "vocals",
                "drums,vocals",
                "vocals,vocals",
                entry.value.replace("vocals", "drums"),
                entry.value[:-3],
            )
        )


def _move(rng: random.Random, model: Any) -> None:
    nodes = list(model.graph.node)
    nodes.insert(rng.randrange(len(nodes)), nodes.pop(rng.randrange(len(nodes))))
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _opset(rng: random.Random, model: Any) -> None:
    if model.opset_import:
        model.opset_import[0].version = rng.choice((1, 6, 9, 11, 12, 13, 14, 18, 21, 999))


_CHANGES = (
    *(_operand, _operand, _kind, _attribute, _attribute, _attribute, _between, _between),
    *(_remove, _outputs, _tensor, _metadata, _move, _opset),
)


def computed(model: Any, rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """An input (segments, T, F, 2), and the outputs that ONNX Runtime gives; None where it cannot.

    (onnx's own evaluator takes a batch norm of opset 9 with a momentum for one in training.)
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        (given,) = session.get_inputs()
        shape = [size if isinstance(size, int) and size > 0 else 64 for size in given.shape]
        by_channels = shape[0] == 2  # as in sherpa-onnx's files
        shape[1 if by_channels else 0] = 1
        x = rng.random(shape, np.float32)
        outputs = session.run(None, {given.name: x})
    except Exception:  # graphs may be invalid where no output depends on them
        return None
    if by_channels:
        x = np.ascontiguousarray(x.transpose(1, 2, 3, 0))
        outputs = [output.transpose(1, 2, 3, 0) for output in outputs]
    return x, outputs
