"""Spleeter's U-Net for training in PyTorch: channels-first, TensorFlow's padding, any widths.

Source: Spleeter 2.4.2, `model/functions/unet.py`. The shipped model is this network with the input's scale
folded into the first convolution, so that it reads magnitudes as Spleeter's models do.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

DEPTH = 6
KERNEL = 5
EPSILON = 1e-3  # Keras' default
FILTERS = (8, 16, 32, 64, 128, 224)  # five networks in int8 stay below 12 MB
INPUT_SCALE = 1 / 32  # magnitudes of loud music reach hundreds; folded into the first kernel at export


class UNet(nn.Module):
    """One stem: magnitudes [N, 2, T, F] (F a multiple of 64) to its mask, the same shape."""

    def __init__(self, filters: tuple[int, ...], slope: float = 0.2) -> None:
        super().__init__()
        self.slope = slope
        widths = (2, *filters)
        self.down = nn.ModuleList(nn.Conv2d(widths[k], widths[k + 1], KERNEL, 2) for k in range(DEPTH))
        self.down_norm = nn.ModuleList(norm(widths[k + 1]) for k in range(DEPTH - 1))
        outs = (*filters[-2::-1], 1)
        ins = (filters[-1], *(2 * n for n in outs[:-1]))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(ins[k], outs[k], KERNEL, 2, padding=1) for k in range(DEPTH)
        )
        self.up_norm = nn.ModuleList(norm(outs[k]) for k in range(DEPTH))
        self.last = nn.Conv2d(1, 2, 4, dilation=2, padding=3)
        for module in (*self.down, *self.up, self.last):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)
        for (
            module
        ) in self.up:  # each output pixel sees a quarter of a transposed kernel; fan-in is counted by `out`
            fan_in = module.in_channels * KERNEL * KERNEL / 4
            nn.init.normal_(module.weight, std=(2 / fan_in) ** 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = []
        y = x * INPUT_SCALE
        for k in range(DEPTH):
            y = self.down[k](F.pad(y, (1, 2, 1, 2)))  # TensorFlow's SAME
            if k < DEPTH - 1:
                skips.append(y)
                y = F.leaky_relu(self.down_norm[k](y), self.slope)
        for k in range(DEPTH):
            y = self.up[k](y)[..., :-1, :-1]  # SAME crops 1 before and 2 after; padding=1 crops 1 and 1
            y = self.up_norm[k](F.relu(y))
            if k < DEPTH - 1:
                y = torch.cat([skips[DEPTH - 2 - k], y], 1)
        return torch.sigmoid(self.last(y).float())


def norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=EPSILON, momentum=0.05)


def save(path: Path, state: dict) -> None:
    """A state file in one move: what is there is whole."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)
