#!/usr/bin/env bash
# ONNX's own ReferenceEvaluator (1.23.2) computes BatchNormalization of opsets 9 to 13 as if it were training.
#
# Guessed: the reference agrees with ONNX Runtime and with the formula to rounding, in every opset.
# Seen: from opset 14 on it does (1e-7). For opsets 9 and 13 it blends the batch's own mean and variance into the
# stored ones, by 1 - momentum: 0.17 off with momentum 0.9 (the default, where the node has none), 0.016 with 0.99.
# For opsets 7 and 8 it raises a TypeError. ONNX Runtime 1.32.0 agrees with the formula (2e-7) in all of them. So
# networks with batch norms that were exported before opset 14 look damaged when they are compared with it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q onnx==1.23.2 onnxruntime==1.32.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

PARAMETERS = {"scale": (1, 2, 3), "bias": (0.5, 0, -1), "mean": (0.1, 0.2, 0.3), "variance": (1, 2, 3)}
EPSILON = 1e-3
SIGNAL = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)

scale, bias, mean, variance = (np.array(values)[:, None] for values in PARAMETERS.values())
FORMULA = (SIGNAL - mean) / np.sqrt(variance + EPSILON) * scale + bias


def model(opset, attributes):
    node = helper.make_node("BatchNormalization", ["x", *PARAMETERS], ["y"], epsilon=EPSILON, **attributes)
    signal = [helper.make_tensor_value_info(name, TensorProto.FLOAT, SIGNAL.shape) for name in "xy"]
    weights = [helper.make_tensor(name, TensorProto.FLOAT, [3], v) for name, v in PARAMETERS.items()]
    graph = helper.make_graph([node], "norm", signal[:1], signal[1:], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=4)
    onnx.checker.check_model(made)
    return made


def by_reference(made):
    try:
        return float(np.abs(ReferenceEvaluator(made).run(None, {"x": SIGNAL})[0] - FORMULA).max())
    except TypeError:
        return "TypeError"


def by_onnxruntime(made):
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return float(np.abs(session.run(None, {"x": SIGNAL})[0] - FORMULA).max())


for opset in (7, 9, 13, 14):
    for attributes in ({}, {"momentum": 0.99}):
        made = model(opset, attributes)
        reference, runtime = by_reference(made), by_onnxruntime(made)
        print(f"opset {opset}, {attributes or 'no momentum'}: reference {reference}, ONNX Runtime {runtime:.1e}")
        assert runtime < 1e-6
        if opset < 9:
            assert reference == "TypeError"
        elif opset < 14:
            assert abs(reference - (0.016 if attributes else 0.17)) < 0.002
        else:
            assert reference < 1e-6
PYTHON
