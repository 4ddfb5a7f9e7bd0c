"""`FFmpegEncoder`: one stem's file by FFmpeg (PyAV), for the codecs that libsndfile cannot write."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoder import Encoder, Sink
from .ffmpeg_source import open_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONTAINERS = {"m4a": "ipod", "wma": "asf"}
_ENCODERS = {"m4a": "aac", "wma": "wmav2"}


class FFmpegEncoder(Encoder):
    """As `Encoder`.

    M4A: an edit list tells players the encoder's delay and the exact length. WMA has no such thing:
    decoders drop two of its frames, and the file ends with some silence.
    """

    _position = 0  # frames given to FFmpeg, with the silence around them
    _stream: Any = None

    def _errors(self) -> tuple[type[Exception], ...]:
        import av

        return (av.FFmpegError, OSError, ValueError, TypeError)

    def _open_file(self, sink: Sink) -> Any:
        import av

        format = self._format
        options = {
            # The edit list counts in the movie's time scale: frames, instead of milliseconds.
            "m4a": {"movie_timescale": str(format.rate)},
            # Of the usual size, packets would be filled up by half at higher bitrates.
            "wma": {"packet_size": "32000"},
        }[format.codec]
        kind = "mp4" if self._target.suffix.lower() == ".mp4" else _CONTAINERS[format.codec]
        container = av.open(sink, mode="w", format=kind, container_options=options)
        stream: Any = container.add_stream(_ENCODERS[format.codec], rate=format.rate)
        stream.codec_context.layout = _LAYOUTS[format.channels]
        stream.codec_context.format = "fltp"
        stream.codec_context.bit_rate = format.bits_per_second
        stream.codec_context.time_base = Fraction(1, format.rate)
        stream.codec_context.open()
        self._file, self._stream = container, stream
        if format.codec == "wma":
            # FFmpeg's encoder is one frame late, decoders expect two.
            self._put(self._silence(1))
        return container

    def _put(self, block: NDArray[Any]) -> None:
        import av

        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(block.T, np.float32), format="fltp", layout=_LAYOUTS[self._format.channels]
        )
        frame.sample_rate = self._format.rate
        frame.time_base = Fraction(1, self._format.rate)
        frame.pts = self._position
        self._position += len(block)
        self._mux(frame)

    def _drain(self) -> None:
        if self._format.codec == "wma":
            self._call(self._put, self._silence(2))
        self._call(self._mux, None)

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._file.mux(packet)

    def _silence(self, encoder_frames: int) -> NDArray[Any]:
        size = self._stream.codec_context.frame_size
        return np.zeros((encoder_frames * size, self._format.channels), np.float32)

    def _properties(self, path: Path) -> tuple[int, int, int | None]:
        with open(path, "rb") as file, open_input(file) as container:
            stream = container.streams.best("audio")
            if stream is None:
                raise ValueError("it has no audio")
            rate, channels = stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels
            if self._format.codec == "m4a":
                return rate, channels, round((stream.duration or 0) * stream.time_base * rate)
            if (container.duration or 0) / 1_000_000 < self._frames / self._format.rate:
                raise ValueError(f"it has only {(container.duration or 0) / 1_000_000} seconds")
            return rate, channels, None


_LAYOUTS = {1: "mono", 2: "stereo"}
