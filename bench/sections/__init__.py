"""The sections of `compare.py`: each measures one thing, and writes its part of the report.

A section is a module with `TITLE`, `measure(options) -> data` (what goes into the results file) and
`markdown(data) -> text`; `data["targets"]`, where it is there, goes into the table of targets.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TURN_SECONDS = 0.25  # a turn repeats short runs until it is about this long
LONG_RUN = 0.3  # seconds; longer ones need no uncounted run before
PAUSE = 0.1  # between turns: worker threads of the one before go to sleep


@dataclass(frozen=True)
class Options:
    """What the command line asked for.

    Attributes:
        audio: music.
        rounds: counted turns of every contestant.
        threads: of the cases that are not about one thread.
        quick: the smallest run that goes through all the code.
        only: keys of the contestants; empty: all.
        cases: names of the network section's cases; empty: all.
    """

    audio: list[Path]
    rounds: int = 5
    threads: int = 2
    quick: bool = False
    only: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


def take_turns(workers: Mapping, rounds: int, turn_seconds: float = TURN_SECONDS) -> dict[str, list[dict]]:
    """Time loaded workers in turn (A B C A B C), short runs with an uncounted one before.

    Returns:
        {name: one answer per round}, with `value`, the median of its seconds.
    """
    repeats: dict[str, int] = {}
    warm: dict[str, bool] = {}
    for name, worker in workers.items():
        once = min(worker.ask("time", warm=False)["seconds"])
        repeats[name] = max(1, min(10, round(turn_seconds / once)))
        warm[name] = once < LONG_RUN
    answers: dict[str, list[dict]] = {name: [] for name in workers}
    for _ in range(rounds):
        for name, worker in workers.items():
            time.sleep(PAUSE)
            answer = worker.ask("time", repeats=repeats[name], warm=warm[name])
            answers[name].append({**answer, "value": statistics.median(answer["seconds"])})
    return answers


def summary(rounds: Sequence[dict]) -> dict:
    """Of one contestant: the rounds' values, their median, the fastest run."""
    values = [answer["value"] for answer in rounds]
    fastest = min(second for answer in rounds for second in answer["seconds"])
    return {"rounds": values, "median": statistics.median(values), "min": fastest}


def ratios(slow: Mapping, fast: Mapping) -> dict:
    """How many times faster `fast` is, both of `summary`: median over the rounds, and of the fastest runs."""
    rounds = [a / b for a, b in zip(slow["rounds"], fast["rounds"], strict=False)]
    return {"median": statistics.median(rounds), "min": slow["min"] / fast["min"], "rounds": rounds}


def target(what: str, value: float, bound: float, *, at_most: bool = False, unit: str = "x") -> dict:
    """A line of the table of targets."""
    met = value <= bound if at_most else value >= bound
    return {"what": what, "value": value, "bound": bound, "at_most": at_most, "unit": unit, "met": met}


def milliseconds(seconds: float) -> str:
    return f"{1e3 * seconds:.1f}"


def times(ratio: float) -> str:
    return f"{ratio:.2f}"
