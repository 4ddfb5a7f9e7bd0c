"""Worker: OpenVINO's CPU plugin, float32 or bfloat16."""

from __future__ import annotations

import tempfile
from importlib import metadata
from pathlib import Path

from protocol import Parallel, Runner, load_stems, serve  # first: pins the cores

# isort: split
import numpy as np
import openvino as ov
from unet_onnx import write_onnx


class Network(Runner):
    """Modes: `graph`, all stems in one model; `turn`, a model each, in turn; `parallel`, a model each in
    a stream of one thread, at the same time.
    """

    def __init__(self, request: dict) -> None:
        stems, threads = load_stems(request), request["threads"]
        x = np.load(request["input"]).transpose(0, 3, 1, 2)
        self.input = ov.Tensor(np.ascontiguousarray(x))
        parallel = request["mode"] == "parallel"
        settings = {
            "INFERENCE_PRECISION_HINT": request["precision"],
            "INFERENCE_NUM_THREADS": 1 if parallel else threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "ENABLE_CPU_PINNING": False,  # the process is pinned to its cores as a whole
        }
        groups = [stems] if request["mode"] == "graph" else [{name: stem} for name, stem in stems.items()]
        core, self.requests = ov.Core(), []
        with tempfile.TemporaryDirectory() as folder:
            for group in groups:
                path = write_onnx(Path(folder) / "net.onnx", group, request["activations"], list(x.shape))
                compiled = core.compile_model(core.read_model(path), "CPU", settings)
                precision = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
                wanted = {"f32": "f32", "bf16": "bf16"}[request["precision"]]
                if wanted not in (precision, {"float32": "f32", "bfloat16": "bf16"}.get(precision)):
                    raise RuntimeError(f"asked for {wanted}, OpenVINO chose {precision}")
                self.requests.append(compiled.create_infer_request())
        for infer in self.requests:
            infer.set_input_tensor(self.input)
        functions = [infer.infer for infer in self.requests]
        self.call = (
            Parallel(functions, threads) if parallel else lambda: [function() for function in functions]
        )
        self.run()

    def run(self) -> None:
        self.call()

    def output(self, result: None) -> np.ndarray:
        outputs = [tensor.data for infer in self.requests for tensor in infer.output_tensors]
        return np.stack([np.array(y[0], np.float32).transpose(1, 2, 0) for y in outputs])


if __name__ == "__main__":
    serve(Network, lambda: {"openvino": metadata.version("openvino")})
