"""Where a server keeps songs and stems: a folder of its own, which nobody else cleans up while it lives.

    base/run-0123abcd.lock     held by the server as long as it runs, also if it ends without a word
    base/run-0123abcd/ID/      a song and its stems

Servers that share `base` leave each other alone; the next one to start removes what dead ones have left.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import IO

from ..atomic import try_lock
from ..errors import SpleeterError, reason

_PREFIX, _LOCK = "run-", ".lock"


class RunFolder:
    """A context manager; at its end everything in it is removed.

    Args:
        base: made if it is missing; None: a folder of this user's among the temporary files.

    Raises:
        SpleeterError: it cannot be written, or is somebody else's.
    """

    def __init__(self, base: Path | None = None) -> None:
        self.base = base or _usual_base()
        try:
            self.base.mkdir(mode=0o700, parents=True, exist_ok=True)
            if base is None:
                _check_owner(self.base)
            self.removed = _sweep(self.base)
            self.path, self._lock = _claim(self.base)
        except OSError as error:
            raise SpleeterError(
                f"{self.base}: songs cannot be kept there: {reason(error)}; choose another --folder"
            ) from error

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove it; may be called twice."""
        if self._lock.closed:
            return
        shutil.rmtree(self.path, ignore_errors=True)
        _unlock(self._lock, self.path.with_name(self.path.name + _LOCK))


def _usual_base() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")
    try:
        return Path(tempfile.gettempdir()) / f"spleeterrt-serve-{user}"
    except OSError as error:
        raise SpleeterError(f"{reason(error)}; name a folder for songs with --folder") from error


def _check_owner(folder: Path) -> None:
    """Names among temporary files can be guessed: nobody else may have made this folder."""
    if not hasattr(os, "getuid"):
        return
    facts = folder.lstat()
    if folder.is_symlink() or facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise SpleeterError(f"{folder}: not a folder of this user's alone; choose another --folder")


def _claim(base: Path) -> tuple[Path, IO[bytes]]:
    while True:
        path = base / f"{_PREFIX}{secrets.token_hex(8)}"
        lock_path = path.with_name(path.name + _LOCK)
        lock = open(lock_path, "xb")  # noqa: SIM115 (held until `close`)
        with contextlib.suppress(OSError):  # a disk without locks: then nobody sweeps there either
            try_lock(lock)
        if _is_there(lock, lock_path):  # else another server has swept it before it was locked
            path.mkdir(mode=0o700)
            return path, lock
        lock.close()


def _is_there(lock: IO[bytes], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sweep(base: Path) -> int:
    """Remove the folders of servers that are no more; how many there were."""
    removed = 0
    for lock_path in base.glob(f"{_PREFIX}*{_LOCK}"):
        try:
            with open(lock_path, "r+b") as lock:
                if not try_lock(lock):
                    continue
                shutil.rmtree(lock_path.with_name(lock_path.name.removesuffix(_LOCK)), ignore_errors=True)
                removed += 1
                _unlock(lock, lock_path)
        except OSError:  # somebody else's, or another server has just removed it
            continue
    return removed


def _unlock(lock: IO[bytes], path: Path) -> None:
    """Remove the lock's file while it is held, where the system lets us."""
    if os.name == "nt":
        lock.close()
    with contextlib.suppress(OSError):
        path.unlink()
    lock.close()
