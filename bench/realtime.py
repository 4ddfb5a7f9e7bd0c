"""Real time by a real clock: `spleeterrt live` in a JACK graph, full-size networks, music.

    python bench/realtime.py [--seconds 60] [--rates 44100 48000] [--only TEXT ...] [--quick] [AUDIO ...]

Per setting: `jackd -d dummy` (period 256, with real-time scheduling where the system allows it),
`spleeterrt live` in a process of its own, and in this process clients whose callbacks are compiled too: one
plays the music in a loop, one records the sum of the stems, one is idle. The player begins with an impulse;
where it comes out is the measured latency. Counts are from the first block on, CPU time from the third
second on. Once per rate everything runs without the separator: xruns that the machine makes by itself.
Where the system allows it, the networks run at the lowest real-time priority, so that other programs do not
matter; settings "ordinary threads" do not. Results: `bench/results/realtime.md` and `.json`, where those of
other rates and settings stay.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from common import (
    CACHE,
    RESULTS,
    SAMPLE_RATE,
    conditions,
    default_music,
    music,
    report,
    spleeterrt_command,
    table,
    usable_cores,
)
from peers import ensure_checkpoints

from spleeterrt._kernels.live import Tape
from spleeterrt.realtime.clients import JACK_LIBRARIES

PERIOD = 256
SERVER = "spleeterrt-bench"
WARM_UP = 3.0  # seconds that the CPU time leaves out
IMPULSE_AT, IMPULSE, PAUSE = 1.0, 0.5, 0.4  # seconds, its size, silence behind it

BOTH, RESAMPLED = (44100, 48000), (48000,)


@dataclass(frozen=True)
class Setting:
    model: str
    title: str
    options: tuple[str, ...]
    target_ms: float | None = None  # of the latency
    rates: tuple[int, ...] = (SAMPLE_RATE,)  # the networks do not depend on it


SETTINGS = (
    Setting("4stems", "hop 2", ("--hop", "2"), 160, BOTH),
    Setting("4stems", "hop 2, short", ("--hop", "2", "--window", "short"), 115, BOTH),
    # Resampled, the latency is higher: the same targets with less time for the networks.
    Setting("4stems", "hop 2, budget 1600", ("--hop", "2", "--budget", "1600"), 160, RESAMPLED),
    Setting(
        "4stems",
        "hop 2, budget 1600, short",
        ("--hop", "2", "--budget", "1600", "--window", "short"),
        115,
        RESAMPLED,
    ),
    Setting("4stems", "hop 1, ordinary threads", ("--hop", "1", "--priority", "0")),
    Setting("4stems", "hop 2, ordinary threads", ("--hop", "2", "--priority", "0")),
    Setting("4stems", "hop 4", ("--hop", "4")),
    Setting("4stems", "hop 8", ("--hop", "8")),
    Setting("4stems", "hold, hop 2, short", ("--hold", "--hop", "2", "--window", "short")),
    Setting("4stems", "double-buffered", ("--hop", "128")),
    Setting("2stems", "hop 1", ("--hop", "1"), 115, BOTH),
    Setting("2stems", "hop 1, short", ("--hop", "1", "--window", "short"), 70, BOTH),
    Setting("2stems", "hop 1, budget 640", ("--hop", "1", "--budget", "640"), 115, RESAMPLED),
    Setting(
        "2stems",
        "hop 1, budget 640, short",
        ("--hop", "1", "--budget", "640", "--window", "short"),
        70,
        RESAMPLED,
    ),
    Setting("2stems", "hop 1, ordinary threads", ("--hop", "1", "--priority", "0")),
    Setting("2stems", "hop 4", ("--hop", "4")),
    Setting("5stems", "hop 3", ("--hop", "3")),
)


# --- the graph ------------------------------------------------------------------------------------


def realtime_allowed() -> bool:
    return shutil.which("chrt") is not None and subprocess.run(["chrt", "-f", "10", "true"]).returncode == 0


@contextmanager
def jack_server(rate: int, realtime: bool) -> Iterator[None]:
    """`jackd` with the dummy driver; this process and its children talk to it."""
    if shutil.which("jackd") is None:
        raise SystemExit("jackd is not on the PATH (package jackd2)")
    os.environ["JACK_DEFAULT_SERVER"] = SERVER
    log = CACHE / "jackd.log"
    CACHE.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out:
        command = ["jackd", "-n", SERVER, "-R" if realtime else "-r", "-d", "dummy", "-r", rate, "-p", PERIOD]
        server = subprocess.Popen([str(word) for word in command], stdout=out, stderr=subprocess.STDOUT)
        try:
            wait_for_server(server, log)
            yield
        finally:
            server.terminate()
            server.wait(20)


def wait_for_server(server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(50):
        time.sleep(0.1)
        if server.poll() is not None:
            break
        try:
            Tape(JACK_LIBRARIES, "probe").close()
            return
        except RuntimeError:
            continue
    raise SystemExit(f"jackd does not start:\n{log.read_text(errors='replace')}")


def connect(source: Tape, target: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Wait for the ports of the other process, then connect."""
    deadline = time.monotonic() + 60
    while True:
        try:
            for pair in pairs:
                source.connect(*pair)
            return
        except RuntimeError:
            if time.monotonic() > deadline:
                raise SystemExit(f"{target} does not appear in the graph") from None
            time.sleep(0.05)


