"""Where the stems of a song go: Spleeter's rule of `filename_format`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from .errors import SpleeterError

if TYPE_CHECKING:
    from .audio import Codec

PathLike: TypeAlias = Union[str, bytes, "os.PathLike[str]"]
DEFAULT_FORMAT = "{filename}/{instrument}.{codec}"


def output_paths(
    audio_descriptor: PathLike,
    destination: str | os.PathLike[str],
    filename_format: str,
    codec: Codec | str,
    stems: Sequence[str],
) -> dict[str, Path]:
    """Where the stems of a file go, by Spleeter's format rule.

    Raises:
        SpleeterError: the format names something else than {filename}, {instrument}, {foldername} and
            {codec}, or gives two stems one path.
    """
    source = Path(os.fsdecode(audio_descriptor))
    root = os.path.abspath(destination)
    paths: dict[str, Path] = {}
    for stem in stems:
        try:
            name = filename_format.format(
                filename=source.stem,
                instrument=stem,
                foldername=source.absolute().parent.name,
                codec=str(codec),
            )
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise SpleeterError(
                f"filename format {filename_format!r}: expected {{filename}}, {{instrument}}, "
                f"{{foldername}} or {{codec}} ({error!r})"
            ) from error
        path = Path(os.path.normpath(os.path.join(destination, name.lstrip("/\\"))))
        if os.path.commonpath([root, os.path.abspath(path)]) != root:
            raise SpleeterError(f"filename format {filename_format!r}: {path} is outside of {destination}")
        if path in paths.values():
            raise SpleeterError(
                f"Separated source path conflict: {path} would hold several stems; "
                f"{{instrument}} is missing in the filename format {filename_format!r}"
            )
        paths[stem] = path
    return paths
