"""Damaged `.safetensors` models: Python, C and every command say the same of each file, in the same words.

The readers' own tests know what they look for; here files are made of seeds. For hours of others:

    SPLEETERRT_FUZZ_SECONDS=600 SPLEETERRT_FUZZ_SEED=7 python -m pytest tests/fuzz/test_model_files.py

`SPLEETERRT_FUZZ_ROUND=123` begins with that round, as a failure names it.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError, safe_open

from spleeterrt import ModelConfig, models
from spleeterrt._kernels import nn
from spleeterrt.errors import ModelError
from spleeterrt.models.checksum import crc32c
from spleeterrt.models.packed import save_packed
from spleeterrt.network.method_plan import network_of
from support import reference

pytestmark = pytest.mark.skipif(not nn.FAST_ISAS, reason="no fast kernels in this build, so nothing for C")

SECONDS = float(os.environ.get("SPLEETERRT_FUZZ_SECONDS", "0"))
SEED = os.environ.get("SPLEETERRT_FUZZ_SEED", "0")
FIRST = int(os.environ.get("SPLEETERRT_FUZZ_ROUND", "1"))
ROUNDS = 1000

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(
    ("vocals", "reste: é"), T=64, F=64, frame_length=256, frame_step=64, conv_n_filters=FILTERS
)
NUMBERS = (
    *[
        "0",
        "1",
        "-0",
        "-1",
        "01",
        "1.0",
        "1.",
        ".5",
        "1e3",
        "1E+2",
        "5e-1",
        "+1",
        "0x10",
        "1e",
        "--1",
        "1e999",
        "-1e999",
        "64.0",
        "NaN",
        "Infinity",
        "null",
        "true",
        "[]",
        '"1"',
    ],
    *map(str, (10**400, 2**31, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64)),
    "1 2",
)
STRINGS = (
    *[
        r'""',
        r'"."',
        r'".."',
        r'"a/b"',
        r'"a\\b"',
        r'"\u0000"',
        r'"a\u0000b"',
        r'"\ud800"',
        r'"\ud83d\ude00"',
        r'"\u00e9"',
        r'"\t"',
        r'"\x41"',
    ],
    *[
        '"vocals"',
        '"F32"',
        '"F16"',
        '"I8"',
        '"F64"',
        '"BF16"',
        '"f32"',
        '"F4"',
        '"F6_E2M3"',
        '"BOOL"',
        '"C64"',
        '"ELU"',
        '"ReLU"',
        '"zeros"',
    ],
    *['"average"', '"unet.softmax_unet"', '"1"', '"2"', '"spleeterrt"', "null", "0", "{}", "[0]"],
    '"\t"',
    '"\x7f"',
    f'"{"x" * 200}"',
    f'"{"x" * 201}"',
)
NUMBER = re.compile(r"(?<![\w.\"\\])-?\d+(?:\.\d+)?")
STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
VALUE = re.compile(r'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|\[[^\[\]{}]*\]|true|false|null')
ENTRY = re.compile(r'"(?:[^"\\]|\\.)*": (?:"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?|\[[^\[\]{}]*\]|\{[^{}]*\})')

Part = dict[str, Any]


def split(raw: bytes) -> tuple[Part, bytes]:
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def join(header: str, data: bytes) -> bytes:
    text = header.encode("utf-8", "surrogatepass")
    return len(text).to_bytes(8, "little") + text + data


# --- JSON text ----------------------------------------------------------------------------------


def replaced(rng: random.Random, text: str, pattern: re.Pattern[str], others: tuple[str, ...]) -> str:
    places = [*pattern.finditer(text)]
    if not places:
        return text
    place = rng.choice(places)
    return text[: place.start()] + rng.choice(others) + text[place.end() :]


def doubled(rng: random.Random, text: str) -> str:
    """A key and its value twice, perhaps with another value or spelling of the key."""
    places = [*ENTRY.finditer(text)]
    if not places:
        return text
    place = rng.choice(places)
    again = place[0]
    if rng.random() < 0.3:
        again = replaced(rng, again, NUMBER, NUMBERS)
    elif rng.random() < 0.4:
        at = next((k for k, letter in enumerate(again) if letter.isalpha()), 1)
        again = f"{again[:at]}\\u{ord(again[at]):04x}{again[at + 1 :]}"
    return f"{text[: place.start()]}{again}, {text[place.start() :]}"


def removed(rng: random.Random, text: str) -> str:
    places = [*re.finditer(ENTRY.pattern + ", ", text)]
    if not places:
        return text
    place = rng.choice(places)
    return text[: place.start()] + text[place.end() :]


def framed(rng: random.Random, text: str) -> str:
    before = rng.choice(("", "", " ", "\n", "\ufeff", "[", "0"))
    after = rng.choice(("", " ", "      ", "\n\t\r", "\0", "{}", "]", ",", "\x0b", "\u00a0", "/**/"))
    return before + text + after


def damaged(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    piece = rng.choice(
        ("", "", '"', "\\", "{", "}", "[", "]", ",", ":", "\0", "\ud800", "é", "\\u", "1", "-", " ")
    )
    return text[:at] + piece + text[at + rng.choice((0, 1, 1, 2, 9)) :]


def mutate_text(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((1, 1, 1, 2))):
        match rng.randrange(9):
            case 0 | 1:
                text = replaced(rng, text, NUMBER, NUMBERS)
            case 2:
                text = replaced(rng, text, STRING, STRINGS)
            case 3:
                text = replaced(rng, text, VALUE, NUMBERS + STRINGS)
            case 4:
                text = doubled(rng, text)
            case 5:
                text = removed(rng, text)
            case 6:
                text = framed(rng, text)
            case _:
                text = damaged(rng, text)
    return text


# --- files --------------------------------------------------------------------------------------


def bytes_changed(rng: random.Random, raw: bytes) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 4))):
        end = len(raw) if rng.random() < 0.3 else min(len(raw), 9000)
        at = rng.randrange(end + 1)
        size = rng.choice((0, 1, 1, 2, 8, 100))
        match rng.randrange(4):
            case 0:
                raw = raw[:at]
            case 1:
                raw = raw[:at] + rng.randbytes(size) + raw[at + size :]
            case 2:
                raw = raw[:at] + rng.randbytes(size) + raw[at:]
            case _:
                raw = raw[:at] + raw[at + size :]
    return raw


def length_changed(rng: random.Random, raw: bytes) -> bytes:
    length = int.from_bytes(raw[:8], "little")
    other = rng.choice(
        (0, 1, length - 1, length + 1, len(raw) - 8, len(raw), 1 << 40, (1 << 63) - 8, (1 << 64) - 1)
    )
    return other.to_bytes(8, "little") + raw[8:]


def header_changed(rng: random.Random, raw: bytes) -> bytes:
    header, data = split(raw)
    return join(mutate_text(rng, json.dumps(header)), data)


def entries_changed(rng: random.Random, raw: bytes) -> bytes:
    """Offsets, shapes and dtypes that go together, or nearly."""
    header, data = split(raw)
    metadata = header.pop("__metadata__")
    names = list(header)
    one, other = (header[name] for name in rng.sample(names, 2))
    match rng.randrange(9):
        case 0:
            one["data_offsets"], other["data_offsets"] = other["data_offsets"], one["data_offsets"]
        case 1:
            one["data_offsets"] = list(other["data_offsets"])
        case 2:
            one["data_offsets"][rng.randrange(2)] += rng.choice((-8, -4, -1, 1, 4, 8))
        case 3:
            one["shape"] = rng.choice(
                ([*one["shape"], 1], one["shape"][::-1], [], [0], [-1], [1 << 53, 1 << 53, 0])
            )
        case 4:
            one["dtype"] = rng.choice(
                ("F32", "F16", "I8", "U8", "U32", "I32", "F64", "BF16", "BOOL", "F4", "C64")
            )
        case 5:
            at = rng.choice((0, len(data), one["data_offsets"][0]))
            header["extra"] = {
                "dtype": "F32",
                "shape": rng.choice(([0], [3, 0], [])),
                "data_offsets": [at, at],
            }
        case 6:
            extra = rng.choice((1, 4, 8))
            entry = {"dtype": rng.choice(("U8", "F4", "X")), "shape": [extra]}
            header["extra"] = {**entry, "data_offsets": [len(data), len(data) + extra]}
            data += bytes(extra)
        case 7:
            del header[rng.choice(names)]
        case _:
            rng.shuffle(names)  # the order in the header means nothing
            header = {name: header[name] for name in names}
    header = (
        {"__metadata__": metadata, **header} if rng.random() < 0.5 else {**header, "__metadata__": metadata}
    )
    return join(json.dumps(header), data)


def metadata_changed(rng: random.Random, raw: bytes) -> bytes:
    header, data = split(raw)
    metadata = header["__metadata__"]
    key = rng.choice((*metadata, "other"))
    match rng.randrange(4):
        case 0:
            metadata[key] = rng.choice((None, 1, {}, [], "", "1", True))
        case 1:
            metadata.pop(key, None)
        case 2:
            header["__metadata__"] = rng.choice((None, 1, [], "x", {}, {"format": "spleeterrt"}))
        case _:
            metadata["crc32c"] = mutate_text(rng, metadata["crc32c"])
    return join(json.dumps(header), data)


def config_changed(rng: random.Random, raw: bytes) -> bytes:
    """The configuration's text, its checksum right."""
    header, data = split(raw)
    metadata = header["__metadata__"]
    config = json.loads(metadata["config"])
    match rng.randrange(4):
        case 0:
            config["instrument_list"] += [f"stem {k}" for k in range(rng.choice((1, 62, 63, 100)))]
        case 1:
            keys = [key for key in config if key != "model"]
            config[rng.choice(keys)] = rng.choice(
                (None, 0, 1, 64, 128, 64.0, 1e3, -1, 2.5, True, "x", [], {}, 1 << 40)
            )
        case 2:
            part = config["model"]["params"]
            widths = ([1] * 6, [1] * 5, [0] * 6, [65536] * 6, [65537] * 6, [1.0] * 6, None, "x", [[1]] * 6)
            part[rng.choice(list(part))] = rng.choice((*widths, "ELU", "Tanh", 3))
        case _:
            pass
    text = json.dumps(config)
    if rng.random() < 0.5:
        text = mutate_text(rng, text)
    text = text.encode("utf-8", "replace").decode()
    checksums = json.loads(metadata["crc32c"])
    metadata.update(config=text, crc32c=json.dumps({**checksums, "": crc32c(text.encode())}))
    return join(json.dumps(header), data)


