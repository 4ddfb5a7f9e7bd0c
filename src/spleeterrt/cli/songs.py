"""Which files a command works on, and whether their results get in each other's way."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from ..audio import ffmpeg
from ..errors import SpleeterError
from .report import Report

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc")

logger = logging.getLogger("spleeterrt")


def find_songs(files: tuple[str, ...], report: Report) -> list[str]:
    """The files to separate, each once; folders give their audio files, sorted, without sub-folders."""
    songs: list[str] = []
    for name in files:
        try:
            if not name:
                raise SpleeterError("an empty file name (an unset variable?)")
            if not os.path.isdir(name):
                songs.append(name)
                continue
            entries = sorted(str(entry) for entry in Path(name).iterdir() if _is_file(entry))
            suffixes = AUDIO_SUFFIXES + (ffmpeg.AUDIO_SUFFIXES if ffmpeg.ffmpeg_installed() else ())
            found = [entry for entry in entries if entry.lower().endswith(suffixes)]
            if not ffmpeg.ffmpeg_installed():
                others = [entry for entry in entries if entry.lower().endswith(ffmpeg.AUDIO_SUFFIXES)]
                if others:
                    logger.warning("%s (%d files left out): %s", others[0], len(others), ffmpeg.NEEDS_FFMPEG)
            if not found:
                raise SpleeterError(f"{name}: no audio file in this folder ({', '.join(suffixes)})")
            songs.extend(found)
        except (OSError, ValueError, SpleeterError) as error:
            report.fail(name, error)
    return list(dict.fromkeys(songs))


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".")


def find_conflicts(outputs: dict[str, dict[str, Path]], songs: list[str]) -> dict[str, str]:
    """Songs whose stems would replace an input, or a stem of an earlier song, with the reason."""
    inputs = {os.path.realpath(song): song for song in songs}
    taken: dict[str, str] = {}
    conflicts: dict[str, str] = {}
    for song, stems in outputs.items():
        names = [os.path.realpath(path) for path in stems.values()]
        for name, path in zip(names, stems.values(), strict=True):
            if name in inputs:
                conflicts[song] = (
                    f"{song}: {path} would replace the input {inputs[name]}; choose another output"
                )
            elif name in taken:
                conflicts[song] = (
                    f"{song}: {path} already holds a stem of {taken[name]}; "
                    "use {foldername} or another --filename_format"
                )
        if song not in conflicts:
            taken.update(dict.fromkeys(names, song))
    return conflicts
