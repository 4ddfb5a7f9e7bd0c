"""Projects for Reaper: stems on a track each, as a text file.

The format is Reaper's own, `.RPP`: lines of a word and its values, and blocks from `<WORD` to `>`. What a
project does not say is as in a new one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path

from .arguments import file_path
from .arguments import path as checked_path
from .atomic import write_whole
from .errors import ArgumentError, ArgumentTypeError, AudioError, reason

# What Reaper calls the source of such a file.
_SOURCES = {
    ".wav": "WAVE", ".wave": "WAVE", ".aif": "WAVE", ".aiff": "WAVE", ".w64": "WAVE",
    ".flac": "FLAC", ".mp3": "MP3", ".ogg": "VORBIS", ".oga": "VORBIS",
}  # fmt: skip
_IDS = uuid.UUID("6b1d8a0e-52c0-4f0d-9d07-6a1f2f7c5f10")  # of this package's projects


def save_reaper_project(project: str | os.PathLike[str], stems: Mapping[str, str | os.PathLike[str]]) -> None:
    """Write a Reaper project (`.RPP`) with a track for each stem, all from the first second on.

    Files are named relative to the project where they lie in its folder or below: then both can be moved
    together. The project has the rate of the files; items keep time rather than beats, so that another tempo
    moves and stretches nothing.

    Args:
        project: the file to write; replaced if it is there.
        stems: file of each stem, by the name of its track: wav, aiff, w64, flac, mp3 or ogg.

    Raises:
        AudioError: a stem cannot be read, or the project not be written.
        SpleeterError: no stems, a file of another kind, or stems of several rates.
    """
    target = file_path("project", project)
    if not isinstance(stems, Mapping):
        raise ArgumentTypeError(f"stems: expected a file of each, got {type(stems).__name__}")
    if not stems:
        raise ArgumentError("stems: expected at least one")
    text = "\n".join(_lines(target, {name: Path(checked_path(name, path)) for name, path in stems.items()}))
    try:
        write_whole(target, f"{text}\n".encode())
    except OSError as error:
        raise AudioError(f"{target}: cannot be written: {reason(error)}") from error


def check_reaper_ending(path: Path) -> str:
    """The kind of source that a file is for Reaper.

    Raises:
        ArgumentError: of none that is known to be read there.
    """
    kind = _SOURCES.get(path.suffix.lower())
    if kind is None:
        raise ArgumentError(f"{path.name}: a Reaper project takes {', '.join(_SOURCES)}")
    return kind


def _lines(project: Path, stems: Mapping[str, Path]) -> Iterator[str]:
    from .audio.reader import AudioReader

    lengths, rates = {}, {}
    for name, path in stems.items():
        check_reaper_ending(path)
        with AudioReader(path) as reader:
            frames = reader.frames if reader.frames is not None else sum(map(len, reader))
            lengths[name], rates[name] = frames / reader.source_rate, reader.source_rate
    if len(set(rates.values())) > 1:
        raise ArgumentError(
            f"stems: expected files of one rate, got {', '.join(map(str, rates.values()))} Hz"
        )
    yield '<REAPER_PROJECT 0.1 "6.0" 0'
    yield "  RIPPLE 0"
    yield f"  SAMPLERATE {next(iter(rates.values()))} 1 0"
    yield "  TEMPO 120 4 4"
    for name, path in stems.items():
        track = _id(project, name, "track")
        yield f"  <TRACK {track}"
        yield f"    NAME {_quoted(name)}"
        yield "    BEAT 0"  # the time base is time
        yield "    VOLPAN 1 0 -1 -1 1"
        yield "    MUTESOLO 0 0 0"
        yield "    NCHAN 2"
        yield f"    TRACKID {track}"
        yield "    <ITEM"
        yield "      POSITION 0"
        yield f"      LENGTH {lengths[name]:.14g}"
        yield "      LOOP 0"
        yield "      BEAT 0"
        yield f"      IGUID {_id(project, name, 'item')}"
        yield f"      NAME {_quoted(path.name)}"
        yield "      SOFFS 0"
        yield "      PLAYRATE 1 1 0 -1 0 0.0025"
        yield f"      <SOURCE {check_reaper_ending(path)}"
        yield f"        FILE {_file(path, project)}"
        yield "      >"
        yield "    >"
        yield "  >"
    yield ">"


def _file(path: Path, project: Path) -> str:
    """A file as the project names it: from its own folder on, where it lies there.

    Raises:
        ArgumentError: a name that cannot stand in a project.
    """
    folder, place = os.path.abspath(project.parent), os.path.abspath(path)
    name = Path(place).relative_to(folder).as_posix() if Path(place).is_relative_to(folder) else place
    if _quoted(name)[1:-1] != name:
        raise ArgumentError(f"{path!s}: a Reaper project cannot have such a name of a file")
    return _quoted(name)


def _quoted(text: str) -> str:
    """In the quotation marks that it does not have itself; in one line."""
    text = " ".join(text.splitlines())
    for mark in "\"'`":
        if mark not in text:
            return f"{mark}{text}{mark}"
    return f"`{text.replace('`', chr(39))}`"


def _id(project: Path, name: str, what: str) -> str:
    """Of its own, and the same in every run: so is the file."""
    return f"{{{str(uuid.uuid5(_IDS, f'{project.name}/{name}/{what}')).upper()}}}"
