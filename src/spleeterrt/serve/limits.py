"""What the service takes, and how it says no."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST_KEPT = 1000  # songs that are known at a time, whatever has become of them


@dataclass(frozen=True)
class Limits:
    """Attributes:
    size: bytes of a song's file.
    seconds: of sound that are separated of a song.
    queue: songs that wait or are being uploaded.
    disk: bytes of songs and stems, beyond which no further song is taken.
    timeout: seconds that the separation of a song may take.
    keep: seconds for which results stay.
    """

    size: int = 500_000_000
    seconds: float = 1800.0
    queue: int = 16
    disk: int = 20_000_000_000
    timeout: float = 3600.0
    keep: float = 3600.0


class Refused(Exception):
    """An answer that is no success; clients see all of it.

    Attributes:
        status: of HTTP.
        code: for programs.
    """

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


def gone() -> Refused:
    return Refused(404, "not-found", "There is no such song here; results are removed after a while.")


def stopping() -> Refused:
    return Refused(503, "stopping", "The service is about to stop.", {"Retry-After": "10"})
