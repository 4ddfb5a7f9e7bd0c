"""The LV2 plugin: its description by lilv and sord; its sound in a host of our own, which asks lilv."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt.models.sources import STARTER_FILE
from support.plugin_host import BUILD, SECONDS, CommandHost, level, quiet, rendered_without_a_word
from support.plugin_reference import MODES, aligned, expected_stems, reference_library, song

HOST, BUNDLE = BUILD / "lv2_host", BUILD / "bundles/lv2/spleeterrt.lv2"
URI = "https://github.com/spleeterrt/spleeterrt/plugin#{}stems"
STEMS = {4: ["vocals", "drums", "bass", "other"], 2: ["vocals", "accompaniment"]}
STEMS[5] = ["vocals", "drums", "bass", "piano", "other"]
LV2, EXTENSION = "http://lv2plug.in/ns/lv2core#", "http://lv2plug.in/ns/ext/"
READY, FAILED = 2, 4

pytestmark = [
    pytest.mark.skipif(not HOST.is_file(), reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin"),
    pytest.mark.skipif(shutil.which("lv2info") is None, reason="lilv-utils are not installed"),
]


def tool(*command: str | Path, **variables: str) -> str:
    environment = {**os.environ, "LV2_PATH": f"{BUNDLE.parent}:/usr/lib/lv2", **variables}
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert "error" not in done.stderr.lower(), done.stderr
    return done.stdout


@cache
def described(stems: int) -> list[dict[str, list[str]]]:
    """The ports as lilv reads them: each a list of values by key, scale points under their own."""
    ports = []
    for text in re.split(r"\n\tPort \d+:\n", tool("lv2info", URI.format(stems)))[1:]:
        port: dict[str, list[str]] = {"Points": re.findall(r'= "(.*)"', text)}
        key = ""
        for line in text.splitlines():
            found = re.match(r"\t\t(\w[\w ]*):\s*(.*)", line)
            key, value = found.groups() if found else (key, line.strip())
            if value and "=" not in value:
                port.setdefault(key, []).append(value)
        ports.append(port)
    return ports


def indices(stems: int) -> dict[str, int]:
    return {port["Symbol"][0]: index for index, port in enumerate(described(stems))}


class Host(CommandHost):
    def __init__(self, model: Path | str | None = None):
        super().__init__([HOST, BUNDLE / "spleeterrt.so"], model)

    def ready(self, stems=4, rate=44100, features="mo", most=512, usual=0, missing=(), **values):
        """An active plugin with its ports at their defaults, but for `values`."""
        self.index = indices(stems)
        assert self("create", URI.format(stems), rate, features, most, usual)
        controls = []
        for index, port in enumerate(described(stems)):
            if f"{LV2}ControlPort" in port["Type"]:
                controls.append(index)
                if f"{LV2}InputPort" in port["Type"]:
                    self("control", index, values.get(port["Symbol"][0], float(port["Default"][0])))
        sides = ("left", "right")
        outputs = [self.index[f"{bus}_{side}"] for bus in ("mix", *STEMS[stems]) for side in sides]
        outputs = [-port if port in missing else port for port in outputs]
        words = [controls, [self.index[f"in_{side}"] for side in sides], outputs]
        self("ports", *(",".join(map(str, word)) for word in words))
        self("activate")
        self("nothing")
        return int(self.read("latency"))

    def read(self, symbol):
        return self("read", self.index[symbol])

    def set(self, symbol, value):
        self("control", self.index[symbol], value)

    def close(self):
        self("deactivate")
        self("cleanup")


@pytest.fixture
def host():
    with Host(STARTER_FILE) as running:
        yield running


@pytest.fixture(scope="module")
def music():
    return song(44100, 4.0)


# --- what hosts read ---


@pytest.mark.skipif(shutil.which("sord_validate") is None, reason="sordi is not installed")
def test_the_description_is_valid():
    found = tool("sord_validate", *sorted(Path("/usr/lib/lv2").rglob("*.ttl")), *sorted(BUNDLE.glob("*.ttl")))
    assert "Found 0 errors" in found


def test_hosts_are_to_tell_the_user_interface_what_comes_out():
    found = re.findall(r'ui:plugin <(.*)> ; lv2:symbol "(\w+)"', (BUNDLE / "manifest.ttl").read_text())
    for stems in STEMS:
        told = {symbol for uri, symbol in found if uri == URI.format(stems)}
        controls = [port for port in described(stems) if f"{LV2}ControlPort" in port["Type"]]
        assert told == {port["Symbol"][0] for port in controls if f"{LV2}OutputPort" in port["Type"]}


def test_lilv_lists_the_plugins():
    assert set(tool("lv2ls").split()) >= {URI.format(stems) for stems in STEMS}
    with Host() as host:
        assert set(host("uris")) == {URI.format(stems) for stems in STEMS}
        assert host("create", URI.format(2), 44100, "-")
        assert host("unknown")


@pytest.mark.parametrize("stems", STEMS)
def test_everything_is_described(stems):
    whole = tool("lv2info", URI.format(stems))
    for line in (
        f"Name: +spleeterrt {stems} Stems",
        "Class: +Spectral Plugin",
        "Author: +spleeterrt",
        "Author Homepage: +https://github.com/spleeterrt/spleeterrt",
        "Has latency: +yes, reported by port",
        "Optional Features: +http",
        f"{EXTENSION}state#interface",
        f"{EXTENSION}options#interface",
    ):
        assert re.search(line, whole), line
    assert "Required Features" not in whole
    ports = {port["Symbol"][0]: port for port in described(stems)}
    assert list(ports)[:4] == ["in_left", "in_right", "mix_left", "mix_right"]
    for bus in ("in", "mix", *STEMS[stems]):
        for side in ("left", "right"):
            port = ports[f"{bus}_{side}"]
            assert f"{LV2}AudioPort" in port["Type"]
            assert port["Designation"] == [f"{EXTENSION}port-groups#{side}"]
            assert port["Group"] == [f"{URI.format(stems)}-{'input' if bus == 'in' else bus}"]
            assert (f"{LV2}connectionOptional" in port.get("Properties", [])) == (bus in STEMS[stems])
    designated = {"enabled": "enabled", "latency": "latency", "free_wheel": "freeWheeling"}
    for symbol, designation in designated.items():
        assert ports[symbol]["Designation"] == [f"{LV2}{designation}"]
    assert ports["latency_mode"]["Points"] != []
    assert sorted(ports["latency_mode"]["Points"]) == ["Long", "Middle", "Short"]
    assert sorted(ports["heard_when_late"]["Points"]) == sorted(name.title() for name in STEMS[stems])
    assert len(ports["status"]["Points"]) == 5
    for stem in STEMS[stems]:
        assert {f"{stem}_{what}" for what in ("gain", "mute", "solo")} <= set(ports)
        assert [float(ports[f"{stem}_gain"][key][0]) for key in ("Minimum", "Maximum", "Default")] == [
            -60,
            12,
            0,
        ]
    for port in ports.values():
        if f"{LV2}ControlPort" in port["Type"]:
            assert all(port[key] for key in ("Name", "Minimum", "Maximum", "Default")), port
    description = (BUNDLE / f"{stems}stems.ttl").read_text()
    assert description.count("units:unit units:db") == stems
    assert "expensive" not in description  # hosts would not automate it


# --- sound ---


CASES = [(4 if rate < 50000 else 2, mode, rate) for mode in MODES for rate in (44100, 48000, 88200, 96000)]


@pytest.mark.parametrize(("stems", "mode", "rate"), CASES)
def test_stems_are_those_of_the_library(host, tmp_path, stems, mode, rate):
    samples = song(rate, 8.0 if mode == "long" else 1.2)
    latency = host.ready(stems, rate, free_wheel=1, latency_mode=MODES.index(mode))
    found, _ = host.render(tmp_path, samples)
    assert host.read("concealed_frames") == host.read("late_runs") == 0
    assert host.read("status") == READY
    latency = int(host.read("latency"))
    host.close()
    delayed = aligned(samples.T, latency, len(samples))
    assert level(found[1:].sum(0) - delayed, delayed) <= -120
    assert level(found[0] - delayed, delayed) <= -120
    expected = expected_stems(reference_library(), STARTER_FILE, stems, mode, rate, samples, latency)
    for stem in range(stems):
        assert level(found[1 + stem] - expected[stem], expected[stem]) <= -120, stem


def test_a_host_that_says_nothing(tmp_path, music):
    """No features, no list of them, faster than the clock: nothing is concealed, the same bits every time."""
    results = []

    def render(features):
        with Host(STARTER_FILE) as host:
            latency = host.ready(features=features)
            found, report = host.render(tmp_path, music)
            readouts = host.read("concealed_frames"), host.read("status")
            host.close()
        return latency, found, readouts, report

    for features in ("-", "-", "null"):
        latency, found, readouts, _ = rendered_without_a_word(partial(render, features))
        assert readouts == (0, READY)
        results.append(found)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    delayed = aligned(music.T, latency, len(music))
    assert level(results[0][1:].sum(0) - delayed, delayed) <= -120


def test_a_host_that_says_nothing_and_plays_in_large_blocks(tmp_path, music):
    """It is not taken for one that renders: nothing waits in its callback."""
    with Host(STARTER_FILE) as host:
        host.ready(features="-")
        host("sleep", 3000)
        assert quiet(host.render(tmp_path, music, None, "4096", "paced")[1])
        host.close()


def test_the_callback_takes_no_lock_and_no_memory(host, tmp_path, music):
    host.ready()
    host("sleep", 3000)
    samples = np.resize(music, (int(SECONDS / 2 * 44100), 2))
    assert quiet(host.render(tmp_path, samples, None, "512,64,480,1,333,7", "paced")[1])
    host.set("vocals_gain", -6)
    host.set("drums_solo", 1)
    assert quiet(host.render(tmp_path, samples, None, "512,64,480,1,333,7", "paced")[1])
    host.close()


def test_ports_that_are_not_connected(host, tmp_path, music):
    host.ready(free_wheel=1)
    whole = host.render(tmp_path, music, 60000)[0]
    host.close()
    missing = {host.index[f"drums_{side}"] for side in ("left", "right")}
    host.ready(free_wheel=1, missing=missing)
    found = host.render(tmp_path, music, 60000)[0]
    assert np.all(found[2] == 9)  # not touched
    for bus in (0, 1, 3, 4):
        np.testing.assert_array_equal(found[bus], whole[bus])
    host.close()


def test_the_same_memory_for_input_and_mix(host, tmp_path, music):
    host.ready(free_wheel=1)
    apart = host.render(tmp_path, music, 60000)[0]
    host.close()
    host.ready(free_wheel=1)
    host("in_place", 1)
    np.testing.assert_array_equal(host.render(tmp_path, music, 60000)[0], apart)
    host.close()


def test_bypass_gains_and_solos(host, tmp_path, music):
    latency = host.ready(free_wheel=1, enabled=0, vocals_gain=-20)
    delayed = aligned(music.T, latency, len(music))
    np.testing.assert_array_equal(host.render(tmp_path, music)[0][0], delayed)
    host.close()
    host.ready(free_wheel=1, vocals_gain=-6, drums_mute=1)
    found = host.render(tmp_path, music)[0]
    expected = found[1] * 10 ** (-6 / 20) + found[3] + found[4]
    assert level(found[0] - expected, expected) <= -120
    host.close()


def test_calls_out_of_turn(host, tmp_path, music):
    """Nothing connected, not active, active twice, values that are no numbers: no crash, and no trace."""
    host.ready(free_wheel=1)
    expected = host.render(tmp_path, music, 60000)[0]
    host.close()
    assert host("create", URI.format(4), 44100, "mo", 512, 0)
    host("nothing")  # nothing is connected
    host("activate")
    host("run", 300)
    host("activate")
    host("nothing")
    host("deactivate")
    host("deactivate")
    host("run", 300)
    host.ready(free_wheel=1)
    for symbol in ("enabled", "latency_mode", "heard_when_late", "vocals_gain", "drums_mute"):
        host.set(symbol, "nan")
    assert np.isfinite(host.render(tmp_path, music, 30000)[0]).all()
    for symbol, value in (("enabled", 1), ("latency_mode", 1), ("heard_when_late", 3), ("vocals_gain", 0)):
        host.set(symbol, value)
    host.set("drums_mute", 0)
    host("activate")
    np.testing.assert_array_equal(host.render(tmp_path, music, 60000)[0], expected)
    host("deactivate")
    silent, _ = host.render(tmp_path, music, 5000)
    assert not silent.any()
    host("cleanup")


# --- options and state ---


def test_block_lengths_decide_the_latency(host):
    of_512 = host.ready(most=512)
    host.close()
    assert host.ready(most=8192, usual=512) == of_512  # what the host usually sends
    host.close()
    assert host.ready(most=8192) == of_512 + 8192 - 512
    longest, unknown = f"{EXTENSION}buf-size#maxBlockLength", f"{EXTENSION}buf-size#sequenceSize"
    host("deactivate")
    assert host("option", longest, 256) == {"result": 0, "got": 0, "value": 256}
    assert host("option", unknown, 256)["result"] != 0
    host("activate")
    host("nothing")
    assert host.read("latency") == of_512 - 256
    host.close()


def test_state_names_the_model(host, tmp_path):
    key, kind = f"{URI.format('')[:-5]}model", f"{EXTENSION}atom#Path"
    host.ready()
    assert host("save") == {"result": 0, "stored": []}  # what is found
    path = tmp_path / "mine.safetensors"
    assert host("restore", key, kind, path) == 0
    saved = host("save")
    assert saved["result"] == 0
    assert saved["stored"] == [{"key": key, "type": kind, "value": str(path), "terminated": True, "flags": 3}]
    assert host("restore", key, f"{EXTENSION}atom#Int", path) != 0
    assert host("save") == saved
    assert host("restore", key, kind) == 0  # a state without it: what is found
    assert host("save") == {"result": 0, "stored": []}
    host.close()
    host.ready(features="-")
    assert host("save")["result"] != 0  # no URIDs, no keys
    host.close()


@pytest.mark.parametrize("path", ["/gone/mine.safetensors", "D:\\Models\\mine.safetensors"])
def test_a_project_of_another_machine(tmp_path, monkeypatch, path):
    """The model that it names is looked for by its file's name, and no other one is taken."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    key, kind = f"{URI.format('')[:-5]}model", f"{EXTENSION}atom#Path"

    def status():
        with Host() as host:
            host.ready()
            assert host("restore", key, kind, path) == 0
            for _ in range(200):
                host("sleep", 100)
                host("nothing")
                found = host.read("status")
                if found in (READY, FAILED):
                    break
            assert host("save")["stored"][0]["value"] == path  # for the machine where it was made
            host.close()
        return found

    assert status() == FAILED
    folder = tmp_path / "spleeterrt/models"
    folder.mkdir(parents=True)
    shutil.copy(STARTER_FILE, folder / "mine.safetensors")
    assert status() == READY


