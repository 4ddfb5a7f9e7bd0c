"""Signals, files and damage for the tests of `spleeterrt.audio`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

CLIP = Path(__file__).parents[1] / "data" / "clip.ogg"


def noise(frames: int, channels: int = 2, amplitude: float = 0.25, seed: int = 0) -> np.ndarray:
    """White noise, float32 (frames, channels), within +-amplitude."""
    generator = np.random.default_rng(seed)
    return generator.uniform(-amplitude, amplitude, (frames, channels)).astype(np.float32)


def tones(frames: int, channels: int = 2, rate: int = 44100, amplitude: float = 0.25) -> np.ndarray:
    """A swept sine per channel, float32: smooth, so that lossy codecs keep it, and never periodic."""
    time = np.arange(frames) / rate
    waves = [np.sin(2 * np.pi * (200 + 70 * c + 300 * time) * time) for c in range(channels)]
    return (amplitude * np.stack(waves, axis=1)).astype(np.float32)


def write(
    path: Path, data: np.ndarray, rate: int = 44100, subtype: str | None = None, **options: object
) -> Path:
    """Write a file by soundfile alone, in blocks that all its encoders take."""
    kind = path.suffix[1:].upper()
    with soundfile.SoundFile(path, "w", rate, data.shape[1], format=kind, subtype=subtype, **options) as file:
        for start in range(0, len(data), 4096):
            file.write(data[start : start + 4096])
    return path


def truncate(source: Path, fraction: float, target: Path | None = None) -> Path:
    """Keep the first part of a file's bytes."""
    target = target or source.with_name("truncated" + source.suffix)
    data = source.read_bytes()
    target.write_bytes(data[: int(len(data) * fraction)])
    return target


def mp3_frame_starts(data: bytes) -> list[int]:
    """Positions of the MPEG-1 layer III frames that follow each other from the start."""
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    rates = (44100, 48000, 32000)
    starts, at = [], 0
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] & 0xFE == 0xFA:
        starts.append(at)
        bitrate, rate = kbits[data[at + 2] >> 4], rates[(data[at + 2] >> 2) & 3]
        at += 144000 * bitrate // rate + ((data[at + 2] >> 1) & 1)
    return starts


def mp3_bitrates(path: Path) -> set[int]:
    """The kbit/s of all frames of an MPEG-1 layer III file."""
    kbits = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    data = path.read_bytes()
    return {kbits[data[at + 2] >> 4] for at in mp3_frame_starts(data)}


def drop_mp3_info(source: Path, target: Path) -> Path:
    """Remove the first frame (the Info/Xing header): the length is then unknown."""
    data = source.read_bytes()
    target.write_bytes(data[mp3_frame_starts(data)[1] :])
    return target
