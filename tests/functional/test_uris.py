"""URIs where files and folders of this machine are expected: an error that says what to do."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, Separator, SpleeterError, unpack_stems
from spleeterrt.audio.adapter import AudioAdapter
from support.catalogue import MODEL
from support.command import cli

SONG = "s3://bucket/song.wav"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    soundfile.write("song.wav", np.full((3000, 2), 0.1), 44100)
    return tmp_path


@pytest.fixture(scope="module")
def separator() -> Separator:
    return Separator(MODEL, threads=1)


@pytest.mark.parametrize("uri", [SONG, "https://example.org/song.wav", "file:///tmp/song.wav", Path(SONG)])
def test_songs(separator: Separator, uri: str):
    adapter = AudioAdapter.default()
    for read in (
        lambda: separator.separate_to_file(uri, "out"),
        lambda: separator.vocals_activity(uri),
        lambda: adapter.load(uri),
        lambda: unpack_stems(uri, "out"),
    ):
        with pytest.raises(AudioError, match=r"not a file on this machine.*fsspec.open.*catalogue"):
            read()


def test_the_remedy(separator: Separator):
    """What `fsspec.open` gives is such an object: it reads and seeks, and has no number of a file."""
    stored = io.BufferedReader(io.BytesIO(Path("song.wav").read_bytes()))
    made = separator.separate_to_file(stored, "out")
    expected = separator.separate_to_file("song.wav", "other")
    assert [path.read_bytes() for path in made.values()] == [path.read_bytes() for path in expected.values()]


def test_a_file_that_is_called_so(separator: Separator):
    Path("s3:/bucket").mkdir(parents=True)
    os.rename("song.wav", "s3:/bucket/song.wav")
    assert separator.separate_to_file(SONG, "out").keys() == {"vocals", "accompaniment"}


def test_results(separator: Separator):
    silence = {"vocals": np.zeros((100, 2), np.float32)}
    for write in (
        lambda: separator.separate_to_file("song.wav", "s3://bucket/out"),
        lambda: separator.save_to_file(silence, "song.wav", "s3://bucket/out"),
        lambda: AudioAdapter.default().save("s3://bucket/out.wav", silence["vocals"], 44100),
        lambda: unpack_stems("song.stem.mp4", "s3://bucket/out"),
    ):
        with pytest.raises(SpleeterError):
            write()
    with pytest.raises(SpleeterError, match=r"no place on this machine.*spleeterrt catalogue"):
        separator.separate_to_file("song.wav", "s3://bucket/out")
    assert os.listdir() == ["song.wav"]


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("separate", "-p", MODEL, SONG), 1),
        (("separate", "-p", MODEL, "-o", "s3://bucket/out", "song.wav"), 2),
        (("evaluate", "-p", MODEL, "-o", "s3://bucket/out", "."), 2),
        (("vocals-activity", "-p", MODEL, SONG), 1),
        (("stems", "unpack", "s3://bucket/song.stem.mp4"), 1),
        (("stems", "unpack", "-o", "s3://bucket/out", "song.stem.mp4"), 2),
    ],
)
def test_commands(folder: Path, command: tuple[str, ...], code: int):
    done = cli(*command, cwd=folder)
    assert (done.returncode, done.stdout) == (code, "")
    assert "spleeterrt catalogue" in done.stderr
    assert os.listdir(folder) == ["song.wav"]
