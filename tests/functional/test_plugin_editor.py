"""The plugin's editor: without a window, and in a window of X11 that a program embeds as hosts do.

Needs a build of the plugin, whose folder SPLEETERRT_PLUGIN_BUILD names. What needs a display starts Xvfb.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

BUILD = os.environ.get("SPLEETERRT_PLUGIN_BUILD", "")
PICTURES = Path(__file__).parents[2] / "docs" / "pictures"

pytestmark = pytest.mark.skipif(not BUILD, reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin")


@pytest.fixture(scope="module")
def programs() -> Path:
    build = ["cmake", "--build", BUILD, "--target", "plugin_editor_tests"]
    with (Path(BUILD) / "tests.lock").open("w") as lock:  # processes of pytest-xdist share the build
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(build, check=True, capture_output=True)
    return Path(BUILD) / "editor_tests"


@pytest.mark.parametrize("program", ["editor_test", "editor_canvas_test"])
def test_without_a_window(programs: Path, program: str) -> None:
    result = subprocess.run([programs / program], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def drawn(programs: Path, stems: int, scale: float, state: str) -> np.ndarray:
    """What the editor looks like: (height, width, 3) uint8."""
    picture = subprocess.run(
        [programs / "editor_picture", str(stems), str(scale), state], capture_output=True, check=True
    ).stdout
    kind, width, height, most = picture.split(b"\n", 1)[0].split()
    assert (kind, most) == (b"P6", b"255")
    return np.frombuffer(picture.split(b"\n", 1)[1], np.uint8).reshape(int(height), int(width), 3)


@pytest.mark.parametrize(("name", "state"), [("plugin", "ready"), ("plugin-no-model", "missing")])
def test_pictures_of_the_documentation_are_of_this_editor(programs: Path, name: str, state: str) -> None:
    image = pytest.importorskip("matplotlib.image")
    shown = np.round(255 * image.imread(PICTURES / f"{name}.png"))[..., :3]
    now = drawn(programs, 4, 2, state)
    assert shown.shape == now.shape
    # Compilers may round an edge's shade differently.
    difference = np.abs(shown - now.astype(np.float64)).max()
    assert difference <= 2, f"docs/pictures/README.md says how to draw {name}.png"


def test_stems_have_their_own_layouts(programs: Path) -> None:
    widths = [drawn(programs, stems, 1, "plain").shape[1] for stems in (2, 4, 5)]
    assert sorted(set(widths)) == widths


# --- in a window ---


class Screen:
    """An X server without a screen, whose picture lies in a file."""

    def __init__(self, folder: Path) -> None:
        reading, number = os.pipe()
        self.server = subprocess.Popen(
            [
                "Xvfb",
                "-displayfd",
                str(number),
                "-noreset",
                "-fbdir",
                folder,
                "-screen",
                "0",
                "1400x1000x24",
            ],
            pass_fds=[number],
            stderr=subprocess.DEVNULL,
        )
        os.close(number)
        with os.fdopen(reading) as pipe:
            self.environment = os.environ | {"DISPLAY": f":{pipe.readline().strip()}"}
        self.file = folder / "Xvfb_screen0"

    def do(self, *words: object) -> None:
        subprocess.run(
            ["xdotool", *(str(word) for word in words)], env=self.environment, check=True, capture_output=True
        )

    def picture(self) -> np.ndarray:
        """(height, width, 3) uint8, from the server's XWD file."""
        content = self.file.read_bytes()
        header = struct.unpack(">25I", content[:100])
        width, height, line, colors = header[4], header[5], header[12], header[19]
        pixels = np.frombuffer(content, np.uint8, line * height, header[0] + 12 * colors)
        return pixels.reshape(height, line // 4, 4)[:, :width, 2::-1]


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    if not shutil.which("Xvfb") or not shutil.which("xdotool"):
        pytest.skip("needs Xvfb and xdotool")
    made = Screen(tmp_path_factory.mktemp("screen"))
    yield made
    made.server.terminate()
    made.server.wait()


class Window:
    """A program that shows an editor in a window, and says what the editor does."""

    def __init__(self, screen: Screen, log: Path, *command: object) -> None:
        self.log = log
        self.said = 0
        with log.open("w") as out:
            self.program = subprocess.Popen(
                [str(word) for word in command],
                env=screen.environment,
                stdin=subprocess.PIPE,
                stdout=out,
                text=True,
            )
        self.number = self.wait_for("shown")[-1].split()[1]

    def wait_for(self, word: str) -> list[str]:
        """New lines, up to one that begins with the word."""
        deadline = time.monotonic() + 20
        while True:
            lines = self.log.read_text().splitlines()[self.said :]
            for count, line in enumerate(lines):
                if line.startswith(word):
                    self.said += count + 1
                    return lines[: count + 1]
            assert time.monotonic() < deadline, f"no {word!r} in {lines}"
            assert self.program.poll() is None, "the program has ended"
            time.sleep(0.02)


@pytest.fixture
def window(programs: Path, screen: Screen, tmp_path: Path) -> Iterator[Window]:
    made = Window(screen, tmp_path / "log", programs / "editor_window", 4, 1)
    yield made
    made.program.kill()
    made.program.wait()


def wait_for_picture(screen: Screen, wanted: np.ndarray) -> None:
    deadline = time.monotonic() + 20
    height, width = wanted.shape[:2]
    while not np.array_equal(screen.picture()[:height, :width], wanted):
        assert time.monotonic() < deadline, "the window does not show what the editor draws"
        time.sleep(0.05)


@pytest.mark.parametrize(("stems", "scale"), [(4, 1), (2, 1.5), (5, 2)])
def test_the_window_shows_the_picture(
    programs: Path, screen: Screen, tmp_path: Path, stems: int, scale: float
) -> None:
    screen.do("mousemove", 1390, 990)
    shown = Window(screen, tmp_path / "log", programs / "editor_window", stems, scale)
    try:
        wait_for_picture(screen, drawn(programs, stems, scale, "plain"))
    finally:
        shown.program.kill()
        shown.program.wait()


def test_clicks_are_gestures(screen: Screen, window: Window) -> None:
    screen.do("mousemove", 160, 315, "click", 1)
    assert window.wait_for("end") == ["begin drums_mute", "edit drums_mute 1.0", "end drums_mute"]
    screen.do("mousemove", 50, 385, "click", 1)
    assert window.wait_for("end") == ["begin latency_mode", "edit latency_mode 0.0", "end latency_mode"]


def test_a_drag_goes_on_outside(screen: Screen, window: Window) -> None:
    screen.do("mousemove", 74, 144, "mousedown", 1)
    for y in range(150, 191, 10):
        screen.do("mousemove", 74 + y, y)
    screen.do("mousemove", 900, 900, "mouseup", 1)
    lines = window.wait_for("end")
    assert lines[0] == "begin vocals_gain"
    assert lines[-2:] == ["edit vocals_gain -60.0", "end vocals_gain"]
    values = [float(line.split()[2]) for line in lines[1:-1]]
    assert values == sorted(values, reverse=True)
    assert len(values) >= 2


def test_wheel_and_double_click(screen: Screen, window: Window) -> None:
    screen.do("mousemove", 302, 200, "click", 4)
    assert window.wait_for("end") == ["begin bass_gain", "edit bass_gain 1.0", "end bass_gain"]
    screen.do("click", "--repeat", 2, "--delay", 60, 1)
    assert window.wait_for("edit bass_gain 0.0")[-2:] == ["begin bass_gain", "edit bass_gain 0.0"]


def test_keys_that_mean_nothing_here_are_the_hosts(screen: Screen, window: Window) -> None:
    screen.do("mousemove", 300, 8)  # where nothing is
    screen.do("key", "Tab", "key", "Return")
    assert window.wait_for("end") == ["begin bypass", "edit bypass 1.0", "end bypass"]
    screen.do("key", "space")
    assert window.wait_for("key") == ["key 65"]


def test_a_host_may_destroy_its_window_first(screen: Screen, window: Window) -> None:
    screen.do("windowclose", window.number)
    assert window.wait_for("closed") == ["closed"]
    assert window.program.wait(10) == 0


# --- in the plugin ---


def play(screen: Screen, host: Window, still: np.ndarray, names: tuple[str, str]) -> None:
    """Levels are drawn; a click and a drag reach the host; the window may go at any time."""
    deadline = time.monotonic() + 20
    meter = np.s_[98:290, 490:520]  # of the mix
    while np.array_equal(screen.picture()[: still.shape[0], : still.shape[1]][meter], still[meter]):
        assert time.monotonic() < deadline, "the meter of the mix does not move"
        time.sleep(0.05)
    touch(screen, host, *names)


def touch(screen: Screen, host: Window, mute: str, gain: str, value: str = "1.0", less: str = "-") -> None:
    screen.do("mousemove", 160, 315, "click", 1)
    assert host.wait_for("end") == [f"begin {mute}", f"edit {mute} {value}".strip(), f"end {mute}"]
    screen.do("mousemove", 302, 144, "mousedown", 1, "mousemove", 302, 160, "mousemove", 302, 180)
    screen.do("mouseup", 1)
    lines = host.wait_for("end")
    assert (lines[0], lines[-1]) == (f"begin {gain}", f"end {gain}")
    assert len(lines) > 2
    assert all(line.startswith(f"edit {gain} {less}".strip()) for line in lines[1:-1])
    screen.do("windowclose", host.number)
    assert host.wait_for("closed") == ["closed"]
    assert host.program.wait(20) == 0


@pytest.fixture
def host(request: pytest.FixtureRequest, programs: Path, screen: Screen, tmp_path: Path) -> Iterator[Window]:
    """A host of a format with its window, playing noise. request.param: the program and its arguments."""
    program, bundle, *arguments = request.param
    if not (programs / program).exists():
        pytest.skip("a build without this format")
    screen.do("mousemove", 1390, 990)
    made = Window(screen, tmp_path / "log", programs / program, Path(BUILD) / "bundles" / bundle, *arguments)
    yield made
    made.program.kill()
    made.program.wait()


@pytest.mark.parametrize("host", [("clap_window", "clap/spleeterrt/spleeterrt.clap", 4, 1)], indirect=True)
def test_clap(programs: Path, screen: Screen, host: Window) -> None:
    play(screen, host, drawn(programs, 4, 1, "plain"), ("Drums mute", "Bass gain"))


STILL = ("clap_window", "clap/spleeterrt/spleeterrt.clap", 4, 1, "still")


@pytest.mark.parametrize("host", [STILL], indirect=True)
def test_clap_gestures_while_nothing_plays(screen: Screen, host: Window) -> None:
    """The plugin asks for a flush; a host that takes one event at a time gets them all, in their order."""
    touch(screen, host, "Drums mute", "Bass gain")


VST3 = f"vst3/spleeterrt.vst3/Contents/{platform.machine()}-linux/spleeterrt.so"


@pytest.mark.parametrize("host", [("vst3_window", VST3, 4)], indirect=True)
def test_vst3(screen: Screen, host: Window) -> None:
    touch(screen, host, "Drums mute", "Bass gain", "1.0", "0.")  # VST3's values are from 0 to 1


@pytest.mark.parametrize("host", [("vst3_window", VST3, 4)], indirect=True)
def test_vst3_keys_that_reach_the_host(screen: Screen, host: Window) -> None:
    left, home, up, space, tab, enter, shift = 11, 10, 12, 7, 2, 4, 1

    def key(code: int, modifiers: int = 0) -> list[str]:
        host.program.stdin.write(f"{code} {modifiers}\n")
        host.program.stdin.flush()
        return host.wait_for("key")

    assert key(up) == [f"key {up} left"]  # the pointer is on nothing
    screen.do("mousemove", 302, 200)  # the fader of the bass
    time.sleep(0.2)
    gain = ["begin Bass gain", "edit Bass gain {:.1f}", "end Bass gain"]

    def edit(value: float) -> list[str]:
        return [line.format(value) for line in gain]

    assert key(home) == [*edit(1), f"key {home} used"]
    assert key(left) == [*edit((72 - 1) / 72), f"key {left} used"]
    assert key(left, shift)[-1] == f"key {left} used"
    assert key(space) == [f"key {space} left"]
    assert key(tab) == [f"key {tab} left"]
    assert key(enter)[-1] == f"key {enter} used"


@pytest.mark.parametrize("host", [("lv2_window", "lv2/spleeterrt.lv2", 4)], indirect=True)
def test_lv2(programs: Path, screen: Screen, host: Window) -> None:
    play(screen, host, drawn(programs, 4, 1, "plain"), ("drums_mute", "bass_gain"))


@pytest.mark.parametrize("host", [("lv2_window", "lv2/spleeterrt.lv2", 4, "alone")], indirect=True)
def test_lv2_without_access_to_the_plugin(screen: Screen, host: Window) -> None:
    touch(screen, host, "drums_mute", "bass_gain")


def test_lv2_latency_at_another_rate(programs: Path, screen: Screen, tmp_path: Path) -> None:
    """The editor shows the same with and without access to the plugin, and another one at another rate."""
    if not (programs / "lv2_window").exists():
        pytest.skip("a build without this format")
    caption = np.s_[345:365, 20:240]
    screen.do("mousemove", 1390, 990)

    def shown(rate: int, *more: str) -> np.ndarray:
        bundle = Path(BUILD) / "bundles/lv2/spleeterrt.lv2"
        made = Window(screen, tmp_path / "log", programs / "lv2_window", bundle, 4, *more, rate)
        deadline, before = time.monotonic() + 20, None
        while time.monotonic() < deadline:
            time.sleep(0.3)
            now = screen.picture()[caption].copy()
            if before is not None and np.ptp(now) and np.array_equal(now, before):
                break
            before = now
        made.program.kill()
        made.program.wait()
        return now

    seen = shown(96000)
    np.testing.assert_array_equal(shown(96000, "alone"), seen)
    assert not np.array_equal(shown(44100, "alone"), seen)
