"""The VST3 plugin in hosts of PyPI. SPLEETERRT_PLUGIN_HOSTS: the Python of an environment that has them."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from spleeterrt.models.sources import STARTER_FILE
from support.plugin_host import level
from support.plugin_reference import aligned, expected_stems, reference_library, song
from support.vst3_host import BUNDLE

PYTHON = os.environ.get("SPLEETERRT_PLUGIN_HOSTS", "")
PROGRAM = Path(__file__).parents[1] / "plugin/python_hosts.py"
TITLES = ["Bypass", "Latency mode", "Heard when late"]
TITLES += [
    f"{stem} {what}" for stem in ("Vocals", "Drums", "Bass", "Other") for what in ("gain", "mute", "solo")
]
TITLES += ["Status", "Reported latency", "Load", "Late runs", "Concealed frames"]


@cache
def has(host: str) -> bool:
    return (
        bool(PYTHON) and subprocess.run([PYTHON, "-c", f"import {host}"], capture_output=True).returncode == 0
    )


pytestmark = pytest.mark.skipif(
    not BUNDLE.is_dir(), reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin"
)


def run(host, folder, samples):
    if not has(host):
        pytest.skip(f"SPLEETERRT_PLUGIN_HOSTS names no environment with {host}")
    np.save(folder / "in.npy", np.ascontiguousarray(samples.T))
    command = [PYTHON, str(PROGRAM), host, str(BUNDLE), str(folder / "in.npy"), str(folder / "out.npy")]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment["SPLEETERRT_PLUGIN_MODEL"] = str(STARTER_FILE)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return np.load(folder / "out.npy"), json.loads(done.stdout.splitlines()[-1])


def test_pedalboard(tmp_path):
    """It says that it renders, and takes the latency away: the mix is the input."""
    samples = song(44100, 2.0)
    found, report = run("pedalboard", tmp_path, samples)
    assert found.shape == samples.T.shape
    assert level(found - samples.T, samples) <= -120
    assert report["again"]
    assert report["muted_differs"]
    names = [name.removesuffix("_db").removesuffix("_ms") for name in report["parameters"]]
    assert names == [title.lower().replace(" ", "_") for title in TITLES]
    assert report["parameters"]["vocals_gain_db"] == "0.0 dB"


def test_minihost(tmp_path):
    """All buses, without a word and told; another mode, of which it hears; the state."""
    samples = song(44100, 2.0)
    found, report = run("minihost", tmp_path, samples)
    assert report["buses"] == ["Mix", "Vocals", "Drums", "Bass", "Other"]
    assert list(report["parameters"])[: len(TITLES)] == TITLES
    assert report["same"] == [True, True]
    assert report["concealed"] == "0"
    latency, count = report["latency"], found.shape[1]
    buses = found.reshape(5, 2, count)
    delayed = aligned(samples.T, latency, count)
    assert level(buses[1:].sum(0) - delayed, delayed) <= -120
    expected = expected_stems(reference_library(), STARTER_FILE, 4, "middle", 44100, samples[:count], latency)
    for stem in range(4):
        assert level(buses[1 + stem] - expected[stem], expected[stem]) <= -120, stem
    assert report["short_latency"] < latency
    assert report["mode_restored"] == "Middle"
