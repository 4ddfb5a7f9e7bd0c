"""Test hosts of plugins (tests/plugin), which take commands. SPLEETERRT_PLUGIN_BUILD: the plugin's build."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

BUILD = Path(os.environ.get("SPLEETERRT_PLUGIN_BUILD", "")).resolve()
# How long plugins play in real time where it is counted what their callbacks do.
SECONDS = float(os.environ.get("SPLEETERRT_PLUGIN_SECONDS", "6"))


class CommandHost:
    """A running host: every call is a command, and its answer."""

    def __init__(self, command: list[str | Path], model: Path | str | None = None):
        environment = dict(os.environ)
        environment.pop("SPLEETERRT_PLUGIN_MODEL", None)
        if model is not None:
            environment["SPLEETERRT_PLUGIN_MODEL"] = str(model)
        self.process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __call__(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise AssertionError(
                f"{words}: the host ended, {self.process.wait()}: {self.process.stderr.read()}"
            )
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
        output, errors = self.process.communicate()
        if kind is None:
            assert self.process.returncode == 0, (self.process.returncode, output, errors)

    def render(self, folder: Path, samples: np.ndarray, count: int | None = None, blocks="512", *more):
        """What comes out for samples [n, 2] and silence: [buses, 2, count], and the host's report."""
        source, result = folder / "in.f32", folder / "out.f32"
        np.ascontiguousarray(samples, np.float32).tofile(source)
        count = len(samples) if count is None else count
        report = self("render", source, result, count, blocks, *more)
        return np.fromfile(result, np.float32).reshape(count, -1, 2).transpose(1, 2, 0), report


def level(error: np.ndarray, signal: np.ndarray) -> float:
    """dB of an error below a signal."""
    powers = [float(np.mean(np.square(x, dtype=np.float64))) for x in (error, signal)]
    return 10 * np.log10(max(powers[0], 1e-30) / powers[1])


def quiet(report: dict) -> bool:
    """Whether nothing was done in the callback that has no place there."""
    return report["watched"] and not any(report[what] for what in ("allocations", "frees", "locks", "waits"))


def rendered_without_a_word(render, seconds=4.0):
    """What render() gives, a tuple that ends with the report of a host that does not say that it renders.

    On a busy machine the system may hold such a host up between two blocks for so long that it is not
    faster than the clock any more, and nobody could know that it renders: then again.
    """
    for _ in range(8):
        *found, report = render()
        if report["longest_between"] < 0.02 and report["between"] < 0.2 * seconds:
            return (*found, report)
    pytest.skip("a busy machine: the host is held up again and again")
