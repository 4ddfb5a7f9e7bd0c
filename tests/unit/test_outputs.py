"""Outputs of a stream: whole samples in pipes, files that are never half done, sizes beyond 4 GiB."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt.audio.pcm import SAMPLE_FORMATS, wav_header
from spleeterrt.errors import AudioError
from spleeterrt.realtime import outputs
from spleeterrt.realtime.descriptors import Interruption, write_units
from spleeterrt.realtime.outputs import DirectOutput, Encoding, FileOutput, open_output, wav_by_name

RATE = 8000
FLOAT = Encoding(SAMPLE_FORMATS["f32le"], True, 2, RATE)
SHORT = Encoding(SAMPLE_FORMATS["s16le"], True, 2, RATE)
ODD = Encoding(SAMPLE_FORMATS["s24le"], True, 1, RATE)

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX pipes, sparse files")


def block(frames: int, channels: int = 2) -> np.ndarray:
    return np.linspace(-0.5, 0.5, frames * channels, dtype=np.float32).reshape(frames, channels)


def test_endings() -> None:
    assert wav_by_name("a/b.WAV")
    assert wav_by_name("x.wave")
    assert wav_by_name("x.raw") is wav_by_name("x.s16le") is False
    assert wav_by_name(None) is wav_by_name("x") is wav_by_name("take.2") is None
    for name in ("x.mp3", "x.FLAC", "x.aiff", "x.m4a", "x.caf", "x.mka", "x.opus", "x.au"):
        with pytest.raises(AudioError, match=r"written as WAV or raw samples.*ffmpeg"):
            wav_by_name(name)


@posix
def test_a_pipe_may_have_any_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.mp3")
    assert wav_by_name(str(tmp_path / "x.mp3")) is None


@posix
@pytest.mark.parametrize("unit", [1, 3, 8, 24, 2040, 5000])
@pytest.mark.parametrize("head", [0, 44, 80])
def test_units_are_whole_when_it_is_time_to_stop(unit: int, head: int) -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    data = os.urandom(head + 400_000 // unit * unit)
    interruption = Interruption()
    thread = threading.Thread(
        target=write_units, args=(writer, data, unit, interruption), kwargs={"head": head}
    )
    thread.start()
    first = os.read(reader, 1 << 20)
    assert (len(first) - head) % unit == 0 or unit > 4096
    assert len(first) > head
    interruption.stop()
    thread.join(20)
    os.close(writer)
    rest = b"".join(iter(lambda: os.read(reader, 1 << 20), b""))
    os.close(reader)
    assert data.startswith(first + rest)
    assert (len(first + rest) - head) % unit == 0


def test_a_file_can_be_played_while_it_grows(tmp_path: Path) -> None:
    target = tmp_path / "new" / "take.wav"
    output = FileOutput(str(target), FLOAT)
    for second in range(3):
        output.write(block(RATE))
        assert soundfile.info(tmp_path / "new" / "take.unfinished.wav").frames == (second + 1) * RATE
    output.write(block(5))
    assert not target.exists()
    output.finish()
    output.publish()
    assert [path.name for path in target.parent.iterdir()] == ["take.wav"]
    samples, rate = soundfile.read(target, dtype="float32")
    assert rate == RATE
    assert np.array_equal(samples, np.concatenate([*[block(RATE)] * 3, block(5)]))
    output.abort()
    assert target.exists()


@pytest.mark.parametrize("encoding", [FLOAT, SHORT, ODD, Encoding(SAMPLE_FORMATS["s16le"], False, 2, RATE)])
def test_a_full_disk_keeps_what_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: Encoding
) -> None:
    output = FileOutput(str(tmp_path / "x.wav"), encoding)
    output.write(block(1001, encoding.channels))
    write_all = outputs.write_all

    def full(descriptor: int, data: bytes) -> int:
        write_all(descriptor, data[:17])  # not a whole number of samples
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(outputs, "write_all", full)
    with pytest.raises(AudioError, match="No space left"):
        output.write(block(100, encoding.channels))
    monkeypatch.setattr(outputs, "write_all", write_all)
    output.abort()
    output.abort()
    assert output.kept == tmp_path / "x.unfinished.wav"
    assert output.frames == 1001
    assert [path.name for path in tmp_path.iterdir()] == ["x.unfinished.wav"]
    if encoding.wav:
        assert soundfile.info(output.kept).frames == 1001
    assert output.kept.stat().st_size == len(encoding.header(0, large=True)) + 1001 * encoding.frame_bytes


def test_a_full_disk_costs_a_piece_of_a_long_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = FileOutput(str(tmp_path / "x.wav"), FLOAT)
    write_all, left = outputs.write_all, [1 << 20]

    def limited(descriptor: int, data: bytes) -> int:
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_all(descriptor, data)

    monkeypatch.setattr(outputs, "write_all", limited)
    with pytest.raises(AudioError, match="No space left"):
        output.write(block(10_000_000))
    output.abort()
    assert output.kept is not None
    assert output.kept.stat().st_size > (1 << 20) - (1 << 17)


def test_nothing_recorded_leaves_nothing(tmp_path: Path) -> None:
    output = FileOutput(str(tmp_path / "x.wav"), FLOAT)
    output.abort()
    assert output.kept is None
    assert list(tmp_path.iterdir()) == []


def test_names_of_unfinished_files(tmp_path: Path) -> None:
    first, second = (FileOutput(str(tmp_path / "x.wav"), FLOAT) for _ in range(2))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.unfinished-2.wav", "x.unfinished.wav"]
    assert first.earlier is None
    assert second.earlier == tmp_path / "x.unfinished.wav"
    first.abort()
    second.abort()
    long = tmp_path / ("y" * 251 + ".wav")
    output = FileOutput(str(long), FLOAT)
    output.write(block(3))
    output.finish()
    output.publish()
    assert [path.name for path in tmp_path.iterdir()] == [long.name]
    with pytest.raises(AudioError, match="too long"):
        open_output(str(tmp_path / ("z" * 300 + ".wav")), FLOAT, Interruption())


def grow(descriptor: int, frames: int, encoding: Encoding) -> None:
    """As if so many frames had been written: a hole."""
    end = os.lseek(descriptor, frames * encoding.frame_bytes, os.SEEK_CUR)
    os.ftruncate(descriptor, end)


@posix
@pytest.mark.parametrize("redirected", [False, True])
@pytest.mark.parametrize("encoding", [FLOAT, SHORT])
def test_files_beyond_4_gib_are_rf64(tmp_path: Path, redirected: bool, encoding: Encoding) -> None:
    path = tmp_path / "x.wav"
    holes = (1 << 32) // encoding.frame_bytes + 11
    if redirected:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
        output = DirectOutput(descriptor, "x", encoding, Interruption())
    else:
        output = FileOutput(str(path), encoding)
        descriptor = output._descriptor
    try:
        grow(descriptor, holes, encoding)
    except OSError as error:
        output.abort()
        pytest.skip(f"no such large files here: {error}")
    output.frames = holes
    output.write(block(7))
    output.finish()
    output.publish()
    if redirected:
        os.close(descriptor)
    with open(path, "rb") as file:
        assert file.read(4) == b"RF64"
    info = soundfile.info(path)
    assert info.frames == holes + 7
    assert info.format == "RF64"
    with soundfile.SoundFile(path) as sound:
        sound.seek(holes)
        assert np.abs(sound.read(dtype="float32") - block(7)).max() <= 2**-15
    path.unlink()


def test_a_header_in_a_pipe_is_legal_for_any_length() -> None:
    """Sizes of all ones, which nobody updates."""
    header = wav_header(SAMPLE_FORMATS["s16le"], 2, RATE, None)
    assert header[:8] == b"RIFF\xff\xff\xff\xff"
    assert header[-8:] == b"data\xff\xff\xff\xff"


def test_a_folder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"(?i)directory|denied"):
        open_output(str(tmp_path), FLOAT, Interruption())
