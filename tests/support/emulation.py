"""What cannot be tested in emulation.

SPLEETERRT_TEST_EMULATED: set where qemu runs the tests (`.ci/arm`).
"""

from __future__ import annotations

import os

import pytest

EMULATED = bool(os.environ.get("SPLEETERRT_TEST_EMULATED"))

# qemu-user 7.2 ends such a child itself ("assertion failed: (cpu == current_cpu)"), whatever the program is.
threads_after_fork = pytest.mark.skipif(
    EMULATED, reason="qemu ends a forked child that starts threads where its parent has some"
)
# A plan is of what the machine is found to keep up with.
keeps_up = pytest.mark.skipif(EMULATED, reason="an emulated machine keeps up with nothing in real time")
