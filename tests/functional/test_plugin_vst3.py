"""The VST3 plugin in a host of our own, which calls it in every order that the format allows."""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
from functools import partial

import numpy as np
import pytest

from spleeterrt.models.sources import STARTER_FILE
from support.plugin_host import SECONDS, level, quiet, rendered_without_a_word
from support.plugin_reference import MODES, aligned, expected_stems, reference_library, song
from support.vst3_host import (
    BYPASS,
    CLASSES,
    CONCEALED,
    HOST,
    LATE,
    LATENCY,
    LATENCY_CHANGED,
    MODE,
    READY,
    RESULTS,
    STATUS,
    Host,
    gain,
)

pytestmark = pytest.mark.skipif(
    not HOST.is_file(), reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin"
)
STEMS = {
    4: ["Vocals", "Drums", "Bass", "Other"],
    2: ["Vocals", "Accompaniment"],
    5: ["Vocals", "Drums", "Bass", "Piano", "Other"],
}


@pytest.fixture
def host():
    with Host(STARTER_FILE) as running:
        yield running


@pytest.fixture(scope="module")
def music():
    return song(44100, 4.0)


# --- what hosts list ---


def test_the_classes(host):
    listed = host("classes")
    assert listed["vendor"] == "spleeterrt"
    assert listed["flags"] == 16
    assert listed["beyond"] != 0
    classes = listed["classes"]
    assert [entry["name"] for entry in classes] == [f"spleeterrt {n} Stems" for n in (4, 2, 5)]
    # In users' projects: these may never change.
    assert [entry["id"] for entry in classes] == [f"53706C6565746572{tail}" for tail in ID_TAILS]
    for entry in classes:
        assert entry["same"]
        assert entry["wide_name"] == entry["name"]
        assert entry["category"] == "Audio Module Class"
        assert entry["sub_categories"] == "Fx|Restoration"
        assert entry["version"]


ID_TAILS = ("52542D7374656D34", "52542D7374656D32", "52542D7374656D35")


@pytest.mark.parametrize("stems", CLASSES)
def test_interfaces_of_one_object(host, stems):
    host("create", CLASSES[stems])
    found = host("identity")
    assert found == {
        "wrong": 0,
        "unknown": RESULTS["no interface"],
        "cleared": True,
        "given_back": 8,
    }
    assert host("release") == 0


@pytest.mark.parametrize("stems", CLASSES)
def test_buses_parameters_and_units(host, stems):
    host("create", CLASSES[stems])
    assert host("initialise") == 0
    found = host("buses")
    assert found["events"] == 0
    assert found["beyond"] == RESULTS["bad argument"]
    names = ["Input", "Mix", *STEMS[stems]]
    assert [bus["name"] for bus in found["buses"]] == names
    for k, bus in enumerate(found["buses"]):
        assert bus["result"] == 0
        assert bus["channels"] == 2
        assert bus["arrangement"] == 3
        assert bus["active"]
        assert bus["main"] == (k < 2)
        assert bus["unit"] == max(k - 1, 0)
    units = host("units")
    assert [unit["name"] for unit in units[1:]] == STEMS[stems]
    assert [unit["parent"] for unit in units] == [-1, *[0] * stems]
    parameters = host("parameters")
    titles = ["Bypass", "Latency mode", "Heard when late"]
    titles += [f"{stem} {what}" for stem in STEMS[stems] for what in ("gain", "mute", "solo")]
    readouts = ["Status", "Reported latency", "Load", "Late runs", "Concealed frames"]
    assert [entry["title"] for entry in parameters] == titles + readouts
    assert len({entry["id"] for entry in parameters}) == len(parameters)
    by_title = {entry["title"]: entry for entry in parameters}
    assert by_title["Bypass"]["flags"] == 1 | 1 << 16  # can be automated, is the bypass
    assert by_title["Latency mode"]["text"] == "Middle"
    assert by_title["Latency mode"]["steps"] == 2
    assert by_title["Vocals gain"]["text"] == "0.0 dB"
    assert by_title["Vocals gain"]["units"] == "dB"
    for entry in parameters:
        assert entry["value"] == pytest.approx(entry["usual"] if entry["title"] in titles else entry["value"])
        automated, read_only = entry["flags"] & 1, entry["flags"] & 2
        assert bool(automated) == (entry["title"] in titles)
        assert bool(read_only) == (entry["title"] in readouts)
        stem = next((k for k, name in enumerate(STEMS[stems]) if entry["title"].startswith(f"{name} ")), None)
        assert entry["unit"] == (0 if stem is None else stem + 1)


