"""The segment in which a signal ends: only its frames are computed, with the samples of a whole segment."""

from __future__ import annotations

import numpy as np
import pytest

from spleeterrt import Model, ModelConfig, Separator
from spleeterrt._kernels import nn
from spleeterrt.network.method_plan import make_plan
from support import reference
from support.examples import pairs

FILTERS = (16, 16, 32, 32, 48, 48)
HOP = 64


def config_of(**fields: object) -> ModelConfig:
    return ModelConfig(
        instruments=("a", "b"),
        conv_n_filters=FILTERS,
        T=64,
        F=128,
        frame_length=256,
        frame_step=HOP,
        sample_rate=8000,
        **fields,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("options", "low_memory"),
    pairs([{}, {"MWF": True}, {"mode": "residual", "residual": True}], [False, True]),
    ids=str,
)
@pytest.mark.parametrize("isa", [*nn.FAST_ISAS, "reference"])
def test_samples_are_those_of_whole_segments(
    isa: str, low_memory: bool, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPLEETERRT_ISA", isa)
    config = config_of()
    plan = make_plan(config, None if isa == "reference" else isa, low_memory)
    model = Model(config, reference.random_weights(config.instruments, FILTERS, 3), plan=plan)
    separator = Separator(model, threads=2, **options)  # type: ignore[arg-type]
    signal = np.random.default_rng(1).uniform(-0.5, 0.5, (100 * HOP, 2)).astype(np.float32)
    for frames in (1, 30, 70, 96):
        short = signal[: frames * HOP]
        # Frames of zeros behind it fill the segment.
        padded = np.concatenate([short, np.zeros((2 * 64 * HOP - 256 - len(short), 2), np.float32)])
        found, expected = separator.separate(short), separator.separate(padded)
        for stem in found:
            np.testing.assert_array_equal(found[stem], expected[stem][: len(short)])
            assert np.abs(found[stem]).max() > 1e-3


def test_softmax_models_too() -> None:
    config = config_of(model_type="unet.softmax_unet")
    weights = reference.random_weights(config.instruments, FILTERS, 4)
    separator = Separator(Model(config, weights), threads=1)
    signal = np.random.default_rng(2).uniform(-0.5, 0.5, (70 * HOP, 2)).astype(np.float32)
    padded = np.concatenate([signal, np.zeros((2 * 64 * HOP - 256 - len(signal), 2), np.float32)])
    found, expected = separator.separate(signal), separator.separate(padded)
    for stem in found:
        np.testing.assert_array_equal(found[stem], expected[stem][: len(signal)])
