"""What float16 and int8 model files save, and what they cost: size, memory, time, errors against float32.

    python bench/small_weights.py [AUDIO]

Writes `bench/results/small_weights.md`. The networks are random ones of the official sizes, drawn as
`make_checkpoints.py` draws them, but without TensorFlow: trained weights may fare better or worse, which
`spleeterrt models convert MODEL out.safetensors --dtype int8 --verify` tells. AUDIO is by default the
clip of the tests; peak memory is that of `spleeterrt separate --threads 2` on a minute of it, looped.
Files are read from the page cache. The last frames: all networks on T = 128 frames, of which the last two are
wanted, on two threads.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from common import (
    MODEL_NAMES,
    conditions,
    default_music,
    report,
    run_child,
    spleeterrt_command,
    table,
    time_rounds,
)
from memory import long_wav
from random_weights import GAIN, draw

from spleeterrt import load_model
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.fidelity import compare
from spleeterrt.models import DTYPES, expected_shapes
from spleeterrt.models.packed import save_packed
from spleeterrt.network.config import OFFICIAL_CONFIGS


def random_model(name: str, seed: int = 1) -> tuple:
    config = OFFICIAL_CONFIGS[name]
    rng = np.random.default_rng(seed)
    last = 0.4 if config.softmax else 1.0  # as of make_checkpoints.py
    weights = {
        stem: {
            key: draw(key, list(shape), rng, GAIN, last).astype(np.float32)
            for key, shape in expected_shapes(config).items()
        }
        for stem in config.instruments
    }
    return config, weights


def write_files(name: str, folder: str) -> None:
    config, weights = random_model(name)
    for dtype in DTYPES:
        save_packed(Path(folder) / f"{name}-{dtype}.safetensors", config, weights, dtype)


def peaks(file: Path, wav: Path) -> list[str]:
    """Of `spleeterrt separate`, MB: as it is, with low memory."""
    found = []
    for more in ([], ["--low-memory"]):
        with tempfile.TemporaryDirectory() as folder:
            run = run_child(
                [*spleeterrt_command(), "separate", "-p", file, "-o", folder, "--threads", 2, *more, wav]
            )
        found.append(f"{run.peak_rss / 1e6:.0f}")
    return found


def live_runs(models: dict, rounds: int) -> dict:
    """Timings of a run of all networks, in turn."""
    rng = np.random.default_rng(3)
    heard = np.abs(rng.standard_normal((1, 128, 1024, 2), np.float32))
    runs = {
        dtype: lambda model=model: model.forward_rows(heard, 2, 126, 128) for dtype, model in models.items()
    }
    return time_rounds(runs, rounds, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description="Size, memory, times and errors of small weights.")
    parser.add_argument("audio", nargs="?", type=Path, default=default_music()[0])
    parser.add_argument("--models", nargs="+", default=MODEL_NAMES, choices=MODEL_NAMES)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # Weights are drawn elsewhere: a command's peak is never below the memory in use here.
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            list(pool.map(write_files, options.models, [folder] * len(options.models)))
        files = {
            name: {dtype: Path(folder) / f"{name}-{dtype}.safetensors" for dtype in DTYPES}
            for name in options.models
        }
        wav = long_wav([options.audio], 1)
        peak = {path: peaks(path, wav) for of_model in files.values() for path in of_model.values()}
        rows = [row for name in options.models for row in measure(name, files[name], peak, options)]
    header = [
        "model",
        "file, MB",
        "resident weights, MB",
        "peak, MB",
        "`--low-memory`",
        "load, ms",
        "the last frames, ms, min",
    ]
    header += ["median", "float32's by it", "mask error, max", "mask error, mean", "waveform SNR, dB"]
    report(
        "small_weights",
        "Small weights",
        "Random networks of the official sizes; errors against the float32 file, of the worst stem. Masks "
        "are the networks' own (0 to 1). Peak: `spleeterrt separate --threads 2`, a minute. Load: until "
        "ready, fastest of nine, from the page cache. The last frames: all networks at T = 128, the last 2 "
        f"frames, 2 threads, {options.rounds} rounds in turn.",
        table(header, rows),
        conditions(["spleeterrt", "numpy", "safetensors"]),
    )


def measure(name: str, files: dict, peak: dict, options: argparse.Namespace) -> list[list[str]]:
    waveform, _ = AudioAdapter.default().load(options.audio, sample_rate=44100)
    times = time_rounds({dtype: lambda path=path: load_model(path) for dtype, path in files.items()}, 9)
    models = {dtype: load_model(path) for dtype, path in files.items()}
    live = live_runs(models, options.rounds)
    rows = []
    for dtype, model in models.items():
        errors = compare(models["float32"], model, waveform).values()
        exactly = dtype == "float32"
        rows.append(
            [
                f"{name}, {dtype}",
                f"{files[dtype].stat().st_size / 1e6:.1f}",
                f"{model.packed_weights.nbytes / 1e6:.1f}",
                *peak[files[dtype]],
                f"{times[dtype].min * 1e3:.0f}",
                f"{live[dtype].min * 1e3:.1f}",
                f"{live[dtype].median * 1e3:.1f}",
                f"{live['float32'].median / live[dtype].median:.2f}",
                "0" if exactly else f"{max(e.mask_max for e in errors):.1e}",
                "0" if exactly else f"{max(e.mask_mean for e in errors):.1e}",
                "" if exactly else f"{min(e.snr_db for e in errors):.1f}",
            ]
        )
    return rows


if __name__ == "__main__":
    main()
