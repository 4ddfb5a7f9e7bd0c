"""What is done with damaged model files. A target makes a file of a round's random generator and reads it."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import socket
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mutations import mutate, mutate_json

from spleeterrt import Model, models
from spleeterrt.errors import SpleeterError
from spleeterrt.models import archive, checkpoint, coefficients, store, transfer
from spleeterrt.models.table import read_items
from spleeterrt.network.config import ModelConfig
from support.checkpoint_writer import random_tensors, table, write_checkpoint, write_v1
from support.model_server import archive_of

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = ModelConfig(
    instruments=("vocals", "accompaniment"),
    T=64,
    F=64,
    frame_length=256,
    frame_step=64,
    conv_n_filters=FILTERS,
)
SHERPA = Path(__file__).parents[1] / "data" / "sherpa" / "vocals.onnx"
Target = Callable[[random.Random, int], None]
"""Runs one round; round 0 is of the undamaged file. SpleeterErrors are what should come."""


def _tensors() -> dict[str, np.ndarray]:
    tensors = random_tensors(2, FILTERS)
    return {
        name: value - 1 if name.endswith(("kernel", "bias")) else value for name, value in tensors.items()
    }


def _empty(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


# --- ONNX ---------------------------------------------------------------------------


def _exports(folder: Path) -> list[Path]:
    """A sigmoid model's stem, a softmax model's stems, and one in sherpa-onnx's layout."""
    from spleeterrt.models.onnx_files import save_onnx

    paths = []
    for kind, stems in (("unet", ("vocals",)), ("softmax_unet", ("vocals", "drums"))):
        config = CONFIG.replace(instruments=stems, model_type=f"unet.{kind}")
        write_checkpoint(folder / kind, _tensors())
        tensors = checkpoint.open_checkpoint(folder / kind, CONFIG)
        weights = dict(zip(stems, tensors.values(), strict=False))
        paths += save_onnx(folder / kind, config, weights)
    return [*paths, SHERPA]


def onnx_bytes(folder: Path) -> Target:
    originals = [path.read_bytes() for path in _exports(folder)]
    file = folder / "vocals.onnx"

    def run(rng: random.Random, number: int) -> None:
        data = rng.choice(originals)
        file.write_bytes(mutate(rng, data) if number else data)
        models.load(file)

    return run


def onnx_graph(folder: Path) -> Target:
    """Graphs that are valid, but other ones. What is read all the same has to compute what the graph does."""
    import onnx
    from graphs import computed, mutate_graph

    originals = [onnx.load(str(path)) for path in _exports(folder)]
    file = folder / "vocals.onnx"

    def run(rng: random.Random, number: int) -> None:
        model = onnx.ModelProto()
        model.CopyFrom(rng.choice(originals))
        if number:
            mutate_graph(rng, model)
        file.write_bytes(model.SerializeToString())
        config, weights, _ = models.load(file)
        expected = computed(model, np.random.default_rng(number))
        if expected is None:
            return  # onnx itself cannot
        x, outputs = expected
        got = Model(config, weights).predict(x, threads=1)
        halves = any(a.name == "to" and a.i == 10 for node in model.graph.node for a in node.attribute)
        limit = 5e-2 if halves else 2e-4  # float16 on the way, float32 here
        own = {entry.key: entry.value for entry in model.metadata_props}
        stems = own["stems"].split(",") if "spleeterrt_config" in own else list(got)
        for stem, output in zip(stems, outputs, strict=True):
            if np.isfinite(output).all():
                np.testing.assert_allclose(got[stem], output, atol=limit, err_msg=f"another network: {stem}")

    return run


# --- checkpoints --------------------------------------------------------------------


def _use(folder: Path) -> None:
    """All that is done with a checkpoint's folder."""
    if checkpoint.has_checkpoint(folder):
        models.info(folder)
    models.load(folder)
    models.verify(folder)


def checkpoint_bytes(folder: Path) -> Target:
    """Damage anywhere, mostly found by checksums."""
    write_checkpoint(folder / "v2", _tensors(), shards=2)
    write_v1(folder / "v1", _tensors())
    damaged = folder / "damaged"

    def run(rng: random.Random, number: int) -> None:
        original = folder / rng.choice(("v1", "v2"))
        shutil.rmtree(damaged, ignore_errors=True)
        shutil.copytree(original, damaged)
        if number:
            victim = rng.choice(sorted(damaged.iterdir()))
            victim.write_bytes(mutate(rng, victim.read_bytes()))
        _use(damaged)

    return run


def checkpoint_table(folder: Path) -> Target:
    """Other entries under right checksums."""
    index = write_checkpoint(folder / "v2", _tensors(), partitioned=["conv2d_1/kernel", "conv2d_8/bias"])
    (v1,) = write_v1(folder / "v1", _tensors(), partitioned=["conv2d_1/kernel"])
    originals = {}
    for path in (index, v1):
        data = path.read_bytes()
        originals[path] = [(item.key, item.value) for item in read_items(io.BytesIO(data), len(data))]

    def run(rng: random.Random, number: int) -> None:
        path = rng.choice(sorted(originals))
        items = list(originals[path])
        for _ in range(rng.randrange(1, 4) if number else 0):
            at = rng.randrange(len(items)) if rng.random() < 0.8 else 0
            key, value = items[at]
            match rng.randrange(6):
                case 0:
                    del items[at]
                case 1:
                    items[at] = mutate(rng, key), value
                case 2:
                    items.insert(at, items[rng.randrange(len(items))])
                case _:
                    items[at] = key, mutate(rng, value, 40)
            if not items:
                return
        if rng.random() < 0.7:
            items.sort()
        data = table(items, rng.choice((1, 7, 40, 1000)))
        path.write_bytes(mutate(rng, data) if number and rng.random() < 0.1 else data)
        _use(path.parent)

    return run


