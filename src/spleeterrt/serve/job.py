"""A song in the service, and what has become of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .options import SongOptions

WAITING, WORKING, DONE, FAILED, CANCELLED = "waiting", "working", "done", "failed", "cancelled"
OVER = (DONE, FAILED, CANCELLED)
_SONG = "song"  # the file's name: nothing of what the client calls it


@dataclass(frozen=True)
class Failure:
    code: str
    message: str


@dataclass
class Job:
    """A song, from its upload on.

    Attributes:
        state: None while it is being uploaded, when nobody knows its id.
        received: bytes of the song so far.
        done, seconds: of sound, in all passes; None: not known yet.
        files: the stems' files by their own names, once all are there.
        stems: what each of them holds.
        finished: when it was over, by the clock on the wall.
    """

    folder: Path
    id: str = field(default_factory=lambda: token_hex(16))
    options: SongOptions | None = None
    state: str | None = None
    received: int = 0
    done: float = 0.0
    seconds: float | None = None
    files: dict[str, Path] = field(default_factory=dict)
    stems: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    failure: Failure | None = None
    created: float = field(default_factory=time.time)
    finished: float | None = None
    cancel: threading.Event = field(default_factory=threading.Event)
    readers: int = 0
    removed: bool = False

    def __post_init__(self) -> None:
        self.folder = self.folder / self.id

    @property
    def song(self) -> Path:
        return self.folder / _SONG

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def size(self) -> int:
        """Bytes on disk, but for stems that are being written."""
        return sum(self.sizes.values()) if self.over else self.received

    @property
    def progress(self) -> float | None:
        if self.state == DONE:
            return 1.0
        return min(1.0, self.done / self.seconds) if self.seconds else None
