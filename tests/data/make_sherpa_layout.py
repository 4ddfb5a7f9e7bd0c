"""Makes `sherpa/`: two stems in the layout of sherpa-onnx's Spleeter files, with random narrow networks.

What is known of those files comes from the scripts that make them (k2-fsa/sherpa-onnx, scripts/spleeter):
a PyTorch module with TensorFlow's padding by hand, channels first, (2, segments, T, F) in and out,
exported by `torch.onnx.export` with opset 13 and the segments free, then float16 by
`convert_float_to_float16` with float32 input and output. This follows their recipe;
PyTorch also computes what the files should give.

    python tests/data/make_sherpa_layout.py    # needs torch, onnx, onnxruntime
    python tests/data/make_sherpa_layout.py --filters 16 32 64 128 256 512 --size 512 1024 --to /tmp/full
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from torch import nn

STEMS = ("vocals", "accompaniment")


class UNet(nn.Module):
    """Attributes are named as there: they become the names of the tensors in the file."""

    def __init__(self, filters: list[int], conv_activation: str, deconv_activation: str) -> None:
        super().__init__()
        self.activations = conv_activation, deconv_activation
        into = 2
        for k, out in enumerate(filters):
            setattr(self, f"conv{k or ''}", nn.Conv2d(into, out, 5, stride=2))
            if k < 5:
                setattr(self, f"bn{k or ''}", nn.BatchNorm2d(out, eps=1e-3))
            into = out
        for k, out in enumerate([*filters[-2::-1], 1]):
            setattr(self, f"up{k + 1}", nn.ConvTranspose2d(into, out, 5, stride=2))
            setattr(self, f"bn{k + 5}", nn.BatchNorm2d(out, eps=1e-3))
            into = 2 * out
        self.up7 = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = mix = x.permute(1, 0, 2, 3)
        conv, deconv = (
            {"ELU": F.elu, "ReLU": F.relu, "LeakyReLU": lambda y: F.leaky_relu(y, negative_slope=0.2)}[name]
            for name in self.activations
        )
        skips = []
        for k in range(6):
            x = getattr(self, f"conv{k or ''}")(F.pad(x, (1, 2, 1, 2), "constant", 0))
            if k < 5:
                skips.append(x)
                x = conv(getattr(self, f"bn{k or ''}")(x))
        for k in range(6):
            x = deconv(getattr(self, f"up{k + 1}")(x)[:, :, 1:-2, 1:-2])
            x = getattr(self, f"bn{k + 5}")(x)
            if k < 5:
                x = torch.cat([skips[4 - k], x], axis=1)
        return (torch.sigmoid(self.up7(x)) * mix).permute(1, 0, 2, 3)


@torch.no_grad()
def random_network(filters: list[int], activations: tuple[str, str]) -> UNet:
    net = UNet(filters, *activations).eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(std=0.3)
            module.running_mean.normal_(std=0.3)
            module.running_var.uniform_(0.3, 1.5)
        elif isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            module.weight.normal_(std=1 / np.sqrt(module.weight[0].numel()))
            module.bias.normal_(std=0.1)
    return net


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--filters", type=int, nargs=6, default=[1, 2, 2, 3, 3, 4])
    parser.add_argument("--size", type=int, nargs=2, default=[64, 128], metavar=("T", "F"))
    parser.add_argument("--activations", nargs=2, default=["LeakyReLU", "ReLU"])
    parser.add_argument("--dynamo", action="store_true", help="PyTorch's newer exporter (needs onnxscript)")
    parser.add_argument("--to", type=Path, default=Path(__file__).parent / "sherpa")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    x = 3 * torch.rand(2, 1, *args.size)  # channels, segments
    expected = {"x": x.numpy()}
    for stem in STEMS:
        net = random_network(args.filters, tuple(args.activations))
        path = args.to / f"{stem}.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net,
                x,
                str(path),
                input_names=["x"],
                output_names=["y"],
                dynamic_axes={"x": {1: "num_splits"}},
                opset_version=18 if args.dynamo else 13,
                dynamo=args.dynamo,
            )
        model = onnx.load(str(path))
        onnx.save(_float16(model), str(args.to / f"{stem}.fp16.onnx"))
        with torch.no_grad():
            expected[stem] = net(x).numpy()
            expected[f"{stem}.fp16"] = net.half().float()(x).numpy()
    np.savez_compressed(args.to / "expected.npz", **expected)


def _float16(model: onnx.ModelProto) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16  # onnxmltools' own, moved there

    return convert_float_to_float16(model, keep_io_types=True)


if __name__ == "__main__":
    main()
