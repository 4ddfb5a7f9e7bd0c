"""Runs rounds of one target in a process of its own, with a limit on memory.

    worker.py NAME SEED FIRST COUNT SECONDS FOLDER

SECONDS other than 0 go before COUNT. Prints what came of it as JSON. The file `round` in FOLDER holds the
number of the current round, for the case that the process does not survive it.
"""

from __future__ import annotations

import faulthandler
import json
import os
import random
import sys
import time
import traceback
from pathlib import Path

import audio_targets
import model_targets

from spleeterrt.errors import SpleeterError

SPARE_BYTES = 2 << 30  # of address space, beyond what is there at the beginning
HANG_SECONDS = 300  # of one round: it will never end


def limit_memory() -> None:
    try:
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except (ImportError, OSError):
        return
    most = pages * resource.getpagesize() + SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def peak_bytes() -> int | None:
    try:
        import resource
    except ImportError:
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main(name: str, seed: str, first: int, count: int, seconds: float, folder: Path) -> int:
    files = folder / "files"
    files.mkdir(exist_ok=True)
    os.chdir(files)
    run = {**model_targets.TARGETS, **audio_targets.TARGETS}[name](files)
    run(random.Random(0), 0)  # the undamaged file is taken
    limit_memory()
    number, read, started = first, 0, time.monotonic()
    while time.monotonic() - started < seconds if seconds else number < first + count:
        (folder / "round").write_text(str(number))
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True)
        try:
            run(random.Random(f"{name}/{seed}/{number}"), number)
            read += 1
        except SpleeterError:
            pass
        except BaseException:
            print(f"{name}, seed {seed}, round {number}:", file=sys.stderr)
            traceback.print_exc()
            return 1
        number += 1
    faulthandler.cancel_dump_traceback_later()
    print(json.dumps({"rounds": number - first, "read": read, "peak_bytes": peak_bytes()}))
    return 0


if __name__ == "__main__":
    faulthandler.enable()
    arguments = sys.argv[1:]
    code = main(
        arguments[0],
        arguments[1],
        int(arguments[2]),
        int(arguments[3]),
        float(arguments[4]),
        Path(arguments[5]),
    )
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # threads that serve do not end
