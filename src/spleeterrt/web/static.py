"""The site as a folder of files, for any web server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from ..atomic import replace, sweep, temporary, write_whole
from ..errors import SpleeterError, reason
from .site import SETTINGS, Site

LAST = ("sw.js", "index.html")  # of a folder that is written anew: they name the others


def export_site(site: Site, folder: str | os.PathLike[str]) -> Path:
    """Write the page, the modules and the model; all addresses in them are relative.

    A new folder appears complete or not at all. In one that is there already (empty, or of an earlier export)
    every file is written in one step, the page last.

    Raises:
        SpleeterError: the folder holds something else, or cannot be written.
    """
    target = Path(os.path.abspath(folder))
    try:
        if target.exists():
            _check(site, target)
            _renew(site, target)
        else:
            _create(site, target)
    except OSError as error:
        raise SpleeterError(f"cannot write {error.filename or target}: {reason(error)}") from error
    return target


def _check(site: Site, target: Path) -> None:
    """Of a folder that is there: that nothing of somebody else's is replaced."""
    if not target.is_dir():
        raise SpleeterError(f"{target} is not a folder")
    sweep(target)
    names = set(os.listdir(target))
    ours = {SETTINGS, *(name.partition("/")[0] for name in site.files)}
    # All of them ours: also what an export has left that was interrupted.
    if not ({"index.html", "spleeterrt.js"} <= names or names <= ours):
        raise SpleeterError(f"{target} holds other files; choose a new folder, or one of an earlier export")


def _create(site: Site, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    sweep(target.parent)
    made = temporary(target.parent)
    try:
        for name, path in site.files.items():
            copy = made / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (made / SETTINGS).write_bytes(site.settings)
        replace(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _renew(site: Site, target: Path) -> None:
    for name in sorted(site.files, key=lambda name: LAST.index(name) if name in LAST else -1):
        if name == LAST[0]:
            write_whole(target / SETTINGS, site.settings)
        write_whole(target / name, site.files[name].read_bytes())
