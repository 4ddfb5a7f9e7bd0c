"""From the channels of a recording to the two that the networks hear.

Spleeter takes the first two of more; in film and concert sound the voice is in the centre channel then left
out. `downmix` mixes all to stereo with the weights of ITU-R BS.775.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..arguments import flag, names, told
from ..errors import ArgumentTypeError, BlockError, SpleeterError
from .layouts import Layout, layout_name, parse_layout, position_words, usual_layout

if TYPE_CHECKING:
    import numpy.typing as npt

    Float32 = npt.NDArray[np.float32]

logger = logging.getLogger("spleeterrt")

MOST_CHANNELS = 64  # more are samples along the wrong axis

_HALF_POWER = math.sqrt(0.5)

# (to the left, to the right). Those of BS.775, and for positions that it does not have, FFmpeg's: what is in
# front counts in full, what is beside, behind or above with half the power; the LFE does not count.
_WEIGHTS = {
    "FC": (_HALF_POWER, _HALF_POWER),
    "BC": (0.5, 0.5),
    "LFE": (0.0, 0.0),
    "LFE2": (0.0, 0.0),
    "TC": (0.5, 0.5),
    "TFC": (0.5, 0.5),
    "TBC": (0.5, 0.5),
    "BFC": (0.5, 0.5),
    **dict.fromkeys(("FL", "FLC", "DL"), (1.0, 0.0)),
    **dict.fromkeys(("FR", "FRC", "DR"), (0.0, 1.0)),
    **dict.fromkeys(("BL", "SL", "WL", "TFL", "TBL", "TSL", "BFL", "SDL"), (_HALF_POWER, 0.0)),
    **dict.fromkeys(("BR", "SR", "WR", "TFR", "TBR", "TSR", "BFR", "SDR"), (0.0, _HALF_POWER)),
}

_SILENT = {position for position, sides in _WEIGHTS.items() if not any(sides)}
_REMEDY = "; --downmix (downmix=True) mixes all to stereo"


def to_stereo(block: npt.ArrayLike) -> Float32:
    """float32 (samples, 2): mono duplicated, of more than two channels the first two (as Spleeter).

    Raises:
        BlockError: not (samples, channels).
        ArgumentTypeError: not floating-point numbers.
    """
    return _first_two(_checked(block))


def _first_two(array: np.ndarray) -> Float32:
    if array.shape[1] == 1:
        return np.repeat(array.astype(np.float32, copy=False), 2, axis=1)
    return np.ascontiguousarray(array[:, :2], np.float32)


def stereo_blocks(blocks: Iterable[npt.ArrayLike]) -> Iterator[Float32]:
    """`to_stereo` of each block; a warning, once, where channels are left out."""
    warned = False
    if not isinstance(blocks, Iterable):
        raise ArgumentTypeError(f"blocks: expected arrays of samples one after the other, got {told(blocks)}")
    for block in blocks:
        array = _checked(block)
        if array.shape[1] > 2 and not warned:
            warned = True
            logger.warning(
                "waveform: of %d channels the first two are used; spleeterrt.audio.downmix mixes all of them",
                array.shape[1],
            )
        yield _first_two(array)


def downmix(
    waveform: npt.ArrayLike, layout: str | Sequence[str] | None = None, *, normalize: bool = True
) -> Float32:
    """All channels mixed to stereo by the weights of ITU-R BS.775.

    The centre and what is beside or behind count with -3 dB, a single back channel with -6 dB on both sides,
    the LFE not at all. Mono is duplicated, stereo stays.

    Every sample counts on its own, so that a signal may come in blocks.

    Args:
        waveform: floating-point (samples, channels).
        layout: the speakers of the channels: `"5.1"`, `"FL+FR+FC"`, `("FL", "FR", "FC")`, as FFmpeg names
            them. None: by their number 3.0, quad, 5.0, 5.1, 6.1, 7.1.
        normalize: one gain per layout (-7.7 dB for 5.1), so that no sample can exceed full scale where none
            of the input does, as FFmpeg's `-ac 2` has it for integer samples; False: the weights as they
            are.

    Returns:
        A new float32 (samples, 2).

    Raises:
        SpleeterError: another shape or dtype; an unknown layout, or one of another number of channels; more
            than 8 channels and no layout.
    """
    array = _checked(waveform)
    channels = array.shape[1]
    if channels < 3 and layout is None:
        return _first_two(array)
    known = layout if layout is None or isinstance(layout, str) else names("layout", layout)
    weights = downmix_weights(known, channels, flag("normalize", normalize))
    out = np.zeros((len(array), 2), np.float32)
    # Channel by channel, not as a matrix product, whose rounding may depend on the size of the block.
    for channel, sides in enumerate(weights):
        sound = array[:, channel].astype(np.float32, copy=False)
        for side, weight in enumerate(sides):
            if weight:
                out[:, side] += sound if weight == 1 else sound * np.float32(weight)
    return out


@lru_cache(maxsize=64)
def downmix_weights(
    layout: str | Layout | None, channels: int, normalize: bool = True
) -> tuple[tuple[float, float], ...]:
    """Of each channel: its weights in the left and in the right one. Arguments and errors as of `downmix`."""
    known = usual_layout(channels) if layout is None else parse_layout(layout, channels)
    if known is None:
        raise SpleeterError(
            f"downmix: which speakers the {channels} channels belong to is not known; mix them to stereo "
            "yourself, or pass the layout"
        )
    unknown = [position for position in known if position not in _WEIGHTS]
    if unknown:
        raise SpleeterError(
            f"downmix: layout {layout_name(known)}: there is no weight for "
            f"{', '.join(dict.fromkeys(unknown))}; mix the channels to stereo yourself"
        )
    if channels == 1:
        return ((1.0, 1.0),)
    weights = [_WEIGHTS[position] for position in known]
    loudest = max(sum(side) for side in zip(*weights, strict=True))
    gain = 1 / loudest if normalize and loudest > 1 else 1.0
    return tuple((left * gain, right * gain) for left, right in weights)


def left_out(channels: int, layout: Layout | None) -> str | None:
    """A warning of what `to_stereo` leaves out of more than two channels; None: nothing."""
    if channels <= 2:
        return None
    known = layout or usual_layout(channels)
    if known is None:
        return f"of {channels} channels the first two are used{_REMEDY}"
    name = layout_name(known) if layout else f"{layout_name(known)} assumed"
    told = (
        f"of {channels} channels ({name}) the first two are used, {position_words(known[:2])}; left out: "
        f"{position_words(known[2:])}"
    )
    return told if set(known[2:]) <= _SILENT else told + _REMEDY


def _checked(block: npt.ArrayLike) -> np.ndarray:
    """(samples, channels), floating-point."""
    try:
        array = np.asarray(block)
    except (ValueError, TypeError) as error:
        raise BlockError(f"waveform: expected (samples, channels): {error}") from error
    if array.dtype.kind != "f":
        raise ArgumentTypeError(_no_floats(array))
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not 1 <= array.shape[1] <= MOST_CHANNELS:
        turned = array.ndim == 2 and 1 <= array.shape[0] <= MOST_CHANNELS < array.shape[1]
        raise BlockError(
            f"waveform: expected floating-point (samples, channels), at most {MOST_CHANNELS} channels, "
            f"got {array.dtype} {array.shape}" + ("; did you mean its transpose, .T?" if turned else "")
        )
    return array


def _no_floats(array: np.ndarray) -> str:
    expected = "waveform: expected floating-point samples (samples, channels) with full scale 1.0, got "
    if array.dtype.kind in "iu":
        return f"{expected}{array.dtype}; divide integer samples by their full scale"
    shape = f" {array.shape}" if array.ndim else ""
    return f"{expected}{array.dtype}{shape}"
