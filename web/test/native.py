"""What the native build makes of the same signals, for the tests in node and in the browser.

    python web/test/native.py FOLDER

Everything by the plainest instruction set (`SPLEETERRT_ISA=generic`). Signals are raw float32: magnitudes
[T][F][2], sounds left channel first, then right.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ["SPLEETERRT_ISA"] = "generic"

import numpy as np
import soundfile

from spleeterrt import Separator, StreamSeparator, load_model
from spleeterrt.models import convert
from spleeterrt.models.packed import read_packed
from spleeterrt.network.model import Model

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "src/spleeterrt/models/starter.safetensors"
WHOLE = {
    "ratio": {},
    "direct": {"mode": "direct", "stems": ["vocals", "drums"]},
    "residual": {"mode": "residual"},
    "three": {"mode": "three"},
    "sum": {"residual": True},
    "mwf": {"MWF": True},
}
SECONDS = 8


def planar(sound: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(sound.T, dtype="<f4")


def magnitudes(sound: np.ndarray, frames: int, bins: int) -> np.ndarray:
    blocks = np.lib.stride_tricks.sliding_window_view(sound, 4096, axis=0)[::1024][:frames]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(4096) / 4096)
    spectrum = np.abs(np.fft.rfft(blocks * window, axis=-1)[..., :bins]).transpose(0, 2, 1)
    return np.ascontiguousarray(spectrum, dtype="<f4")


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    song, rate = read_song()
    planar(song).tofile(folder / "song.f32")
    index: dict[str, object] = {"rate": rate, "samples": len(song), "starter": str(STARTER)}

    config, weights = read_packed(STARTER)
    index["frames"] = config.T
    segment = magnitudes(song, config.T, config.F)
    segment.tofile(folder / "segment.f32")
    model = Model(config, weights)
    for network, estimate in model.predict(segment[None]).items():
        estimate.astype("<f4").tofile(folder / f"segment-{network}.f32")
    index["networks"] = list(config.instruments)

    part = song[: SECONDS * rate]
    whole = {}
    for name, options in WHOLE.items():
        source = "starter:2stems" if name == "residual" else "starter:4stems"
        stems = Separator(source, **options).separate(song if name == "ratio" else part)
        whole[name] = list(stems)
        for stem, sound in stems.items():
            planar(sound).tofile(folder / f"{name}-{stem}.f32")
    index["whole"] = whole
    index["part"] = len(part)
    index["stream"] = stream(folder, part)
    convert(ROOT / "tests/data/golden/tiny-4stems/config.json", folder / "tiny.safetensors")
    (folder / "index.json").write_text(json.dumps(index))


def read_song() -> tuple[np.ndarray, int]:
    sound, rate = soundfile.read(ROOT / "tests/data/song.ogg", dtype="float32")
    return sound, rate


def stream(folder: Path, sound: np.ndarray) -> dict[str, object]:
    separator = StreamSeparator(load_model("starter:4stems"), frames=128, hop_frames=32, realtime=False)
    blocks = range(0, len(sound), 4096)
    pieces = [dict(separator.process(sound[at : at + 4096])) for at in blocks]
    pieces.append(separator.flush())
    for stem in separator.instruments:
        planar(np.concatenate([piece[stem] for piece in pieces])).tofile(folder / f"stream-{stem}.f32")
    return {"latency": separator.native.latency, "stems": list(separator.instruments)}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
