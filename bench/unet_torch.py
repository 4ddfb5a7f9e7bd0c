"""Spleeter's U-Net as a PyTorch module, in channels-first layout, from TensorFlow's tensors.

Needs PyTorch: imported by the workers only.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

DEPTH = 6
ACTIVATIONS = {"LeakyReLU": lambda: nn.LeakyReLU(0.2), "ReLU": nn.ReLU, "ELU": nn.ELU}


def numbered(name: str, index: int) -> str:
    """TensorFlow's name of the layer `index`."""
    return f"{name}_{index}" if index else name


class UNet(nn.Module):
    """One stem: magnitudes [N, 2, T, F] to its estimate [N, 2, T, F]."""

    def __init__(self, stem: Mapping[str, np.ndarray], conv_activation: str, deconv_activation: str) -> None:
        super().__init__()

        def tensor(name: str) -> torch.Tensor:
            return torch.from_numpy(np.array(stem[name], np.float32))

        def convolution(layer: str, kind: type[nn.Module], **options) -> nn.Module:
            # HWIO, or (H, W, out, in) for a transposed one: both become what PyTorch wants.
            weight = tensor(f"{layer}/kernel").permute(3, 2, 0, 1).contiguous()
            into, out = weight.shape[:2] if kind is nn.ConvTranspose2d else weight.shape[1::-1]
            module = kind(into, out, weight.shape[2:], **options)
            module.weight.data.copy_(weight)
            module.bias.data.copy_(tensor(f"{layer}/bias"))
            return module

        def norm(index: int) -> nn.Module:
            layer = numbered("batch_normalization", index)
            gamma = tensor(f"{layer}/gamma")
            module = nn.BatchNorm2d(len(gamma), eps=1e-3)
            module.weight.data.copy_(gamma)
            module.bias.data.copy_(tensor(f"{layer}/beta"))
            module.running_mean.copy_(tensor(f"{layer}/moving_mean"))
            module.running_var.copy_(tensor(f"{layer}/moving_variance"))
            return module

        self.down = nn.ModuleList(
            convolution(numbered("conv2d", k), nn.Conv2d, stride=2) for k in range(DEPTH)
        )
        self.down_norm = nn.ModuleList(norm(k) for k in range(DEPTH - 1))
        self.up = nn.ModuleList(
            convolution(numbered("conv2d_transpose", k), nn.ConvTranspose2d, stride=2, padding=1)
            for k in range(DEPTH)
        )
        self.up_norm = nn.ModuleList(norm(DEPTH + k) for k in range(DEPTH))
        self.last = convolution(numbered("conv2d", DEPTH), nn.Conv2d, dilation=2, padding=3)
        self.down_activation = ACTIVATIONS[conv_activation]()
        self.up_activation = ACTIVATIONS[deconv_activation]()
        self.eval()
        self.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.mask(x) * x

    def mask(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        y = x
        for k in range(DEPTH):
            y = self.down[k](F.pad(y, (1, 2, 1, 2)))  # TensorFlow's SAME
            if k < DEPTH - 1:
                skips.append(y)
                y = self.down_activation(self.down_norm[k](y))
        for k in range(DEPTH):
            y = self.up[k](y)[..., :-1, :-1]  # padding crops 1 at each side, SAME 1 before and 2 after
            y = self.up_norm[k](self.up_activation(y))
            if k < DEPTH - 1:
                y = torch.cat([skips[DEPTH - 2 - k], y], 1)
        return torch.sigmoid(self.last(y))


class Stems(nn.Module):
    """The U-Nets of several stems, one after the other."""

    def __init__(self, stems: Mapping[str, Mapping[str, np.ndarray]], activations: Mapping[str, str]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(UNet(stem, **activations) for stem in stems.values())

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        return [net(x) for net in self.nets]
