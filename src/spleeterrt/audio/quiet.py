"""libmpg123, which libsndfile contains, writes its opinion of damaged frames to standard error, and cannot be
told not to. A library must not turn a descriptor of its process elsewhere, but the command line may.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from threading import Lock


class _Muted(AbstractContextManager[None]):
    """Descriptor 2 leads nowhere while a thread is inside."""

    def __init__(self) -> None:
        self._real, self._nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        self._lock = Lock()
        self._inside = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                os.dup2(self._nowhere, 2, inheritable=True)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                os.dup2(self._real, 2, inheritable=True)


_muted: AbstractContextManager[None] | None = None


def mute_decoders() -> None:
    """From now on decoders write to nobody. For a process whose own messages take another descriptor."""
    global _muted
    if _muted is None:
        _muted = _Muted()


def decoding() -> AbstractContextManager[None]:
    """Around calls of a decoder that may write to standard error."""
    return nullcontext() if _muted is None else _muted
