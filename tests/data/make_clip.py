"""Make `clip.ogg`, ten seconds of music for the tests, from CC0 recordings.

    python make_clip.py SAMPLES_FOLDER [OUTPUT]

SAMPLES_FOLDER is `share/sonic-pi/samples` of Sonic Pi (Debian package `sonic-pi-samples`);
README.md names the recordings. Needs numpy, soundfile and soxr. The samples of the output are the
same each time; the bytes differ by the random serial number of an Ogg stream.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr

RATE = 44100
SECONDS = 10
BEAT = 0.5  # seconds: 120 beats per minute
ENCODER_FRAMES = 4096


def load(folder: Path, name: str, semitones: float = 0.0) -> np.ndarray:
    """A recording as float64 (samples, 2), transposed by resampling."""
    data, rate = soundfile.read(folder / f"{name}.flac", always_2d=True)
    data = soxr.resample(data, rate * 2 ** (semitones / 12), RATE)
    return data if data.shape[1] == 2 else np.repeat(data, 2, axis=1)


def place(track: np.ndarray, sound: np.ndarray, seconds: float, gain: float, pan: float, hold: float) -> None:
    """Add `sound` at a time, cut after `hold` seconds with a short fade; pan in [-1, 1]."""
    start = round(seconds * RATE)
    sound = sound[: min(round(hold * RATE), len(track) - start)].copy()
    fade = min(len(sound), round(0.03 * RATE))
    sound[len(sound) - fade :] *= np.linspace(1, 0, fade)[:, np.newaxis]
    sound *= gain * np.sqrt([1 - pan, 1 + pan])
    track[start : start + len(sound)] += sound


def mix(folder: Path) -> np.ndarray:
    """The clip, float32 (samples, 2), peak 0.9."""
    out = np.zeros((SECONDS * RATE, 2))
    kick, snare = load(folder, "drum_bass_soft"), load(folder, "drum_snare_soft")
    hat, splash = load(folder, "drum_cymbal_closed"), load(folder, "drum_splash_soft")
    for beat in range(int(SECONDS / BEAT)):
        time = beat * BEAT
        if beat % 2 == 0:
            place(out, kick, time, 0.9, 0.0, 0.5)
        else:
            place(out, snare, time, 0.7, 0.1, 0.5)
        for half in (0.0, BEAT / 2):
            place(out, hat, time + half, 0.35 if half else 0.5, -0.3, 0.25)
    for time in (0.0, 8 * BEAT, 16 * BEAT):
        place(out, splash, time, 0.4, 0.4, 1.8)
    notes = (4, 4, 7, 4, 2, 2, -1, 2)  # semitones above C: E E G E D D B D
    for index in range(int(SECONDS / (2 * BEAT))):
        note = load(folder, "bass_woodsy_c", notes[index % len(notes)])
        place(out, note, index * 2 * BEAT, 0.5, 0.0, 1.7 * BEAT)
    place(out, load(folder, "guit_em9"), 0.0, 0.7, -0.4, 9.8)
    choir = {shift: load(folder, "ambi_choir", shift) for shift in (-2, 0, 3)}
    for time, shift in ((2.0, 0), (3.5, 3), (5.0, 0), (6.0, -2), (7.5, 0), (8.5, 3)):
        place(out, choir[shift], time, 0.8, 0.25, 1.4)
    return (out * (0.9 / np.abs(out).max())).astype(np.float32)


def main() -> None:
    folder = Path(sys.argv[1])
    output = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("clip.ogg")
    clip = mix(folder)
    # Quality 0.5 (160 kbit/s), in blocks: libsndfile overflows its stack on long ones.
    with soundfile.SoundFile(
        output, "w", RATE, 2, format="OGG", subtype="VORBIS", compression_level=0.5
    ) as file:
        for start in range(0, len(clip), ENCODER_FRAMES):
            file.write(clip[start : start + ENCODER_FRAMES])
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
