"""Finding models, and downloading them from servers that break off, lie or serve the wrong thing."""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from spleeterrt import models
from spleeterrt.errors import ModelError, SpleeterError
from spleeterrt.models import archive as archive_module
from spleeterrt.models import store, transfer
from spleeterrt.network.config import OFFICIAL_CONFIGS, ModelConfig
from support.checkpoint_writer import random_tensors, write_checkpoint
from support.model_server import (
    BASE,
    Server,
    announce,
    archive_of,
    break_at,
    fail_with,
    ignore_range,
    member,
    serving,
    short_range,
    tar_gz,
    without_length,
    wrong_range,
)

FILTERS = (1, 2, 2, 3, 3, 4)
CONFIG = OFFICIAL_CONFIGS["2stems"].replace(conv_n_filters=FILTERS)
FILES = {".probe", "checkpoint", "model.data-00000-of-00001", "model.index"}
VARIABLES = ("MODEL_PATH", "GITHUB_HOST", "GITHUB_REPOSITORY", "GITHUB_RELEASE")


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without models: its own cache, current folder and environment."""
    for name in (
        *VARIABLES,
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(store, "user_cache", lambda: tmp_path / "cache" / "models")
    monkeypatch.setattr(transfer, "BACKOFF_SECONDS", 0.001)
    return tmp_path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as server:
        monkeypatch.setenv("GITHUB_HOST", server.url)
        yield server


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    write_checkpoint(tmp_path / "made", random_tensors(2, FILTERS))
    return tmp_path / "made"


@pytest.fixture
def archive(checkpoint: Path) -> bytes:
    return archive_of(checkpoint)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Where a download goes."""
    return tmp_path / "cache" / "models" / "2stems"


def assert_whole(target: Path, checkpoint: Path) -> None:
    """The model is there, complete, and nothing else was left but the lock."""
    assert {path.name for path in target.iterdir()} == FILES
    assert (target / ".probe").read_text() == "OK"
    for name in FILES - {".probe"}:
        assert (target / name).read_bytes() == (checkpoint / name).read_bytes()
    assert {path.name for path in target.parent.iterdir()} == {"2stems", ".2stems.lock"}


def listed(name: str) -> models.InstalledModel:
    return next(model for model in models.list_models() if model.name == name)


def assert_nothing(target: Path, *others: str) -> None:
    """No model is there, and nothing was left but the lock and `others`."""
    assert {path.name for path in target.parent.iterdir()} == {".2stems.lock", *others}
    assert listed("spleeter:2stems").path is None


# Names and places


def test_the_pinned_archives(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise AssertionError("a pinned hash needs no request")

    monkeypatch.setattr(requests, "get", no_network)
    release = store.Release.from_environment()
    assert release.url("4stems.tar.gz") == (
        "https://github.com/deezer/spleeter/releases/download/v1.4.0/4stems.tar.gz"
    )
    for name, begin in (("2stems", "f3a90b39"), ("4stems", "3adb4a50"), ("5stems", "25a1e87e")):
        sha256 = store._expected_sha256(release, name)
        assert sha256.startswith(begin)
        assert len(sha256) == 64
    with pytest.raises(ModelError, match="no official model '3stems'"):
        store._expected_sha256(release, "3stems")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "https://github.com/deezer/spleeter/releases/download/v1.4.0/x"),
        ("github.com", "https://github.com/deezer/spleeter/releases/download/v1.4.0/x"),
        ("https://mirror.example/", "https://mirror.example/deezer/spleeter/releases/download/v1.4.0/x"),
        ("http://localhost:8000", "http://localhost:8000/deezer/spleeter/releases/download/v1.4.0/x"),
    ],
)
def test_hosts(monkeypatch: pytest.MonkeyPatch, host: str, url: str) -> None:
    monkeypatch.setenv("GITHUB_HOST", host)
    release = store.Release.from_environment()
    assert release.url("x") == url
    assert release.is_default == ("//github.com" in url)


def test_repository_and_release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/models")
    monkeypatch.setenv("GITHUB_RELEASE", "v2")
    release = store.Release.from_environment()
    assert release.url("x") == "https://github.com/me/models/releases/download/v2/x"
    assert not release.is_default


