"""The networks and inputs that `compare.py` gives to every contestant, as files under the cache.

Weights are TensorFlow's tensors in one .npz, `STEM|conv2d_1/kernel` and so on; inputs are magnitudes
[1, T, F, 2] in .npy. Both are the same for all; `reference` is the float64 mask of PyTorch on them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import CACHE, MODELS, looped
from peers import ensure_checkpoints

FOLDER = CACHE / "compare"
BINS = 1024


@dataclass(frozen=True)
class Network:
    """Weights on the disk.

    Attributes:
        name: for tables.
        weights: the .npz file.
        stems: those to run, in this order.
        conv, deconv: activations.
    """

    name: str
    weights: Path
    stems: tuple[str, ...]
    conv: str
    deconv: str

    def first(self, count: int) -> Network:
        return Network(self.name, self.weights, self.stems[:count], self.conv, self.deconv)

    @property
    def request(self) -> dict:
        """What a worker needs to load it."""
        activations = {"conv_activation": self.conv, "deconv_activation": self.deconv}
        return {"weights": str(self.weights), "stems": list(self.stems), "activations": activations}


def models_folder(names: Sequence[str]) -> Path:
    """MODEL_PATH with the random checkpoints in it, also set in this process."""
    folder = ensure_checkpoints(tuple(names), MODELS).resolve()
    os.environ["MODEL_PATH"] = str(folder)
    return folder


def _save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.stem + ".part.npz")
    np.savez(partial, **arrays)
    partial.replace(path)
    return path


def checkpoint_network(name: str) -> Network:
    """A random full-size checkpoint (`make_checkpoints.py`) as a `Network`."""
    models_folder([name])
    from spleeterrt.models import load

    config, weights, _ = load(f"spleeter:{name}", progress=False)
    tensors = {f"{stem}|{key}": value for stem in weights for key, value in weights[stem].items()}
    path = FOLDER / f"{name}.npz"
    if not path.exists() or path.stat().st_mtime < (MODELS / name / "model.index").stat().st_mtime:
        _save(path, tensors)
    return Network(name, path, config.instruments, config.conv_activation, config.deconv_activation)


def spread_network(conv: str, deconv: str, seed: int = 3) -> Network:
    """One stem whose batch norms scale their channels over four decades, with both signs.

    The rms of each layer's scales is 1, so that activations keep their size.
    """
    base = checkpoint_network("4stems")
    path = FOLDER / f"spread-{seed}.npz"
    if not path.exists():
        rng = np.random.default_rng(seed)
        stem = base.stems[0]
        with np.load(base.weights) as file:
            tensors = {key: file[key] for key in file.files if key.startswith(f"{stem}|")}
        for key in [key for key in tensors if key.endswith("/gamma")]:
            variance_key = key.replace("/gamma", "/moving_variance")
            channels = tensors[key].shape[0]
            variance = 10 ** rng.uniform(-2, 2, channels)
            scale = 10 ** rng.uniform(-3, 1, channels) * rng.choice([-1, 1], channels)
            scale /= np.sqrt(np.mean(scale**2))
            tensors[variance_key] = variance.astype(np.float32)
            tensors[key] = (scale * np.sqrt(variance + 1e-3)).astype(np.float32)
        _save(path, tensors)
    return Network("spread BN", path, base.stems[:1], conv, deconv)


def _save_input(name: str, magnitudes: np.ndarray) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"input-{name}-{hashlib.sha256(magnitudes.tobytes()).hexdigest()[:12]}.npy"
    if not path.exists():
        np.save(path, magnitudes)
    return path


def random_magnitudes(frames: int, seed: int = 5) -> Path:
    """Noise shaped like music: Rayleigh magnitudes, a falling spectrum, a level that comes and goes."""
    rng = np.random.default_rng(seed)
    values = np.abs(rng.normal(size=(frames, BINS, 2)) + 1j * rng.normal(size=(frames, BINS, 2)))
    values *= 120 / (np.arange(BINS)[:, None] + 4.0) ** 0.8
    values *= (0.55 + 0.45 * np.sin(np.arange(frames) / 20))[:, None, None]
    return _save_input(f"random-{frames}", values[None].astype(np.float32))


def music_magnitudes(audio: Sequence[Path], frames: int) -> Path:
    """|STFT| of music, as Spleeter takes it: frames of 4096, hop 1024, periodic Hann."""
    samples = 4096 + 1024 * (frames - 1)
    wave = np.concatenate(list(looped(audio, samples)))
    blocks = np.lib.stride_tricks.sliding_window_view(wave, 4096, axis=0)[::1024]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4096) / 4096)
    spectrum = np.fft.rfft(blocks * window, axis=-1)[..., :BINS]
    magnitudes = np.abs(spectrum).transpose(0, 2, 1)[None].astype(np.float32)
    return _save_input(f"music-{frames}", np.ascontiguousarray(magnitudes))


def waveform(audio: Sequence[Path], seconds: float) -> Path:
    """Music of that length as .npy float32 (samples, 2)."""
    wave = np.concatenate(list(looped(audio, round(seconds * 44100))))
    return _save_input(f"wave-{seconds:g}", wave.astype(np.float32))


def reference_file(network: Network, input_file: Path) -> Path:
    """Where the float64 masks of these weights on this input are kept."""
    stat = network.weights.stat()
    key = f"{network.request} {input_file.name} {stat.st_mtime_ns} {stat.st_size}"
    return FOLDER / f"reference-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npy"


def mask_error(output: np.ndarray, masks: np.ndarray, magnitudes: np.ndarray) -> float:
    """Largest error of a contestant's masks (its output over the input) against float64's."""
    mix = magnitudes[0].astype(np.float64)
    heard = mix > 1e-30
    got = np.where(heard, output.astype(np.float64) / np.where(heard, mix, 1.0), 0.0)
    if not np.isfinite(got).all():
        return float("inf")
    return float(np.abs(got - np.where(heard, masks, 0.0)).max())
