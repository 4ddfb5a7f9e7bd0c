"""Worker: ncnn on the CPU, float32."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

from protocol import Parallel, Runner, load_stems, serve  # first: pins the cores

# isort: split
import ncnn
import numpy as np
from unet_ncnn import write_ncnn


class Network(Runner):
    """Modes: `graph`, all stems in one network; `turn`, a network each, in turn; `parallel`, a network each
    of one thread, at the same time.
    """

    def __init__(self, request: dict) -> None:
        stems, threads = load_stems(request), request["threads"]
        x = np.load(request["input"])
        if len(x) != 1:
            raise ValueError("ncnn has no batches")
        self.x = np.ascontiguousarray(x[0].transpose(2, 0, 1))  # a Mat does not keep it alive
        self.mix = ncnn.Mat(self.x)
        self.parallel = request["mode"] == "parallel"
        groups = [stems] if request["mode"] == "graph" else [{name: stem} for name, stem in stems.items()]
        self.nets = []
        with tempfile.TemporaryDirectory() as folder:
            for group in groups:
                net = ncnn.Net()
                net.opt.num_threads = 1 if self.parallel else threads
                net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
                net.opt.use_bf16_storage = False
                param, data = write_ncnn(Path(folder) / "net", group, request["activations"])
                if net.load_param(str(param)) or net.load_model(str(data)):
                    raise RuntimeError("ncnn cannot load the network")
                self.nets.append((net, [f"{stem}_out" for stem in group]))
        functions = [lambda net=net, names=names: self._run(net, names) for net, names in self.nets]
        self.call = (
            Parallel(functions, threads) if self.parallel else lambda: [function() for function in functions]
        )
        self.run()

    def _run(self, net: ncnn.Net, names: list) -> list:
        extractor = net.create_extractor()
        extractor.input("mix", self.mix)
        found = [extractor.extract(name) for name in names]
        if any(code for code, _ in found):
            raise RuntimeError(f"ncnn's codes are {[code for code, _ in found]}")
        return [mat for _, mat in found]

    def run(self) -> list:
        return self.call()

    def output(self, result: list) -> np.ndarray:
        return np.stack([np.array(mat).transpose(1, 2, 0) for mats in result for mat in mats])


if __name__ == "__main__":
    serve(Network, lambda: {"ncnn": metadata.version("ncnn")})
