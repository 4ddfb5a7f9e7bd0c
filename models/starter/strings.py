"""Plucked strings by the sum of their partials: basses and guitars of any make.

A string plucked at a part p of its length and heard at a part q has partials k of the strength
sin(pi k p) sin(pi k q) / k^a, which die the sooner the higher they are, and lie a little above the multiples
of the lowest (N. Fletcher, T. Rossing: The Physics of Musical Instruments, chapters 2 and 9).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from compose import Note
from effects import RATE, TAIL, highpass, lowpass, peaking

HIGHEST = 11000.0  # Hz, of the partials


@dataclass
class Pluck:
    """One instrument and one way to play it."""

    place: float  # of the pluck, as a part of the string
    pickup: float  # where it is heard
    slope: float  # a, of the partials' strengths
    decay: float  # 1/s, of the lowest partial
    bright: float  # Hz, from which on partials die soon
    steep: float
    stiffness: float
    mute: float  # 1/s, after the note's end
    click: float  # the finger's or plectrum's noise
    click_hertz: float
    bodies: tuple[tuple[float, float], ...]  # resonances: Hz, dB

    @staticmethod
    def draw(rng: np.random.Generator, upright: bool = False, guitar: bool = False) -> Pluck:
        hollow = upright or (guitar and rng.random() < 0.5)
        bodies = tuple(
            (float(rng.uniform(70, 500)), float(rng.uniform(2, 9))) for _ in range(3 if hollow else 0)
        )
        return Pluck(
            place=float(rng.uniform(0.05, 0.35)),
            pickup=float(rng.uniform(0.06, 0.3)),
            slope=float(rng.uniform(0.5, 1.7)),
            decay=float(np.exp(rng.uniform(np.log(0.4), np.log(4.0)))) * (2 if upright else 1),
            bright=float(np.exp(rng.uniform(np.log(250), np.log(3000)))) * (0.5 if upright else 1),
            steep=float(rng.uniform(0.8, 2.0)),
            stiffness=float(np.exp(rng.uniform(np.log(1e-5), np.log(3e-4)))),
            mute=float(rng.uniform(12, 80)),
            click=float(np.exp(rng.uniform(np.log(0.002), np.log(0.15)))),
            click_hertz=float(rng.uniform(800, 6000)),
            bodies=bodies,
        )

    def note(self, rng: np.random.Generator, pitch: float, seconds: float, strength: float) -> np.ndarray:
        """Float64 [samples], as loud as the string is struck (0 to 1), which also makes it brighter."""
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        n = round(seconds * RATE)
        t = np.arange(n) / RATE
        k = np.arange(1, max(2, min(60, int(HIGHEST / frequency))))
        stretched = k * np.sqrt(1 + self.stiffness * k**2)
        k, stretched = k[stretched * frequency < HIGHEST], stretched[stretched * frequency < HIGHEST]
        amplitude = np.sin(np.pi * k * self.place) * np.abs(np.sin(np.pi * k * self.pickup)) + 0.03
        amplitude *= k ** -(self.slope + 0.8 * (1 - strength))
        decay = self.decay * (1 + (stretched * frequency / self.bright) ** self.steep)
        phase = 2 * np.pi * frequency * (t - 0.004 / 20 * np.exp(-20 * t))  # a struck string starts sharp
        out = np.zeros(n)
        for a, d, ratio in zip(amplitude, decay, stretched, strict=True):
            heard = min(n, round(9 / d * RATE) + 1)
            out[:heard] += a * np.exp(-d * t[:heard]) * np.sin(ratio * phase[:heard])
        out *= strength / (np.abs(out).max() + 1e-9)
        burst = min(n, RATE // 20)
        noise = rng.normal(size=(burst, 1)) * np.exp(-t[:burst, None] * 200)
        out[:burst] += self.click * strength * lowpass(noise, self.click_hertz)[:, 0]
        return out * np.minimum(1, t / 0.001)


def render_string(rng: np.random.Generator, pluck: Pluck, notes: list[Note], seconds: float) -> np.ndarray:
    """Float32 [samples, 2]; equal notes are the same pluck, damped when they end."""
    total = round((seconds + TAIL) * RATE)
    out = np.zeros(total)
    known: dict[tuple[float, int], np.ndarray] = {}
    longest = max((note.length for note in notes), default=0.0) + 0.3
    for note in notes:
        key = (note.pitch, note.velocity // 24)
        if key not in known:
            known[key] = pluck.note(rng, note.pitch, min(longest, 4.0), (key[1] + 1) * 24 / 144)
        start = round(note.start * RATE)
        sound = known[key][: min(total - start, round((note.length + 0.25) * RATE))]
        if not len(sound) or start >= total:
            continue
        after = np.maximum(0, np.arange(len(sound)) / RATE - note.length)
        out[start : start + len(sound)] += sound * np.exp(-pluck.mute * after) * (note.velocity / 127)
    stereo = np.repeat(out[:, None], 2, 1)
    for frequency, gain in pluck.bodies:
        stereo = peaking(stereo, frequency, gain, 2.0)
    return highpass(stereo, 25).astype(np.float32)
