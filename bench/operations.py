"""What each layer has to do: operations and bytes, from its geometry and its method alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from spleeterrt import ModelConfig
from spleeterrt.network.layers import LAYER_NAMES

DEPTH = 6
# Layers that run as one where the outer ones go by strips: their time is one number.
STRIPS = (("e1", "e2"), ("d5", "d6", "out"))


@dataclass(frozen=True)
class Work:
    """Of one layer, or of several that run as one.

    Attributes:
        names: of the layers.
        method: of the plan.
        plain: operations of the plain convolution, two for a multiply-add.
        done: those of the products that the method really does (transforms are not counted).
        bytes: input, output and weights once, as if every cache were perfect.
    """

    names: tuple[str, ...]
    method: str
    plain: float
    done: float
    bytes: float

    @property
    def name(self) -> str:
        return "+".join(self.names)


def factor(name: str, method: str) -> float:
    """Products of a method against the plain convolution's."""
    if tile := re.search(r"\d+$", method):
        m = int(tile.group())
        return (2 * m + 3) ** 2 / (25 * m * m)
    if method == "direct" and name in ("e1", "d6"):
        return 11 / 20  # F(4) along frequency only
    return 1.0


def weight_growth(method: str) -> float:
    """Weights that the layer reads against the plain ones: transformed ones are more, `lazy` ones are not."""
    return factor("", method) * int(method[-1]) ** 2 if method.startswith("winograd") else 1.0


def layer_works(config: ModelConfig, methods: Sequence[str], frames: int, bins: int) -> list[Work]:
    """Of the 13 layers, one segment, one stem."""
    widths = (config.n_channels, *config.conv_n_filters)
    works = []
    for index, (name, method) in enumerate(zip(LAYER_NAMES, methods, strict=True)):
        if index < DEPTH:
            into, out, taps = widths[index], widths[index + 1], 25
            grid = (frames >> index + 1) * (bins >> index + 1)
            read, written = 4 * grid * into, grid * out * (1 if index == DEPTH - 1 else 2)
        elif index < 2 * DEPTH:
            level = 2 * DEPTH - index  # of the input
            into = widths[level] * (1 if index == DEPTH else 2)
            out, taps = (widths[level - 1] if level > 1 else 1), 25
            grid = (frames >> level) * (bins >> level)
            read, written = grid * into, 4 * grid * out
        else:
            into, out, taps = 1, config.n_channels, 16
            grid = frames * bins
            read, written = grid * (1 + out), grid * out  # the mix, too
        plain = 2.0 * taps * into * out * grid
        weights = taps * into * out * weight_growth(method)
        works.append(
            Work((name,), method, plain, plain * factor(name, method), 4.0 * (read + written + weights))
        )
    return works


def _join(works: Sequence[Work], config: ModelConfig, frames: int, bins: int) -> Work:
    """Layers in strips as one: what is between them stays in the cache."""
    first, *_, last = works
    bytes_ = sum(work.bytes for work in works)
    pixels = frames * bins
    if first.names[0] == "e1":
        bytes_ -= 4.0 * 2 * pixels / 4 * config.conv_n_filters[0]  # e1's normed output, written and read
    else:
        bytes_ -= 4.0 * 2 * (pixels / 4 * config.conv_n_filters[0] + pixels)  # d5's and d6's outputs
    names = tuple(name for work in works for name in work.names)
    method = "/".join(dict.fromkeys(work.method for work in (first, *works[1:-1], last)))
    return Work(names, method, sum(w.plain for w in works), sum(w.done for w in works), bytes_)


def joined(
    works: Sequence[Work], seconds: Mapping[str, float], config: ModelConfig, frames: int, bins: int
) -> tuple[list[Work], dict[str, float]]:
    """Join layers that were timed as one, which shows as layers that took no time at all.

    Returns:
        (works, {work name: seconds}).
    """
    by_name = {work.name: work for work in works}
    for strip in STRIPS:
        if any(seconds[name] == 0 for name in strip):
            whole = _join([by_name[name] for name in strip], config, frames, bins)
            for name in strip:
                by_name[name] = whole
    ordered = list({id(work): work for work in (by_name[name] for name in LAYER_NAMES)}.values())
    return ordered, {work.name: sum(seconds[name] for name in work.names) for work in ordered}
