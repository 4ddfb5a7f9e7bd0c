"""Where stems go: one format for all files, no two of them in one place, folders made and taken back."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..errors import ArgumentError, AudioError, AudioOptionError
from .codec import Codec
from .formats import codec_of
from .stem_files import STEM_CODECS, STEM_COUNT


class Folders:
    """Makes the folders of files that are about to be written, and removes those that it has made."""

    def __init__(self) -> None:
        self._made: list[Path] = []

    def prepare(self, path: Path) -> None:
        """Make the folder of a file.

        Raises:
            AudioError: it cannot be made, or the file is a folder.
        """
        try:
            with contextlib.suppress(FileNotFoundError):
                # Not `Path.is_dir`, for which in newer Pythons a name too long is just no folder.
                if stat.S_ISDIR(os.stat(path).st_mode):
                    raise AudioError(f"{path}: cannot be written: it is a folder")
            self._make(path.parent)
        except OSError as error:
            raise AudioError(f"{path}: cannot be written: {error.strerror or error}") from error

    def _make(self, folder: Path) -> None:
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

    def remove(self) -> None:
        """Those that are empty, of those that were made."""
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # not empty: somebody else uses it
                folder.rmdir()


def one_codec(paths: Iterable[Path], codec: Codec | str | None) -> str:
    """The codec of all files.

    Raises:
        AudioError: their endings are not of one format, or not of `codec`.
    """
    names = {path: codec_of(path, codec) for path in paths}
    if len(set(names.values())) > 1:
        raise AudioError(f"all stems have one format, not {', '.join(map(str, names))}: name a codec")
    return next(iter(names.values()))


def folder_of(paths: Iterable[Path]) -> Path:
    """The one path, or the folder that all have in common."""
    first, *others = paths
    return Path(os.path.commonpath([os.path.abspath(path) for path in (first, *others)])) if others else first


def check_conflicts(paths: Mapping[str, Path]) -> None:
    """Raise `ArgumentError` if two stems have one file, also by way of links or of letters' case."""
    seen = set()
    for path in paths.values():
        key = os.path.normcase(os.path.realpath(path))
        if key in seen:
            raise path_conflict(path, "check the filename format")
        seen.add(key)


def check_tracks(tracks: Sequence[str], codec: str) -> None:
    """Raise `AudioOptionError` if these cannot be the tracks of a file: a stem file has five, others none."""
    if codec not in STEM_CODECS and not tracks:
        return
    if codec not in STEM_CODECS or len(tracks) != 1 + STEM_COUNT or len(set(tracks)) != len(tracks):
        raise AudioOptionError(
            f"{codec}: expected a stem file with the mix and {STEM_COUNT} stems as its tracks, got "
            f"{', '.join(tracks) or 'none'}"
        )


def path_conflict(path: Path, remedy: str) -> ArgumentError:
    """The error of two stems in one file (Spleeter's words, and what to do)."""
    return ArgumentError(f"Separated source path conflict: {path} would hold several stems; {remedy}")
