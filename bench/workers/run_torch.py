"""Worker: PyTorch, eager or compiled, float32 channels-last; and the float64 reference."""

from __future__ import annotations

from protocol import Parallel, Runner, load_stems, serve  # first: pins the cores

# isort: split
import numpy as np
import torch
from unet_torch import Stems


class Network(Runner):
    def __init__(self, request: dict) -> None:
        self.threads = request["threads"]
        torch.set_num_threads(self.threads)
        self.module = Stems(load_stems(request), request["activations"])
        x = torch.from_numpy(np.load(request["input"])).permute(0, 3, 1, 2)
        if request.get("float64"):
            self.module, x = self.module.double(), x.double()
        else:
            self.module = self.module.to(memory_format=torch.channels_last)
        self.input = x.contiguous(memory_format=torch.channels_last)
        self.call = lambda: self.module(self.input)
        if request.get("compile"):
            # Inductor's freezing of weights was no faster here, and takes half a minute to compile.
            compiled = torch.compile(self.module)
            self.call = lambda: compiled(self.input)
        elif request.get("mode") == "parallel":
            nets = self.module.nets
            functions = [lambda net=net: self._guarded(lambda: net(self.input)) for net in nets]
            self.call = Parallel(functions, self.threads, lambda: torch.set_num_threads(1))
        self.run()

    @staticmethod
    def _guarded(function):  # gradients are switched off per thread
        with torch.inference_mode():
            return function()

    def run(self) -> list:
        with torch.no_grad():
            return self.call()

    def output(self, result: list) -> np.ndarray:
        return torch.stack(result)[:, 0].permute(0, 2, 3, 1).contiguous().numpy()


class Mask64(Network):
    """The float64 masks themselves: what every error is measured against."""

    def __init__(self, request: dict) -> None:
        super().__init__({**request, "float64": True})

    def run(self) -> list:
        with torch.no_grad():
            return [net.mask(self.input) for net in self.module.nets]


if __name__ == "__main__":
    serve(
        lambda request: (Mask64 if request["kind"] == "mask64" else Network)(request),
        lambda: {"torch": torch.__version__},
    )
