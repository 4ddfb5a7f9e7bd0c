"""The package against the real Spleeter 2.4.2: the golden cases, end to end."""

from __future__ import annotations

import numpy as np
import pytest

from spleeterrt import Separator
from support.golden import CASES, case
from support.tolerances import GOLDEN_WAVEFORM


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", [1, 2])
def test_same_samples_as_spleeter(name: str, threads: int) -> None:
    expected = np.load(case(name) / "expected.npz")
    separator = Separator(case(name) / "config.json", MWF=name.endswith("mwf"), threads=threads)
    result = separator.separate(expected["waveform"], "")
    assert set(result) == set(expected.files) - {"waveform"}
    for stem, waveform in result.items():
        assert waveform.dtype == np.float32
        assert waveform.shape == expected[stem].shape
        assert np.abs(expected[stem]).max() > 0.01  # the case says something about this stem
        assert np.abs(waveform - expected[stem]).max() <= GOLDEN_WAVEFORM


def test_all_cases_are_here() -> None:
    assert CASES == ["tiny-2stems", "tiny-2stems-average", "tiny-4stems", "tiny-4stems-mwf", "tiny-5stems"]
