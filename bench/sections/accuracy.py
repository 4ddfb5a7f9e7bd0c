"""How far each contestant's masks are from float64's, on inputs and weights that differ in kind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import contestants
import numpy as np
from common import table
from contestants import CONTESTANTS, Worker, WorkerError, error_of, say, unavailable
from networks import Network, checkpoint_network, music_magnitudes, random_magnitudes, spread_network

from . import Options, target

TITLE = "Accuracy"
ABSOLUTE, RELATIVE = 1e-4, 3.0
WITHOUT = ("torch-compile",)  # PyTorch again, a minute of compiling
ACTIVATIONS = (("LeakyReLU", "ReLU"), ("ELU", "ELU"), ("ReLU", "LeakyReLU"))


def cases(options: Options) -> Iterator[tuple[str, Network, Path]]:
    frames = 64 if options.quick else 512
    inputs = {
        "random": random_magnitudes(frames),
        "music": music_magnitudes(options.audio, frames),
    }
    base = checkpoint_network("4stems").first(1)
    for conv, deconv in ACTIVATIONS[1:2] if options.quick else ACTIVATIONS:
        checkpoint = Network("checkpoint", base.weights, base.stems, conv, deconv)
        for network in (checkpoint, spread_network(conv, deconv)):
            for name, file in inputs.items():
                yield f"{conv}/{deconv}, {network.name}, {name}", network, file


def measure(options: Options) -> dict:
    rows: dict[str, dict[str, float]] = {}
    quantiles: dict[str, list[float]] = {}
    missing: dict[str, str] = {}
    chosen = [
        c
        for c in CONTESTANTS.values()
        if c.key not in WITHOUT and (not options.only or c.key in options.only)
    ]
    every = list(cases(options))
    for title, network, file in every:
        say(title)
        masks = contestants.reference_masks(network, file)
        quantiles[title] = [float(q) for q in np.quantile(masks, (0.05, 0.5, 0.95))]
        rows[title] = {}
    for contestant in chosen:
        say(contestant.title)
        if reason := unavailable(contestant):
            missing[contestant.key] = reason
            continue
        try:
            with Worker(contestant, options.threads) as worker:
                for title, network, file in every:
                    request = {**contestant.options, "input": str(file), "mode": "graph", **network.request}
                    worker.ask("load", threads=options.threads, **request)
                    rows[title][contestant.key] = error_of(worker, network, file)
        except WorkerError as error:
            missing[contestant.key] = str(error)
    return {"errors": rows, "quantiles": quantiles, "missing": missing, "targets": targets(rows)}


def targets(rows: dict) -> list[dict]:
    lines = []
    for key in ("ours", "ours-avx2", "ours-generic"):
        pairs = [(e[key], e["torch"]) for e in rows.values() if key in e and "torch" in e]
        if pairs:
            title = CONTESTANTS[key].title
            worst = max(own / peer for own, peer in pairs)
            lines.append(target(f"Mask error of {title} against PyTorch f32's, worst input", worst, RELATIVE,
                                at_most=True))  # fmt: skip
            lines.append(target(f"Mask error of {title}, worst input", max(own for own, _ in pairs), ABSOLUTE,
                                at_most=True, unit=""))  # fmt: skip
    return lines


def markdown(data: dict) -> str:
    keys = [key for key in CONTESTANTS if any(key in errors for errors in data["errors"].values())]
    rows = []
    for title, errors in data["errors"].items():
        ratio = errors["ours"] / errors["torch"] if {"ours", "torch"} <= set(errors) else float("nan")
        low, middle, high = data["quantiles"][title]
        cells = [f"{errors[key]:.1e}" if key in errors else "" for key in keys]
        rows.append([title, f"{low:.2f} {middle:.2f} {high:.2f}", *cells, f"{ratio:.2f}"])
    parts = [
        "Largest difference of the masks from those of a float64 network, one stem. Cases: activations, "
        "weights (the random checkpoint, or the same with batch norms that scale channels over four decades "
        "and with both signs), input (noise with a falling spectrum, or music). The masks' 5 %, 50 % and "
        "95 % quantiles show that they are not saturated.",
        table(
            ["", "masks", *(CONTESTANTS[key].title for key in keys), "spleeterrt / PyTorch"],
            rows,
        ),
    ]
    if data["missing"]:
        parts.append("\n".join(f"- {name}: not run: {why}" for name, why in data["missing"].items()))
    return "\n\n".join(parts)
