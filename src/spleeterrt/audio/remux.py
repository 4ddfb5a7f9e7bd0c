"""A film with another sound: pictures and subtitles copied packet by packet, one audio track encoded anew.

    film = Film(path, container_of(path), stream, start)
    StemFileWriter({"no_vocals": target}, rate, films={"no_vocals": film})

The film's packets are read beside the sound, as far as the sound has come: in constant memory, but for the
index that some containers keep. Time stamps stay, so that the sound begins where the film's own did.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError
from .encoder import Encoder, Sink
from .ffmpeg_source import listed_tracks, open_input
from .films import Film
from .formats import Format

if TYPE_CHECKING:
    from numpy.typing import NDArray

logger = logging.getLogger("spleeterrt")


class FilmEncoder(Encoder):
    """As `Encoder`: the samples become the sound of a film."""

    def __init__(self, target: Path, format: Format, total_frames: int | None, film: Film) -> None:
        super().__init__(target, format, total_frames)
        self._film = film
        self._position = 0  # of the next sample, in frames
        self._source: Any = None  # the film's file
        self._input: Any = None
        self._stream: Any = None  # the sound
        self._outputs: dict[int, Any] = {}  # the other streams, by their index in the film
        self._aspects: list[Fraction] = []  # of the pixels
        self._packets: Iterator[Any] = iter(())
        self._next: Any = None  # packet of the film

    def write(self, block: NDArray[Any]) -> None:
        for start in range(0, len(block), _STEP):
            self._write(block[start : start + _STEP])

    def _errors(self) -> tuple[type[Exception], ...]:
        import av

        return (av.FFmpegError, OSError, ValueError, TypeError)

    def _open_file(self, sink: Sink) -> Any:
        import av

        container = self._film.container
        # The edit list of MP4 counts in the movie's time scale: frames, instead of milliseconds.
        edits = container.muxer in ("mp4", "mov", "3gp")
        options = {"movie_timescale": str(self._format.rate)} if edits else {}
        self._file = av.open(sink, mode="w", format=container.muxer, container_options=options)
        self._open_film()
        self._packets = self._film_packets()
        self._next = next(self._packets, None)
        self._position = round(self._film.start * self._format.rate)
        if container.late and self._next is not None:
            begin = round(_time(self._next) * self._format.rate)
            lead, self._position = self._position - begin, begin
            for start in range(0, lead, _STEP):
                self._put(np.zeros((min(_STEP, lead - start), self._format.channels), np.int16))
        return self._file

    def _open_film(self) -> None:
        """Streams like the film's in the output, the sound in the place of its own."""
        path, out = self._film.path, self._file
        self._source = open(path, "rb")  # noqa: SIM115 (closed by _close)
        self._input = open_input(self._source)
        if not any(_is_picture(stream) for stream in self._input.streams.video):
            raise AudioError(f"{path}: --remux needs a film, and the file has no pictures")
        left = []
        tracks = dict(enumerate(self._input.streams.audio, 1))
        others = {number: track for number, track in tracks.items() if track.index != self._film.stream}
        if others:
            left.append(f"audio track{'s' if len(others) > 1 else ''} {listed_tracks(others)}")
        for stream in self._input.streams:
            if stream.index == self._film.stream:
                self._stream = self._add_sound(stream)
            elif stream.type in ("video", "subtitle", "attachment"):
                try:
                    self._add_copy(stream)
                except self._errors() as error:
                    if stream.type == "video" and _is_picture(stream):
                        raise
                    left.append(f"a stream of {stream.type} ({error})")
            elif stream.type != "audio":
                left.append(f"a stream of {stream.type}")
        self._aspects = _aspects(self._input)
        if left:
            self.warnings.append(f"{path}: left out of the new film: {', '.join(left)}")
        out.metadata.update(self._input.metadata)
        if self._film.title is not None:
            out.metadata["title"] = self._film.title
        out.set_chapters(self._input.chapters())

    def _add_copy(self, stream: Any) -> None:
        if stream.type == "attachment":
            self._file.add_attachment(stream.name, stream.mimetype, stream.data)
            return
        copy = self._file.add_stream_from_template(stream, opaque=True)
        copy.disposition = stream.disposition
        copy.metadata.update(stream.metadata)
        tags = _TAGS.get(self._film.container.muxer, ())
        with suppress(ValueError):  # a tag that is no text
            tag = stream.codec_context.codec_tag
            if tag in tags:
                copy.codec_context.codec_tag = tag
        if stream.type == "video" and _is_picture(stream) and stream.sample_aspect_ratio:
            copy.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio
        self._outputs[stream.index] = copy

    def _add_sound(self, old: Any) -> Any:
        format = self._format
        stream = self._file.add_stream(self._film.container.encoder, rate=format.rate)
        context = stream.codec_context
        context.layout = _LAYOUTS[format.channels]
        context.time_base = Fraction(1, format.rate)
        if format.bits_per_second:
            context.bit_rate = format.bits_per_second
        stream.disposition = old.disposition
        if "language" in old.metadata:
            stream.metadata["language"] = old.metadata["language"]
        return stream

    def _put(self, block: NDArray[Any]) -> None:
        """Encode samples, float32 or int16, and copy the film as far as they reach."""
        import av

        kind = "s16" if block.dtype == np.int16 else "flt"
        layout = _LAYOUTS[self._format.channels]
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block).reshape(1, -1), kind, layout)
        frame.sample_rate, frame.time_base = self._format.rate, Fraction(1, self._format.rate)
        frame.pts = self._position
        self._position += len(block)
        self._mux(frame)

    def _drain(self) -> None:
        self._call(self._mux, None)
        self._call(self._copy, None)

    def _mux(self, frame: Any) -> None:
        for packet in self._stream.encode(frame):
            self._copy(_time(packet))
            self._file.mux(packet)

    def _copy(self, until: Fraction | None) -> None:
        """The packets of the film up to a time; None: all that are left."""
        while self._next is not None and (until is None or _time(self._next) <= until):
            packet, self._next = self._next, next(self._packets, None)
            packet.stream = self._outputs[packet.stream.index]
            self._file.mux(packet)

    def _film_packets(self) -> Iterator[Any]:
        """All packets that are copied, with decoding times.

        Matroska has none for the first ones where pictures are reordered.
        """
        import av

        held: dict[int, list[Any]] = {index: [] for index in self._outputs}
        packets = self._input.demux([self._input.streams[index] for index in self._outputs])
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError) as error:
                self.warnings.append(
                    f"{self._film.path}: truncated or damaged ({error}): the new film ends there"
                )
                packet = None
            if packet is None:
                break
            waiting = held[packet.stream.index]
            if not packet.size:  # the end of a stream
                continue
            if packet.dts is None and packet.pts is None:  # a cover
                packet.pts = packet.dts = 0
            if packet.dts is None:
                waiting.append(packet)
                continue
            yield from _with_times(waiting, packet.dts)
            waiting.clear()
            yield packet
        for waiting in held.values():
            yield from _with_times(waiting, None)

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            container, self._input = self._input, None
            source, self._source = self._source, None
            self._packets, self._next = iter(()), None
            if container is not None:
                container.close()
            if source is not None:
                source.close()

    def _properties(self, path: Path) -> tuple[int, int, int | None]:
        with open(path, "rb") as file, open_input(file) as container:
            stream = container.streams.best("audio")
            if stream is None or not container.streams.video:
                raise ValueError("pictures or sound are missing")
            seconds = (container.duration or 0) / 1_000_000
            if self._aspects != _aspects(container):
                logger.warning(
                    "%s: the shape of the pixels is lost, which cannot be written here: players show the "
                    "pictures in another aspect ratio",
                    self._target,
                )
            if seconds < self._frames / self._format.rate - _SLACK:
                raise ValueError(f"it has only {seconds} seconds")
            return stream.codec_context.sample_rate, stream.codec_context.layout.nb_channels, None


_STEP = 4096  # frames
_SLACK = 0.1  # seconds, of containers that round their lengths
_LAYOUTS = {1: "mono", 2: "stereo"}

# Of the names that a container has for one codec those that must stay: Apple's players know HEVC by this one
# only, and that of ProRes says which it is.
_TAGS = {
    "mp4": ("hvc1",),
    "mov": ("hvc1", "apch", "apcn", "apcs", "apco", "ap4h", "ap4x"),
    "avi": ("XVID", "DIVX", "DX50"),
}


def _is_picture(stream: Any) -> bool:
    """A cover is a video stream, too."""
    return not stream.disposition & type(stream.disposition).attached_pic


def _aspects(container: Any) -> list[Fraction]:
    return [
        stream.sample_aspect_ratio or Fraction(1) for stream in container.streams.video if _is_picture(stream)
    ]


def _time(packet: Any) -> Fraction:
    return Fraction(packet.dts * packet.time_base)


def _with_times(packets: list[Any], following: int | None) -> Iterator[Any]:
    """Packets without decoding times, with such that lead to the following packet's."""
    for left, packet in zip(range(len(packets), 0, -1), packets, strict=True):
        packet.dts = packet.pts if following is None else following - left * max(1, packet.duration or 1)
        yield packet
