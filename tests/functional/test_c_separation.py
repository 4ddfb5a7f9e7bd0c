"""Whole signals in C against the Python package's `Separator`, bit for bit.

Built apart, as test_c_library.py says: SPLEETERRT_C_BUILD names the folder.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import Separator, load_model
from spleeterrt.models import convert
from support.c_library import ModelOptions, defaults
from support.golden import case

BUILD = Path(os.environ.get("SPLEETERRT_C_BUILD", ""))
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    "SPLEETERRT_C_BUILD" not in os.environ, reason="SPLEETERRT_C_BUILD names no build of the C library"
)

SAMPLES, TASKS, TAKING, AGAIN = 1, 2, 3, 4
BAD_ARGUMENT, BAD_OPTIONS, BAD_SAMPLE = 1, 3, 7
SHORT = 256 * 128 - 512  # samples of the longest signal for short segments, in these models


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_int) for name in ("threads", "wiener", "residual", "full_band", "low_memory")),
        *((name, ctypes.c_char_p) for name in ("mode", "stems", "two_stems")),
        ("above_band", ctypes.c_double),
        *((name, ctypes.c_int) for name in ("short_segments", "reserved")),
    ]


@pytest.fixture(scope="module")
def library():
    found = sorted(BUILD.glob("libspleeterrt.so*")) or sorted(BUILD.glob("*spleeterrt.*"))
    lib = ctypes.CDLL(str(found[0]))
    handle, place, size = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.c_size_t
    lib.srt_default_separation_options = defaults(lib.srt_init_separation_options, Options)
    lib.srt_default_model_options = defaults(lib.srt_init_model_options, ModelOptions)
    lib.srt_model_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(ModelOptions), place, ctypes.c_char_p]
    lib.srt_model_release.argtypes = [handle]
    lib.srt_separate.argtypes = [handle, ctypes.POINTER(Options), handle, size, handle, ctypes.c_char_p]
    lib.srt_separation_open.argtypes = [handle, ctypes.POINTER(Options), place, ctypes.c_char_p]
    lib.srt_separation_stem_name.argtypes = [handle, ctypes.c_int]
    lib.srt_separation_stem_name.restype = ctypes.c_char_p
    lib.srt_separation_push.argtypes = [handle, handle, size, ctypes.POINTER(size)]
    lib.srt_separation_run.argtypes = [handle, size, ctypes.c_int]
    lib.srt_separation_take.argtypes = [handle, handle, size]
    for name in ("tasks", "ready", "take"):
        getattr(lib, f"srt_separation_{name}").restype = size
    for name in [
        "destroy",
        "stems",
        "threads",
        "wants",
        "finish",
        "tasks",
        "complete",
        "work",
        "ready",
        "again",
        "reset",
    ]:
        getattr(lib, f"srt_separation_{name}").argtypes = [handle]
    lib.srt_code_text.restype = ctypes.c_char_p
    return lib


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    names = ("tiny-2stems", "tiny-4stems", "tiny-5stems", "tiny-2stems-average")
    return {
        name: convert(case(name) / "config.json", folder / f"{name}.safetensors", progress=False)
        for name in names
    }


@pytest.fixture
def opened(library):
    """model(path, low_memory): a model that is released after the test."""
    handles = []

    def model(path, low_memory=False):
        handle, message = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
        options = library.srt_default_model_options()
        options.low_memory = low_memory
        assert library.srt_model_open(str(path).encode(), options, handle, message) == 0, message.value
        handles.append(handle)
        return handle

    yield model
    for handle in handles:
        library.srt_model_release(handle)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or sys.platform == "win32":
        pytest.skip("no C compiler for programs of POSIX")
    path = tmp_path_factory.mktemp("program") / "c_separation"
    source, include = ROOT / "tests" / "c_separation.c", ROOT / "src" / "_kernels" / "core" / "c"
    command = [compiler, "-std=c11", "-D_DEFAULT_SOURCE", "-Wall", "-Wextra", "-Werror", "-O1", source]
    command += ["-o", path, f"-I{include}", f"-L{BUILD}", "-lspleeterrt", f"-Wl,-rpath,{BUILD}", "-pthread"]
    subprocess.run(command, check=True)
    return path


def noise(count, seed=0):
    rng = np.random.default_rng(seed)
    samples = rng.normal(0, 0.1, (count, 1)) + rng.normal(0, 0.1, (count, 2))
    samples[count // 3 : count // 2] = 0
    return samples.astype(np.float32)


def pointers(channels):
    """float** of the rows of [channels, n]."""
    return (ctypes.c_void_p * len(channels))(*(row.ctypes.data for row in channels))


def planes(samples):
    return np.ascontiguousarray(samples.T)


def c_options(library, settings, **others):
    """Those of C for arguments of `Separator`."""
    options = library.srt_default_separation_options()
    for name, value in {**settings, **others}.items():
        text = ",".join(value) if isinstance(value, list) else value
        field = "wiener" if name == "MWF" else name
        setattr(options, field, text.encode() if isinstance(text, str) else text)
    return options


def separate(library, model, samples, options, stems):
    """{stem: (samples, 2)} by `srt_separate`."""
    message = ctypes.create_string_buffer(1024)
    outs = np.full((2 * len(stems), len(samples)), np.nan, np.float32)
    heard = planes(samples)
    code = library.srt_separate(model, options, pointers(heard), len(samples), pointers(outs), message)
    assert code == 0, message.value
    return {stem: outs[2 * k : 2 * k + 2].T for k, stem in enumerate(stems)}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for stem, sound in expected.items():
        np.testing.assert_array_equal(found[stem], sound, err_msg=stem)


SETTINGS = [
    ("tiny-2stems", {}),
    ("tiny-2stems", {"MWF": True}),
    ("tiny-2stems", {"residual": True, "stems": ["accompaniment"]}),
    ("tiny-2stems", {"mode": "residual"}),
    ("tiny-2stems", {"mode": "residual", "stems": ["accompaniment"], "above_band": 0.5}),
    ("tiny-2stems-average", {}),
    ("tiny-2stems-average", {"mode": "direct"}),
    ("tiny-4stems", {"stems": ["drums", "bass"], "low_memory": True}),
    ("tiny-4stems", {"MWF": True, "residual": True}),
    ("tiny-4stems", {"mode": "three"}),
    ("tiny-4stems", {"mode": "three", "full_band": True, "stems": ["vocals"]}),
    ("tiny-4stems", {"two_stems": "vocals"}),
    ("tiny-4stems", {"two_stems": "drums", "mode": "direct", "stems": ["no_drums"]}),
    ("tiny-5stems", {"full_band": True}),
    ("tiny-5stems", {"mode": "direct", "stems": ["piano"]}),
]


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_stems_are_those_of_the_separator(library, models, opened, name, settings):
    """Every mode, over several segments, with one thread and three."""
    separator = Separator(models[name], threads=1, **settings)
    samples = noise(150_000)
    expected = separator.separate(samples)
    model = opened(models[name], settings.get("low_memory", False))
    for threads in (1, 3):
        options = c_options(library, settings, threads=threads)
        assert_same(separate(library, model, samples, options, separator.stems), expected)


@pytest.mark.parametrize("mwf", [False, True])
@pytest.mark.parametrize("count", [0, 1, 1023, 5000, 70_000])
def test_lengths(library, models, opened, count, mwf):
    separator = Separator(models["tiny-2stems"], threads=1, MWF=mwf)
    samples = noise(count)
    options = c_options(library, {"MWF": mwf}, threads=2)
    model = opened(models["tiny-2stems"])
    assert_same(separate(library, model, samples, options, separator.stems), separator.separate(samples))


@pytest.mark.parametrize(("count", "block"), [(3000, 1), (150_000, 777), (150_000, 1 << 20)])
@pytest.mark.parametrize("settings", [{}, {"MWF": True}, {"mode": "three"}], ids=str)
def test_a_program_without_python(models, program, tmp_path, settings, count, block):
    """Blocks of any size in threads of the program's own, and in the library's."""
    samples = noise(count)
    (tmp_path / "song").write_bytes(samples.tobytes())
    expected = Separator(models["tiny-4stems"], threads=1, **settings).separate(samples)
    given = [
        f"{'wiener' if name == 'MWF' else name}={int(v) if v is True else v}" for name, v in settings.items()
    ]
    for threads in ("3", "0"):
        folder = tmp_path / threads
        folder.mkdir()
        command = [program, models["tiny-4stems"], tmp_path / "song", str(block), threads, folder, *given]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert sorted(path.name for path in folder.iterdir()) == sorted(expected)
        assert_same(
            {stem: np.fromfile(folder / stem, np.float32).reshape(-1, 2) for stem in expected}, expected
        )


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("settings", [[], ["wiener=1"]], ids=str)
def test_memory_does_not_grow(models, program, tmp_path, settings):
    peaks = []
    for seconds in (40, 240):
        (tmp_path / "song").write_bytes(noise(seconds * 44100).tobytes())
        command = [program, models["tiny-2stems"], tmp_path / "song", "4096", "2", tmp_path, *settings]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    assert 0 < peaks[1] < peaks[0] + 1024, peaks  # KiB; the longer song is 85 MB


@pytest.fixture(scope="module")
def long_model(tmp_path_factory):
    """(Model, its file): with segments of 512 frames."""
    folder = tmp_path_factory.mktemp("long")
    shutil.copytree(case("tiny-2stems"), folder / "tiny-2stems")
    config = folder / "tiny-2stems" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "T": 512}))
    path = convert(config, folder / "long.safetensors", progress=False)
    return load_model(path), path


@pytest.mark.parametrize("mwf", [False, True])
@pytest.mark.parametrize("beyond", [-32_256, 0, 1, 100_000])
def test_short_segments(library, opened, program, long_model, tmp_path, beyond, mwf):
    """Chosen by the length, which blocks tell at the end only."""
    model, path = long_model
    samples = noise(SHORT + beyond)
    separator = Separator(model, threads=1, MWF=mwf, short_segments=True)
    expected = separator.separate(samples)
    options = c_options(library, {"MWF": mwf, "short_segments": True}, threads=2)
    assert_same(separate(library, opened(path), samples, options, separator.stems), expected)
    (tmp_path / "song").write_bytes(samples.tobytes())
    given = [path, tmp_path / "song", "4096", "2", tmp_path, "short_segments=1", f"wiener={int(mwf)}"]
    done = subprocess.run([program, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = {stem: np.fromfile(tmp_path / stem, np.float32).reshape(-1, 2) for stem in expected}
    assert_same(found, expected)


def test_short_segments_begin_anew(library, opened, long_model):
    model, path = long_model
    options = c_options(library, {"short_segments": True}, threads=1)
    separation, taken = ctypes.c_void_p(), ctypes.c_size_t()
    assert library.srt_separation_open(opened(path), options, separation, None) == 0
    separator = Separator(model, threads=1, short_segments=True)
    for count in (100_000, 2000, SHORT):
        samples = noise(count)
        heard, outs, at, got = planes(samples), np.empty((4, count), np.float32), 0, 0
        while wants := library.srt_separation_wants(separation):
            if wants == SAMPLES and at < count:
                rest = heard[:, at:]
                assert library.srt_separation_push(separation, pointers(rest), count - at, taken) == 0
                at += taken.value
            elif wants == SAMPLES:
                assert library.srt_separation_finish(separation) == 0
            elif wants == TASKS:
                assert library.srt_separation_work(separation) == 0
            else:
                got += library.srt_separation_take(separation, pointers(outs[:, got:]), count - got)
        expected = separator.separate(samples)
        assert_same({stem: outs[2 * k : 2 * k + 2].T for k, stem in enumerate(expected)}, expected)
        assert library.srt_separation_reset(separation) == 0
    library.srt_separation_destroy(separation)


def test_options_of_an_earlier_version(library, models, opened):
    options = c_options(library, {})
    options.size = Options.short_segments.offset
    options.short_segments = -1  # not there, whatever it says
    samples = noise(3000)
    stems = ["vocals", "accompaniment"]
    expected = separate(library, opened(models["tiny-2stems"]), samples, None, stems)
    assert_same(separate(library, opened(models["tiny-2stems"]), samples, options, stems), expected)


def test_unwanted_outputs(library, models, opened):
    model, samples = opened(models["tiny-2stems"]), noise(9000)
    options = c_options(library, {}, threads=1)
    whole = separate(library, model, samples, options, ["vocals", "accompaniment"])
    outs = np.full((4, 9000), 7, np.float32)
    places = pointers(outs)
    places[0] = places[3] = None
    heard = planes(samples)
    assert library.srt_separate(model, options, pointers(heard), 9000, places, None) == 0
    assert (outs[[0, 3]] == 7).all()
    np.testing.assert_array_equal(outs[1], whole["vocals"][:, 1])
    np.testing.assert_array_equal(outs[2], whole["accompaniment"][:, 0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -2e15])
@pytest.mark.parametrize("at", [0, 1023, 1024, 100_000])
def test_the_first_bad_sample_is_named(library, models, opened, bad, at):
    samples = noise(100_001)
    samples[at, 1] = bad
    samples[-1] = np.nan
    model, message = opened(models["tiny-2stems"]), ctypes.create_string_buffer(1024)
    outs = np.zeros((4, len(samples)), np.float32)
    heard = planes(samples)
    arguments = pointers(heard), len(samples), pointers(outs), message
    assert library.srt_separate(model, None, *arguments) == BAD_SAMPLE
    assert f"sample {at} ({at / 44100:.3f} s)" in message.value.decode()


def test_turns(library, models, opened):
    """What is not wanted now does nothing, and a reset begins anew."""
    model, samples = opened(models["tiny-2stems"]), noise(2000)
    separation, taken = ctypes.c_void_p(), ctypes.c_size_t(9)
    options = c_options(library, {}, threads=2)
    assert library.srt_separation_open(model, options, separation, None) == 0
    assert library.srt_separation_threads(separation) == 2
    names = [library.srt_separation_stem_name(separation, k) for k in range(-1, 3)]
    assert names == [None, b"vocals", b"accompaniment", None]
    heard, outs = planes(samples), np.empty((4, 2000), np.float32)
    expected = separate(library, model, samples, options, ["vocals", "accompaniment"])

    def expect(wants):
        assert library.srt_separation_wants(separation) == wants
        if wants != SAMPLES:
            assert library.srt_separation_push(separation, pointers(heard), 2000, taken) == 0
            assert taken.value == 0
            assert library.srt_separation_finish(separation) == BAD_ARGUMENT
        if wants != TASKS:
            assert library.srt_separation_tasks(separation) == 0
            assert library.srt_separation_run(separation, 0, 0) == BAD_ARGUMENT
            assert library.srt_separation_complete(separation) == BAD_ARGUMENT
            assert library.srt_separation_work(separation) == BAD_ARGUMENT
        if wants != TAKING:
            assert library.srt_separation_ready(separation) == 0
            assert library.srt_separation_take(separation, pointers(outs), 10) == 0
        if wants != AGAIN:
            assert library.srt_separation_again(separation) == BAD_ARGUMENT

    for _ in range(2):
        expect(SAMPLES)
        assert library.srt_separation_push(separation, pointers(heard), 2000, taken) == 0
        assert taken.value == 2000
        assert library.srt_separation_finish(separation) == 0
        expect(TASKS)
        tasks = library.srt_separation_tasks(separation)
        assert library.srt_separation_run(separation, tasks, 0) == BAD_ARGUMENT
        assert library.srt_separation_run(separation, 0, 2) == BAD_ARGUMENT
        assert library.srt_separation_run(separation, 0, -1) == BAD_ARGUMENT
        while library.srt_separation_wants(separation) == TASKS:
            assert library.srt_separation_work(separation) == 0
        expect(TAKING)
        assert library.srt_separation_ready(separation) == 2000
        assert library.srt_separation_take(separation, pointers(outs), 1500) == 1500
        np.testing.assert_array_equal(outs[:2, :1500].T, expected["vocals"][:1500])
        assert library.srt_separation_reset(separation) == 0  # in the middle of a piece
    library.srt_separation_destroy(separation)
    library.srt_separation_destroy(None)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("mode", b"magic", "mode: expected"),
        ("stems", b"flute", "flute"),
        ("stems", b" , ", "stems"),
        ("two_stems", b"flute", "flute"),
        ("two_stems", b"", "two_stems: expected"),
        ("two_stems", b"vocals", "three has stems"),
        ("above_band", 0.1, "above_band"),
        ("above_band", float("nan"), "above_band"),
        ("wiener", 1, "ratio"),
        ("threads", -1, "threads: expected 0 to 256, got -1"),
        ("threads", 257, "threads"),
        ("size", 8, "srt_default_separation_options"),
        ("size", Options.short_segments.offset - 8, "srt_default_separation_options"),
        ("size", ctypes.sizeof(Options) + 8, "srt_default_separation_options"),
    ],
)
def test_bad_options(library, models, opened, field, value, word):
    settings = {"mode": "three"} if word in ("three has stems", "ratio") else {}
    options = c_options(library, settings)
    setattr(options, field, value)
    separation, message = ctypes.c_void_p(7), ctypes.create_string_buffer(1024)
    model = opened(models["tiny-4stems"])
    assert library.srt_separation_open(model, options, separation, message) == BAD_OPTIONS
    assert separation.value is None
    assert word in message.value.decode()


def test_bad_arguments(library, models, opened):
    model, message = opened(models["tiny-2stems"]), ctypes.create_string_buffer(1024)
    separation = ctypes.c_void_p()
    assert library.srt_separation_open(None, None, separation, message) == BAD_ARGUMENT
    assert b"model" in message.value
    assert library.srt_separation_open(model, None, None, message) == BAD_ARGUMENT
    assert library.srt_separate(model, None, None, 5, None, message) == BAD_ARGUMENT
    assert b"outputs" in message.value
    assert library.srt_separation_wants(None) == library.srt_separation_stems(None) == 0
    assert library.srt_code_text(BAD_SAMPLE) != library.srt_code_text(99)
