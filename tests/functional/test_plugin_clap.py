"""The CLAP plugin in a host of our own (tests/plugin), and the shell below it.

Built apart: SPLEETERRT_PLUGIN_BUILD names the folder of

    cmake -B build/plugin -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON
    cmake --build build/plugin

The hosts check and say what they measured; here they get their models and folders. SPLEETERRT_PLUGIN_SECONDS:
how long the plugin plays in real time, in each format (6).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from spleeterrt.models import convert
from spleeterrt.models.checksum import crc32c
from spleeterrt.models.sources import STARTER_FILE
from support.golden import case
from support.plugin_host import SECONDS

pytestmark = pytest.mark.skipif(
    "SPLEETERRT_PLUGIN_BUILD" not in os.environ, reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin"
)
BUILD = Path(os.environ.get("SPLEETERRT_PLUGIN_BUILD", ".")).resolve()
PLUGIN = BUILD / "bundles/clap/spleeterrt/spleeterrt.clap"


@pytest.fixture
def folders(tmp_path):
    """A home without models: {variable: folder}."""
    folder = tmp_path / "home"
    folder.mkdir()
    return {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data")}


@pytest.fixture(scope="module")
def five_stems(tmp_path_factory):
    """The starter's five networks as a model of 5 stems, in another order than the plugin's buses."""
    content = STARTER_FILE.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size].replace(b"accompaniment", b"piano"))
    metadata = header["__metadata__"]
    sums = json.loads(metadata["crc32c"])
    sums[""] = crc32c(metadata["config"].encode())
    metadata["crc32c"] = json.dumps(sums)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = tmp_path_factory.mktemp("model") / "five.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])
    return path


def run(program, *arguments, model=None, before=(), **variables):
    """The host's output; fails where one of its checks has failed."""
    environment = {**os.environ, **variables}
    environment.pop("SPLEETERRT_PLUGIN_MODEL", None)
    if model:
        environment["SPLEETERRT_PLUGIN_MODEL"] = str(model)
    command = [*before, BUILD / program, *([PLUGIN] if program == "clap_tests" else []), *arguments]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=environment, timeout=900
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout, done.stdout
    assert "ok: " in done.stdout
    return done.stdout


@pytest.mark.parametrize("mode", ["short", "middle", "long"])
@pytest.mark.parametrize("rate", [44100, 48000, 88200, 96000])
def test_stems_are_those_of_the_c_interface_and_sum_to_the_input(folders, rate, mode):
    stems = 4 if rate < 50000 else 2
    run("clap_tests", "null", STARTER_FILE, stems, mode, rate, model=STARTER_FILE, **folders)


def test_five_stems(folders, five_stems):
    run("clap_tests", "null", five_stems, 5, "middle", 44100, model=five_stems, **folders)


@pytest.mark.parametrize("check", ["mix", "blocks", "late-loading", "rates", "mode", "orders", "unload"])
def test_clap(folders, check):
    run("clap_tests", check, model=STARTER_FILE, **folders)


@pytest.mark.parametrize("check", ["parameters", "state"])
def test_clap_without_sound(folders, check):
    run("clap_tests", check, **folders)


def test_the_audio_thread_allocates_nothing_takes_no_lock_and_waits_for_nothing(folders):
    run("clap_tests", "realtime", SECONDS, model=STARTER_FILE, **folders)


def test_eight_instances_share_their_model(folders):
    run("clap_tests", "many", 8, model=STARTER_FILE, **folders)


def test_a_model_of_another_kind(folders, tmp_path):
    other = convert(case("tiny-4stems") / "config.json", tmp_path / "tiny.safetensors", progress=False)
    assert "tiny.safetensors is of another kind" in run("clap_tests", "dry", 4, model=other, **folders)


