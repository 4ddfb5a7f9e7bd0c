"""`spleeterrt serve`: songs over HTTP, by a real client against a server in a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import socket
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile

from spleeterrt import Separator
from support.service import MODEL, Service, served

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("python_multipart")

MOST_BYTES, MOST_SECONDS = 1_000_000, 6
posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


def noise(seconds: float, seed: int = 0) -> bytes:
    """A WAV file."""
    rng = np.random.default_rng(seed)
    file = io.BytesIO()
    soundfile.write(file, rng.uniform(-0.5, 0.5, (round(44100 * seconds), 2)), 44100, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def song() -> bytes:
    return noise(1.0)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service") / "songs"
    limits = ("--max-size", str(MOST_BYTES), "--max-seconds", str(MOST_SECONDS), "--max-queue", "8")
    with served(folder, *limits) as running:
        yield running
        assert running.end() == 0
        assert "Traceback" not in running.log
        assert running.log.endswith("Stopped.\n")
        assert list(folder.iterdir()) == []


def message(answer: requests.Response) -> str:
    return f"{answer.status_code} {answer.json()['error']['code']}: {answer.json()['error']['message']}"


# --- songs ----------------------------------------------------------------------------


def in_pieces(content: bytes) -> Iterator[bytes]:
    """Chunked, without a length."""
    for start in range(0, len(content), 50_000):
        yield content[start : start + 50_000]


@pytest.mark.parametrize("way", ["PUT", "POST", "chunked", "form"])
def test_stems_are_those_of_separate(service: Service, song: bytes, tmp_path: Path, way: str) -> None:
    if way == "form":  # options before and after the file, and in the address
        parts = [("stems", (None, "vocals")), ("any", ("../../x.wav", song)), ("bit_depth", (None, "int24"))]
        shown = service.song(None, "/songs?mode=direct", files=parts)
    elif way == "PUT":
        answer = service.ask("PUT", "/songs?mode=direct&stems=vocals&bit_depth=int24", data=song)
        shown = answer.json()
        assert answer.status_code == 202
    else:
        content = in_pieces(song) if way == "chunked" else song
        shown = service.song(content, "/songs?mode=direct&stems=vocals&bit_depth=int24")
    assert (shown["bytes"], shown["error"], shown["stems"]) == (len(song), None, [])
    assert shown["options"] == {"mode": "direct", "stems": ["vocals"], "bit_depth": "int24"}
    shown = service.wait(shown)
    assert (shown["state"], shown["progress"], shown["seconds"]) == ("done", 1.0, 1.0)
    (stem,) = shown["stems"]
    assert (stem["name"], stem["file"]) == ("vocals", "vocals.wav")
    answer = service.ask("GET", stem["url"])
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="vocals.wav"'
    (tmp_path / "song.wav").write_bytes(song)
    separator = Separator(MODEL, mode="direct", stems=["vocals"])
    files = separator.separate_to_file(tmp_path / "song.wav", tmp_path, bit_depth="int24")
    assert answer.content == files["vocals"].read_bytes()
    assert stem["bytes"] == len(answer.content)


def test_events_ranges_and_zip(service: Service, song: bytes) -> None:
    shown = service.song(song, "/songs?codec=flac")
    told = list(service.events(shown))
    names = [name for name, _ in told]
    assert names[-3:] == ["stem", "stem", "done"]
    assert set(names[:-3]) == {"progress"}
    fractions = [data["progress"] for name, data in told if name == "progress" and data["progress"]]
    assert fractions == sorted(fractions)
    assert [data["file"] for name, data in told if name == "stem"] == ["vocals.flac", "accompaniment.flac"]
    done = told[-1][1]
    assert list(service.events(done))[-1] == ("done", done)  # once more, afterwards

    url = done["stems"][0]["url"]
    whole = service.ask("GET", url)
    assert whole.headers["Accept-Ranges"] == "bytes"
    part = service.ask("GET", url, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])
    tail = service.ask("GET", url, headers={"Range": "bytes=-7", "If-Range": whole.headers["ETag"]})
    assert (tail.status_code, tail.content) == (206, whole.content[-7:])
    beyond = service.ask("GET", url, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    head = service.ask("HEAD", url)
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(whole.content)))

    answer = service.ask("GET", done["zip"])
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["vocals.flac", "accompaniment.flac"]
        assert archive.read("vocals.flac") == whole.content
    head = service.ask("HEAD", done["zip"])
    assert (head.status_code, head.headers.get("Content-Length")) == (200, None)


def test_karaoke_and_warnings(service: Service) -> None:
    """What the song is warned of is told to its client, without paths."""
    file = io.BytesIO()
    soundfile.write(file, np.full((44100, 3), 0.1), 44100, format="WAV")
    shown = service.wait(service.song(file.getvalue(), "/songs?karaoke&codec=mp3&bitrate=129k"))
    assert [stem["file"] for stem in shown["stems"]] == ["no_vocals.mp3"]
    assert any("channels" in text for text in shown["warnings"])
    assert any("129k" in text for text in shown["warnings"])
    assert str(service.folder) not in str(shown)


@pytest.mark.parametrize(
    ("length", "told"),
    [(2 * 44100 * 4, "the song: the file says 88200 frames, only 44100 could be decoded (1.0 of 2.0 s)"),
     (0xFFFFFFF0, "the song: its header does not say how long it is: read to the end, 1.000 s")],
)  # fmt: skip
def test_headers_that_promise_more_are_told_of(service: Service, song: bytes, length: int, told: str) -> None:
    content = bytearray(song)
    assert content[36:40] == b"data"
    content[40:44] = length.to_bytes(4, "little")
    (*_, (name, end)) = service.events(service.song(bytes(content), "/songs?stems=vocals"))
    assert (name, end["seconds"], end["warnings"]) == ("done", 1.0, [told])
    assert service.ask("GET", end["url"]).json()["warnings"] == [told]


def test_removed_songs_are_gone(service: Service, song: bytes) -> None:
    shown = service.wait(service.song(song))
    folder = next(service.folder.glob(f"run-*/{shown['id']}"))
    assert sorted(path.name for path in folder.iterdir()) == ["accompaniment.wav", "vocals.wav"]
    assert service.ask("DELETE", shown["url"]).status_code == 204
    assert not folder.exists()
    for url in (shown["url"], shown["zip"], shown["stems"][0]["url"], shown["events"]):
        assert service.ask("GET", url).status_code == 404
    assert service.ask("DELETE", shown["url"]).status_code == 404


# --- what is refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("stem=vocals", "no option 'stem'"),
        ("mode=ratio&mode=direct", "mode comes twice"),
        ("mode=best", "expected one of ratio, direct, residual, three"),
        ("mode=three", "three"),  # the model cannot
        ("mode=direct&mwf", "mwf: the Wiener filter needs"),
        ("mwf=yes&full_band=1", "full_band"),
        ("mwf=maybe", "expected true or false"),
        ("stems=piano", "piano"),
        ("stems=,", "names of stems"),
        ("two_stems=../../etc/passwd", "passwd"),
        ("karaoke&stems=vocals", "leave out one or the other"),
        ("codec=exe", "expected one of wav"),
        ("codec=flac&bit_depth=float32", "flac files cannot hold float32"),
        ("codec=mp3&sample_rate=96000", "mp3 files cannot have 96000 Hz"),
        ("codec=mp3&bitrate=fast", "bitrate"),
        ("clip=none", "float32"),
        ("tags&codec=caf", "tags"),
        ("sample_rate=12", "1000 to 768000"),
        ("offset=-1", "a number from 0"),
        ("offset=nan", "a number from 0"),
        ("duration=0", "a number from 0.001"),
        ("track=0", "a number from 1"),
        ("above_band=2", "from 0 to 1"),
        ("output=/etc", "no option"),
        ("filename_format=../x", "no option"),
        ("stems=" + "x" * 5000, "names of stems"),
    ],
)
def test_options_that_make_no_sense(service: Service, query: str, reason: str) -> None:
    answer = service.ask("POST", f"/songs?{query}", data=b"not looked at")
    assert answer.status_code == 400
    assert message(answer).startswith("400 options: ")
    assert reason in message(answer)


def form(*parts: tuple[str, str | None, bytes], end: bytes = b"--\r\n") -> dict[str, Any]:
    lines = []
    for name, filename, content in parts:
        file = "" if filename is None else f'; filename="{filename}"'
        lines += [b"--border\r\n", f'Content-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode()]
        lines += [content, b"\r\n"]
    body = b"".join(lines) + b"--border" + end
    return {"data": body, "headers": {"Content-Type": "multipart/form-data; boundary=border"}}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"data": b""}, "400 empty"),
        ({"data": bytes(MOST_BYTES + 1)}, "413 too-large"),
        ({"data": in_pieces(bytes(MOST_BYTES + 1))}, "413 too-large"),
        ({"data": b"x", "headers": {"Content-Encoding": "gzip"}}, "415 encoding"),
        ({"data": b"x", "headers": {"Content-Range": "bytes 0-0/9"}}, "400 range"),
        (form(("song", "a", bytes(MOST_BYTES + 1))), "413 too-large"),
        (form(("song", "a", b"x"), ("mode", None, b"ratio" * 20000)), "413 too-large"),
        (form(("song", "a", b"")), "400 empty"),
        (form(("song", None, b"x")), "400 form"),
        (form(("a", "a", b"x"), ("b", "b", b"y")), "400 form"),
        (form(*[("mode", None, b"")] * 100), "400 form"),
        (form(("song", "a", b"x"), ("mode", None, b"best")), "400 options"),
        (form(("song", "a", b"x"), ("mode", None, b"\xff\0")), "400 options"),
        (form(("song", "a", b"x"), end=b""), "400 form"),
        ({"data": b"no form", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, "400 form"),
        ({"data": b"no form", "headers": {"Content-Type": "multipart/form-data"}}, "400 form"),
        (
            {"data": b"x", "headers": {"Content-Type": f"multipart/form-data; boundary={'b' * 999}"}},
            "400 form",
        ),
    ],
)
def test_uploads_that_are_refused(service: Service, settings: dict[str, Any], expected: str) -> None:
    answer = service.ask("POST", "/songs", **settings)
    assert message(answer).startswith(expected), message(answer)


@pytest.mark.parametrize(
    ("content", "query", "expected"),
    [
        (b"RIFF" + bytes(100), "", "audio"),
        (b"#!/bin/sh\necho no sound\n", "", "audio"),
        (os.urandom(100_000), "", "audio"),
        (noise(0.5)[:44], "", "audio"),
        (noise(0.1), "offset=5", "audio"),
        ("long", "", "too-long"),
        ("long", "offset=1", "too-long"),
    ],
)
def test_songs_that_fail(service: Service, content: Any, query: str, expected: str) -> None:
    """Each with its reason, and without a path of the server's."""
    if content == "long":
        file = io.BytesIO()
        soundfile.write(file, np.zeros((44100 * 8, 1)), 44100, format="FLAC")
        content = file.getvalue()
    shown = service.wait(service.song(content, f"/songs?{query}"))
    assert (shown["state"], shown["error"]["code"]) == ("failed", expected)
    assert str(service.folder) not in str(shown)
    assert "run-" not in str(shown)
    assert list(service.folder.glob(f"run-*/{shown['id']}")) == []
    answer = service.ask("GET", f"{shown['url']}/stems.zip")
    assert message(answer).startswith("409 not-done")
    assert service.ask("DELETE", shown["url"]).status_code == 204


