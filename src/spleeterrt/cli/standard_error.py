"""Standard error for Python alone: a decoder that complains there is not heard, our own messages are."""

from __future__ import annotations

import os
import sys


def keep_apart() -> None:
    """Give `sys.stderr` a descriptor of its own, and mute decoders."""
    old = sys.__stderr__
    if old is None or old is not sys.stderr:  # closed, or somebody else's
        return
    try:
        if old.fileno() != 2:
            return
        old.flush()
        descriptor = os.dup(2)
    except (OSError, ValueError):  # closed
        return
    sys.stderr = open(descriptor, "w", 1, old.encoding, old.errors)  # noqa: SIM115
    from ..audio.quiet import mute_decoders

    mute_decoders()