def numbers_changed(rng: random.Random, raw: bytes) -> bytes:
    """Odd numbers in a tensor, scales above all, its checksum right."""
    header, data = split(raw)
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice([name for name in names if name.endswith("_scale") or rng.random() < 0.1] or names)
    begin, end = header[name]["data_offsets"]
    dtype = {"F32": np.float32, "F16": np.float16, "I8": np.int8}[header[name]["dtype"]]
    values = np.frombuffer(data[begin:end], dtype).copy()
    odd = (np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, 1e-45, 3e38, -128.0, 127.0)
    with np.errstate(all="ignore"):
        values[rng.randrange(len(values))] = np.float64(rng.choice(odd[8:] if dtype == np.int8 else odd))
    metadata = header["__metadata__"]
    checksums = json.loads(metadata["crc32c"])
    metadata["crc32c"] = json.dumps({**checksums, name: crc32c(values)})
    return join(json.dumps(header), data[:begin] + values.tobytes() + data[end:])


CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    bytes_changed, length_changed, header_changed, header_changed, entries_changed, entries_changed,
    metadata_changed, config_changed, config_changed, numbers_changed,
)  # fmt: skip


# --- what is said of them -------------------------------------------------------------------------


def verdict(read: Callable[[Path], Any], path: Path) -> tuple[str, Any]:
    """("", the result) or (why not, None)."""
    try:
        return "", read(path)
    except ModelError as error:
        return str(error), None


