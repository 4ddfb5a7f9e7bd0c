"""Channel layouts: which speaker each channel of a file belongs to.

A layout is a tuple of speaker positions in the order of the channels, named as FFmpeg names them:
`("FL", "FR", "FC", "LFE", "BL", "BR")` is 5.1.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from ..errors import SpleeterError

Layout: TypeAlias = tuple[str, ...]

# In the order of the bits of a WAVE channel mask, which is that of the channels in most files.
POSITIONS = (
    "FL", "FR", "FC", "LFE", "BL", "BR", "FLC", "FRC", "BC", "SL", "SR", "TC", "TFL", "TFC", "TFR", "TBL",
    "TBC", "TBR",
)  # fmt: skip
_WORDS = {
    "FL": "front left",
    "FR": "front right",
    "FC": "front centre",
    "LFE": "LFE (low-frequency effects)",
    "BL": "back left",
    "BR": "back right",
    "FLC": "front left of centre",
    "FRC": "front right of centre",
    "BC": "back centre",
    "SL": "side left",
    "SR": "side right",
    "TC": "top centre",
    "TFL": "top front left",
    "TFC": "top front centre",
    "TFR": "top front right",
    "TBL": "top back left",
    "TBC": "top back centre",
    "TBR": "top back right",
}

LAYOUTS: dict[str, Layout] = {
    name: tuple(text.split())
    for name, text in {
        "mono": "FC",
        "stereo": "FL FR",
        "downmix": "DL DR",
        "2.1": "FL FR LFE",
        "3.0": "FL FR FC",
        "3.0(back)": "FL FR BC",
        "3.1": "FL FR FC LFE",
        "4.0": "FL FR FC BC",
        "quad": "FL FR BL BR",
        "quad(side)": "FL FR SL SR",
        "4.1": "FL FR FC LFE BC",
        "5.0": "FL FR FC BL BR",
        "5.0(side)": "FL FR FC SL SR",
        "5.1": "FL FR FC LFE BL BR",
        "5.1(side)": "FL FR FC LFE SL SR",
        "6.0": "FL FR FC BC SL SR",
        "6.0(front)": "FL FR FLC FRC SL SR",
        "hexagonal": "FL FR FC BL BR BC",
        "6.1": "FL FR FC LFE BC SL SR",
        "6.1(back)": "FL FR FC LFE BL BR BC",
        "6.1(front)": "FL FR LFE FLC FRC SL SR",
        "7.0": "FL FR FC BL BR SL SR",
        "7.0(front)": "FL FR FC FLC FRC SL SR",
        "7.1": "FL FR FC LFE BL BR SL SR",
        "7.1(wide)": "FL FR FC LFE BL BR FLC FRC",
        "7.1(wide-side)": "FL FR FC LFE FLC FRC SL SR",
        "octagonal": "FL FR FC BL BR BC SL SR",
        "5.1.2": "FL FR FC LFE SL SR TFL TFR",
        "5.1.4": "FL FR FC LFE SL SR TFL TFR TBL TBR",
        "7.1.2": "FL FR FC LFE BL BR SL SR TFL TFR",
        "7.1.4": "FL FR FC LFE BL BR SL SR TFL TFR TBL TBR",
    }.items()
}
_NAMES = {layout: name for name, layout in LAYOUTS.items()}

# What channels without a layout are taken for, by their number.
_USUAL = {1: "mono", 2: "stereo", 3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}

# The order of Vorbis and Opus, by the number of channels; FLAC's is the usual one.
_VORBIS: dict[int, Layout] = {
    n: tuple(text.split())
    for n, text in {
        3: "FL FC FR",
        4: "FL FR BL BR",
        5: "FL FC FR BL BR",
        6: "FL FC FR BL BR LFE",
        7: "FL FC FR SL SR BC LFE",
        8: "FL FC FR SL SR BL BR LFE",
    }.items()
}

# Apple's, of CAF and AIFF: by tag (the lower 16 bits hold the number of channels), and by channel label.
_APPLE_TAGS: dict[int, Layout] = {
    tag: tuple(text.split())
    for tag, text in {
        100: "FC",
        101: "FL FR",
        108: "FL FR BL BR",
        113: "FL FR FC",
        114: "FC FL FR",
        115: "FL FR FC BC",
        116: "FC FL FR BC",
        117: "FL FR FC BL BR",
        118: "FL FR BL BR FC",
        119: "FL FC FR BL BR",
        120: "FC FL FR BL BR",
        121: "FL FR FC LFE BL BR",
        122: "FL FR BL BR FC LFE",
        123: "FL FC FR BL BR LFE",
        124: "FC FL FR BL BR LFE",
        125: "FL FR FC LFE BL BR BC",
        126: "FL FR FC LFE BL BR FLC FRC",
        127: "FC FLC FRC FL FR BL BR LFE",
        128: "FL FR FC LFE SL SR BL BR",
        131: "FL FR BC",
        132: "FL FR BL BR",
        133: "FL FR LFE",
        134: "FL FR LFE BC",
        135: "FL FR LFE BL BR",
        136: "FL FR FC LFE",
        137: "FL FR FC LFE BC",
        138: "FL FR BL BR LFE",
        139: "FL FR BL BR FC BC",
        140: "FL FR SL SR FC BL BR",
        141: "FC FL FR BL BR BC",
        142: "FC FL FR BL BR BC LFE",
        143: "FC FL FR SL SR BL BR",
        144: "FC FL FR SL SR BL BR BC",
    }.items()
}
_APPLE_LABELS = {
    **dict(enumerate(POSITIONS, 1)),
    10: "SL",
    11: "SR",
    33: "BL",
    34: "BR",
    38: "DL",
    39: "DR",
    42: "FC",
}
_USE_DESCRIPTIONS, _USE_BITMAP = 0, 1
_MOST_CHUNK_BYTES = 1 << 16


def layout_name(layout: Layout) -> str:
    """FFmpeg's name, e.g. `5.1(side)`; the positions, `FL+FR+LFE2`, where there is none."""
    return _NAMES.get(layout, "+".join(layout))


