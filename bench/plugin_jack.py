"""Does the LV2 plugin keep up in jalv, under a JACK server of its own? Late runs, in real time.

    cmake -S . -B build/plugin -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_PLUGIN_TESTS=ON
    cmake --build build/plugin
    python bench/plugin_jack.py build/plugin --seconds 60

The server has no sound card (its dummy driver) and keeps time by itself; it and jalv's callback have
real-time priority where the system allows it. A song goes in, all outputs are recorded. For a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
RATE = 44100
CASES = [(4, "middle", 1), (2, "short", 0), (2, "middle", 1), (4, "short", 0)]
SERVER = "spleeterrt-bench"
WARM = 5  # seconds: the model is loaded, caches are filled


def real_time() -> bool:
    return bool(shutil.which("chrt")) and not subprocess.call(
        ["chrt", "-f", "10", "true"], stderr=subprocess.DEVNULL
    )


class Graph:
    """A JACK server, and jalv with the plugin in it."""

    def __init__(self, build: Path, folder: Path, stems: int, mode: int, block: int, priority: bool) -> None:
        self.render, self.folder, self.client = build / "jack_render", folder, f"spleeterrt {stems} Stems"
        self.environment = {
            **os.environ,
            "JACK_DEFAULT_SERVER": SERVER,
            "JACK_NO_AUDIO_RESERVATION": "1",
            "LV2_PATH": f"{build.resolve() / 'bundles/lv2'}:/usr/lib/lv2",
            "SPLEETERRT_PLUGIN_MODEL": str(ROOT / "src/spleeterrt/models/starter.safetensors"),
        }
        uri = f"https://github.com/spleeterrt/spleeterrt/plugin#{stems}stems"
        priorities = ["-R", "-P", "20"] if priority else ["-r"]
        self.log = (folder / "jalv").open("w")
        self.programs = [
            self.start(
                ["jackd", *priorities, "--name", SERVER, "-ddummy", f"-r{RATE}", f"-p{block}"],
                subprocess.DEVNULL,
            )
        ]
        time.sleep(3)
        command = ["stdbuf", "-oL", "jalv", "-x", "-p", "-c", f"latency_mode={mode}", uri]
        self.programs.append(self.start(command, self.log))

    def start(self, command: list[str], output: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=output,  # type: ignore[call-overload]
            stderr=subprocess.DEVNULL,
        )

    def play(self, samples: np.ndarray) -> tuple[np.ndarray, int]:
        """All outputs [n, channels], and how often the server was late."""
        source, result = self.folder / "in", self.folder / "out"
        samples.astype(np.float32).tofile(source)
        command = [self.render, self.client, source, result, str(len(samples)), "live"]
        done = subprocess.run(
            command,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=60 + len(samples) / RATE,
        )
        late = int(re.findall(r"^\d+ (\d+)$", done.stdout, re.MULTILINE)[-1])
        return np.fromfile(result, np.float32).reshape(len(samples), -1), late

    def readouts(self) -> dict[str, float]:
        """The last value of each of the plugin's outputs, as jalv prints them when it is asked."""
        jalv = self.programs[-1].stdin
        assert jalv is not None
        jalv.write(b"monitors\n")
        jalv.flush()
        time.sleep(0.5)
        text = (self.folder / "jalv").read_text()
        found = re.findall(r"^(?:> )?(\w+) = ([-\d.]+)$", text, re.MULTILINE)
        return {name: float(value) for name, value in found}

    def close(self) -> None:
        for program in reversed(self.programs):
            program.kill()
            program.wait()
        self.log.close()


def measure(options: argparse.Namespace, stems: int, mode: int, priority: bool) -> str:
    song, _ = soundfile.read(ROOT / "tests/data/song.ogg", dtype="float32", always_2d=True)
    count = int(options.seconds * RATE)
    with tempfile.TemporaryDirectory() as folder:
        graph = Graph(options.build, Path(folder), stems, mode, options.block, priority)
        try:
            graph.play(np.resize(song, (WARM * RATE, 2)))
            before = graph.readouts()
            samples = np.resize(song, (count, 2))
            found, late = graph.play(samples)
            after = graph.readouts()
        finally:
            graph.close()
    latency = int(after["latency"])
    lag = latency + options.block  # both ends of the chain are one client, whose cycle is a period
    stems_sum = sum(found[:, 2 + 2 * k : 4 + 2 * k] for k in range(stems))
    error = stems_sum[lag:] - samples[: count - lag]
    null = 10 * np.log10(np.mean(np.square(error)) / np.mean(np.square(samples)) + 1e-30)
    numbers = [after.get(name, 0) - before.get(name, 0) for name in ("late_runs", "concealed_frames")]
    return (
        f"{1000 * latency / RATE:.1f} | {numbers[0]:.0f} | {numbers[1]:.0f} | {after.get('load', 0):.0f} "
        f"| {late} | {null:.0f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path, help="the plugin's build folder")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--block", type=int, default=256)
    parser.add_argument(
        "--cases", type=int, default=len(CASES), help="how many of the four, from the first on"
    )
    parser.add_argument("--skip", type=int, default=0, help="how many of them to leave out (0)")
    options = parser.parse_args()
    priority = real_time()
    print(f"{len(os.sched_getaffinity(0))} CPUs, load average {os.getloadavg()[0]:.1f}, ", end="")
    print(f"{'with' if priority else 'without'} real-time priority, ", end="")
    print(f"blocks of {options.block} at {RATE} Hz, {options.seconds:g} s, starter model", end="\n\n")
    print("| stems | mode | latency (ms) | late runs | concealed | load (%) | JACK's xruns | sum (dB) |")
    print("|--:|---|--:|--:|--:|--:|--:|--:|")
    for stems, name, mode in CASES[options.skip : options.cases]:
        print(f"| {stems} | {name} | {measure(options, stems, mode, priority)} |", flush=True)


if __name__ == "__main__":
    main()
