"""Releases that nobody should trust: archives, checksums and servers that waste, lie or lead elsewhere."""

from __future__ import annotations

import gzip
import json
import os
import sys
import tarfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spleeterrt import models
from spleeterrt.errors import ModelError
from spleeterrt.models import archive as archives
from spleeterrt.models import store, transfer
from spleeterrt.network.config import OFFICIAL_CONFIGS, ModelConfig
from support.checkpoint_writer import random_tensors, write_checkpoint
from support.model_server import BASE, Handler, Server, archive_of, member, serving, tar_gz

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = OFFICIAL_CONFIGS["2stems"].replace(conv_n_filters=FILTERS)
CHECKSUMS = f"{BASE}/checksum.json"
ARCHIVE = f"{BASE}/2stems.tar.gz"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads go, on a machine without models."""
    for name in ("GITHUB_REPOSITORY", "GITHUB_RELEASE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("MODEL_PATH", str(tmp_path / "models"))
    monkeypatch.setattr(store, "user_cache", lambda: tmp_path / "cache")
    monkeypatch.setattr(transfer, "BACKOFF_SECONDS", 0.001)
    return tmp_path / "models"


@pytest.fixture
def server(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        monkeypatch.setenv("GITHUB_HOST", server.url)
        yield server


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    write_checkpoint(tmp_path / "made", random_tensors(2, FILTERS))
    return archive_of(tmp_path / "made")


def assert_refused(root: Path, message: str, left: tuple[str, ...] = ()) -> None:
    """Nothing is installed, and nothing lies about but the lock and `left`."""
    with pytest.raises(ModelError, match=message):
        models.get("2stems")
    assert sorted(path.name for path in root.iterdir()) == sorted([".2stems.lock", *left])


# --- archives -----------------------------------------------------------------------


def raw_gz(*pieces: bytes) -> bytes:
    """Tar blocks, padded and ended, as they are."""
    padded = [piece.ljust(-len(piece) % 512 + len(piece), b"\0") for piece in pieces]
    return gzip.compress(b"".join(padded) + bytes(1024))


def head(name: str, size: int, **fields: object) -> bytes:
    info, _ = member(name, b"", **fields)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(**keys: str) -> bytes:
    """An extension header for the member that follows."""
    lines = b""
    for key, value in keys.items():
        line = f" {key.replace('_', '.')}={value}\n".encode()
        length = len(line) + 1
        while length != len(str(length)) + len(line):
            length = len(str(length)) + len(line)
        lines += str(length).encode() + line
    block = head("x", len(lines), type=tarfile.XHDTYPE) + lines
    return block.ljust(-len(block) % 512 + len(block), b"\0")


def sparse() -> bytes:
    info = tarfile.TarInfo("model.index")
    info.type = tarfile.GNUTYPE_SPARSE
    return info.tobuf(tarfile.GNU_FORMAT)


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "negative size": (lambda: raw_gz(head("a", -(2**40)), head("b", 5), b"12345"),
                      "a negative size|invalid offset"),  # (the latter tarfile itself, from 2025 on)
    "negative size by extension": (lambda: raw_gz(pax(size="-5"), head("a", 0)), "negative|not a readable"),
    "vast size": (lambda: raw_gz(head("a", 2**40)), "unpacks to too much"),
    "vast extension header": (
        lambda: raw_gz(head("x", 1 << 30, type=tarfile.XHDTYPE), bytes(1 << 20)),
        "a header of 1073741824 bytes",
    ),
    "vast name": (lambda: raw_gz(head("x", 1 << 30, type=tarfile.GNUTYPE_LONGNAME)), "a header of"),
    "extensions of extensions": (lambda: raw_gz(*[pax(comment="x")] * 2000), "headers without end"),
    "a sparse file": (sparse, "not a readable|unexpected member"),
    "a sparse file by extension": (
        lambda: raw_gz(pax(GNU_sparse_map="0,1", GNU_sparse_size="5"), head("a", 1), b"x"),
        "unexpected member",
    ),
    "names that differ in case": (lambda: tar_gz(member("A", b"1"), member("a", b"2")), "unexpected member"),
    "names that differ in form": (
        lambda: tar_gz(member("\u00e9", b"1"), member("e\u0301", b"2")),
        "unexpected member",
    ),
    "half a character": (lambda: tar_gz(member("\udcff", b"1")), "unexpected member"),
    "a line break": (lambda: tar_gz(member("a\nb", b"1")), "unexpected member"),
    "a long name": (lambda: tar_gz(member("a" * 300, b"1")), "unexpected member"),
    "a device of Windows": (lambda: tar_gz(member("nul.txt", b"1")), "unexpected member"),
    "another one": (lambda: tar_gz(member("COM¹", b"1")), "unexpected member"),
    "a dot at the end": (lambda: tar_gz(member("a./b", b"1")), "unexpected member"),
    "an absolute path by extension": (lambda: raw_gz(pax(path="/tmp/evil"), head("a", 0)), "'/tmp/evil'"),
    "a million bytes of zeros": (lambda: gzip.compress(bytes(1 << 20)), "no checkpoint here"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives(name: str, server: Server, root: Path) -> None:
    content, message = HOSTILE[name]
    server.publish("2stems", content())
    tracemalloc.start()
    try:
        assert_refused(root, f"not a usable model archive: .*({message})")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_what_is_skipped_counts_too(server: Server, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small archive that unpacks to much, all of it in a companion file that is left out."""
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr(archives, "_SPARE_BYTES", 1 << 20)
    server.publish("2stems", raw_gz(head("d", 0, type=tarfile.DIRTYPE), *[bytes(1 << 18)] * 12))
    assert_refused(root, "not a usable model archive")
    server.publish("2stems", tar_gz(member("._a", bytes(3 << 20))))
    assert_refused(root, "unpacks to too much")


