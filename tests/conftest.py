"""Shared fixtures: a small model on disk, and no model folder of the user in the way."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import Model, load_model
from support.examples import SHARE
from support.golden import case

for _name in ("SIGINT", "SIGQUIT", "SIGHUP", "SIGTERM"):
    # Tests send them to commands, which leave alone what their shell ignores (SIGINT in a background job).
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)

if SHARE < 1:
    from hypothesis import HealthCheck, settings

    settings.register_profile("slow", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("slow")


@pytest.fixture(autouse=True)
def _isolated_models(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's models, variables or proxies."""
    for name in ("MODEL_PATH", "GITHUB_HOST", "GITHUB_REPOSITORY", "GITHUB_RELEASE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="session")
def two_stems() -> Model:
    return load_model(case("tiny-2stems") / "config.json")


@pytest.fixture(scope="session")
def four_stems() -> Model:
    return load_model(case("tiny-4stems") / "config.json")


@pytest.fixture
def music() -> np.ndarray:
    """The input of a golden case: float32 (40000, 2)."""
    waveform: np.ndarray = np.load(case("tiny-2stems") / "expected.npz")["waveform"]
    return waveform


@pytest.fixture
def clip() -> Path:
    """A short real clip."""
    found = sorted((Path(__file__).parent / "data").glob("clip.*"))
    return found[0]
