"""The programs in `examples/`, run as they stand there, on a real song."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soundfile

from spleeterrt import Separator

ROOT = Path(__file__).parents[2]
SONG = ROOT / "tests" / "data" / "song.ogg"
PYTHON = sorted((ROOT / "examples").glob("*.py"))


def run(name: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "examples" / name), *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def rms(signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64))))


def test_every_example_is_named_and_tested() -> None:
    listed = (ROOT / "examples" / "README.md").read_text()
    tests = Path(__file__).read_text()
    for path in PYTHON:
        assert f"({path.name})" in listed
        assert f'"{path.name}"' in tests


def test_karaoke_is_the_song_with_a_quieter_voice(tmp_path: Path) -> None:
    done = run("karaoke.py", SONG, tmp_path / "out.flac", "--guide", "-20")
    assert done.returncode == 0, done.stderr
    song, rate = soundfile.read(SONG, dtype="float32")
    result, result_rate = soundfile.read(tmp_path / "out.flac", dtype="float32")
    assert result_rate == rate
    assert result.shape == song.shape
    stems = Separator("starter:4stems", two_stems="vocals", mode="direct").separate(song)
    expected = stems["no_vocals"] + 0.1 * stems["vocals"]
    np.testing.assert_allclose(result, np.clip(expected, -1, 1), atol=2 / 32768)  # 16 bits
    assert rms(song - result) == pytest.approx(0.9 * rms(stems["vocals"]), rel=0.01)
    assert list(tmp_path.iterdir()) == [tmp_path / "out.flac"]


def test_karaoke_leaves_nothing_of_a_bad_song(tmp_path: Path) -> None:
    (tmp_path / "bad.mp3").write_text("no sound at all")
    for arguments in (("bad.mp3", "out.flac"), ("none.wav", "out.flac"), (SONG, "out.xyz")):
        done = run("karaoke.py", *(tmp_path / name for name in arguments))
        assert done.returncode == 1
        assert done.stderr.startswith("karaoke: ")
        assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "bad.mp3"]
    song = tmp_path / "song.ogg"
    song.write_bytes(SONG.read_bytes())
    done = run("karaoke.py", song, song)
    assert done.returncode == 2
    assert song.read_bytes() == SONG.read_bytes()


def test_gains_follow_the_moves(tmp_path: Path) -> None:
    silence = "4:vocals=0,drums=0,bass=0,other=0"
    done = run("live_gains.py", SONG, tmp_path / "out.wav", silence, "8:vocals=1,drums=1,bass=1,other=1")
    assert done.returncode == 0, done.stderr
    assert "0 underruns" in done.stdout
    song, rate = soundfile.read(SONG, dtype="float32")
    result, result_rate = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert result_rate == rate
    assert result.shape == song.shape
    # The stems sum to the mix; a gain moves within a few blocks.
    margin = 2048
    fours = [slice(round(k * rate) + margin, round((k + 4) * rate) - margin) for k in (0, 4, 8, 12)]
    for place in (fours[0], fours[2], fours[3]):
        np.testing.assert_allclose(result[place], np.clip(song[place], -1, 1), atol=2 / 32768)
    assert not np.any(result[fours[1]])


def test_gains_that_cannot_be(tmp_path: Path) -> None:
    done = run("live_gains.py", SONG, tmp_path / "out.wav", "4:voice=0")
    assert done.returncode == 1
    assert "no stem 'voice'" in done.stderr
    assert run("live_gains.py", SONG, tmp_path / "out.wav", "four").returncode == 2
    assert run("live_gains.py", tmp_path / "none.wav", tmp_path / "out.wav").returncode == 1


class Service:
    def __init__(self, folder: Path, *options: object) -> None:
        command = [sys.executable, str(ROOT / "examples" / "batch_service.py"), folder, "--port", 0, *options]
        self.process = subprocess.Popen(
            list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.port = urlsplit(self.process.stdout.readline().decode()).port

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, song: bytes) -> str:
        status, answer = self.ask("POST", "/songs", song)
        assert status == 202, answer
        return str(json.loads(answer)["id"])

    def wait(self, key: str) -> dict:
        for _ in range(600):
            status, answer = self.ask("GET", f"/songs/{key}")
            assert status == 200
            job = json.loads(answer)
            if job["status"] in ("done", "failed"):
                return job
            time.sleep(0.1)
        raise AssertionError(f"still {job}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        finally:
            self.process.kill()
            self.process.stdout.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path / "service", "--keep", 1, "--most-mb", 2)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM")
def test_service_separates_and_goes_on_after_a_bad_song(service: Service, tmp_path: Path) -> None:
    good, bad = service.post(SONG.read_bytes()), service.post(b"no sound at all")
    assert service.wait(good) == {
        "status": "done", "progress": 1.0, "error": None, "stems": ["vocals", "drums", "bass", "other"],
    }  # fmt: skip
    status, flac = service.ask("GET", f"/songs/{good}/drums.flac")
    assert status == 200
    (tmp_path / "drums.flac").write_bytes(flac)
    drums, _ = soundfile.read(tmp_path / "drums.flac", dtype="float32")
    song, _ = soundfile.read(SONG, dtype="float32")
    expected = np.clip(Separator("starter:4stems").separate(song)["drums"], -1, 1)
    np.testing.assert_allclose(drums, expected, atol=2 / 32768)
    failed = service.wait(bad)
    assert failed["status"] == "failed"
    assert "the song" in failed["error"]
    assert str(tmp_path) not in failed["error"]
    # Two are over and one is kept: the next song removes the oldest.
    last = service.post(SONG.read_bytes())
    assert service.ask("GET", f"/songs/{good}")[0] == 404
    assert not (tmp_path / "service" / good).exists()
    assert service.ask("DELETE", f"/songs/{last}")[0] == 200
    assert service.ask("GET", f"/songs/{last}")[0] == 404
    assert service.stop() == 0
    assert not (tmp_path / "service" / last).exists()


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM")
def test_service_refuses_what_it_cannot_do(service: Service, tmp_path: Path) -> None:
    key = "0" * 32
    for method, path, status in (
        ("GET", "/", 404), ("GET", f"/songs/{key}", 404), ("GET", "/songs/../../etc/passwd", 404),
        ("GET", f"/songs/{key}/..%2f..%2fsecret.flac", 404), ("DELETE", f"/songs/{key}", 404),
        ("POST", "/other", 404), ("POST", "/songs", 413), ("PUT", "/songs", 501),
    ):  # fmt: skip
        assert service.ask(method, path)[0] == status, (method, path)
    assert service.ask("POST", "/songs", **{"Content-Length": "2000001"})[0] == 413
    assert service.ask("POST", "/songs", **{"Content-Length": "many"})[0] == 411
    assert not list((tmp_path / "service").glob("*"))
    assert service.stop() == 0


@pytest.mark.skipif(os.name != "posix", reason="SIGTERM")
def test_full_queue_is_told(tmp_path: Path) -> None:
    service = Service(tmp_path / "service", "--waiting", 1)
    try:
        answers = [service.ask("POST", "/songs", SONG.read_bytes())[0] for _ in range(4)]
        assert answers[0] == 202
        assert 503 in answers
        assert set(answers) == {202, 503}
    finally:
        assert service.stop() == 0


def test_port_in_use(tmp_path: Path) -> None:
    service = Service(tmp_path / "service")
    try:
        done = run("batch_service.py", tmp_path / "other", "--port", service.port)
        assert done.returncode == 1
        assert str(service.port) in done.stderr
    finally:
        service.stop()
