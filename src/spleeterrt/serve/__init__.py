"""A service that separates songs over HTTP: a queue, progress, results for a while, limits everywhere.

    server (socket, signals) -> app (routes) -> upload -> jobs (queue, threads) -> Separator.separate_to_file
                                           <- streams (events, zip), openapi, page/

`folder` holds what is on disk and cleans up after servers that were killed, `options` is what a song can be
asked for, `limits` what the service takes. `app`, `streams`, `upload` and `server` need the extra `serve`.
"""

from __future__ import annotations

from importlib.util import find_spec

from .folder import RunFolder
from .job import Job
from .jobs import Jobs
from .limits import Limits, Refused

NEEDS_SERVE = "the service needs starlette, uvicorn and python-multipart: pip install 'spleeterrt[serve]'"

__all__ = ["NEEDS_SERVE", "Job", "Jobs", "Limits", "Refused", "RunFolder", "serve_installed"]


def serve_installed() -> bool:
    return all(find_spec(name) is not None for name in ("starlette", "uvicorn", "python_multipart"))