def test_without_a_model_the_mix_is_the_last_stem(folders):
    run("clap_tests", "dry", 4, model="/nonexistent.safetensors", **folders)


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "empty", "pipe", "folder"])
def test_a_damaged_model(folders, tmp_path, damage):
    content = bytearray(STARTER_FILE.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[len(content) // 2 :: 1000] = bytes(len(content[len(content) // 2 :: 1000]))
    else:
        content = bytearray(b"" if damage == "empty" else b"RIFF" * 1000)
    model = tmp_path / "model.safetensors"
    if damage == "pipe":
        os.mkfifo(model)
    elif damage == "folder":
        model.mkdir()
    else:
        model.write_bytes(content)
    told = run("clap_tests", "dry", 4, model=model, **folders)
    assert "model.safetensors" in told


def test_models_are_looked_for_beside_the_binary_and_in_the_user_s_folder(folders, tmp_path, five_stems):
    nowhere = tmp_path / "alone" / "spleeterrt.clap"
    nowhere.parent.mkdir()
    shutil.copy(PLUGIN, nowhere)

    def told(*arguments, plugin=PLUGIN):
        environment = {**os.environ, **folders}
        environment.pop("SPLEETERRT_PLUGIN_MODEL", None)
        command = [BUILD / "clap_tests", plugin, *arguments]
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=environment, check=False
        )
        return re.findall(r"status (\d): (.*)", done.stdout)[0]

    def status(stems, plugin=PLUGIN):
        return told("dry", 0, stems, plugin=plugin)

    models = Path(folders["XDG_DATA_HOME"]) / "spleeterrt/models"
    assert status(4, nowhere) == ("3", f"No model: put one into {models}")
    assert status(4) == ("2", "starter.safetensors")
    assert status(2) == ("2", "starter.safetensors")
    phase, message = status(5)
    assert phase == "4"
    assert "this plugin needs vocals,drums,bass,piano,other" in message
    models.mkdir(parents=True)
    shutil.copy(five_stems, models / "a.safetensors")
    shutil.copy(five_stems, models / "5stems.safetensors")
    (models / "aa.safetensors").write_bytes(b"nonsense")
    assert status(5) == ("2", "5stems.safetensors")
    assert status(5, nowhere) == ("2", "5stems.safetensors")
    assert status(2) == ("2", "starter.safetensors")
    (models / "5stems.safetensors").unlink()
    assert status(5) == ("2", "a.safetensors")


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_a_scan_opens_no_model(folders, tmp_path):
    log = tmp_path / "calls"
    trace = ["strace", "-f", "-e", "trace=open,openat,stat,newfstatat,access", "-o", str(log)]
    run("clap_tests", "scan", before=trace, model=STARTER_FILE, **folders)
    calls = log.read_text()
    assert "spleeterrt.clap" in calls
    assert "safetensors" not in calls
    assert "/models" not in calls


@pytest.mark.parametrize(
    "check", ["restart", "bypass", "closing", "clicks", "clicks-in-time", "changes", "changes-in-time"]
)
def test_the_shell_alone(folders, tmp_path, check):
    other = tmp_path / "four.safetensors"
    shutil.copy(STARTER_FILE, other)
    run(
        "shell_tests",
        check,
        *([other] if "changes" in check or check == "closing" else []),
        model=STARTER_FILE,
        **folders,
    )


# --- odd hosts, odd homes ---


@pytest.mark.parametrize("check", ["odd", "odd-sound", "host-threads"])
def test_odd_hosts(folders, check):
    run("clap_tests", check, model=STARTER_FILE, **folders)


def test_a_host_opens_and_closes_the_file_again_and_again(folders, tmp_path):
    copy = shutil.copy(PLUGIN, tmp_path / "copy.clap")
    run("clap_tests", "reload", copy, model=STARTER_FILE, **folders)


def test_several_models_and_files_that_change(folders, tmp_path, five_stems):
    run("clap_tests", "models", STARTER_FILE, five_stems, tmp_path, **folders)


@pytest.mark.parametrize(
    "home",
    [
        {"HOME": None, "XDG_DATA_HOME": None},
        {"HOME": "", "XDG_DATA_HOME": ""},
        {"HOME": "/nonexistent", "XDG_DATA_HOME": None},
        {"HOME": "/dev/null", "XDG_DATA_HOME": "/dev/null"},
        {"HOME": "/", "XDG_DATA_HOME": "somewhere/else"},
    ],
)
def test_homes(tmp_path, home):
    """A model beside the binary is found whatever the home is; where it is not, the status tells a place."""
    folder = tmp_path / "Müsik \u2013 \u97f3\u697d"
    (folder / "models").mkdir(parents=True)
    plugin = shutil.copy(PLUGIN, folder / "spleeterrt.clap")
    environment = {**os.environ, **{name: value for name, value in home.items() if value is not None}}
    for name in ("SPLEETERRT_PLUGIN_MODEL", *(name for name, value in home.items() if value is None)):
        environment.pop(name, None)

    def status():
        command = [str(BUILD / "clap_tests"), str(plugin), "dry", "0"]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
        return re.findall(r"status (\d): (.*)", done.stdout)[0]

    phase, message = status()
    if phase == "2":
        pytest.skip(f"this machine's user, or all of its users, have models: {message}")
    assert phase == "3"
    place = re.fullmatch(r"No model: put one into (.+)", message)
    assert place, message
    assert Path(place[1]).is_absolute()
    shutil.copy(STARTER_FILE, folder / "models")
    assert status() == ("2", "starter.safetensors")


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_nothing_is_written(tmp_path):
    """Homes may be read-only: the plugin makes and changes no file."""
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    log = tmp_path / "calls"
    trace = ["strace", "-f", "-e", "trace=%file", "-o", str(log)]
    run("clap_tests", "mode", before=trace, model=STARTER_FILE, HOME=str(tmp_path / "home"))
    for line in log.read_text().splitlines():
        assert not re.search(r"O_WRONLY|O_RDWR|O_CREAT|\b(mkdir|unlink|rename|chmod|truncate|link)", line), (
            line
        )
