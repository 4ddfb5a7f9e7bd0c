"""From samples to stems in one process, everything warm: ours, Spleeter's call, one TensorFlow session."""

from __future__ import annotations

import statistics

import contestants
import numpy as np
from common import table
from contestants import Contestant, say
from networks import FOLDER, models_folder, waveform
from peers import spleeter_python

from . import Options, ratios, summary, take_turns, target

TITLE = "End to end"
MODELS = ("2stems", "4stems")
SHARE = 0.25  # of the stages around the networks


def entrants() -> list[Contestant]:
    own = contestants.CONTESTANTS["ours"]
    return [
        Contestant("ours", "spleeterrt", own.script, own.python, {"kind": "separate"}, own.env),
        Contestant("official", "Spleeter, `separate()`", "run_tensorflow.py", spleeter_python,
                   {"kind": "separate"}),
        Contestant("session", "Spleeter's graph in one session", "run_tensorflow.py", spleeter_python,
                   {"kind": "session"}),
    ]  # fmt: skip


def measure(options: Options) -> dict:
    seconds = 20 if options.quick else 60
    models_folder(MODELS)
    data: dict = {"seconds": seconds, "threads": options.threads, "models": {}, "versions": {}}
    for model in MODELS[:1] if options.quick else MODELS:
        say(f"{model}, {seconds} s of music")
        data["models"][model] = _measure(model, seconds, options, data["versions"])
    data["targets"] = targets(data)
    return data


def _measure(model: str, seconds: float, options: Options, versions: dict) -> dict:
    request = {"model": f"spleeter:{model}", "input": str(waveform(options.audio, seconds))}
    workers, missing = contestants.start([(c, request) for c in entrants()], options.threads)
    try:
        outputs = {}
        for name, worker in workers.items():
            file = FOLDER / f"output-{name}.npy"
            worker.ask("output", file=str(file))
            outputs[name] = np.load(file)
            file.unlink()
            versions.update(worker.ask("versions")["versions"])
        # Spleeter takes seconds: its turns are single runs.
        answers = take_turns(workers, min(options.rounds, 4), turn_seconds=1.0)
        results = {}
        for name, rounds in answers.items():
            results[name] = {
                "title": next(c.title for c in entrants() if c.key == name),
                **summary(rounds),
                "peak": workers[name].ask("memory")["peak"],
            }
            if name != "ours" and "ours" in outputs:
                results[name]["difference"] = float(np.abs(outputs[name] - outputs["ours"]).max())
        if "ours" in answers:
            # The networks' part of the run that is timed last in each round.
            shares = [1 - a["network"] / a["seconds"][-1] for a in answers["ours"]]
            results["ours"]["around"] = statistics.median(shares)
    finally:
        contestants.close(workers.values())
    return {"results": results, "missing": missing}


def targets(data: dict) -> list[dict]:
    lines = []
    for model, entry in data["models"].items():
        results = entry["results"]
        if {"ours", "official"} <= set(results):
            ratio = ratios(results["official"], results["ours"])["median"]
            lines.append(target(f"{model}, {data['seconds']} s: against Spleeter's `separate()`", ratio, 10))
        if "ours" in results:
            ours = results["ours"]
            if model == "4stems":
                speed = data["seconds"] / ours["median"]
                lines.append(target(f"{model}: times real time", speed, 70))
            around = 100 * ours["around"]
            what = f"{model}: stages around the networks, share of the time"
            lines.append(target(what, around, 100 * SHARE, at_most=True, unit="%"))
    return lines


def markdown(data: dict) -> str:
    parts = [
        f"{data['seconds']} s of music in memory to all stems in memory, {data['threads']} threads, one "
        "process each, in turn, after a run to warm up. Spleeter's `separate()` builds its graph and "
        "reads its checkpoint at every call; the session is built once by Spleeter's own code and kept. The "
        "difference is the largest one of a sample from ours, full scale 1."
    ]
    for model, entry in data["models"].items():
        results = entry["results"]
        ours = results.get("ours")
        rows = []
        for result in results.values():
            ratio = f"{ratios(result, ours)['median']:.2f}" if ours else ""
            difference = f"{result['difference']:.1e}" if "difference" in result else ""
            rows.append([result["title"], f"{result['min']:.3f}", f"{result['median']:.3f}", ratio,
                         f"{data['seconds'] / result['median']:.1f}", f"{result['peak'] / 1e6:.0f}",
                         difference])  # fmt: skip
        header = ["", "min s", "median s", "ratio", "x real time", "peak MB", "difference"]
        parts += [f"### {model}", table(header, rows)]
        if ours:
            parts.append(
                "Stages around the networks (time of `separate` outside `Model.forward`): "
                f"{ours['around']:.1%}."
            )
        parts += [f"- {name}: not run: {why}" for name, why in entry["missing"].items()]
    return "\n\n".join(parts)
