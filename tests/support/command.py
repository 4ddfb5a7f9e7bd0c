"""The command line, in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def cli(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "spleeterrt", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,
    )
