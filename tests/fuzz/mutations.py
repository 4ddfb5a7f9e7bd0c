"""Mutations of bytes and of JSON, chosen by a random generator: the same seed makes the same file."""

from __future__ import annotations

import copy
import json
import random
import struct
from typing import Any

_NUMBERS = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)
_ODD: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 64, 1 << 20, 1 << 63, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "a", "a\0b", "\ud800", "a" * 300, "..", "../x", "/x", "a/b", "a\nb", "1e999", [], {}, [[]], {"a": {}},
    ["vocals"], ["vocals", "vocals"], list(range(100)),
)  # fmt: skip


def mutate(rng: random.Random, data: bytes, head: int | None = None) -> bytes:
    """One to four changes; head: most of them among so many first bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        data = _mutate_once(rng, data, head)
    return data


def _mutate_once(rng: random.Random, data: bytes, head: int | None) -> bytes:
    if not data:
        return rng.randbytes(rng.randrange(20))
    end = len(data) if head is None or rng.random() < 0.2 else min(head, len(data))
    at = rng.randrange(end)
    length = rng.choice((1, 2, 4, 8, 16, 64, 512, rng.randrange(1, len(data) + 1)))
    piece = data[at : at + length]
    match rng.randrange(9):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + rng.randbytes(1) + data[at + 1 :]
        case 2 | 3:
            size, kind = rng.choice(((2, "H"), (4, "I"), (8, "Q")))
            number = rng.choice(_NUMBERS) % (1 << 8 * size)
            return data[:at] + struct.pack(rng.choice("<>") + kind, number) + data[at + size :]
        case 4:
            return data[:at]
        case 5:
            return data[:at] + data[at + length :]
        case 6:
            return data[:at] + piece * rng.choice((2, 2, 3, 50)) + data[at + length :]
        case 7:
            return data[:at] + rng.randbytes(length) + data[at + rng.choice((0, length)) :]
        case _:
            to = rng.randrange(len(data))
            return data[:to] + piece + data[to + rng.choice((0, len(piece))) :]


def mutate_json(rng: random.Random, value: Any) -> bytes:
    """JSON text of a value with one to three entries replaced, removed or moved; or with its text damaged."""
    value = copy.deepcopy(value)
    for _ in range(rng.randrange(1, 4)):
        places = _places(value)
        if not places:
            break
        container, key = rng.choice(places)
        match rng.randrange(5):
            case 0:
                del container[key]
            case 1:
                container[key] = {"a": container[key]} if rng.random() < 0.5 else [container[key]] * 2
            case _:
                container[key] = copy.deepcopy(rng.choice(_ODD))
    text = json.dumps(value).encode()
    if rng.random() < 0.2:
        text = mutate(rng, text)
    return b"[" * 20_000 + text if rng.random() < 0.01 else text


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every entry of every list and dictionary, as container and key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    found = [(value, key) for key in keys]
    for key in keys:
        found += _places(value[key])
    return found
