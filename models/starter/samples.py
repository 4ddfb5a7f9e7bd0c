"""Sampled instruments: a folder of single notes, the nearest of which plays every key; and sampled drums."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr
from compose import Note
from effects import RATE, TAIL
from sources import Kit, Sampled

HIGHEST_BASS = 55  # some basses' samples go far higher than basses do
NAMES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}


def note_number(name: str) -> int:
    """The MIDI key of "c4" (60), "F#2", "Bb3"; without an octave that from a bass's lowest string on."""
    key = NAMES[name[0].lower()] + name.count("#") - name[1:].count("b")
    octave = name.lstrip("abcdefgABCDEFG#")
    return key + 12 * (int(octave) + 1) if octave else 28 + (key - 28) % 12


@functools.cache
def files_of(instrument: Sampled) -> dict[int, list[Path]]:
    """Every key's files."""
    result: dict[int, list[Path]] = {}
    for path in sorted(instrument.folder.rglob("*")):
        match = instrument.pattern.fullmatch(path.name)
        if match:
            text = match["key"]
            key = int(text or 0) if text.isdigit() or not text else note_number(text)
            result.setdefault(key + instrument.shift, []).append(path)
    if not result:
        raise SystemExit(f"{instrument.folder}: no samples like {instrument.pattern.pattern}; see sources.py")
    return result


@functools.lru_cache(maxsize=400)
def load(path: Path, semitones: int) -> np.ndarray:
    """Float32 [samples, 2] at 44.1 kHz, without the silence before it, peak 1."""
    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    data = data[: rate * 6]
    loud = np.abs(data).max(1) > 0.02 * np.abs(data).max()
    data = data[max(0, int(np.argmax(loud)) - rate // 500) :]
    data = soxr.resample(data, rate * 2 ** (semitones / 12), RATE)
    data = np.repeat(data, 2, 1)[:, :2] if data.shape[1] == 1 else data[:, :2]
    return data / max(1e-6, float(np.abs(data).max()))


def render_sampled(
    rng: np.random.Generator, instrument: Sampled, notes: list[Note], seconds: float
) -> np.ndarray:
    """Float32 [samples, 2]."""
    total = round((seconds + TAIL) * RATE)
    out = np.zeros((total, 2), np.float32)
    files = files_of(instrument)
    if "bass" in instrument.roles:
        files = {key: paths for key, paths in files.items() if key <= HIGHEST_BASS}
    release = float(rng.uniform(0.03, 0.25))
    layer = rng.random()  # of each key's files, one way of playing
    for note in notes:
        key = min(files, key=lambda k: (abs(k - note.pitch), k))
        path = files[key][int(layer * len(files[key]))]
        sound = load(path, round(note.pitch) - key)
        start = round(note.start * RATE)
        sound = sound[: max(0, min(total - start, round((note.length + release * 5) * RATE)))]
        after = np.maximum(0, np.arange(len(sound)) / RATE - note.length)
        envelope = np.exp(-after / release) * (note.velocity / 127) ** 1.2
        out[start : start + len(sound)] += sound * envelope[:, None].astype(np.float32)
    return out


@functools.cache
def drums_of(kit: Kit) -> dict[str, list[Path]]:
    """Every kind's files."""
    files = sorted(path for path in kit.folder.rglob("*") if path.suffix in (".wav", ".flac"))
    if not files:
        raise SystemExit(f"{kit.folder}: no samples; see sounds.py")
    names = {path: path.relative_to(kit.folder).as_posix() for path in files}
    return {
        kind: [path for path, name in names.items() if re.fullmatch(pattern, name)]
        for kind, pattern in kit.patterns.items()
    }
