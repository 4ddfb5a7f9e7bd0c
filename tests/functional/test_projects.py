"""Sets for audio workstations, and projects of Reaper."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import SpleeterError, save_reaper_project
from spleeterrt.cli import cli
from support.golden import case

TWO = str(case("tiny-2stems") / "config.json")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="spleeterrt")


def parsed(path: Path) -> list[Any]:
    """A project as nested lists; values without their quotation marks."""
    stack: list[list[Any]] = [[]]
    for line in path.read_text(encoding="utf-8").splitlines():
        words = [
            word[1:-1] if word[0] in "\"'`" else word
            for word in re.findall(r"\"[^\"]*\"|'[^']*'|`[^`]*`|\S+", line)
        ]
        if words[0].startswith("<"):
            block = [[words[0][1:], *words[1:]]]
            stack[-1].append(block)
            stack.append(block)
        elif words == [">"]:
            stack.pop()
        else:
            stack[-1].append(words)
        assert line.startswith("  " * (len(stack) - (2 if words[0].startswith("<") else 1))) or words == [">"]
    assert len(stack) == 1
    return stack[0]


def blocks(block: list[Any], kind: str) -> list[Any]:
    return [entry for entry in block if isinstance(entry[0], list) and entry[0][0] == kind]


def value(block: list[Any], word: str) -> list[str]:
    (found,) = (entry[1:] for entry in block if entry[0] == word)
    return list(found)


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "in" / "My Song.wav"
    path.parent.mkdir()
    soundfile.write(path, music, 48000)
    return path


def test_a_project_of_stems(tmp_path: Path) -> None:
    names = {"vocals": "vocals.wav", 'say "hi"': "it's.flac", "a`b'c\"": "x.ogg"}
    for name in names.values():
        soundfile.write(tmp_path / name, np.zeros((4411, 2)), 44100)
    elsewhere = tmp_path / "elsewhere" / "y.mp3"
    elsewhere.parent.mkdir()
    soundfile.write(elsewhere, np.zeros((44100, 2)), 44100)
    target = tmp_path / "projects" / "a.RPP"
    (tmp_path / "projects").mkdir()
    moved = {name: tmp_path / "projects" / file for name, file in names.items()}
    for name, file in names.items():
        os.replace(tmp_path / file, moved[name])
    save_reaper_project(target, {**moved, "other": elsewhere})
    ((project),) = parsed(target)
    assert project[0][:3] == ["REAPER_PROJECT", "0.1", "6.0"]
    assert value(project, "SAMPLERATE")[0] == "44100"
    tracks = blocks(project, "TRACK")
    assert [value(track, "NAME") for track in tracks] == [["vocals"], ['say "hi"'], ["a'b'c\""], ["other"]]
    assert len({track[0][1] for track in tracks}) == 4
    files, lengths = [], []
    for track in tracks:
        (item,) = blocks(track, "ITEM")
        (source,) = blocks(item, "SOURCE")
        assert (value(item, "POSITION"), value(item, "BEAT"), value(item, "PLAYRATE")[0]) == (
            ["0"],
            ["0"],
            "1",
        )
        assert value(track, "BEAT") == ["0"]
        files.append((source[0][1], *value(source, "FILE")))
        lengths.append(float(value(item, "LENGTH")[0]))
    assert files == [
        ("WAVE", "vocals.wav"),
        ("FLAC", "it's.flac"),
        ("VORBIS", "x.ogg"),
        ("MP3", str(elsewhere)),
    ]
    assert lengths == pytest.approx([4411 / 44100] * 3 + [1], abs=1e-12)
    before = target.read_bytes()
    save_reaper_project(target, {**moved, "other": elsewhere})
    assert target.read_bytes() == before


def test_a_foreign_parser_reads_it(tmp_path: Path) -> None:
    rpp = pytest.importorskip("rpp")
    soundfile.write(tmp_path / "vocals.wav", np.zeros((100, 2)), 44100)
    save_reaper_project(tmp_path / "a.RPP", {"lead vocals": tmp_path / "vocals.wav"})
    project = rpp.loads((tmp_path / "a.RPP").read_text())
    (track,) = project.findall(".//TRACK")
    assert ["NAME", "lead vocals"] in track.children
    assert project.find(".//SOURCE").children == [["FILE", "vocals.wav"]]


def test_what_a_project_cannot_have(tmp_path: Path) -> None:
    one, two = tmp_path / "1.wav", tmp_path / "2.wav"
    soundfile.write(one, np.zeros((100, 2)), 44100)
    soundfile.write(two, np.zeros((100, 2)), 48000)
    odd = tmp_path / "a'b\"c`.wav"
    soundfile.write(odd, np.zeros((100, 2)), 44100)
    for stems, message in (
        ({}, "at least one"),
        ([one], "expected a file of each, got list"),
        ({"a": one, "b": two}, "files of one rate, got 44100, 48000"),
        ({"a": tmp_path / "a.m4a"}, "a Reaper project takes"),
        ({"a": tmp_path / "none.wav"}, "cannot be read"),
        ({"a": odd}, "cannot have such a name"),
    ):
        with pytest.raises(SpleeterError, match=message):
            save_reaper_project(tmp_path / "a.RPP", stems)  # type: ignore[arg-type]
    assert not (tmp_path / "a.RPP").exists()
    with pytest.raises(SpleeterError, match="cannot be written"):
        save_reaper_project(one / "a.RPP", {"a": one})


def test_a_set_for_a_workstation(tmp_path: Path, song: Path) -> None:
    """Names that tell the song, 24 bits, the song's rate and length."""
    done = run("separate", "-q", "--project", "folder", "-p", TWO, "-o", tmp_path / "out", song)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "out" / "My Song"
    assert sorted(os.listdir(folder)) == ["My Song - accompaniment.wav", "My Song - vocals.wav"]
    for name in os.listdir(folder):
        info = soundfile.info(folder / name)
        assert (info.subtype, info.samplerate, info.frames) == ("PCM_24", 48000, 40000)


