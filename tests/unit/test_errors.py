"""Every error that a user can cause is a `SpleeterError`: builtin exceptions are raised where a caller turns
them into one, and nowhere else."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import spleeterrt
from spleeterrt import ModelConfig, SpleeterError
from spleeterrt.audio.targets import path_conflict
from spleeterrt.errors import ArgumentError
from spleeterrt.network.method_plan import Plan
from spleeterrt.network.model import Model
from spleeterrt.output_paths import output_paths
from support import reference

PACKAGE = Path(spleeterrt.__file__).parent
BUILTIN = (
    "Exception",
    "KeyError",
    "NotImplementedError",
    "OSError",
    "RuntimeError",
    "TypeError",
    "ValueError",
)

# (file, function) and who turns it into a SpleeterError.
CAUGHT = {
    ("arguments.py", "floats"): "itself",
    ("audio/ffmpeg_encoder.py", "_properties"): "`Encoder`, which verifies the finished file",
    ("audio/pieces.py", "_fill"): "whoever reads the file: as if the system had failed to",
    ("audio/remux.py", "_properties"): "`Encoder`, which verifies the finished file",
    ("audio/resample.py", "checked_number"): "itself",
    ("audio/stem_encoder.py", "_properties"): "`Encoder`, which verifies the finished file",
    ("audio/stem_files.py", "_move_offsets"): "`StemFileEncoder`, which adds the box",
    ("audio/stem_files.py", "_with_box"): "`StemFileEncoder`, which adds the box",
    ("audio/stem_files.py", "add_manifest"): "`StemFileEncoder`, which adds the box",
    ("audio/wav_chunks.py", "_set_size"): "`Encoder.add_tags`: only the tags are lost",
    ("catalogue/rows.py", "_parquet_rows"): "the manifest, which passes over the fragment",
    ("catalogue/rows.py", "decode"): "the manifest, which passes over the fragment",
    ("catalogue/rows.py", "from_dict"): "the manifest, which passes over the fragment",
    ("network/config.py", "_names"): "`ModelConfig.from_dict`",
    ("network/config.py", "_whole"): "`ModelConfig.from_dict`",
    ("regular.py", "no_follow"): "whoever opens the file: as if the system had failed to",
    ("regular.py", "open_regular"): "whoever opens the file: as if the system had failed to",
    ("regular.py", "read_regular"): "whoever opens the file: as if the system had failed to",
    **{
        ("serve/options.py", name): "`song_options`: an answer 400 that says what was expected"
        for name in (
            "_choice",
            "_flag",
            "_names",
            "_number",
            "_rate",
            "_text",
            "_track",
            "parse",
            "song_options",
        )
    },
}


def raised() -> dict[tuple[str, str], int]:
    """(file, function): line of builtin exceptions that are raised."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Raise) and node.exc is not None:
                    name = ast.unparse(node.exc).partition("(")[0]
                    if name in BUILTIN:
                        found[path.relative_to(PACKAGE).as_posix(), function.name] = node.lineno
    return found


def test_builtin_exceptions_are_turned_into_ours():
    found = raised()
    unknown = [
        f"{file}:{line} in {name}" for (file, name), line in found.items() if (file, name) not in CAUGHT
    ]
    assert not unknown, f"raise a SpleeterError (errors.py), or name who catches it: {unknown}"
    assert set(found) == set(CAUGHT)


def test_a_plan_that_cannot_run():
    config = ModelConfig(instruments=("a",), conv_n_filters=(1, 1, 1, 1, 1, 1))
    weights = reference.random_weights("a", config.conv_n_filters)
    for methods in (("nonsense",) * 13, ("reference",) * 12, ("direct",) + ("reference",) * 12):
        with pytest.raises(SpleeterError, match="not a plan"):
            Model(config, weights, plan=Plan(methods, None))
    model = Model(config, weights, plan=Plan(("reference",) * 13, None))
    assert np.isfinite(model.predict(np.ones((1, 64, 64, 2), np.float32))["a"]).all()


def test_one_text_for_two_stems_in_one_file():
    with pytest.raises(ArgumentError) as caught:
        output_paths(Path("song.wav"), "out", "{filename}.{codec}", "wav", ["vocals", "drums"])
    text = str(caught.value)
    assert text.startswith(str(path_conflict(Path("out", "song.wav"), "")))
    assert "{instrument} is missing" in text
