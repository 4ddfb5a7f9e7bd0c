"""`spleeterrt.plot`: the spectrogram against plain numpy, whatever the blocks and the length; the picture."""

from __future__ import annotations

import io
import sys
import tracemalloc
import warnings

import numpy as np
import pytest

from spleeterrt import SpleeterError, plot
from spleeterrt.plot import Spectrogram, SpectrogramBuilder, draw

FRAME, STEP, RATE = 4096, 1024, 44100


def build(wave: np.ndarray, block: int = 10_000, **options: float) -> Spectrogram:
    builder = SpectrogramBuilder(**options)
    for start in range(0, len(wave), block):
        builder.add(wave[start : start + block])
    return builder.finish()


def plain(wave: np.ndarray, rows: int, per_column: int = 1) -> np.ndarray:
    """Frames centred on multiples of the step; means over channels, pairs of bins and a column's frames."""
    frames = -(-len(wave) // STEP)
    padded = np.zeros((frames * STEP + FRAME, 2))
    padded[FRAME // 2 : FRAME // 2 + len(wave)] = wave
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
    cut = np.stack([padded[k * STEP : k * STEP + FRAME] * window[:, None] for k in range(frames)])
    power = np.abs(np.fft.rfft(cut, axis=1)[:, : 2 * rows]) ** 2
    power = power.reshape(frames, rows, 4).mean(axis=2)
    return np.stack([power[k : k + per_column].mean(axis=0) for k in range(0, frames, per_column)], axis=1)


@pytest.mark.parametrize("samples", [1, 1000, 1024, 1025, 64 * 1024, 3 * 64 * 1024 + 777])
@pytest.mark.parametrize("block", [513, 10_000, 1_000_000])
def test_against_numpy(samples: int, block: int) -> None:
    wave = np.random.default_rng(samples).uniform(-0.5, 0.5, (samples, 2)).astype(np.float32)
    got = build(wave, block)
    expected = plain(wave, len(got.power))
    assert got.power.shape == expected.shape
    # float32 transforms against float64, relative to the loudest.
    assert np.abs(got.power - expected).max() < 2e-6 * expected.max()
    assert got.seconds == samples / RATE
    assert got.energy == pytest.approx(float((wave.astype(np.float64) ** 2).sum()))


def test_long_sounds_have_wider_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot, "MOST_COLUMNS", 32)
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (STEP * 150 - 5, 2)).astype(np.float32)
    got = build(wave)
    assert got.power.shape[1] == 19  # 150 frames, 8 a column
    assert got.column_seconds == 8 * STEP / RATE
    expected = plain(wave, len(got.power), per_column=8)
    assert np.abs(got.power - expected).max() < 2e-6 * expected.max()


def test_a_tone_is_where_it_belongs() -> None:
    time = np.arange(RATE) / RATE
    got = build(np.repeat(np.sin(2 * np.pi * 6000 * time)[:, None], 2, axis=1).astype(np.float32))
    row = int(got.power.sum(axis=1).argmax())
    assert abs((row + 0.25) * got.row_hz - 6000) <= got.row_hz / 2
    assert 15_000 <= len(got.power) * got.row_hz <= 17_000


def test_memory_does_not_depend_on_the_length() -> None:
    """Twice the sound, not one array more."""
    block = np.random.default_rng(1).uniform(-0.5, 0.5, (1 << 20, 2)).astype(np.float32)
    builder = SpectrogramBuilder()
    builder.add(block)
    tracemalloc.start()
    try:
        peaks = []
        for _ in range(2):
            tracemalloc.reset_peak()
            for _ in range(4):
                builder.add(block)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[1] <= peaks[0] + 10_000


@pytest.mark.parametrize(("khz", "rate"), [(22.05, 44100), (100, 44100), (15, 16000)])
def test_top_is_at_most_half_the_rate(khz: float, rate: int) -> None:
    got = build(np.ones((5000, 2), np.float32), top_khz=khz, sample_rate=rate)
    assert len(got.power) * got.row_hz <= rate / 2
    assert len(got.power) * got.row_hz > rate / 2 * 0.95


def test_what_makes_no_sense() -> None:
    with pytest.raises(SpleeterError, match="more than 0 kHz"):
        SpectrogramBuilder(0)
    with pytest.raises(SpleeterError, match="no samples"):
        SpectrogramBuilder().finish()
    with pytest.raises(SpleeterError, match="sample 3 "):
        SpectrogramBuilder().add(np.array([[0, 0], [0, 0], [0, 0], [np.nan, 0]], np.float32))


def test_without_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SpleeterError, match=r"pip install 'spleeterrt\[plot\]'"):
        draw("song", build(np.ones((5000, 2), np.float32)))


@pytest.fixture(name="sound")
def _sound() -> Spectrogram:
    return build(np.random.default_rng(2).uniform(-0.5, 0.5, (3 * RATE, 2)).astype(np.float32))


def pixels(picture: bytes) -> np.ndarray:
    from matplotlib.image import imread

    return np.asarray(imread(io.BytesIO(picture), format="png"))


def test_a_row_for_each_sound(sound: Spectrogram) -> None:
    pytest.importorskip("matplotlib")
    silence = build(np.zeros((RATE, 2), np.float32))
    one = pixels(draw("song", sound))
    three = pixels(draw("song", sound, [("vocals", sound), ("drums", silence)]))
    assert one.shape[1] == three.shape[1]
    assert three.shape[0] > 1.3 * one.shape[0]
    # The loud rows are coloured, the silent one is black; the last third of the picture holds it.
    middle = three[:, three.shape[1] // 2 - 20 : three.shape[1] // 2 + 20, :3]
    top, bottom = middle[: len(middle) // 3], middle[len(middle) * 2 // 3 :]
    assert np.median(top) > 0.3
    assert np.median(bottom) < 0.05


def test_the_same_input_gives_the_same_file(sound: Spectrogram) -> None:
    pytest.importorskip("matplotlib")
    for kind, start in (("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")):
        content = draw("song", sound, kind=kind)
        assert content.startswith(start)
        if kind != "svg":  # its clip paths have random names
            assert draw("song", sound, kind=kind) == content
    with pytest.raises(SpleeterError, match="picture format"):
        draw("song", sound, kind="gif")


def test_any_title_is_text(sound: Spectrogram) -> None:
    """No mathematics between dollars, no warning of letters that the font lacks, no settings changed."""
    matplotlib = pytest.importorskip("matplotlib")
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw("$\\frac{ \u6b4c _^ {", sound, [("$x$ \u6b4c", sound)])
    assert dict(matplotlib.rcParams) == before


def test_silence_is_drawn() -> None:
    pytest.importorskip("matplotlib")
    silence = build(np.zeros((5000, 2), np.float32))
    assert draw("nothing", silence, [("nothing", silence)]).startswith(b"\x89PNG")
