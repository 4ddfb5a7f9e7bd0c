"""Fewer threads than asked for: the system refuses more, and the work goes on with those that can be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import Separator, SpleeterError
from spleeterrt.audio.pcm import SAMPLE_FORMATS
from spleeterrt.realtime.descriptors import Interruption
from spleeterrt.realtime.outputs import Encoding, PipeOutput
from support.golden import case

SOURCE = Path(__file__).parent.parent / "few_threads.c"
CONFIG = str(case("tiny-4stems") / "config.json")

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux's limits"),
    pytest.mark.skipif("LD_PRELOAD" in os.environ, reason="something else is preloaded"),
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("few") / "few_threads.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", path, SOURCE, "-ldl", "-pthread"], check=True)
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    noise = np.random.default_rng(3).standard_normal((150_000, 2)) * 0.1
    soundfile.write(tmp_path / "song.wav", noise, 44100, subtype="PCM_16")
    return tmp_path / "song.wav"


def run(library: Path, most: int, *command: str) -> subprocess.CompletedProcess[str]:
    """In an environment that lets `most` threads live beside the first one."""
    limits = {"LD_PRELOAD": str(library), "MOST_THREADS": str(most), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **limits},
        check=False,
    )


@pytest.mark.parametrize(("most", "codec"), [(0, "flac"), (3, "wav")])
def test_separate(library: Path, song: Path, tmp_path: Path, most: int, codec: str) -> None:
    command = ["-m", "spleeterrt", "separate", "--threads", "9", "-p", CONFIG, "-c", codec]
    done = run(library, most, *command, "-o", str(tmp_path / "few"), str(song))
    assert done.returncode == 0, done.stderr
    assert "of 9 threads (a limit of processes or of memory)" in done.stderr
    assert "libgomp" not in done.stderr
    Separator(CONFIG, threads=1).separate_to_file(song, tmp_path / "all", codec=codec)
    for stem in (tmp_path / "all" / "song").iterdir():
        found, _ = soundfile.read(tmp_path / "few" / "song" / stem.name)
        np.testing.assert_array_equal(found, soundfile.read(stem)[0])
    assert len([*(tmp_path / "few").rglob("*")]) == 5  # and nothing else


STREAM = """
import sys
import numpy as np
from spleeterrt import Separator, SpleeterError, StreamSeparator, load_model
model = load_model(sys.argv[1])
noise = np.random.default_rng(1).standard_normal((60_000, 2)).astype(np.float32)
options = dict(frames=64, bins=64, realtime=False, max_block=len(noise))
try:
    with StreamSeparator(model, threads=4, **options) as stream:
        few = [*stream.process(noise).values()]
except SpleeterError as error:
    print("error:", error)
else:
    with StreamSeparator(model, threads=1, **options) as stream:
        print("same:", all(map(np.array_equal, few, stream.process(noise).values())))
separator = Separator(model, threads=4)
separator.separate_to_file(sys.argv[2], sys.argv[3], synchronous=False)
separator.join()
"""


@pytest.mark.parametrize("most", [0, 2])
def test_streams_and_work_in_the_background(library: Path, song: Path, tmp_path: Path, most: int) -> None:
    done = run(library, most, "-c", STREAM, CONFIG, str(song), str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    if most:
        assert "the system gives this stream 2 of 4 threads" in done.stderr
        assert done.stdout == "same: True\n"
    else:
        assert done.stdout.startswith("error: the system gives this process no more threads: a limit of")
    assert len([*(tmp_path / "out" / "song").iterdir()]) == 4


LIMITED = """
import os, resource, sys
import numpy as np
from spleeterrt import Separator
few, one = (Separator(sys.argv[1], threads=threads) for threads in (4, 1))
noise = np.random.default_rng(1).standard_normal((100_000, 2)).astype(np.float32)
expected = one.separate(noise)
resource.setrlimit(resource.RLIMIT_NPROC, (3, 3))
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
found = few.separate(noise)
threads = len(os.listdir("/proc/self/task"))
print(threads, all(np.array_equal(found[stem], expected[stem]) for stem in expected))
"""


def test_a_limit_of_the_users_processes() -> None:
    """The very limit: three threads, those that have just ended not counted."""
    user = "54321"
    if os.getuid() != 0:
        pytest.skip("only root becomes a user without processes")
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, CONFIG, user],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 True\n"
    assert "3 of 4 threads" in done.stderr


def test_no_thread_for_a_named_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(SpleeterError, match="no more threads"):
        PipeOutput("pipe", Encoding(SAMPLE_FORMATS["s16le"], True, 2, 44100), Interruption())
