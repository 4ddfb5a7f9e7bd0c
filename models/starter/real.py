"""Puts real recordings beside the synthetic songs: `OUT/real-NAME/STEM.wav`, what they have of the stems.

    python models/starter/real.py --multitracks DIR --voices DIR [DIR ...] --out DIR

`--multitracks`: made by bench/real_multitracks.py; the songs of `TRAINING` lend vocals and drums, and whole
songs to those networks for which it does not matter that their bass is part of `other`. The album's other
songs are for measuring and are never read. `--voices`: folders of solo singing (vocadito's, from sounds.py).
Drum loops come from Sonic Pi's samples.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import soundfile
import soxr
from effects import RATE
from sources import SONIC_PI

TRAINING = ("1.Hydrogen", "4.Potassium", "5.Rubidium", "6.Caesium")
LOOPS = ("breakbeat", "compus", "industrial", "mehackit1", "mehackit2", "perc1", "perc2", "tabla")


def stereo(path: Path) -> np.ndarray:
    """Float32 [samples, 2] at 44.1 kHz, peak 0.9."""
    x, rate = soundfile.read(path, dtype="float32", always_2d=True)
    x = soxr.resample(x if x.shape[1] == 2 else np.repeat(x[:, :1], 2, 1), rate, RATE)
    return x * np.float32(0.9 / max(1e-6, float(np.abs(x).max())))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--multitracks", type=Path)
    parser.add_argument("--voices", type=Path, nargs="+", default=())
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    def write(name: str, stem: str, x: np.ndarray) -> None:
        folder = options.out / f"real-{name}"
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{stem}.wav", x, RATE, "PCM_16")

    if options.multitracks:
        for name in TRAINING:
            folder = options.out / f"real-{name}"
            folder.mkdir(parents=True, exist_ok=True)
            for stem in ("vocals", "drums", "other"):
                link = folder / f"{stem}.wav"
                link.unlink(missing_ok=True)
                link.symlink_to((options.multitracks / name / f"{stem}.wav").resolve(strict=True))
    for folder in options.voices:
        paths = sorted(folder.glob("*.wav"))
        if not paths:
            raise SystemExit(f"{folder}: no .wav files; see sounds.py")
        for path in paths:
            write(path.stem, "vocals", stereo(path))
    for name in LOOPS:
        x = stereo(SONIC_PI / f"loop_{name}.flac")
        write(f"loop-{name}", "drums", np.tile(x, (-(-30 * RATE // len(x)), 1))[: 30 * RATE])


if __name__ == "__main__":
    main()