def test_text_both_ways(host):
    host("create", 0)
    assert host("initialise") == 0
    for entry in host("parameters"):
        if entry["flags"] & 2:
            continue
        for step in range(entry["steps"] + 1 if entry["steps"] else 73):
            value = step / (entry["steps"] or 72)
            text = host("text", entry["id"], value)
            back = host("number", entry["id"], text)
            assert back["result"] == 0, text
            assert back["value"] == pytest.approx(value, abs=1e-9 if entry["steps"] else 1e-3), text
    assert host("number", gain(0), "-6")["plain"] == pytest.approx(-6)
    assert host("number", gain(0), "-6 db")["plain"] == pytest.approx(-6)
    assert host("number", gain(0), "-inf")["value"] == 0
    assert host("number", gain(0), "loud")["result"] != 0
    assert host("number", 9999, "0")["result"] == RESULTS["bad argument"]
    assert host("set", 9999, 0) == RESULTS["bad argument"]


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ("2 2,2,2,2,2", True),
        ("2 2", False),
        ("1 2,2,2,2,2", False),
        ("2 2,2,2,2,1", False),
        ("2,2 2,2,2,2,2", False),
    ],
)
def test_arrangements_of_buses(host, wanted, fits):
    host("create", 0)
    assert host("initialise") == 0
    assert host("arrange", wanted) == (RESULTS["ok"] if fits else RESULTS["false"])


# --- sound ---


@pytest.mark.parametrize("rate", [44100, 48000, 88200, 96000])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("stems", [4, 2])
def test_stems_are_those_of_the_library(host, tmp_path, stems, mode, rate):
    if stems == 2 and (mode, rate) not in (("short", 44100), ("middle", 48000)):
        pytest.skip("the four stems show it")
    samples = song(rate, 8.0 if mode == "long" else 1.2)
    latency = host.ready(stems, rate, 512, "offline", [(MODE, MODES.index(mode) / 2)])
    found, report = host.render(tmp_path, samples)
    assert report["told"][str(CONCEALED)] == 0
    assert report["told"][str(LATENCY)] == pytest.approx(1000 * latency / rate)
    host.close()
    delayed = aligned(samples.T, latency, len(samples))
    assert level(found[1:].sum(0) - delayed, delayed) <= -120
    assert level(found[0] - delayed, delayed) <= -120  # nothing is turned down
    expected = expected_stems(reference_library(), STARTER_FILE, stems, mode, rate, samples, latency)
    for stem in range(stems):
        assert level(expected[stem], delayed) > -60  # there is something to compare
        assert level(found[1 + stem] - expected[stem], expected[stem]) <= -120, stem


def test_a_host_that_says_nothing_and_one_that_lies_about_blocks(tmp_path, music):
    """Faster than the clock, or in blocks other than promised: nothing is concealed, twice the same."""
    results = []

    def render(blocks):
        with Host(STARTER_FILE) as host:
            latency = host.ready(mode="realtime")
            found, report = host.render(tmp_path, music, None, blocks)
            host.close()
        return latency, found, report

    for blocks in ("512", "512", "1000,3,8192,64"):
        latency, found, report = rendered_without_a_word(partial(render, blocks))
        assert report["told"][str(CONCEALED)] == 0, blocks
        assert report["told"][str(STATUS)] == READY
        results.append(found)
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0][1:], results[2][1:])
    delayed = aligned(music.T, latency, len(music))
    assert level(results[0][1:].sum(0) - delayed, delayed) <= -120
    with Host(STARTER_FILE) as host:
        host.ready(mode="offline")
        np.testing.assert_array_equal(host.render(tmp_path, music)[0], results[0])


