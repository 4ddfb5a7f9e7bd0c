"""Regular files only: a pipe would wait for ever, a device has no end."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from pathlib import Path

# Names that are devices on Windows, in any folder and with any ending.
_DEVICE = re.compile(r"(con|conin\$|conout\$|prn|aux|nul|(com|lpt)[\d¹²³])(\..*)?", re.IGNORECASE)


def name_on_windows(name: str) -> bool:
    """Whether a file or folder of that name can be on Windows: no device, no dot or space at the end, none
    of the characters that mean something else there (a colon makes a hidden part of another file)."""
    return (
        name == name.rstrip(". ")
        and not _DEVICE.fullmatch(name)
        and not re.search(r'[<>:"|?*\x00-\x1f]', name)
    )


def open_regular(path: str | Path) -> io.BufferedReader:
    """Open a file for reading, unless it is a pipe, a device, a socket or a folder.

    Raises:
        OSError: it cannot be opened, or is no regular file; without waiting for a pipe's other end.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    number = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        mode = os.fstat(number).st_mode
        if not stat.S_ISREG(mode):
            code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
            raise OSError(
                code, os.strerror(code) if code == errno.EISDIR else "not a regular file", str(path)
            )
        return os.fdopen(number, "rb")
    except BaseException:
        os.close(number)
        raise


def read_regular(path: str | Path, limit: int) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        OSError: as `open_regular`, or the file is larger (EFBIG).
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            most = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit} bytes"
            raise OSError(errno.EFBIG, f"more than {most}: too large for such a file", str(path))
        return file.read(size)


def no_follow(path: str, flags: int) -> int:
    """An opener for `open`: of a regular file that is not reached through a link, or of a new one.

    Raises:
        OSError: the name is a link's (ELOOP), or no regular file's.
    """
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    number = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return number
