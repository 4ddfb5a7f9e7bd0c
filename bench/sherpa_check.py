"""Does sherpa-onnx read what `spleeterrt models export --layout sherpa` writes, and give the same sound?

    python bench/sherpa_check.py [MODEL [AUDIO]]      # needs sherpa-onnx and onnx beside spleeterrt

Without MODEL a small random one, without AUDIO noise. sherpa-onnx (1.12 and 2.0) does not centre its STFT:
its frames lie otherwise than Spleeter's, and at the ends it divides by a window that has not begun. So its
stems are compared with spleeterrt's, and with spleeterrt's networks between an STFT like its own. These must
be equal away from the ends, up to -40 dB (else the exit code is 1): where both masks of a bin are zero but
for rounding, as random networks have it on music, rounding decides.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from random_weights import write_random_model

from spleeterrt import Separator, load_model
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.models import export
from spleeterrt.network.config import OFFICIAL_CONFIGS

RATE = 44100
FILTERS = (4, 4, 8, 8, 8, 8)
EDGE = 8192  # samples
WORST_DB = -40.0
STEMS = ("vocals", "accompaniment")


def random_model(folder: Path) -> Path:
    write_random_model(folder / "model", stems=2, filters=FILTERS)
    config = OFFICIAL_CONFIGS["2stems"].replace(conv_n_filters=FILTERS, model_dir=str(folder / "model"))
    path = folder / "config.json"
    path.write_text(json.dumps(config.to_dict()))
    return path


def by_sherpa(files: dict[str, Path], waveform: np.ndarray) -> dict[str, np.ndarray]:
    import sherpa_onnx

    spleeter = sherpa_onnx.OfflineSourceSeparationSpleeterModelConfig(
        **{stem: str(files[stem]) for stem in STEMS}
    )
    model = sherpa_onnx.OfflineSourceSeparationModelConfig(spleeter=spleeter, num_threads=2)
    # Of a file that it does not like it ends the process here.
    separation = sherpa_onnx.OfflineSourceSeparation(sherpa_onnx.OfflineSourceSeparationConfig(model=model))
    out = separation.process(sample_rate=RATE, samples=np.ascontiguousarray(waveform.T))
    return {stem: np.asarray(wave.data).T for stem, wave in zip(STEMS, out.stems, strict=True)}


def with_its_stft(source: str | Path, waveform: np.ndarray) -> dict[str, np.ndarray]:
    """What sherpa-onnx does, with the networks of spleeterrt."""
    model = load_model(source)
    config = model.config
    length, step = config.frame_length, config.frame_step
    window = np.hanning(length + 1)[:-1]
    starts = range(0, len(waveform) - length + 1, step)
    spectra = np.stack([np.fft.rfft(waveform[k : k + length] * window[:, None], axis=0) for k in starts])
    segments = -(-len(spectra) // config.T)
    magnitudes = np.zeros((segments * config.T, config.F, 2), np.float32)
    magnitudes[: len(spectra)] = np.abs(spectra[:, : config.F])
    found = model.predict(magnitudes.reshape(segments, config.T, config.F, 2))
    total = sum(np.square(value) for value in found.values()) + 1e-10
    stems = {}
    for stem, value in found.items():
        mask = ((np.square(value) + 5e-11) / total).reshape(-1, config.F, 2)[: len(spectra)]
        masked = np.zeros_like(spectra)
        masked[:, : config.F] = spectra[:, : config.F] * mask
        out, weight = np.zeros((starts[-1] + length, 2)), np.full((starts[-1] + length, 1), 1e-20)
        for k, frame in zip(starts, np.fft.irfft(masked, axis=1), strict=True):
            out[k : k + length] += frame * window[:, None]
            weight[k : k + length] += np.square(window)[:, None]
        stems[stem] = out / weight
    return stems


def decibels(difference: np.ndarray, reference: np.ndarray) -> float:
    error, energy = (float(np.square(part, dtype=np.float64).sum()) for part in (difference, reference))
    return float(10 * np.log10(max(error, 1e-20) / max(energy, 1e-20)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("audio", nargs="?")
    options = parser.parse_args()
    if options.audio:
        waveform, _ = AudioAdapter.default().load(options.audio, sample_rate=RATE)
    else:
        waveform = np.random.default_rng(0).uniform(-0.5, 0.5, (12 * RATE, 2)).astype(np.float32)
    with tempfile.TemporaryDirectory() as place:
        source = options.model or random_model(Path(place))
        paths = export(source, Path(place, "onnx"), layout="sherpa")
        theirs = by_sherpa({path.stem: path for path in paths}, waveform)
        ours = Separator(source).separate(waveform)
        emulated = with_its_stft(source, waveform)
    good = True
    for stem, wave in theirs.items():
        inner = slice(EDGE, len(wave) - EDGE)
        same, spleeters = (
            decibels(wave[inner] - other[stem][: len(wave)][inner], wave[inner]) for other in (emulated, ours)
        )
        start = decibels(wave[:EDGE] - ours[stem][:EDGE], ours[stem][:EDGE])
        print(
            f"{stem}: {len(wave)} of {len(waveform)} samples; from the same STFT with spleeterrt's networks "
            f"{same:.1f} dB, from spleeterrt {spleeters:.1f} dB, at the start {start:.1f} dB"
        )
        good &= same < WORST_DB
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
