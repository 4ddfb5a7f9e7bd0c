"""`StemFileWriter`: the stems of one song as files, written in blocks, together or not at all.

    write(sources, mix) -> resample -> [rescale: spool to disk, then again] -> clip, quantise,
    residual -> one encoder per stem -> temporary files -> verify -> rename

Every stem goes to a hidden temporary file in its target's folder; the targets appear only when
all of them are complete.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import wait
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arguments import floats, told
from ..arguments import path as checked_path
from ..atomic import sweep
from ..errors import ArgumentTypeError, AudioError, AudioOptionError
from ..parallel import started_pool
from .blocks import Recut
from .codec import Codec
from .encoder import COPY_FRAMES, Encoder, Spool
from .formats import (
    FFMPEG_CODECS,
    FULL_SCALE,
    Format,
    full_scale,
    parse_bitrate,
    quantize,
    usual_rate,
)
from .meters import Meter
from .resample import StreamResampler, checked_count, checked_rate, fit, resampled_frames
from .tags import Tags
from .targets import Folders, check_conflicts, check_tracks, folder_of, one_codec

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .films import Film

    Block = NDArray[np.float32]

__all__ = ["StemFileWriter", "parse_bitrate", "quantize"]

logger = logging.getLogger("spleeterrt")


class StemFileWriter:
    """Writes the stems of one song; a context manager: commits on a clean exit, else aborts.

    Args:
        paths: file of each stem to write. Folders are made as needed.
        sample_rate: Hz of the blocks given to `write`, 1000 to 768000.
        channels: of the blocks.
        codec: `"wav"`, `"flac"`, `"mp3"`, `"ogg"`, `"opus"`, `"aiff"`, `"caf"`, `"w64"`, `"au"`; by FFmpeg
            `"m4a"` and `"wma"`, and with `tracks` `"stem"` and `"stem-alac"`. None: by the ending of the
            names, else wav.
        bitrate: of mp3 (constant), ogg (nominal: the closest Vorbis quality, which for stereo at 44.1 kHz
            spans 64k to 500k), opus, m4a, wma and stem (of each track); None: 128k, of stem 256k. Else
            ignored. One that the format does not have becomes the nearest that it has, with a warning. An mp3
            file below 64k has no room for the header that tells its decoder delay and length.
        bit_depth: `"int16"`, `"int24"` or `"float32"` (not flac). Ignored by lossy codecs.
        clip: `"clamp"` saturates at full scale; `"rescale"` scales all stems by one `gain` if
            any exceeds full scale (spools float32 next to the targets and encodes at the end);
            `"none"` writes float32 as it is.
        file_rate: Hz of the files; None: `sample_rate`, or 48000 if Opus does not know that.
        total_frames: expected frames of each file; may be set until `commit`. Used to choose RF64
            early; with `file_rate` the files get exactly this length if it is within rounding of the
            resampled length (which is `round(n * file_rate / sample_rate)`, halves up).
        residual: a stem that is written as the mix minus all other `sources`. In integer files
            with `"clamp"` or `"rescale"` the files of all sources then sum to the quantised mix,
            sample by sample, unless the residual itself exceeds full scale.
        mix: blocks of the mix at `file_rate`, of any size: with `residual` they count instead of those that
            `write` gets, so that what resampling has lost of those is in the residual.
        name: of the song, for warnings; None: the folder of the files.
        tags: of each stem, for codecs that hold any; a failure to write them is only logged.
        tracks: of the one stem file in `paths`: the name of the mix, and the four stems in order. The mix
            counts as a stem, but `write` gets it as `mix`.
        films: of each stem the film whose sound it becomes, all of one kind; the files are films, too, and
            `codec` does not count.
        threads: how many stems are encoded at the same time, where encoding is work (not wav); from more
            than one on, in threads of their own.

    What was cut off, scaled or not to be had goes to the logger as one warning each, at `commit`.

    Attributes:
        gain: the factor of `clip="rescale"`, known after `commit`; else 1.
        clipped: of each stem, samples (of all channels) that were beyond full scale and are cut off there.
        levels: of each stem, peak and RMS in dB relative to full scale, before what is beyond it is cut off;
            None: silence.

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
        codec: Codec | str | None = None,
        bitrate: str | int | None = None,
        bit_depth: str = "int16",
        clip: str = "clamp",
        file_rate: float | None = None,
        total_frames: int | None = None,
        residual: str | None = None,
        mix: Iterable[Block] | None = None,
        name: str | None = None,
        tags: Mapping[str, Tags] | None = None,
        tracks: Sequence[str] = (),
        films: Mapping[str, Film] | None = None,
        threads: int = 1,
    ) -> None:
        if not isinstance(paths, Mapping):
            raise ArgumentTypeError(f"paths: expected a file of each stem, got {told(paths)}")
        self.paths = {name: Path(checked_path(f"file of {name}", path)) for name, path in paths.items()}
        if not self.paths:
            raise AudioError("no stem to write")
        if residual is not None and not isinstance(residual, str):
            raise ArgumentTypeError(f"residual: expected the name of a stem, got {told(residual)}")
        if total_frames is not None:
            total_frames = checked_count(total_frames, "total_frames")
        if tags is not None and not isinstance(tags, Mapping):
            raise ArgumentTypeError(f"tags: expected those of each stem, got {told(tags)}")
        for path in self.paths.values():
            if "\0" in str(path):
                raise AudioError(
                    f"{str(path)!r}: cannot be written: not a file name (embedded null character)"
                )
        self._films = films or {}
        codec = _film_codec(self._films) or one_codec(self.paths.values(), codec)
        self.gain = 1.0
        check_tracks(tracks, codec)
        self._tracks = tuple(tracks)
        self._names = self._tracks or tuple(self.paths)
        self.clipped = dict.fromkeys(self._names, 0)
        self._meters = {name: Meter() for name in self._names}
        self._name = name or str(folder_of(self.paths.values()))
        self.sample_rate = checked_rate(sample_rate)
        self.file_rate = (
            usual_rate(codec, self.sample_rate)
            if file_rate is None
            else checked_rate(file_rate, "sample rate of the files")
        )
        self.channels = channels
        self._clip = clip
        self._tags = tags or {}
        self._format = Format(codec, bit_depth, clip, bitrate, self.file_rate, channels)
        if file_rate is None and self.file_rate != self.sample_rate:
            total_frames = None  # the caller did not know
        self.total_frames = total_frames
        workers = 1 if self._format.pcm else min(threads, len(self._names))
        self._pool = started_pool(workers, "spleeterrt-encode") if workers > 1 else None
        self._integers = self._format.lossless and self._format.bit_depth != "float32"
        # A residual that is not written is not needed.
        self._residual = residual if residual in self._names else None
        # Under these names go blocks of the mix.
        self._mixes = tuple(name for name in (self._residual, *self._tracks[:1]) if name is not None)
        self._mix = Recut(mix, channels) if mix is not None and self._mixes else None
        check_conflicts(self.paths)

        self._resamplers: dict[str, StreamResampler] = {}
        self._read = 0
        self._frames = 0
        self._peak = 0.0
        self._finished = False  # nothing can be written any more
        self._clean = False  # nothing is left to remove
        self._folders = Folders()
        self._encoders: dict[str, Encoder] = {}
        self._spools: dict[str, Spool] = {}
        try:
            for path in self.paths.values():
                self._folders.prepare(path)
            for folder in {path.parent for path in self.paths.values()}:
                sweep(folder)
            for name, path in self.paths.items():
                self._encoders[name] = self._encoder(name, path)
                self._encoders[name].open()  # only now, so that `abort` knows of the file
        except BaseException:
            self.abort()
            raise

    def _encoder(self, name: str, path: Path) -> Encoder:
        if name in self._films:
            from .remux import FilmEncoder

            return FilmEncoder(path, self._format, self.total_frames, self._films[name])
        if self._format.codec in FFMPEG_CODECS:
            from .ffmpeg_encoder import FFmpegEncoder

            if self._tracks:
                from .stem_encoder import StemSetEncoder

                return StemSetEncoder(path, self._format, self.total_frames, self._tracks, self._pool)
            return FFmpegEncoder(path, self._format, self.total_frames)
        return Encoder(path, self._format, self.total_frames)

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
            mix: the same frames of the mix; needed with `residual`, unless the constructor got it.

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
            self._accept(self._with_mix(blocks))
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
                self._accept(self._with_mix({name: fit(block, missing) for name, block in tail.items()}))
            if self._spools:
                self._encode_spools()
            for encoder in self._encoders.values():
                encoder.finish()
            for name, encoder in self._encoders.items():
                if self._tags.get(name):
                    encoder.add_tags(self._tags[name])
            for encoder in self._encoders.values():
                encoder.publish()
            self._finished = True
            self._end_threads()
            self._drop_spools()
            self._clean = True
        except BaseException:
            self.abort()
            raise
        self._tell()

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
        self._folders.remove()

    def _left(self) -> bool:
        """Whether temporary files are still there."""
        encoders, spools = self._encoders.values(), self._spools.values()
        temporaries = [path for encoder in encoders for path in encoder.temporaries]
        return any(path.exists() for path in (*temporaries, *(spool.path for spool in spools)))

    def _check(self, sources: Mapping[str, NDArray[Any]], mix: NDArray[Any] | None) -> dict[str, Block]:
        """The blocks that matter, float32; the mix under the name of the residual."""
        used: dict[str, Any] = {
            name: block
            for name, block in sources.items()
            if name not in self._mixes and (name in self._names or self._residual is not None)
        }
        for name in self._names:
            if name not in used and name not in self._mixes:
                raise AudioError(f"stem {name!r} is missing from the block, it has {sorted(sources)}")
        if self._mixes and self._mix is None:
            if mix is None:
                raise AudioError(f"the mix is needed for the residual stem {self._mixes[0]!r}")
            used.update(dict.fromkeys(self._mixes, mix))
        frames = (*np.shape(floats(f"stem {next(iter(used))!r}", next(iter(used.values())))), 0)[0]
        blocks = {}
        for name, given in used.items():
            block = floats(f"stem {name!r}", given).astype(np.float32, copy=False)
            if block.shape != (frames, self.channels):
                turned = block.ndim == 2 and block.shape[1] != self.channels == block.shape[0]
                raise AudioOptionError(
                    f"stem {name!r}: expected shape ({frames}, {self.channels}), got {block.shape}"
                    + ("; did you mean its transpose, .T?" if turned else "")
                )
            if not np.isfinite(block).all():
                raise AudioError(f"stem {name!r}: the samples are not all finite numbers")
            blocks[name] = block
        return blocks

    def _with_mix(self, blocks: dict[str, Block]) -> dict[str, Block]:
        """The blocks, and those of the mix where they come by themselves."""
        if self._mix is not None:
            mix = self._mix.take(len(next(iter(blocks.values()))))
            blocks.update(dict.fromkeys(self._mixes, mix))
        return blocks

    def _tell(self) -> None:
        """Warn of what was done to the sound, and what is not in the files."""
        messages = (message for encoder in self._encoders.values() for message in encoder.warnings)
        for message in dict.fromkeys(messages):
            logger.warning("%s", message)
        for message in self._format.warnings:
            logger.warning("%s: %s", self._name, message)
        if self.gain != 1.0:
            logger.warning(
                "%s: all stems are turned down by %.2f dB (gain %.4f), because a peak was beyond full scale",
                self._name,
                -20 * math.log10(self.gain),
                self.gain,
            )
        whole = self._frames * self.channels
        parts = [f"{stem} {n} ({_percent(n / whole)})" for stem, n in self.clipped.items() if n]
        if parts:
            logger.warning(
                "%s: samples beyond full scale were cut off: %s; clip 'rescale' turns all stems down "
                "instead, bit depth float32 with clip 'none' keeps them",
                self._name,
                ", ".join(parts),
            )

    @property
    def levels(self) -> dict[str, tuple[float | None, float | None]]:
        return {stem: meter.levels() for stem, meter in self._meters.items()}

    def _file_frames(self) -> int:
        """Length of the resampled files: `total_frames` if that is within rounding."""
        frames = resampled_frames(self._read, self.sample_rate, self.file_rate)
        # One source frame is file_rate / sample_rate frames; one more for the rounding.
        slack = math.ceil(self.file_rate / self.sample_rate) + 1
        if (
            self.total_frames is not None
            and self.total_frames > 0
            and abs(frames - self.total_frames) <= slack
        ):
            return self.total_frames
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
        for name in self._names:
            self._peak = max(self._peak, float(np.abs(peaks[name]).max()))
        for name, block in blocks.items():
            if name not in self._spools:
                folder = next(iter(self.paths.values())).parent
                self._spools[name] = Spool(folder, self.channels)
                self._spools[name].open()
            self._spools[name].append(block)

    def _encode_spools(self) -> None:
        if self._peak > 1.0:
            full = FULL_SCALE.get(self._format.bit_depth) if self._format.lossless else None
            # The largest positive integer is one step below full scale.
            self.gain = (1.0 if full is None else (full - 1) / full) / self._peak
        for start in range(0, self._frames, COPY_FRAMES):
            count = min(COPY_FRAMES, self._frames - start)
            blocks = {name: spool.read(start, count) for name, spool in self._spools.items()}
            if self.gain != 1.0:
                blocks = {name: block * np.float32(self.gain) for name, block in blocks.items()}
            self._encode(blocks)

    def _encode(self, blocks: dict[str, Block]) -> None:
        """Clip, quantise and encode one block of every stem, at the rate of the files."""
        ready: dict[str, NDArray[Any]] = {}
        for name, block in blocks.items():
            if name != self._residual:
                ready[name] = self._finished_block(name, block)
        if self._residual is not None:
            ready[self._residual] = self._finished_residual(blocks[self._residual], ready)
        if self._tracks:
            whole = np.concatenate([ready[name] for name in self._tracks], axis=1)
            ready = dict.fromkeys(self._encoders, whole)
        if self._pool is None or self._tracks:
            for name, encoder in self._encoders.items():
                encoder.write(ready[name])
            return
        tasks = [self._pool.submit(encoder.write, ready[name]) for name, encoder in self._encoders.items()]
        wait(tasks)  # all of them, so that no encoder is in use when an error makes us close it
        for task in tasks:
            task.result()

    def _finished_block(self, name: str, block: Block) -> NDArray[Any]:
        """As the encoder takes it; what is cut off is counted."""
        peak = self._meters[name].add(block) if name in self._meters else float(np.abs(block).max())
        if self._clip == "none":
            return block
        if name in self.clipped and peak > 1.0:
            self.clipped[name] += int(np.count_nonzero(np.abs(block) > 1.0))
        if self._integers:
            return quantize(block, self._format.bit_depth)
        return np.clip(block, -1.0, 1.0)

    def _finished_residual(self, mix: Block, others: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        assert self._residual is not None
        if not self._integers:
            return self._finished_block(self._residual, self._float_residual({**others, self._residual: mix}))
        full = full_scale(self._format.bit_depth)
        # The mix is rounded but not clipped: a residual within full scale stays exact.
        rest = np.rint(mix.astype(np.float64) * full).astype(np.int64)
        for name, block in others.items():
            if name not in self._mixes:
                rest -= block
        self._meters[self._residual].add((rest / full).astype(np.float32))
        cut = np.clip(rest, -full, full - 1)
        self.clipped[self._residual] += int(np.count_nonzero(cut != rest))
        return cut.astype(np.int16 if self._format.bit_depth == "int16" else np.int32)

    def _float_residual(self, blocks: Mapping[str, Block]) -> Block:
        """The mix minus the others, summed in float64."""
        assert self._residual is not None
        rest = blocks[self._residual].astype(np.float64)
        for name, block in blocks.items():
            if name not in self._mixes:
                rest -= block
        return rest.astype(np.float32)

    def _drop_spools(self) -> None:
        for spool in self._spools.values():
            spool.remove()


def _film_codec(films: Mapping[str, Film]) -> str | None:
    return next((film.container.codec for film in films.values()), None)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %" if share >= 1e-5 else "less than 0.001 %"
