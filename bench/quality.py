"""How good are the stems, and what do T, hop, lookahead, weights, kernels and modes change?

    python bench/quality.py DATASET -p MODEL [--sweeps frames sliding ...] [--museval]
    python bench/quality.py --render 20 -p MODEL            the held-out synthetic songs of models/starter
    python bench/quality.py DATASET --redraw                from the results that are there

DATASET is a folder in MUSDB18's layout: [test/]SONG/{mixture,vocals,drums,bass,other}.wav. A model with
`accompaniment` is scored against drums + bass + other, one with `piano` by piano + other, as `spleeterrt
evaluate` does it. SI-SDR and the oracle mask are defined in `scores.py`; beside every model stand the mixture
itself (as the estimate of every stem) and the oracle, limited to the model's F bins and without that limit.

A stem that is not in a song (60 dB below the mixture) has no score there: the tables say how many count.
Results: `bench/results/quality[-NAME].json`, `.md`, `-frames.png`, `-latency.png`.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import numpy as np
from scores import decibels, energy, is_silent, museval_sdr, oracle, si_sdr

from spleeterrt import Model, Separator, SpleeterError, StreamSeparator, load_model
from spleeterrt._kernels.stream import stream_latency
from spleeterrt.audio.channels import to_stereo
from spleeterrt.audio.reader import AudioReader
from spleeterrt.evaluate import MIXTURE, Target, find_targets, find_tracks
from spleeterrt.network.config import ModelConfig
from spleeterrt.realtime.stream import StreamSettings

FRAMES = (64, 128, 256, 512)
STREAM_FRAMES = 128
HOPS = (1, 2, 4, 8, 16, 32)
LOOKAHEADS = (0, 4, 16, 32)
MODES = ("direct", "residual", "three")
SWEEPS = ("frames", "buffered", "sliding", "weights", "kernels", "modes")
BLOCK = 256  # of the streams: a usual host's
RENDERER = common.ROOT / "models" / "starter" / "songs.py"

Stems = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class System:
    """Something that makes estimates; `separate`: mixture float32 (samples, 2) -> {stem: the same shape}."""

    sweep: str
    label: str
    settings: Mapping[str, Any]
    separate: Callable[[np.ndarray], Stems]
    latency_ms: float | None = None


@dataclass(frozen=True)
class Song:
    name: str
    mixture: np.ndarray
    references: Stems  # of all targets, silent ones too
    silent: tuple[str, ...]


# --- systems --------------------------------------------------------------------------


def offline(model: Model, frames: int | None = None, **options: Any) -> Callable[[np.ndarray], Stems]:
    config = model.config
    if frames is not None:
        model = model.with_config(config.replace(T=frames))
    separator = Separator(model, **options)
    return separator.separate


def streamed(model: Model, mixture: np.ndarray, **options: Any) -> Stems:
    """A stream's stems, aligned with the mixture."""
    samples = len(mixture)
    padded = np.zeros((-(-samples // BLOCK) * BLOCK, 2), np.float32)
    padded[:samples] = mixture
    with StreamSeparator(model, block=BLOCK, realtime=False, **options) as live:
        pieces = [live.process(padded[start : start + BLOCK]) for start in range(0, len(padded), BLOCK)]
        pieces.append(live.flush())
        whole = {stem: np.concatenate([piece[stem] for piece in pieces]) for stem in live.instruments}
        return {stem: wave[live.latency : live.latency + samples] for stem, wave in whole.items()}


def stream_system(model: Model, sweep: str, label: str, settings: Mapping[str, Any], **more: Any) -> System:
    options = {"sample_rate": model.config.sample_rate, **settings, **more}
    known = inspect.signature(StreamSettings).parameters
    engine = StreamSettings(block=BLOCK, realtime=False, **{k: v for k, v in options.items() if k in known})
    latency = stream_latency(engine.options(model.config))
    return System(
        sweep,
        label,
        {**settings, **more},
        lambda mixture: streamed(model, mixture, **options),
        1e3 * latency / model.config.sample_rate,
    )


@contextmanager
def reference_kernels() -> Iterator[None]:
    """Models that are loaded here run by im2col and the BLAS."""
    before = os.environ.get("SPLEETERRT_ISA")
    os.environ["SPLEETERRT_ISA"] = "reference"
    try:
        yield
    finally:
        del os.environ["SPLEETERRT_ISA"]
        if before is not None:
            os.environ["SPLEETERRT_ISA"] = before


def systems(
    model: Model,
    source: str,
    sweeps: Sequence[str],
    hops: Sequence[int],
    lookaheads: Sequence[int],
    weights: Mapping[str, str],
) -> tuple[list[System], dict[str, str]]:
    """All that is to be measured, the model as it is first; and what cannot be, with the reason."""
    found = [System("model", f"offline, T = {model.config.T}", {"frames": model.config.T}, offline(model))]
    left_out: dict[str, str] = {}

    def attempt(label: str, make: Callable[[], System]) -> None:
        try:
            found.append(make())
        except SpleeterError as error:
            left_out[label] = str(error)

    if "frames" in sweeps:
        found += [System("frames", f"T = {t}", {"frames": t}, offline(model, t)) for t in FRAMES]
    if "buffered" in sweeps:
        found += [stream_system(model, "buffered", f"T = {t}", {"frames": t}) for t in FRAMES]
    if "sliding" in sweeps:
        for lookahead in lookaheads:
            for hop in (hop for hop in hops if hop + lookahead <= STREAM_FRAMES):
                settings = {"frames": STREAM_FRAMES, "hop_frames": hop, "lookahead": lookahead}
                label = f"T = {STREAM_FRAMES}, hop {hop}, lookahead {lookahead}"
                found.append(stream_system(model, "sliding", label, settings))
    if "weights" in sweeps:
        for name, file in weights.items():
            variant = load_model(file)
            if variant.instruments != model.instruments:
                raise SystemExit(f"--weights {name}: stems {variant.instruments}, not {model.instruments}")
            found.append(System("weights", name, {"weights": Path(file).name}, offline(variant)))
    if "kernels" in sweeps:
        with reference_kernels():
            plain = load_model(source)
            found.append(System("kernels", "im2col + BLAS", {"isa": "reference"}, offline(plain)))
    if "modes" in sweeps:
        for mode in MODES:
            label = f"{mode}, offline, T = {model.config.T}"
            settings = {"mode": mode}
            attempt(label, lambda s=settings, n=label: System("modes", n, s, offline(model, **s)))
            label = f"{mode}, double-buffered, T = {STREAM_FRAMES}"
            settings = {"frames": STREAM_FRAMES, "mode": mode}
            attempt(label, lambda s=settings, n=label: stream_system(model, "modes", n, s))
    return found, left_out


# --- songs ----------------------------------------------------------------------------


def read(path: Path, rate: int, offset: float, seconds: float | None) -> np.ndarray:
    with AudioReader(path, offset=offset, duration=seconds, sample_rate=rate) as reader:
        wave = np.concatenate([to_stereo(block) for block in reader])
        if reader.warnings:  # a score of half a song would be wrong
            raise SpleeterError("; ".join(reader.warnings))
    return wave


def load_song(
    track: Path, targets: Sequence[Target], rate: int, offset: float = 0.0, seconds: float | None = None
) -> Song:
    """Mixture and references at the model's rate; references that are shorter end with silence."""
    mixture = read(track / MIXTURE, rate, offset, seconds)
    references = {}
    for target in targets:
        total = np.zeros_like(mixture)
        for path in target.files:
            part = read(path, rate, offset, seconds)[: len(total)]
            total[: len(part)] += part
        references[target.name] = total
    silent = tuple(name for name, wave in references.items() if is_silent(wave, mixture))
    return Song(track.name, mixture, references, silent)


def estimates_of(targets: Sequence[Target], stems: Stems) -> dict[str, np.ndarray]:
    """{target: sum of its stems}"""
    return {target.name: np.sum([stems[stem] for stem in target.stems], axis=0) for target in targets}


def scores_of(song: Song, estimates: Stems) -> dict[str, float]:
    """{target: SI-SDR}, of those that sound."""
    return {
        name: si_sdr(reference, estimates[name])
        for name, reference in song.references.items()
        if name not in song.silent
    }


def baselines(config: ModelConfig, song: Song) -> dict[str, Stems]:
    wide = config.bins // 64 * 64
    return {
        "mix": dict.fromkeys(song.references, song.mixture),
        "oracle": oracle(config, song.references, song.mixture),
        "oracle, all bins": oracle(config.replace(F=wide), song.references, song.mixture),
    }


# --- the run --------------------------------------------------------------------------


def run(
    dataset: Path,
    model: Model,
    measured: Sequence[System],
    *,
    songs: int | None = None,
    offset: float = 0.0,
    seconds: float | None = None,
    museval: bool = False,
    keep: Callable[[dict], None] = lambda results: None,
) -> dict:
    """Scores of all systems on all songs. `keep` gets the results so far after every song.

    museval scores the mixture, the model as it is and the oracle only: it takes much longer than all else.
    """
    tracks = find_tracks(dataset)[:songs]
    rows = {
        name: {"sweep": "baseline", "label": name, "settings": {}, "latency_ms": None, "si_sdr": {}}
        for name in ("mix", "oracle", "oracle, all bins")
    }
    for system in measured:
        rows[f"{system.sweep}: {system.label}"] = {
            "sweep": system.sweep,
            "label": system.label,
            "settings": dict(system.settings),
            "latency_ms": system.latency_ms,
            "si_sdr": {},
        }
    with_museval = {"mix", "oracle", f"{measured[0].sweep}: {measured[0].label}"}
    results: dict[str, Any] = {
        "dataset": dataset.name,
        "targets": [],
        "songs": {},
        "failed": {},
        "systems": list(rows.values()),
    }
    for number, track in enumerate(tracks, 1):
        started = time.monotonic()
        try:
            targets = find_targets(model.instruments, track)
            song = load_song(track, targets, model.config.sample_rate, offset, seconds)
        except SpleeterError as error:
            results["failed"][track.name] = str(error)
            print(f"{track.name}: left out: {error}", flush=True)
            continue
        if energy(song.mixture) == 0:
            results["failed"][track.name] = "the mixture is silent"
            continue
        results["targets"] = list(song.references)
        rest = song.mixture - np.sum(list(song.references.values()), axis=0)
        results["songs"][song.name] = {
            "seconds": len(song.mixture) / model.config.sample_rate,
            "silent": list(song.silent),
            # What the mixture has that its references have not: mastering, or nothing.
            "mix_minus_references_db": round(decibels(energy(rest), energy(song.mixture)), 1),
        }

        songs_by_stems = {tuple(model.instruments): (targets, song)}

        def score(key: str, estimates: Stems, song: Song) -> None:
            scores = rows[key]["si_sdr"].setdefault(song.name, {})
            scores.update({n: v for n, v in scores_of(song, estimates).items() if n not in scores})

        for key, estimates in baselines(model.config, song).items():
            score(key, estimates, song)
            if museval and key in with_museval:
                rows[key].setdefault("sdr", {})[song.name] = _sdr(song, estimates, model.config.sample_rate)
        for system in measured:
            key = f"{system.sweep}: {system.label}"
            stems = system.separate(song.mixture)
            if tuple(stems) not in songs_by_stems:  # a mode with stems of its own, and their baselines
                others = find_targets(tuple(stems), track)
                view = load_song(track, others, model.config.sample_rate, offset, seconds)
                songs_by_stems[tuple(stems)] = others, view
                for name, estimates in baselines(model.config, view).items():
                    score(name, estimates, view)
            theirs, view = songs_by_stems[tuple(stems)]
            estimates = estimates_of(theirs, stems)
            score(key, estimates, view)
            if museval and key in with_museval:
                rows[key].setdefault("sdr", {})[song.name] = _sdr(song, estimates, model.config.sample_rate)
        first = measured[0]
        line = rows[f"{first.sweep}: {first.label}"]["si_sdr"][song.name]
        text = ", ".join(f"{name} {value:.2f} dB" for name, value in line.items())
        print(
            f"[{number}/{len(tracks)}] {song.name}: {text} ({time.monotonic() - started:.0f} s)", flush=True
        )
        keep(results)
    if not results["songs"]:
        raise SystemExit(f"{dataset}: no song could be scored")
    return results


def _sdr(song: Song, estimates: Stems, rate: int) -> dict[str, float]:
    """{target: museval's SDR}, of those that sound (a silent reference leaves no frame to any)."""
    names = [name for name in song.references if name not in song.silent]
    values = museval_sdr([song.references[n] for n in names], [estimates[n] for n in names], rate)
    return {name: value for name, value in zip(names, values, strict=True) if math.isfinite(value)}


def render(songs: int, folder: Path) -> None:
    """The held-out synthetic songs, by the starter model's own renderer; complete or not there at all."""
    if not RENDERER.exists():
        raise SystemExit(f"{RENDERER} is missing: name a DATASET")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    command = [sys.executable, RENDERER, "--split", "heldout", "--songs", songs, "--out", partial]
    if subprocess.run(list(map(str, command)), check=False).returncode:
        raise SystemExit(f"{RENDERER.name} failed")
    partial.rename(folder)


# --- results --------------------------------------------------------------------------


def medians(system: Mapping[str, Any], score: str = "si_sdr") -> dict[str, float]:
    """{target: median over the songs that have it}"""
    values: dict[str, list[float]] = {}
    for scores in system[score].values():
        for name, value in scores.items():
            values.setdefault(name, []).append(value)
    return {name: statistics.median(column) for name, column in values.items()}


def improvements(results: Mapping[str, Any], system: Mapping[str, Any]) -> dict[str, float]:
    """{target: median over the songs of SI-SDR less that of the mixture}, SI-SDRi."""
    mix = results["systems"][0]["si_sdr"]
    values: dict[str, list[float]] = {}
    for song, scores in system["si_sdr"].items():
        for name, value in scores.items():
            values.setdefault(name, []).append(value - mix[song][name])
    return {name: statistics.median(column) for name, column in values.items()}


def targets_of(results: Mapping[str, Any]) -> list[str]:
    """The model's, that sound in some song, in order."""
    sounding = medians(results["systems"][0])
    return [target for target in results["targets"] if target in sounding]


def of_sweep(results: Mapping[str, Any], sweep: str) -> list[dict]:
    return [system for system in results["systems"] if system["sweep"] == sweep]


def write(results: Mapping[str, Any], name: str) -> None:
    targets = list(medians(results["systems"][0]))  # of modes with stems of their own too
    counts = {
        target: sum(target in scores for scores in results["systems"][0]["si_sdr"].values())
        for target in targets
    }

    def cells(values: Mapping[str, float]) -> list[str]:
        return [f"{values[target]:.2f}" if target in values else "-" for target in targets]

    main = []
    for system in [*of_sweep(results, "baseline"), *of_sweep(results, "model")]:
        main.append((f"{system['label']}: SI-SDR", *cells(medians(system))))
        if system["label"] != "mix":
            main.append((f"{system['label']}: SI-SDRi", *cells(improvements(results, system))))
        if "sdr" in system:
            main.append((f"{system['label']}: SDR (museval)", *cells(medians(system, "sdr"))))
    main.append(("songs with this stem", *(f"{counts[t]} of {len(results['songs'])}" for t in targets)))
    titles = {
        "frames": "T, offline",
        "buffered": "Double-buffered streams",
        "sliding": "Sliding streams",
        "weights": "Weights",
        "kernels": "Kernels",
        "modes": "Modes",
    }
    parts = []
    for sweep, title in titles.items():
        found = of_sweep(results, sweep)
        if not found:
            continue
        timed = any(system["latency_ms"] is not None for system in found)
        header = (title, *(("latency, ms",) if timed else ()), *targets)
        lines = []
        for system in found:
            ms = system["latency_ms"]
            latency = ("-" if ms is None else f"{ms:.0f}",) if timed else ()
            lines.append((system["label"], *latency, *cells(improvements(results, system))))
        parts.append(common.table(header, lines))
    left_out = {**results["left_out"], **results["failed"]}
    notes = [f"Left out, {label}: {reason}" for label, reason in left_out.items()]
    rest = max(song["mix_minus_references_db"] for song in results["songs"].values())
    common.report(
        name,
        "Quality of the stems",
        results["conditions"],
        "Medians over the songs, dB. SI-SDR: scale-invariant, whole songs, both channels as one signal; "
        'SI-SDRi: less that of the unprocessed mixture ("mix"). oracle: the ratio mask of the true stems\' '
        "spectra (exponent 2) on the same STFT, with the model's "
        f"F = {results['bins']} bins and mask extension; "
        '"all bins": without the limit to F. A stem 60 dB below the mixture counts as absent from that song. '
        f"The mixtures differ from the sum of their references by {rest:.0f} dB at most.",
        common.table(("dB", *targets), main),
        *(f"![{title}]({name}-{part}.png)" for title, part in pictures(results).items()),
        "SI-SDRi of the sweeps, dB (latency: at the model's rate, blocks of "
        f"{BLOCK}, the full window, a budget of one hop):",
        *parts,
        *notes,
    )


def pictures(results: Mapping[str, Any]) -> dict[str, str]:
    """{title: end of the file's name}, of those that there are results for."""
    found = {}
    if of_sweep(results, "frames"):
        found["Quality against T"] = "frames"
    if of_sweep(results, "sliding") or of_sweep(results, "buffered"):
        found["Quality against latency"] = "latency"
    return found


def draw(results: Mapping[str, Any], folder: Path, name: str) -> None:
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    painters = {"frames": _draw_frames, "latency": _draw_latency}
    targets = targets_of(results)
    with rc_context(common.STYLE):
        for part in pictures(results).values():
            columns = min(2, len(targets))
            rows = -(-len(targets) // columns)
            figure = Figure(figsize=(4.6 * columns, 2.7 * rows + 0.9), layout="constrained")
            FigureCanvasAgg(figure)
            axes = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
            painters[part](figure, axes, results, targets)
            for axis in axes[len(targets) :]:
                axis.set_visible(False)
            for axis, target in zip(axes, targets, strict=False):
                axis.set_title(target, loc="left")
                axis.grid(color="0.92", linewidth=0.6)
            figure.savefig(folder / f"{name}-{part}.png", dpi=130)


def _draw_frames(figure: Any, axes: Any, results: Mapping[str, Any], targets: Sequence[str]) -> None:
    figure.suptitle(f"SI-SDR by T (frames that the networks see at a time): {_what(results)}", fontsize=10)
    found = of_sweep(results, "frames")
    shown = {system["label"]: medians(system) for system in of_sweep(results, "baseline")}
    for axis, target in zip(axes, targets, strict=False):
        x = [system["settings"]["frames"] for system in found]
        y = [medians(system)[target] for system in found]
        axis.plot(x, y, marker="o", color="#d1495b", linewidth=1.4, markersize=5)
        for a, b in zip(x, y, strict=True):
            axis.annotate(f"{b:.2f}", (a, b), textcoords="offset points", xytext=(0, 7), ha="center",
                          fontsize=8, color="#d1495b")  # fmt: skip
        # The oracle is too far away to be drawn to the same scale.
        text = f"oracle mask {shown['oracle'][target]:.1f} dB, the mix itself {shown['mix'][target]:.1f} dB"
        axis.set_title(
            text.replace("-", "\u2212"), loc="right", fontsize=8, fontweight="normal", color="0.35"
        )
        middle, half = (min(y) + max(y)) / 2, max(1.0, 0.8 * (max(y) - min(y)))
        axis.set_ylim(middle - half, middle + half)
        axis.set_xscale("log", base=2)
        axis.set_xticks(FRAMES, [str(frames) for frames in FRAMES])
        axis.minorticks_off()
        axis.margins(x=0.08)
    _x_label(axes, len(targets), f"T, frames ({results['frame_ms']:.1f} ms each)")
    figure.supylabel("median SI-SDR, dB", fontsize=9)


def _draw_latency(figure: Any, axes: Any, results: Mapping[str, Any], targets: Sequence[str]) -> None:
    figure.suptitle(f"SI-SDR by latency: {_what(results)}", fontsize=10)
    sliding = of_sweep(results, "sliding")
    lookaheads = sorted({system["settings"]["lookahead"] for system in sliding})
    colours = ("#d1495b", "#e9a23b", "#3f8f6b", "#4d7ea8", "#7b5ea7", "#555555")
    shown = {system["sweep"]: medians(system) for system in of_sweep(results, "model")}
    for axis, target in zip(axes, targets, strict=False):
        for lookahead, colour in zip(lookaheads, colours, strict=False):
            found = [system for system in sliding if system["settings"]["lookahead"] == lookahead]
            x = [system["latency_ms"] for system in found]
            y = [medians(system)[target] for system in found]
            axis.plot(x, y, marker="o", color=colour, linewidth=1.2, markersize=4,
                      label=f"sliding, lookahead {lookahead}")  # fmt: skip
            last = len(found) - 1
            for k, (system, a, b) in enumerate(zip(found, x, y, strict=True)):
                if lookahead == lookaheads[0] or k in (0, last):
                    axis.annotate(f"{system['settings']['hop_frames']}", (a, b), textcoords="offset points",
                                  xytext=(0, 5), ha="center", fontsize=7, color=colour)  # fmt: skip
        buffered = of_sweep(results, "buffered")
        if buffered:
            x = [system["latency_ms"] for system in buffered]
            y = [medians(system)[target] for system in buffered]
            axis.plot(x, y, marker="*", color="0.25", linewidth=0.8, markersize=8, label="double-buffered")
            for system, a, b in zip(buffered, x, y, strict=True):
                axis.annotate(f"T={system['settings']['frames']}", (a, b), textcoords="offset points",
                              xytext=(0, 7), ha="center", fontsize=6.5, color="0.25")  # fmt: skip
        axis.axhline(shown["model"][target], color="0.4", linestyle="--", linewidth=1, label="offline")
        every = [system["latency_ms"] for system in [*sliding, *buffered]]
        axis.set_xscale("log")
        axis.set_xticks([50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000],
                        ["0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10", "20"])  # fmt: skip
        axis.minorticks_off()
        axis.set_xlim(0.8 * min(every), 1.3 * max(every))
        axis.margins(y=0.14)
    _x_label(axes, len(targets), f"latency, s (numbers at the points: hop in frames; T = {STREAM_FRAMES})")
    figure.supylabel("median SI-SDR, dB", fontsize=9)
    _legend(figure, axes[0])


def _what(results: Mapping[str, Any]) -> str:
    count = len(results["songs"])
    return f"{results['model']}, {count} {'song' if count == 1 else 'songs'} of {results['dataset']}"


def _x_label(axes: Any, count: int, text: str) -> None:
    for axis in axes[max(0, count - 2) : count]:
        axis.set_xlabel(text)


def _legend(figure: Any, axis: Any) -> None:
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), frameon=False)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", type=Path)
    parser.add_argument("-p", "--model", default="spleeter:4stems", help="what the command line takes")
    parser.add_argument(
        "--render", type=int, metavar="N", help="N held-out synthetic songs, if DATASET is absent"
    )
    parser.add_argument("--name", default="", help="of the results: quality-NAME")
    parser.add_argument("--sweeps", nargs="*", choices=SWEEPS, default=SWEEPS)
    parser.add_argument("--hops", nargs="+", type=int, default=HOPS)
    parser.add_argument("--lookaheads", nargs="+", type=int, default=LOOKAHEADS)
    parser.add_argument(
        "--weights", nargs="*", default=[], metavar="NAME=FILE", help="the same model, other files"
    )
    parser.add_argument("--songs", type=int, help="the first so many")
    parser.add_argument("--offset", type=float, default=0.0, help="seconds of each song to skip")
    parser.add_argument("--seconds", type=float, help="of each song, at most")
    parser.add_argument("--museval", action="store_true", help="SDR of BSSEval v4 as well (slow)")
    parser.add_argument("--redraw", action="store_true", help="from the results that are there")
    options = parser.parse_args()
    try:
        _run(parser, options)
    except SpleeterError as error:
        raise SystemExit(f"Error: {error}") from error


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    name = f"quality-{options.name}" if options.name else "quality"
    path = common.RESULTS / f"{name}.json"
    if not options.redraw:
        dataset = options.dataset
        if options.render:
            dataset = dataset or common.CACHE / f"heldout-{options.render}"
            if not dataset.exists():
                render(options.render, dataset)
        if dataset is None:
            parser.error("name a DATASET, or --render N")
        weights = dict(item.partition("=")[::2] for item in options.weights)
        if not all(weights.values()):
            parser.error("--weights: expected NAME=FILE")
        _measure(options, dataset, weights, path)
    results = json.loads(path.read_text())
    write(results, name)
    draw(results, common.RESULTS, name)


def _measure(options: argparse.Namespace, dataset: Path, weights: Mapping[str, str], path: Path) -> None:
    model = load_model(options.model)
    source = options.model
    measured, left_out = systems(model, source, options.sweeps, options.hops, options.lookaheads, weights)
    label = common.model_label(source)
    more = {
        "model": label,
        "bins": model.config.F,
        "frame_ms": 1e3 * model.config.frame_step / model.config.sample_rate,
        "left_out": left_out,
    }

    def keep(results: dict) -> None:
        conditions = common.conditions(
            ("spleeterrt", "numpy", "museval"),
            Model=f"{label}, filters {', '.join(map(str, model.config.conv_n_filters))}",
            Songs=f"{len(results['songs'])} of {results['dataset']}, "
            f"{sum(song['seconds'] for song in results['songs'].values()) / 60:.1f} minutes",
        )
        common.RESULTS.mkdir(exist_ok=True)
        partial = path.with_name(path.name + ".part")
        partial.write_text(json.dumps({"conditions": conditions, **more, **results}, indent=1) + "\n")
        partial.replace(path)

    keep(
        run(
            dataset,
            model,
            measured,
            songs=options.songs,
            offset=options.offset,
            seconds=options.seconds,
            museval=options.museval,
            keep=keep,
        )
    )


if __name__ == "__main__":
    main()
