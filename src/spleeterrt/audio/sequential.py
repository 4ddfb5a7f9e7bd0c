"""libsndfile streams that soundfile does not seek in, and whose Python files lose no error."""

from __future__ import annotations

import os
from functools import cache
from queue import SimpleQueue
from typing import Any


class VirtualFile:
    """A binary file that libsndfile uses by callbacks; remembers what went wrong.

    An exception cannot pass through C: it would be printed and forgotten, Ctrl-C included, and
    libsndfile ignores some failed calls. So `check` raises it, and must be called after libsndfile.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.error: BaseException | None = None
        # Types of exceptions that left a callback. `put` is written in C and ignores its second and
        # third argument, so it is an error handler that no further Ctrl-C can interrupt.
        self.lost: SimpleQueue[type[BaseException]] = SimpleQueue()

    def readinto(self, buffer: Any) -> int:
        return 0 if self.first_error() is not None else int(self._file.readinto(buffer))

    def write(self, data: bytes) -> int:
        return 0 if self.first_error() is not None else int(self._file.write(data))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def fail(self, error: BaseException) -> None:
        """Remember an error; the first one counts."""
        if self.error is None:
            self.error = error

    def check(self) -> None:
        """Raise the first error of a callback."""
        error = self.first_error()
        if error is not None:
            raise error

    def first_error(self) -> BaseException | None:
        if self.error is None and not self.lost.empty():
            self.error = self.lost.get()()
        return self.error

    def close(self) -> None:
        self._file.close()


@cache
def sequential_file() -> Any:
    """The class `soundfile.SoundFile`, made sequential; file objects must be `VirtualFile`s.

    soundfile seeks to the place where it already is after each read and write of a seekable
    file: slow for FLAC, and wrong for MP3, whose decoder then loses its bit reservoir.
    """
    import soundfile

    members: dict[str, Any] = {"seekable": lambda self: False}
    # Another soundfile may do this differently. Then its own callbacks are used, and what happens
    # in them before or after the methods of `VirtualFile` is lost.
    if hasattr(getattr(soundfile, "_ffi", None), "callback") and hasattr(
        soundfile.SoundFile, "_init_virtual_io"
    ):
        members["_init_virtual_io"] = _init_virtual_io
    if hasattr(getattr(soundfile, "_snd", None), "sf_close") and hasattr(soundfile, "_error_check"):
        members["close"] = _close
    return type("SequentialFile", (soundfile.SoundFile,), members)


def leave_out_peaks(file: Any) -> None:
    """Floating-point WAV and AIFF files get a chunk of peaks, which tells the second in which it was written:
    without it the same samples give the same bytes. With another soundfile it stays. Not for RF64: such files
    have none, and this would give them one."""
    import soundfile

    library: Any = getattr(soundfile, "_snd", None)
    ffi: Any = getattr(soundfile, "_ffi", None)
    if hasattr(library, "sf_command") and hasattr(ffi, "NULL") and hasattr(file, "_file"):
        library.sf_command(file._file, _ADD_PEAK_CHUNK, ffi.NULL, 0)


_ADD_PEAK_CHUNK = 0x1050  # SFC_SET_ADD_PEAK_CHUNK; the last argument: whether


def _close(self: Any) -> None:
    """As soundfile's, but a Ctrl-C meanwhile does not make a later call free the file again."""
    import soundfile

    pointer, self._file = self._file, None
    if pointer is not None:
        soundfile._error_check(soundfile._snd.sf_close(pointer))


def _init_virtual_io(self: Any, file: VirtualFile) -> Any:
    """As soundfile's, with callbacks that hand every exception to `file.lost`."""
    import soundfile

    ffi = soundfile._ffi

    def get_filelen(user_data: Any) -> int:
        here = file.tell()
        size = file.seek(0, os.SEEK_END)
        file.seek(here)
        return size

    def seek(offset: int, whence: int, user_data: Any) -> int:
        return file.seek(offset, whence)

    def read(pointer: Any, count: int, user_data: Any) -> int:
        return file.readinto(ffi.buffer(pointer, count))

    def write(pointer: Any, count: int, user_data: Any) -> int:
        done = file.write(ffi.buffer(pointer, count)[:])
        if done != count:
            file.fail(OSError("incomplete write"))
        return done

    def tell(user_data: Any) -> int:
        return file.tell()

    functions: dict[str, tuple[Any, int]] = {
        "get_filelen": (get_filelen, -1),
        "seek": (seek, -1),
        "read": (read, 0),
        "write": (write, 0),
        "tell": (tell, -1),
    }
    # libsndfile keeps no reference: the callbacks must live as long as the file.
    self._virtual_io = {
        name: ffi.callback(f"sf_vio_{name}", function, error=value, onerror=file.lost.put)
        for name, (function, value) in functions.items()
    }
    return ffi.new("SF_VIRTUAL_IO*", self._virtual_io)
