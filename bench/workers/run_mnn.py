"""Worker: MNN on the CPU, float32, from the ONNX file by its own converter."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from protocol import Parallel, Runner, load_stems, serve  # first: pins the cores

# isort: split
import numpy as np
from MNN import expr, nn
from unet_onnx import write_onnx


class Network(Runner):
    """Modes: `graph`, all stems in one model; `turn`, a model each, in turn; `parallel`, a model each of one
    thread, at the same time.
    """

    def __init__(self, request: dict) -> None:
        stems, threads = load_stems(request), request["threads"]
        x = np.ascontiguousarray(np.load(request["input"]).transpose(0, 3, 1, 2))
        parallel = request["mode"] == "parallel"
        groups = [stems] if request["mode"] == "graph" else [{name: stem} for name, stem in stems.items()]
        self.modules = []
        with tempfile.TemporaryDirectory() as folder:
            for group in groups:
                path = write_onnx(Path(folder) / "net.onnx", group, request["activations"], list(x.shape))
                converted = path.with_suffix(".mnn")
                self._convert(path, converted)
                self.modules.append(
                    nn.load_module_from_file(
                        str(converted),
                        ["mix"],
                        [f"{stem}/out" for stem in group],
                        backend=expr.Backend.CPU,
                        precision_mode=expr.PrecisionMode.High,
                        thread_num=1 if parallel else threads,
                        shape_mutable=False,
                    )
                )
        self.mix = expr.const(x, list(x.shape), expr.NCHW)
        functions = [lambda module=module: self._run(module) for module in self.modules]
        self.call = (
            Parallel(functions, threads) if parallel else lambda: [function() for function in functions]
        )
        self.run()

    @staticmethod
    def _convert(path: Path, target: Path) -> None:
        tool = Path(sys.executable).with_name("mnnconvert")
        command = [tool, "-f", "ONNX", "--modelFile", path, "--MNNModel", target, "--bizCode", "unet"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if not target.exists():
            raise RuntimeError(f"mnnconvert: {(done.stdout + done.stderr)[-300:]}")

    def _run(self, module) -> list:
        # Reading an output is what computes it.
        return [expr.convert(found, expr.NCHW).read() for found in module.onForward([self.mix])]

    def run(self) -> list:
        return self.call()

    def output(self, result: list) -> np.ndarray:
        return np.stack([np.array(y)[0].transpose(1, 2, 0) for group in result for y in group])


if __name__ == "__main__":
    serve(Network, lambda: {"mnn": metadata.version("mnn")})
