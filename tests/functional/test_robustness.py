"""What went wrong once, or could: forks, batches, paths, adapters, exhausted resources."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, Model, ModelConfig, Separator, SpleeterError
from spleeterrt.output_paths import output_paths
from support.golden import case

CONFIG = str(case("tiny-2stems") / "config.json")
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def python(code: str, *args: object, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )


def cli(*args: object, **options: object) -> subprocess.CompletedProcess[str]:
    return python("from spleeterrt.cli import main; main()", *args, **options)


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "songs" / "song.wav"
    path.parent.mkdir()
    soundfile.write(path, music[:20000], 44100)
    return path


# --- paths ----------------------------------------------------------------------------


def test_foldername_of_a_bare_file_name(song: Path, tmp_path: Path) -> None:
    name = "{foldername}/{instrument}.{codec}"
    done = cli("separate", "-q", "-p", CONFIG, "-o", "out", "-f", name, "song.wav", cwd=song.parent)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (song.parent / "out" / "songs").iterdir()) == [
        "accompaniment.wav",
        "vocals.wav",
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../{instrument}.wav", r"'\.\.' would leave"),
        ("a/../{instrument}.wav", r"'\.\.' would leave"),
        ("{filename}/{instrument}/..", r"'\.\.' would leave"),
        ("/x/{instrument}.wav", "is absolute"),
        ("//x/{instrument}.wav", "is absolute"),
        ("{instrument}/", "names a folder"),
        ("{instrument}/.", "names a folder"),
        ("", "names a folder"),
        ("{song}.wav", r"or \{codec\}, got \{song\}$"),
        ("{}.wav", "expected {filename}"),
        ("{instrument.x.y}.wav", "expected {filename}"),
        ("{instrument", "expected {filename}"),
        ("fixed.wav", "would hold several stems"),
    ],
)
def test_formats_name_files_below_the_output_folder(name: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(SpleeterError, match=reason):
        output_paths("song.wav", tmp_path / "out", name, "wav", ["vocals", "drums"])


@pytest.mark.parametrize("stem", ["a/b", "..", ".", "", "nul\0"])
def test_stems_that_are_no_file_names(stem: str, tmp_path: Path) -> None:
    with pytest.raises(SpleeterError, match="cannot be part of a file name"):
        output_paths("song.wav", tmp_path, "{instrument}.wav", "wav", [stem])
    waves = {stem: np.zeros((100, 2), np.float32)}
    with pytest.raises(SpleeterError, match="cannot be part of a file name"):
        Separator(CONFIG).save_to_file(waves, "song.wav", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_song_in_the_root_folder_has_no_foldername(tmp_path: Path) -> None:
    with pytest.raises(SpleeterError, match=r"\{foldername\} is ''"):
        output_paths("/song.wav", tmp_path, "{foldername}/{instrument}.wav", "wav", ["vocals"])


@pytest.mark.parametrize("stem", ["../evil", "a/b", "a\\b", "..", "."])
def test_stem_names_are_file_names(stem: str) -> None:
    with pytest.raises(SpleeterError, match="file names"):
        ModelConfig(instruments=(stem, "other"))


def test_the_input_is_not_replaced(two_stems: Model, song: Path) -> None:
    before = song.read_bytes()
    separator = Separator(two_stems, stems=["vocals"])
    with pytest.raises(SpleeterError, match="would replace the input"):
        separator.separate_to_file(song, song.parent, filename_format="{filename}.{codec}")
    assert song.read_bytes() == before


# --- batches and adapters -----------------------------------------------------------------

ADAPTER = """
import numpy as np
from spleeterrt.audio.adapter import AudioAdapter

class Picky(AudioAdapter):
    def load(self, audio_descriptor, offset=None, duration=None, sample_rate=None, dtype=np.float32):
        if "bad" in str(audio_descriptor):
            raise LookupError("nothing by that name")
        return np.zeros((5000, 2), dtype), sample_rate

    def save(self, path, data, sample_rate, codec=None, bitrate=None):
        open(path, "wb").write(data.tobytes())
