"""Model archives, unpacked without trust: regular files only, inside of their folder, of bounded size."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import unicodedata
import zlib
from pathlib import Path

from ..errors import ModelError
from ..network.config import can_be_a_path
from ..regular import name_on_windows

MAX_UNPACKED_BYTES = 2 << 30
MAX_MEMBERS = 1000
_CHUNK = 1 << 16
_LARGEST_READ = 1 << 18  # twice Python's largest buffer
_SPARE_BYTES = 16 << 20  # headers and what is skipped


class _TooLarge(Exception):
    """More than an archive of a model has."""


class _Forwards(io.RawIOBase):
    """What is unpacked of a gzip file: read and skipped forwards, in small pieces, up to a limit."""

    def __init__(self, path: Path) -> None:
        self._file = gzip.GzipFile(path, "rb")
        self._at = 0

    def close(self) -> None:
        self._file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        # What tarfile reads in one piece beside the content are headers: names of any length, lists of keys.
        if size is None or not 0 <= size <= _LARGEST_READ:
            raise _TooLarge(f"a header of {size} bytes")
        content = self._file.read(size)
        self._at += len(content)
        if self._at > MAX_UNPACKED_BYTES + _SPARE_BYTES:
            raise _TooLarge(f"more than {MAX_UNPACKED_BYTES} bytes")
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence != io.SEEK_SET or offset < self._at:
            raise tarfile.ReadError("a member that begins before the end of the one before")
        while self._at < offset and self.read(min(offset - self._at, _CHUNK)):
            pass
        return self._at


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the regular files of a `.tar.gz`, at most one folder deep, into an empty folder.

    Raises:
        ModelError: not an archive, damaged, too large, or with members that a model archive does not
            have: links, devices, paths that lead elsewhere, files twice.
    """
    unpacked = 0
    known: set[tuple[str, ...]] = set()
    try:
        with _Forwards(archive) as content, tarfile.open(fileobj=content, mode="r:") as tar:
            for count, member in enumerate(tar):
                if member.size < 0:
                    raise ModelError(f"{archive.name}: member {member.name!r} has a negative size")
                unpacked += member.size
                if unpacked > MAX_UNPACKED_BYTES or count >= MAX_MEMBERS:
                    raise ModelError(f"{archive.name}: unpacks to too much for a model")
                parts = _safe_parts(member, archive)
                # Folders are made for the files in them; ._* are macOS' companions of other files.
                if member.isdir() or parts[-1].startswith("._"):
                    continue
                # As file systems see it that know no case, and one way only to write an accent.
                folded = tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
                source = tar.extractfile(member)
                if source is None or folded in known:
                    raise ModelError(f"{archive.name}: unexpected member {member.name!r}")
                known.add(folded)
                path = folder.joinpath(*parts)
                path.parent.mkdir(exist_ok=True)
                with source, path.open("xb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
    except _TooLarge as error:
        raise ModelError(f"{archive.name}: unpacks to too much for a model: {error}") from error
    except RecursionError as error:  # headers of headers
        raise ModelError(f"{archive.name}: not a readable .tar.gz: headers without end") from error
    except (tarfile.TarError, EOFError, zlib.error, ValueError, OverflowError) as error:
        raise ModelError(f"{archive.name}: not a readable .tar.gz: {error}") from error
    except FileExistsError as error:
        raise ModelError(f"{archive.name}: a file and a folder of one name") from error
    except OSError as error:
        if error.errno is None:  # gzip.BadGzipFile and its like: of the content, not of the disk
            raise ModelError(f"{archive.name}: not a readable .tar.gz: {error}") from error
        raise


def _safe_parts(member: tarfile.TarInfo, archive: Path) -> list[str]:
    """A member's path below the folder, as at most two names; everything unusual is refused."""
    name = member.name
    parts = [part for part in name.split("/") if part not in ("", ".")]
    regular = member.isreg() and not member.issparse()
    escapes = name.startswith("/") or ".." in parts or any(c in name for c in "\\:")
    odd = not all(map(can_be_a_path, parts)) or any(not name_on_windows(part) for part in parts)
    if not (regular or member.isdir()) or escapes or odd or len(parts) > 2 or (regular and not parts):
        raise ModelError(f"{archive.name}: unexpected member {name[:200]!r} (path, link or device)")
    return parts or ["."]