@dataclass(frozen=True)
class Machine:
    """CPU seconds of all cores since the start of the system; zeros where there is no /proc/stat."""

    busy: float = 0.0
    stolen: float = 0.0  # the hypervisor gave it to others

    @classmethod
    def now(cls) -> Machine:
        try:
            fields = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
        except OSError:
            return cls()
        user, nice, system, _, _, irq, softirq, steal = (
            int(field) / os.sysconf("SC_CLK_TCK") for field in fields[:8]
        )
        return cls(user + nice + system + irq + softirq, steal)

    def since(self, before: Machine) -> Machine:
        return Machine(self.busy - before.busy, self.stolen - before.stolen)


# --- one run ----------------------------------------------------------------------------------


def run(
    setting: Setting, rate: int, seconds: float, loop: np.ndarray, realtime: bool, env: dict[str, str]
) -> dict[str, Any]:
    command = [
        *spleeterrt_command(),
        *("live", "-p", f"spleeter:{setting.model}", "--backend", "jack", "--no-connect", "--json"),
        *("--seconds", str(seconds + WARM_UP), "--priority", str(int(realtime)), *setting.options),
    ]
    stems = int(setting.model[0])
    with ExitStack() as stack:
        idle = stack.enter_context(Tape(JACK_LIBRARIES, "idle"))
        recorder = stack.enter_context(Tape(JACK_LIBRARIES, "recorder", None, 2, 12 * rate))
        player = stack.enter_context(Tape(JACK_LIBRARIES, "player", loop))
        process = stack.enter_context(
            subprocess.Popen(command, env={**os.environ, **env}, stdout=subprocess.PIPE, text=True)
        )
        sides = ("left", "right")
        recorder.start()
        connect(
            recorder,
            "spleeterrt",
            [(f"spleeterrt:mix_{side}", f"recorder:in_{i}") for i, side in enumerate(sides, 1)],
        )
        idle.start()
        before, own, begun = Machine.now(), time.process_time(), time.monotonic()
        player.start()
        connect(
            player,
            "spleeterrt",
            [(f"player:out_{i}", f"spleeterrt:in_{side}") for i, side in enumerate(sides, 1)],
        )
        output, _ = process.communicate(timeout=seconds + 120)
        machine, passed = Machine.now().since(before), time.monotonic() - begun
        own = time.process_time() - own
        lines = [json.loads(line) for line in output.splitlines()]
        if process.returncode or not lines:
            raise SystemExit(f"{' '.join(command)}: exit code {process.returncode}")
        offset = (player.begun - recorder.begun) % (1 << 32)
        measured = latency_of(recorder.record[offset:, 0], loop[:, 0], rate)
        idle_stats = idle.stats()
    first = next((line for line in lines if line["seconds"] >= WARM_UP), lines[0])
    last = lines[-1]
    wall = last["seconds"] - first["seconds"]
    cpu = (
        (last["cpu_seconds"] - first["cpu_seconds"]) / (wall * usable_cores()) if wall > 0.5 else float("nan")
    )
    return {
        "model": setting.model,
        "setting": setting.title,
        "options": list(setting.options),
        "rate": rate,
        "seconds": last["seconds"],
        "latency": last["latency"],
        "latency_ms": 1000 * last["latency"] / rate,
        "target_ms": setting.target_ms,
        "measured_latency": measured,
        "stems": stems,
        "runs": last["stats"]["runs"],
        "underruns": last["stats"]["underruns"],
        "xruns": last["client"]["xruns"],
        "missed": last["client"]["missed"],
        "idle_xruns": idle_stats["xruns"],
        "idle_worst_gap_ms": 1000 * idle_stats["worst_gap"],
        "worst_run_ms": 1000 * last["stats"]["worst_run_seconds"],
        "run_ms": 1000 * last["stats"]["run_seconds"],
        "worst_callback_ms": 1000 * last["client"]["worst_callback_seconds"],
        "load": last["stats"]["load"],
        "process_load": last["stats"]["process_load"],
        "cpu": cpu,
        "others": max(0.0, (machine.busy - own - last["cpu_seconds"]) / (passed * usable_cores())),
        "stolen": machine.stolen / (passed * usable_cores()),
        "realtime": last["realtime"],
    }


