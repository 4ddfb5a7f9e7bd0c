"""The parts of `spleeterrt serve`: its folder, options, limits, and what slow or unlucky clients are told."""

from __future__ import annotations

import errno
import io
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import requests
import soundfile

from spleeterrt import load_model
from spleeterrt.errors import SpleeterError
from spleeterrt.network.model import Model
from spleeterrt.serve import Jobs, Limits, Refused, RunFolder, folder, jobs
from spleeterrt.serve.options import OPTIONS, song_options
from spleeterrt.serve.separation import Separation, cleaned

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("starter:2stems")


def sound(seconds: float = 0.2) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.full((round(44100 * seconds), 2), 0.1), 44100, format="WAV")
    return file.getvalue()


# --- the folder ---------------------------------------------------------------------------


def test_folder_goes_with_its_server(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "base") as one, RunFolder(tmp_path / "base") as other:
        assert one.path != other.path
        assert (one.removed, other.removed) == (0, 0)
        (one.path / "song").mkdir()
        (one.path / "song" / "x.part").write_bytes(b"x")
        one.close()
        assert not one.path.exists()
        assert other.path.is_dir()
    assert list((tmp_path / "base").iterdir()) == []


def test_folder_of_a_dead_server_is_removed(tmp_path: Path) -> None:
    """Its lock is free; folders and files of others stay."""
    dead = tmp_path / "run-0123456789abcdef"
    (dead / "id").mkdir(parents=True)
    (dead / "id" / "song").write_bytes(b"x")
    (tmp_path / "run-0123456789abcdef.lock").touch()
    (tmp_path / "run-of-somebody").mkdir()
    (tmp_path / "notes.lock").touch()
    with RunFolder(tmp_path) as living:
        assert living.removed == 1
        assert not dead.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.lock", "run-of-somebody"]


@posix
def test_usual_folder_is_nobody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder.tempfile, "gettempdir", lambda: str(tmp_path))
    with RunFolder() as mine:
        assert mine.base.stat().st_mode & 0o777 == 0o700
        assert mine.path.stat().st_mode & 0o777 == 0o700
    (base,) = tmp_path.iterdir()
    base.chmod(0o777)
    with pytest.raises(SpleeterError, match="not a folder of this user's alone; choose another --folder"):
        RunFolder()
    base.rmdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    base.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpleeterError, match="not a folder of this user's alone"):
        RunFolder()


def test_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpleeterError, match="songs cannot be kept there"):
        RunFolder(tmp_path / "file")


# --- options ------------------------------------------------------------------------------


def test_defaults_are_those_of_separate(model: Model) -> None:
    """Compared with the command line's own."""
    from spleeterrt.cli.separate import separate

    context = click.Context(separate)
    usual = {param.name: param.get_default(context) for param in separate.params}
    for option in OPTIONS:
        if option.name != "codec":  # from the ending of the names
            assert option.default == usual[option.name], option.name
    files = song_options([], model.config).files
    assert (files["codec"], files["offset"], files["duration"]) == ("wav", 0, None)


def test_what_goes_to_the_separator(model: Model) -> None:
    given = [("short_segments", "yes"), ("mwf", "1"), ("stems", "vocals")]
    settings = song_options(given, model.config).separator
    assert (settings["short_segments"], settings["MWF"], settings["stems"]) == (True, True, ("vocals",))
    assert song_options([], model.config).separator["short_segments"] is False


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("", True), ("YES", True), ("0", False), ("off", False)]
)
def test_flags(model: Model, text: str, value: bool) -> None:
    assert song_options([("downmix", text)], model.config).files["downmix"] is value


def test_paths_are_not_told(tmp_path: Path) -> None:
    job = jobs.Job(tmp_path / "run-1")
    for message, told in {
        f"{job.song}: cannot be read": "the song: cannot be read",
        f"{job.folder}/vocals.wav: no room": "vocals.wav: no room",
        f"{job.folder}: no room": "the results: no room",
        f"cannot write {tmp_path / 'run-1'}": "cannot write the server",
    }.items():
        assert cleaned(message, job) == told


# --- limits -------------------------------------------------------------------------------


@contextmanager
def working(model: Model, place: Path, limits: Limits, **settings: Any) -> Iterator[Jobs]:
    place.mkdir(exist_ok=True)
    running = Jobs(model, place, limits, **settings)
    try:
        yield running
    finally:
        assert running.close()


def separated(running: Jobs, content: bytes) -> jobs.Job:
    job = running.reserve()
    job.song.write_bytes(content)
    job.received = len(content)
    running.submit(job, song_options([], running.model.config))
    wait_for(lambda: job.over)
    return job


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_timeout(model: Model, tmp_path: Path) -> None:
    with working(model, tmp_path / "songs", Limits(timeout=1e-9)) as running:
        job = separated(running, sound())
        assert job.state == "failed"
        assert job.failure is not None
        assert job.failure.code == "timeout"
        assert list((tmp_path / "songs").iterdir()) == []


