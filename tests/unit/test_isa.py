"""One choice of an instruction set for everything: networks, activations, STFT and masks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spleeterrt._kernels import nn, spectral, stream
from spleeterrt.arrays import Float32
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.network.method_plan import ACTIVATION_CODES
from spleeterrt.stft import Spectrum

FAMILIES = ("networks", "activations", "masks", "stft")
PLAINEST = nn.FAST_ISAS[-1] if nn.FAST_ISAS else "generic"  # generic on x86, neon on AArch64
isas = pytest.mark.parametrize("isa", nn.FAST_ISAS)
SETS = (
    "import json\n"
    "from spleeterrt.network.config import OFFICIAL_CONFIGS\n"
    "from spleeterrt._kernels import nn, spectral\n"
    "from spleeterrt.stft import Spectrum\n"
    "stft = Spectrum(OFFICIAL_CONFIGS['2stems']).plan\n"
    "print(json.dumps({**nn.default_sets(), **spectral.default_sets(), 'stft': stft.isa}))"
)


def sets_of(variable: str) -> dict[str, str]:
    """{family: the set it uses} in a fresh interpreter with SPLEETERRT_ISA."""
    done = subprocess.run(
        [sys.executable, "-c", SETS],
        env={**os.environ, "SPLEETERRT_ISA": variable},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    sets = json.loads(done.stdout)
    assert isinstance(sets, dict)
    return sets


@isas
def test_the_variable_forces_every_family(isa: str) -> None:
    assert sets_of(isa) == dict.fromkeys(FAMILIES, isa)


def test_without_the_variable_every_family_takes_the_best() -> None:
    best = nn.FAST_ISAS[0] if nn.FAST_ISAS else "generic"
    assert sets_of("") == dict.fromkeys(FAMILIES, best)


def test_beside_the_reference_path_everything_takes_the_plainest() -> None:
    assert sets_of("reference") == dict.fromkeys(FAMILIES, PLAINEST)


def test_the_variable_is_asked_anew_for_each_stft(monkeypatch: pytest.MonkeyPatch) -> None:
    for isa in nn.FAST_ISAS:
        monkeypatch.setenv("SPLEETERRT_ISA", isa)
        assert Spectrum(OFFICIAL_CONFIGS["2stems"]).plan.isa == isa
        assert set({**nn.default_sets(), **spectral.default_sets()}.values()) == {isa}


# --- the generic set is what its source says, operation by operation ------------------------------


def expm1(x: Float32) -> Float32:
    """elementwise.cpp's, without fused operations."""
    f = np.float32
    x = np.minimum(np.maximum(x, f(-87)), f(88))
    magic = f(12582912)
    shifted = x * f(1.44269504088896341) + magic
    n = shifted - magic
    r = x - n * f(0.693359375)
    r = r + n * f(2.12194440e-4)
    q = np.full_like(x, f(1) / f(5040))
    for divisor in (720, 120, 24, 6):
        q = q * r + f(1) / f(divisor)
    q = q * r + f(0.5)
    p = r + r * r * q
    two_n = np.ldexp(f(1), n.astype(np.int32)).astype(np.float32)
    return (two_n - f(1)) + two_n * p


def numbers(seed: int, *shape: int, deviation: float = 1.0) -> Float32:
    return np.random.default_rng(seed).normal(0, deviation, shape).astype(np.float32)


def elu(x: Float32, isa: str | None) -> Float32:
    y = np.empty_like(x)
    nn.activate(x, ACTIVATION_CODES["ELU"], y, isa)
    return y


def ratio(x: Float32, exponent: float, isa: str | None) -> Float32:
    masks = np.empty_like(x)
    spectral.ratio_masks(x, exponent, masks, isa)
    return masks


def test_generic_activations_have_no_fused_operations() -> None:
    if "generic" not in nn.FAST_ISAS:
        pytest.skip("no generic set in this build")
    x = numbers(1, 20011, deviation=5)
    np.testing.assert_array_equal(elu(x, "generic"), np.where(x > 0, x, expm1(x)))


def test_generic_masks_are_those_of_plain_float32() -> None:
    if "generic" not in nn.FAST_ISAS:
        pytest.skip("no generic set in this build")
    f = np.float32
    x = np.abs(numbers(2, 3, 5, 77, 2))
    share = f(1e-10) / f(3)
    for exponent, power in ((2.0, x * x), (1.0, x), (0.5, np.sqrt(x))):
        total = ((power[0] + power[1]) + power[2]) + f(1e-10)
        np.testing.assert_array_equal(ratio(x, exponent, "generic"), (power + share) / total)
    flat, magnitudes = x.reshape(-1), np.abs(numbers(3, x.size))
    magnitudes[::7] = 0
    own = np.empty_like(flat)
    spectral.own_mask(flat, magnitudes, 0.25, own, "generic")
    with np.errstate(divide="ignore"):
        expected = np.where(magnitudes > 0, flat / magnitudes, f(0.25))
    np.testing.assert_array_equal(own, expected)


@isas
def test_sets_agree_within_rounding(isa: str) -> None:
    x = numbers(4, 3, 4, 65, 2, deviation=3)
    np.testing.assert_allclose(elu(x.reshape(-1), isa), elu(x.reshape(-1), PLAINEST), rtol=0, atol=3e-7)
    np.testing.assert_allclose(ratio(np.abs(x), 2.0, isa), ratio(np.abs(x), 2.0, PLAINEST), rtol=0, atol=3e-7)
    logits, inputs = numbers(5, 4, 900), np.abs(numbers(6, 900))
    one, other = logits.copy(), logits.copy()
    nn.softmax_mask(one, inputs, isa)
    nn.softmax_mask(other, inputs, PLAINEST)
    np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)


@isas
def test_the_variable_decides_the_bits(isa: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that names no set gives the bits of the one that the variable names."""
    x = numbers(7, 20011, deviation=5)
    monkeypatch.setenv("SPLEETERRT_ISA", isa)
    np.testing.assert_array_equal(elu(x, None), elu(x, isa))
    if isa != "generic" and any(name.startswith("avx") for name in nn.FAST_ISAS):
        assert not np.array_equal(elu(x, None), elu(x, "generic"))  # or the two above say nothing


def test_an_unknown_set_is_refused() -> None:
    x = numbers(8, 4)
    with pytest.raises(ValueError, match="sse9"):
        nn.activate(x, 0, x.copy(), "sse9")
    with pytest.raises(ValueError, match="sse9"):
        spectral.own_mask(x, x, 0.0, x.copy(), "sse9")


@pytest.mark.skipif(
    shutil.which("readelf") is None or sys.platform != "linux", reason="needs readelf, ELF files"
)
@pytest.mark.parametrize("module", [nn, spectral, stream], ids=["nn", "spectral", "stream"])
def test_the_loader_chooses_nothing(module: object) -> None:
    """No function of ours is one that the dynamic loader picks by CPU (an ifunc), past SPLEETERRT_ISA."""
    path = Path(str(getattr(module, "__file__", "")))
    tables = [
        subprocess.run(["readelf", *options, path], capture_output=True, text=True, check=True).stdout
        for options in (["-W", "--dyn-syms"], ["-W", "-s"], ["-W", "-r"])
    ]
    assert "JUMP_SLO" in tables[2] or "GLOB_DAT" in tables[2]  # readelf did read it
    # Of a symbol: number, value, size, type; an ifunc's is the tenth of those that belong to the system.
    for mark in (r"\d+: [0-9a-f]+ +\d+ (IFUNC|<OS specific>: 10) ", "IRELATIV", r"\.resolver"):
        assert not any(re.search(mark, table) for table in tables), mark
