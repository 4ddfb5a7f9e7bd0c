"""Writes the trained networks as the model file that the package ships.

    python models/starter/export.py --state DIR --out src/spleeterrt/models/starter.safetensors

Needs PyTorch and an installed spleeterrt. Five networks in one file: `starter:4stems` and
`starter:2stems` share the vocals' network.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from sources import NETWORKS
from unet import DEPTH, INPUT_SCALE

from spleeterrt.models.packed import save_packed
from spleeterrt.network.config import ModelConfig
from spleeterrt.network.tensors import layer_name


def configuration(filters: tuple[int, ...]) -> ModelConfig:
    return ModelConfig(
        instruments=NETWORKS,
        model_dir="starter",
        T=128,  # as in the training
        # On the validation songs 0.2 to 0.5 dB better than the training's 1 (medians of the stems).
        separation_exponent=0.5,
        mask_extension="average",
        conv_activation="LeakyReLU",
        deconv_activation="ReLU",
        conv_n_filters=filters,
    )


def tensors(state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """A network's tensors by TensorFlow's names, in its layouts; the first kernel takes the input's scale."""
    result: dict[str, np.ndarray] = {}

    def array(name: str) -> np.ndarray:
        return state[name].detach().to(torch.float32).contiguous().numpy()

    def convolution(name: str, source: str) -> None:
        # PyTorch's [out, in, H, W] is HWIO here; a transposed one's [in, out, H, W] is H, W, out, in.
        result[f"{name}/kernel"] = np.ascontiguousarray(array(f"{source}.weight").transpose(2, 3, 1, 0))
        result[f"{name}/bias"] = array(f"{source}.bias")

    def norm(number: int, source: str) -> None:
        name = layer_name("batch_normalization", number)
        for ours, theirs in (("gamma", "weight"), ("beta", "bias"), ("moving_mean", "running_mean"),
                             ("moving_variance", "running_var")):  # fmt: skip
            result[f"{name}/{ours}"] = array(f"{source}.{theirs}")

    for k in range(DEPTH):
        convolution(layer_name("conv2d", k), f"down.{k}")
        convolution(layer_name("conv2d_transpose", k), f"up.{k}")
        norm(DEPTH + k, f"up_norm.{k}")
        if k < DEPTH - 1:
            norm(k, f"down_norm.{k}")
    convolution(layer_name("conv2d", DEPTH), "last")
    # Spleeter's graph has a twelfth one, after the sixth convolution, that nothing reads.
    unused = layer_name("batch_normalization", DEPTH - 1)
    width = len(result[f"{layer_name('conv2d', DEPTH - 1)}/bias"])
    for part, value in (("gamma", 1), ("beta", 0), ("moving_mean", 0), ("moving_variance", 1)):
        result[f"{unused}/{part}"] = np.full(width, value, np.float32)
    result["conv2d/kernel"] *= np.float32(INPUT_SCALE)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--state",
        type=Path,
        nargs="+",
        required=True,
        help="folders of trainings' states; the last has the say",
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", default="int8", choices=("int8", "float16", "float32"))
    options = parser.parse_args()
    weights, filters = {}, None
    for path in (path for folder in options.state for path in sorted(folder.glob("*.pt"))):
        state = torch.load(path, weights_only=True, map_location="cpu")
        filters = tuple(state["filters"])
        for stem, trainer in state["trainers"].items():
            weights[stem] = tensors(trainer["average"])
            print(f"{stem}: step {state['step']}, {state['spent'] / 60:.0f} minutes")
    missing = [stem for stem in NETWORKS if stem not in weights]
    if missing:
        raise SystemExit(f"{options.state}: no trained network of {', '.join(missing)}")
    save_packed(options.out, configuration(filters), weights, options.dtype)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.2f} MB, {options.dtype}")


if __name__ == "__main__":
    main()
