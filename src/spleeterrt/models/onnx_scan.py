"""How much a parser of protocol buffers would make of an ONNX file, found without making it.

Two bytes can be a whole operation, which takes a hundred in memory: 50 MB on disk would be 4 GB. So fields
are counted first, wherever they stand for something that is allocated.
"""

from __future__ import annotations

from typing import TypeAlias

from .onnx_graph import Foreign
from .table import Malformed, varint

MOST_FIELDS = 200_000  # PyTorch's export of a stem has 3,000
MOST_BYTES = 16 << 20  # of everything but numbers: names, comments, shapes

Message: TypeAlias = "dict[int, Message | None]"
"""The fields that are messages; None: plain numbers, which take as much memory as they do in the file."""

# Numbers of onnx.proto.
_TENSOR: Message = {4: None, 5: None, 9: None, 10: None, 13: {}}
_SHAPE: Message = {1: {}}
_VALUE: Message = {2: {1: {2: _SHAPE}}, 4: {}}
_GRAPH: Message = {
    5: _TENSOR,
    11: _VALUE,
    12: _VALUE,
    13: _VALUE,
    14: {2: {}},
    15: {1: _TENSOR, 2: _TENSOR},
    16: {},
}
_ATTRIBUTE: Message = {5: _TENSOR, 6: _GRAPH, 10: _TENSOR, 11: _GRAPH}
_NODE: Message = {5: _ATTRIBUTE, 9: {}}
_GRAPH[1] = _NODE
_FUNCTION: Message = {7: _NODE, 9: {}, 11: _ATTRIBUTE, 12: _VALUE, 14: {}}
_MODEL: Message = {7: _GRAPH, 8: {}, 14: {}, 20: {1: _GRAPH, 2: _GRAPH, 3: {}, 4: {}}, 25: _FUNCTION}


def check_size(content: bytes) -> None:
    """Raise `Foreign` for a file with more in it than any export of this network."""
    fields = others = 0
    pending = [(memoryview(content), _MODEL)]
    try:
        while pending:
            data, message = pending.pop()
            at = 0
            while at < len(data):
                tag, at = varint(data, at)
                number, wire = tag >> 3, tag & 7
                start = at
                if wire == 0:
                    _, at = varint(data, at)
                elif wire == 2:
                    size, start = varint(data, at)
                    at = start + size
                elif wire in (1, 5):
                    at += 8 if wire == 1 else 4
                else:
                    raise Malformed(f"unknown wire type {wire}")
                if at > len(data):
                    raise Malformed("a field runs past its end")
                fields += 1
                inner = message.get(number, {}) if wire == 2 and number in message else None
                if inner is not None:
                    pending.append((data[start:at], inner))
                elif number not in message:
                    others += at - start
                if fields > MOST_FIELDS or others > MOST_BYTES:
                    raise Foreign(
                        "it has more operations, names or comments than any export of a Spleeter network"
                    )
    except Malformed as error:
        raise Foreign(f"not a readable ONNX file: {error}") from error
