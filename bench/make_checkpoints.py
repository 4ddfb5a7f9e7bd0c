"""Random full-size checkpoints of the official architectures, written by TensorFlow itself.

Run by the Python of Spleeter's environment (`python bench/peers.py --checkpoints` does that):

    make_checkpoints.py [--seed N] [--gain G] [--models DIR] [--release DIR] [NAME ...]

Writes `DIR/NAME/{checkpoint,model.index,model.data-00000-of-00001,.probe}`, and the same files
packed as the project's GitHub release has them, with their `checksum.json`:
`RELEASE/deezer/spleeter/releases/download/v1.4.0/NAME.tar.gz`.

Nothing is learnt, but every weight counts: each kernel is drawn anew (no two stems are equal) and
scaled by its fan-in so that activations keep their size through the network, and batch
normalisation gets means, variances, scales and shifts that all differ. `--gain` multiplies the first
kernel, which sees raw STFT magnitudes: the default brings the rms of loud music to about 1, so that
the masks take all values between 0 and 1; with `--gain 1` the logits reach hundreds and the masks
saturate, which is harder to match. The distribution of the masks on noise is printed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from common import CACHE, MODEL_NAMES, MODELS, SAMPLE_RATE
from random_weights import GAIN, draw
from spleeter.model import EstimatorSpecBuilder, InputProviderFactory
from spleeter.utils.configuration import load_configuration

tf1 = tf.compat.v1
RELEASE_PATH = "deezer/spleeter/releases/download/v1.4.0"
CHECKPOINT_FILES = ("checkpoint", "model.index", "model.data-00000-of-00001")


def probe_signal(rng: np.random.Generator) -> np.ndarray:
    """10 s of stereo noise with a falling spectrum and a level that comes and goes, peak 0.9."""
    samples = 10 * SAMPLE_RATE
    spectrum = np.fft.rfft(rng.normal(size=(samples, 2)), axis=0)
    spectrum /= np.sqrt(np.arange(len(spectrum)) + 20.0)[:, None]
    noise = np.fft.irfft(spectrum, samples, axis=0)
    noise *= (0.55 + 0.45 * np.sin(2 * np.pi * 0.7 * np.arange(samples) / SAMPLE_RATE))[:, None]
    return (noise / np.abs(noise).max() * 0.9).astype(np.float32)


def make_checkpoint(name: str, directory: Path, seed: int, gain: float) -> None:
    rng = np.random.default_rng([seed, MODEL_NAMES.index(name)])
    params = load_configuration(f"spleeter:{name}")
    # A softmax spreads five logits far apart, and the ratio mask squares what it gives.
    last = 0.4 if params["model"]["type"] == "unet.softmax_unet" else 1.0
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with tf.Graph().as_default(), tf1.Session() as session:
        tf1.train.get_or_create_global_step()
        features = InputProviderFactory.get(params).get_input_dict_placeholders()
        builder = EstimatorSpecBuilder(features, params)
        masks = builder.masks
        session.run(tf1.global_variables_initializer())
        for variable in tf1.global_variables():
            if variable.op.name != "global_step":
                values = draw(variable.op.name, variable.shape.as_list(), rng, gain, last)
                variable.load(values.astype(np.float32), session)
        tf1.train.Saver(save_relative_paths=True).save(session, str(directory / "model"))
        got = session.run(masks, {features["waveform"]: probe_signal(rng), features["audio_id"]: ""})
    (directory / "model.meta").unlink()
    (directory / ".probe").write_text("OK")
    print(f"{name}: quantiles of the masks on noise (5 %, 25 %, 50 %, 75 %, 95 %)")
    for stem, mask in got.items():
        values = np.quantile(mask[:, : params["F"]], (0.05, 0.25, 0.5, 0.75, 0.95))
        print(f"  {stem:13s}", " ".join(f"{value:.3f}" for value in values))


def pack(name: str, directory: Path, release: Path) -> str:
    """Pack a checkpoint as the release does: flat, with a stray `._checkpoint`. Returns its SHA-256."""
    release.mkdir(parents=True, exist_ok=True)
    path = release / f"{name}.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        stray = tarfile.TarInfo("._checkpoint")
        stray.size = 4
        archive.addfile(stray, io.BytesIO(b"\0\5\x16\7"))
        for file in CHECKPOINT_FILES:
            archive.add(directory / file, arcname=file)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Write random full-size checkpoints with TensorFlow.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODEL_NAMES)}; default: all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gain", type=float, default=GAIN, help=f"of the first kernel, default {GAIN}")
    parser.add_argument("--models", type=Path, default=MODELS, help="where the model folders go")
    parser.add_argument("--release", type=Path, default=CACHE / "release", help="where the archives go")
    options = parser.parse_args()
    release = options.release / RELEASE_PATH
    index = release / "checksum.json"
    for name in options.names or MODEL_NAMES:
        if name not in MODEL_NAMES:
            parser.error(f"unknown model {name}")
        make_checkpoint(name, options.models / name, options.seed, options.gain)
        checksum = pack(name, options.models / name, release)
        checksums = json.loads(index.read_text()) if index.exists() else {}
        index.write_text(json.dumps({**checksums, name: checksum}, indent=2) + "\n")


if __name__ == "__main__":
    main()
