"""A picture of parity: spectrograms of one stem by Spleeter, by spleeterrt, and of their difference.

    python bench/parity_picture.py [AUDIO ...]          (needs matplotlib)

Writes `bench/results/parity.png`. The same inputs and checkpoints as `parity.py`; the official result
is cached.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
from common import CACHE, MODELS, RESULTS, default_music, music
from parity import official
from peers import ensure_checkpoints

mpl.use("Agg")
import matplotlib.pyplot as plt

STEM = "vocals"
FLOOR = -200.0  # dB


def spectrogram(waveform: np.ndarray) -> np.ndarray:
    """Power in dB, (bins, frames), of the sum of the channels; a full-scale sine is at 0 dB."""
    x = waveform.astype(np.float64).sum(axis=1) / 2
    frames = np.lib.stride_tricks.sliding_window_view(x, 4096)[::1024]
    window = np.hanning(4096)
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)) * 2 / window.sum()
    return 20 * np.log10(np.maximum(magnitude.T, 10 ** (FLOOR / 20)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the spectrograms of parity.")
    parser.add_argument("audio", nargs="*", type=Path)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    ensure_checkpoints(("2stems",), MODELS)
    os.environ["MODEL_PATH"] = str(MODELS.resolve())
    from spleeterrt import Separator

    waveform = music(options.audio or default_music(), options.seconds)
    audio = CACHE / f"parity-{hashlib.sha256(waveform.tobytes()).hexdigest()[:16]}.npy"
    np.save(audio, waveform)
    want = official("2stems", False, audio, MODELS)[STEM]
    got = Separator("spleeter:2stems").separate(waveform)[STEM]

    figure, axes = plt.subplots(3, 1, figsize=(9, 7.5), sharex=True, layout="constrained")
    panels = [
        ("Spleeter 2.4.2 on TensorFlow", want),
        ("spleeterrt", got),
        ("the difference of the two", got - want),
    ]
    for axis, (title, sound) in zip(axes, panels, strict=True):
        image = axis.imshow(
            spectrogram(sound),
            origin="lower",
            aspect="auto",
            extent=(0, options.seconds, 0, 22.05),
            vmin=FLOOR,
            vmax=-20,
            cmap="magma",
        )
        axis.set(title=title, ylabel="kHz", ylim=(0, 15))
    axes[-1].set_xlabel("s")
    figure.colorbar(image, ax=axes, label="dB re full scale", shrink=0.6)
    figure.suptitle(f"The stem “{STEM}” of one song (random full-size network)")
    RESULTS.mkdir(exist_ok=True)
    figure.savefig(RESULTS / "parity.png", dpi=90)


if __name__ == "__main__":
    main()
