"""A subtractive synthesiser: mixed oscillators through a resonant low-pass filter that moves.

The moving filter is a cross-fade of a few fixed ones, which one pass each makes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from compose import Note, pick
from effects import RATE, TAIL
from scipy.signal import lfilter

CUTOFFS = np.geomspace(60, 12000, 6)  # Hz, of the fixed filters

WAVES = {  # of phases in cycles, and a width
    "saw": lambda p, w: 2 * (p % 1) - 1,
    "pulse": lambda p, w: np.where(p % 1 < w, 1.0, -1.0),
    "triangle": lambda p, w: 4 * np.abs(p % 1 - 0.5) - 1,
    "sine": lambda p, w: np.sin(2 * np.pi * p),
    "fm": lambda p, w: np.sin(2 * np.pi * p + 4 * w * np.sin(2 * np.pi * p)),
    "fm2": lambda p, w: np.sin(2 * np.pi * p + 3 * w * np.sin(4 * np.pi * p)),
}


@dataclass
class Patch:
    """One sound; frequencies in Hz, times in seconds."""

    oscillators: tuple[tuple[str, float, float, float], ...]  # wave, ratio, level, side (-1 to 1)
    width: float
    noise: float
    closed: float  # the filter's cutoff at rest
    opened: float  # and when a note begins
    fall: float  # 1/s, from opened to closed
    resonance: float
    wobble: tuple[float, float]  # octaves and Hz of the cutoff's slow movement
    attack: float
    decay: float  # 1/s
    sustain: float
    release: float
    drop: float  # octaves that a note begins too high (drum-like basses)
    drop_speed: float
    glide: float  # from the note before
    vibrato: float  # cents
    drive: float

    @staticmethod
    def draw(rng: np.random.Generator, role: str) -> Patch:
        bass, pad = role == "bass", role == "pad"
        kind = rng.random()
        booming = bass and kind < 0.25  # an 808's kick as a bass
        count = 1 if booming else int(rng.integers(1, 4 if bass else 6))
        detune = float(np.exp(rng.uniform(np.log(0.0005), np.log(0.02))))
        spread = 0.0 if bass and rng.random() < 0.8 else float(rng.uniform(0, 1))
        waves = ("sine", "triangle") if booming else tuple(WAVES)
        same = pick(rng, waves)
        oscillators = []
        for i in range(count):
            octave = 1.0 if i == 0 or rng.random() < 0.7 else float(pick(rng, (0.5, 2.0, 1.5)))
            wave = same if rng.random() < 0.6 else pick(rng, waves)
            offset = i - (count - 1) / 2
            oscillators.append(
                (
                    wave,
                    octave * (1 + offset * detune),
                    float(rng.uniform(0.4, 1)),
                    spread * float(np.sign(offset)),
                )
            )
        if bass and rng.random() < 0.4:
            oscillators.append(("sine", float(pick(rng, (1.0, 0.5, 1.0))), float(rng.uniform(0.3, 1.2)), 0.0))
        closed = float(np.exp(rng.uniform(np.log(80 if bass else 300), np.log(1200 if bass else 6000))))
        return Patch(
            oscillators=tuple(oscillators),
            width=float(rng.uniform(0.1, 0.5)),
            noise=float(rng.uniform(0, 0.1)) if rng.random() < 0.2 else 0.0,
            closed=closed,
            opened=min(12000.0, closed * 2 ** float(rng.uniform(0, 5))),
            fall=float(np.exp(rng.uniform(np.log(0.5), np.log(30)))),
            resonance=float(np.exp(rng.uniform(np.log(0.6), np.log(6 if rng.random() < 0.4 else 1.5)))),
            wobble=slow_movement(rng),
            attack=float(rng.uniform(0.05, 0.4) if pad else np.exp(rng.uniform(np.log(0.001), np.log(0.03)))),
            decay=float(np.exp(rng.uniform(np.log(0.5), np.log(12)))),
            sustain=float(rng.uniform(0.5, 1) if pad else rng.choice([0.0, rng.uniform(0.3, 1)], p=[0.4, 0.6])
                          if role != "pluck" else 0.0),
            release=float(rng.uniform(0.2, 0.8) if pad else rng.uniform(0.01, 0.2)),
            drop=float(rng.uniform(0.5, 3)) if booming else 0.0,
            drop_speed=float(rng.uniform(20, 80)),
            glide=float(rng.uniform(0.02, 0.12)) if rng.random() < 0.2 and not pad else 0.0,
            vibrato=float(rng.uniform(0, 30)) if rng.random() < 0.3 and not bass else 0.0,
            drive=float(np.exp(rng.uniform(np.log(0.5), np.log(6)))) if rng.random() < 0.5 else 0.0,
        )  # fmt: skip


def slow_movement(rng: np.random.Generator) -> tuple[float, float]:
    if rng.random() >= 0.2:
        return 0.0, 1.0
    return float(rng.uniform(0.5, 2.5)), float(rng.uniform(0.1, 8))


def render_patch(rng: np.random.Generator, patch: Patch, notes: list[Note], seconds: float) -> np.ndarray:
    """Float32 [samples, 2]."""
    total = round((seconds + TAIL) * RATE)
    inputs = np.zeros((len(CUTOFFS), total, 2), np.float32)
    before: float | None = None
    for note in sorted(notes):
        start = round(note.start * RATE)
        count = min(total - start, round((note.length + patch.release * 4) * RATE))
        if count <= 1:
            continue
        t = np.arange(count) / RATE
        pitch = np.full(count, float(note.pitch))
        if patch.glide and before is not None and abs(before - note.pitch) < 13:
            pitch += (before - note.pitch) * np.exp(-t / patch.glide * 3)
        before = note.pitch
        pitch += patch.vibrato / 100 * np.sin(2 * np.pi * 5.5 * t) * np.minimum(1, t / 0.4)
        frequency = 440 * 2 ** ((pitch - 69) / 12 + patch.drop * np.exp(-t * patch.drop_speed))
        cycles = np.cumsum(frequency) / RATE
        envelope = patch.sustain + (1 - patch.sustain) * np.exp(-t * patch.decay)
        envelope *= np.minimum(1, t / patch.attack)
        envelope *= np.exp(-np.maximum(0, t - note.length) / patch.release) * (note.velocity / 127)
        sides = np.zeros((count, 2))
        for wave, ratio, level, side in patch.oscillators:
            sound = level * WAVES[wave](cycles * ratio + rng.random(), patch.width)
            sides += sound[:, None] * np.array([1 - side * 0.7, 1 + side * 0.7])
        if patch.noise:
            sides += patch.noise * rng.normal(size=(count, 2))
        sides *= envelope[:, None] / len(patch.oscillators)
        octaves, hertz = patch.wobble
        cutoff = patch.closed + (patch.opened - patch.closed) * np.exp(-t * patch.fall)
        cutoff = cutoff * 2 ** (octaves * np.sin(2 * np.pi * hertz * (note.start + t)))
        position = np.interp(np.log(cutoff), np.log(CUTOFFS), np.arange(len(CUTOFFS)))
        for i, channel in enumerate(inputs):
            weight = np.maximum(0, 1 - np.abs(position - i))
            if weight.any():
                channel[start : start + count] += sides * weight[:, None]
    out = np.zeros((total, 2))
    for cutoff, channel in zip(CUTOFFS, inputs, strict=True):
        if channel.any():
            out += resonant_lowpass(channel, cutoff, patch.resonance)
    if patch.drive:
        level = np.abs(out).max() + 1e-9
        out = np.tanh(out / level * patch.drive * 2) * level
    return out.astype(np.float32)


def resonant_lowpass(x: np.ndarray, frequency: float, q: float) -> np.ndarray:
    """R. Bristow-Johnson, Audio EQ Cookbook."""
    w = 2 * np.pi * frequency / RATE
    alpha, cosine = np.sin(w) / (2 * q), np.cos(w)
    b = np.array([(1 - cosine) / 2, 1 - cosine, (1 - cosine) / 2])
    return lfilter(b / (1 + alpha), [1, -2 * cosine / (1 + alpha), (1 - alpha) / (1 + alpha)], x, axis=0)
