"""Does the plugin keep up while it plays? Late runs and the longest callback, in the VST3 test host.

    cmake -S . -B build/plugin -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON
    cmake --build build/plugin
    python bench/plugin_realtime.py build/plugin --seconds 60

The host calls the plugin as often as it sounds, without real-time priority. For a quiet machine.
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

ROOT = Path(__file__).parents[1]
RATE = 44100
CASES = [(4, "middle", 0.5), (2, "short", 0.0), (2, "middle", 0.5), (4, "short", 0.0)]
CLASSES = {4: 0, 2: 1}
MODE, LATE_RUNS, CONCEALED, LOAD = 1, 0x10003, 0x10004, 0x10002


def play(build: Path, stems: int, mode: float, block: int, seconds: float) -> dict:
    song, rate = soundfile.read(ROOT / "tests/data/song.ogg", dtype="float32", always_2d=True)
    assert rate == RATE
    with tempfile.TemporaryDirectory() as folder:
        count = int(seconds * RATE)
        np.resize(song, (count + 6 * RATE, 2)).astype(np.float32).tofile(f"{folder}/in")
        commands = [
            f"create {CLASSES[stems]}",
            "initialise",
            f"setup {RATE} {block} realtime",
            f"set {MODE} {mode}",
            "active 1",
            "latency",
            "processing 1",
            "sleep 3000",  # the model is loaded
            f"render {folder}/in {folder}/out {3 * RATE} {block} paced",  # caches are filled
            f"render {folder}/in {folder}/out {count} {block} paced",
        ]
        module = next((build / "bundles/vst3/spleeterrt.vst3/Contents").glob("*-linux/*.so"))
        done = subprocess.run(
            [str(build / "vst3_host"), str(module)],
            input="\n".join(commands) + "\n",
            capture_output=True,
            text=True,
            check=True,
            env={
                **os.environ,
                "SPLEETERRT_PLUGIN_MODEL": str(ROOT / "src/spleeterrt/models/starter.safetensors"),
            },
        )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    warm, report = answers[-2], answers[-1]
    before, after = warm["told"], {**warm["told"], **report["told"]}
    return {
        "latency": 1000 * answers[5] / RATE,
        "late": after[str(LATE_RUNS)] - before[str(LATE_RUNS)],
        "concealed": after[str(CONCEALED)] - before[str(CONCEALED)],
        "load": after[str(LOAD)],
        "slowest": 100 * report["slowest"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path, help="the plugin's build folder")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    print(f"{len(os.sched_getaffinity(0))} CPUs, load average {os.getloadavg()[0]:.1f}, ", end="")
    print(f"blocks of {options.block} at {RATE} Hz, {options.seconds:g} s, starter model", end="\n\n")
    print(
        "| stems | mode | latency (ms) | late runs | concealed | load (%) | longest callback (% of block) |"
    )
    print("|--:|---|--:|--:|--:|--:|--:|")
    for stems, name, mode in CASES:
        for _ in range(options.rounds):
            found = play(options.build, stems, mode, options.block, options.seconds)
            print(
                f"| {stems} | {name} | {found['latency']:.1f} | {found['late']:.0f} "
                f"| {found['concealed']:.0f} | {found['load']:.0f} | {found['slowest']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
