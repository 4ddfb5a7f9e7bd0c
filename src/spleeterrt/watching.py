"""How callers watch and stop a separation: `progress=` and `cancel=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from .arguments import function

Progress: TypeAlias = Callable[[float, "float | None"], object]
"""Called with the seconds of audio done and the seconds in all (None: unknown). With MWF the signal is
gone over twice: both passes count."""


class CancelEvent(Protocol):
    def is_set(self) -> bool: ...


Cancel: TypeAlias = CancelEvent | Callable[[], bool]
"""A `threading.Event`, or a function that returns True to stop."""


def stopper(cancel: Cancel | None) -> Callable[[], bool]:
    """A function that says whether to stop.

    Raises:
        ArgumentTypeError: neither an event nor a function.
    """
    if cancel is None:
        return lambda: False
    if hasattr(cancel, "is_set"):
        return cancel.is_set
    function("cancel", cancel)
    return cancel