def test_a_part_of_a_long_song(service: Service) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros((44100 * 8, 1)), 44100, format="FLAC")
    shown = service.wait(service.song(file.getvalue(), "/songs?offset=3&duration=1.5"))
    assert (shown["state"], shown["seconds"]) == ("done", 1.5)


@pytest.mark.parametrize(
    "address",
    [
        "/songs/..%2f..%2fetc%2fpasswd",
        "/songs/%00",
        "/songs/../songs",
        "/songs//stems/vocals.wav",
        "/page.js/../index.html",
        "/..%2fpage.js",
        "//etc/passwd",
        "/songs/{id}/stems/..%2fsong",
        "/songs/{id}/stems/song",
        "/songs/{id}/stems/../../vocals.wav",
        "/songs/{id}/stems/",
        "/songs/{id}/",
    ],
)
def test_nothing_but_songs(service: Service, song: bytes, address: str) -> None:
    if "{id}" in address:
        address = address.replace("{id}", service.wait(service.song(song, "/songs?duration=0.1"))["id"])
    with socket.create_connection(("127.0.0.1", service.port), 10) as connection:  # clients tidy addresses
        connection.sendall(f"GET {address} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 404")
    assert b"not-found" in body


def test_who_may_ask(service: Service, song: bytes) -> None:
    def status(method: str, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return service.ask(method, "/songs/0", headers=named).status_code

    here = f"localhost:{service.port}"
    assert (
        status("GET", Host=here) == status("GET", Host="[::1]:1") == status("GET", Host="192.168.0.7") == 404
    )
    for host in (
        "evil.example",
        f"evil.example:{service.port}",
        "localhost.evil.example",
        "",
        "[::1",
        "a@localhost/",
    ):
        assert status("GET", Host=host) == 403, host
    assert status("DELETE", Host=here, Origin=f"http://{here}") == 404
    assert status("DELETE", Host=here, Origin=f"http://{here}", Sec_Fetch_Site="same-origin") == 404
    for origin in ("http://evil.example", "null", f"http://localhost:{service.port + 1}", "http://localhost"):
        assert status("DELETE", Host=here, Origin=origin) == 403, origin
    assert status("DELETE", Sec_Fetch_Site="cross-site") == 403
    assert status("DELETE", Sec_Fetch_Site="same-site") == 403
    answer = service.ask("POST", "/songs", data=song, headers={"Origin": "http://evil.example"})
    assert message(answer).startswith("403 origin")


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\n\r\nxyz",
        b"POST /songs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /songs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
)
def test_what_is_no_request(service: Service, content: bytes) -> None:
    with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(content)
        answer = connection.recv(1000)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    assert b"Traceback" not in answer
    assert service.ask("GET", "/health").json() == {"status": "ok"}


