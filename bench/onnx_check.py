"""Do other runtimes give the same on exported ONNX files, full size? And are PyTorch's own files read right?

    python bench/onnx_check.py [MODEL ...]      # needs onnx, onnxruntime, openvino beside spleeterrt
    python bench/onnx_check.py --read FOLDER    # of tests/data/make_sherpa_layout.py, with its expected.npz

Errors are of outputs on inputs from 0 to 1; --read divides by the largest input.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from spleeterrt import load_model
from spleeterrt.models import export


def by_onnxruntime(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"magnitude": x}), strict=True))


def by_openvino(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    import openvino

    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: value for output, value in model([x]).items()}


def check_export(source: str) -> None:
    model = load_model(source)
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        paths = export(source, folder)
        again = load_model(folder)
        for shape in ((1, model.config.T, model.config.F, 2), (3, 64, 192, 2)):
            x = rng.random(shape, np.float32)
            expected = model.predict(x)
            same = all(np.array_equal(again.predict(x)[stem], expected[stem]) for stem in expected)
            print(f"{source} {shape}: read again, the same bits: {same}")
            for run in (by_onnxruntime, by_openvino):
                got = {stem: wave for path in paths for stem, wave in run(path, x).items()}
                errors = {stem: np.abs(got[stem] - expected[stem]).max() for stem in expected}
                text = ", ".join(f"{stem} {error:.1e}" for stem, error in errors.items())
                print(f"  {run.__name__.removeprefix('by_'):<12} {text}")


def check_reading(folder: Path) -> None:
    expected = np.load(folder / "expected.npz")
    x = np.ascontiguousarray(expected["x"].transpose(1, 2, 3, 0))
    for variant in ("", ".fp16"):
        stems = ("vocals", "accompaniment")
        model = load_model({stem: folder / f"{stem}{variant}.onnx" for stem in stems})
        for stem, got in model.predict(x).items():
            error = np.abs(got.transpose(3, 0, 1, 2) - expected[stem + variant]).max() / x.max()
            print(f"{stem}{variant}.onnx: {error:.1e} from PyTorch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--read", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    for source in args.models:
        check_export(source)
    if args.read:
        check_reading(args.read)


if __name__ == "__main__":
    main()