def latency_of(heard: np.ndarray, played: np.ndarray, rate: int) -> dict[str, int | None]:
    """Samples by which the impulse, and the music behind it, come out later than they went in.

    Below the networks' highest bin the masks of all stems sum to 1, so their sum is the band-limited input.
    """
    loud = np.flatnonzero(np.abs(heard) > IMPULSE / 3)
    if not loud.size:
        return {"impulse": None, "music": None}
    near = heard[loud[0] : loud[0] + round(PAUSE / 2 * rate)]
    impulse = int(loud[0] + np.argmax(np.abs(near)) - round(IMPULSE_AT * rate))
    size = 1 << 19  # 11 s
    lags = np.fft.irfft(np.fft.rfft(heard, 2 * size) * np.conj(np.fft.rfft(played[:size], 2 * size)))
    return {"impulse": impulse, "music": int(np.argmax(lags[:size]))}


def idle_run(rate: int, seconds: float, loop: np.ndarray) -> dict[str, Any]:
    """The same clients without the separator."""
    with Tape(JACK_LIBRARIES, "idle") as idle, Tape(JACK_LIBRARIES, "player", loop) as player:
        before = Machine.now()
        idle.start()
        player.start()
        time.sleep(seconds)
        stats = idle.stats()
        machine = Machine.now().since(before)
    return {
        "rate": rate,
        "seconds": seconds,
        "idle_xruns": stats["xruns"],
        "idle_worst_gap_ms": 1000 * stats["worst_gap"],
        "others": machine.busy / (seconds * usable_cores()),
        "stolen": machine.stolen / (seconds * usable_cores()),
    }


def tape_loop(audio: Sequence[Path], rate: int, seconds: float) -> np.ndarray:
    """Silence, an impulse, silence, music."""
    sound = music(audio, seconds)
    if rate != SAMPLE_RATE:
        sound = soxr.resample(sound, SAMPLE_RATE, rate)
    start = np.zeros((round((IMPULSE_AT + PAUSE) * rate), 2), np.float32)
    start[round(IMPULSE_AT * rate)] = IMPULSE
    return np.concatenate([start, sound])


# --- results ------------------------------------------------------------------------------------


def row(result: dict[str, Any]) -> list[str]:
    target = result["target_ms"]
    measured = result["measured_latency"]
    return [
        f"{result['model'][0]} stems, {result['setting']}",
        f"{result['latency']}",
        f"{result['latency_ms']:.1f}" + (f" (<= {target:g})" if target else ""),
        "-" if measured["impulse"] is None else f"{measured['impulse']}",
        f"{result['runs']}",
        f"{result['underruns']}",
        f"{result['xruns']} ({result['idle_xruns']})",
        f"{result['run_ms']:.1f}",
        f"{result['worst_run_ms']:.1f}",
        f"{result['worst_callback_ms']:.2f}",
        f"{result['load']:.0%}",
        f"{result['cpu']:.1%}",
        f"{result['others']:.0%}, {result['stolen']:.1%}",
    ]


