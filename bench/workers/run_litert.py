"""Worker: LiteRT (TensorFlow Lite's successor) with XNNPACK, its default on CPUs."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

from protocol import Parallel, Runner, load_stems, serve  # first: pins the cores

# isort: split
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from unet_tflite import write_tflite


class Network(Runner):
    """Modes: `graph`, all stems in one model; `turn`, a model each, in turn; `parallel`, a model each of one
    thread, at the same time.
    """

    def __init__(self, request: dict) -> None:
        stems, threads = load_stems(request), request["threads"]
        x = np.load(request["input"])
        parallel = request["mode"] == "parallel"
        groups = [stems] if request["mode"] == "graph" else [{name: stem} for name, stem in stems.items()]
        self.interpreters = []
        with tempfile.TemporaryDirectory() as folder:
            for group in groups:
                path = write_tflite(Path(folder) / "net.tflite", group, request["activations"], x.shape)
                interpreter = Interpreter(str(path), num_threads=1 if parallel else threads)
                interpreter.allocate_tensors()
                interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
                self.interpreters.append(interpreter)
        functions = [interpreter.invoke for interpreter in self.interpreters]
        self.call = (
            Parallel(functions, threads) if parallel else lambda: [function() for function in functions]
        )
        self.run()

    def run(self) -> None:
        self.call()

    def output(self, result: None) -> np.ndarray:
        return np.concatenate(
            [
                interpreter.get_tensor(details["index"])
                for interpreter in self.interpreters
                for details in interpreter.get_output_details()
            ]
        )


if __name__ == "__main__":
    serve(Network, lambda: {"ai-edge-litert": metadata.version("ai-edge-litert")})
