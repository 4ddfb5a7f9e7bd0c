"""The networks alone: one stem on one thread, two stems on two, whole models."""

from __future__ import annotations

from dataclasses import dataclass

import contestants
from common import table
from contestants import CONTESTANTS, Contestant, WorkerError, error_of, say
from networks import checkpoint_network, music_magnitudes

from . import Options, milliseconds, ratios, summary, take_turns, target, times

TITLE = "The networks"
SELECTION_ROUNDS = 2  # to find the best way of running several stems


@dataclass(frozen=True)
class Case:
    title: str
    model: str
    stems: int
    frames: int
    threads: int


def cases(options: Options) -> dict[str, Case]:
    n = options.threads
    every = {
        "one-512": Case("One stem, T=512, 1 thread", "4stems", 1, 512, 1),
        "one-128": Case("One stem, T=128, 1 thread", "4stems", 1, 128, 1),
        "one-64": Case("One stem, T=64, 1 thread", "4stems", 1, 64, 1),
        "two-512": Case(f"Two stems at once, T=512, {n} threads", "4stems", 2, 512, n),
        "whole-2stems": Case(f"The whole 2stems model, T=512, {n} threads", "2stems", 2, 512, n),
        "whole-4stems": Case(f"The whole 4stems model, T=512, {n} threads", "4stems", 4, 512, n),
    }
    chosen = options.cases or (("one-64", "two-512") if options.quick else tuple(every))
    return {name: case for name, case in every.items() if name in chosen}


def measure(options: Options) -> dict:
    results: dict = {}
    versions: dict = {}
    best_modes: dict[str, str] = {}
    for name, case in cases(options).items():
        say(case.title)
        results[name] = measure_case(case, options, best_modes, versions)
        if case.stems > 1:
            for key, result in results[name]["results"].items():
                best_modes.setdefault(key, result["mode"])
    return {"cases": results, "versions": versions, "targets": targets(results)}


def merge(old: dict, new: dict) -> dict:
    """The results after a run of some cases: the others stay."""
    every = {**old["cases"], **new["cases"]}
    versions = {**old["versions"], **new["versions"]}
    return {"cases": every, "versions": versions, "targets": targets(every)}


def measure_case(case: Case, options: Options, best_modes: dict[str, str], versions: dict) -> dict:
    network = checkpoint_network(case.model).first(case.stems)
    input_file = music_magnitudes(options.audio, case.frames)
    contestants.reference_masks(network, input_file)
    jobs = []
    for contestant in CONTESTANTS.values():
        if not options.only or contestant.key in options.only:
            for mode in _modes(contestant, case, best_modes):
                jobs.append((contestant, {"input": str(input_file), "mode": mode, **network.request}))
    workers, missing = contestants.start(jobs, case.threads)
    try:
        errors = {}
        for name in list(workers):
            try:
                errors[name] = error_of(workers[name], network, input_file)
                versions.update(workers[name].ask("versions")["versions"])
            except WorkerError as error:
                missing[name] = str(error)
                workers.pop(name).close()
        # Which way of several is the best, first; only that one takes part in the rounds that count.
        ways = {name.partition("/")[0] for name in workers}
        tried = take_turns(workers, SELECTION_ROUNDS) if len(ways) < len(workers) else {}
        variants = {name: summary(rounds)["median"] for name, rounds in tried.items()}
        for name in slower_ways(variants):
            workers.pop(name).close()
        best: dict[str, dict] = {}
        for name, rounds in take_turns(workers, options.rounds).items():
            key, _, mode = name.partition("/")
            best[key] = {
                "title": CONTESTANTS[key].title,
                "mode": mode,
                **summary(rounds),
                "error": errors[name],
                "peak": workers[name].ask("memory")["peak"],
            }
    finally:
        contestants.close(workers.values())
    return {
        "title": case.title,
        "model": case.model,
        "stems": case.stems,
        "frames": case.frames,
        "threads": case.threads,
        "results": best,
        "slower": {name: variants[name] for name in slower_ways(variants)},
        "missing": missing,
    }


def slower_ways(medians: dict[str, float]) -> list[str]:
    """The names (`key/mode`) that another mode of the same contestant beats."""
    best: dict[str, str] = {}
    for name in sorted(medians, key=lambda name: medians[name]):
        best.setdefault(name.partition("/")[0], name)
    return [name for name in medians if name not in best.values()]


def _modes(contestant: Contestant, case: Case, best_modes: dict[str, str]) -> tuple[str, ...]:
    if case.stems == 1:
        return ("graph",)
    if contestant.key == "ours-generic":  # slow, and nobody's choice: once is enough
        return ()
    if contestant.key in best_modes:
        return (best_modes[contestant.key],)
    # With one thread nothing runs at the same time.
    return tuple(mode for mode in contestant.modes if mode != "parallel" or case.threads > 1)


def targets(results: dict) -> list[dict]:
    """The issue's bounds, as medians of the rounds' ratios."""
    wanted = [
        ("one-512", "openvino-f32", "ours", 3.2),
        ("two-512", "openvino-f32", "ours", 3.0),
        ("one-512", "openvino-bf16", "ours", 1.7),
        ("one-128", "openvino-f32", "ours", 2.5),
        ("one-512", "openvino-f32", "ours-avx2", 2.8),
    ]
    lines = []
    for case, peer, own, bound in wanted:
        entries = results.get(case, {}).get("results", {})
        if peer in entries and own in entries:
            what = f"{results[case]['title']}: {entries[own]['title']} against {entries[peer]['title']}"
            lines.append(target(what, ratios(entries[peer], entries[own])["median"], bound))
    return lines


def markdown(data: dict) -> str:
    parts = [
        "Milliseconds for one segment and all stems of the case, each contestant in its own memory layout, "
        "on the same weights and the same music. The error is the largest one of the masks against "
        "float64. The ratios say how many times faster the default plan of spleeterrt is: the median over "
        "the rounds, and of the fastest runs. Memory is the worker process's peak, its Python included."
    ]
    for case in data["cases"].values():
        results = case["results"]
        ours = results.get("ours")
        rows = []
        for result in sorted(results.values(), key=lambda r: r["median"]):
            row = [result["title"] + (f" ({result['mode']})" if case["stems"] > 1 else "")]
            row += [milliseconds(result["min"]), milliseconds(result["median"])]
            ratio = ratios(result, ours) if ours else {"median": float("nan"), "min": float("nan")}
            row += [times(ratio["median"]), times(ratio["min"])]
            row += [f"{result['error']:.1e}", f"{result['peak'] / 1e6:.0f}"]
            rows.append(row)
        header = ["", "min ms", "median ms", "ratio", "of minima", "mask error", "peak MB"]
        parts += [f"### {case['title']}", table(header, rows)]
        if case["slower"]:
            slower = ", ".join(f"{name} {milliseconds(seconds)}" for name, seconds in case["slower"].items())
            parts.append(f"Slower ways of the same (median ms): {slower}.")
        if case["missing"]:
            parts.append("\n".join(f"- {name}: not run: {why}" for name, why in case["missing"].items()))
    parts.append(
        "Ways to run several stems: `graph`, one graph of all stems on all threads (PyTorch: the stems in "
        "turn); `turn`, a graph each, in turn, on all threads; `parallel`, a graph each on one thread, at "
        "the same time. All are tried with two stems, the best counts and goes on to the whole models."
    )
    return "\n\n".join(parts)
