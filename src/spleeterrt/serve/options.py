"""What a song can be asked for: the options of `spleeterrt separate` that make sense without its files.

They come as text, in the address or in a form. What goes with what is checked by the code that
separates, so that its messages are the same everywhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import SpleeterError
from ..file_job import WriteOptions
from ..names import BIT_DEPTHS, CHANNELS, CLIP_MODES, CODECS, MODES
from ..network.modes import plan_mode
from ..separator import check_modes
from .limits import Refused

if TYPE_CHECKING:
    from ..network.config import ModelConfig

YES, NO = ("true", "1", "yes", "on", ""), ("false", "0", "no", "off")
LONGEST = 200  # characters of a value


@dataclass(frozen=True)
class Option:
    """Attributes:
    help: a sentence for the API's description.
    schema: of JSON Schema.
    parse: of the text; raises ValueError.
    expected: what the message says where that fails.
    """

    name: str
    help: str
    schema: Mapping[str, Any]
    parse: Callable[[str], Any]
    expected: str
    default: Any = None


def _flag(name: str, help: str, default: bool | None = False) -> Option:
    def parse(text: str) -> bool:
        if text.lower() not in YES + NO:
            raise ValueError(text)
        return text.lower() in YES

    return Option(name, help, {"type": "boolean"}, parse, "true or false", default)


def _choice(name: str, help: str, choices: Iterable[str], default: str | None) -> Option:
    known = list(choices)

    def parse(text: str) -> str:
        if text not in known:
            raise ValueError(text)
        return text

    return Option(name, help, {"type": "string", "enum": known}, parse, f"one of {', '.join(known)}", default)


def _number(name: str, help: str, least: float, most: float | None, default: float | None = None) -> Option:
    def parse(text: str) -> float:
        value = float(text)
        if not math.isfinite(value) or value < least or (most is not None and value > most):
            raise ValueError(text)
        return value

    schema = {"type": "number", "minimum": least, **({} if most is None else {"maximum": most})}
    expected = f"a number from {least:g} on" if most is None else f"a number from {least:g} to {most:g}"
    return Option(name, help, schema, parse, expected, default)


def _names(text: str) -> tuple[str, ...]:
    found = tuple(name.strip() for name in text.split(",") if name.strip())
    if not found:
        raise ValueError(text)
    return found


def _text(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError(text)
    return text


def _rate(text: str) -> int | str:
    if text == "source":
        return text
    value = int(text) if re.fullmatch("[0-9]{1,6}", text) else 0
    if not 1000 <= value <= 768_000:
        raise ValueError(text)
    return value


def _track(text: str) -> int:
    value = int(text) if re.fullmatch("[0-9]{1,4}", text) else 0
    if value < 1:
        raise ValueError(text)
    return value


_STEMS = Option(
    "stems", "Write only these stems, separated by commas.", {"type": "string", "minLength": 1}, _names,
    "names of stems, separated by commas",
)  # fmt: skip
OPTIONS = (
    _STEMS,
    Option(
        "two_stems", "Write this stem and everything else, which sum to the mix.",
        {"type": "string", "minLength": 1}, _text, "the name of a stem",
    ),
    _flag("karaoke", "Write the mix without vocals; short for two_stems=vocals and stems=no_vocals."),
    _choice("mode", "How the networks' estimates are used (docs/modes.md).", MODES, "ratio"),
    _number("above_band", "In other modes than ratio: weight of a stem above the networks' band.", 0, 1),
    _flag("full_band", "Extend the masks above the networks' band."),
    _flag("mwf", "Apply a multichannel Wiener filter (two passes)."),
    _flag("residual", "Make the last stem the mix minus the others."),
    _flag("short_segments", "Less work for clips of up to 256 frames (5.9 s); it changes samples."),
    _choice("codec", "Format of the stems.", CODECS, "wav"),
    Option(
        "bitrate", "Bitrate of lossy formats, as 192k; otherwise 128k, of stem files 256k.",
        {"type": "string", "minLength": 1}, _text, "a bitrate as 192k",
    ),
    _choice("bit_depth", "Bit depth of lossless formats.", BIT_DEPTHS, "int16"),
    _choice("clip", "What becomes of samples beyond full scale.", CLIP_MODES, "clamp"),
    Option(
        "sample_rate", "Rate of the stems in Hz, or source; otherwise the model's.",
        {"anyOf": [{"type": "integer", "minimum": 1000, "maximum": 768_000}, {"const": "source"}]},
        _rate, "a rate of 1000 to 768000 Hz, or source",
    ),
    _choice("channels", "source: mono stems of a mono song.", CHANNELS, "stereo"),
    _flag("tags", "Copy the song's tags to the stems; otherwise where the format has some.", None),
    _number("offset", "Where to start, in seconds.", 0, 1e6, 0.0),
    _number("duration", "How many seconds to separate; otherwise to the end.", 0.001, 1e6),
    Option(
        "track", "Which of several audio tracks, counted from 1.",
        {"type": "integer", "minimum": 1, "maximum": 9999}, _track, "a number from 1 on",
    ),
    _flag("downmix", "Mix more than two channels down to stereo; otherwise the first two are used."),
)  # fmt: skip
_BY_NAME = {option.name: option for option in OPTIONS}
_SEPARATOR = ("stems", "two_stems", "mode", "above_band", "full_band", "residual")
_WRITING = ("codec", "bitrate", "bit_depth", "clip", "sample_rate", "tags", "channels")
_READING = ("offset", "duration", "track", "downmix")


@dataclass(frozen=True)
class SongOptions:
    """Attributes:
    given: what the client has said, as it was understood.
    separator: keywords of `Separator`.
    files: keywords of `separate_to_file`.
    stems: names of those that will be written.
    """

    given: Mapping[str, Any]
    separator: Mapping[str, Any]
    files: Mapping[str, Any]
    stems: tuple[str, ...]

    @property
    def reading(self) -> dict[str, Any]:
        """Keywords of `ReadOptions`."""
        return {name: self.files[name] for name in _READING}

    @property
    def passes(self) -> int:
        return 2 if self.separator["MWF"] else 1


def song_options(pairs: Iterable[tuple[str, str]], config: ModelConfig) -> SongOptions:
    """The options of a song, for a model.

    Raises:
        Refused: an unknown name, one that comes twice, a value that cannot be, or some that exclude each
            other; says which.
    """
    given: dict[str, Any] = {}
    for name, text in pairs:
        option = _BY_NAME.get(name)
        if option is None:
            raise _wrong(f"There is no option {_shown(name)}; there are {', '.join(_BY_NAME)}.")
        if name in given:
            raise _wrong(f"{name} comes twice.")
        try:
            if len(text) > LONGEST:
                raise ValueError(text)
            given[name] = option.parse(text)
        except ValueError:
            raise _wrong(f"{name}: expected {option.expected}, got {_shown(text)}.") from None
    try:
        return _checked(given, config)
    except SpleeterError as error:
        raise _wrong(re.sub("^MWF", "mwf", str(error))) from None


def _checked(given: Mapping[str, Any], config: ModelConfig) -> SongOptions:
    values = {option.name: option.default for option in OPTIONS} | dict(given)
    if values["karaoke"]:
        if "two_stems" in given or "stems" in given:
            raise SpleeterError("karaoke is two_stems=vocals and stems=no_vocals: leave out one or the other")
        values |= {"two_stems": "vocals", "stems": ("no_vocals",)}
    separator = {name: values[name] for name in _SEPARATOR}
    check_modes(values["mode"], MWF=values["mwf"], full_band=values["full_band"])
    made = plan_mode(config=config, **separator).stems
    stems = tuple(stem for stem in made if values["stems"] is None or stem in values["stems"])
    WriteOptions(**{name: values[name] for name in _WRITING}).check(stems, config.sample_rate)
    return SongOptions(
        given,
        {**separator, "MWF": values["mwf"], "short_segments": values["short_segments"]},
        {name: values[name] for name in (*_READING, *_WRITING)},
        stems,
    )


def _wrong(message: str) -> Refused:
    return Refused(400, "options", message)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
