"""Do other runtimes give the same on exported ONNX files, full size? And are PyTorch's own files read right?

    python bench/onnx_check.py [--audio SONG] [MODEL ...]   # needs onnx, onnxruntime; openvino if it is there
    python bench/onnx_check.py --read FOLDER    # of tests/data/make_sherpa_layout.py, with its expected.npz

Errors are of outputs on inputs from 0 to 1, which are also those of masks. Of a song, whose magnitudes reach
hundreds: of outputs, by the largest magnitude, and of masks (output by input) where there is sound. --read
divides by the largest input.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from spleeterrt import Model, load_model
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.models import export

SILENCE = 1e-3  # of magnitudes


def by_onnxruntime(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"magnitude": x}), strict=True))


def by_openvino(path: Path, x: np.ndarray) -> dict[str, np.ndarray]:
    import openvino

    model = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return {output.any_name: value for output, value in model([x]).items()}


def magnitudes(model: Model, audio: str) -> np.ndarray:
    """Whole segments of a song's STFT."""
    config = model.config
    wave, _ = AudioAdapter.default().load(audio, sample_rate=config.sample_rate)
    stereo = np.repeat(wave, 2, axis=1)[:, :2] if wave.shape[1] == 1 else wave[:, :2]
    window = np.hanning(config.frame_length + 1)[:-1, np.newaxis]
    starts = range(0, len(stereo) - config.frame_length + 1, config.frame_step)
    frames = [np.fft.rfft(stereo[k : k + config.frame_length] * window, axis=0) for k in starts]
    segments = -(-len(frames) // config.T)
    whole = np.zeros((segments * config.T, config.F, 2), np.float32)
    whole[: len(frames)] = np.abs(np.stack(frames)[:, : config.F])
    return whole.reshape(segments, config.T, config.F, 2)


def check_export(source: str, audio: str | None) -> None:
    model = load_model(source)
    rng = np.random.default_rng(0)
    sizes = ((1, model.config.T, model.config.F, 2), (3, 64, 192, 2))
    inputs = {str(size): rng.random(size, np.float32) for size in sizes}
    if audio:
        inputs[audio] = magnitudes(model, audio)
    with tempfile.TemporaryDirectory() as folder:
        paths = export(source, folder)
        again = load_model(folder)
        for name, x in inputs.items():
            expected = model.predict(x)
            same = all(np.array_equal(again.predict(x)[stem], expected[stem]) for stem in expected)
            print(f"{source} {name}: read again, the same bits: {same}")
            for run in (by_onnxruntime, by_openvino):
                try:
                    got = {stem: value for path in paths for stem, value in run(path, x).items()}
                except ImportError as error:
                    print(f"  {error}")
                    continue
                for stem, value in expected.items():
                    print(f"  {run.__name__.removeprefix('by_'):<12} {stem:<14}{errors(got[stem], value, x)}")


def errors(got: np.ndarray, expected: np.ndarray, x: np.ndarray) -> str:
    difference = np.abs(got - expected)
    heard = x > SILENCE
    masks = difference[heard] / x[heard]
    return f"{difference.max() / x.max():.1e}, masks at most {masks.max():.1e}, on average {masks.mean():.1e}"


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
    parser.add_argument("--audio", metavar="SONG")
    parser.add_argument("--read", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    for source in args.models:
        check_export(source, args.audio)
    if args.read:
        check_reading(args.read)


if __name__ == "__main__":
    main()
