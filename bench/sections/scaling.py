"""Is the cost linear in the length of the music, and what does a second thread bring?"""

from __future__ import annotations

import contestants
import numpy as np
from common import table
from contestants import CONTESTANTS, Contestant, Worker, say
from networks import FOLDER, checkpoint_network, models_folder, music_magnitudes, waveform

from . import Options, milliseconds, ratios, summary, take_turns, target

TITLE = "Length and threads"
MINUTES = (1, 2, 5, 10, 30, 60)
MODELS = ("2stems", "4stems")


def measure(options: Options) -> dict:
    models_folder(MODELS)
    data: dict = {"threads": options.threads, "lengths": {}, "parallel": {}}
    for model in MODELS[:1] if options.quick else MODELS:
        data["lengths"][model] = lengths(model, options)
    for model, segments in (("2stems", 1), ("4stems", 2)):
        say(f"1 and 2 threads: {model}, {segments} segments")
        data["parallel"][f"{model}, {segments} segment{'s' * (segments > 1)}"] = two_threads(
            model, segments, options
        )
    data["targets"] = targets(data)
    return data


def lengths(model: str, options: Options) -> list[dict]:
    """Wall time of `separate_blocks` by length, all in one process; the short ones several times."""
    own = CONTESTANTS["ours"]
    contestant = Contestant("blocks", own.title, own.script, own.python, {"kind": "blocks"}, own.env)
    request = {
        "model": f"spleeter:{model}",
        "input": str(waveform(options.audio, 60)),
        "threads": options.threads,
    }
    rows = []
    with Worker(contestant, options.threads) as worker:
        for minutes in (1, 2) if options.quick else MINUTES:
            worker.ask("load", **contestant.options, **request, minutes=minutes)
            repeats = max(1, min(3, round(10 / minutes)))
            answer = worker.ask("time", repeats=repeats, warm=minutes == 1)
            peak = worker.ask("memory")["peak"]
            rows.append({"minutes": minutes, "seconds": float(np.median(answer["seconds"])), "peak": peak})
            say(f"  {model}, {minutes} min: {rows[-1]['seconds']:.2f} s")
    return rows


def two_threads(model: str, segments: int, options: Options) -> dict:
    """The networks of all stems on a batch, with one thread and with two, in turn."""
    network = checkpoint_network(model)
    one = np.load(music_magnitudes(options.audio, 512))
    batch = FOLDER / f"batch-{segments}.npy"
    np.save(batch, np.repeat(one, segments, axis=0))
    workers = {}
    try:
        for threads in (1, 2):
            started, missing = contestants.start(
                [(CONTESTANTS["ours"], {**network.request, "input": str(batch)})], threads
            )
            if missing:
                raise SystemExit(f"scaling: {missing}")
            workers[str(threads)] = started["ours"]
        answers = take_turns(workers, options.rounds, turn_seconds=0.8)
    finally:
        contestants.close(workers.values())
    results = {threads: summary(rounds) for threads, rounds in answers.items()}
    return {**results, "ratio": ratios(results["1"], results["2"])}


def fit(rows: list[dict]) -> tuple[float, float, float]:
    """seconds = a + b * minutes, weighted for equal relative errors, and its largest relative error."""
    minutes = np.array([row["minutes"] for row in rows], float)
    seconds = np.array([row["seconds"] for row in rows])
    if len(rows) < 2:
        return 0.0, float(seconds[0] / minutes[0]), 0.0
    matrix = np.stack([np.ones_like(minutes), minutes], axis=1) / seconds[:, None]
    (a, b), *_ = np.linalg.lstsq(matrix, np.ones_like(seconds), rcond=None)
    return float(a), float(b), float(np.abs((a + b * minutes) / seconds - 1).max())


def targets(data: dict) -> list[dict]:
    return [
        target(f"Networks of {name}: 2 threads against 1",
               entry["ratio"]["median"], 1.85)
        for name, entry in data["parallel"].items()
    ]  # fmt: skip


def markdown(data: dict) -> str:
    rows = []
    for model, entries in data["lengths"].items():
        a, b, _ = fit(entries)
        for entry in entries:
            minutes, seconds = entry["minutes"], entry["seconds"]
            rows.append([model, minutes, f"{seconds:.2f}", f"{seconds / minutes:.3f}",
                         f"{60 * minutes / seconds:.1f}", f"{(a + b * minutes) / seconds - 1:+.1%}",
                         f"{entry['peak'] / 1e6:.0f}"])  # fmt: skip
    lines = [
        f"- {model}: {a:.3f} s + {b:.4f} s per minute; largest deviation {worst:.1%}"
        for model, (a, b, worst) in ((model, fit(entries)) for model, entries in data["lengths"].items())
    ]
    threads = [
        [name, *(milliseconds(entry[n][kind]) for n in "12" for kind in ("min", "median")),
         f"{entry['ratio']['median']:.2f}", f"{entry['ratio']['min']:.2f}"]
        for name, entry in data["parallel"].items()
    ]  # fmt: skip
    return "\n\n".join(
        [
            f"`Separator.separate_blocks` fed with blocks of one second, a minute of music again and again, "
            f"in constant memory, {data['threads']} threads, one process per model. Peak: of the process so "
            "far.",
            table(["model", "minutes", "s", "s per minute", "x real time", "fit", "peak MB"], rows),
            "\n".join(lines),
            "The networks of all stems, batches of segments (T=512), one thread and two, in turn:",
            table(["", "1 thread min ms", "median", "2 threads min ms", "median", "ratio",
                   "of minima"], threads),
        ]
    )  # fmt: skip