# --- lists of checksums -------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 500_000, "not a list of checksums"),
        (b'{"2stems": ' + b"9" * 10_000 + b"}", "not a list of checksums"),
        (b" " * (2 << 20), "more than 1048576 bytes"),
        (b"\xff\xfe\xfd", "not a list of checksums"),
        (json.dumps({"2stems": "\ud800" * 64}).encode(), "no SHA-256"),
        (json.dumps({"2stems": ["a" * 64]}).encode(), "no SHA-256"),
    ],
)
def test_lists_of_checksums(server: Server, root: Path, archive: bytes, content: bytes, message: str) -> None:
    server.publish("2stems", archive)
    server.files[CHECKSUMS] = content
    assert_refused(root, rf"checksum\.json.*{message}")
    assert not server.archive_requests


def respond(**headers: str) -> Callable[[Handler, bytes, int], None]:
    """The content, with other headers than it has."""

    def misbehave(handler: Handler, content: bytes, start: int) -> None:
        handler.head(int(headers.pop("status", "200")), None, **headers)
        handler.body(content[start:])

    return misbehave


def test_a_compressed_list_is_not_unpacked(server: Server, root: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.files[CHECKSUMS] = gzip.compress(b" " * (64 << 20))
    server.scripts[CHECKSUMS] = [respond(Content_Encoding="gzip")] * 8
    assert_refused(root, r"checksum\.json: the server sent it compressed")


# --- servers ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Length": "9" * 5000},
        {"Content_Length": "-5"},
        {"Content_Length": "12, 13"},
        {"Content_Length": "\u00b2"},
        {"Content_Encoding": "gzip"},
        {"Content_Encoding": "br, gzip, x"},
    ],
)
def test_absurd_headers(server: Server, root: Path, archive: bytes, headers: dict[str, str]) -> None:
    """The archive is taken if its bytes are right, whatever is said about them; else there is one error."""
    server.publish("2stems", archive)
    server.script += [respond(**headers) for _ in range(transfer.ATTEMPTS)]
    try:
        models.get("2stems")
    except ModelError as failure:
        error = str(failure)
    else:
        error = ""
    assert "cannot download" in error if error else (root / "2stems" / "model.index").is_file()


@pytest.mark.parametrize(
    "given", ["bytes 100-" + "9" * 5000 + "/*", "bytes 100-200/" + "9" * 5000, "bytes \u00b2-5/9", "x"]
)
def test_absurd_ranges(server: Server, root: Path, archive: bytes, given: str) -> None:
    server.publish("2stems", archive)
    root.mkdir()
    (root / "2stems.tar.gz.part").write_bytes(archive[:100])
    server.script += [respond(status="206", Content_Range=given)]
    models.get("2stems")
    assert (root / "2stems" / "model.index").is_file()


