"""What is done with damaged audio: files through the reader, streams through the parser for pipes."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from model_targets import Target
from mutations import mutate

from spleeterrt.audio.pcm import SampleTail, decode, read_wav_header
from spleeterrt.audio.reader import AudioReader

MOST_FRAMES = 1 << 22
_FORMATS = (
    ("wav", "WAV", "PCM_16"), ("wav", "WAV", "FLOAT"), ("wav", "WAVEX", "PCM_24"), ("wav", "RF64", "PCM_16"),
    ("w64", "W64", "PCM_16"), ("aiff", "AIFF", "PCM_16"), ("caf", "CAF", "PCM_16"), ("au", "AU", "PCM_16"),
    ("flac", "FLAC", "PCM_16"), ("ogg", "OGG", "VORBIS"), ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
)  # fmt: skip


def _sound(container: str, subtype: str) -> bytes:
    file = io.BytesIO()
    rate = 48000 if subtype == "OPUS" else 44100
    samples = 0.3 * np.sin(np.arange(9600)[:, None] * np.array([0.05, 0.09]))
    soundfile.write(file, samples.astype(np.float32), rate, format=container, subtype=subtype)
    return file.getvalue()


def audio_files(folder: Path) -> Target:
    """Through libsndfile, and FFmpeg where that is installed."""
    originals = [(ending, _sound(container, subtype)) for ending, container, subtype in _FORMATS]

    def run(rng: random.Random, number: int) -> None:
        ending, data = rng.choice(originals)
        file = folder / f"song.{ending}"
        file.write_bytes(mutate(rng, data, rng.choice((60, 300, 2000))) if number else data)
        options = {} if rng.random() < 0.7 else {"sample_rate": 44100, "offset": 0.05, "duration": 0.1}
        try:
            with AudioReader(file, **options) as reader:
                frames = 0
                for block in reader:
                    assert block.dtype == np.float32
                    assert block.ndim == 2
                    frames += len(block)
                    if frames > MOST_FRAMES:
                        break
        finally:
            file.unlink()

    return run


def wav_pipes(folder: Path) -> Target:
    """Headers, samples and the chunks behind them, in pieces of any size."""
    originals = [_sound(container, subtype) for _, container, subtype in _FORMATS[:4]]
    samples = originals[0][44:4044]
    unknown = (
        originals[0][:40]
        + bytes(4)
        + samples
        + b"LIST\x10\0\0\0INFOISFT\x04\0\0\0abc\0"
        + b"id3 \4\0\0\0ID3\3"
    )

    def run(rng: random.Random, number: int) -> None:
        data = rng.choice([*originals, unknown])
        if number:
            data = mutate(rng, data, rng.choice((60, len(data))))
            if rng.random() < 0.3:
                data += rng.choice((b"LIST", b"id3 ", b"cue ", b"LIST\4\0\0\0INFO")) * rng.randrange(1, 2000)
        stream = io.BytesIO(data)
        header = read_wav_header(stream.read, "pipe")
        size = header.format.bytes * header.channels
        tail, pending = SampleTail(), b""
        while piece := stream.read(rng.choice((1, 7, 1000, 65536))):
            pending += tail.feed(piece)
        pending += tail.end()
        assert tail.dropped + len(pending) <= len(data)
        whole = len(pending) // size
        assert decode(pending[: whole * size], header.format, header.channels).shape == (
            whole,
            header.channels,
        )

    return run


TARGETS: dict[str, Callable[[Path], Target]] = {"audio_files": audio_files, "wav_pipes": wav_pipes}
