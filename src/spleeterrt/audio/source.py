"""`AudioSource`: what decodes a file for the reader."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .layouts import Layout


class AudioSource(Protocol):
    """A file that is decoded in order."""

    rate: int
    channels: int
    layout: Layout | None
    """The speakers of the channels, where the file tells."""
    frames: int | None
    """Exactly, or None."""
    likely_frames: int | None
    """`frames`, or a guess."""

    notes: list[str]
    """What there is to say of a file that is read as it should be, without its name."""
    damage: list[str]
    """What is known to be missing before it is read."""

    def seek(self, frame: int) -> int:
        """Called once, before `read`; where reading begins: `frame` or earlier."""

    def read(self, step: NDArray[np.float32]) -> int:
        """Fill `step`; the number of frames read, 0 at the end of what can be decoded."""

    def end_warning(self, position: int) -> str | None:
        """What is wrong with a file that ended after `position` frames."""

    def close(self) -> None: ...
