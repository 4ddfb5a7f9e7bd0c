"""Worker: ONNX Runtime's CPU provider."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

from protocol import Parallel, Runner, load_stems, serve  # first: pins the cores

# isort: split
import numpy as np
import onnxruntime as ort
from unet_onnx import write_onnx


class Network(Runner):
    """Modes: `graph`, all stems in one session; `turn`, a session each, in turn; `parallel`, a session
    each of one thread, at the same time.
    """

    def __init__(self, request: dict) -> None:
        stems, threads = load_stems(request), request["threads"]
        x = np.load(request["input"]).transpose(0, 3, 1, 2)
        self.input = np.ascontiguousarray(x)
        options = ort.SessionOptions()
        parallel = request["mode"] == "parallel"
        options.intra_op_num_threads = 1 if parallel else threads
        options.inter_op_num_threads = 1
        groups = [stems] if request["mode"] == "graph" else [{name: stem} for name, stem in stems.items()]
        self.sessions = []
        with tempfile.TemporaryDirectory() as folder:
            for group in groups:
                path = write_onnx(Path(folder) / "net.onnx", group, request["activations"], list(x.shape))
                providers = ["CPUExecutionProvider"]
                self.sessions.append(ort.InferenceSession(str(path), options, providers=providers))
        functions = [
            lambda session=session: session.run(None, {"mix": self.input}) for session in self.sessions
        ]
        self.call = (
            Parallel(functions, threads) if parallel else lambda: [function() for function in functions]
        )
        self.run()

    def run(self) -> list:
        return self.call()

    def output(self, result: list) -> np.ndarray:
        return np.stack([y[0].transpose(1, 2, 0) for group in result for y in group])


if __name__ == "__main__":
    serve(Network, lambda: {"onnxruntime": metadata.version("onnxruntime")})