@pytest.mark.parametrize("sends_mode", [1, 0])
def test_offline_twice_after_a_reset(host, tmp_path, music, sends_mode):
    host.ready(mode="offline")
    host("sends_mode", sends_mode)
    first = host.render(tmp_path, music)[0]
    host.restart()
    np.testing.assert_array_equal(host.render(tmp_path, music)[0], first)
    host.close()


def test_the_callback_takes_no_lock_and_no_memory(host, tmp_path, music):
    host.ready(block=1024)
    host("sleep", 3000)
    count = int(SECONDS * 44100)
    for at in range(0, count, 4000):  # edits all the time
        host("queue", gain(at // 4000 % 4), 0.2 + at % 7 / 10, at)
    samples = np.resize(music, (count, 2))
    report = host.render(tmp_path, samples, count, "512,64,480,1,333,1024,7", "paced")[1]
    assert quiet(report), report
    host.close()


def test_changes_within_a_block(host, tmp_path, music):
    """A mute at sample 30000, in the middle of a block of 8192: not one sample before it is another one."""
    host.ready(block=8192, mode="offline")
    plain = host.render(tmp_path, music, 50000, "8192")[0]
    host.restart()
    host("queue", gain(0) + 1, 1, 30000)
    muted = host.render(tmp_path, music, 50000, "8192")[0]
    np.testing.assert_array_equal(muted[1:], plain[1:])  # stems are before mutes
    np.testing.assert_array_equal(muted[0, :, :30000], plain[0, :, :30000])
    later = slice(40000, None)  # behind any fade
    assert level(muted[0][:, later] - (plain[0] - plain[1])[:, later], plain[0]) <= -120
    assert np.abs(muted[0, :, 30000:31000] - plain[0, :, 30000:31000]).max() > 1e-4
    assert host("get", gain(0) + 1) == 1  # automation is shown
    host.close()


def test_bypass(host, tmp_path, music):
    latency = host.ready(mode="offline", values=[(BYPASS, 1), (gain(1), 0.1)])
    found = host.render(tmp_path, music)[0]
    delayed = aligned(music.T, latency, len(music))
    np.testing.assert_array_equal(found[0], delayed)
    host.close()


def test_buses_that_are_off_or_missing(host, tmp_path, music):
    host.ready(mode="offline")
    whole = host.render(tmp_path, music, 60000)[0]
    assert host("bus", 2, 0) == 0
    assert host("absent", "3") == 0
    host.restart()
    found = host.render(tmp_path, music, 60000)[0]
    assert np.all(found[2] == 0)
    assert np.all(found[3] == 9)  # not touched
    for bus in (0, 1, 4):
        np.testing.assert_array_equal(found[bus], whole[bus])
    assert host("bus", 9, 1) == RESULTS["bad argument"]
    host.close()


def test_the_same_memory_for_input_and_mix(host, tmp_path, music):
    host.ready(mode="offline")
    apart = host.render(tmp_path, music, 60000)[0]
    host("in_place", 1)
    host.restart()
    np.testing.assert_array_equal(host.render(tmp_path, music, 60000)[0], apart)
    host.close()


def test_without_a_model_the_last_stem_is_the_input(tmp_path, music):
    with Host(tmp_path / "nothing.safetensors") as host:
        latency = host.ready(mode="offline")
        found, report = host.render(tmp_path, music)
        host.close()
    delayed = aligned(music.T, latency, len(music))
    np.testing.assert_array_equal(found[0], delayed)
    np.testing.assert_array_equal(found[4], delayed)
    assert not found[1:4].any()
    assert report["told"][str(STATUS)] != READY


# --- calls in every order, and what hosts may leave out ---


def test_calls_out_of_turn_are_refused(host, tmp_path):
    host("create", 0)
    assert host("active", 1) == RESULTS["not initialised"]
    assert host("initialise") == 0
    assert host("initialise") == RESULTS["false"]
    assert host("processing", 1) == RESULTS["not initialised"]
    assert host("flush") == RESULTS["not initialised"]
    assert host("setup", 44100, 0) == RESULTS["bad argument"]
    assert host("setup", 0, 512) == RESULTS["bad argument"]
    assert host("setup", 44100, 512, "realtime", "double") == RESULTS["bad argument"]
    assert host("active", 1) == host("active", 1) == 0  # never set up: the usual rate and block
    assert host("setup", 48000, 256) == RESULTS["false"]
    assert host("flush") == 0
    assert host("active", 0) == host("active", 0) == 0
    for rate, block in ((22050, 16), (192000, 8192), (44100, 1)):
        assert host("setup", rate, block) == 0
        assert host("active", 1) == 0
        assert host("flush") == 0  # without set_processing
        assert host("active", 0) == 0
    assert host("terminate") == host("terminate") == 0
    assert host("initialise") == 0
    assert host("active", 1) == 0
    assert host("terminate") == 0  # while active
    assert host("release") == 0


def test_blocks_that_are_not_as_agreed(host, tmp_path, music):
    """Buses without memory, of one channel or four, too many, announced and not there: no crash, no trace."""
    ok, bad, inactive = RESULTS["ok"], RESULTS["bad argument"], RESULTS["not initialised"]
    host("create", 0)
    assert host("initialise") == 0
    assert host("odd", 64) == [inactive] * 10 + [bad] * 4
    assert host("release") == 0
    host.ready(mode="offline")
    before = host.render(tmp_path, music, 60000)[0]
    for samples in (64, 512, 5000):
        assert host("odd", samples) == [ok] * 7 + [bad] * 2 + [ok] + [bad] * 4
    host.restart()
    np.testing.assert_array_equal(host.render(tmp_path, music, 60000)[0], before)
    host.close()


def test_values_that_are_no_numbers(host, tmp_path, music):
    host.ready(mode="offline")
    for parameter in (BYPASS, MODE, LATE, gain(0), gain(0) + 1):
        assert host("set", parameter, "nan") == 0
        host("queue", parameter, "inf", 3000)
    found = host.render(tmp_path, music, 30000)[0]
    assert np.isfinite(found).all()
    host.close()


def test_ends_at_any_moment(tmp_path, music):
    """Released while the engine is made, while networks run, without being deactivated."""
    for pause in (0, 5, 50, 300, 1500):
        with Host(STARTER_FILE) as host:
            host.ready()
            host("sleep", pause)
            host.render(tmp_path, music, 20000)
            assert host("release") == 0


def test_a_host_without_context_and_handler(host, tmp_path, music):
    host("create", 0)
    assert host("initialise", "none") == 0
    assert host("setup", 44100, 512, "offline") == 0
    assert host("set", MODE, 0) == 0
    assert host("active", 1) == 0
    assert host("set", MODE, 1) == 0
    host.render(tmp_path, music, 20000)
    host.close()


def test_changes_reach_an_idle_plugin(host):
    """In a block of no samples, and through the controller while nothing plays."""
    host("create", 0)
    host("initialise")
    host("active", 1)
    host("queue", gain(0), 0.25, 0)
    assert host("flush") == 0
    assert host("get", gain(0)) == 0.25
    assert host("active", 0) == 0
    middle = host("latency")
    assert host("set", MODE, 1) == 0
    assert host("active", 1) == 0
    assert host("latency") > 10 * middle


@pytest.mark.parametrize("part", [1, 7, 4096])
def test_state_in_parts(tmp_path, part):
    values = {BYPASS: 1, MODE: 0, LATE: 1 / 3, gain(0): 0.125, gain(2): 1, gain(1) + 1: 1, gain(3) + 2: 1}
    with Host() as host:
        host("create", 0), host("initialise")
        for parameter, value in values.items():
            assert host("set", parameter, value) == 0
        assert host("save", tmp_path / "state", part)["result"] == 0
        assert host("save", tmp_path / "whole")["result"] == 0
    state = (tmp_path / "state").read_bytes()
    assert state == (tmp_path / "whole").read_bytes()
    for bad in (b"", b"\0" * 100, b"not a state of this plugin"):
        (tmp_path / "bad").write_bytes(bad)
        with Host() as host:
            host("create", 0), host("initialise")
            host("set", gain(1), 0.5)
            assert host("load", tmp_path / "bad", part)["result"] != 0
            assert host("get", gain(1)) == pytest.approx(0.5)
    with Host() as host:
        host("create", 0), host("initialise")
        usual = {entry["id"]: entry["usual"] for entry in host("parameters")}
        assert host("load", tmp_path / "state", part)["result"] == 0
        assert host("show", tmp_path / "state", part)["result"] == 0
        for parameter, default in usual.items():
            if parameter < STATUS:
                assert host("get", parameter) == pytest.approx(values.get(parameter, default)), parameter


def test_a_change_of_mode_is_told_on_the_main_thread(host, tmp_path, music):
    middle = host.ready(mode="offline")
    host.render(tmp_path, music, 20000)
    host("forward"), host("handled")
    host("queue", MODE, 0, 100)
    host.render(tmp_path, music, 40000)
    host("forward")  # as hosts do: what the plugin said, to its controller
    told = host("handled")
    assert told["restarts"] == 1
    assert told["flags"] == LATENCY_CHANGED
    assert told["elsewhere"] == 0
    short = host("latency")
    assert short < middle
    host("forward")
    assert host("handled")["restarts"] == 0
    # The host restarts, as it is asked to: nothing more to tell.
    assert host("processing", 0) == host("active", 0) == host("active", 1) == host("processing", 1) == 0
    assert host("latency") == short
    host("forward")
    assert host("handled")["restarts"] == 0
    host.close()


def test_another_rate_and_block_have_another_latency(host):
    latencies = {}
    for rate, block in ((44100, 512), (44100, 256), (96000, 512)):
        latencies[rate, block] = host.ready(rate=rate, block=block)
        host.close()
    assert latencies[44100, 512] - latencies[44100, 256] == 256
    assert latencies[96000, 512] > 1.9 * latencies[44100, 512]


@pytest.mark.skipif(sys.platform != "linux", reason="watches a file by inotify")
def test_a_scan_opens_no_model(tmp_path, music):
    model = shutil.copy(STARTER_FILE, tmp_path / "4stems.safetensors")
    libc = ctypes.CDLL(None)
    events = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(events, os.fsencode(model), 0x20) > 0  # IN_OPEN
    with Host(model) as host:
        for index in range(3):
            host("create", index)
            assert host("initialise") == 0
            host("parameters"), host("buses"), host("units"), host("latency")
            assert host("save", tmp_path / "state")["result"] == 0
            assert host("terminate") == 0
            assert host("release") == 0
        with pytest.raises(BlockingIOError):
            os.read(events, 4096)
        host.ready(mode="offline")
        host.render(tmp_path, music, 2000)
        assert os.read(events, 4096)  # then it is
        host.close()
    os.close(events)


def test_gains_are_the_mix(host, tmp_path, music):
    """The mix is the sum of the stems under gains, mutes and solos."""
    value = (-6 + 60) / 72
    host.ready(mode="offline", values=[(gain(0), value), (gain(1) + 1, 1)])
    found = host.render(tmp_path, music)[0]
    expected = found[1] * 10 ** (-6 / 20) + found[3] + found[4]
    assert level(found[0] - expected, expected) <= -120
    host.close()
