"""Does the plugin for Windows give the same sound? Both systems' VST3 test hosts render a song, one in wine.

    cmake -S . -B build/plugin -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON
    cmake -S . -B build/windows --toolchain cmake/mingw-w64.cmake -DSPLEETERRT_PYTHON=OFF \\
      -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON "-DSPLEETERRT_PLUGIN_FORMATS=clap;vst3"
    cmake --build build/plugin && cmake --build build/windows
    python bench/plugin_windows.py build/plugin build/windows

Debian's packages: g++-mingw-w64-x86-64-posix, wine, wine64. The CLAP plugin has its own program; there
`wine clap_tests.exe bundles/clap/spleeterrt/spleeterrt.clap null MODEL 4 middle 44100` (in build/windows,
SPLEETERRT_PLUGIN_MODEL names the model, too) compares each stem with the C interface.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "src/spleeterrt/models/starter.safetensors"
CASES = [(4, "middle", 44100), (2, "short", 48000), (4, "long", 44100), (4, "middle", 96000)]
CLASSES = {4: 0, 2: 1}
MODES = {"short": 0.0, "middle": 0.5, "long": 1.0}
MODE, CONCEALED = 1, 0x10004


def windows_path(path: Path) -> str:
    return "Z:" + str(path).replace("/", "\\")


def render(command: list[str], model: str, folder: Path, case: tuple[int, str, int], count: int) -> tuple:
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
    done = subprocess.run(
        command,
        input="\n".join(commands) + "\n",
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "SPLEETERRT_PLUGIN_MODEL": model, "WINEDEBUG": "-all"},
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return answers[5], answers[7]["told"][str(CONCEALED)], np.fromfile(folder / "out", np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("linux", type=Path, help="the build for Linux")
    parser.add_argument("windows", type=Path, help="the build for Windows")
    arguments = parser.parse_args()
    linux, windows = arguments.linux.resolve(), arguments.windows.resolve()
    bundle = "bundles/vst3/spleeterrt.vst3/Contents"
    here = [str(linux / "vst3_host"), str(next((linux / bundle).glob("*-linux/*.so")))]
    there = [
        "wine",
        str(windows / "vst3_host.exe"),
        windows_path(next((windows / bundle).glob("*-win/*.vst3"))),
    ]
    song, _ = soundfile.read(ROOT / "tests/data/song.ogg", dtype="float32", always_2d=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in CASES:
            song.tofile(folder / "in")
            latency, concealed, expected = render(here, str(MODEL), folder, case, len(song))
            latency_there, concealed_there, found = render(
                there, windows_path(MODEL), folder, case, len(song)
            )
            same = latency == latency_there and np.array_equal(expected, found)
            print(
                f"{case}: latency {latency} and {latency_there}, "
                f"concealed {concealed} and {concealed_there}, "
                f"{'the same bits' if same else f'differences up to {np.abs(found - expected).max():.2g}'}"
            )


if __name__ == "__main__":
    main()