def test_a_reaper_set(tmp_path: Path, song: Path) -> None:
    arguments = ("separate", "--project", "reaper", "--json", "--skip-existing", "-c", "flac", "-p", TWO)
    done = run(*arguments, "-o", tmp_path / "out", song)
    assert done.exit_code == 0, done.output
    target = tmp_path / "out" / "My Song" / "My Song.RPP"
    assert json.loads(done.stdout)["project"] == str(target)
    (project,) = parsed(target)
    sources = [
        value(blocks(blocks(track, "ITEM")[0], "SOURCE")[0], "FILE") for track in blocks(project, "TRACK")
    ]
    assert sources == [["My Song - vocals.flac"], ["My Song - accompaniment.flac"]]
    assert all((target.parent / name).exists() for (name,) in sources)
    assert json.loads(run(*arguments, "-o", tmp_path / "out", song).stdout)["status"] == "skipped"
    target.unlink()  # then the set is not complete
    assert json.loads(run(*arguments, "-o", tmp_path / "out", song).stdout)["status"] == "done"
    assert target.exists()


def test_other_options_still_apply(tmp_path: Path, song: Path) -> None:
    done = run(
        "separate", "-q", "--project", "reaper", "-f", "{filename}_{instrument}.wav", "--bit-depth", "int16",
        "-p", TWO, "-o", tmp_path / "out", song,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert sorted(os.listdir(tmp_path / "out")) == [
        "My Song.RPP",
        "My Song_accompaniment.wav",
        "My Song_vocals.wav",
    ]
    assert soundfile.info(tmp_path / "out" / "My Song_vocals.wav").subtype == "PCM_16"


@pytest.mark.parametrize(
    "wrong", [("-c", "opus", "--sample-rate", "48000"), ("--stem-file",), ("--remux",), ("-c", "stem")]
)
def test_what_does_not_go_with_a_set(tmp_path: Path, song: Path, wrong: tuple[str, ...]) -> None:
    done = run("separate", "--project", "reaper", *wrong, "-p", TWO, "-o", tmp_path / "out", song)
    assert done.exit_code == 2, done.output
    assert not (tmp_path / "out").exists()
