"""Where the stems of a song go: Spleeter's rule of `filename_format`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .arguments import PathLike, names, output_folder, path, told
from .audio.films import container_of
from .audio.formats import codec_name, codec_of
from .audio.stem_files import STEM_CODECS, STEM_ENDINGS, STEMS
from .audio.targets import path_conflict
from .errors import ArgumentError, ArgumentTypeError
from .regular import name_on_windows

if TYPE_CHECKING:
    from .audio import Codec

DEFAULT_FORMAT = "{filename}/{instrument}.{codec}"
ACTIVITY_ENDINGS = {"csv": ".csv", "json": ".json", "audacity": ".txt"}
_FIELDS = "expected {filename}, {instrument}, {foldername} or {codec}"


def output_codec(filename_format: str, codec: Codec | str | None = None) -> str:
    """The codec of the stems: `codec`, or where it is None what the ending of the format says, else wav.

    Raises:
        SpleeterError: the format names what there is not, or its ending is not one of the codec; an unknown
            codec, or what writes it is not installed.
    """
    # A song's name has no say: it is a sign that no ending can begin with.
    fields = {"filename": "-", "instrument": "-", "foldername": "-", "codec": _codec_field(codec)}
    name = _formatted(filename_format, fields)
    return codec_of(name, codec, called=f"filename format {told(filename_format)}")


def output_paths(
    audio_descriptor: PathLike,
    destination: str | os.PathLike[str],
    filename_format: str,
    codec: Codec | str | None,
    stems: Sequence[str],
) -> dict[str, Path]:
    """Where the stems of a file go, by Spleeter's format rule: always below `destination`.

    `{codec}` stands for `codec` in small letters, for wav where it is None. All stems go into one file where
    the codec is one of stem files: it is called `stems` here, and its ending `stem.mp4`.

    Raises:
        SpleeterError: the format names something else than {filename}, {instrument}, {foldername} and
            {codec}, is absolute, has a part `..`, or gives two stems one path; a name that is put into it is
            none of a file (empty, `..`, with a separator).
    """
    source = Path(path("audio_descriptor", audio_descriptor))
    folder = output_folder("destination", destination)
    if codec is not None and codec_name(codec) in STEM_CODECS:
        stems, filename_format = (STEMS,), _stem_format(filename_format)
    paths: dict[str, Path] = {}
    for stem in names("stems", stems):
        fields = {
            "filename": source.stem,
            "instrument": stem,
            "foldername": source.absolute().parent.name,
            "codec": _codec_field(codec),
        }
        for field, value in fields.items():
            if f"{{{field}" in str(filename_format):
                _check_name(field, value, source)
        name = _formatted(filename_format, fields)
        target = Path(os.path.normpath(os.path.join(folder, name)))
        if target in paths.values():
            raise path_conflict(
                target, f"{{instrument}} is missing in the filename format {told(filename_format)}"
            )
        paths[stem] = target
    return paths


def activity_path(audio_descriptor: PathLike, paths: Mapping[str, Path], kind: str) -> Path:
    """Where the times of singing in a song go: beside the first of its results."""
    song = Path(path("audio_descriptor", audio_descriptor)).stem
    return next(iter(paths.values())).parent / f"{song}.vocals{ACTIVITY_ENDINGS[kind]}"


def film_paths(
    film: Path, destination: str | os.PathLike[str], filename_format: str, stems: Sequence[str]
) -> dict[str, Path]:
    """Where the films with the stems as their sound go; `{codec}` is the film's own ending.

    Raises:
        SpleeterError: as of `output_paths`; a format with another ending.
        AudioError: the film is of no kind that can be written.
    """
    container_of(film)
    ending = film.suffix.lower()
    paths = output_paths(film, destination, filename_format, ending[1:], stems)
    for target in paths.values():
        if target.suffix.lower() != ending:
            raise ArgumentError(
                f"{target}: the new film is of the same kind as {film}: end the names in {ending}"
            )
    return paths


def _stem_format(filename_format: str) -> str:
    """A stem file lies where else the folder of a song's stems would, unless somebody says where."""
    return "{filename}.{codec}" if filename_format == DEFAULT_FORMAT else filename_format


def _codec_field(codec: Codec | str | None) -> str:
    name = "wav" if codec is None else codec_name(codec)
    return STEM_ENDINGS[0][1:] if name in STEM_CODECS else name


def _check_name(field: str, value: str, source: Path) -> None:
    if value in ("", ".", "..") or any(mark in value for mark in (os.sep, os.altsep, "\0") if mark):
        raise ArgumentError(f"{source}: {{{field}}} is {value!r}, which cannot be part of a file name")


def _formatted(filename_format: str, fields: dict[str, str]) -> str:
    """The path below the destination."""
    what = f"filename format {told(filename_format)}"
    if not isinstance(filename_format, str):
        raise ArgumentTypeError(f"{what}: expected a string")
    try:
        name = filename_format.format(**fields)
    except KeyError as error:
        raise ArgumentError(f"{what}: {_FIELDS}, got {{{error.args[0]}}}") from error
    except (IndexError, ValueError, AttributeError, TypeError) as error:
        raise ArgumentError(f"{what}: {_FIELDS} ({error})") from error
    if name.startswith(tuple(mark for mark in (os.sep, os.altsep) if mark)) or os.path.splitdrive(name)[0]:
        raise ArgumentError(f"{what}: it is absolute; the folder of the results is an option of its own")
    parts = re.split(r"[/\\]" if os.name == "nt" else "/", name)
    if ".." in parts:
        raise ArgumentError(f"{what}: '..' would leave the folder of the results")
    if parts[-1] in ("", "."):
        raise ArgumentError(f"{what}: it names a folder, not a file")
    for part in parts if os.name == "nt" else ():
        if part not in ("", ".") and not name_on_windows(part):
            raise ArgumentError(f"{what}: {part!r} is no name of a file on Windows")
    return path(what, name)
