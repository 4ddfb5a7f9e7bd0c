"""`spleeterrt live` and its clients: errors anywhere; the rest in the graph of a real `jackd`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spleeterrt import Model, SpleeterError, StreamSeparator
from spleeterrt._kernels.live import Tape
from spleeterrt.audio.channels import downmix_weights
from spleeterrt.realtime import clients
from spleeterrt.realtime.clients import JACK_LIBRARIES
from spleeterrt.realtime.live import (
    JackClient,
    LiveSession,
    PortAudioClient,
    default_hop,
    open_client,
)
from support.golden import case

RATE, PERIOD = 44100, 512
NOWHERE = "/nowhere/libsound.so"
IN_TIME_OR_NOT = (0, 3)  # as busy as the machine is


def wait_until(condition: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def command(*options: str, model: str = "tiny-2stems") -> list[str]:
    config = str(case(model) / "config.json")
    return [sys.executable, "-m", "spleeterrt", "live", "-p", config, *options]


# --- without a server -------------------------------------------------------------------------


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "spleeterrt-test-none")


@pytest.mark.parametrize(("client", "word"), [(JackClient, "JACK"), (PortAudioClient, "PortAudio")])
def test_no_library(client: Callable[..., object], word: str) -> None:
    with pytest.raises(SpleeterError, match=rf"{word}: library not found \(/nowhere.*install"):
        client(["a", "b"], library=NOWHERE)


def test_a_library_of_another_kind() -> None:
    python = {"darwin": "libSystem.dylib", "win32": "kernel32.dll"}.get(sys.platform, "libc.so.6")
    with pytest.raises(SpleeterError, match="no function jack_client_open"):
        JackClient(["a", "b"], library=python)


@pytest.mark.usefixtures("no_server")
def test_no_server() -> None:
    with pytest.raises(SpleeterError, match=r"^JACK: (no server is running|library not found)"):
        JackClient(["a", "b"])


@pytest.mark.usefixtures("no_server")
def test_auto_tells_of_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_portaudio_libraries", lambda: [NOWHERE])
    with pytest.raises(SpleeterError, match=r"^JACK: (.|\n)*\nPortAudio: library not found"):
        open_client("auto", ["a", "b"])


@pytest.mark.parametrize("arguments", [("x:y",), ("",), ("x" * 40,)])
def test_names(arguments: tuple[str]) -> None:
    with pytest.raises(SpleeterError, match="name"):
        JackClient(["a", "b"], *arguments)


def test_arguments() -> None:
    with pytest.raises(SpleeterError, match="output_stem"):
        PortAudioClient(["a", "b"], output_stem="c")
    with pytest.raises(SpleeterError, match="block"):
        PortAudioClient(["a", "b"], block=1)
    with pytest.raises(SpleeterError, match="backend"):
        open_client("alsa", ["a", "b"])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--backend", "jack"], 1, "JACK"),
        (["--backend", "portaudio", "--device", "no such device"], 1, "PortAudio"),
        (["--mute", "piano"], 2, "no stem 'piano'"),
        (["--gain", "vocals"], 2, "STEM=DB"),
        (["--gain", "piano=3"], 2, "no stem 'piano'"),
        (["--window", "wide"], 2, "full, short"),
        (["--backend", "alsa"], 2, "alsa"),
        (["--latency", "100", "--hop", "2"], 2, "--latency chooses"),
        (["--layout", "5.1"], 2, "--layout is for --downmix"),
        (["--downmix", "--layout", "sixer"], 1, "layout"),
        (["--mode", "three"], 2, "drums and vocals"),
        (["--mode", "magic"], 2, "magic"),
        (["--mode", "direct", "--stems", "vocals", "--mute", "accompaniment"], 2, "there are vocals"),
        (["--above-band", "0.5"], 2, "--above-band"),
    ],
)
@pytest.mark.usefixtures("no_server")
def test_errors_of_the_command(options: list[str], code: int, message: str) -> None:
    result = subprocess.run(command(*options), capture_output=True, text=True, timeout=60)
    assert result.returncode == code
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_options_of_the_other_backend_say_so() -> None:
    from click import Context

    from spleeterrt.cli.command import no_effect
    from spleeterrt.cli.live import _useless, live
    from spleeterrt.realtime.live import JackClient, PortAudioClient

    given = ["--device", "1", "--block", "64", "--connect", "--name", "x"]
    context = live.make_context("live", given)
    assert isinstance(context, Context)
    jack = no_effect(context, _useless(JackClient.__new__(JackClient)))
    assert [sentence.split()[0] for sentence in jack] == ["--device", "--block"]
    card = no_effect(context, _useless(PortAudioClient.__new__(PortAudioClient)))
    assert [sentence.split()[0] for sentence in card] == ["--connect", "--name"]


def test_default_hop() -> None:
    assert [default_hop(stems, 2) for stems in (2, 4, 5)] == [1, 2, 3]
    assert default_hop(4, 1) == 4
    assert default_hop(4, 4, frames=256) == 2
    assert default_hop(2, 2, cascade=True) == default_hop(2, 8, cascade=True) == 2
    assert default_hop(2, 2, 256, cascade=True) == 4


# --- in a graph -------------------------------------------------------------------------------


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    if shutil.which("jackd") is None:
        pytest.skip("jackd is not installed")
    # JACK remembers servers that were killed, eight at most, until one of the same name starts.
    name = f"spleeterrt-test-{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    options = ["-d", "dummy", "-r", str(RATE), "-p", str(PERIOD)]
    log = tmp_path / "jackd.log"
    with log.open("wb") as out:
        process = subprocess.Popen(["jackd", "-n", name, "-r", *options], stdout=out, stderr=out)
    try:
        for _ in range(50):
            time.sleep(0.1)
            try:
                Tape(JACK_LIBRARIES, "probe").close()
                break
            except RuntimeError as error:
                if process.poll() is not None:
                    pytest.skip(f"jackd does not start: {error}\n{log.read_text(errors='replace')}")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def play_and_record(
    music: np.ndarray, seconds: float, inputs: Sequence[str], outputs: Sequence[str]
) -> tuple[np.ndarray, int]:
    """What was recorded, and where in it the first sample played would be without latency."""
    with Tape(JACK_LIBRARIES, "recorder", None, 2, int(seconds * RATE)) as recorder:
        recorder.start()
        with Tape(JACK_LIBRARIES, "player", music) as player:
            player.start()
            for i in range(2):
                recorder.connect(outputs[i], f"recorder:in_{i + 1}")
                player.connect(f"player:out_{i + 1}", inputs[i])
            time.sleep(seconds + 0.1)
            return recorder.record.copy(), player.begun - recorder.begun


@contextmanager
def highest_levels(client: Any) -> Iterator[dict[str, float]]:
    """What the meters showed at most meanwhile."""
    highest = dict.fromkeys(client.levels, 0.0)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.01):
            for name, level in client.levels.items():
                highest[name] = max(highest[name], level)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        yield highest
    finally:
        ended.set()
        watch.join()


def ports(
    client: str, inputs: str = "in", outputs: str = "mix", sides: Sequence[str] = ("left", "right")
) -> Any:
    return [f"{client}:{inputs}_{side}" for side in sides], [f"{client}:{outputs}_{side}" for side in sides]


def heard_latency(inputs: Sequence[str], outputs: Sequence[str]) -> int:
    music = np.zeros((10 * RATE, 2), np.float32)
    music[RATE // 2] = 0.5
    for _ in range(3):
        record, begin = play_and_record(
            music, 2.0, inputs, outputs
        )  # busy machines begin late, some after its end
        left = record[:, 0]
        if np.abs(left).max() > 0.1:
            break
    assert np.abs(left).max() > 0.1
    return int(np.argmax(np.abs(left))) - begin - RATE // 2


@pytest.mark.parametrize("window", ["full", "short"])
@pytest.mark.usefixtures("server")
def test_latency_and_another_block(two_stems: Model, window: str) -> None:
    with JackClient(two_stems.instruments, "impulse") as client:
        assert client.sample_rate == RATE
        assert client.block == PERIOD
        session = LiveSession(client, two_stems, hop_frames=4, window=window, full_band=True)
        session.start()
        wait_until(lambda: client.capture_latency == session.latency)
        assert heard_latency(*ports(client.name)) == session.latency
        before, runs = session.latency, session.stats.runs
        assert runs > 0
        assert not session.update()

        with Tape(JACK_LIBRARIES, "changer") as changer:
            changer.ask_block(1024)
        wait_until(lambda: client.block == 1024)
        wait_until(lambda: client.stats.silent > 0)  # the old engine does not take these blocks
        assert session.update()
        assert not session.update()
        assert session.latency != before
        wait_until(lambda: client.capture_latency == session.latency)
        silent = client.stats.silent
        assert heard_latency(*ports(client.name)) == session.latency
        assert client.stats.silent == silent
        assert session.stats.runs >= runs


@pytest.mark.usefixtures("server")
def test_gains_and_levels(four_stems: Model) -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(-0.5, 0.5, (RATE, 2)).astype(np.float32)
    with JackClient(four_stems.instruments) as client:
        session = LiveSession(client, four_stems, hop_frames=8)
        session.muted.add("drums")
        session.gains["bass"] = 2.0
        session.apply_gains()
        session.start()
        with highest_levels(client) as levels:  # the meters fall as soon as the music ends
            play_and_record(noise, 0.7, *ports(client.name))
        assert 0.3 < levels["input"] <= 0.5
        assert levels["drums"] == 0
        assert all(levels[name] > 0 for name in ("vocals", "bass", "other", "mix"))
        assert client.stats.callbacks > 10
        session.soloed.add("drums")
        session.apply_gains()
        assert session.separator.gains == dict.fromkeys(four_stems.instruments, 0.0)
        session.reset_stats()
        assert session.stats.runs < 10


@pytest.mark.usefixtures("server")
def test_more_than_two_channels_are_mixed(two_stems: Model) -> None:
    """The centre of 5.1 is heard on both sides, the LFE nowhere, and clipping is counted."""
    layout = "FL+FR+BL+BR+FC+LFE"
    weights = downmix_weights(layout, 6)
    with JackClient(two_stems.instruments, "surround", layout=layout) as client:
        assert client.inputs == [f"in_{name}" for name in layout.split("+")]
        session = LiveSession(client, two_stems, hop_frames=4, full_band=True)
        session.start()
        inputs = [f"{client.name}:{port}" for port in client.inputs]
        outputs = [f"{client.name}:mix_{side}" for side in ("left", "right")]
        music = np.zeros((RATE // 10, 2), np.float32)  # of which one is heard whenever it begins
        music[0] = 0.5
        for port, (left, right) in zip(inputs, weights, strict=True):
            for _ in range(4):  # a busy machine may connect when the tape is already full
                with Tape(JACK_LIBRARIES, "recorder", None, 2, int(0.8 * RATE)) as recorder:
                    recorder.start()
                    with Tape(JACK_LIBRARIES, "player", music) as player:
                        player.start()
                        for i in range(2):
                            recorder.connect(outputs[i], f"recorder:in_{i + 1}")
                        player.connect("player:out_1", port)
                        time.sleep(0.9)
                        peaks = np.abs(recorder.record).max(axis=0)
                if peaks.any() or not (left or right):
                    break
            assert peaks == pytest.approx([0.5 * left, 0.5 * right], abs=1e-3), port
        assert client.stats.clipped == 0
        session.gains = dict.fromkeys(session.gains, 100.0)
        session.apply_gains()
        play_and_record(music, 0.8, inputs[:2], outputs)
        assert client.stats.clipped > 0
        wait_until(lambda: client.capture_latency == session.latency)


def test_layouts() -> None:
    for layout, word in (("hexagon", "layout"), ("FL+FR+XX", "XX")):
        with pytest.raises(SpleeterError, match=word):
            JackClient(["a", "b"], layout=layout, library=NOWHERE)
        with pytest.raises(SpleeterError, match=word):
            PortAudioClient(["a", "b"], layout=layout, library=NOWHERE)


@pytest.mark.usefixtures("server")
def test_clients_and_engines_end_in_any_order(two_stems: Model) -> None:
    for _ in range(5):
        client = JackClient(two_stems.instruments)
        separator = StreamSeparator(two_stems, hop_frames=2, block=PERIOD)
        client.use(separator)
        client.start()
        time.sleep(0.05)
        separator.close()  # the client keeps the engine
        time.sleep(0.05)
        client.close()
        client.close()
    with pytest.raises(SpleeterError, match="closed"):
        client.use(None)
    with JackClient(["a", "b"]) as other, pytest.raises(SpleeterError, match="ports"):
        other.use(StreamSeparator(two_stems, hop_frames=2, block=PERIOD))
    with JackClient(two_stems.instruments) as first, JackClient(two_stems.instruments) as second:
        assert first.name != second.name


def test_the_server_ends(server: subprocess.Popen[bytes], two_stems: Model) -> None:
    with JackClient(two_stems.instruments) as client:
        session = LiveSession(client, two_stems, hop_frames=2)
        session.start()
        assert session.ended == ""
        server.kill()
        wait_until(lambda: session.ended)
        assert not session.update()


@pytest.mark.parametrize("stem", [None, "accompaniment"])
@pytest.mark.usefixtures("server")
def test_portaudio(two_stems: Model, stem: str | None) -> None:
    """Through PortAudio's own JACK client, where it is built with one."""
    try:
        client = PortAudioClient(two_stems.instruments, "system", output_stem=stem, block=PERIOD)
    except SpleeterError as error:
        pytest.skip(str(error))
    with client:
        session = LiveSession(client, two_stems, hop_frames=4, full_band=True)
        session.muted.add("vocals")
        session.apply_gains()
        session.start()
        latency = heard_latency(*ports("PortAudio", "in", "out", ("0", "1")))
        assert 0 <= latency - session.latency <= client.device_latency * RATE
        assert client.levels["mix"] == client.levels["accompaniment"]
        assert session.ended == ""
    with pytest.raises(SpleeterError, match=r"no input device none of this.*\n  \d"):
        PortAudioClient(two_stems.instruments, "none of this")


