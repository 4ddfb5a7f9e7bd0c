"""Worker: spleeterrt itself. The instruction set comes from SPLEETERRT_ISA."""

from __future__ import annotations

import itertools
import time

from protocol import Runner, load_stems, serve  # first: pins the cores

# isort: split
import numpy as np
from common import version_of

from spleeterrt import ModelConfig, Separator
from spleeterrt.arrays import aligned_empty
from spleeterrt.network.model import Model

RATE = 44100


class Network(Runner):
    """The networks on one batch of magnitudes."""

    def __init__(self, request: dict) -> None:
        config = ModelConfig(instruments=tuple(request["stems"]), **request["activations"])
        self.model = Model(config, load_stems(request))
        magnitudes = np.load(request["input"])
        # Aligned, as the pipeline's own buffers are.
        self.input = aligned_empty(magnitudes.shape)
        self.input[...] = magnitudes
        self.outputs = aligned_empty((len(request["stems"]), *magnitudes.shape))
        self.threads = request["threads"]

    def run(self) -> np.ndarray:
        return self.model.forward(self.input, self.threads, self.outputs)

    def output(self, result: np.ndarray) -> np.ndarray:
        return result[:, 0]


class Separation(Runner):
    """`Separator.separate` on a waveform in memory, and how much of it the networks take."""

    def __init__(self, request: dict) -> None:
        self.separator = Separator(
            request["model"], threads=request["threads"], low_memory=request.get("low_memory", False)
        )
        self.waveform = np.load(request["input"])
        self.network_seconds = 0.0
        forward = self.separator.model.forward

        def timed(*args, **kwargs):
            start = time.perf_counter()
            try:
                return forward(*args, **kwargs)
            finally:
                self.network_seconds += time.perf_counter() - start

        self.separator.model.forward = timed

    def run(self) -> dict:
        self.network_seconds = 0.0
        return self.separator.separate(self.waveform, "")

    def output(self, result: dict) -> np.ndarray:
        return np.stack(list(result.values()))

    def info(self) -> dict:
        return {"network": self.network_seconds}


class Blocks(Runner):
    """`Separator.separate_blocks`: blocks of one second, the input repeated to the length asked for."""

    def __init__(self, request: dict) -> None:
        self.separator = Separator(request["model"], threads=request["threads"])
        waveform = np.load(request["input"])
        self.blocks = [waveform[i : i + RATE] for i in range(0, len(waveform) - RATE + 1, RATE)]
        self.seconds = round(60 * request["minutes"])

    def run(self) -> int:
        blocks = itertools.islice(itertools.cycle(self.blocks), self.seconds)
        return sum(len(next(iter(stems.values()))) for stems in self.separator.separate_blocks(blocks))


KINDS = {"network": Network, "separate": Separation, "blocks": Blocks}

if __name__ == "__main__":
    serve(
        lambda request: KINDS[request["kind"]](request),
        lambda: {name: version_of(name) for name in ("spleeterrt", "numpy")},
    )
