"""Numbers below float32's full precision are zeros to the kernels, which would be slow on them, and to nobody
else."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, Separator, StreamSeparator
from spleeterrt._kernels import nn
from spleeterrt.audio.resample import StreamResampler
from spleeterrt.network.method_plan import make_plan
from spleeterrt.stft import Spectrum
from support import reference
from support.golden import case

pytestmark = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64", "aarch64", "arm64"), reason="this CPU's mode is not set"
)

TINY = np.float32(1e-40)


@pytest.fixture(autouse=True)
def own_arithmetic() -> Iterator[None]:
    """The calling thread's arithmetic is as before."""
    yield
    halves = np.full(100, TINY) * np.float32(0.5)
    assert (halves > 0).all()


def tiny(*shape: int) -> Any:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32) * TINY


@pytest.mark.parametrize("model_type", ["unet.unet", "unet.softmax_unet"])
@pytest.mark.parametrize("low_memory", [False, True])
@pytest.mark.parametrize("isa", [*nn.FAST_ISAS, None])
@pytest.mark.parametrize("threads", [1, 2])
def test_networks(isa: str | None, low_memory: bool, model_type: str, threads: int) -> None:
    config = ModelConfig(("a", "b"), conv_n_filters=(16, 16, 16, 16, 16, 16), model_type=model_type)
    weights = reference.random_weights(config.instruments, config.conv_n_filters, 5)
    model = Model(config, weights, plan=make_plan(config, isa, low_memory))
    magnitudes = np.abs(tiny(2, 64, 64, 2))
    assert (magnitudes > 0).mean() > 0.9
    for estimate in model.predict(magnitudes, threads).values():
        assert not estimate.any()


def test_transforms() -> None:
    spectrum = Spectrum(ModelConfig(("a",)))
    out = np.empty((4, spectrum.config.bins, 2), np.complex64)
    magnitude = np.empty((4, spectrum.config.F, 2), np.float32)
    spectrum.analyse(tiny(spectrum.samples(4), 2), 4, out, magnitude, spectrum.workspace(2))
    assert not out.any()
    assert not magnitude.any()


@pytest.mark.parametrize("options", [{}, {"MWF": True}, {"mode": "direct"}], ids=str)
def test_songs(options: dict[str, Any]) -> None:
    separator = Separator(case("tiny-4stems") / "config.json", threads=2, **options)
    sound = tiny(separator._model.config.T * 1024 + 5000, 2)
    for stem in separator.separate(sound).values():
        assert not stem.any()


def test_resampling() -> None:
    resampler = StreamResampler(48000, 44100, 2)
    assert not np.concatenate([resampler.process(tiny(20000, 2)), resampler.flush()]).any()


def test_streams() -> None:
    with StreamSeparator(case("tiny-2stems") / "config.json", frames=64, bins=64, realtime=False) as stream:
        for _ in range(20):
            for stem in stream.process(tiny(4096, 2)).values():
                assert not stem.any()
        stream.flush()