# --- the command ------------------------------------------------------------------------------


def started(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.usefixtures("server")
def test_json() -> None:
    options = ["--json", "--seconds", "2.5", "--karaoke", "--gain", "accompaniment=-6", "--latency", "500"]
    result = subprocess.run(command(*options), capture_output=True, text=True, timeout=60)
    assert result.returncode in IN_TIME_OR_NOT, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(lines) == 3
    last = lines[-1]
    assert last["final"]
    assert last["sample_rate"] == RATE
    assert last["block"] == PERIOD
    assert last["latency_ms"] <= 500
    assert last["gains"] == {"vocals": 0.0, "accompaniment": pytest.approx(0.501, abs=1e-3)}
    assert last["client"]["callbacks"] > 100
    assert 0 <= last["covered_share"] <= 1
    # Frames of 128 samples; those of the latency have not come out yet.
    heard = last["client"]["callbacks"] * PERIOD - last["latency"]
    assert last["stats"]["frames"] == pytest.approx(heard / 128, abs=16)
    assert result.returncode == 0 or last["reason"] == "slow" or last["covered_share"] >= 0.1


@pytest.mark.usefixtures("server")
def test_nothing_is_connected() -> None:
    result = subprocess.run(command("--seconds", "4"), capture_output=True, text=True, timeout=60)
    assert result.returncode in IN_TIME_OR_NOT, result.stderr
    assert "Hint: no sound comes in. Connect something to spleeterrt:in_left" in result.stderr
    assert "concealed" in result.stdout


@pytest.mark.parametrize(
    ("model", "options", "stems"),
    [
        ("tiny-4stems", ["--mode", "three"], ["vocals", "drums", "accompaniment"]),
        ("tiny-4stems", ["--mode", "direct", "--stems", "drums,vocals"], ["vocals", "drums"]),
        ("tiny-2stems", ["--mode", "residual", "--latency", "500"], ["vocals", "accompaniment"]),
    ],
)
@pytest.mark.usefixtures("server")
def test_modes(model: str, options: list[str], stems: list[str]) -> None:
    options = ["--json", "--seconds", "1", "--mute", "vocals", *options]
    result = subprocess.run(command(*options, model=model), capture_output=True, text=True, timeout=60)
    assert result.returncode in IN_TIME_OR_NOT, result.stderr
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["gains"] == {stem: float(stem != "vocals") for stem in stems}
    assert list(last["levels"]) == [*stems, "input", "mix"]
    assert last["stats"]["runs"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
@pytest.mark.usefixtures("server")
def test_signals(number: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        command("--name", "signalled"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        first = started(process)
        process.send_signal(number if first.startswith("JACK signalled: latency") else signal.SIGKILL)
        _, errors = process.communicate(timeout=60)
    assert "44100 Hz" in first, first
    assert process.returncode == code
    assert "Traceback" not in errors


def test_the_server_ends_under_the_command(server: subprocess.Popen[bytes]) -> None:
    with subprocess.Popen(command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        started(process)
        server.kill()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Error: JACK: " in errors


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal to play")
@pytest.mark.usefixtures("server")
def test_keys() -> None:
    import pty
    import termios

    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    # The terminal becomes that of the command's own session.
    program = (
        "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    env = {**os.environ, "TERM": "xterm"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *command()],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=env,
        start_new_session=True,
    )
    try:
        shown = b""
        while b"q quit" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"1s2")
        while b"1 M vocals" not in shown or b"2 S accompaniment" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"q")
        assert process.wait(10) == 0
        assert termios.tcgetattr(theirs) == before
    finally:
        process.kill()
        process.wait()
        os.close(ours)
        os.close(theirs)
