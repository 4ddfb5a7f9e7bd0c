"""A catalogue of songs over many processes or machines: one worker function, one manifest, thin engines.

    listing   folder, glob or table -> songs with size and etag
    plan      -> without those that the manifest has; conflicts refused; in tasks of some songs
    scheduler    -> a bounded number of tasks in flight, retries, counts
    engines         -> local, dask, ray: where `run_task` is called
    worker             -> read, separate, write the stems, then the manifest's fragment

A song is done when its row is in the manifest, which is written last. Whatever dies in between, the same song
is done again, to the same files. The worker is a function of this package: engines import it instead of
taking a copy along, so that a process loads the model once.
"""

from __future__ import annotations

from .job import Job, Song, Task
from .manifest import Manifest
from .rows import Row, StemRow
from .worker import run_task, separate_song

__all__ = ["Job", "Manifest", "Row", "Song", "StemRow", "Task", "run_task", "separate_song"]
