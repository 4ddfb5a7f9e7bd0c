"""`FFmpegSource`: the samples of a file's audio track, decoded by FFmpeg (PyAV), in constant memory.

- The file is decoded straight through, also to an offset: containers seek by rounded times and lossy
  decoders need what came before, and a part shall equal the part of the whole.
- Decoder delay and padding are left out where the file tells them: at the start by FFmpeg, at the end of
  MP4 files here. ADTS (.aac) files and others without such information begin with the encoder's delay.
- A damaged packet becomes as much silence, so that what follows stays in its place.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AudioError, reason
from .blocks import BlockSource, cut_short
from .ffmpeg import ASF_HEADER
from .layouts import Layout, ffmpeg_layout
from .pieces import Span
from .sequential import VirtualFile
from .stem_files import read_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_BAD_PACKETS = 100  # before the first good one
_MAX_CHANNELS = 64
_MAX_SILENCE = 1 << 16  # frames for one damaged packet
_SHORTEST_GAP, _LONGEST_GAP = 0.05, 60.0  # seconds: of rounding and delays; of time stamps that are none
_HEADER_BYTES = 1 << 20

# Where the declared length is not an estimate from the bitrate.
_TELL_LENGTH = ("mov", "asf", "tta", "wv", "ape")
_SLACK = 0.5  # seconds by which it may be wrong all the same: of rounding, padding and preroll

_PROTECTED_MP4 = re.compile(rb"stsd.{12}(?:enca|drms|aavd)", re.DOTALL)
_PROTECTED_ASF = (  # the header objects of content encryption
    bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e"),
    bytes.fromhex("14e68a292226174cb935dae07ee9289c"),
)

_ZERO = {"uint8": 128}
_DTYPES = {
    "u8": np.uint8,
    "s16": np.int16,
    "s32": np.int32,
    "s64": np.int64,
    "flt": np.float32,
    "dbl": np.float64,
}
_FULL_SCALE = {"uint8": 1 << 7, "int16": 1 << 15, "int32": 1 << 31, "int64": 1 << 63}


class FFmpegSource(BlockSource):
    """Decodes one audio track of a file in order; see `AudioSource` in `source`.

    track: counted from 1; None: the one that the program ffmpeg, and so Spleeter, takes: that which the file
        marks as its default, then that with most channels, then the first.
    span: the part of the file to read.
    fill_gaps: silence where the time stamps leave room, so that all that follows stays in its place.
    """

    def __init__(
        self, path: Path, track: int | None = None, span: Span | None = None, fill_gaps: bool = False
    ) -> None:
        self._path = path
        self._fills_gaps = fill_gaps
        self.notes: list[str] = []
        self.damage: list[str] = []
        self.start = Fraction(0)  # seconds by the time stamps, of the first sample
        self._most_channels = 0  # of what is mixed down
        self.gap = 0.0  # seconds by which the time stamps run ahead of the samples, known at the end
        self._bad = 0
        self._damage: str | None = None
        self._reached = 0  # frames by the time stamps, which may have gaps
        self._file = _InputFile(path, span)
        self._container: Any = None
        try:
            self._check_protection()
            self._container = self._open()
            self._stream = self._choose_stream(track)
            self.codec: str = getattr(self._stream.codec_context, "name", "")  # None: an unknown one
            # What the header says of rate and channels may be wrong (HE-AAC): the first samples tell.
            self.rate = 0
            self.channels = 0
            self.layout: Layout | None = None
            self._blocks = self._decoded()
            self.stream = int(self._stream.index)
            self._ready = next(self._blocks, np.empty((0, 0), np.float32))
            if not len(self._ready):
                raise self._unreadable("no audio could be decoded")
            self.frames: int | None = None
            self.likely_frames, self._declared = self._lengths()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
        self._file.close()

    def seek(self, frame: int) -> int:
        return 0

    def end_warning(self, position: int) -> str | None:
        if self._declared is not None and self._reached < self._declared - _SLACK * self.rate:
            return cut_short(self._path, self._declared, position, self.rate)
        if self._bad:
            count = "a damaged packet" if self._bad == 1 else f"{self._bad} damaged packets"
            return f"{self._path}: {count} could not be decoded: silence there, or missing at the end"
        if self._damage is not None:
            cause = f"truncated or damaged ({self._damage})"
            return f"{self._path}: {cause}: only {position} frames could be decoded"
        return None

    @property
    def bits(self) -> int | None:
        """24 of ALAC with so many a sample, which FFmpeg has as 32; else None."""
        deep = self.codec == "alac" and self._stream.codec_context.format.name.startswith("s32")
        return 24 if deep else None

    @property
    def late_notes(self) -> list[str]:
        """What there is to say once the file was read."""
        if not self._most_channels:
            return []
        return [
            f"later on it has more channels ({self._most_channels}) than first ({self.channels}): mixed down"
        ]

    def _unreadable(self, reason: str) -> AudioError:
        return AudioError(f"{self._path}: not a readable audio file ({reason})")

    def _open(self) -> Any:
        import av

        try:
            container = open_input(self._file)
        except (av.FFmpegError, ValueError) as error:
            self._file.check_read(self._path)
            raise self._unreadable(_reason(error)) from error
        self._file.check_read(self._path)
        return container

    def _choose_stream(self, track: int | None) -> Any:
        streams = self._container.streams
        tracks = dict(enumerate(streams.audio, 1))
        if not tracks:
            if streams.video:
                raise AudioError(f"{self._path}: the file has no audio track")
            raise self._unreadable("it has no audio track")
        if track is not None:
            if track not in tracks:
                raise AudioError(f"{self._path}: no audio track {track}; it has {listed_tracks(tracks)}")
            return tracks[track]
        if len(tracks) > 1 and self._is_stem_file():
            self.notes.append(
                "a stem file: its mix is used; `spleeterrt stems unpack` takes all of its tracks, --track N "
                f"(track=N) one of them: {listed_tracks(tracks)}"
            )
            return tracks[1]
        best = max(tracks.values(), key=_preference)  # of equal ones the first
        if len(tracks) > 1:
            used = next(number for number, stream in tracks.items() if stream.index == best.index)
            self.notes.append(
                f"of {len(tracks)} audio tracks number {used} is used; --track N (track=N) takes another "
                f"one: {listed_tracks(tracks)}"
            )
        return best

    def _is_stem_file(self) -> bool:
        try:
            return "mov" in self._container.format.name and read_names(self._path) is not None
        except OSError as error:
            raise AudioError(f"{self._path}: cannot be read: {error.strerror or error}") from error

    def _check_protection(self) -> None:
        start = self._file.peek(_HEADER_BYTES)
        if start.startswith(ASF_HEADER):
            protected = any(mark in start for mark in _PROTECTED_ASF)
        else:
            protected = _PROTECTED_MP4.search(_movie_header(self._file, start)) is not None
        if protected:
            raise AudioError(f"{self._path}: the file is protected (DRM) and cannot be decoded")

    def _lengths(self) -> tuple[int | None, int | None]:
        """Frames that there may be, and frames that the header promises."""
        stream, container = self._stream, self._container
        seconds: Any = None
        if stream.duration is not None and stream.time_base:
            seconds = stream.duration * stream.time_base
        elif container.duration is not None:
            seconds = container.duration / 1_000_000
        if seconds is None or seconds <= 0:
            return None, None
        frames = max(1, round(seconds * self.rate))
        trusted = stream.duration is not None and container.format.name.split(",")[0] in _TELL_LENGTH
        return frames, frames if trusted else None

    # --- decoding ---------------------------------------------------------------

    def _decoded(self) -> Iterator[NDArray[Any]]:
        """float32 (n, channels), at the rate and with the channels of the first block."""
        ends = "mov" in self._container.format.name
        held: list[NDArray[Any]] = []  # of the last packet: its end may be padding
        position = lost = 0
        last: Any = None  # packet
        convert = None
        for packet in self._packets():
            frames = self._decode(packet)
            if frames is None:
                self._bad += 1
                if not position and self._bad >= _MAX_BAD_PACKETS:
                    return
                lost += min(_frames(packet.duration, packet.time_base, self.rate), _MAX_SILENCE)
                continue
            if not frames:
                continue
            if not self.rate:
                self.rate, self.channels = frames[0].sample_rate, frames[0].layout.nb_channels
                if not (self.rate > 0 and 0 < self.channels <= _MAX_CHANNELS):
                    raise self._unreadable(f"{self.rate} Hz, {self.channels} channels")
                if frames[0].pts is not None and frames[0].time_base:
                    self.start = Fraction(frames[0].pts * frames[0].time_base)
                self.layout = ffmpeg_layout(frames[0].layout.name)
                convert = _Converter(frames[0])
            assert convert is not None
            if self._fills_gaps:
                lost += self._gap_before(frames[0], position + lost)
            yield from held
            most = max(frame.layout.nb_channels for frame in frames)
            if most > max(self.channels, self._most_channels):
                self._most_channels = most
            held = [block for frame in frames if len(block := convert(frame))]
            if lost:
                held.insert(0, np.zeros((lost, self.channels), np.float32))
                lost = 0
            position += sum(map(len, held))
            if packet.pts is not None and packet.duration:
                last = packet
        if convert is not None:
            rest = convert.flush()
            if len(rest):
                yield from held
                held, position = [rest], position + len(rest)
        if last is not None:
            end = _frames(last.pts + last.duration, last.time_base, self.rate)
            self._reached = end - _frames(self._stream.start_time, self._stream.time_base, self.rate)
            self.gap = max(0, self._reached - position) / self.rate
        if ends and held and last is not None:
            # The last packet says how much of it counts, or the edit list does, which may be in milliseconds.
            listed = _frames(self._stream.duration, self._stream.time_base, self.rate)
            if 0 < listed < end - self.rate / 1000:
                end = listed
            surplus = position - end  # negative after a gap
            if 0 < surplus < len(held[-1]):
                held[-1] = held[-1][:-surplus]
        yield from held

    def _gap_before(self, frame: Any, position: int) -> int:
        """Frames of the song that are missing before one of FFmpeg's, by its time stamp."""
        if frame.pts is None or not frame.time_base:
            return 0
        due = round((frame.pts * frame.time_base - self.start) * self.rate)
        gap = due - position
        return gap if _SHORTEST_GAP * self.rate < gap <= _LONGEST_GAP * self.rate else 0

    def _packets(self) -> Iterator[Any]:
        """Packets of the stream, and at last the one that empties the decoder."""
        import av

        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError) as error:
                self._damage = _reason(error)
                packet = None
            self._file.check_read(self._path)
            if packet is None:
                return
            yield packet

    def _decode(self, packet: Any) -> list[Any] | None:
        """The packet's frames; None if it is damaged."""
        import av

        try:
            frames: list[Any] = packet.decode()
        except EOFError:  # the decoder was already emptied
            return []
        except (av.FFmpegError, ValueError):  # "no memory" too: for the sizes in damaged data
            return None
        for frame in frames:
            _keep_layout(frame.layout)
        return frames