# --- other hosts ---


def test_lv2apply(tmp_path, music):
    """A host of lilv's, which says nothing, and gives one sample at a time: 24 bits of every output."""
    soundfile.write(tmp_path / "in.wav", music, 44100, subtype="FLOAT")
    command = ["lv2apply", "-i", tmp_path / "in.wav", "-o", tmp_path / "out.wav", URI.format(4)]
    for _ in range(4):
        begun = time.monotonic()
        tool(*command, SPLEETERRT_PLUGIN_MODEL=str(STARTER_FILE))
        if time.monotonic() - begun < 0.75 * len(music) / 44100:
            break
    else:
        pytest.skip("a busy machine: it renders no faster than it would play")
    found, rate = soundfile.read(tmp_path / "out.wav", dtype="float32", always_2d=True)
    assert (rate, found.shape[1]) == (44100, 10)

    def render():
        with Host(STARTER_FILE) as host:
            latency = host.ready(features="-")
            expected, report = host.render(tmp_path, music, None, "4096")
            host.close()
        return latency, expected, report

    latency, expected, _ = rendered_without_a_word(render)
    found = found.T.reshape(5, 2, -1)
    delayed = aligned(music.T, latency, found.shape[-1])
    assert level(found[1:].sum(0) - delayed, delayed) <= -100
    for stem in range(1, 5):
        assert level(found[stem] - expected[stem, :, : found.shape[-1]], expected[stem]) <= -85, stem
