"""Checks of what callers of the library pass: errors say what was expected and what came.

All raise `ArgumentError` (a ValueError) for values and `ArgumentTypeError` (a TypeError) for types.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias, Union

import numpy as np

from .errors import ArgumentError, ArgumentTypeError

PathLike: TypeAlias = Union[str, bytes, "os.PathLike[str]"]

_LONGEST = 80
_URI = re.compile("[A-Za-z][A-Za-z0-9+.-]+:/")  # of two slashes `Path` makes one; drives have one letter


def told(value: object) -> str:
    """A value as errors show it: short, and arrays by dtype and shape."""
    if isinstance(value, (np.ndarray, np.generic)) and value.ndim:
        return f"an array {value.dtype} {value.shape}"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def flag(name: str, value: Any) -> bool:
    """True or False; 1, 0 and None do, strings do not."""
    if value is None or isinstance(value, (bool, np.bool_)) or (isinstance(value, int) and value in (0, 1)):
        return bool(value)
    raise ArgumentTypeError(f"{name}: expected True or False, got {told(value)}")


def choice(name: str, value: Any, options: Iterable[str]) -> str:
    """One of some words."""
    known = list(options)
    if not isinstance(value, str) or value not in known:
        raise ArgumentError(f"{name}: expected one of {known}, got {told(value)}")
    return value


def names(name: str, value: Any) -> tuple[str, ...]:
    """Several strings; one alone counts as a list of it."""
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (Sequence, set, frozenset)) or not all(isinstance(part, str) for part in value):
        raise ArgumentTypeError(f"{name}: expected a list of names, got {told(value)}")
    return tuple(value)


def path(name: str, value: Any) -> str:
    """A path as a string."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise ArgumentTypeError(f"{name}: expected a path, got {told(value)}")
    text = os.fsdecode(value)
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        raise ArgumentError(f"{name}: {text!r} cannot be a path ({error.reason})") from error
    return text


def is_uri(text: str) -> bool:
    """Whether it is a URI (`s3://bucket/song.wav`), and no file or folder that happens to be called so."""
    return _URI.match(text) is not None and not os.path.lexists(text)


def output_folder(name: str, value: Any) -> str:
    """A path to write to; URIs would become folders named `s3:`."""
    text = path(name, value)
    if is_uri(text) or re.match(f"{_URI.pattern}/", text):
        raise ArgumentError(
            f"{name}: {text} is no place on this machine; write to a folder and copy it, or let "
            "`spleeterrt catalogue` write there (s3:// and gs://)"
        )
    return text


def file_path(name: str, value: Any) -> Path:
    """A path that systems take."""
    text = path(name, value)
    if "\0" in text:
        raise ArgumentError(f"{name}: {text!r} is not a file name (embedded null character)")
    return Path(text)


def function(name: str, value: Any, method: str = "__call__") -> None:
    """None, or something with a method; by default, that can be called."""
    if value is not None and not callable(getattr(value, method, None)):
        kind = "a function" if method == "__call__" else f"something with a method {method}"
        raise ArgumentTypeError(f"{name}: expected {kind} or None, got {told(value)}")


def floats(name: str, value: Any) -> np.ndarray:
    """An array of numbers as floats; one of floats as it is."""
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"not {array.dtype}")
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"{name}: expected an array of samples, got {told(value)}") from error
    return array if array.dtype.kind == "f" else array.astype(np.float32)
