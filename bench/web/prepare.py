"""What the measurements in this folder need: a random model of full width, its network as ONNX, inputs.

python bench/web/prepare.py FOLDER
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from networks import random_magnitudes
from random_weights import write_random_model
from unet_onnx import write_onnx

from spleeterrt.models import convert, load
from spleeterrt.network.config import OFFICIAL_CONFIGS


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_random_model(folder / "checkpoint", stems=2)
    config = OFFICIAL_CONFIGS["2stems"].replace(model_dir=str(folder / "checkpoint"))
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    config, weights, _ = load(folder / "config.json")
    convert(folder / "config.json", folder / "full.safetensors")
    stem = config.instruments[0]
    activations = {"conv_activation": config.conv_activation, "deconv_activation": config.deconv_activation}
    tensors = {name: np.asarray(value) for name, value in weights[stem].items()}
    for frames in (128, 512):
        write_onnx(folder / f"net-{frames}.onnx", {stem: tensors}, activations, [1, 2, frames, config.F])
        np.load(random_magnitudes(frames)).astype("<f4").tofile(folder / f"input-{frames}.f32")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