def test_a_length_that_no_model_has(server: Server, root: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.script.append(respond(Content_Length=str(1 << 40)))
    assert_refused(root, f"{1 << 40} bytes: not a model archive")


def test_a_trickle_is_given_up(
    server: Server, root: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then keeps every timeout between two reads from ending the wait."""
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.05)

    def trickle(handler: Handler, content: bytes, start: int) -> None:
        handler.head(200, 1 << 20)
        try:
            while True:
                handler.body(b"x")
                handler.wfile.flush()
                time.sleep(0.005)
        except OSError:
            pass  # given up

    server.publish("2stems", archive)
    server.script += [trickle] * transfer.ATTEMPTS
    assert_refused(root, r"bytes in \d+ seconds", ("2stems.tar.gz.part",))
    server.scripts[CHECKSUMS] = [trickle] * transfer.ATTEMPTS
    assert_refused(root, r"checksum\.json: .*bytes in \d+ seconds", ("2stems.tar.gz.part",))


def test_headers_that_trickle_are_given_up(
    server: Server, root: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "ANSWER_SECONDS", 0.1)

    def trickle(handler: Handler, content: bytes, start: int) -> None:
        try:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(400):  # two seconds
                handler.body(b"x")
                handler.wfile.flush()
                time.sleep(0.005)
        except OSError:
            pass  # given up

    server.publish("2stems", archive)
    server.files[CHECKSUMS] = b"{}"
    server.scripts[CHECKSUMS] = [trickle] * transfer.ATTEMPTS
    assert_refused(root, r"checksum\.json: no answer within 0\.1 seconds")


def redirect(to: str, body: bytes = b"") -> Callable[[Handler, bytes, int], None]:
    def answer(handler: Handler, content: bytes, start: int) -> None:
        handler.head(302, None, Location=to)
        try:
            for _ in range(1 << 20):
                if not body:
                    break
                handler.body(body)
        except OSError:
            pass  # nobody listens

    return answer


def test_redirections(server: Server, root: Path, archive: bytes) -> None:
    """Are followed, without reading what comes with them."""
    server.publish("2stems", archive)
    server.files["/elsewhere.tar.gz"] = archive
    server.script.append(redirect("/elsewhere.tar.gz", body=bytes(1 << 16)))
    models.get("2stems")
    assert [request.path for request in server.archive_requests] == [ARCHIVE, "/elsewhere.tar.gz"]


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (ARCHIVE, "more than 10 redirections"),
        ("file:///etc/passwd", "cannot download"),
        ("http://[", "cannot download"),
        ("http://" + "a" * 300 + "/x", "cannot download"),
        ("", "cannot download"),
    ],
)
def test_redirections_to_nowhere(server: Server, root: Path, archive: bytes, to: str, message: str) -> None:
    server.publish("2stems", archive)
    server.script += [redirect(to)] * 60
    assert_refused(root, message)


# --- places -------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes")
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe"])
def test_the_part_is_a_file_of_our_own(
    kind: str, server: Server, root: Path, archive: bytes, tmp_path: Path
) -> None:
    server.publish("2stems", archive)
    root.mkdir()
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    part = root / "2stems.tar.gz.part"
    if kind == "pipe":
        os.mkfifo(part)
    else:
        part.symlink_to(precious if kind == "link" else tmp_path / "new")
    models.get("2stems")
    assert (root / "2stems" / "model.index").is_file()
    assert precious.read_bytes() == b"mine"
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="links")
def test_the_lock_is_not_a_link(server: Server, root: Path, archive: bytes, tmp_path: Path) -> None:
    server.publish("2stems", archive)
    root.mkdir()
    (root / ".2stems.lock").symlink_to(tmp_path / "new")
    with pytest.raises(ModelError, match="cannot write the model"):
        models.get("2stems")
    assert not (tmp_path / "new").exists()


def config_file(folder: Path, model_dir: str) -> Path:
    folder.mkdir()
    path = folder / "config.json"
    path.write_text(json.dumps(CONFIG.replace(model_dir=model_dir).to_dict()))
    return path


@pytest.mark.parametrize("inside", ["2stems", "mine/2stems", "./2stems"])
def test_a_configurations_folder_is_inside_of_the_root(
    inside: str, server: Server, root: Path, archive: bytes, tmp_path: Path
) -> None:
    server.publish("2stems", archive)
    assert models.load(config_file(tmp_path / "config", inside))[2] == root / inside


@pytest.mark.parametrize("outside", ["../2stems", "a/../../2stems", "{home}/2stems", "2stems/.."])
def test_a_configuration_does_not_say_where_else_to_download(
    outside: str, server: Server, root: Path, archive: bytes, tmp_path: Path
) -> None:
    """It comes from anywhere, and what it names may be a user's folder."""
    server.publish("2stems", archive)
    mine = tmp_path / "2stems"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    path = config_file(tmp_path / "config", outside.format(home=tmp_path))
    with pytest.raises(ModelError, match="not found"):
        models.load(path)
    assert not server.requests
    assert [file.name for file in mine.iterdir()] == ["thesis.txt"]


def test_a_folder_of_a_user_stays_where_it_is(server: Server, root: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    (root / "2stems").mkdir(parents=True)
    (root / "2stems" / "thesis.txt").write_text("mine")
    with pytest.raises(ModelError, match=r"in the way of the model.*'thesis\.txt'"):
        models.get("2stems")
    assert (root / "2stems" / "thesis.txt").read_text() == "mine"


def test_a_foreign_configuration_beside_its_weights(tmp_path: Path, archive: bytes) -> None:
    """A folder that a configuration names is read wherever it is: only downloads have a place."""
    path = config_file(tmp_path / "config", str(tmp_path / "made"))
    assert models.load(path)[0] == ModelConfig.from_file(path)
