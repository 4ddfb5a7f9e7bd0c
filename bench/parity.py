"""Are the stems the same as Spleeter's? Full-size random networks, real music, sample by sample.

    python bench/parity.py [options] [AUDIO ...]

Runs the official Spleeter (in its own environment, see peers.py) and `spleeterrt.Separator` on the
same waveform and writes the largest and the rms difference of every stem, relative to full scale,
to `bench/results/parity.md`. Official results are cached, so a second run only takes our own time.
Exits with 1 if a stem is farther off than the bounds.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from pathlib import Path

import numpy as np
from common import CACHE, MODEL_NAMES, MODELS, conditions, default_music, music, report, table
from peers import ensure_checkpoints, run_official

MAX_ERROR = 5e-5
RMS_ERROR = 2e-6


def official(name: str, mwf: bool, audio: Path, models: Path, onednn: bool = True) -> dict[str, np.ndarray]:
    """What the official Spleeter makes of `audio` (.npy); cached by the input and the checkpoint."""
    folder = models / name.replace("-16kHz", "")
    # The index holds a checksum of every tensor.
    key = hashlib.sha256(audio.read_bytes() + (folder / "model.index").read_bytes()).hexdigest()[:16]
    output = CACHE / "official" / f"{name}{'-mwf' * mwf}{'' if onednn else '-plain'}-{key}.npz"
    if not output.exists():
        print(f"official Spleeter: {output.stem} ...", file=sys.stderr)
        run_official(
            "official_separate.py",
            *(name, audio, output, "--models", models),
            *(["--mwf"] if mwf else []),
            env={"TF_ENABLE_ONEDNN_OPTS": str(int(onednn))},
        )
    with np.load(output) as stems:
        return dict(stems)


def errors(got: np.ndarray, want: np.ndarray) -> tuple[float, float]:
    """Largest and rms difference."""
    if got.shape != want.shape or got.dtype != want.dtype:
        raise SystemExit(f"expected {want.dtype} {want.shape}, got {got.dtype} {got.shape}")
    difference = got.astype(np.float64) - want
    return float(np.abs(difference).max()), float(np.sqrt(np.mean(difference**2)))


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x.astype(np.float64) ** 2)))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare spleeterrt with the official Spleeter.")
    parser.add_argument("audio", nargs="*", type=Path, help="real music; default: tests/data/clip.*")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--models", nargs="+", default=list(MODEL_NAMES), metavar="NAME")
    parser.add_argument("--mwf", action="store_true", help="also each model with the Wiener filter")
    parser.add_argument("--16khz", dest="wide", action="store_true", help="also the -16kHz configurations")
    parser.add_argument("--checkpoints", type=Path, default=MODELS, help="folder of the model folders")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--floor", action="store_true", help="also Spleeter against itself without oneDNN")
    parser.add_argument("--name", default="parity", help="of the file under bench/results")
    options = parser.parse_args()

    ensure_checkpoints(tuple(options.models), options.checkpoints)
    os.environ["MODEL_PATH"] = str(options.checkpoints.resolve())
    from spleeterrt import Separator

    paths = options.audio or default_music()
    waveform = music(paths, options.seconds)
    audio = CACHE / f"parity-{hashlib.sha256(waveform.tobytes()).hexdigest()[:16]}.npy"
    CACHE.mkdir(exist_ok=True)
    np.save(audio, waveform)

    names = [name + wide for wide in ("", "-16kHz")[: 1 + options.wide] for name in options.models]
    rows, failed = [], 0
    for mwf in (False, True)[: 1 + options.mwf]:
        for name in names:
            want = official(name, mwf, audio, options.checkpoints)
            plain = official(name, mwf, audio, options.checkpoints, onednn=False) if options.floor else {}
            separator = Separator(f"spleeter:{name}", MWF=mwf, threads=options.threads)
            got = separator.separate(waveform, "")
            if set(got) != set(want):
                raise SystemExit(f"{name}: expected the stems {sorted(want)}, got {sorted(got)}")
            for stem in got:
                largest, mean = errors(got[stem], want[stem])
                good = largest <= MAX_ERROR and mean <= RMS_ERROR
                failed += not good
                row = [name + " MWF" * mwf, stem, f"{rms(want[stem]):.3f}", f"{largest:.1e}", f"{mean:.1e}"]
                if plain:
                    row += [f"{x:.1e}" for x in errors(plain[stem], want[stem])]
                rows.append([*row, "pass" if good else "**FAIL**"])

    header = ["model", "stem", "rms of the stem", "max abs error", "rms error"]
    if options.floor:
        header += ["Spleeter without oneDNN: max", "rms"]
    report(
        options.name,
        "Parity with the official Spleeter",
        f"{options.seconds:g} s of {', '.join(path.name for path in paths)} (rms {rms(waveform):.3f}); "
        "random full-size checkpoints written by TensorFlow. Errors of the waveforms relative to full scale "
        f"(1.0); bounds: max {MAX_ERROR:g}, rms {RMS_ERROR:g}.",
        table([*header, "bounds"], rows),
        conditions(("spleeterrt", "numpy"), Peer="Spleeter 2.4.2, TensorFlow 2.12.1"),
    )
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