def test_roots_are_searched_in_order(
    machine: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_PATH", str(machine / "mine"))
    roots = [machine / "mine", machine / "work" / "pretrained_models", machine / "cache" / "models"]
    assert store.model_roots() == roots
    for root in reversed(roots):
        write_checkpoint(root / "2stems", random_tensors(2, FILTERS))
        found = {model.name: model.path for model in models.list_models()}
        assert found["spleeter:2stems"] == found["spleeter:2stems-16kHz"] == root / "2stems"
        assert found["spleeter:4stems"] is None
    monkeypatch.delenv("MODEL_PATH")
    assert store.model_roots() == roots[1:]
    assert models.get("2stems") == roots[1] / "2stems"
    assert listed("spleeter:2stems").bytes == sum(
        path.stat().st_size for path in (roots[1] / "2stems").iterdir()
    )


def test_a_folder_without_an_index_does_not_count(machine: Path, checkpoint: Path) -> None:
    (machine / "work/pretrained_models/2stems").mkdir(parents=True)
    half = machine / "work/pretrained_models/2stems/model.data-00000-of-00001"
    half.write_bytes((checkpoint / half.name).read_bytes())
    assert listed("spleeter:2stems").path is None


def test_user_cache_is_the_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert "spleeterrt" in store.user_cache().parts
    assert store.user_cache().name == "models"


# Downloads that work


@pytest.mark.parametrize("top", ["", "2stems/", "./"])
def test_download(server: Server, target: Path, checkpoint: Path, top: str) -> None:
    server.publish("2stems", archive_of(checkpoint, top, {"._checkpoint": b"finder"}))
    assert models.get("spleeter:2stems") == target
    assert_whole(target, checkpoint)
    assert len(server.archive_requests) == 1
    assert models.get("2stems-16kHz") == target  # the same weights
    assert len(server.archive_requests) == 1


def test_download_goes_to_model_path(
    server: Server, machine: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_PATH", "mine")  # relative to the current folder, as for Spleeter
    server.publish("2stems", archive)
    assert models.get("2stems") == machine / "work" / "mine" / "2stems"
    assert_whole(machine / "work" / "mine" / "2stems", checkpoint)
    assert not (machine / "cache").exists()


def test_other_repository_and_release(
    server: Server, target: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "me/models")
    monkeypatch.setenv("GITHUB_RELEASE", "v9")
    server.publish("2stems", archive, base="/me/models/releases/download/v9")
    models.get("2stems")
    assert_whole(target, checkpoint)


def test_proxy_variables(
    server: Server, target: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("GITHUB_HOST", "http://models.invalid")
    server.publish("2stems", archive)
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert server.requests[-1].path == f"http://models.invalid{BASE}/2stems.tar.gz"


def test_mirror_without_checksums(
    server: Server, target: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish("2stems", archive)
    del server.files[f"{BASE}/checksum.json"]
    with pytest.raises(ModelError, match="wrong archive"):  # held against the pinned hash
        models.get("2stems")
    assert_nothing(target)
    monkeypatch.setitem(store.SHA256, "2stems", hashlib.sha256(archive).hexdigest())
    models.get("2stems")
    assert_whole(target, checkpoint)


@pytest.mark.parametrize("content", [None, b"{}", b"[]", b"not json", b'{"2stems": "1234"}'])
def test_other_release_needs_its_checksums(
    server: Server, target: Path, archive: bytes, content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_RELEASE", "v2")
    base = BASE.replace("v1.4.0", "v2")
    server.publish("2stems", archive, base=base)
    if content is None:
        del server.files[f"{base}/checksum.json"]
    else:
        server.files[f"{base}/checksum.json"] = content
    with pytest.raises(ModelError, match=r"checksum\.json"):
        models.get("2stems")
    assert server.archive_requests == []
    assert_nothing(target)


# Connections that break


def test_a_broken_transfer_is_resumed(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    half, more = len(archive) // 2, len(archive) * 3 // 4
    server.publish("2stems", archive)
    server.script = [break_at(half), break_at(more)]
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert [request.range for request in server.archive_requests] == [
        None,
        f"bytes={half}-",
        f"bytes={more}-",
    ]
    assert sum(request.body for request in server.archive_requests) == len(archive)


def test_a_later_process_resumes(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    half = len(archive) // 2
    server.publish("2stems", archive)
    server.script = [break_at(half)] * transfer.ATTEMPTS
    with pytest.raises(ModelError) as error:
        models.get("2stems")
    message = str(error.value)
    assert f"{server.url}{BASE}/2stems.tar.gz" in message
    assert "broken off" in message
    assert f"put model.index, model.data-00000-of-00001 and checkpoint into {target}" in message
    assert len(server.archive_requests) == transfer.ATTEMPTS
    assert_nothing(target, "2stems.tar.gz.part")

    server.requests.clear()
    models.get("2stems")
    assert [request.range for request in server.archive_requests] == [f"bytes={half}-"]
    assert server.archive_requests[0].body == len(archive) - half
    assert_whole(target, checkpoint)


def test_attempts_that_get_on_do_not_count(
    server: Server, target: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PROGRESS_BYTES", 100)
    server.publish("2stems", archive)
    server.script = [break_at(100 * (n + 1)) for n in range(3 * transfer.ATTEMPTS)]
    models.get("2stems")
    assert len(server.archive_requests) == 3 * transfer.ATTEMPTS + 1
    assert_whole(target, checkpoint)


def test_a_server_that_ignores_ranges(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.script = [break_at(len(archive) // 2), ignore_range]
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert [request.status for request in server.archive_requests] == [200, 200]


def test_a_server_that_ignores_ranges_and_always_breaks(
    server: Server, target: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "PROGRESS_BYTES", 100)
    server.publish("2stems", archive)
    server.script = [lambda handler, content, start: handler.serve(content, 0, 500)] * 50
    with pytest.raises(ModelError, match="broken off"):
        models.get("2stems")
    assert len(server.archive_requests) <= 2 * transfer.ATTEMPTS


def test_a_server_that_sends_another_range(
    server: Server, target: Path, checkpoint: Path, archive: bytes
) -> None:
    server.publish("2stems", archive)
    server.script = [break_at(1000), wrong_range]
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert [request.range for request in server.archive_requests] == [None, "bytes=1000-", None]


def test_a_server_that_sends_less_than_the_range(
    server: Server, target: Path, checkpoint: Path, archive: bytes
) -> None:
    server.publish("2stems", archive)
    server.script = [break_at(1000), short_range]
    models.get("2stems")
    assert_whole(target, checkpoint)
    ranges = [request.range for request in server.archive_requests]
    assert ranges == [None, "bytes=1000-", "bytes=1500-"]


def test_a_part_that_is_already_whole(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    target.parent.mkdir(parents=True)
    target.with_name("2stems.tar.gz.part").write_bytes(archive)
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert [request.status for request in server.archive_requests] == [416]


@pytest.mark.parametrize("length", [100, 1_000_000])
def test_a_part_of_another_archive(
    server: Server, target: Path, checkpoint: Path, archive: bytes, length: int
) -> None:
    server.publish("2stems", archive)
    target.parent.mkdir(parents=True)
    target.with_name("2stems.tar.gz.part").write_bytes(b"\1" * length)
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert server.archive_requests[-1].range is None


def test_an_announced_length_that_is_too_long(server: Server, target: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.script = [announce(1000)] * 50
    with pytest.raises(
        ModelError, match=rf"announced {len(archive) + 1000} bytes and sent {len(archive)}|broken off"
    ):
        models.get("2stems")
    assert len(server.archive_requests) == transfer.ATTEMPTS
    assert_nothing(target, "2stems.tar.gz.part")


def test_an_announced_length_that_is_too_short(server: Server, target: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.script = [announce(-1000)] * 50
    with pytest.raises(ModelError, match=rf"wrong archive \({len(archive) - 1000} bytes\)"):
        models.get("2stems")
    assert_nothing(target)


def test_no_announced_length(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.script = [without_length]
    models.get("2stems")
    assert_whole(target, checkpoint)


def test_passing_errors_are_retried(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    server.script = [fail_with(503), fail_with(429)]
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert [request.status for request in server.archive_requests] == [503, 429, 200]


def test_lasting_errors_are_not(server: Server, target: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    del server.files[f"{BASE}/2stems.tar.gz"]
    with pytest.raises(ModelError, match="404"):
        models.get("2stems")
    assert len(server.archive_requests) == 1
    assert_nothing(target)


def test_offline(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise requests.ConnectionError("Name or service not known")

    monkeypatch.setattr(requests, "get", refuse)
    with pytest.raises(ModelError) as error:
        models.load("spleeter:2stems")
    message = str(error.value)
    assert (
        "cannot download https://github.com/deezer/spleeter/releases/download/v1.4.0/2stems.tar.gz" in message
    )
    assert "Name or service not known" in message
    assert f"put model.index, model.data-00000-of-00001 and checkpoint into {target}" in message


@pytest.mark.parametrize(
    ("name", "starter"), [("2stems", "2stems"), ("4stems-16kHz", "4stems"), ("5stems", "4stems")]
)
def test_a_name_that_is_not_resolved(
    name: str, starter: str, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the real library, once: what failed, what can be had without, how to do it by hand; no noise."""
    asked = []

    def resolve(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(ModelError) as error:
        models.load(f"spleeter:{name}")
    assert asked == ["github.com"]
    first, second, third = str(error.value).splitlines()
    assert first.endswith(
        f"{name.split('-')[0]}.tar.gz: the name github.com cannot be resolved (no network?)"
    )
    assert second.startswith(f"Without a download: -p starter:{starter}, ")
    assert third.startswith("To install the model by hand")
    assert not any(word in str(error.value) for word in ("urllib3", "Pool", "Errno", "retries"))


@pytest.mark.parametrize(
    ("reason", "words", "attempts"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "github.com: Network is unreachable", 1),
        (TimeoutError("timed out"), "github.com does not answer", 1),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
            "Connection refused",
            transfer.ATTEMPTS,
        ),
    ],
)
def test_connections_that_fail(
    reason: OSError, words: str, attempts: int, machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def connect(*_: object, **__: object) -> None:
        asked.append(1)
        raise requests.ConnectionError("HTTPSConnectionPool(...)") from reason

    monkeypatch.setattr(requests, "get", connect)
    with pytest.raises(ModelError, match=f"{words}\n") as error:
        models.load("spleeter:2stems")
    assert len(asked) == attempts
    assert "Pool" not in str(error.value)


@pytest.mark.usefixtures("machine")
def test_a_name_that_is_not_resolved_any_more_is_asked_for_again(
    server: Server, target: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that changes during a download is no reason to give up."""
    server.publish("2stems", archive)
    server.script = [break_at(len(archive) // 2)]
    real, count = requests.get, []

    def get(url: str, **options: Any) -> requests.Response:
        count.append(url)
        if len(count) == 3:  # checksums, the first half, then this
            raise requests.ConnectionError from socket.gaierror(socket.EAI_NONAME, "unknown")
        return real(url, **options)

    monkeypatch.setattr(requests, "get", get)
    models.get("2stems")
    assert len(count) == 4
    assert_whole(target, checkpoint)


# Archives that are wrong


def test_the_wrong_archive(server: Server, target: Path, archive: bytes) -> None:
    server.publish("2stems", archive, checksum="0" * 64)
    with pytest.raises(ModelError, match=f"wrong archive.*{'0' * 64}"):
        models.get("2stems")
    assert len(server.archive_requests) == 1
    assert_nothing(target)


INDEX = (Path(__file__).parents[1] / "data" / "official-2stems.index").read_bytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar_gz(member("../evil", b"x")), "unexpected member '../evil'"),
        (tar_gz(member("2stems/../../evil", b"x")), "unexpected member"),
        (tar_gz(member("/tmp/evil", b"x")), "unexpected member '/tmp/evil'"),
        (tar_gz(member("..\\evil", b"x")), "unexpected member"),
        (tar_gz(member("C:evil", b"x")), "unexpected member"),
        (tar_gz(member("a/b/evil", b"x")), "unexpected member"),
        (tar_gz(member("evil", type=tarfile.SYMTYPE, linkname="/etc/passwd")), "unexpected member 'evil'"),
        (
            tar_gz(member("model.index", type=tarfile.LNKTYPE, linkname="../../outside")),
            "unexpected member 'model.index'",
        ),
        (
            tar_gz(member("up", type=tarfile.SYMTYPE, linkname=".."), member("up/evil", b"x")),
            "unexpected member 'up'",
        ),
        (tar_gz(member("evil", type=tarfile.FIFOTYPE)), "unexpected member 'evil'"),
        (tar_gz(member("evil", type=tarfile.CHRTYPE)), "unexpected member 'evil'"),
        (tar_gz(member("model.index", b"1"), member("model.index", b"2")), "unexpected member 'model.index'"),
        (tar_gz(member("a", b"x"), member("a/b", b"x")), "a file and a folder"),
        (tar_gz(member("readme", b"x")), "no checkpoint here"),
        (tar_gz(), "no checkpoint here|not a readable"),
        (tar_gz(member("model.index", b"garbage")), "model.index: corrupt checkpoint index"),
        (tar_gz(member("model.index", INDEX)), "missing data shard"),
        (
            tar_gz(member("model.index", INDEX), member("model.data-00000-of-00001", bytes(1000))),
            "model.data-00000-of-00001: truncated",
        ),
        (b"garbage" * 1000, "not a readable .tar.gz"),
        (b"", "not a readable .tar.gz"),
        (gzip.compress(b"garbage" * 1000), "not a readable .tar.gz"),
        (tar_gz(member("model.index", os.urandom(9000)))[:4000], "not a readable .tar.gz"),
    ],
    ids=lambda value: value if isinstance(value, str) else "archive",  # bytes hold times, which differ
)
def test_unusable_archives(server: Server, machine: Path, target: Path, content: bytes, message: str) -> None:
    server.publish("2stems", content)
    before = {path for path in machine.rglob("*") if "cache" not in path.parts}
    with pytest.raises(ModelError, match=message) as error:
        models.get("2stems")
    assert f"{server.url}{BASE}/2stems.tar.gz: not a usable model archive" in str(error.value)
    assert_nothing(target)
    assert {path for path in machine.rglob("*") if "cache" not in path.parts} == before
    assert not Path("/tmp/evil").exists()


def test_archives_that_are_too_large(
    server: Server, target: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish("2stems", archive)
    with monkeypatch.context() as patch:
        patch.setattr(archive_module, "MAX_UNPACKED_BYTES", 1000)
        with pytest.raises(ModelError, match="unpacks to too much"):
            models.get("2stems")
        assert_nothing(target)
    with monkeypatch.context() as patch:
        patch.setattr(archive_module, "MAX_MEMBERS", 2)
        with pytest.raises(ModelError, match="unpacks to too much"):
            models.get("2stems")
        assert_nothing(target)
    monkeypatch.setattr(transfer, "MAX_ARCHIVE_BYTES", 1000)
    with pytest.raises(ModelError, match="not a model archive"):
        models.get("2stems")
    assert_nothing(target)


# The folder


def test_a_root_that_cannot_be_written(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (machine / "file").write_text("")
    monkeypatch.setenv("MODEL_PATH", str(machine / "file"))
    with pytest.raises(ModelError, match=r"cannot write the model to .*set MODEL_PATH"):
        models.get("2stems")


def test_a_full_disk(server: Server, target: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    server.publish("2stems", archive)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(ModelError, match=r"cannot write the model to .*No space left"):
        models.get("2stems")
    assert_nothing(target)


@pytest.mark.parametrize("files", [[], ["model.data-00000-of-00001"]])
def test_an_incomplete_folder_gives_way(
    server: Server, target: Path, checkpoint: Path, archive: bytes, files: list[str]
) -> None:
    target.mkdir(parents=True)
    for name in files:
        (target / name).write_bytes(b"half")
    server.publish("2stems", archive)
    models.get("2stems")
    assert {path.name for path in target.iterdir()} == FILES
    aside = [path for path in target.parent.iterdir() if "incomplete" in path.name]
    assert [path.name for folder in aside for path in folder.iterdir()] == files  # kept, not deleted


def test_leftovers_of_a_killed_process_go(
    server: Server, target: Path, checkpoint: Path, archive: bytes
) -> None:
    code = "from pathlib import Path; from spleeterrt.atomic import temporary; print(temporary(Path('.')))"
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    left = target.with_name(process.stdout.strip())
    write_checkpoint(left, random_tensors(2, FILTERS))
    assert listed("spleeter:2stems").path is None
    server.publish("2stems", archive)
    models.get("2stems")
    assert_whole(target, checkpoint)
    assert not left.exists()


def test_two_processes_download_once(
    server: Server, machine: Path, target: Path, checkpoint: Path, archive: bytes
) -> None:
    server.publish("2stems", archive)
    first_came = threading.Event()

    def slowly(handler: Any, content: bytes, start: int) -> None:
        handler.head(200, len(content))
        handler.body(content[:1000])
        first_came.set()
        threading.Event().wait(1)  # the other process comes while this transfer is under way
        handler.body(content[1000:])

    server.script = [slowly]
    environment = {**os.environ, "MODEL_PATH": str(target.parent), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", "from spleeterrt import models; print(models.get('2stems'))"]
    processes = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)]
    assert first_came.wait(30)
    processes += [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert out.decode().strip() == str(target)
    assert len(server.archive_requests) == 1
    assert_whole(target, checkpoint)


def test_two_threads_download_once(server: Server, target: Path, checkpoint: Path, archive: bytes) -> None:
    server.publish("2stems", archive)
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(models.get("2stems"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [target] * 4
    assert len(server.archive_requests) == 1
    assert_whole(target, checkpoint)


def test_where_there_are_no_locks_the_faster_one_wins(
    server: Server, target: Path, checkpoint: Path, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.publish("2stems", archive)
    unpack = archive_module.unpack

    def unpack_late(*arguments: Any) -> None:
        unpack(*arguments)
        write_checkpoint(target, random_tensors(2, FILTERS))
        (target / "theirs").touch()

    monkeypatch.setattr(archive_module, "unpack", unpack_late)
    assert models.get("2stems") == target
    assert (target / "theirs").exists()
    assert {path.name for path in target.parent.iterdir()} == {"2stems", ".2stems.lock"}


# load and the like


def write_config(path: Path, config: ModelConfig = CONFIG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(config.to_dict()))
    return path


def same_weights(source: object, checkpoint: Path) -> bool:
    _, weights, origin = models.load(source)  # type: ignore[arg-type]
    bias = random_tensors(2, FILTERS)["conv2d_8/bias"]
    return origin.exists() and bool(np.array_equal(weights["accompaniment"]["conv2d_1/bias"], bias))


def test_load_a_folder(checkpoint: Path) -> None:
    config, weights, origin = models.load(str(checkpoint))
    assert config == CONFIG.replace(model_dir="")  # inferred
    assert list(weights) == ["vocals", "accompaniment"]
    assert origin == checkpoint
    mine = CONFIG.replace(T=64, F=128, instruments=("voice", "rest"))
    write_config(checkpoint / "config.json", mine)
    config, weights, _ = models.load(checkpoint)
    assert config == mine
    assert list(weights) == ["voice", "rest"]


def test_load_a_configuration(machine: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every place that is searched, from the last to the first."""
    monkeypatch.setenv("MODEL_PATH", str(machine / "mine"))
    config = CONFIG.replace(model_dir="sub/tiny")
    path = write_config(machine / "project" / "models" / "config.json", config)
    project = machine / "project"
    places = [
        machine / "mine" / "sub/tiny",
        machine / "work/pretrained_models/sub/tiny",
        machine / "cache/models/sub/tiny",
        project / "models/sub/tiny",
        project / "sub/tiny",
        project / "models",
    ]
    with pytest.raises(ModelError) as error:
        models.load(path)
    for place in places:
        assert str(place) in str(error.value)
    for place in reversed(places):
        write_checkpoint(place, random_tensors(2, FILTERS))
        loaded, _, origin = models.load(path)
        assert (loaded, origin) == (config, place)


def test_load_a_configuration_with_an_absolute_folder(machine: Path, checkpoint: Path) -> None:
    path = write_config(machine / "project" / "some.cfg", CONFIG.replace(model_dir=str(checkpoint)))
    assert models.load(path)[2] == checkpoint


def test_load_a_folder_with_only_a_configuration(machine: Path, checkpoint: Path) -> None:
    write_config(machine / "project" / "config.json", CONFIG.replace(model_dir=str(checkpoint)))
    assert models.load(machine / "project")[2] == checkpoint


def test_load_a_configuration_of_an_official_model_downloads(
    server: Server, machine: Path, target: Path, checkpoint: Path, archive: bytes
) -> None:
    server.publish("2stems", archive)
    path = write_config(machine / "project" / "config.json")
    assert same_weights(path, checkpoint)
    assert_whole(target, checkpoint)


def test_load_a_configuration_of_another_release_downloads(
    server: Server, machine: Path, checkpoint: Path, archive: bytes
) -> None:
    server.publish("mymodel", archive)
    path = write_config(machine / "project" / "config.json", CONFIG.replace(model_dir="mymodel"))
    assert same_weights(path, checkpoint)
    assert (machine / "cache/models/mymodel/.probe").exists()


def test_load_an_official_model_that_does_not_fit(machine: Path) -> None:
    folder = machine / "work/pretrained_models/2stems"
    write_checkpoint(folder, random_tensors(2, FILTERS))
    with pytest.raises(ModelError) as error:
        models.load("spleeter:2stems")
    message = str(error.value)
    assert "model.index: stem 'vocals', tensor conv2d/kernel: expected shape (5, 5, 2, 16)" in message
    assert f"Remove the folder {folder}" in message


def test_load_and_verify_damaged_models(checkpoint: Path) -> None:
    data = checkpoint / "model.data-00000-of-00001"
    raw = bytearray(data.read_bytes())
    raw[len(raw) // 3] ^= 1
    data.write_bytes(raw)
    for use in (models.load, models.verify):
        with pytest.raises(
            ModelError, match=r"model\.data-00000-of-00001: stem '\w+', tensor \S+: .*checksum"
        ):
            use(checkpoint)


def test_convert(machine: Path, checkpoint: Path) -> None:
    write_config(checkpoint / "config.json", CONFIG.replace(T=64))
    path = models.convert(checkpoint, machine / "tiny.safetensors")
    assert path == machine / "tiny.safetensors"
    assert same_weights(str(path), checkpoint)
    assert models.load(path)[0] == CONFIG.replace(T=64)
    assert models.verify(path).tensors == 2 * 74
    for wrong in ("tiny.npz", "tiny"):
        with pytest.raises(ModelError, match=r"must end in \.safetensors"):
            models.convert(checkpoint, machine / wrong)


def test_info_and_verify(machine: Path, checkpoint: Path) -> None:
    config = CONFIG.replace(model_dir="")
    numbers = sum(value.size for name, value in random_tensors(2, FILTERS).items() if "/" in name)
    size = sum(path.stat().st_size for path in checkpoint.iterdir())
    expected = models.ModelInfo(config, checkpoint, "TensorFlow checkpoint", 149, numbers, size)
    assert models.info(checkpoint) == models.verify(checkpoint) == expected
    missing = models.info("spleeter:4stems")
    assert (missing.config, missing.path, missing.bytes) == (OFFICIAL_CONFIGS["4stems"], None, None)
    with pytest.raises(ModelError, match=r"spleeter:4stems not found.*(.|\n)*models get 4stems"):
        models.verify("spleeter:4stems")


@pytest.mark.parametrize(
    "source", ["4stems", "spleeter:4stem", "spleeter:4Stems", "Spleeter:4stems", "spleter:4stems"]
)
def test_close_names_are_suggested(source: str) -> None:
    with pytest.raises(ModelError, match=r"did you mean spleeter:4stems\?"):
        models.load(source)


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("starter", "starter:4stems or starter:2stems"),
        ("starter:", "starter:4stems or starter:2stems"),
        ("Starter", "starter:4stems or starter:2stems"),
        ("starter:5stems", "starter:4stems"),
        ("starter:2stem", "starter:2stems"),
        ("spleeter", "spleeter:2stems or spleeter:4stems or spleeter:5stems"),
    ],
)
def test_names_of_the_same_family_are_suggested(source: str, meant: str) -> None:
    with pytest.raises(ModelError, match=f"did you mean {re.escape(meant)}\\?"):
        models.load(source)


@pytest.mark.parametrize(
    "source", ["", "nothing", "spleeter:", 5, None, b"spleeter:4stems", ["a"], "a\0b", "x.npz"]
)
def test_other_sources_list_what_is_accepted(machine: Path, source: Any) -> None:
    (machine / "work" / "x.npz").write_bytes(b"PK")
    with pytest.raises(ModelError) as error:
        models.load(source)
    for accepted in ("spleeter:5stems-16kHz", "config.json", "TensorFlow checkpoint", ".safetensors"):
        assert accepted in str(error.value)


def test_missing_files_and_empty_folders(machine: Path) -> None:
    with pytest.raises(SpleeterError, match=r"none\.json not found"):
        models.load("none.json")
    with pytest.raises(ModelError, match=r"none\.safetensors: no such file"):
        models.load("none.safetensors")
    with pytest.raises(ModelError, match="no checkpoint in this folder"):
        models.load(machine)


def test_importing_models_is_light() -> None:
    code = "import sys, spleeterrt.models; print({'requests', 'tqdm', 'safetensors'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    out = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert out.stdout.decode().strip() == "set()"