# --- others -------------------------------------------------------------------------


def config_json(folder: Path) -> Target:
    write_checkpoint(folder / "2stems", _tensors())
    original = CONFIG.replace(model_dir="2stems").to_dict()
    file = folder / "config.json"

    def run(rng: random.Random, number: int) -> None:
        file.write_bytes(mutate_json(rng, original) if number else json.dumps(original).encode())
        config = ModelConfig.from_file(file)
        assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
        models.load(file)

    return run


def coefficient_files(folder: Path) -> Target:
    tensors = dict(checkpoint.open_checkpoint(write_checkpoint(folder / "c", _tensors()).parent, CONFIG))
    coefficients.save_coefficients(folder / "original", CONFIG, tensors)
    original = (folder / "original" / "vocals.dat").read_bytes()
    file = folder / "vocals.dat"

    def run(rng: random.Random, number: int) -> None:
        file.write_bytes(mutate(rng, original) if number else original)
        models.load({"vocals": file}, config=CONFIG)

    return run


def _resigned(data: bytearray) -> bytes:
    """A tar file with right checksums in what looks like headers."""
    for at in range(0, len(data) - 511, 512):
        if data[at + 257 : at + 262] == b"ustar":
            data[at + 148 : at + 156] = b" " * 8
            data[at + 148 : at + 156] = b"%06o\0 " % sum(data[at : at + 512])
    return bytes(data)


def archives(folder: Path) -> Target:
    """Nothing may be written outside of the folder, nor anything but files."""
    write_checkpoint(folder / "made", _tensors())
    original = gzip.decompress(archive_of(folder / "made"))
    long = tarfile.TarInfo("a" * 150)
    long.pax_headers = {"comment": "b" * 300}
    original = long.tobuf(tarfile.PAX_FORMAT) + original
    path, inside = folder / "a.tar.gz", folder / "inside"
    around = [*os.listdir(folder), "a.tar.gz", "inside"]

    def run(rng: random.Random, number: int) -> None:
        data = original
        if number:
            at = 512 * rng.randrange(len(data) // 512)
            data = data[:at] + mutate(rng, data[at:], 512)
            if rng.random() < 0.8:
                data = _resigned(bytearray(data))
        packed = gzip.compress(data, 1)
        path.write_bytes(mutate(rng, packed) if number and rng.random() < 0.1 else packed)
        try:
            archive.unpack(path, _empty(inside))
        finally:
            assert sorted(os.listdir(folder)) == sorted(around), "something was written outside"
            for file in inside.rglob("*"):
                assert not file.is_symlink(), file
                assert file.is_file() or file.is_dir(), file

    return run


def releases(folder: Path) -> Target:
    """A server that answers with damaged responses."""
    write_checkpoint(folder / "made", _tensors())
    content = archive_of(folder / "made")
    answers: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            with client:
                client.settimeout(5)
                try:
                    client.recv(65536)
                    client.sendall(answers.pop(0) if answers else b"")
                except OSError:
                    pass

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, args=(listener,), daemon=True).start()
    os.environ.update(GITHUB_HOST=f"http://127.0.0.1:{listener.getsockname()[1]}", NO_PROXY="127.0.0.1")
    for name, value in (("BACKOFF_SECONDS", 0.0), ("TIMEOUT_SECONDS", (1.0, 1.0)), ("STALL_SECONDS", 1.0)):
        setattr(transfer, name, value)
    sums = json.dumps({"2stems": transfer._sha256(_file(folder / "archive", content))}).encode()

    def response(rng: random.Random, body: bytes, damaged: bool) -> bytes:
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
        if damaged and rng.random() < 0.5:
            head = rng.choice(
                (
                    "HTTP/1.1 206 OK\r\nContent-Range: bytes 5-9/10\r\n",
                    "HTTP/1.1 416 OK\r\nContent-Range: bytes */10\r\n",
                    "HTTP/1.1 302 OK\r\nLocation: /x\r\n",
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n",
                    "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n",
                    "HTTP/1.0 500 X\r\n",
                )
            )
        whole = head.encode() + b"\r\n" + body
        return mutate(rng, whole, len(head) + 8) if damaged else whole

    def run(rng: random.Random, number: int) -> None:
        root = _empty(folder / "root")
        answers[:] = [response(rng, sums, number > 0 and rng.random() < 0.3)]
        answers.extend(response(rng, content, number > 0 and rng.random() < 0.8) for _ in range(8))
        if number and rng.random() < 0.3:
            (root / "2stems.tar.gz.part").write_bytes(content[: rng.randrange(len(content))])
        try:
            store.download("2stems", root / "2stems", progress=False)
        except SpleeterError:
            assert not (root / "2stems").exists()
            raise
        models.verify(root / "2stems")  # what was installed is whole

    return run


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


TARGETS: dict[str, Callable[[Path], Target]] = {
    "onnx_bytes": onnx_bytes,
    "onnx_graph": onnx_graph,
    "checkpoint_bytes": checkpoint_bytes,
    "checkpoint_table": checkpoint_table,
    "config_json": config_json,
    "coefficient_files": coefficient_files,
    "archives": archives,
    "releases": releases,
}
