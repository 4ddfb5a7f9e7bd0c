"""Songs, jobs and runs for the tests of `spleeterrt.catalogue`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from spleeterrt import Separator
from spleeterrt.catalogue import Job, Manifest, Row, Song, Task, run_task
from spleeterrt.catalogue.engines import Engine, Outcome
from spleeterrt.catalogue.listing import list_songs
from spleeterrt.catalogue.manifest import History
from spleeterrt.catalogue.plan import Plan
from spleeterrt.catalogue.scheduler import Counts, Run
from spleeterrt.models.mapped import model_digest
from support.golden import case

MODEL = str(case("tiny-2stems") / "config.json")
STEMS = ("vocals", "accompaniment")
FILES: dict[str, Any] = {"filename_format": "{filename}/{instrument}.{codec}", "codec": "wav"}


def write_songs(folder: Path, names: Iterable[str], seconds: float = 0.5) -> list[Path]:
    """Songs that differ, as 16-bit WAV files."""
    paths = []
    for number, name in enumerate(names):
        rng = np.random.default_rng(number)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.uniform(-0.3, 0.3, (round(seconds * 44100), 2)), 44100)
        paths.append(path)
    return paths


def make_job(output: str | Path, **changes: Any) -> Job:
    model = changes.pop("model", MODEL)
    manifest = changes.pop("manifest", f"{output}/_spleeterrt/manifest")
    changes.setdefault("run", "1")
    return Job(model, model_digest(model), str(output), str(manifest), files=FILES, **changes)


class InlineEngine(Engine):
    """Runs tasks where it is, when it is waited for; `fails` says what becomes of a task instead."""

    def __init__(self, capacity: int = 2, fails: Callable[[Task], Outcome | None] = lambda _: None) -> None:
        self.tasks: list[Task] = []
        self.begun: list[Task] = []
        self.stopped = False
        self._capacity, self._fails = capacity, fails

    def capacity(self) -> int:
        return self._capacity

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self, seconds: float) -> list[tuple[Task, Outcome]]:
        task = self.tasks.pop(0)
        self.begun.append(task)
        outcome = self._fails(task)
        return [(task, run_task(task) if outcome is None else outcome)]

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        pass


def run(
    job: Job, source: str | Path, engine: Engine | None = None, stop: Any = None, **options: Any
) -> tuple[Counts, list[Row]]:
    """A whole run: counts and the rows that it told."""
    per_task = options.pop("per_task", None)
    job = replace(job, run=os.urandom(4).hex())
    watch = options.pop("watch", lambda _: None)
    rows: list[Row] = []
    plan = Plan(job, STEMS, History(Manifest(job.manifest).rows()), **options)
    plan.list(list_songs(str(source), job.output))
    counts = Run(plan, engine or InlineEngine(), rows.append, watch, per_task).go(stop or threading.Event())
    plan.close()
    return counts, rows


def separated(folder: Path, paths: Mapping[str, Path], model: str = MODEL) -> dict[str, bytes]:
    """What `separate_to_file` makes of songs: the bytes of each stem, by its path below the output.

    paths: the songs by the folder that their stems go to.
    """
    separator = Separator(model, threads=1)
    for below, path in paths.items():
        separator.separate_to_file(path, folder / Path(below).parent)
    return tree(folder)


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder but those of the manifest."""
    found = (path for path in folder.rglob("*") if path.is_file() and "_spleeterrt" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def song_of(path: Path, **changes: Any) -> Song:
    return Song(str(path), **changes)
