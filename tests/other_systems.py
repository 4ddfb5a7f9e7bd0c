"""Programs built for another system, run here: the tests of the core, and the sound that comes out.

    python tests/other_systems.py HERE THERE [--runner wine] [--isa generic --isa avx2]

HERE, THERE: builds of this machine and of the other system, both with `-DSPLEETERRT_PYTHON=OFF
-DSPLEETERRT_C_LIBRARY=ON -DSPLEETERRT_TESTS=ON`. RUNNER: what runs a program of THERE (wine, qemu-aarch64);
nothing: it runs as it is. A WAV in a folder whose name is not ASCII, with a model beside it, is separated by
both: `generic` gives the same bits everywhere, other instruction sets within 1e-6. Ends with 1 if anything
fails; a table of what was found goes to standard output.
"""

from __future__ import annotations

import argparse
import array
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "src/spleeterrt/models/starter.safetensors"
FOLDER = "Müsik – 音楽"
RATE, SECONDS = 44100, 3
TOLERANCE = 1e-6  # of full scale: other instruction sets round otherwise
TESTS = (
    "task_threads",
    "sanitize_fast",
    "sanitize_stream",
    "stream_parts",
    "offline_engine",
    "shared_networks",
    "rolling_encoders",
)
SANITIZE_ROUNDS = {"sanitize_fast": 10, "sanitize_stream": 1}
# Each as long as a test here waits for a thread; those of time alone say nothing in an emulator.
BY_THE_CLOCK = (
    "rendering_is_waited_for",
    "playing_is_not_waited_for",
    "waiting_can_be_changed",
    "resets_do_not_wait",
)


class System:
    def __init__(self, name: str, build: Path, runner: list[str]) -> None:
        self.name, self.build, self.runner = name, build.resolve(), runner
        self.windows = (build / "separate_wav.exe").exists()

    def run(self, program: str, *arguments: str, isa: str = "") -> subprocess.CompletedProcess[str]:
        path = self.build / (f"{program}.exe" if self.windows else program)
        environment = {**os.environ, "WINEDEBUG": "-all", "LC_ALL": "C.UTF-8"}
        if isa:
            environment["SPLEETERRT_ISA"] = isa
        command = [*self.runner, str(path), *arguments]
        return subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", env=environment, timeout=1500
        )

    def path(self, path: Path) -> str:
        return "Z:" + str(path).replace("/", "\\") if self.windows else str(path)


def make_song(path: Path) -> None:
    """Tones, noise and a beat, 16 bits."""
    noise, samples = random.Random(1), array.array("h")
    for n in range(RATE * SECONDS):
        time = n / RATE
        beat = math.exp(-20 * (time % 0.5)) * math.sin(2 * math.pi * 60 * time)
        tone = math.sin(2 * math.pi * 440 * time) + 0.5 * math.sin(2 * math.pi * 1234 * time)
        for side in (0.3, 0.2):
            samples.append(round(32767 * (side * tone * 0.5 + 0.3 * beat + 0.02 * noise.uniform(-1, 1))))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def separated(system: System, folder: Path, isa: str) -> dict[str, bytes]:
    """The samples of each stem, float32."""
    out = folder / f"out-{system.name}-{isa}"
    out.mkdir()
    paths = (folder / "modèle.safetensors", folder / "sóng.wav", out)
    done = system.run("separate_wav", *map(system.path, paths), "256", "0", isa=isa)
    if done.returncode:
        raise RuntimeError(f"separate_wav: {done.stdout}{done.stderr}".strip())
    stems = {path.stem: path.read_bytes()[80:] for path in sorted(out.iterdir())}
    if not stems or any(len(data) != 8 * RATE * SECONDS for data in stems.values()):
        raise RuntimeError(f"separate_wav left {[(name, len(data)) for name, data in stems.items()]}")
    return stems


def difference(one: bytes, other: bytes) -> float:
    return max(abs(a - b) for a, b in zip(array.array("f", one), array.array("f", other), strict=True))


def compare(here: System, there: System, isa: str, folder: Path) -> tuple[bool, str]:
    ours, theirs = separated(here, folder, isa), separated(there, folder, isa)
    if list(ours) != list(theirs):
        return False, f"other stems: {list(theirs)}"
    if ours == theirs:
        return True, f"the same bits, {len(ours)} stems"
    most = max(difference(ours[stem], theirs[stem]) for stem in ours)
    return isa != "generic" and most <= TOLERANCE, f"differences up to {most:.2g} of full scale"


def live(system: System, folder: Path) -> tuple[bool, str]:
    """PortAudio's client finds a library whose path is not ASCII, and the devices of one sound system."""
    (built,) = system.build.glob("libportaudio_fake*.[ds][lo]*")
    shutil.copyfile(built, folder / f"pórtaudio{built.suffix}")
    done = system.run("portaudio_client", system.path(folder / f"pórtaudio{built.suffix}"))
    said = done.stdout.strip().splitlines()
    return (
        done.returncode == 0,
        f"{sum(line.startswith('passed') for line in said)} of {len(said)} pairs of devices",
    )


def own_tests(system: System, program: str, skipped: tuple[str, ...]) -> tuple[bool, str]:
    if program in SANITIZE_ROUNDS:
        done = system.run(program, str(SANITIZE_ROUNDS[program]), "1")
        said = (done.stdout + done.stderr).strip().splitlines()
        return done.returncode == 0, "; ".join(line.partition(",")[0] for line in said)
    if program == "task_threads":
        done = system.run(program)
        return done.stdout.strip() == "passed", (done.stdout + done.stderr).strip()
    source = (ROOT / "tests" / f"{program}.cpp").read_text(encoding="utf-8").splitlines()
    names = [line.split('"')[1] for line in source if line.startswith('    {"')]
    names = [name for name in names if name not in skipped]
    failed = [name for name in names if system.run(program, name).stdout.strip() != f"passed {name}"]
    if failed or not names:
        return False, f"failed: {', '.join(failed)}" if names else "no tests"
    return True, f"{len(names)} tests passed" + (f", {len(skipped)} of time left out" if skipped else "")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("here", type=Path)
    parser.add_argument("there", type=Path)
    parser.add_argument("--runner", default="", help="program and arguments")
    parser.add_argument("--isa", action="append", help="instruction sets  [default: generic, avx2]")
    parser.add_argument("--tests", default=",".join(TESTS))
    arguments = parser.parse_args()
    here = System("here", arguments.here, [])
    there = System("there", arguments.there, arguments.runner.split())
    rows: list[tuple[str, bool, str]] = []

    def row(what: str, found) -> None:
        try:
            good, text = found()
        except (RuntimeError, OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
            good, text = False, str(error)
        rows.append((what, good, text))
        print(f"| {what} | {'yes' if good else '**NO**'} | {text} |", flush=True)

    print("| | as it should be | |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / FOLDER
        folder.mkdir()
        make_song(folder / "sóng.wav")
        shutil.copyfile(MODEL, folder / "modèle.safetensors")
        for isa in arguments.isa or ["generic", "avx2"]:
            row(f"separate_wav, {isa}", lambda isa=isa: compare(here, there, isa, folder))
        row("live, by a PortAudio of our own", lambda: live(there, folder))
    for program in filter(None, arguments.tests.split(",")):
        skipped = BY_THE_CLOCK if program == "stream_parts" and there.runner else ()
        row(program, lambda program=program, skipped=skipped: own_tests(there, program, skipped))
    return 0 if all(good for _, good, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
