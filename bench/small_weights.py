"""What float16 and int8 model files save, and what they cost: size, time to load, errors against float32.

    python bench/small_weights.py [AUDIO]

Writes `bench/results/small_weights.md`. The networks are random ones of the official sizes, drawn as
`make_checkpoints.py` draws them, but without TensorFlow: trained weights may fare better or worse, which
`spleeterrt models convert MODEL out.safetensors --dtype int8 --verify` tells. AUDIO is by default the clip of
the tests. Files are read from the page cache.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from common import MODEL_NAMES, conditions, default_music, report, table, time_rounds
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


def main() -> None:
    parser = argparse.ArgumentParser(description="Size, load time and errors of small weights.")
    parser.add_argument("audio", nargs="?", type=Path, default=default_music()[0])
    parser.add_argument("--models", nargs="+", default=MODEL_NAMES, choices=MODEL_NAMES)
    options = parser.parse_args()
    waveform, _ = AudioAdapter.default().load(options.audio, sample_rate=44100)
    rows = []
    for name in options.models:
        config, weights = random_model(name)
        with tempfile.TemporaryDirectory() as folder:
            files = {dtype: Path(folder) / f"{dtype}.safetensors" for dtype in DTYPES}
            for dtype, path in files.items():
                save_packed(path, config, weights, dtype)
            del weights
            times = time_rounds(
                {dtype: lambda path=path: load_model(path) for dtype, path in files.items()}, 9
            )
            exact = load_model(files["float32"])
            for dtype, path in files.items():
                errors = compare(exact, load_model(path), waveform).values()
                exactly = dtype == "float32"
                rows.append(
                    [
                        f"{name}, {dtype}",
                        f"{path.stat().st_size / 1e6:.1f}",
                        f"{times[dtype].min * 1e3:.0f}",
                        "0" if exactly else f"{max(e.mask_max for e in errors):.1e}",
                        "0" if exactly else f"{max(e.mask_mean for e in errors):.1e}",
                        "" if exactly else f"{min(e.snr_db for e in errors):.1f}",
                    ]
                )
    header = ["model", "MB", "load, ms", "mask error, max", "mask error, mean", "waveform SNR, dB"]
    report(
        "small_weights",
        "Small weights",
        "Random networks of the official sizes; errors against the float32 file, of the worst stem. Masks "
        "are the networks' own (0 to 1). Load: until ready to run, fastest of nine, from the page cache.",
        table(header, rows),
        conditions(["spleeterrt", "numpy", "safetensors"]),
    )


if __name__ == "__main__":
    main()
