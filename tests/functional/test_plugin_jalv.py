"""The LV2 plugin in jalv, under a JACK server without a sound card that freewheels."""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import numpy as np
import pytest

from spleeterrt.models.sources import STARTER_FILE
from support.plugin_host import BUILD, level
from support.plugin_reference import song

PROGRAM, BUNDLES = BUILD / "jack_render", BUILD / "bundles/lv2"
PERIOD, SERVER = 256, "spleeterrt-test"

pytestmark = [
    pytest.mark.skipif(
        not PROGRAM.is_file(), reason="SPLEETERRT_PLUGIN_BUILD names no build with jack_render"
    ),
    pytest.mark.skipif(not (shutil.which("jackd") and shutil.which("jalv")), reason="no jackd, no jalv"),
]


def test_freewheeling(tmp_path):
    samples = song(44100, 3.0)
    samples.tofile(tmp_path / "in")
    environment = {**os.environ, "JACK_DEFAULT_SERVER": SERVER, "JACK_NO_AUDIO_RESERVATION": "1"}
    environment |= {"LV2_PATH": f"{BUNDLES}:/usr/lib/lv2", "SPLEETERRT_PLUGIN_MODEL": str(STARTER_FILE)}
    options = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(
        ["jackd", "-r", "--name", SERVER, "-ddummy", "-r44100", f"-p{PERIOD}"],
        **options,  # type: ignore[call-overload]
    )
    host = None
    try:
        time.sleep(3)
        uri = "https://github.com/spleeterrt/spleeterrt/plugin#4stems"
        host = subprocess.Popen(["jalv", "-x", "-p", uri], stdin=subprocess.PIPE, **options)
        command = [PROGRAM, "spleeterrt 4 Stems", tmp_path / "in", tmp_path / "out", str(len(samples))]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    finally:
        for process in filter(None, (host, server)):
            process.kill()
            process.wait()
    found = np.fromfile(tmp_path / "out", np.float32).reshape(len(samples), 5, 2).transpose(1, 2, 0)
    said = 5119 + PERIOD - 1
    total, count = found[1:].sum(0), len(samples)
    lag = min(
        range(said - 2 * PERIOD, said + 4 * PERIOD),
        key=lambda lag: level(total[:, 60000:60400] - samples.T[:, 60000 - lag : 60400 - lag], samples),
    )
    later, earlier = slice(40000, count), slice(40000 - lag, count - lag)
    assert level(total[:, later] - samples.T[:, earlier], samples) <= -120
    assert level(found[0][:, later] - samples.T[:, earlier], samples) <= -120
    assert lag == said + PERIOD  # the client's cycle is a period
    for stem in range(1, 5):
        assert level(found[stem], samples) > -60, stem