def test_length_that_no_header_tells(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is also counted while the song is separated."""
    monkeypatch.setattr(Separation, "_check_length", lambda self, job: None)
    with working(model, tmp_path / "songs", Limits(seconds=1)) as running:
        job = separated(running, sound(20))
        assert job.failure is not None
        assert job.failure.code == "too-long"


def test_disk_and_number_are_limited(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_KEPT", 2)
    with working(model, tmp_path / "songs", Limits(disk=200_000)) as running:
        done = separated(running, sound())
        assert done.size == sum(path.stat().st_size for path in done.files.values()) < 200_000
        failed = separated(running, b"no sound")
        second = separated(running, sound())  # the failed one makes room
        with pytest.raises(Refused, match="There is no such song"):
            running.get(failed.id)
        assert running.get(done.id) is done
        with pytest.raises(Refused) as refused:
            running.reserve()
        assert (refused.value.status, refused.value.code) == (503, "too-many")
        monkeypatch.setattr(jobs, "MOST_KEPT", 9)
        running.limits = Limits(disk=done.size + second.size)
        with pytest.raises(Refused) as refused:
            running.reserve()
        assert refused.value.code == "disk-full"
        assert 3000 < int(refused.value.headers["Retry-After"]) <= 3600
        running.remove(done)
        running.discard(running.reserve())


def test_files_stay_while_they_are_read(model: Model, tmp_path: Path) -> None:
    with working(model, tmp_path / "songs", Limits()) as running:
        job = separated(running, sound())
        with running.reading(job):
            running.remove(job)
            assert all(path.exists() for path in job.files.values())
            with pytest.raises(Refused), running.reading(job):
                pass
        assert not job.folder.exists()


# --- clients that are slow, servers that are unlucky ------------------------------------------


@contextmanager
def answering(model: Model, place: Path, **limits: Any) -> Iterator[tuple[str, Jobs]]:
    pytest.importorskip("starlette")
    pytest.importorskip("uvicorn")
    pytest.importorskip("python_multipart")
    from spleeterrt.serve.app import Service
    from spleeterrt.serve.server import Server

    with RunFolder(place) as run, working(model, run.path, Limits(**limits)) as running:
        server = Server(Service(running), "127.0.0.1", 0)
        ready = threading.Event()
        thread = threading.Thread(target=server.serve, args=(ready.set,))
        thread.start()
        assert ready.wait(30)
        try:
            yield server.address, running
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive()
    assert list(place.iterdir()) == []


def connected(address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(address.rstrip("/").rpartition(":")[2])), 30)


def send_for_ever(connection: socket.socket) -> None:
    while True:
        connection.sendall(bytes(1000))


HEAD = b"POST /songs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"


def test_slow_clients(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("starlette")
    from spleeterrt.serve import server, upload

    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(upload, "IDLE_SECONDS", 0.3)
    with answering(model, tmp_path / "songs") as (address, running):
        for nothing in (b"", b"GET / HTTP/1.1\r\nHost: loc"):
            with connected(address) as connection:
                connection.sendall(nothing)
                assert connection.recv(100) == b""
        with connected(address) as connection:
            connection.sendall(HEAD + b"x")
            assert connection.recv(1000).startswith(b"HTTP/1.1 408 ")
        with connected(address) as connection:  # never a pause, but too slow
            connection.settimeout(0.05)
            connection.sendall(HEAD)
            answer = b""
            while not answer:
                connection.sendall(b"x")
                try:
                    answer = connection.recv(1000)
                except TimeoutError:
                    continue
            assert answer.startswith(b"HTTP/1.1 408 ")
        with connected(address) as connection:  # refused, but goes on sending
            connection.sendall(HEAD.replace(b"1000000", b"9" * 12))
            assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
            with pytest.raises(ConnectionError):
                send_for_ever(connection)
        assert running.counts()["uploading"] == 0


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/secret/place"), 507, "disk-full"),
        (OSError(errno.EIO, "Input/output error", "/secret/place"), 500, "unexpected"),
        (RuntimeError("/secret/place"), 500, "unexpected"),
    ],
)
def test_uploads_that_cannot_be_written(
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    code: str,
) -> None:
    pytest.importorskip("starlette")
    from spleeterrt.serve import app

    async def fail(*_arguments: object) -> None:
        raise error

    with answering(model, tmp_path / "songs") as (address, running):
        monkeypatch.setattr(app, "receive_song", fail)
        logging.getLogger("uvicorn.error").propagate = False
        answer = requests.post(f"{address}songs", data=b"x", timeout=30)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert "secret" not in answer.text
        assert running.counts()["uploading"] == 0


def test_separations_that_go_wrong(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is told that much, the log why; the next song is separated."""
    from spleeterrt.separator import Separator

    full = SpleeterError("/secret/place: cannot be written: No space left on device")
    full.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    with answering(model, tmp_path / "songs") as (address, _):
        for error, code in ((full, "disk-full"), (MemoryError("/secret/place"), "unexpected")):
            with monkeypatch.context() as patch:

                def fail(*_arguments: object, error: Exception = error, **_settings: object) -> None:
                    raise error

                patch.setattr(Separator, "separate_to_file", fail)
                song = finished(address, sound())
                assert (song["state"], song["error"]["code"]) == ("failed", code)
                assert "secret" not in str(song)
        assert finished(address, sound())["state"] == "done"


def finished(address: str, content: bytes) -> dict[str, Any]:
    song: dict[str, Any] = requests.post(f"{address}songs", data=content, timeout=30).json()
    while song["state"] in ("waiting", "working"):
        time.sleep(0.02)
        song = requests.get(address.rstrip("/") + song["url"], timeout=30).json()
    return song


def test_addresses(model: Model, tmp_path: Path) -> None:
    pytest.importorskip("starlette")
    from spleeterrt.serve.app import Service
    from spleeterrt.serve.server import Server, is_loopback

    assert [host for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9") if not is_loopback(host)] == []
    assert [host for host in ("0.0.0.0", "::", "192.168.0.1", "example.org") if is_loopback(host)] == []
    with (
        working(model, tmp_path / "songs", Limits()) as running,
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        port = taken.getsockname()[1]
        with pytest.raises(SpleeterError, match=f"cannot listen on 127.0.0.1:{port}.*choose another"):
            Server(Service(running), "127.0.0.1", port)
        with pytest.raises(SpleeterError, match=r"cannot listen on nowhere\.invalid"):
            Server(Service(running), "nowhere.invalid", 0)
