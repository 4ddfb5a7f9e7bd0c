"""Files as Windows treats them: what is open, here or elsewhere, can neither be replaced nor removed."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def open_files() -> set[str]:
    """The files that this process has open or mapped (Linux)."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.add(os.readlink(link))
        except FileNotFoundError:  # that of the folder itself
            continue
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        parts = line.split(maxsplit=5)
        if len(parts) == 6:
            found.add(parts[5])
    return found


@contextmanager
def windows_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every attempt to replace, rename or remove an open file fails, and is in the list that comes out."""
    refused: list[str] = []

    def guarded(function):
        def call(*paths, **options):
            if not options.get("dir_fd") and not options.get("src_dir_fd"):
                taken = open_files()
                for path in paths:
                    real = os.path.realpath(os.fsdecode(path))
                    if real in taken:
                        refused.append(f"{function.__name__}: {os.fsdecode(path)}")
                        raise PermissionError(errno.EACCES, "Permission denied", os.fsdecode(path))
            return function(*paths, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("replace", "rename", "unlink", "remove"):
            patched.setattr(os, name, guarded(getattr(os, name)))
        yield refused
