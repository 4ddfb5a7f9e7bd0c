"""Which library reads a file, and how."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import AudioError, UnknownFormatError
from .ffmpeg import FFMPEG_SUFFIXES, NEEDS_FFMPEG, ffmpeg_installed, is_foreign
from .parts import Found, find_parts

if TYPE_CHECKING:
    from .libsndfile import SoundFileSource
    from .source import AudioSource


def open_source(path: Path, track: int | None = None, fill_gaps: bool = False) -> AudioSource:
    """Open a regular file by libsndfile, or what it does not know by FFmpeg.

    track: of several audio tracks, counted from 1; None: the default one.
    fill_gaps: put silence where time stamps have gaps.
    """
    start = _check(path)
    several = False
    found = None if is_foreign(start) else _look(path)
    if found is not None and not _needs_tracks(found, track):
        several = len(found.parts) > 1
        try:
            source = _coded(path, found.foreign) if found.foreign is not None else _by_libsndfile(path, found)
        except UnknownFormatError:
            if not ffmpeg_installed() and path.suffix.lower() not in FFMPEG_SUFFIXES:
                raise
        else:
            if track not in (None, 1):
                source.close()
                if found.streams > 1:
                    raise AudioError(f"{path}: another track than the first {NEEDS_FFMPEG}")
                raise AudioError(f"{path}: no audio track {track}; it has one")
            if found.streams > 1 and track is None:
                source.notes.append(
                    f"of {found.streams} audio tracks number 1 is used; --track N (track=N) takes another one"
                )
            return source
    if not ffmpeg_installed():
        raise AudioError(f"{path}: {NEEDS_FFMPEG}")
    return _by_ffmpeg(path, track, several, fill_gaps)


def _check(path: Path) -> bytes:
    """The first bytes of a file that can be read."""
    try:
        kind = os.stat(path).st_mode  # first: opening a named pipe would wait for a writer
        if stat.S_ISDIR(kind):
            raise AudioError(f"{path}: cannot be read: it is a folder")
        if not stat.S_ISREG(kind):
            raise AudioError(f"{path}: cannot be read: it is not a regular file")
        with open(path, "rb") as file:  # for the operating system's own error message
            start = file.read(16)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character
        raise AudioError(f"{str(path)!r}: cannot be read: not a file name ({error})") from error
    if not start:
        raise AudioError(f"{path}: the file is empty")
    return start


def _needs_tracks(found: Found, track: int | None) -> bool:
    """Whether FFmpeg shall choose one of several streams of sound."""
    chooses = track not in (None, 1) or len(found.parts) == 1
    return found.streams > 1 and chooses and ffmpeg_installed()


def _look(path: Path) -> Found:
    try:
        return find_parts(path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error


def _by_libsndfile(path: Path, found: Found) -> AudioSource:
    from .libsndfile import SUPPORTED, SoundFileSource

    if not found.parts:
        raise UnknownFormatError(f"{path}: not a readable audio file; {SUPPORTED}")
    source: AudioSource
    if len(found.parts) == 1:
        source = SoundFileSource(path, found.parts[0])
        _refuse_coded(source, path)
    else:
        from .chain import ChainSource

        source = ChainSource(path, [partial(SoundFileSource, path, part) for part in found.parts])
    source.notes += found.notes
    source.damage += found.damage
    return source


def _by_ffmpeg(path: Path, track: int | None, several: bool, fill_gaps: bool) -> AudioSource:
    from .ffmpeg_source import FFmpegSource
    from .foreign_parts import foreign_spans

    damage: list[str] = []
    try:
        spans = foreign_spans(path, damage)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(spans) > 1:
        from .chain import ChainSource

        chain = ChainSource(path, [partial(FFmpegSource, path, track, span, fill_gaps) for span in spans])
        chain.damage += damage
        return chain
    source = FFmpegSource(path, track, fill_gaps=fill_gaps)
    source.damage += damage
    if several:  # FFmpeg reads on, but knows one of the lengths
        source.likely_frames = None
    return source


def _refuse_coded(source: SoundFileSource, path: Path) -> None:
    """DTS in a FLAC file and the like: of a WAV file FFmpeg would decode it."""
    coded = source.coded()
    if coded is not None:
        source.close()
        raise AudioError(
            f"{path}: its samples are not sound but {coded}, as digital outputs send it to a decoder; make a "
            f"WAV file of it, whose samples are decoded (it {NEEDS_FFMPEG})"
        )


def _coded(path: Path, name: str) -> AudioSource:
    """What FFmpeg decodes of samples that are none."""
    reason = f"its samples are not sound but {name}, as digital outputs send it to a decoder"
    if not ffmpeg_installed():
        raise AudioError(f"{path}: {reason}; it {NEEDS_FFMPEG}")
    from .ffmpeg_source import FFmpegSource

    source = FFmpegSource(path)
    source.likely_frames = None
    if source.codec.startswith("pcm_"):
        source.close()
        raise AudioError(f"{path}: {reason}, and FFmpeg does not find it; extract the stream from the file")
    return source
