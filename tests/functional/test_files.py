"""`Separator.separate_to_file` and the command line, on real files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, Model, SeparationCancelled, Separator, SpleeterError
from spleeterrt.audio import Codec
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.writer import quantize
from support.audio_files import mp3_frame_starts, noise, write
from support.command import cli
from support.golden import case

CONFIG = str(case("tiny-2stems") / "config.json")
CONFIG_4 = str(case("tiny-4stems") / "config.json")


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "in" / "song.wav"
    path.parent.mkdir()
    soundfile.write(path, music, 44100, subtype="FLOAT")
    return path


def files_under(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_files_hold_the_samples(two_stems: Model, song: Path, music: np.ndarray, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    expected = separator.separate(music)
    paths = separator.separate_to_file(song, tmp_path / "out", bit_depth="float32", clip="none")
    assert paths == {stem: tmp_path / "out" / "song" / f"{stem}.wav" for stem in expected}
    for stem, path in paths.items():
        data, rate = soundfile.read(path, dtype="float32")
        assert rate == 44100
        np.testing.assert_array_equal(data, expected[stem])
    separator.separate_to_file(song, tmp_path / "out")  # Spleeter's default: 16 bit, clamped
    data, _ = soundfile.read(paths["vocals"], dtype="int16")
    np.testing.assert_array_equal(data, quantize(expected["vocals"], "int16"))


def test_mwf_on_a_file_equals_the_array(song: Path, music: np.ndarray, tmp_path: Path) -> None:
    separator = Separator(CONFIG, MWF=True)
    paths = separator.separate_to_file(song, tmp_path, bit_depth="float32", clip="none")
    assert paths
    for stem, expected in separator.separate(music).items():
        np.testing.assert_array_equal(soundfile.read(paths[stem], dtype="float32")[0], expected)


@pytest.mark.parametrize("codec", ["wav", "flac", "ogg", "mp3", Codec.FLAC])
def test_codecs(two_stems: Model, song: Path, music: np.ndarray, tmp_path: Path, codec: str) -> None:
    paths = Separator(two_stems).separate_to_file(song, tmp_path, codec=codec, bitrate="192k")
    assert paths
    for path in paths.values():
        assert path.suffix == f".{codec}"
        info = soundfile.info(path)
        assert info.format == str(codec).upper()
        assert info.samplerate == 44100
        assert abs(info.frames - len(music)) <= (2400 if codec == "mp3" else 0)


def test_integer_residual_files_sum_to_the_input_exactly(tmp_path: Path, music: np.ndarray) -> None:
    song = tmp_path / "song.wav"
    integers = quantize(music * 0.9, "int16")
    soundfile.write(song, integers, 44100, subtype="PCM_16")
    paths = Separator(case("tiny-4stems") / "config.json", residual=True).separate_to_file(
        song, tmp_path / "out"
    )
    assert paths
    total = sum(soundfile.read(path, dtype="int16")[0].astype(np.int64) for path in paths.values())
    np.testing.assert_array_equal(total, integers)


def test_offset_duration_and_rate(two_stems: Model, tmp_path: Path, clip: Path) -> None:
    separator = Separator(two_stems)
    paths = separator.separate_to_file(clip, tmp_path, offset=1.0, duration=2.5, sample_rate=48000)
    assert paths
    info = soundfile.info(paths["vocals"])
    assert (info.samplerate, info.frames) == (48000, 120000)


@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_source_rate_and_length_come_back(
    two_stems: Model, tmp_path: Path, music: np.ndarray, rate: int
) -> None:
    song = tmp_path / "song.wav"
    soundfile.write(song, music[:20001], rate)
    paths = Separator(two_stems).separate_to_file(song, tmp_path / "out", sample_rate="source")
    assert paths
    info = soundfile.info(paths["vocals"])
    assert (info.samplerate, info.frames) == (rate, 20001)


def test_two_stems_with_one_path(two_stems: Model, song: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(SpleeterError, match="conflict"):
        Separator(two_stems).separate_to_file(song, out, filename_format="{filename}.{codec}")
    assert not out.exists()
    with pytest.raises(SpleeterError, match="filename format"):
        Separator(two_stems).separate_to_file(song, out, filename_format="{artist}/{instrument}")


def test_foldername(two_stems: Model, song: Path, tmp_path: Path) -> None:
    paths = Separator(two_stems).separate_to_file(
        song, tmp_path / "out", filename_format="{foldername}-{filename}-{instrument}.{codec}"
    )
    assert paths
    assert files_under(tmp_path / "out") == ["in-song-accompaniment.wav", "in-song-vocals.wav"]


def test_cancelled_leaves_nothing(two_stems: Model, song: Path, tmp_path: Path) -> None:
    calls = iter([False, False, True])
    with pytest.raises(SeparationCancelled):
        Separator(two_stems, threads=1).separate_to_file(song, tmp_path / "out", cancel=lambda: next(calls))
    assert not (tmp_path / "out").exists() or files_under(tmp_path / "out") == []


def test_asynchronous_jobs(two_stems: Model, song: Path, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    assert separator.separate_to_file(song, tmp_path / "a", synchronous=False) is None
    separator.separate_to_file(tmp_path / "missing.wav", tmp_path / "b", synchronous=False)
    separator.separate_to_file(song, tmp_path / "c", synchronous=False)
    with pytest.raises(AudioError, match=r"missing\.wav"):
        separator.join()
    assert len(files_under(tmp_path / "a")) == len(files_under(tmp_path / "c")) == 2
    assert not (tmp_path / "b").exists()
    separator.join()  # nothing left


def test_save_to_file(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    sources = separator.separate(music)
    separator.save_to_file(
        sources, "some/where/title.mp3", str(tmp_path), "{filename}/{instrument}.{codec}", "flac"
    )
    assert files_under(tmp_path) == ["title/accompaniment.flac", "title/vocals.flac"]


class Recorder(AudioAdapter):
    """An adapter of the user: a tone in, arrays out."""

    saved: dict[str, np.ndarray]

    def __init__(self) -> None:
        self.saved = {}

    def load(self, audio_descriptor, offset=None, duration=None, sample_rate=None, dtype=np.float32):  # type: ignore[no-untyped-def]
        t = np.arange(30000) / sample_rate
        return np.repeat(np.sin(2 * np.pi * 440 * t)[:, None], 2, axis=1).astype(dtype), sample_rate

    def save(self, path, data, sample_rate, codec=None, bitrate=None):  # type: ignore[no-untyped-def]
        self.saved[Path(path).name] = data


def test_custom_adapter(two_stems: Model, tmp_path: Path) -> None:
    adapter = Recorder()
    Separator(two_stems).separate_to_file("anything", tmp_path, audio_adapter=adapter)
    assert sorted(adapter.saved) == ["accompaniment.wav", "vocals.wav"]
    assert all(data.shape == (30000, 2) for data in adapter.saved.values())


# --- the command line ---------------------------------------------------------------


def test_cli_separates(song: Path, tmp_path: Path) -> None:
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "out", song)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # no bar in a pipe
    assert "1 file separated" in done.stdout
    assert files_under(tmp_path / "out") == ["song/accompaniment.wav", "song/vocals.wav"]


def test_cli_takes_spleeters_flags(song: Path, tmp_path: Path) -> None:
    flags = "-c mp3 -b 192k -s 0.1 -d 0.5 --mwf --verbose -a spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter"
    name = "{instrument}_{filename}.{codec}"
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "out", "-f", name, *flags.split(), song)
    assert done.returncode == 0, done.stderr
    assert files_under(tmp_path / "out") == ["accompaniment_song.mp3", "vocals_song.mp3"]


def test_cli_batch_goes_on_after_a_bad_file(song: Path, tmp_path: Path) -> None:
    bad = song.parent / "bad.mp3"
    bad.write_text("this is no music\n" * 100)
    (song.parent / "empty.wav").touch()
    shutil.copy(song, song.parent / "zz.wav")
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "out", song.parent, tmp_path / "nowhere.wav")
    assert done.returncode == 1
    assert files_under(tmp_path / "out") == [
        "song/accompaniment.wav", "song/vocals.wav", "zz/accompaniment.wav", "zz/vocals.wav",
    ]  # fmt: skip
    assert "3 of 5 files failed" in done.stderr
    for name in ("bad.mp3", "empty.wav", "nowhere.wav"):
        assert done.stderr.count(name) == 2  # the reason, and the summary
    assert "Traceback" not in done.stderr


def test_cli_shows_our_own_warnings_only(tmp_path: Path) -> None:
    """Of damaged frames libmpg123 prints lines of its own."""
    path = write(tmp_path / "a.mp3", noise(50_000), compression_level=0.5, bitrate_mode="CONSTANT")
    data = bytearray(path.read_bytes())
    starts = mp3_frame_starts(bytes(data))
    random = np.random.default_rng(0)
    for start in starts[10:30]:
        data[start + 8 : start + 36 : 5] = random.bytes(6)
    path.write_bytes(data)
    code = "import sys; from spleeterrt.audio.reader import AudioReader; list(AudioReader(sys.argv[1]))"
    shown = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=120)
    if "libmpg123" not in shown.stderr:
        pytest.skip("this libsndfile is quiet by itself")
    done = cli("separate", "-p", "starter:2stems", "-o", tmp_path / "out", path)
    assert done.returncode == 0
    assert "libmpg123" not in done.stderr
    assert "damaged frames were replaced by silence" in done.stderr


def test_cli_refuses_two_songs_with_one_result(song: Path, tmp_path: Path) -> None:
    shutil.copy(song, song.with_suffix(".aiff"))  # libsndfile goes by content
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "out", song, song.with_suffix(".aiff"))
    assert done.returncode == 1
    assert "already holds a stem" in done.stderr
    assert len(files_under(tmp_path / "out")) == 2


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["separate", "-p", "spleeter:9stems", "x.wav"], 1, "spleeter:"),
        (["separate", "-p", "missing.json", "x.wav"], 1, "missing.json"),
        (["separate", "-p", CONFIG, "--stems", "piano", "x.wav"], 2, "piano"),
        (["separate", "-p", CONFIG, "-c", "aac", "x.wav"], 2, "aac"),
        (["separate", "-p", CONFIG, "-a", "no.such.Adapter", "x.wav"], 2, "no.such"),
        (["separate", "-p", CONFIG, "-i", "x.wav", "y.wav"], 2, "-i"),
        (["separate", "-p", CONFIG, "-s", "-1", "x.wav"], 2, "--offset"),
        (["separate"], None, "Usage"),
        (["frobnicate"], 2, "frobnicate"),
    ],
)
def test_cli_errors_are_clear(args: list[str], code: int | None, message: str, tmp_path: Path) -> None:
    done = cli(*args, cwd=tmp_path)
    assert code is None or done.returncode == code
    assert message in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_cli_version_and_help() -> None:
    from spleeterrt import __version__

    assert cli("--version").stdout == f"spleeterrt {__version__}\n"
    for args in (["-h"], ["separate", "--help"], ["models", "--help"]):
        done = cli(*args)
        assert done.returncode == 0
        assert "Usage: spleeterrt" in done.stdout


@pytest.fixture(scope="module")
def long_song(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes: nobody's test is over before its signal."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    with soundfile.SoundFile(path, "w", 44100, 2, subtype="PCM_16") as file:
        noise = np.random.default_rng(0).uniform(-0.5, 0.5, (44100, 2))
        for _ in range(600):
            file.write(noise)
    return path


def wait_for_output(process: subprocess.Popen[str], out: Path) -> None:
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 10**5 for path in out.rglob("*") if path.is_file()):
        assert time.monotonic() < deadline, "no output began"
        assert process.poll() is None, "the song was done before the signal"
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"])
def test_cli_interrupted_leaves_no_file(long_song: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-m", "spleeterrt", "separate", "-p", CONFIG, "-o", str(out), str(long_song)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for_output(process, out)
        process.send_signal(getattr(signal, name))
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted" in errors
    assert "Traceback" not in errors
    assert not out.exists() or files_under(out) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no terminal to close")
@pytest.mark.parametrize("ignored", [False, True])
def test_cli_loses_its_terminal(long_song: Path, tmp_path: Path, ignored: bool) -> None:
    """A closed window ends a separation as Ctrl-C does; under `nohup` it goes on, with nowhere to write."""
    import pty

    ours, theirs = pty.openpty()
    program = (
        "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
        f"{'signal.signal(signal.SIGHUP, signal.SIG_IGN); ' * ignored}"
        "os.execv(sys.executable, [sys.executable, '-m', 'spleeterrt', *sys.argv[1:]])"
    )
    out = tmp_path / "out"
    length = ["-d", "40"] if ignored else []
    process = subprocess.Popen(
        [sys.executable, "-c", program, "separate", "-p", CONFIG, "-o", out, *length, long_song, long_song],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, text=True,
    )  # fmt: skip
    os.close(theirs)
    try:
        wait_for_output(process, out)
        os.close(ours)
        process.send_signal(signal.SIGHUP)  # as the shell does, besides the system
        assert process.wait(60) == (0 if ignored else 130)
    finally:
        process.kill()
        process.wait()
    expected = ["long/accompaniment.wav", "long/vocals.wav"] if ignored else []
    assert (not out.exists() and not ignored) or files_under(out) == expected
