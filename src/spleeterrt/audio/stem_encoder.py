"""`StemSetEncoder`: one stem file, the mix and four stems as tracks of one MP4 file, by FFmpeg."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, wait
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .encoder import Sink
from .ffmpeg_encoder import FFmpegEncoder
from .ffmpeg_source import open_input
from .formats import Format
from .stem_files import add_manifest, manifest

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KINDS = {"int16": "s16p", "int24": "s32p"}
_MUXERS = {".mp4": "mp4", ".m4a": "ipod"}


class StemSetEncoder(FFmpegEncoder):
    """As `Encoder`; a block has the channels of all tracks side by side.

    Edit lists tell players the encoder's delay and the exact length, the same in all tracks.

    tracks: their names, the mix first.
    pool: for encoding several tracks at the same time.
    """

    def __init__(
        self,
        target: Path,
        format: Format,
        total_frames: int | None,
        tracks: Sequence[str],
        pool: Executor | None,
    ) -> None:
        super().__init__(target, format, total_frames)
        self._tracks, self._pool = tuple(tracks), pool
        self._streams: list[Any] = []
        self._kind = _KINDS[format.bit_depth] if format.lossless else "fltp"

    def finish(self) -> None:
        super().finish()
        try:
            self._size += add_manifest(self._temporary, manifest(self._tracks[1:]))
        except (OSError, ValueError) as error:
            raise self._failed(error) from error
        self._verify(self._temporary)

    def _open_file(self, sink: Sink) -> Any:
        import av

        format = self._format
        container = av.open(
            sink,
            mode="w",
            format=_MUXERS[self._target.suffix.lower()],
            # The edit lists count in the movie's time scale: frames, instead of milliseconds.
            container_options={"movie_timescale": str(format.rate)},
        )
        self._file = container
        for track in self._tracks:
            stream: Any = container.add_stream("alac" if format.lossless else "aac", rate=format.rate)
            context = stream.codec_context
            context.layout, context.format = "stereo", self._kind
            context.time_base = Fraction(1, format.rate)
            if not format.lossless:
                context.bit_rate = format.bits_per_second
            # Players that know nothing of stems play what is enabled: the mix alone.
            default = type(stream.disposition).default
            stream.disposition = default if track == self._tracks[0] else type(default)(0)
            stream.metadata["handler_name"] = track.capitalize()
            context.open()
            self._streams.append(stream)
        return container

    def _put(self, block: NDArray[Any]) -> None:
        frames = [self._frame(part) for part in np.split(block, len(self._tracks), axis=1)]
        self._position += len(block)
        self._mux(frames)

    def _frame(self, part: NDArray[Any]) -> Any:
        import av

        if self._kind == "s32p":
            part = part << 8  # FFmpeg takes the upper 24 bits
        elif self._kind == "fltp":
            part = part.astype(np.float32, copy=False)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part.T), format=self._kind, layout="stereo")
        frame.sample_rate, frame.time_base = self._format.rate, Fraction(1, self._format.rate)
        frame.pts = self._position
        return frame

    def _drain(self) -> None:
        self._call(self._mux, [None] * len(self._streams))

    def _mux(self, frames: Sequence[Any]) -> None:
        for packets in self._encoded(frames):
            for packet in packets:
                self._file.mux(packet)

    def _encoded(self, frames: Sequence[Any]) -> list[list[Any]]:
        """The packets of each stream, of a frame for each."""
        if self._pool is None:
            return [stream.encode(frame) for stream, frame in zip(self._streams, frames, strict=True)]
        running = [
            self._pool.submit(stream.encode, frame)
            for stream, frame in zip(self._streams, frames, strict=True)
        ]
        wait(running)  # all of them, so that no encoder is in use when an error makes us close it
        return [task.result() for task in running]

    def _properties(self, path: Path) -> tuple[int, int, int | None]:
        with open(path, "rb") as file, open_input(file) as container:
            found = {
                (
                    stream.codec_context.sample_rate,
                    stream.codec_context.layout.nb_channels,
                    round((stream.duration or 0) * stream.time_base * self._format.rate),
                )
                for stream in container.streams.audio
            }
            if len(container.streams.audio) != len(self._tracks) or len(found) != 1:
                raise ValueError("its tracks are not alike")
            return next(iter(found))
