"""The list of a stream's options (`core/stream/option_list.h`) and what people read of it.

`python tests/unit/test_stream_options.py` writes the table in docs/realtime.md.
"""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import SpleeterError
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.realtime.settings import OPTIONS, StreamSettings
from spleeterrt.realtime.stream import StreamSeparator

DOCS = Path(__file__).parents[2] / "docs/realtime.md"
BEGIN, END = "<!-- options: written by tests/unit/test_stream_options.py -->", "<!-- end of options -->"
CONFIG = OFFICIAL_CONFIGS["4stems"]


def usual(option):
    """The default as Python has it."""
    value, kind = option["usual"], option["kind"]
    if kind == "text":
        return "ratio" if option["name"] == "mode" else None
    if (kind == "optional" and value == 0) or (kind in ("stem", "share") and value < 0):
        return None
    return bool(value) if kind in ("flag", "pace") else value if kind == "seconds" else int(value)


def table():
    lines = ["| option | default | unit | |", "|---|---|---|---|"]
    for option in OPTIONS:
        shown = "on" if usual(option) is True else "off" if usual(option) is False else usual(option)
        cells = f"`{option['name']}`", "" if shown is None else f"{shown}", option["unit"], option["what"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def test_settings_have_a_field_for_every_option():
    settings = {field.name: field.default for field in fields(StreamSettings)}
    listed = {option["name"]: usual(option) for option in OPTIONS}
    assert settings == listed, "fields of StreamSettings (realtime/settings.py) against option_list.h"
    signature = inspect.signature(StreamSeparator).parameters
    assert {name: value.default for name, value in signature.items() if name != "model"} == settings


def test_the_docs_have_the_table():
    if table() not in DOCS.read_text(encoding="utf-8"):  # without the whole page in the message
        pytest.fail("docs/realtime.md has another table: python tests/unit/test_stream_options.py writes it")


def test_sentences():
    for option in OPTIONS:
        assert option["what"].endswith("."), option
        if not re.search(rf"^ +{option['name']}[:,]", StreamSeparator.__doc__, re.MULTILINE):
            pytest.fail(f"the docstring of StreamSeparator has no lines about {option['name']}")
    what = next(option["what"] for option in OPTIONS if option["name"] == "lookahead")
    words = what.split(";")[0].lower()  # the same ones everywhere
    assert words in " ".join(StreamSeparator.__doc__.split()).lower()
    header = Path(__file__).parents[2] / "src/_kernels/core/c/spleeterrt.h"
    assert words in " ".join(header.read_text(encoding="utf-8").replace("*", " ").split()).lower()


def test_defaults_and_what_depends_on_them(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    options = StreamSettings().options(CONFIG)
    assert (options["hop_frames"], options["bins"], options["synthesis"]) == (128, 1024, 4096)
    assert (options["threads"], options["cover"], options["average"], options["realtime"]) == (8, 3, 0, 1)
    assert StreamSettings(hold=True).options(CONFIG)["hop_frames"] == 1
    assert StreamSettings(threads=1000).options(CONFIG)["threads"] == 256
    assert StreamSettings(cover="drums").options(CONFIG)["cover"] == 1
    assert StreamSettings(full_band=True).options(CONFIG)["average"] == 1
    assert StreamSettings(window="short").options(CONFIG)["synthesis"] == 2048
    average = CONFIG.replace(mask_extension="average")
    assert StreamSettings().options(average)["average"] == 1
    assert StreamSettings(mode="direct").options(average)["average"] == 0


@pytest.mark.parametrize(
    "option",
    [option for option in OPTIONS if option["kind"] not in ("flag", "pace", "text", "stem", "share")],
    ids=lambda option: option["name"],
)
def test_limits(option):
    name, kind = option["name"], option["kind"]
    wrong = [(option["most"] + 1 if kind == "seconds" else int(option["least"]) - 1, ValueError)]
    wrong += [("many", ValueError if kind == "seconds" or name == "window" else TypeError)]
    if kind != "seconds":
        wrong += [(True, TypeError), (1 << 31, ValueError)]
        if option["most"] < 1 << 31:
            wrong.append((int(option["most"]) + 1, ValueError))
    for value, error in wrong:
        with pytest.raises(SpleeterError, match=f"^{name}: ") as caught:
            StreamSettings(**{name: value}).options(CONFIG)
        assert isinstance(caught.value, error)


def test_numbers_of_numpy():
    plain = {"frames": 64, "hold_seconds": 0.5, "mode": "direct", "above_band": 0.25}
    numpy = {
        "frames": np.int64(64),
        "hold_seconds": np.float32(0.5),
        "mode": "direct",
        "above_band": np.float32(0.25),
    }
    assert StreamSettings(**numpy).options(CONFIG) == StreamSettings(**plain).options(CONFIG)
    assert StreamSettings(**numpy).plan(CONFIG) == StreamSettings(**plain).plan(CONFIG)
    for wrong in (True, "1", 1j, np.array([1.0, 2.0])):
        with pytest.raises(SpleeterError, match="hold_seconds: expected 0 to 3600"):
            StreamSettings(hold_seconds=wrong).options(CONFIG)


if __name__ == "__main__":
    before, _, rest = DOCS.read_text(encoding="utf-8").partition(BEGIN)
    DOCS.write_text(f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