def _preference(stream: Any) -> tuple[bool, bool, int]:
    context = stream.codec_context
    channels = 0 if context is None else context.layout.nb_channels
    return channels > 0, bool(stream.disposition.value & 1), channels


def listed_tracks(tracks: dict[int, Any]) -> str:
    """`1 (eng, Director's comment, aac, 5.1), 2 (...)`."""
    return ", ".join(f"{number} ({_described(stream)})" for number, stream in tracks.items())


def _described(stream: Any) -> str:
    if stream.codec_context is None:
        return "unknown codec"
    layout = stream.codec_context.layout
    _keep_layout(layout)
    language = stream.metadata.get("language", "und")
    parts = ["" if language == "und" else language, stream.metadata.get("title", "")]
    if not any(parts) and (name := stream.metadata.get("handler_name", "")) not in _NAMELESS:
        parts.append(name)  # as in stem files
    channels = {1: "mono", 2: "stereo"}.get(layout.nb_channels, layout.name)
    return ", ".join(filter(None, [*parts, stream.codec_context.name, channels]))


_NAMELESS = ("SoundHandler", "Core Media Audio")  # what programs write that have no name for a track


class _Converter:
    """Frames to float32 (n, channels); what differs from the first frame is resampled or remixed."""

    def __init__(self, first: Any) -> None:
        self._rate, self._layout, self._channels = first.sample_rate, first.layout, first.layout.nb_channels
        self._resampler: Any = None
        self._kind: tuple[int, str, str] | None = None

    def __call__(self, frame: Any) -> NDArray[Any]:
        if frame.sample_rate == self._rate and frame.layout.nb_channels == self._channels:
            before = self.flush()
            block = _samples(frame)
            return np.concatenate([before, block]) if len(before) else block
        import av

        kind = (frame.sample_rate, frame.layout.name, frame.format.name)
        parts = []
        if kind != self._kind:
            parts.append(self.flush())
            self._resampler = av.AudioResampler(format="fltp", layout=self._layout, rate=self._rate)
            self._kind = kind
        frame.pts = None  # else it would be checked against the other frames'
        parts += [_samples(part) for part in self._resampler.resample(frame)]
        return np.concatenate(parts) if parts else self._nothing()

    def flush(self) -> NDArray[Any]:
        """The rest that the resampler holds."""
        if self._resampler is None:
            return self._nothing()
        parts = [_samples(part) for part in self._resampler.resample(None)]
        self._resampler = self._kind = None
        return np.concatenate(parts) if parts else self._nothing()

    def _nothing(self) -> NDArray[Any]:
        return np.empty((0, self._channels), np.float32)