def by_c(path: Path) -> Any:
    try:
        return nn.load_model_file(str(path))
    except ValueError as error:
        raise ModelError(str(error)) from error


def check(path: Path) -> bool:
    """Whether the file is a model, after everybody has said the same."""
    refused, loaded = verdict(by_c, path)
    said, python = verdict(models.load, path)
    assert said == refused
    assert verdict(models.verify, path)[0] == refused
    described = verdict(models.info, path)[0]
    assert described in ("", refused) or refused == "" or "expected kernels in" in described
    if refused:
        assert refused.startswith(f"{path}: ")
        return False
    config, weights, _ = python
    fields, network, *_ = loaded
    assert {name: getattr(config, name) for name in fields} == fields
    assert network == network_of(config)
    try:
        with safe_open(
            path, "np"
        ) as file:  # the format's own library finds nothing wrong, and the same numbers
            for stem, tensors in weights.items():
                for name, tensor in tensors.items():
                    stored = file.get_tensor(f"{stem}/{name}")
                    if stored.dtype == np.int8:
                        scales = file.get_tensor(f"{stem}/{name}_scale")
                        transposed = name.startswith("conv2d_transpose")
                        stored = stored * (scales[:, None] if transposed else scales)
                    np.testing.assert_array_equal(tensor, stored.astype(np.float32))
    except SafetensorError as error:
        pytest.fail(f"safetensors refuses it: {error}")
    return True


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("models") / "model.safetensors"
    weights = reference.random_weights(CONFIG.instruments, FILTERS, 5)
    files = []
    for dtype in ("float32", "float16", "int8"):
        save_packed(path, CONFIG, weights, dtype)
        files.append(path.read_bytes())
        assert check(path)
    return files


def test_every_reader_says_the_same(originals: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    number, taken, started = FIRST, 0, time.monotonic()
    while time.monotonic() - started < SECONDS if SECONDS else number < FIRST + ROUNDS:
        rng = random.Random(f"{SEED}/{number}")
        change = rng.choice(CHANGES)
        path.write_bytes(change(rng, rng.choice(originals)))
        try:
            taken += check(path)
        except BaseException as error:
            pytest.fail(f"seed {SEED}, round {number}, {change.__name__}: {error!r}")
        number += 1
    print(f"{number - FIRST} files, {taken} of them taken")
    assert SECONDS or 0 < taken < ROUNDS / 2
