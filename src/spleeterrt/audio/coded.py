"""DTS and AC-3 that pretend to be PCM: what DTS CDs and digital outputs hold in place of samples."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

# The sync words of DTS in 16-bit words of either byte order, all or 14 of their bits used: order, bits.
_DTS_KINDS = {
    b"\x7f\xfe\x80\x01": (">", 16),
    b"\xfe\x7f\x01\x80": ("<", 16),
    b"\x1f\xff\xe8\x00": (">", 14),
    b"\xff\x1f\x00\xe8": ("<", 14),
}
_DTS = re.compile(b"|".join(map(re.escape, _DTS_KINDS)))
_DTS_RATES = (1, 2, 3, 6, 7, 8, 11, 12, 13)
_DTS_FURTHEST = 1 << 15  # bytes from one sync word to the next

_BURST = re.compile(rb"\xf8\x72\x4e\x1f|\x72\xf8\x1f\x4e")  # IEC 61937
_BURST_NAMES = {1: "AC-3", 7: "AAC", 11: "DTS", 12: "DTS", 13: "DTS", 17: "DTS", 21: "E-AC-3", 22: "TrueHD"}
_BURST_FURTHEST = 1 << 18

_AC3 = re.compile(rb"\x0b\x77|\x77\x0b")
_AC3_KBITS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)


def coded_samples(data: bytes) -> str | None:
    """The name of what the first 16-bit samples really are, "DTS" or "AC-3" and the like; None: samples."""
    return _first(data, _DTS, _dts) or _first(data, _BURST, _burst) or _first(data, _AC3, _ac3)


def _first(data: bytes, sync: re.Pattern[bytes], name: Callable[[bytes, int], str | None]) -> str | None:
    return next((found for match in sync.finditer(data) if (found := name(data, match.start()))), None)


def _dts(data: bytes, at: int) -> str | None:
    """A sync word counts if a sensible header and another sync word follow."""
    sync = data[at : at + 4]
    order, bits = _DTS_KINDS[sync]
    if at % 2 or len(data) < at + 16:
        return None
    header = 0
    for word in struct.unpack_from(f"{order}8H", data, at):
        header = header << bits | word & ((1 << bits) - 1)

    def field(start: int, length: int) -> int:
        return header >> (8 * bits - start - length) & ((1 << length) - 1)

    blocks, size, rate = field(39, 7), field(46, 14), field(66, 4)
    if blocks < 5 or size < 95 or rate not in _DTS_RATES:
        return None
    return "DTS" if data.find(sync, at + size // 2, at + _DTS_FURTHEST) >= 0 else None


def _burst(data: bytes, at: int) -> str | None:
    if at % 2 or len(data) < at + 8:
        return None
    kind = struct.unpack_from("<H" if data[at] == 0x72 else ">H", data, at + 4)[0] & 0x1F
    again = data.find(data[at : at + 4], at + 8, at + _BURST_FURTHEST) >= 0
    return _BURST_NAMES.get(kind) if again else None


def _ac3(data: bytes, at: int) -> str | None:
    """Three frames behind each other: the sync word alone is short."""
    sync = data[at : at + 2]
    swapped = sync == b"\x77\x0b"
    name = None
    for _ in range(3):
        if at % 2 or data[at : at + 2] != sync or len(data) < at + 6:
            return None
        size, code, version = struct.unpack_from("<HBB" if swapped else ">HBB", data, at + 2)
        if swapped:
            code, version = version, code
        version >>= 3
        if 10 < version <= 16:
            name, words = "E-AC-3", (size & 0x7FF) + 1
        else:
            name, words = "AC-3", _ac3_words(code)
        if version > 16 or words < 32 or data[at + 2 : at + 4] == sync:  # the same sample over and over
            return None
        at += 2 * words
    return name


def _ac3_words(code: int) -> int:
    """16-bit words of an AC-3 frame; 0: no such frame."""
    rate, kbits = code >> 6, (code & 0x3F) >> 1
    if rate == 3 or kbits >= len(_AC3_KBITS):
        return 0
    if rate == 1:
        return _AC3_KBITS[kbits] * 320 // 147 + (code & 1)
    return _AC3_KBITS[kbits] * (2 if rate == 0 else 3)
