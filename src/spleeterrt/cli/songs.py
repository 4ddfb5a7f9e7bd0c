"""Which files a command works on, and whether their results get in each other's way."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..audio import ffmpeg
from ..audio.films import CONTAINERS
from ..audio.song_names import CLUTTER_FOLDERS, audio_suffixes, is_clutter
from ..audio.stem_files import is_stem_file
from ..errors import AudioError, SpleeterError
from .report import Report

logger = logging.getLogger("spleeterrt")


@dataclass(frozen=True)
class Song:
    """A file to separate.

    Attributes:
        name: as it was named or found: what is opened, and what it is called in reports.
        folder: where its results go below the output folder: the place in its tree.
    """

    name: str
    folder: str = ""


def local_path(name: str) -> str:
    """The path of a file that is named on the command line, also by a file: URL.

    Raises:
        SpleeterError: what is named is no file on this machine.
    """
    if not name:
        raise SpleeterError("an empty file name (an unset variable?)")
    if name == "-":
        raise SpleeterError(
            "-: only files can be read here, because they are read more than once; to separate "
            "standard input use `spleeterrt stream` (for a file with that name: ./-)"
        )
    if os.path.normpath(name) == "-":
        return os.path.abspath(name)  # libraries know another file by the bare name
    if os.path.lexists(name) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", name):
        return name
    from urllib.parse import urlsplit
    from urllib.request import url2pathname  # loads HTTP, TLS and mail

    url = urlsplit(name)
    if url.scheme != "file" or url.netloc not in ("", "localhost"):
        raise SpleeterError(
            f"{name}: not a file on this machine; download it first, or let `spleeterrt "
            "catalogue` read it (s3:// and gs://)"
        )
    return url2pathname(url.path)


def find_songs(
    files: Sequence[str],
    report: Report,
    *,
    recursive: bool = False,
    without: str | None = None,
    as_named: bool = False,
    films: bool = False,
    stem_files: bool = True,
) -> list[Song]:
    """The files to separate, each once; folders give their audio files, sorted.

    Args:
        recursive: also those in the folders below, whose results go to the same places below the output.
        without: a folder that is not searched: the output.
        as_named: what is no folder stays as it is named; an adapter of the user's may read anything.
        films: folders give the films whose sound can be replaced.
        stem_files: folders give stem files, too; not where such are made, maybe in the same folder.
    """
    songs: dict[str, Song] = {}
    for name in files:
        try:
            path = name if as_named and name else local_path(name)
            if os.path.isdir(path):
                suffixes = tuple(CONTAINERS) if films else audio_suffixes()
                found = _Search(path, recursive, without, suffixes, stem_files).run(report)
            else:
                if not as_named:
                    os.stat(path)  # what is not there is told now, not after hours
                found = [Song(path)]
        except OSError as error:
            report.fail(name, AudioError(f"{name}: cannot be read: {error.strerror or error}"))
            continue
        except ValueError as error:  # not a name of a file
            report.fail(name, AudioError(f"{name!r}: cannot be read: {error}"))
            continue
        except SpleeterError as error:
            report.fail(name, error)
            continue
        for song in found:
            songs.setdefault(song.name, song)
    return list(songs.values())


@dataclass
class _Search:
    """The songs in a folder, and what else there is."""

    top: str
    recursive: bool
    without: str | None
    suffixes: tuple[str, ...]  # of songs
    stem_files: bool = True
    songs: list[Song] = field(default_factory=list)
    clutter: list[str] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)  # stem files
    others: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)  # not searched
    need_ffmpeg: list[str] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)

    def run(self, report: Report) -> list[Song]:
        self._search(self.top, "")
        if self.need_ffmpeg:
            logger.warning(
                "%s: left out %s: %s", self.top, counted(self.need_ffmpeg, "file"), ffmpeg.NEEDS_FFMPEG
            )
        if self.clutter:
            logger.warning(
                "%s: left out %s, which other programs leave beside songs",
                self.top,
                counted(self.clutter, "hidden file"),
            )
        others = []
        if self.finished:
            others.append(counted(self.finished, "stem file"))
        if self.others:
            others.append(
                f"{counted(self.others, 'file')} whose ending is not that of {self._kind()}{self._films()}"
            )
        if self.folders:
            hint = "" if self.recursive else " (--recursive enters folders)"
            others.append(f"{counted(self.folders, 'folder')}{hint}")
        if others:
            report.note(f"{self.top}: left out {'; '.join(others)}")
        if not self.songs:
            where = "below this folder" if self.recursive else "in this folder"
            kind = self._kind().split(" ", 1)[1]
            raise SpleeterError(f"{self.top}: no {kind} {where} ({', '.join(self.suffixes)}){self._films()}")
        return self.songs

    def _kind(self) -> str:
        return "a film" if self.suffixes == tuple(CONTAINERS) else "an audio file"

    def _films(self) -> str:
        """What to do for films, if some are left out."""
        found = any(name.lower().endswith(tuple(CONTAINERS)) for name in self.others)
        return " (films are separated where they are named, or by --remux)" if found else ""

    def _search(self, folder: str, below: str) -> None:
        self._seen.add(os.path.realpath(folder))  # links may go round in circles
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
        folders = []
        for entry in entries:
            path = str(Path(entry.path))
            if entry.is_dir():
                folders.append(entry)
            elif is_clutter(entry.name):
                if entry.name.lower().endswith(self.suffixes):
                    self.clutter.append(entry.name)
            elif not entry.is_file():
                self.others.append(entry.name)
            elif not self.stem_files and is_stem_file(entry.name):
                self.finished.append(entry.name)
            elif entry.name.lower().endswith(self.suffixes):
                self.songs.append(Song(path, below))
            elif entry.name.lower().endswith(ffmpeg.AUDIO_SUFFIXES) and not ffmpeg.ffmpeg_installed():
                self.need_ffmpeg.append(entry.name)
            elif not entry.name.startswith("."):
                self.others.append(entry.name)
        for entry in folders:
            if not self._is_entered(entry):
                self.folders.append(os.path.join(below, entry.name))
                continue
            try:
                self._search(entry.path, os.path.join(below, entry.name))
            except OSError as error:
                logger.warning("%s: left out: %s", entry.path, error.strerror or error)

    def _is_entered(self, entry: os.DirEntry[str]) -> bool:
        hidden = entry.name.startswith(".") and not entry.name.startswith("..")
        if not self.recursive or hidden or entry.name in CLUTTER_FOLDERS:
            return False
        place = os.path.realpath(entry.path)
        return place not in self._seen and (self.without is None or place != os.path.realpath(self.without))


def counted(names: Sequence[str], what: str) -> str:
    """`3 files (a.jpg, b.jpg, ...)`."""
    shown = ", ".join([*names[:2], *(["..."] if len(names) > 2 else [])])
    return f"{len(names)} {what}{'' if len(names) == 1 else 's'} ({shown})"


def find_conflicts(outputs: Mapping[Song, Mapping[str, Path]], songs: Sequence[Song]) -> dict[Song, str]:
    """Songs whose stems would replace an input, or a stem of an earlier song, with the reason."""
    inputs = {os.path.realpath(song.name): song.name for song in songs}
    taken: dict[str, str] = {}
    conflicts: dict[Song, str] = {}
    for song, stems in outputs.items():
        names = [os.path.realpath(path) for path in stems.values()]
        for name, path in zip(names, stems.values(), strict=True):
            if name in inputs:
                conflicts[song] = (
                    f"{song.name}: {path} would replace the input {inputs[name]}; choose another output"
                )
            elif name in taken:
                apart = os.path.dirname(song.name) != os.path.dirname(taken[name])
                remedy = (
                    "use {foldername} in --filename_format" if apart else "give one of them another --output"
                )
                conflicts[song] = f"{song.name}: {path} already holds a stem of {taken[name]}; {remedy}"
        if song not in conflicts:
            taken.update(dict.fromkeys(names, song.name))
    return conflicts