def _samples(frame: Any) -> NDArray[Any]:
    """A frame of any sample format as float32 (n, channels)."""
    import av.audio.plane as av_plane

    channels, planar, dtype = (
        frame.layout.nb_channels,
        frame.format.is_planar,
        _DTYPES[frame.format.packed.name],
    )
    count = frame.samples if planar else frame.samples * channels
    # Not `to_ndarray`: from 8 planes on PyAV reads beyond the list of them.
    planes: list[Any] = [av_plane.AudioPlane(frame, index) for index in range(channels if planar else 1)]
    parts = [np.frombuffer(plane, dtype, count) for plane in planes]
    values: NDArray[Any] = np.stack(parts, axis=1) if planar else parts[0].reshape(-1, channels)
    kind = values.dtype.name
    if kind in _FULL_SCALE:
        # In float64, which holds 32 bits exactly, so that they are rounded once.
        wide = values.astype(np.float32 if kind in ("uint8", "int16") else np.float64)
        values = (wide - _ZERO.get(kind, 0)) / _FULL_SCALE[kind]
    return np.ascontiguousarray(values, dtype=np.float32)


def _keep_layout(layout: Any) -> None:
    """PyAV frees the list of speakers in an unusual layout twice, with the layout and with its frame, which
    ends the process. So such layouts, 50 bytes a frame, live on."""
    if "+" in layout.name:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))


