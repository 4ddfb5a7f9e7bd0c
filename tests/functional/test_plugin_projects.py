"""Projects that were made with earlier versions: tests/data/plugin has what the first one stored."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from support.plugin_host import BUILD
from support.vst3_host import CLASSES, HOST, STATUS, Host

DATA = Path(__file__).parents[1] / "data/plugin"
STATE = DATA / "4stems.state"
CLAP, LV2 = BUILD / "bundles/clap/spleeterrt/spleeterrt.clap", BUILD / "bundles/lv2"
URI = "https://github.com/spleeterrt/spleeterrt/plugin#{}stems"

pytestmark = pytest.mark.skipif(
    not HOST.is_file(), reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin"
)


def stored() -> dict[str, str]:
    """{symbol: value} of the state; "model": its path."""
    lines = STATE.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "spleeterrt-plugin 1"
    return dict(line.split(" ", 1) for line in lines[1:])


def clap_host(*arguments: object) -> str:
    command = [BUILD / "clap_tests", CLAP, *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


# --- states ---


def test_clap_opens_the_first_version_s_state() -> None:
    said = clap_host("project", STATE, 4)
    now = dict(line.split(" ", 1) for line in said.splitlines() if re.match(r"\w+ [^:]*$", line))
    assert {name: now[name] for name in stored()} == stored()


def test_vst3_opens_the_first_version_s_state(tmp_path: Path) -> None:
    values = stored()
    with Host() as host:
        host("create", CLASSES[4]), host("initialise")
        assert host("load", STATE)["result"] == 0
        assert host("show", STATE)["result"] == 0
        for entry in host("parameters"):
            if entry["id"] < STATUS:
                wanted = float(values[entry["title"].lower().replace(" ", "_")])
                assert entry["plain"] == pytest.approx(wanted), entry
        assert host("save", tmp_path / "again")["result"] == 0
    again = dict(line.split(" ", 1) for line in (tmp_path / "again").read_text("utf-8").splitlines())
    assert {name: again[name] for name in values} == values


@pytest.mark.skipif(not (shutil.which("jackd") and shutil.which("jalv")), reason="no jackd, no jalv")
def test_lv2_opens_the_first_version_s_state() -> None:
    """As lilv saved it; in jalv, which is asked for its controls."""
    saved = dict(
        re.findall(r'lv2:symbol "(\w+)" ;\s*pset:value ([-\d.]+)', (DATA / "lv2/state.ttl").read_text())
    )
    assert len(saved) == 16
    del saved["free_wheel"]  # which hosts set by themselves
    server = "spleeterrt-projects"
    environment = {**os.environ, "JACK_DEFAULT_SERVER": server, "JACK_NO_AUDIO_RESERVATION": "1"}
    environment |= {"LV2_PATH": f"{LV2}:/usr/lib/lv2"}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    jack = subprocess.Popen(
        ["jackd", "-r", "--name", server, "-ddummy", "-r44100", "-p1024"],
        env=environment,
        **quiet,  # type: ignore[call-overload]
    )
    try:
        time.sleep(3)
        jalv = subprocess.Popen(
            ["stdbuf", "-oL", "jalv", "-l", DATA / "lv2"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(2)
        try:
            said, _ = jalv.communicate("controls\nquit\n", timeout=60)
        finally:
            jalv.kill()
    finally:
        jack.kill()
        jack.wait()
    now = dict(re.findall(r"^(?:> )?(\w+) = ([-\d.]+)$", said, re.MULTILINE))
    assert {name: float(now[name]) for name in saved} == {name: float(saved[name]) for name in saved}, said


# --- what else projects refer to ---


def vst3_identity(stems: int) -> dict[str, object]:
    with Host() as host:
        (entry,) = (one for one in host("classes")["classes"] if one["name"] == f"spleeterrt {stems} Stems")
        host("create", CLASSES[stems]), host("initialise")
        parameters = [[one["id"], one["title"], one["steps"], one["usual"]] for one in host("parameters")]
        buses = [bus["name"] for bus in host("buses")["buses"]]
    return {"class": entry["id"], "parameters": parameters, "buses": buses}


def clap_identity(stems: int, folder: Path) -> dict[str, object]:
    state = folder / "state"
    state.write_text("spleeterrt-plugin 1\n")
    parameters = re.findall(
        r"^parameter (\d+): (.*), (.*), (\S+) to (\S+), (\S+)$", clap_host("project", state, stems), re.M
    )
    (name,) = re.findall(rf"ok: (\S+), spleeterrt {stems} Stems", clap_host("scan"))
    return {"id": name, "parameters": [[int(one[0]), one[2], *map(float, one[3:])] for one in parameters]}


def lv2_identity(stems: int) -> dict[str, object]:
    """Ports by index: Ardour's automation goes by it, states go by the symbol."""
    text = (LV2 / f"spleeterrt.lv2/{stems}stems.ttl").read_text()
    ports = re.findall(r'lv2:index (\d+) ;.*?lv2:symbol "(\w+)"', text, re.S)
    (uri,) = set(re.findall(r"<(\S+#\dstems)>\s+a ", text))
    return {"uri": uri, "ports": [[int(index), symbol] for index, symbol in ports]}


@pytest.mark.parametrize("stems", [2, 4, 5])
def test_what_hosts_remember_stays_as_it_was(tmp_path: Path, stems: int) -> None:
    """More may come; of what was there once nothing changes."""
    before = json.loads((DATA / "identities.json").read_text())[str(stems)]
    now = {"clap": clap_identity(stems, tmp_path), "vst3": vst3_identity(stems), "lv2": lv2_identity(stems)}
    for name, identity in before.items():
        assert set(identity) == set(now[name])
        for key, value in identity.items():
            found = now[name][key]
            if key in ("parameters", "ports"):  # by their numbers
                found = {one[0]: one for one in found}
                assert [found.get(one[0]) for one in value] == value, name
            else:
                assert found[: len(value)] == value, (name, key)