HEADER = (
    "setting",
    "latency, samples",
    "ms (target)",
    "measured, samples",
    "runs",
    "underruns",
    "xruns (idle client)",
    "run, ms",
    "worst run, ms",
    "worst callback, ms",
    "load",
    "CPU of all cores",
    "others, stolen",
)


def earlier(
    name: str, rates: Sequence[int], settings: Sequence[Setting]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Results that are there, of other settings and rates."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        return [], []
    before = json.loads(path.read_text(encoding="utf-8"))
    again = {(rate, setting.model, setting.title) for rate in rates for setting in settings}
    return (
        [one for one in before["results"] if (one["rate"], one["model"], one["setting"]) not in again],
        [one for one in before["idle"] if one["rate"] not in rates],
    )


def write(results: list[dict[str, Any]], idle: list[dict[str, Any]], realtime: bool, name: str) -> None:
    parts = []
    for alone in idle:
        rate = alone["rate"]
        here = [result for result in results if result["rate"] == rate]
        parts += [
            f"## {rate / 1000:g} kHz, {min(result['seconds'] for result in here):.0f} s each",
            table(HEADER, [row(result) for result in here]),
            f"Without the separator, {alone['seconds']:.0f} s: {alone['idle_xruns']} xruns, the longest time "
            f"between two callbacks {alone['idle_worst_gap_ms']:.1f} ms (a period lasts "
            f"{1000 * PERIOD / rate:.1f} ms), the cores {alone['others']:.0%} busy.",
        ]
    report(
        name,
        "Real time, in a JACK graph",
        f"T=128, full-size networks with random weights, music in a loop, dummy driver, period {PERIOD}. "
        "Run: from due to begin until ready (smoothed, worst). Load: that over the time between runs. "
        "Callback: the whole audio callback of a period. Others: of all cores, what other processes used; "
        "stolen: what the hypervisor gave to other machines.",
        *parts,
        conditions(
            ("spleeterrt",),
            Threads="callbacks and (if not stated) networks with real-time scheduling"
            if realtime
            else "ordinary",
        ),
    )
    with (RESULTS / f"{name}.json").open("w", encoding="utf-8") as out:
        json.dump({"results": results, "idle": idle, "realtime": realtime, "period": PERIOD}, out, indent=1)


def main() -> None:
    parser = argparse.ArgumentParser(description="`spleeterrt live` in a JACK graph with the dummy driver.")
    parser.add_argument("audio", nargs="*", type=Path, help="music; default: tests/data/clip.*")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rates", type=int, nargs="+", choices=BOTH, default=BOTH)
    parser.add_argument("--only", nargs="+", default=[], help="settings whose title contains one of these")
    parser.add_argument("--quick", action="store_true", help="8 s each, results to realtime-quick.*")
    options = parser.parse_args()

    seconds = 8.0 if options.quick else options.seconds
    realtime = realtime_allowed()
    settings = [
        s for s in SETTINGS if not options.only or any(t in f"{s.model} {s.title}" for t in options.only)
    ]
    env = {"MODEL_PATH": str(ensure_checkpoints(tuple({s.model for s in settings})).resolve())}
    name = "realtime-quick" if options.quick else "realtime"
    results, idle = earlier(name, options.rates, settings)
    for rate in options.rates:
        loop = tape_loop(options.audio or default_music(), rate, 60)
        with jack_server(rate, realtime):
            idle.append(idle_run(rate, seconds, loop))
            for setting in settings:
                if rate not in setting.rates:
                    continue
                results.append(run(setting, rate, seconds, loop, realtime, env))
                print(" | ".join(row(results[-1])), file=sys.stderr, flush=True)
    idle.sort(key=lambda one: one["rate"])
    places = {(setting.model, setting.title): place for place, setting in enumerate(SETTINGS)}
    results.sort(key=lambda one: places[one["model"], one["setting"]])
    write(results, idle, realtime, name)


if __name__ == "__main__":
    main()
