"""`StemFileWriter`: the stems of one song as files, written in blocks, together or not at all.

    write(sources, mix) -> resample -> [rescale: spool to disk, then again] -> clip, quantise,
    residual -> one encoder per stem -> temporary files -> verify -> rename

Every stem goes to a hidden temporary file in its target's folder; the targets appear only when
all of them are complete. libsndfile writes through a Python file object, because it ignores
failed writes of some formats (a full disk), and never sees the name of the target.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import AudioError, SpleeterError
from . import Codec
from .resample import StreamResampler, checked_rate, fit, resampled_frames
from .sequential import VirtualFile, sequential_file

if TYPE_CHECKING:
    import soundfile
    from numpy.typing import NDArray

    Block = NDArray[np.float32]

BIT_DEPTHS = ("int16", "int24", "float32")
CLIP_MODES = ("clamp", "rescale", "none")
_LOSSLESS_DEPTHS = {"wav": BIT_DEPTHS, "flac": ("int16", "int24")}
_FULL_SCALE = {"int16": 1 << 15, "int24": 1 << 23}
_SUBTYPES = {"int16": "PCM_16", "int24": "PCM_24", "float32": "FLOAT"}
_SAMPLE_BYTES = {"int16": 2, "int24": 3, "float32": 4}

# Bytes of samples from which a WAV file is written as RF64: its 32-bit sizes end at 4 GiB.
WAV_LIMIT = (1 << 32) - (1 << 16)

# Encoders of compressed formats get blocks of this size: Vorbis packs differently, and libsndfile
# overflows its stack on very long ones, if fed with arbitrary sizes.
_ENCODER_FRAMES = 4096
_COPY_FRAMES = 1 << 16
_QUANTIZE_VALUES = 1 << 14

_MP3_KBITS = {
    "MPEG-1": (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    "MPEG-2": (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    "MPEG-2.5": (8, 16, 24, 32, 40, 48, 56, 64),
}
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

# libvorbis' nominal kbit/s per channel at qualities 0, 0.1 ... 1.0, for 40 to 50 kHz.
_VORBIS_STEREO = (32.0, 40.0, 48.0, 56.0, 64.0, 80.0, 96.0, 112.0, 128.0, 160.0, 250.0)
_VORBIS_OTHER = (48.0, 60.0, 70.0, 80.0, 86.0, 96.0, 110.0, 120.0, 140.0, 160.0, 240.0)


def quantize(block: NDArray[Any], bit_depth: str) -> NDArray[Any]:
    """Samples as the integers of a file, as ffmpeg rounds: `clip(rint(x * full_scale))`.

    Args:
        block: float samples in [-1, 1], any shape; what is beyond saturates.
        bit_depth: `"int16"` gives int16; `"int24"` gives int32 in [-2^23, 2^23 - 1].
            `"float32"` gives float32, not clipped.
    """
    if bit_depth == "float32":
        return np.asarray(block, dtype=np.float32)
    full = _full_scale(bit_depth)
    values = np.ascontiguousarray(block).reshape(-1)
    integers: NDArray[Any] = np.empty(values.shape, np.int16 if bit_depth == "int16" else np.int32)
    # A part at a time, in one place: the pages of fresh temporaries would cost more than the arithmetic.
    scratch = np.empty(min(len(values), _QUANTIZE_VALUES), np.result_type(values, np.float32))
    for start in range(0, len(values), _QUANTIZE_VALUES):
        part = slice(start, start + _QUANTIZE_VALUES)
        scaled = scratch[: len(values[part])]
        # Scaling by a power of two is exact in float32; rint rounds halves to even.
        np.multiply(values[part], full, out=scaled)
        np.rint(scaled, out=scaled)
        np.clip(scaled, -full, full - 1, out=scaled)
        integers[part] = scaled
    return integers.reshape(np.shape(block))


def parse_bitrate(bitrate: str | int | float) -> int:
    """Bits per second of `"128k"`, `"128000"`, `128000` or `128` (numbers below 1000 are kbit/s).

    Raises:
        AudioError: not a positive bitrate.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(k?)(?:bit/s|bps|b)?\s*", str(bitrate), re.IGNORECASE)
    value = float(match[1]) if match else 0.0
    if match is None or not value > 0:
        raise AudioError(f"bitrate: expected e.g. '128k' or 128000, got {bitrate!r}")
    return round(value * 1000) if match[2] or value < 1000 else round(value)