def position_words(positions: Iterable[str]) -> str:
    """`front centre, back left and back right`."""
    *first, last = [_WORDS.get(position, position) for position in positions]
    return f"{', '.join(first)} and {last}" if first else last


def usual_layout(channels: int) -> Layout | None:
    """What channels are taken for whose positions nobody tells; None: more than 8."""
    name = _USUAL.get(channels)
    return None if name is None else LAYOUTS[name]


def parse_layout(layout: str | Sequence[str], channels: int) -> Layout:
    """A layout by its name, `"5.1"`, by its positions, `"FL+FR+FC"`, or as a sequence of positions.

    Raises:
        SpleeterError: no such layout, or it has another number of channels.
    """
    if isinstance(layout, str):
        found = LAYOUTS.get(layout.strip().lower())
        if found is None:
            found = tuple(part.strip().upper() for part in layout.split("+"))
            if len(found) != channels:
                raise SpleeterError(
                    f"layout: expected one of {', '.join(LAYOUTS)}, or positions such as FL+FR+FC, "
                    f"got {layout!r}"
                )
    else:
        found = tuple(str(position).upper() for position in layout)
    if len(found) != channels:
        raise SpleeterError(f"layout {layout!r} has {len(found)} channels, the sound has {channels}")
    return found


def ffmpeg_layout(name: str) -> Layout | None:
    """Of FFmpeg's name, `5.1(side)` or `8 channels (FL+FR+...)`; None: the positions are not known."""
    positions = re.search(r"\(([^()]*\+[^()]*)\)", name)
    return tuple(positions[1].split("+")) if positions else LAYOUTS.get(name)


# --- what files say, where libsndfile does not tell ---------------------------------


def ogg_layout(path: Path, channels: int) -> Layout | None:
    """The order of Vorbis, and of Opus with mapping family 0 or 1 (others have no speakers)."""
    with open(path, "rb") as file:
        start = file.read(512)
    opus = start.find(b"OpusHead")
    if opus >= 0 and start[opus + 18 : opus + 19] not in (b"\0", b"\1"):
        return None
    return _VORBIS.get(channels)


def flac_layout(path: Path, channels: int) -> Layout | None:
    """FLAC's own order, or that of a WAVE mask among the comments."""
    mask = _flac_mask(path)
    found = None if mask is None else mask_layout(mask)
    return found if found is not None and len(found) == channels else usual_layout(channels)


def mask_layout(mask: int) -> Layout | None:
    """Of a WAVE channel mask; None: it names unknown positions, or none."""
    if not 0 < mask < 1 << len(POSITIONS):
        return None
    return tuple(position for bit, position in enumerate(POSITIONS) if mask >> bit & 1)


def apple_layout(path: Path, channels: int) -> Layout | None:
    """Of the channel layout chunk in a CAF or AIFF file."""
    chunk = _apple_chunk(path)
    if len(chunk) < 12:
        return None
    tag, mask, count = struct.unpack(">III", chunk[:12])
    kind = tag >> 16
    layout: Layout | None
    if kind == _USE_DESCRIPTIONS:
        starts = range(12, 12 + 20 * channels, 20) if count == channels else ()
        labels = [int.from_bytes(chunk[at : at + 4], "big") for at in starts]
        layout = tuple(_APPLE_LABELS.get(label, "?") for label in labels)
    elif kind == _USE_BITMAP:
        layout = mask_layout(mask)
    else:
        layout = _APPLE_TAGS.get(kind)
    return layout if layout is not None and len(layout) == channels and "?" not in layout else None


def _apple_chunk(path: Path) -> bytes:
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        caf = file.read(4) == b"caff"
        name, head = (b"chan", ">4sq") if caf else (b"CHAN", ">4sI")
        at = 8 if caf else 12
        while at < end:
            file.seek(at)
            data = file.read(struct.calcsize(head))
            if len(data) < struct.calcsize(head):
                break
            kind, length = struct.unpack(head, data)
            if length < 0:  # CAF samples up to the end
                break
            if kind == name:
                return file.read(min(length, _MOST_CHUNK_BYTES))
            at += len(data) + length + (0 if caf else length & 1)
    return b""


def _flac_mask(path: Path) -> int | None:
    with open(path, "rb") as file:
        if file.read(4) != b"fLaC":
            return None
        last = False
        while not last and len(head := file.read(4)) == 4:
            last, kind, size = bool(head[0] & 0x80), head[0] & 0x7F, int.from_bytes(head[1:], "big")
            if kind == 4:  # comments
                found = re.search(
                    rb"WAVEFORMATEXTENSIBLE_CHANNEL_MASK=0x([0-9a-f]{1,8})", file.read(size), re.IGNORECASE
                )
                return int(found[1], 16) if found else None
            file.seek(size, 1)
    return None
