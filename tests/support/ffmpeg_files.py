"""Files for the tests of FFmpeg's formats, made by PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


def make(
    path: Path,
    data: np.ndarray,
    rate: int = 44100,
    *,
    codec: str = "aac",
    container: str | None = None,
    format: str = "fltp",
    layout: str | None = None,
    bitrate: int = 192_000,
    video: bool = False,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Encode float32 (frames, channels); `format`: the sample format given to the encoder."""
    import av

    layout = layout or LAYOUTS[data.shape[1]]
    with av.open(str(path), "w", format=container, container_options=options or {}) as out:
        out.metadata.update(metadata or {})
        stream = out.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        stream.codec_context.format = format
        stream.codec_context.bit_rate = bitrate
        if video:
            add_video(out, len(data) / rate)
        size = 1024
        for start in range(0, len(data), size):
            frame = av.AudioFrame.from_ndarray(
                convert(data[start : start + size], format), format=format, layout=layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def add_video(out: object, seconds: float) -> None:
    import av

    stream = out.add_stream("mpeg4", rate=10)
    stream.width = stream.height = 32
    stream.pix_fmt = "yuv420p"
    for number in range(max(1, round(seconds * 10))):
        frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), number % 250, np.uint8), format="rgb24")
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def convert(data: np.ndarray, format: str) -> np.ndarray:
    """As PyAV takes it: planar (channels, n), else (1, n * channels)."""
    kind = format.rstrip("p")
    scale, dtype = {
        "u8": (127, np.uint8),
        "s16": (32767, np.int16),
        "s32": (2147483000, np.int32),
        "flt": (1, np.float32),
        "dbl": (1, np.float64),
    }[kind]
    values = data.astype(np.float64) * scale
    if kind == "u8":
        values = np.rint(values) + 128
    elif kind != "flt" and kind != "dbl":
        values = np.rint(values)
    values = values.astype(dtype)
    return np.ascontiguousarray(values.T if format.endswith("p") else values.reshape(1, -1))