class StemFileWriter:
    """Writes the stems of one song; a context manager: commits on a clean exit, else aborts.

    Args:
        paths: file of each stem to write. Folders are made as needed.
        sample_rate: Hz of the blocks given to `write`, 1000 to 768000.
        channels: of the blocks.
        codec: `"wav"`, `"flac"`, `"mp3"` or `"ogg"`.
        bitrate: of mp3 (constant; one of the format's bitrates) and ogg (nominal: the closest
            Vorbis quality, which for stereo at 44.1 kHz spans 64k to 500k). Else ignored. An
            mp3 file below 64k has no room for the header that tells its decoder delay and length.
        bit_depth: `"int16"`, `"int24"` or `"float32"` (wav only). Ignored by mp3 and ogg.
        clip: `"clamp"` saturates at full scale; `"rescale"` scales all stems by one `gain` if
            any exceeds full scale (spools float32 next to the targets and encodes at the end);
            `"none"` writes float32 wav as it is.
        file_rate: Hz of the files, if not `sample_rate`.
        total_frames: expected frames of each file. Used to choose RF64 early; with `file_rate`
            the files get exactly this length if it is within rounding of the resampled length
            (which is `round(n * file_rate / sample_rate)`, halves up).
        residual: a stem that is written as the mix minus all other `sources`. In integer files
            with `"clamp"` or `"rescale"` the files of all sources then sum to the quantised mix,
            sample by sample, unless the residual itself exceeds full scale.
        threads: how many stems are encoded at the same time, where encoding is work (not wav); from more
            than one on, in threads of their own.

    Attributes:
        gain: the factor of `clip="rescale"`, known after `commit`; else 1.

    Raises:
        SpleeterError: two stems have one path.
        AudioError: a setting the format cannot hold, or a file cannot be written.
    """

    def __init__(
        self,
        paths: Mapping[str, str | os.PathLike[str]],
        sample_rate: float,
        *,
        channels: int = 2,
        codec: Codec | str = "wav",
        bitrate: str | int = "128k",
        bit_depth: str = "int16",
        clip: str = "clamp",
        file_rate: float | None = None,
        total_frames: int | None = None,
        residual: str | None = None,
        threads: int = 1,
    ) -> None:
        self.paths = {name: Path(os.fsdecode(path)) for name, path in paths.items()}
        if not self.paths:
            raise AudioError("no stem to write")
        for path in self.paths.values():
            if "\0" in str(path):
                raise AudioError(
                    f"{str(path)!r}: cannot be written: not a file name (embedded null character)"
                )
        self.gain = 1.0
        self.sample_rate = checked_rate(sample_rate)
        self.file_rate = (
            self.sample_rate if file_rate is None else checked_rate(file_rate, "sample rate of the files")
        )
        self.channels = channels
        self._clip = clip
        self._format = _Format(str(codec), bit_depth, clip, bitrate, self.file_rate, channels)
        self._total = total_frames
        workers = 1 if self._format.codec == "wav" else min(threads, len(self.paths))
        self._pool = ThreadPoolExecutor(workers, "spleeterrt-encode") if workers > 1 else None
        # A residual that is not written is not needed.
        self._residual = residual if residual in self.paths else None
        _check_conflicts(self.paths)

        self._resamplers: dict[str, StreamResampler] = {}
        self._read = 0
        self._frames = 0
        self._peak = 0.0
        self._finished = False  # nothing can be written any more
        self._clean = False  # nothing is left to remove
        self._made: list[Path] = []
        self._encoders: dict[str, _Encoder] = {}
        self._spools: dict[str, _Spool] = {}
        try:
            for path in self.paths.values():
                self._prepare(path)
            for name, path in self.paths.items():
                self._encoders[name] = _Encoder(path, self._format, total_frames)
                self._encoders[name].open()  # only now, so that `abort` knows of the file
        except BaseException:
            self.abort()
            raise

    def __enter__(self) -> StemFileWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            if not self._finished:
                self.commit()
        else:
            self.abort()

    def write(self, sources: Mapping[str, NDArray[Any]], mix: NDArray[Any] | None = None) -> None:
        """Append one block of every stem.

        Args:
            sources: float32 `(n, channels)` of each stem in `paths` (the residual's is ignored).
                Stems that are not in `paths` count for the residual only.
            mix: the same frames of the mix; needed with `residual`.

        Raises:
            AudioError: a stem is missing or has another shape, a sample is not finite, or the
                file cannot be written; the files are then removed.
        """
        if self._finished:
            raise AudioError("the stem files are already complete or given up")
        try:
            blocks = self._check(sources, mix)
            self._read += len(next(iter(blocks.values())))
            if self.file_rate != self.sample_rate:
                for name, block in blocks.items():
                    if name not in self._resamplers:
                        self._resamplers[name] = StreamResampler(
                            self.sample_rate, self.file_rate, self.channels
                        )
                    blocks[name] = self._resamplers[name].process(block)
            self._accept(blocks)
        except BaseException:
            self.abort()
            raise

    def commit(self) -> None:
        """Finish, verify and publish all files; after an error none of the targets was replaced.

        (Unless a rename fails: then those already renamed stay.)

        Raises:
            AudioError: a file could not be completed (the disk is full), or nothing was written.
        """
        if self._finished:
            return
        try:
            if not self._read:
                raise AudioError(f"{next(iter(self.paths.values()))}: no samples to write")
            if self._resamplers:
                tail = {name: resampler.flush() for name, resampler in self._resamplers.items()}
                missing = self._file_frames() - self._frames
                self._accept({name: fit(block, missing) for name, block in tail.items()})
            if self._spools:
                self._encode_spools()
            for encoder in self._encoders.values():
                encoder.finish()
            for encoder in self._encoders.values():
                encoder.publish()
            self._finished = True
            self._end_threads()
            self._drop_spools()
            self._clean = True
        except BaseException:
            self.abort()
            raise

    def abort(self) -> None:
        """Remove everything that is not published; may be called at any time."""
        self._finished = True
        if self._clean:
            return
        try:
            self._end_threads()
            self._remove()
        except BaseException:  # Ctrl-C, maybe the second one: all of it once more
            self._remove()
            raise
        finally:
            self._clean = not self._left()

    def _end_threads(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()

    def _remove(self) -> None:
        """Remove what can be removed; an interrupted call can be repeated."""
        for encoder in self._encoders.values():
            encoder.abort()
        self._drop_spools()
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # not empty: somebody else uses it
                folder.rmdir()

    def _left(self) -> bool:
        """Whether temporary files are still there."""
        encoders, spools = self._encoders.values(), self._spools.values()
        temporaries = [path for encoder in encoders for path in encoder.temporaries]
        return any(path.exists() for path in (*temporaries, *(spool.path for spool in spools)))

    def _prepare(self, path: Path) -> None:
        try:
            if path.is_dir():
                raise AudioError(f"{path}: cannot be written: it is a folder")
            self._make_folder(path.parent)
        except OSError as error:
            raise AudioError(f"{path}: cannot be written: {error.strerror or error}") from error

    def _make_folder(self, folder: Path) -> None:
        missing = []
        while not folder.exists():
            missing.append(folder)
            folder = folder.parent
        for path in reversed(missing):
            self._made.append(path)  # first: an interrupt may come in between
            try:
                path.mkdir()
            except FileExistsError:  # made by somebody else meanwhile, so not ours to remove
                self._made.remove(path)

    def _check(self, sources: Mapping[str, NDArray[Any]], mix: NDArray[Any] | None) -> dict[str, Block]:
        """The blocks that matter, float32; the mix under the name of the residual."""
        used: dict[str, Any] = {
            name: block
            for name, block in sources.items()
            if name != self._residual and (name in self.paths or self._residual is not None)
        }
        for name in self.paths:
            if name not in used and name != self._residual:
                raise AudioError(f"stem {name!r} is missing from the block, it has {sorted(sources)}")
        if self._residual is not None:
            if mix is None:
                raise AudioError(f"the mix is needed for the residual stem {self._residual!r}")
            used[self._residual] = mix
        frames = len(next(iter(used.values())))
        blocks = {}
        for name, given in used.items():
            block = np.asarray(given, dtype=np.float32)
            if block.shape != (frames, self.channels):
                raise AudioError(
                    f"stem {name!r}: expected shape ({frames}, {self.channels}), got {block.shape}"
                )
            if not np.isfinite(block).all():
                raise AudioError(f"stem {name!r}: the samples are not all finite numbers")
            blocks[name] = block
        return blocks

    def _file_frames(self) -> int:
        """Length of the resampled files: `total_frames` if that is within rounding."""
        frames = resampled_frames(self._read, self.sample_rate, self.file_rate)
        # One source frame is file_rate / sample_rate frames; one more for the rounding.
        slack = math.ceil(self.file_rate / self.sample_rate) + 1
        if self._total is not None and self._total > 0 and abs(frames - self._total) <= slack:
            return self._total
        return frames

    def _accept(self, blocks: dict[str, Block]) -> None:
        count = len(next(iter(blocks.values())))
        self._frames += count
        if not count:
            return
        if self._clip != "rescale":
            self._encode(blocks)
            return
        peaks = dict(blocks)
        if self._residual is not None:
            peaks[self._residual] = self._float_residual(blocks)
        for name in self.paths:
            self._peak = max(self._peak, float(np.abs(peaks[name]).max()))
        for name, block in blocks.items():
            if name not in self._spools:
                folder = next(iter(self.paths.values())).parent
                self._spools[name] = _Spool(folder, self.channels)
                self._spools[name].open()
            self._spools[name].append(block)

    def _encode_spools(self) -> None:
        if self._peak > 1.0:
            full = _FULL_SCALE.get(self._format.bit_depth) if self._format.lossless else None
            # The largest positive integer is one step below full scale.
            self.gain = (1.0 if full is None else (full - 1) / full) / self._peak
        for start in range(0, self._frames, _COPY_FRAMES):
            count = min(_COPY_FRAMES, self._frames - start)
            blocks = {name: spool.read(start, count) for name, spool in self._spools.items()}
            if self.gain != 1.0:
                blocks = {name: block * np.float32(self.gain) for name, block in blocks.items()}
            self._encode(blocks)

    def _encode(self, blocks: dict[str, Block]) -> None:
        """Clip, quantise and encode one block of every stem, at the rate of the files."""
        integers = self._format.lossless and self._format.bit_depth != "float32"
        if integers:
            ready = {
                name: quantize(block, self._format.bit_depth)
                for name, block in blocks.items()
                if name != self._residual
            }
            if self._residual is not None:
                full = _full_scale(self._format.bit_depth)
                # The mix is rounded but not clipped: a residual within full scale stays exact.
                rest = np.rint(blocks[self._residual].astype(np.float64) * full).astype(np.int64)
                for block in ready.values():
                    rest -= block
                ready[self._residual] = np.clip(rest, -full, full - 1).astype(
                    np.int16 if self._format.bit_depth == "int16" else np.int32
                )
        else:
            ready = {
                name: block if self._clip == "none" else np.clip(block, -1.0, 1.0)
                for name, block in blocks.items()
                if name != self._residual
            }
            if self._residual is not None:
                left = self._float_residual({**ready, self._residual: blocks[self._residual]})
                ready[self._residual] = left if self._clip == "none" else np.clip(left, -1.0, 1.0)
        if self._pool is None:
            for name, encoder in self._encoders.items():
                encoder.write(ready[name])
            return
        tasks = [self._pool.submit(encoder.write, ready[name]) for name, encoder in self._encoders.items()]
        wait(tasks)  # all of them, so that no encoder is in use when an error makes us close it
        for task in tasks:
            task.result()

    def _float_residual(self, blocks: Mapping[str, Block]) -> Block:
        """The mix minus the others, summed in float64."""
        assert self._residual is not None
        rest = blocks[self._residual].astype(np.float64)
        for name, block in blocks.items():
            if name != self._residual:
                rest -= block
        return rest.astype(np.float32)

    def _drop_spools(self) -> None:
        for spool in self._spools.values():
            spool.remove()


class _Format:
    """The output format, validated: what libsndfile needs to open a file."""

    def __init__(
        self, codec: str, bit_depth: str, clip: str, bitrate: str | int, rate: int, channels: int
    ) -> None:
        import soundfile

        codec = codec.lower()
        if codec not in ("wav", "flac", "mp3", "ogg"):
            raise AudioError(
                f"codec {codec!r} is not supported: libsndfile cannot write it; use wav, flac, mp3 or ogg"
            )
        if bit_depth not in BIT_DEPTHS:
            raise AudioError(f"bit depth: expected one of {', '.join(BIT_DEPTHS)}, got {bit_depth!r}")
        if clip not in CLIP_MODES:
            raise AudioError(f"clip: expected one of {', '.join(CLIP_MODES)}, got {clip!r}")
        if codec.upper() not in soundfile.available_formats():
            raise AudioError(
                f"this libsndfile ({soundfile.__libsndfile_version__}) cannot write {codec} files"
            )
        self.lossless = codec in _LOSSLESS_DEPTHS
        if self.lossless and bit_depth not in _LOSSLESS_DEPTHS[codec]:
            possible = " or ".join(_LOSSLESS_DEPTHS[codec])
            raise AudioError(f"{codec} files cannot hold {bit_depth}; use {possible}")
        if clip == "none" and not (codec == "wav" and bit_depth == "float32"):
            raise AudioError("clip 'none' needs wav files with bit depth float32: others have a full scale")
        limit = {"mp3": 2, "flac": 8}.get(codec, 255)
        if not 1 <= channels <= limit:
            raise AudioError(f"{codec} files have 1 to {limit} channels, not {channels}")
        self.codec, self.bit_depth, self.rate, self.channels = codec, bit_depth, rate, channels
        self.subtype = _SUBTYPES[bit_depth] if self.lossless else None
        self.frame_bytes = channels * _SAMPLE_BYTES[bit_depth]
        self.bits_per_second = 0
        self.level: float | None = None
        if codec == "mp3":
            self.bits_per_second = parse_bitrate(bitrate)
            self.level = _mp3_level(self.bits_per_second, rate)
        elif codec == "ogg":
            self.level = 1.0 - _vorbis_quality(parse_bitrate(bitrate), rate, channels)


class _Sink(VirtualFile):
    """The file that an encoder writes; `size`: its bytes, as far as the writes succeeded."""

    def __init__(self, path: Path) -> None:
        super().__init__(open(path, "xb", buffering=0))  # noqa: SIM115 (closed by close)
        self.size = 0

    def write(self, data: bytes) -> int:
        view, done = memoryview(data), 0
        try:
            if self.first_error() is not None:
                return 0
            while done < len(view):
                done += self._file.write(view[done:])
            self.size = max(self.size, self._file.tell())
        except BaseException as error:
            self.fail(error)
        return done


class _Encoder:
    """One stem's file: samples in, a verified file out. `abort` removes what `open` has made."""

    def __init__(self, target: Path, format: _Format, total_frames: int | None) -> None:
        self._target, self._format = target, format
        self._frames = 0
        self._pending: NDArray[Any] = np.empty((0, format.channels), dtype=np.float32)
        self._temporary = _temporary(target.parent)
        self.temporaries = [self._temporary]
        self._rf64 = format.codec == "wav" and (total_frames or 0) * format.frame_bytes >= WAV_LIMIT
        self._sink: _Sink | None = None
        self._file: soundfile.SoundFile | None = None
        self._size = 0

    def write(self, block: NDArray[Any]) -> None:
        """Append `(n, channels)`: int16, int32 holding 24 bits, or float32."""
        if self._format.codec == "wav":
            if not self._rf64 and (self._frames + len(block)) * self._format.frame_bytes >= WAV_LIMIT:
                self._convert_to_rf64()
            self._write(block)
            return
        if len(self._pending):
            block = np.concatenate([self._pending, block])
        whole = len(block) - len(block) % _ENCODER_FRAMES
        for start in range(0, whole, _ENCODER_FRAMES):
            self._write(block[start : start + _ENCODER_FRAMES])
        self._pending = block[whole:].copy()

    def finish(self) -> None:
        """Write what is pending, close, and check that the file is complete."""
        if len(self._pending):
            self._write(self._pending)
            self._pending = self._pending[:0]
        self._close()
        self._verify()

    def publish(self) -> None:
        """Put the file in the place of its target."""
        try:
            os.replace(self._temporary, self._target)
        except OSError as error:
            raise self._failed(error) from error

    def abort(self) -> None:
        """Close and remove the temporary file; may be repeated."""
        try:
            with contextlib.suppress(Exception):  # the first error counts
                self._close()
        finally:
            for path in self.temporaries:
                with contextlib.suppress(OSError):
                    path.unlink()

    def open(self) -> None:
        format = self._format
        try:
            self._sink = _Sink(self._temporary)
        except OSError as error:
            raise self._failed(error) from error
        import soundfile

        try:
            self._file = sequential_file()(
                self._sink,
                "w",
                samplerate=format.rate,
                channels=format.channels,
                format="RF64" if self._rf64 else format.codec.upper(),
                subtype=format.subtype,
                compression_level=format.level,
                bitrate_mode="CONSTANT" if format.codec == "mp3" else None,
            )
            self._sink.check()
        except (soundfile.SoundFileError, OSError, ValueError, TypeError) as error:
            raise self._failed(self._sink.first_error() or error) from error

    def _write(self, block: NDArray[Any]) -> None:
        assert self._file is not None
        assert self._sink is not None
        import soundfile

        if self._format.bit_depth == "int24" and block.dtype == np.int32:
            block = block << 8  # libsndfile takes the upper 24 bits
        try:
            self._file.write(block)
            self._sink.check()
        # AssertionError: soundfile's word for a short write.
        except (soundfile.SoundFileError, OSError, AssertionError, ValueError) as error:
            raise self._failed(self._sink.first_error() or error) from error
        self._frames += len(block)

    def _close(self) -> None:
        """Close the encoder and the file, which writes the rest and the header."""
        file, self._file = self._file, None
        sink, self._sink = self._sink, None
        if sink is None:
            return
        self._size = -1
        import soundfile

        try:
            if file is not None:
                file.close()
            sink.check()
            sink.close()
            self._size = sink.size
        except (soundfile.SoundFileError, OSError) as error:
            raise self._failed(sink.first_error() or error) from error
        finally:
            sink.close()

    def _verify(self) -> None:
        """Check the finished file against what was written to it."""
        import soundfile

        format = self._format
        try:
            size = self._temporary.stat().st_size
            with _opened(self._temporary) as info:
                rate, channels, frames = info.samplerate, info.channels, info.frames
        except (soundfile.SoundFileError, OSError) as error:
            raise self._failed(error) from error
        if size != self._size:
            raise self._failed(f"it has {size} bytes, {self._size} were written")
        if (rate, channels) != (format.rate, format.channels):
            raise self._failed(f"it came out with {rate} Hz and {channels} channels")
        if format.codec == "mp3":
            # The length in its header is written last whatever happened; the bitrate is constant,
            # and the encoder's delay always makes at least one more frame.
            if size * 8 < format.bits_per_second * self._frames / format.rate:
                raise self._failed(f"it has only {size} bytes")
        elif frames != self._frames:
            raise self._failed(f"it has {frames} frames, {self._frames} were written")

    def _convert_to_rf64(self) -> None:
        """Copy what is written so far into an RF64 file, and go on with that one."""
        import soundfile

        self._close()
        old, frames = self._temporary, self._frames
        kind = {"int16": "int16", "int24": "int32", "float32": "float32"}[self._format.bit_depth]
        try:
            self._temporary, self._rf64, self._frames = _temporary(self._target.parent), True, 0
            self.temporaries.append(self._temporary)
            self.open()
            with _opened(old) as file:
                while len(block := file.read(_COPY_FRAMES, dtype=kind, always_2d=True)):
                    self._write(block >> 8 if kind == "int32" else block)
            if self._frames != frames:
                raise self._failed(f"only {self._frames} of {frames} frames could be read again")
        except (soundfile.SoundFileError, OSError) as error:
            raise self._failed(error) from error
        finally:
            with contextlib.suppress(OSError):
                old.unlink()

    def _failed(self, reason: BaseException | str) -> AudioError:
        if isinstance(reason, MemoryError) or (
            isinstance(reason, BaseException) and not isinstance(reason, Exception)
        ):
            raise reason  # Ctrl-C inside a callback
        if isinstance(reason, OSError):
            reason = reason.strerror or str(reason)
        elif isinstance(reason, AssertionError):
            reason = "incomplete write"
        return AudioError(f"{self._target}: cannot be written: {str(reason).strip() or 'unknown error'}")


class _Spool:
    """Float32 blocks in a temporary file."""

    def __init__(self, folder: Path, channels: int) -> None:
        self._channels = channels
        self.path = _temporary(folder)
        self._file: BinaryIO | None = None

    def open(self) -> None:
        try:
            self._file = open(self.path, "x+b")  # noqa: SIM115 (closed by remove)
        except OSError as error:
            raise AudioError(f"{self.path.parent}: cannot be written: {error.strerror or error}") from error

    def append(self, block: Block) -> None:
        assert self._file is not None
        try:
            self._file.write(np.ascontiguousarray(block).data)
        except OSError as error:
            raise AudioError(f"{self.path.parent}: cannot be written: {error.strerror or error}") from error

    def read(self, start: int, frames: int) -> Block:
        assert self._file is not None
        frame_bytes = 4 * self._channels
        try:
            self._file.seek(start * frame_bytes)
            data = self._file.read(frames * frame_bytes)
        except OSError as error:
            raise AudioError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        if len(data) != frames * frame_bytes:
            raise AudioError(f"{self.path.parent}: a temporary file is incomplete")
        return np.frombuffer(data, dtype=np.float32).reshape(frames, self._channels)

    def remove(self) -> None:
        try:
            if self._file is not None:
                with contextlib.suppress(OSError):
                    self._file.close()
        finally:
            with contextlib.suppress(OSError):
                self.path.unlink()


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A sound file opened for reading; raises what happened in its callbacks.

    By a file object, because the name may be one that soundfile cannot encode.
    """
    with open(path, "rb") as opened:
        source = VirtualFile(opened)
        try:
            with sequential_file()(source, "r") as file:
                yield file
        finally:
            source.check()


def _temporary(folder: Path) -> Path:
    """A new hidden name in `folder`: short, so that long target names do not matter.

    Not `tempfile.mkstemp`: its files are readable by their owner only, and stay so.
    """
    return folder / f".spleeterrt-{os.urandom(8).hex()}.part"


def _check_conflicts(paths: Mapping[str, Path]) -> None:
    seen = set()
    for path in paths.values():
        key = os.path.normcase(os.path.realpath(path))
        if key in seen:
            raise SpleeterError(f"Separated source path conflict : {path},please check your filename format")
        seen.add(key)


def _full_scale(bit_depth: str) -> int:
    try:
        return _FULL_SCALE[bit_depth]
    except KeyError:
        raise AudioError(f"bit depth: expected one of {', '.join(BIT_DEPTHS)}, got {bit_depth!r}") from None


def _mp3_level(bits_per_second: int, rate: int) -> float:
    """libsndfile's compression level of an exact constant bitrate.

    libsndfile takes `int(top - level * (top - bottom))` kbit/s, the range depending on the MPEG
    version; half a kbit/s more keeps the truncation from ending one below.
    """
    if rate not in _MP3_RATES:
        raise AudioError(f"mp3 files cannot have {rate} Hz, only {', '.join(map(str, _MP3_RATES))}")
    version = "MPEG-1" if rate >= 32000 else "MPEG-2" if rate >= 16000 else "MPEG-2.5"
    valid = _MP3_KBITS[version]
    if bits_per_second % 1000 or bits_per_second // 1000 not in valid:
        raise AudioError(
            f"mp3 files at {rate} Hz cannot have a bitrate of {bits_per_second / 1000:g}k, "
            f"only {', '.join(f'{k}k' for k in valid)}"
        )
    top, bottom = valid[-1], valid[0]
    return max(0.0, (top - bits_per_second // 1000 - 0.5) / (top - bottom))


def _vorbis_quality(bits_per_second: int, rate: int, channels: int) -> float:
    """Vorbis quality in [0, 1] whose nominal bitrate is closest.

    libvorbis' own table for 40 to 50 kHz, linear in between, scaled by the sample rate elsewhere.
    """
    table = _VORBIS_STEREO if channels == 2 else _VORBIS_OTHER
    scale = 1.0 if 40000 <= rate <= 50000 else rate / 44100
    wanted = bits_per_second / 1000 / channels / scale
    return float(np.interp(wanted, table, np.linspace(0.0, 1.0, len(table))))
