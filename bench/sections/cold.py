"""From the shell to the stems of a short file (`cold_start.py`)."""

from __future__ import annotations

import statistics
from pathlib import Path

import cold_start
from common import CACHE, SAMPLE_RATE, decode, table, write_wav

from . import Options, ratios, target

TITLE = "Cold start"
SECONDS = 11.0


def short_file(options: Options) -> tuple[Path, float]:
    """The first file as it is, where it is short; else its start, as WAV."""
    audio = options.audio[0]
    wave = decode(audio)
    if len(wave) <= (SECONDS + 2) * SAMPLE_RATE:
        return audio, len(wave) / SAMPLE_RATE
    wav = CACHE / "compare" / "cold.wav"
    write_wav(wav, [wave[: round(SECONDS * SAMPLE_RATE)]])
    return wav, SECONDS


def measure(options: Options) -> dict:
    audio, seconds = short_file(options)
    timings, peaks = cold_start.measure(audio, "2stems", min(options.rounds, 4))
    results = {
        name: {
            "rounds": list(timing.rounds),
            "min": timing.min,
            "median": statistics.median(timing.rounds),
            "peak": peaks[name],
        }
        for name, timing in timings.items()
    }
    ours, theirs = results.values()
    lines = [
        target("Command line, short file, 2 stems: against `spleeter separate`",
               ratios(theirs, ours)["median"], 8),
        target("Command line, short file, 2 stems: seconds", ours["median"], 1.0, at_most=True, unit="s"),
    ]  # fmt: skip
    return {"file": audio.name, "seconds": seconds, "results": results, "targets": lines}


def markdown(data: dict) -> str:
    ours = next(iter(data["results"].values()))
    rows = [
        [f"`{name}`", f"{r['min']:.2f}", f"{r['median']:.2f}", f"{ratios(r, ours)['median']:.1f}",
         f"{r['peak'] / 1e6:.0f}"]
        for name, r in data["results"].items()
    ]  # fmt: skip
    return "\n\n".join(
        [
            f"{data['file']} ({data['seconds']:.1f} s) to two WAV files, every run a new process, random "
            "checkpoint on the disk, in turn, after one run that fills the disk cache.",
            table(["command", "min s", "median s", "ratio", "peak MB"], rows),
        ]
    )
