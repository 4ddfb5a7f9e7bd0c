"""Does the plugin for Windows give the same sound? Test hosts of VST3 and LV2 render a song, there in wine.

    cmake -S . -B build/plugin -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON
    cmake -S . -B build/windows --toolchain cmake/mingw-w64.cmake -DSPLEETERRT_PYTHON=OFF \\
      -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON
    cmake --build build/plugin && cmake --build build/windows
    python bench/plugin_windows.py build/plugin build/windows

Debian's packages: g++-mingw-w64-x86-64-posix, wine, wine64. The CLAP plugin has its own program; there
`wine clap_tests.exe bundles/clap/spleeterrt/spleeterrt.clap null MODEL 4 middle 44100` (in build/windows,
SPLEETERRT_PLUGIN_MODEL names the model, too) compares each stem with the C interface.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "src/spleeterrt/models/starter.safetensors"
CASES = [(4, "middle", 44100), (2, "short", 48000), (4, "long", 44100), (4, "middle", 96000)]
CLASSES = {4: 0, 2: 1}
MODES = {"short": 0.0, "middle": 0.5, "long": 1.0}
MODE, CONCEALED = 1, 0x10004
URI = "https://github.com/spleeterrt/spleeterrt/plugin#{}stems"
Case = tuple[int, str, int]


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def ask(command: list[str], model: str, commands: list[str]) -> list[Any]:
    """What a test host answers to each command."""
    done = subprocess.run(
        command,
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SPLEETERRT_PLUGIN_MODEL": model, "WINEDEBUG": "-all"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def vst3(command: list[str], model: str, folder: Path, case: Case, count: int) -> tuple:
    """Latency in samples, concealed frames, and the sound."""
    stems, mode, rate = case
    commands = [
        f"create {CLASSES[stems]}",
        "initialise",
        f"setup {rate} 512 offline",
        f"set {MODE} {MODES[mode]}",
        "active 1",
        "latency",
        "processing 1",
        f"render {folder}/in {folder}/out {count} 512",
    ]
    answers = ask(command, model, commands)
    return answers[5], answers[7]["told"][str(CONCEALED)], np.fromfile(folder / "out", np.float32)


def lv2(command: list[str], model: str, folder: Path, case: Case, count: int, bundle: Path) -> tuple:
    """The same. bundle: that of Linux, whose description both have."""
    stems, mode, rate = case
    text = (bundle / f"{stems}stems.ttl").read_text()
    ports = re.findall(r'lv2:index (\d+) ;.*?lv2:symbol "(\w+)"(.*?)(?=lv2:index|$)', text, re.S)
    number = {symbol: int(index) for index, symbol, _ in ports}
    audio = 4 + 2 * stems
    values = {"free_wheel": 1, "latency_mode": 2 * MODES[mode]}
    commands = [f"create {URI.format(stems)} {rate} mo 512"]
    for index, symbol, rest in ports[audio:]:
        usual = re.search(r"lv2:default ([-\d.]+)", rest)
        commands.append(f"control {index} {values.get(symbol, usual[1] if usual else 0)}")
    controls = ",".join(index for index, _, _ in ports[audio:])
    commands += [f"ports {controls} 0,1 {','.join(map(str, range(2, audio)))}", "activate"]
    commands.append(f"render {folder}/in {folder}/out {count} 512")
    commands += [f"read {number[symbol]}" for symbol in ("latency", "concealed_frames")]
    answers = ask(command, model, [*commands, "deactivate", "cleanup"])
    return answers[-4], answers[-3], np.fromfile(folder / "out", np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("linux", type=Path, help="the build for Linux")
    parser.add_argument("windows", type=Path, help="the build for Windows")
    arguments = parser.parse_args()
    linux, windows = arguments.linux.resolve(), arguments.windows.resolve()
    bundle = "bundles/vst3/spleeterrt.vst3/Contents"
    lv2_bundle = "bundles/lv2/spleeterrt.lv2"
    pairs = {
        "VST3": (vst3, [], f"{bundle}/x86_64-win/spleeterrt.vst3", f"{bundle}/x86_64-linux/spleeterrt.so"),
        "LV2": (
            lv2,
            [linux / lv2_bundle],
            f"{lv2_bundle}/spleeterrt.dll",
            f"{lv2_bundle}/spleeterrt.so",
        ),
    }
    song, _ = soundfile.read(ROOT / "tests/data/song.ogg", dtype="float32", always_2d=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, case in itertools.product(pairs, CASES):
            render, more, their_file, our_file = pairs[name]
            host = f"{name.lower()}_host"
            here = [str(linux / host), str(linux / our_file)]
            there = ["wine", str(windows / f"{host}.exe"), windows_path(windows / their_file)]
            song.tofile(folder / "in")
            latency, concealed, expected = render(here, str(MODEL), folder, case, len(song), *more)
            latency_there, concealed_there, found = render(
                there, windows_path(MODEL), folder, case, len(song), *more
            )
            same = latency == latency_there and np.array_equal(expected, found)
            print(
                f"{name} {case}: latency {latency:.0f} and {latency_there:.0f}, "
                f"concealed {concealed:.0f} and {concealed_there:.0f}, "
                f"{'the same bits' if same else f'differences up to {np.abs(found - expected).max():.2g}'}",
                flush=True,
            )


if __name__ == "__main__":
    main()