def _frames(duration: int | None, time_base: Fraction | None, rate: int) -> int:
    """A length in `time_base` as frames."""
    if not duration or not time_base or duration < 0:
        return 0
    return round(duration * time_base * rate)


def open_input(file: Any) -> Any:
    """A PyAV container."""
    import av

    # Tags in an unknown encoding are no reason to fail; from PyAV 19 on they never are.
    lenient = {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    # Playlists shall not open other files, let alone the network.
    return av.open(file, mode="r", options={"protocol_whitelist": "none"}, **lenient)


def _reason(error: Exception) -> str:
    return reason(error).strip().rstrip(".")


def _movie_header(file: _InputFile, start: bytes) -> bytes:
    """The `moov` box of an MP4 file (its first MiB), which may come last; b"" if there is none."""
    at = 0
    while len(head := file.peek(16, at)) >= 8:
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        if head[4:8] == b"moov":
            return file.peek(_HEADER_BYTES, at)
        if size < 8 or (at == 0 and head[4:8] != b"ftyp"):
            break
        at += size
    return b""


class _InputFile(VirtualFile):
    """The file that FFmpeg reads by callbacks: names need no care then, and no other file is opened."""

    def __init__(self, path: Path, span: Span | None) -> None:
        try:
            super().__init__(open(path, "rb"))  # noqa: SIM115 (closed by close)
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
        self._begin = 0 if span is None else span.start
        self._end = None if span is None else span.end
        self._file.seek(self._begin)

    # FFmpeg asks before it writes.
    write = None  # type: ignore[assignment]

    def read(self, size: int) -> bytes:
        try:
            if self.first_error() is not None:
                return b""
            if self._end is not None:
                size = max(0, min(size, self._end - self._file.tell()))
            return bytes(self._file.read(size))
        except BaseException as error:
            self.fail(error)
            return b""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            if whence == os.SEEK_SET:
                offset += self._begin
            elif whence == os.SEEK_END and self._end is not None:
                offset, whence = offset + self._end, os.SEEK_SET
            return int(self._file.seek(offset, whence)) - self._begin
        except (OSError, ValueError, OverflowError):  # to where a damaged header points
            return -errno.EINVAL
        except BaseException as error:
            self.fail(error)
            return -errno.EINVAL

    def tell(self) -> int:
        return int(self._file.tell()) - self._begin

    def peek(self, size: int, at: int = 0) -> bytes:
        """Bytes of the file, outside of FFmpeg's reading."""
        here = self._file.tell()
        self._file.seek(self._begin + at)
        data = bytes(self._file.read(size))
        self._file.seek(here)
        return data

    def check_read(self, path: Path) -> None:
        """Raise what happened in a callback: a lost read must not look like the end of the file."""
        try:
            self.check()
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
