"""Studio effects on floating-point [samples, 2]: what stands between an instrument and a mix."""

from __future__ import annotations

import numpy as np
from scipy.signal import butter, fftconvolve, lfilter, sosfilt

RATE = 44100
TAIL = 2.0  # seconds that an instrument may sound after its last note


def lowpass(x: np.ndarray, frequency: float) -> np.ndarray:
    return sosfilt(butter(2, min(frequency, RATE * 0.45), fs=RATE, output="sos"), x, axis=0)


def highpass(x: np.ndarray, frequency: float) -> np.ndarray:
    return sosfilt(butter(2, frequency, "highpass", fs=RATE, output="sos"), x, axis=0)


def peaking(x: np.ndarray, frequency: float, gain_db: float, q: float) -> np.ndarray:
    """One band of an equaliser (R. Bristow-Johnson, Audio EQ Cookbook)."""
    a, w = 10 ** (gain_db / 40), 2 * np.pi * frequency / RATE
    alpha = np.sin(w) / (2 * q)
    b = np.array([1 + alpha * a, -2 * np.cos(w), 1 - alpha * a])
    c = np.array([1 + alpha / a, -2 * np.cos(w), 1 - alpha / a])
    return lfilter(b / c[0], c / c[0], x, axis=0)


def equalise(rng: np.random.Generator, x: np.ndarray, most_db: float = 6.0) -> np.ndarray:
    for _ in range(int(rng.integers(1, 4))):
        frequency = float(np.exp(rng.uniform(np.log(60), np.log(12000))))
        x = peaking(x, frequency, rng.uniform(-most_db, most_db), rng.uniform(0.4, 2.0))
    return x


def gain_curve(x: np.ndarray, threshold_db: float, ratio: float, attack: float, release: float) -> np.ndarray:
    """A compressor's gain [samples, 1] for the signal that it listens to; times in seconds."""
    hop = 64
    blocks = -(-len(x) // hop)
    power = np.zeros(blocks * hop)
    power[: len(x)] = (x**2).max(axis=1)
    level = 10 * np.log10(power.reshape(blocks, hop).max(1) + 1e-10)
    over = np.maximum(0, level - threshold_db) * (1 - 1 / ratio)
    rise, fall = (np.exp(-hop / (RATE * seconds)) for seconds in (attack, release))
    state, smooth = 0.0, np.empty(blocks)
    for i, wanted in enumerate(over.tolist()):
        keep = rise if wanted > state else fall
        state = keep * state + (1 - keep) * wanted
        smooth[i] = state
    times = np.arange(len(x)) / hop
    return 10 ** (-np.interp(times, np.arange(blocks), smooth) / 20)[:, None]


def compress(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    level = 10 * np.log10((x**2).mean() + 1e-10)
    threshold = level + rng.uniform(-4, 10)
    return x * gain_curve(x, threshold, rng.uniform(1.5, 5), rng.uniform(0.002, 0.03), rng.uniform(0.05, 0.3))


def decay_noise(rng: np.random.Generator, seconds: float) -> np.ndarray:
    """A room's impulse response [samples, 2]: noise that dies away, the treble sooner."""
    n = round(seconds * RATE)
    t = np.arange(n)[:, None] / RATE
    noise = rng.normal(size=(n, 2))
    dark = lowpass(noise, rng.uniform(1500, 5000))
    tail = (noise * np.exp(-t * 14 / seconds) * 0.5 + dark * np.exp(-t * 6.9 / seconds)) * (
        t > rng.uniform(0.0, 0.03)
    )
    return tail / np.sqrt((tail**2).sum(0) + 1e-12)


def reverb(rng: np.random.Generator, x: np.ndarray, wet: float) -> np.ndarray:
    seconds = float(np.exp(rng.uniform(np.log(0.2), np.log(2.5))))
    room = decay_noise(rng, seconds)
    echo = fftconvolve(x, room, axes=0)[: len(x)]
    return x + highpass(echo, 150) * wet


def delay(rng: np.random.Generator, x: np.ndarray, beat: float) -> np.ndarray:
    """Echoes in time with the song, from side to side."""
    samples = round(beat * float(rng.choice([0.5, 0.75, 1.0])) * RATE)
    out, echo = x.copy(), x
    for _ in range(3):
        echo = np.concatenate([np.zeros((samples, 2)), lowpass(echo, 4000)[:-samples, ::-1]]) * rng.uniform(
            0.2, 0.4
        )
        out = out + echo
    return out


def saturate(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    level = np.abs(x).max() + 1e-9
    drive = rng.uniform(0.5, 3)
    return np.tanh(x / level * drive) / np.tanh(drive) * level


def place(rng: np.random.Generator, x: np.ndarray, most: float) -> np.ndarray:
    """Narrows or widens the sides and pans."""
    middle, side = x.mean(1), (x[:, 0] - x[:, 1]) / 2 * rng.uniform(0, 1.3)
    pan = rng.uniform(-most, most)
    left, right = np.cos((pan + 1) * np.pi / 4), np.sin((pan + 1) * np.pi / 4)
    return np.stack([middle * left + side, middle * right - side], 1) * np.sqrt(2)


def double(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """One part played twice, left and right: the copies differ by a slow delay (also a chorus)."""
    n = np.arange(len(x))
    wobble = 0.008 + 0.004 * np.sin(2 * np.pi * rng.uniform(0.1, 0.8) * n / RATE + rng.uniform(0, 6))
    middle = x.mean(1)
    late = np.interp(n - wobble * RATE, n, middle)
    return np.stack([middle, late], 1)


def bass_amplifier(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """The clean bass and a driven copy without its lows, mixed."""
    level = np.sqrt((x**2).mean()) + 1e-9
    dirty = np.tanh(highpass(x, rng.uniform(60, 300)) / level * np.exp(rng.uniform(0, np.log(20))))
    return x + lowpass(dirty, rng.uniform(1500, 5000)) * level * rng.uniform(0.1, 1.0)
