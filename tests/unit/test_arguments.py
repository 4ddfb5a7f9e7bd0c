"""Wrong arguments: whatever comes, the error is a `SpleeterError`, and a ValueError or TypeError where Python
people expect one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spleeterrt import Model, Separator, SpleeterError, evaluate, kernels, load_model, models, output_paths
from spleeterrt.audio import downmix
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.writer import StemFileWriter, parse_bitrate, quantize
from spleeterrt.errors import ArgumentError, ArgumentTypeError, AudioError, ConfigError, ModelError
from spleeterrt.network.config import ModelConfig
from support.golden import case

CONFIG = case("tiny-2stems") / "config.json"
WAVE = np.random.default_rng(0).uniform(-0.3, 0.3, (2500, 2)).astype(np.float32)
IMAGE = np.zeros((9, 9, 2), np.float32)
KERNEL = np.zeros((5, 5, 2, 3), np.float32)


class Odd:
    def __repr__(self) -> str:
        return "<Odd>"


ODD: tuple[Any, ...] = (
    None, 0, -1, 1.5, float("nan"), float("inf"), 10**30, True, "", "x", "\0", "\ud800", "a" * 5000, b"x",
    b"\0", [], ["x"], [[1, 2], [3]], {}, {"a": 1}, set(), Odd(), range(3), np.zeros(0),
    np.zeros((2, 3000), np.float32),
    np.zeros((30, 2), np.int16), np.zeros((3, 3, 3)), np.zeros((5, 2), complex), np.array([[object()]]),
    np.array(["a"]), np.full((10, 2), np.nan, np.float32), np.float32(3), Path("a" * 300),
    np.datetime64("2020"),
)  # fmt: skip


def calls(two_stems: Model, folder: Path) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """Public callables and arguments that are right."""
    song, separator, adapter = folder / "song.wav", Separator(two_stems), AudioAdapter.default()
    soundfile.write(song, WAVE, 44100)

    def write(paths: Any, sample_rate: Any, data: Any, mix: Any = None, **options: Any) -> None:
        with StemFileWriter(paths, sample_rate, **options) as writer:
            writer.write({"v": data}, mix)

    def read(path: Any, **options: Any) -> None:
        with AudioReader(path, **options) as reader:
            list(reader)

    size = {"size": 9, "kernel": 3, "stride": 1, "padding": "same"}
    cut: dict[str, Any] = {"kernel": 5, "stride": 1, "padding": "same"}
    return {
        "Separator": (Separator, {
            "params_descriptor": two_stems, "MWF": False, "multiprocess": True,
            "stft_backend": "auto", "threads": None, "low_memory": False, "stems": None, "mode": "direct",
            "above_band": 0.1, "residual": False,
            "full_band": False, "two_stems": None,
        }),
        "separate": (separator.separate, {"waveform": WAVE, "progress": None, "cancel": None}),
        "separate_blocks": (lambda blocks: list(separator.separate_blocks(blocks)), {"blocks": [WAVE]}),
        "a block": (lambda block: list(separator.separate_blocks([block])), {"block": WAVE}),
        "separate_to_file": (separator.separate_to_file, {
            "audio_descriptor": song, "destination": folder / "o", "audio_adapter": None, "offset": 0,
            "duration": None, "codec": "wav", "bitrate": "128k", "filename_format": "{instrument}.{codec}",
            "synchronous": True, "bit_depth": "int16", "clip": "clamp", "sample_rate": None, "tags": None,
            "downmix": False, "channels": "stereo", "track": None, "progress": None, "cancel": None,
        }),
        "save_to_file": (separator.save_to_file, {
            "sources": {"v": WAVE}, "audio_descriptor": song, "destination": folder / "s",
            "filename_format": "{instrument}.wav", "codec": None, "audio_adapter": None, "bitrate": "128k",
            "synchronous": True,
        }),
        "a source": (lambda wave: separator.save_to_file({"v": wave}, song, folder / "s"), {"wave": WAVE}),
        "join": (separator.join, {"timeout": 1}),
        "load_model": (load_model, {
            "source": CONFIG, "progress": True, "low_memory": False, "config": None, "networks": None,
        }),
        "coefficients": (lambda file, config: load_model({"vocals": file}, config=config), {
            "file": "none.dat", "config": None,
        }),
        "predict": (two_stems.predict, {"magnitudes": np.ones((1, 64, 64, 2), np.float32), "threads": None}),
        "Model": (Model, {
            "config": two_stems.config, "weights": {}, "plan": None, "consume": False, "networks": None,
        }),
        "rows": (two_stems.rows, {"networks": ["vocals"]}),
        "with_config": (two_stems.with_config, {"config": two_stems.config}),
        "load": (adapter.load, {
            "audio_descriptor": song, "offset": None, "duration": None, "sample_rate": None, "dtype": "f4",
        }),
        "save": (adapter.save, {
            "path": folder / "a.wav", "data": WAVE, "sample_rate": 44100, "codec": None, "bitrate": None,
        }),
        "get": (AudioAdapter.get, {"descriptor": None}),
        "downmix": (downmix, {"waveform": np.zeros((9, 6), "f4"), "layout": "5.1", "normalize": True}),
        "AudioReader": (read, {
            "path": song, "offset": 0, "duration": None, "sample_rate": None, "block_frames": 1000,
            "downmix": False, "track": None,
        }),
        "StemFileWriter": (write, {
            "paths": {"v": folder / "w.wav"}, "sample_rate": 44100, "data": WAVE, "mix": None, "channels": 2,
            "codec": None, "bitrate": None, "bit_depth": "int16", "clip": "clamp", "file_rate": None,
            "total_frames": None, "residual": None, "tags": None,
        }),
        "quantize": (quantize, {"block": WAVE, "bit_depth": "int16"}),
        "parse_bitrate": (parse_bitrate, {"bitrate": "1k"}),
        "output_paths": (output_paths.output_paths, {
            "audio_descriptor": "s.wav", "destination": "o", "filename_format": "{instrument}.wav",
            "codec": None, "stems": ["a"],
        }),
        "output_codec": (output_paths.output_codec, {"filename_format": "{instrument}.wav", "codec": None}),
        "ModelConfig": (ModelConfig, {"instruments": ("a", "b"), "T": 64, "F": 64}),
        "from_file": (ModelConfig.from_file, {"path": CONFIG}),
        "info": (models.info, {"source": CONFIG}),
        "configuration": (models.configuration, {"source": CONFIG}),
        "convert": (models.convert, {
            "source": CONFIG, "destination": folder / "c.safetensors", "dtype": "float32",
            "format": "safetensors", "config": None,
        }),
        "models.get": (models.get, {"name": "starter:2stems"}),
        "export": (lambda folder: models.export(CONFIG, folder), {"folder": folder / "onnx"}),
        "from_paths": (models.from_paths, {"paths": [CONFIG]}),
        "find_tracks": (evaluate.find_tracks, {"dataset": folder}),
        "find_targets": (evaluate.find_targets, {"stems": ["vocals"], "track": folder}),
        "Evaluation": (evaluate.Evaluation, {
            "dataset": folder, "folder": folder / "e", "settings": {}, "force": False,
        }),
        "im2col": (kernels.im2col, {"x": IMAGE, **cut, "dilation": 1}),
        "col2im": (kernels.col2im, {"cols": np.zeros((81, 50), "f4"), "output_shape": (9, 9, 2), **cut}),
        "conv2d": (kernels.conv2d, {
            "x": IMAGE, "weights": KERNEL, "bias": None, "stride": 1, "padding": "same", "dilation": 1,
        }),
        "conv2d_transpose": (kernels.conv2d_transpose, {
            "x": IMAGE, "weights": KERNEL.transpose(0, 1, 3, 2), "bias": None, "stride": 2, "padding": "same",
            "output_padding": 0,
        }),
        "gemm": (kernels.gemm, {
            "a": np.zeros((2, 3), "f4"), "b": np.zeros((3, 2), "f4"), "trans_a": False, "trans_b": False,
        }),
        "conv_out_dim": (kernels.conv_out_dim, {**size, "dilation": 1}),
        "transpconv_out_dim": (kernels.transpconv_out_dim, {**size, "output_padding": 0}),
        "activate": (kernels.activate, {"x": IMAGE, "activation": "ReLU"}),
        "scale_shift": (kernels.scale_shift, {
            "x": IMAGE, "scale": np.ones(2, "f4"), "shift": np.ones(2, "f4"), "activation": None,
        }),
        "concat": (kernels.concat, {"first": IMAGE, "second": IMAGE}),
    }  # fmt: skip


def test_whatever_comes_the_error_is_ours(
    two_stems: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    foreign = []
    for name, (function, right) in calls(two_stems, tmp_path).items():
        for argument in right:
            for odd in ODD:
                try:
                    function(**{**right, argument: odd})
                except SpleeterError as error:
                    text = str(error)
                    if len(text) > 12_000 or "object has no attribute" in text:
                        foreign.append((name, argument, odd, error))
                except Exception as error:
                    foreign.append((name, argument, odd, error))
    assert [(*rest, repr(error)[:300]) for *rest, error in foreign] == []


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda s, _: s.separate(np.zeros((2, 3000), "f4")), ValueError, r"did you mean its transpose, \.T"),
        (lambda s, _: s.separate(np.zeros((9, 2), "i2")), TypeError, "floating-point samples"),
        (lambda s, _: s.separate(None), TypeError, "floating-point samples"),
        (
            lambda s, _: s.separate(WAVE, progress=3),
            TypeError,
            "progress: expected a function or None, got 3",
        ),
        (lambda s, _: s.separate(WAVE, cancel="no"), TypeError, "cancel: expected a function"),
        (lambda s, _: list(s.separate_blocks(None)), TypeError, "blocks: expected arrays"),
        (lambda s, _: Separator(s.model, mode="fast"), ValueError, "mode: expected one of .*'fast'"),
        (lambda s, _: Separator(s.model, MWF="False"), TypeError, "MWF: expected True or False, got 'False'"),
        (lambda s, _: Separator(s.model, threads=0), ValueError, "threads: expected a positive integer"),
        (lambda s, _: Separator(s.model, threads="2"), TypeError, "threads: expected a positive integer"),
        (lambda s, _: Separator(s.model, stems=["voice"]), ValueError, "voice"),
        (lambda s, _: Separator(s.model, two_stems="voice"), ValueError, "two_stems: expected one of"),
        (lambda s, _: Separator(s.model, above_band=2, mode="direct"), ValueError, "above_band"),
        (lambda s, p: s.separate_to_file(p, p, audio_adapter=3), TypeError, "with a method load"),
        (lambda s, p: s.separate_to_file(p / "x.wav", None), TypeError, "destination: expected a path"),
        (lambda s, p: s.separate_to_file(p / "x.wav", p, codec="aac"), ValueError, "'aac' cannot be written"),
        (
            lambda s, p: s.separate_to_file(p / "x.wav", p, bitrate="x", codec="mp3"),
            ValueError,
            "bitrate: exp",
        ),
        (lambda s, p: s.separate_to_file(3, p), TypeError, "expected a path, a binary file object"),
        (lambda s, p: s.save_to_file([WAVE], "x.wav", p), TypeError, "sources: expected waveforms by stem"),
        (lambda s, p: s.save_to_file({"v": "x"}, "x.wav", p), TypeError, "'v': expected an array of samples"),
        (lambda s, p: s.save_to_file({"v": WAVE.T}, "x.wav", p), ValueError, r"its transpose, \.T"),
        (lambda s, p: AudioAdapter.default().save(p / "x.wav", WAVE.T, 44100), ValueError, r"mean \.T"),
        (lambda s, p: AudioAdapter.default().save(p / "x.wav", WAVE, "x"), ValueError, "sample rate"),
        (lambda s, p: AudioAdapter.default().load(p / "x.wav", dtype="int16"), TypeError, "dtype: expected"),
        (lambda s, p: AudioAdapter.get(3), TypeError, "expected the name of a class"),
        (lambda s, p: load_model(CONFIG, networks=3), TypeError, "networks: expected a list of names"),
        (lambda s, _: s.model.predict(np.zeros((1, 64, 64))), ValueError, r"predict: expected float32"),
        (lambda s, _: s.model.with_config(None), TypeError, "expected a ModelConfig, got None"),
        (lambda s, _: s.model.forward_rows(np.zeros((1, 64, 64, 2), "f4"), 1, 9, 9), ValueError, "no frames"),
        (
            lambda s, _: Model(s.model.config, {}),
            ValueError,
            "weights: those of vocals, accompaniment are miss",
        ),
        (lambda s, _: kernels.gemm(IMAGE[0], IMAGE[0]), ValueError, "inner dimensions differ"),
        (lambda s, _: kernels.im2col(IMAGE.astype("f8"), 3), TypeError, "x: expected float32"),
        (lambda s, _: kernels.conv2d(IMAGE, KERNEL, stride=0), ValueError, "stride: expected at least 1"),
        (lambda s, _: ModelConfig(None), ConfigError, "instrument_list"),
    ],
)
def test_kinds_and_messages(
    two_stems: Model, tmp_path: Path, call: Callable[..., Any], kind: type[Exception], message: str
) -> None:
    soundfile.write(tmp_path / "x.wav", WAVE, 44100)
    with pytest.raises(kind, match=message) as caught:
        call(Separator(two_stems), tmp_path)
    assert isinstance(caught.value, SpleeterError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.wav"]


@pytest.mark.parametrize("length", [300, 5000])
def test_names_too_long(two_stems: Model, tmp_path: Path, length: int) -> None:
    song, separator = tmp_path / "x.wav", Separator(two_stems)
    soundfile.write(song, WAVE, 44100)
    long = "a" * length
    for call in (
        lambda: separator.separate_to_file(song, tmp_path / long),
        lambda: separator.separate_to_file(song, tmp_path / "o", filename_format=long + "{instrument}"),
        lambda: separator.separate_to_file(tmp_path / f"{long}.wav", tmp_path),
        lambda: separator.save_to_file({long: WAVE}, song, tmp_path / "o"),
        lambda: AudioAdapter.default().save(tmp_path / f"{long}.wav", WAVE, 44100),
        lambda: AudioAdapter.default().save(tmp_path / long / "x.wav", WAVE, 44100),
        lambda: load_model(tmp_path / long),
        lambda: load_model({"vocals": tmp_path / long}),
    ):
        with pytest.raises((AudioError, ModelError)):
            call()
    assert sorted(os.listdir(tmp_path)) == ["x.wav"]


def test_the_classes() -> None:
    assert issubclass(ArgumentError, ValueError)
    assert issubclass(ArgumentTypeError, TypeError)
    assert issubclass(ArgumentError, SpleeterError)
    assert issubclass(ArgumentTypeError, SpleeterError)


def test_a_cancel_event_and_a_function_do(two_stems: Model) -> None:
    separator = Separator(two_stems)
    for cancel in (threading.Event(), lambda: False, None):
        assert separator.separate(WAVE, cancel=cancel)["vocals"].shape == WAVE.shape


def test_numpy_values_do(two_stems: Model, tmp_path: Path) -> None:
    separator = Separator(two_stems, MWF=np.bool_(False), threads=np.int64(1))
    files = separator.separate_to_file(
        _song(tmp_path),
        tmp_path / "o",
        offset=np.float32(0.01),
        duration=np.float64(0.02),
        sample_rate=np.int32(48000),
        codec="MP3",
        bitrate=np.int64(128_000),
        tags=np.bool_(False),
    )
    assert files is not None
    assert files.sample_rate == 48000


def _song(folder: Path) -> Path:
    soundfile.write(folder / "x.wav", WAVE, 44100)
    return folder / "x.wav"