def test_uploads_that_break_off_leave_nothing(service: Service) -> None:
    before = service.files()
    for head in (b"Content-Length: 900000", b"Transfer-Encoding: chunked"):
        with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
            connection.sendall(
                b"POST /songs HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n1000\r\n" + bytes(500)
            )
            wait_for(lambda: len(service.files()) > len(before))
    wait_for(lambda: service.files() == before)
    assert service.ask("GET", "/ready").json()["songs"]["uploading"] == 0


def wait_for(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- the API and the page ---------------------------------------------------------------


def test_description_has_what_there_is(service: Service) -> None:
    """The routes of the application, no more and no less; options and limits as they are."""
    from starlette.routing import Route

    from spleeterrt import load_model
    from spleeterrt.serve import Jobs, Limits
    from spleeterrt.serve.app import Service as Application

    description = service.ask("GET", "/openapi.json").json()
    described = {
        (path, method.upper())
        for path, item in description["paths"].items()
        for method in item
        if method != "parameters"
    }
    jobs = Jobs(load_model(MODEL), service.folder, Limits())
    try:
        routes = [route for route in Application(jobs).app.routes if isinstance(route, Route)]
    finally:
        jobs.close()
    there = {(route.path, method) for route in routes for method in route.methods or () if method != "HEAD"}
    assert there - described == {
        (path, "GET") for path in ("/", "/icon.svg", "/page.css", "/page.js", "/openapi.json")
    }
    assert described <= there
    limits = service.ask("GET", "/limits").json()
    assert limits["most"]["size"] == MOST_BYTES
    assert limits["stems"] == ["vocals", "accompaniment"]
    parameters = {parameter["name"] for parameter in description["paths"]["/songs"]["post"]["parameters"]}
    assert parameters == set(limits["options"])


def test_page_needs_nothing_from_elsewhere(service: Service) -> None:
    page = service.ask("GET", "/")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    for name in ("page.css", "page.js"):
        assert f'"{name}"' in page.text
        text = service.ask("GET", f"/{name}").text
        assert "://" not in text
    assert " style=" not in page.text
    assert "onclick" not in page.text
    for name in ("song", "codec"):
        assert f'<label for="{name}">' in page.text


# --- several at once, and the end -----------------------------------------------------------


def test_queue_limits_and_cancellation(tmp_path: Path) -> None:
    """A full queue says when to come back; songs are cancelled while they wait and while they run."""
    long = noise(60.0)
    with served(tmp_path / "songs", "--max-queue", "2", "--keep", "2") as service:
        running = service.wait(service.song(long), "working")
        waiting = [service.song(noise(0.2)) for _ in range(2)]
        assert [service.wait(song, "waiting")["position"] for song in waiting] == [0, 1]
        full = service.ask("POST", "/songs", data=long)
        assert message(full).startswith("503 queue-full")
        assert int(full.headers["Retry-After"]) >= 1
        assert service.ask("GET", "/ready").json()["songs"]["waiting"] == 2
        followed = service.events(running)
        assert next(followed)[1]["state"] == "working"
        assert service.ask("DELETE", waiting[0]["url"]).status_code == 204
        assert service.ask("DELETE", running["url"]).status_code == 204
        assert list(followed)[-1][0] == "cancelled"
        assert service.wait(waiting[1])["state"] == "done"
        wait_for(lambda: service.ask("GET", waiting[1]["url"]).status_code == 404)  # expired
        wait_for(lambda: service.files() == [])


def test_many_at_once(tmp_path: Path) -> None:
    """Some with several jobs at a time, among them bad ones: each gets its own answer."""
    songs = [noise(0.5, seed) if seed % 4 else b"no song" for seed in range(12)]
    with served(tmp_path / "songs", "--max-queue", "3", "--jobs", "2") as service:

        def until_taken(content: bytes) -> dict[str, Any]:
            while True:
                answer = service.ask("POST", "/songs?stems=vocals", data=content)
                if answer.status_code == 202:
                    return service.wait(answer.json())
                assert message(answer).startswith("503 queue-full")
                time.sleep(0.1)

        with ThreadPoolExecutor(len(songs)) as pool:
            shown = list(pool.map(until_taken, songs))
        assert [one["state"] for one in shown] == ["done" if seed % 4 else "failed" for seed in range(12)]
        alone = service.ask(
            "GET", service.wait(service.song(songs[1], "/songs?stems=vocals"))["stems"][0]["url"]
        )
        assert service.ask("GET", shown[1]["stems"][0]["url"]).content == alone.content
        others = {service.ask("GET", one["stems"][0]["url"]).content for one in shown if one["stems"]}
        assert len(others) == 9
        assert "Traceback" not in service.log


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_and_leave_nothing(tmp_path: Path, number: int) -> None:
    """With a song that runs, one that waits, one on its way, and somebody who follows."""
    with served(tmp_path / "songs") as service:
        running = service.wait(service.song(noise(60.0)), "working")
        service.song(noise(1.0))
        followed = service.events(running)
        next(followed)
        with socket.create_connection(("127.0.0.1", service.port), 10) as connection:
            connection.sendall(b"POST /songs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nx")
            wait_for(lambda: len(service.files()) == 3)
            assert service.end(number) == 0
            assert connection.recv(100).startswith(b"HTTP/1.1 503")
        assert [name for name, _ in followed][-1] in ("stopping", "cancelled")
        assert list((tmp_path / "songs").iterdir()) == []
        assert "Traceback" not in service.log
        assert service.log.endswith("Stopped.\n")


@posix
def test_what_a_killed_server_leaves_is_removed_by_the_next(tmp_path: Path) -> None:
    """And nothing of one that lives."""
    folder = tmp_path / "songs"
    with served(folder) as killed, served(folder) as living:
        kept = living.wait(living.song(noise(0.2)))
        killed.wait(killed.song(noise(60.0)), "working")
        wait_for(lambda: list(folder.glob("run-*/*/.spleeterrt-*.part")) != [])
        assert killed.end(signal.SIGKILL) == -signal.SIGKILL
        assert len(list(folder.glob("run-*/"))) == 2
        with served(folder) as next_one:
            assert len(next_one.files()) == 1
            assert "Removed what 1 server" in next_one.log
        assert living.ask("GET", kept["stems"][0]["url"]).status_code == 200
    assert list(folder.iterdir()) == []
