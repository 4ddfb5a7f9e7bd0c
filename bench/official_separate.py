"""Separate one file with the official Spleeter, and say how long it took and how much memory.

Run by the Python of Spleeter's environment, as a process of its own:

    official_separate.py MODEL INPUT OUTPUT.npz [--mwf] [--repeat N] [--models DIR]

MODEL is a name such as `2stems` or `4stems-16kHz`, or a Spleeter JSON file. INPUT is a .npy array
(samples, 2) or anything ffmpeg reads. The stems go to OUTPUT.npz; the last line of the output is
JSON: seconds of each call of `separate` and the peak resident memory in bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

from common import MODELS, SAMPLE_RATE

START = time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description="Separate with the official Spleeter.")
    parser.add_argument("model")
    parser.add_argument("input", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--mwf", action="store_true")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--models", type=Path, default=Path(os.environ.get("MODEL_PATH", MODELS)))
    options = parser.parse_args()

    # Spleeter reads MODEL_PATH when it is imported.
    os.environ["MODEL_PATH"] = str(options.models.resolve())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import numpy as np
    from spleeter.audio.adapter import AudioAdapter
    from spleeter.separator import Separator
    from spleeter.utils.configuration import load_configuration

    descriptor = options.model if options.model.endswith(".json") else f"spleeter:{options.model}"
    folder = options.models / load_configuration(descriptor)["model_dir"]
    if not ((folder / ".probe").exists() and (folder / "checkpoint").exists()):
        sys.exit(f"{folder}: no model here; make it with: python bench/peers.py --checkpoints")
    if options.input.suffix == ".npy":
        waveform = np.load(options.input)
    else:
        waveform, _ = AudioAdapter.default().load(str(options.input), sample_rate=SAMPLE_RATE)

    separator = Separator(descriptor, MWF=options.mwf, multiprocess=False)
    imported = time.perf_counter() - START
    seconds = []
    for _ in range(options.repeat):
        start = time.perf_counter()
        stems = separator.separate(waveform, "")
        seconds.append(round(time.perf_counter() - start, 3))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    options.output.parent.mkdir(parents=True, exist_ok=True)
    partial = options.output.with_name("partial-" + options.output.name)
    np.savez(partial, **stems)
    partial.replace(options.output)
    print(json.dumps({"import_seconds": round(imported, 3), "separate_seconds": seconds, "peak_rss": peak}))


if __name__ == "__main__":
    main()
