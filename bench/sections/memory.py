"""Peak memory of the command line (`bench/memory.py`), and what `--low-memory` costs."""

from __future__ import annotations

import statistics

import memory as command  # bench/memory.py
from common import table
from contestants import say

from . import Options, ratios, target

TITLE = "Memory of the command line"
MODELS = ("2stems", "4stems")
FLAG = "--low-memory"


def measure(options: Options) -> dict:
    lengths = (0.5, 1) if options.quick else (1, 10)
    models = MODELS[:1] if options.quick else MODELS
    data: dict = {"threads": options.threads, "default": [], "low": [], "speed": {}}
    for key, arguments in (("default", ()), ("low", (FLAG,))):
        for entry in command.measure(options.audio, models, lengths, options.threads, arguments):
            say(" ", key, entry["model"], entry["minutes"], "min:", f"{entry['peak'] / 1e6:.0f} MB")
            data[key].append(entry)
    for model in models:
        data["speed"][model] = low_memory_speed(model, options)
    data["targets"] = targets(data)
    return data


def low_memory_speed(model: str, options: Options) -> dict:
    """Seconds of the command: `--low-memory`, and the im2col path with the default memory, in turn."""
    wav = command.long_wav(options.audio, 1)
    runs: dict = {"low": [], "im2col": [], "default": []}
    ways: dict = {
        "low": ((FLAG,), {}),
        "im2col": ((), {"SPLEETERRT_ISA": "reference"}),
        "default": ((), {}),
    }
    for counted in range(-1, 1 if options.quick else 3):
        for name, (arguments, env) in ways.items():
            run = command.separate(wav, model, options.threads, arguments, env)
            if counted >= 0:
                runs[name].append(run.seconds)
    return {
        name: {"rounds": seconds, "min": min(seconds), "median": statistics.median(seconds)}
        for name, seconds in runs.items()
    }


def targets(data: dict) -> list[dict]:
    lines = []
    for key, low in (("default", False), ("low", True)):
        for model in dict.fromkeys(entry["model"] for entry in data[key]):
            peak = max(entry["peak"] for entry in data[key] if entry["model"] == model)
            what = f"Peak memory of the command line, {model}" + (f", `{FLAG}`" if low else "")
            bound = command.LIMITS[low][model]
            lines.append(target(what, peak / 1e6, bound / 1e6, at_most=True, unit="MB"))
    for model, speed in data["speed"].items():
        ratio = ratios(speed["im2col"], speed["low"])["median"]
        lines.append(target(f"`{FLAG}` against the im2col path, {model}", ratio, 1.0))
    return lines


def markdown(data: dict) -> str:
    parts = [
        f"`spleeterrt separate --threads {data['threads']}`, 16-bit WAV to 16-bit WAV; the whole command's "
        "peak resident set."
    ]
    for key, low in (("default", False), ("low", True)):
        if data[key]:
            rows = [command.row(entry, low) for entry in data[key]]
            parts += [f"### {FLAG if low else 'default'}", table(command.HEADER, rows)]
    names = {"low": f"`{FLAG}`", "im2col": "im2col + GEMM, default memory", "default": "default"}
    rows = [
        [f"{model}: {names[name]}", f"{entry['min']:.2f}", f"{entry['median']:.2f}",
         f"{ratios(entry, speed['low'])['median']:.2f}"]
        for model, speed in data["speed"].items()
        for name, entry in speed.items()
    ]  # fmt: skip
    parts += [
        "The whole command on the same file, in turn:",
        table(["", "min s", "median s", f"ratio to {FLAG}"], rows),
    ]
    return "\n\n".join(parts)
