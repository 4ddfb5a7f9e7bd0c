"""Files that appear whole or not at all, and what is left of those that did not.

A file is made under a temporary name beside its place and then renamed. The name says which process makes
it, so that the next run can remove what a killed one has left without taking anything from a living one,
here or on another machine that shares the folder.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import IO

REPLACE_SECONDS = 2.0  # for how long a file that is in use is tried again (Windows)
STALE_SECONDS = 24 * 3600.0  # for how long the leftovers of processes that cannot be asked for stay

_PREFIX = ".spleeterrt-"
_NAME = re.compile(
    re.escape(_PREFIX)
    + r"(?:(?P<system>[0-9a-f]+-[0-9a-f]+)-(?P<pid>\d+)-(?P<start>\d+)-)?[0-9a-f]{16}\.part"
)

logger = logging.getLogger("spleeterrt")


def write_whole(path: Path, content: bytes, *, clear: bool = True) -> None:
    """Write a file in one step, its folders made if need be: `path` holds the old content or the new.

    clear: `sweep` the folder; not for one of many files that are written one by one.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if clear:
        sweep(path.parent)
    made = temporary(path.parent)
    try:
        made.write_bytes(content)
        replace(made, path)
    finally:
        with contextlib.suppress(OSError):
            made.unlink(missing_ok=True)


def replace(made: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """`os.replace`, which on Windows fails while anybody has the target open: a virus scanner for a moment, a
    player for longer.

    Raises:
        OSError: as of `os.replace`; of a target in use, with what to do.
    """
    end = time.monotonic() + REPLACE_SECONDS
    while True:
        try:
            os.replace(made, target)
            return
        except PermissionError as error:
            if os.name != "nt" or os.path.isdir(target):
                raise
            if time.monotonic() >= end:
                raise PermissionError(
                    errno.EACCES,
                    "it is open in another program, or protected from being written; close it there, or "
                    "choose another name",
                    os.fspath(target),
                ) from error
        time.sleep(0.05)


def temporary(folder: Path) -> Path:
    """A new hidden name in `folder`, of which `sweep` knows whose it is; short, so that long target names do
    not matter.

    Not `tempfile.mkstemp`: its files are readable by their owner only, and stay so.
    """
    return folder / f"{_PREFIX}{_owner()}{os.urandom(8).hex()}.part"


def sweep(folder: Path) -> None:
    """Remove what processes that ended without clearing up (killed, out of memory) have left in `folder`.

    A process of this system counts as ended when it is not there any more; one that cannot be asked for
    (another machine on a shared disk, another container, before a restart) when its file has not changed for
    a day. Never raises for what cannot be read or removed.
    """
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.name.startswith(_PREFIX)]
    except OSError:
        return
    for entry in found:
        with contextlib.suppress(OSError):
            if not _is_stale(entry):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path)
            else:
                os.unlink(entry.path)
            logger.info("removed what an interrupted run has left: %s", entry.path)


def _is_stale(entry: os.DirEntry[str]) -> bool:
    match = _NAME.fullmatch(entry.name)
    if match is None:
        return False
    if match["system"] is not None and match["system"] == _system():
        return not _is_running(int(match["pid"]), match["start"])
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > STALE_SECONDS


def _owner() -> str:
    """This process, as no other is called; empty where the system does not tell."""
    system = _system()
    return f"{system}-{os.getpid()}-{_start(os.getpid())}-" if system else ""


def _system() -> str:
    """The running kernel and the name space of process ids: where one id means one process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").replace("-", "")
        space = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
        if os.readlink("/proc/self") != str(os.getpid()):
            return ""  # the /proc of another name space
        return f"{int(boot, 16):032x}"[:12] + f"-{int(space):x}"
    except (OSError, ValueError):
        return ""


def _start(pid: int) -> str:
    """When a process began, in ticks since the system did: what tells it from a later one of its id."""
    return _status(pid)[19].decode()


def _status(pid: int) -> list[bytes]:
    # By its first thread: an emulated process (qemu-user, as in containers for another machine) finds another
    # start in its own /proc/PID/stat than others do. The name stands in parentheses and may hold any
    # characters.
    return Path(f"/proc/{pid}/task/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def _is_running(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass  # somebody else's
    try:
        status = _status(pid)
        # One that has ended is listed until its parent asks for it, which in containers may take long.
        return status[0] not in (b"Z", b"X") and status[19].decode() == start
    except (OSError, IndexError):
        return True  # hidden, or about to end


def try_lock(file: IO[bytes]) -> bool:
    """Lock an open file for this process until it is closed or the process ends; whether nobody else has it.

    Raises:
        OSError: the file system has no locks.
    """
    if sys.platform == "win32":
        import errno
        import msvcrt

        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                return False
            raise
    else:
        import fcntl

        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