"""


def test_an_adapters_own_error_does_not_stop_the_batch(tmp_path: Path) -> None:
    (tmp_path / "picky.py").write_text(ADAPTER)
    python_path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    done = cli("separate", "-p", CONFIG, "-o", "out", "-a", "picky.Picky", "bad", "good", cwd=tmp_path,
               env={**os.environ, "PYTHONPATH": python_path})  # fmt: skip
    assert done.returncode == 1
    assert "LookupError: nothing by that name" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "good" / "vocals.wav").exists()


def test_an_empty_folder_does_not_stop_the_batch(song: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "out", tmp_path / "nothing", song)
    assert done.returncode == 1
    assert "no audio file" in done.stderr
    assert (tmp_path / "out" / "song" / "vocals.wav").exists()


def test_options_that_a_custom_adapter_would_ignore(two_stems: Model, tmp_path: Path) -> None:
    from spleeterrt.audio.soundfile_adapter import SoundFileAudioAdapter

    class Custom(SoundFileAudioAdapter):
        used = False

        def load(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            Custom.used = True
            return np.zeros((3000, 2), np.float32), 44100

    separator = Separator(two_stems)
    with pytest.raises(SpleeterError, match="built-in adapter"):
        separator.separate_to_file("x", tmp_path, audio_adapter=Custom(), clip="rescale")
    separator.separate_to_file("x", tmp_path, audio_adapter=Custom())  # a subclass is asked, not replaced
    assert Custom.used


def test_save_to_file_all_or_nothing(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    sources = separator.separate(music)
    (tmp_path / "x" / "accompaniment.wav").mkdir(parents=True)
    with pytest.raises(AudioError):
        separator.save_to_file(sources, "x.mp3", tmp_path)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["accompaniment.wav"]
    with pytest.raises(SpleeterError, match="codec"):
        separator.save_to_file(sources, "x.mp3", tmp_path, codec="m5p")


# --- the terminal -------------------------------------------------------------------------


@posix
def test_progress_bar_on_a_terminal(music: np.ndarray, tmp_path: Path) -> None:
    import fcntl
    import pty
    import struct
    import termios

    song = tmp_path / "song.wav"
    soundfile.write(song, np.tile(music, (60, 1)), 44100)
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = f"{sys.executable} -m spleeterrt separate -p {CONFIG} -o {tmp_path}/out {song}"
    with subprocess.Popen(command.split(), stdout=follower, stderr=follower) as process:
        os.close(follower)
        shown = b""
        try:
            while data := os.read(leader, 4096):
                shown += data
        except OSError:  # the other end is closed
            pass
        assert process.wait(60) == 0, shown.decode()
    os.close(leader)
    assert b"%|" in shown
    assert b"/54 s of audio" in shown
    assert (tmp_path / "out" / "song" / "vocals.wav").exists()


@posix
@pytest.mark.parametrize("closed", ["2>&-", ">&-", ">&- 2>&-"])
def test_closed_streams(song: Path, tmp_path: Path, closed: str) -> None:
    command = f"{sys.executable} -m spleeterrt separate -p {CONFIG} -o {tmp_path}/out {song} {closed}"
    subprocess.run(command, shell=True, timeout=60, check=False)
    assert (tmp_path / "out" / "song" / "vocals.wav").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_standard_output(song: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m spleeterrt separate -p {CONFIG} -o {tmp_path}/out {song} > /dev/full"
    done = subprocess.run(command, shell=True, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert (tmp_path / "out" / "song" / "vocals.wav").exists()


def test_a_batch_does_not_replace_its_inputs(song: Path) -> None:
    other = song.with_name("vocals.wav")
    other.write_bytes(song.read_bytes())
    before = other.read_bytes()
    done = cli("separate", "-p", CONFIG, "-o", ".", "-f", "{instrument}.{codec}", "song.wav", "vocals.wav",
               cwd=song.parent)  # fmt: skip
    assert done.returncode == 1
    assert "would replace the input" in done.stderr
    assert other.read_bytes() == before


@pytest.mark.parametrize("bad", ["", "x" * 300, "a\x00b".replace("\x00", "\x07")])
def test_bad_names_do_not_stop_the_batch(bad: str, song: Path, tmp_path: Path) -> None:
    done = cli("separate", "-p", CONFIG, "-o", tmp_path / "out", bad, song)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "\x07" not in done.stderr
    assert (tmp_path / "out" / "song" / "vocals.wav").exists()


@posix
def test_a_deleted_folder(song: Path, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = (
        f"cd {tmp_path}/gone && rmdir {tmp_path}/gone && "
        f"{sys.executable} -m spleeterrt separate -p {CONFIG} {song}"
    )
    done = subprocess.run(command, shell=True, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "current folder" in done.stderr


@posix
def test_an_interrupted_batch_stops(tmp_path: Path) -> None:
    """One signal: the song that runs is given up whole, the next one does not start."""
    import signal
    import time

    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (44100 * 40, 2))
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", noise, 44100)
    out = tmp_path / "out"
    songs = f"{tmp_path}/a.wav {tmp_path}/b.wav"
    command = f"{sys.executable} -m spleeterrt separate -p {CONFIG} -o {out} -c mp3 {songs}"
    with subprocess.Popen(
        command.split(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not any(path.is_file() and path.stat().st_size for path in out.rglob("*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Interrupted" in errors
    assert [path for path in out.rglob("*") if path.is_file()] == []


# --- threads, processes -------------------------------------------------------------------


def test_any_number_of_threads(song: Path, tmp_path: Path) -> None:
    done = cli("separate", "-q", "-p", CONFIG, "-o", tmp_path, "--threads", 99999999999, song)
    assert done.returncode == 0, done.stderr


def test_buffers_do_not_pile_up_with_many_threads(four_stems: Model, music: np.ndarray) -> None:
    separator = Separator(four_stems, threads=8)
    separator.separate(music)
    assert four_stems._kept is not None
    first = four_stems._kept.ctypes.data
    for _ in range(3):
        separator.separate(music)  # an odd number of segments: the last batch is smaller
        assert four_stems._kept.ctypes.data == first


@posix
def test_jobs_of_a_forked_child(song: Path, tmp_path: Path) -> None:
    done = python(
        """
        import os, sys
        from spleeterrt import Separator
        config, song, out = sys.argv[1:]
        separator = Separator(config, threads=2)
        separator.separate_to_file(song, out + "/parent", synchronous=False)
        separator.join(60)
        child = os.fork()
        if child == 0:
            separator.separate_to_file(song, out + "/child", synchronous=False)
            separator.join(60)
            os._exit(0)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """,
        CONFIG, song, tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "child" / "song" / "vocals.wav").exists()


@posix
def test_fork_while_a_thread_separates() -> None:
    done = python(
        """
        import os, sys, threading
        import numpy as np
        from spleeterrt import load_model
        model = load_model(sys.argv[1])
        x = np.ones((2, 64, 192, 2), np.float32)
        expected = model.predict(x, 2)["vocals"]
        stop = False
        def work():
            while not stop:
                model.predict(x, 2)
        worker = threading.Thread(target=work)
        worker.start()
        codes = []
        for _ in range(20):
            child = os.fork()
            if child == 0:
                import signal
                signal.alarm(20)
                os._exit(int(not np.array_equal(model.predict(x, 2)["vocals"], expected)))
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        stop = True
        worker.join()
        print(codes)
        sys.exit(any(codes))
        """,
        CONFIG,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str, two_stems: Model, music: np.ndarray) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    two_stems.predict(np.ones((1, 64, 192, 2), np.float32), 2)  # the parent has used its threads
    with multiprocessing.get_context(method).Pool(2) as pool:
        results = pool.map_async(separate_peak, [music[:9000]] * 3).get(60)
    assert len(set(results)) == 1
    assert results[0] > 0


def separate_peak(waveform: np.ndarray) -> float:
    return float(np.abs(Separator(CONFIG, threads=2).separate(waveform)["vocals"]).max())


def test_join_raises_the_error_and_forgets_it(two_stems: Model, tmp_path: Path) -> None:
    separator = Separator(two_stems)
    separator.separate_to_file(tmp_path / "no.wav", tmp_path, synchronous=False)
    with pytest.raises(AudioError):
        separator.join()
    separator.join()


def test_join_times_out_and_can_be_called_again(two_stems: Model, tmp_path: Path) -> None:
    from spleeterrt.audio.adapter import AudioAdapter

    gate = threading.Event()

    class Slow(AudioAdapter):
        def load(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            gate.wait(60)
            return np.zeros((1000, 2), np.float32), 44100

        def save(self, path, *args, **kwargs):  # type: ignore[no-untyped-def]
            Path(path).touch()

    separator = Separator(two_stems)
    separator.separate_to_file("x", tmp_path, audio_adapter=Slow(), synchronous=False)
    with pytest.raises(SpleeterError, match="still running"):
        separator.join(0.1)
    gate.set()
    separator.join(60)
    assert (tmp_path / "x" / "vocals.wav").exists()


# --- arguments ----------------------------------------------------------------------------


def test_one_array_is_not_blocks(two_stems: Model, music: np.ndarray) -> None:
    with pytest.raises(SpleeterError, match=r"\[waveform\]"):
        list(Separator(two_stems).separate_blocks(music))


def test_samples_along_the_wrong_axis(two_stems: Model, music: np.ndarray) -> None:
    with pytest.raises(SpleeterError, match="channels"):
        Separator(two_stems).separate(music.T)


def test_an_adapter_with_another_rate(two_stems: Model, tmp_path: Path) -> None:
    from spleeterrt.audio.adapter import AudioAdapter

    class Other(AudioAdapter):
        def load(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            return np.zeros((1000, 2), np.float32), 48000

        def save(self, *args, **kwargs):  # type: ignore[no-untyped-def]
            raise AssertionError("nothing to save")

    with pytest.raises(SpleeterError, match="48000"):
        Separator(two_stems).separate_to_file("x", tmp_path, audio_adapter=Other())


def test_a_config_of_some_of_the_stems(tmp_path: Path) -> None:
    import json
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(case("tiny-4stems"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["instrument_list"] = ["vocals", "accompaniment"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpleeterError, match="more stems"):
        Separator(folder)


@pytest.mark.parametrize(
    "params",
    [
        {"T": float("inf")},
        {"separation_exponent": 1e9},
        {"sample_rate": 10**9},
        {"frame_length": 10**9},
        {"T": 64 * 10**6},
    ],
)
def test_absurd_configurations(params: dict[str, object]) -> None:
    with pytest.raises(SpleeterError):
        ModelConfig.from_dict({"instrument_list": ["a", "b"], **params})


# --- numbers --------------------------------------------------------------------------------


def test_absurd_amplitudes(two_stems: Model) -> None:
    waveform = np.zeros((5000, 2), np.float32)
    waveform[77] = 1e19
    with pytest.raises(SpleeterError, match="sample 77 "):
        Separator(two_stems).separate(waveform)
    waveform[77] = 1e6
    for stem in Separator(two_stems).separate(waveform).values():
        assert np.isfinite(stem).all()


@pytest.mark.parametrize("bad", ["vocals", 7, ["a", "a"], []])
def test_instrument_lists(bad: object) -> None:
    with pytest.raises(SpleeterError):
        ModelConfig.from_dict({"instrument_list": bad})


def test_sizes_are_whole_numbers() -> None:
    with pytest.raises(SpleeterError, match="integer"):
        ModelConfig.from_dict({"instrument_list": ["a", "b"], "T": 512.7})
