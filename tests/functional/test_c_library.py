"""The C library and its example against the Python face.

Built apart (it takes a minute): SPLEETERRT_C_BUILD names the folder of

    cmake -B build/c -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_C_LIBRARY=ON && cmake --build build/c
"""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import struct
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import StreamSeparator, load_model
from spleeterrt.models import convert
from spleeterrt.parallel import check_threads
from support.golden import case

BUILD = Path(os.environ.get("SPLEETERRT_C_BUILD", ""))

pytestmark = pytest.mark.skipif(
    "SPLEETERRT_C_BUILD" not in os.environ, reason="SPLEETERRT_C_BUILD names no build of the C library"
)


INTEGERS = (
    "frames",
    "hop_frames",
    "lookahead",
    "bins",
    "budget",
    "max_block",
    "block",
    "window",
    "sample_rate",
    "threads",
    "realtime",
    "hold",
    "crossfade",
    "cover",
)
COUNTS = ("runs", "underruns", "dropped", "covered_frames", "repaired")
TIMES = (
    "load",
    "run_seconds",
    "worst_run_seconds",
    "process_seconds",
    "worst_process_seconds",
    "process_load",
)


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        *((name, ctypes.c_int) for name in INTEGERS),
        ("hold_seconds", ctypes.c_double),
        *((name, ctypes.c_int) for name in ("full_band", "niceness", "priority", "low_memory")),
        ("isa", ctypes.c_char_p),
        # Appended later:
        ("mode", ctypes.c_char_p),
        ("stems", ctypes.c_char_p),
        ("above_band", ctypes.c_double),
    ]


class ModelOptions(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t), ("isa", ctypes.c_char_p), ("low_memory", ctypes.c_int)]


class Stats(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_uint64) for name in COUNTS),
        *((name, ctypes.c_double) for name in TIMES),
        ("priority_refused", ctypes.c_int),
    ]


@pytest.fixture(scope="module")
def library():
    found = sorted(BUILD.glob("libspleeterrt.so*")) or sorted(BUILD.glob("*spleeterrt.*"))
    lib = ctypes.CDLL(str(found[0]))
    lib.srt_default_options.restype = Options
    lib.srt_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(Options), ctypes.POINTER(ctypes.c_void_p)]
    lib.srt_open.argtypes += [ctypes.c_char_p]
    lib.srt_create.restype = ctypes.c_void_p
    lib.srt_create.argtypes = [ctypes.c_char_p, ctypes.POINTER(Options), ctypes.c_char_p]
    lib.srt_latency.restype = lib.srt_largest_block.restype = ctypes.c_size_t
    lib.srt_largest_block.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
    lib.srt_stem_name.restype = ctypes.c_char_p
    lib.srt_version.restype = lib.srt_code_text.restype = ctypes.c_char_p
    for name in ("destroy", "stems", "latency", "threads", "reset", "reset_stats"):
        getattr(lib, f"srt_{name}").argtypes = [ctypes.c_void_p]
    lib.srt_stem_name.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.srt_set_gain.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_float]
    lib.srt_get_stats.argtypes = [ctypes.c_void_p, ctypes.POINTER(Stats)]
    lib.srt_process.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_size_t]
    lib.srt_process_mix.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_size_t]
    lib.srt_flush.argtypes = [ctypes.c_void_p] * 3
    lib.srt_default_model_options.restype = ModelOptions
    place = ctypes.POINTER(ctypes.c_void_p)
    lib.srt_model_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(ModelOptions), place, ctypes.c_char_p]
    lib.srt_model_open_memory.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *lib.srt_model_open.argtypes[1:]]
    lib.srt_stream_open.argtypes = [ctypes.c_void_p, ctypes.POINTER(Options), place, ctypes.c_char_p]
    lib.srt_model_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.srt_model_stem_name.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.srt_model_stem_name.restype = ctypes.c_char_p
    lib.srt_model_retain.restype = ctypes.c_void_p
    for name in ("retain", "release", "stems", "sample_rate"):
        getattr(lib, f"srt_model_{name}").argtypes = [ctypes.c_void_p]
    return lib


@pytest.fixture(
    scope="module",
    params=[("tiny-2stems", "float32"), ("tiny-4stems", "float16"), ("tiny-5stems", "int8")],
    ids=" ".join,
)
def model_file(request, tmp_path_factory):
    name, dtype = request.param
    path = tmp_path_factory.mktemp("model") / f"{name}.safetensors"
    return convert(case(name) / "config.json", path, progress=False, dtype=dtype)


def pointers(channels):
    """float** of the rows of [channels, n]."""
    return (ctypes.c_void_p * len(channels))(*(row.ctypes.data for row in channels))


def noise(count):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (count, 2)).astype(np.float32)


@pytest.mark.parametrize(("block", "hop"), [(256, 2), (1000, 0), (1, 5)])
@pytest.mark.parametrize("subtype", ["FLOAT", "PCM_16", "PCM_24"])
def test_the_example_gives_the_same_bits(model_file, tmp_path, block, hop, subtype):
    samples = noise(3000 if block == 1 else 40000)
    song = tmp_path / "song.wav"
    soundfile.write(song, samples, 44100, subtype=subtype)
    samples = soundfile.read(song, dtype="float32")[0]
    command = [BUILD / "separate_wav", model_file, song, tmp_path, str(block), str(hop)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with StreamSeparator(model_file, 128, hop or None, realtime=False, max_block=block) as live:
        parts = [live.process(samples[at : at + block]) for at in range(0, len(samples), block)]
        parts.append(live.flush())
        assert f"latency {live.latency}" in done.stdout
        for stem in live.instruments:
            sound, rate = soundfile.read(tmp_path / f"{stem}.wav", dtype="float32")
            assert rate == 44100
            expected = np.concatenate([part[stem] for part in parts])[live.latency :]
            np.testing.assert_array_equal(sound, expected)


def wav(samples, tag=1, bits=16, frame=4, size=None, form=b"RIFF", before=b""):
    """A WAV file with the header that it is told to have."""
    data = samples.tobytes()
    format = struct.pack("<HHIIHH", tag, samples.shape[1], 44100, 44100 * frame, frame, bits)
    sizes = struct.pack("<I", len(format)), struct.pack("<I", len(data) if size is None else size)
    riff = form + b"\xff\xff\xff\xffWAVE"
    return riff + before + b"fmt " + sizes[0] + format + b"data" + sizes[1] + data


def test_the_example_reads_what_programs_write(model_file, tmp_path):
    short = np.rint(noise(5000) * 2**15).astype("<i2")
    wide = np.zeros((5000, 6), "<i2")
    wide[:, :2] = short
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, short.nbytes, 5000, 0)
    files = {
        "plain": (wav(short), ""),
        "24 bits below": (wav(short.astype("<i4") << 8, bits=24, frame=8), ""),
        "all ones": (wav(short, size=0xFFFFFFFF), ""),
        "zero": (wav(short, size=0), ""),
        "GStreamer": (wav(short, size=0x7FFF0000), ""),
        "RF64": (wav(short, size=0xFFFFFFFF, form=b"RF64", before=ds64) + b"LIST\4\0\0\0INFO", ""),
        "six channels": (wav(wide, frame=12), "of 6 channels the first two"),
        "cut": (wav(short, size=short.nbytes + 40), "10 samples before the length"),
    }
    expected = None
    for name, (data, said) in files.items():
        folder = tmp_path / name
        folder.mkdir()
        (tmp_path / "song.wav").write_bytes(data)
        command = [BUILD / "separate_wav", model_file, tmp_path / "song.wav", folder]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert said in done.stderr
        assert bool(said) == bool(done.stderr)
        sounds = {path.name: soundfile.read(path, dtype="float32")[0] for path in folder.iterdir()}
        if expected is None:
            expected = sounds
        assert sounds.keys() == expected.keys()
        for stem, sound in sounds.items():
            np.testing.assert_array_equal(sound, expected[stem], err_msg=f"{name}: {stem}")


def test_the_example_leaves_nothing_half_done(model_file, tmp_path):
    for name, samples in (("vocals.wav", np.zeros((9, 2), "<i2")), ("u8.wav", np.zeros((9, 2), np.uint8))):
        song = tmp_path / name
        song.write_bytes(wav(samples, bits=8 * samples.itemsize, frame=2 * samples.itemsize))
        before = song.read_bytes()
        command = [BUILD / "separate_wav", model_file, song, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1
        assert "would replace the song" in done.stderr or "does not read" in done.stderr
        assert [path.name for path in tmp_path.iterdir()] == [name]
        assert song.read_bytes() == before
        song.unlink()


def test_the_example_explains_itself(model_file, tmp_path):
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(1000), 44100)
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "text.safetensors").write_text("not a model")
    good = [model_file, song, tmp_path]
    for index, bad in (
        (0, tmp_path / "missing.safetensors"),
        (0, tmp_path / "text.safetensors"),
        (1, tmp_path / "missing.wav"),
        (1, tmp_path / "text.wav"),
        (2, tmp_path / "missing"),
    ):
        command = [*good]
        command[index] = bad
        done = subprocess.run([BUILD / "separate_wav", *command], capture_output=True, text=True)
        assert done.returncode == 1
        assert str(bad) in done.stderr
    assert subprocess.run([BUILD / "separate_wav"], capture_output=True).returncode == 1
    for numbers in (["0"], ["12x"], ["256", "x"], ["256", ""], ["256", "-1"]):
        command = [BUILD / "separate_wav", *good, *numbers]
        assert subprocess.run(command, capture_output=True).returncode == 1


def test_threads(library, model_file, monkeypatch):
    def threads_of(options):
        stream = ctypes.c_void_p()
        assert library.srt_open(str(model_file).encode(), options, stream, None) == 0
        threads = library.srt_threads(stream)
        library.srt_destroy(stream)
        return threads

    options = library.srt_default_options()
    monkeypatch.setenv("OMP_NUM_THREADS", "3,1")
    assert threads_of(options) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "100")
    assert threads_of(options) == 2 * len(load_model(model_file).instruments)
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert threads_of(options) == min(check_threads(None), 2 * len(load_model(model_file).instruments))
    options.threads = 5
    assert threads_of(options) == 5


@pytest.mark.skipif(sys.platform != "linux" or "LD_PRELOAD" in os.environ, reason="preloads a library")
def test_fewer_threads_than_asked_for(model_file, tmp_path):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    few = tmp_path / "few_threads.so"
    source = Path(__file__).parent.parent / "few_threads.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", few, source, "-ldl", "-pthread"], check=True)
    song = tmp_path / "song.wav"
    soundfile.write(song, noise(5000), 44100)
    for most in (0, 1):
        environment = {
            **os.environ,
            "LD_PRELOAD": str(few),
            "MOST_THREADS": str(most),
            "OMP_NUM_THREADS": "4",
        }
        command = [BUILD / "separate_wav", model_file, song, tmp_path]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert done.returncode == 1 - most
        assert ("the system gives this process no more threads" in done.stderr) == (most == 0)


def test_the_interface(library, model_file):
    model = load_model(model_file)
    samples = noise(20000)
    options = library.srt_default_options()
    assert (options.frames, options.max_block, options.sample_rate, options.realtime) == (128, 4096, 44100, 1)
    options.hop_frames, options.realtime, options.block, options.window = 4, 0, 128, 0
    options.frames = 64
    stream = ctypes.c_void_p()
    message = ctypes.create_string_buffer(1024)
    code = library.srt_open(str(model_file).encode(), options, stream, message)
    assert code == 0, message.value
    stems = len(model.instruments)
    assert library.srt_stems(stream) == stems
    assert [library.srt_stem_name(stream, k).decode() for k in range(stems)] == list(model.instruments)
    assert library.srt_stem_name(stream, stems) is None
    fixed = ctypes.c_int()
    assert library.srt_largest_block(stream, fixed) == 128
    assert fixed.value == 1
    with StreamSeparator(model, 64, 4, block=128, realtime=False) as live:
        assert library.srt_latency(stream) == live.latency
        for at in range(0, 60 * 128, 128):
            if at == 20 * 128:
                assert library.srt_set_gain(stream, 0, 0.5) == 0
                live.set_gains(**{model.instruments[0]: 0.5})
            block = np.ascontiguousarray(samples[at : at + 128].T)
            outs = np.full((2 * stems, 128), 7, np.float32)
            mix = np.empty((2, 128), np.float32)
            wanted = pointers(outs)
            wanted[1] = None
            assert library.srt_process_mix(stream, pointers(block), wanted, pointers(mix), 128) == 0
            total = np.empty((128, 2), np.float32)
            expected = live.process(samples[at : at + 128], mix_out=total)
            np.testing.assert_array_equal(mix.T, total)
            assert (outs[1] == 7).all()
            for k, sound in enumerate(expected.values()):
                np.testing.assert_array_equal(outs[2 * k], sound[:, 0])
                if k:
                    np.testing.assert_array_equal(outs[2 * k + 1], sound[:, 1])
        stats = Stats()
        assert library.srt_get_stats(stream, stats) == 0
        assert stats.runs >= 10  # another one may be on its way
        assert stats.underruns == stats.dropped == 0
        rest = np.empty((2 * stems, live.latency), np.float32)
        assert library.srt_flush(stream, pointers(rest), None) == 0
        for k, sound in enumerate(live.flush().values()):
            np.testing.assert_array_equal(rest[2 * k : 2 * k + 2].T, sound)
    # another block than promised: silence and a code
    outs = np.full((2 * stems, 100), 7, np.float32)
    block = np.ones((2, 100), np.float32)
    assert library.srt_process(stream, pointers(block), pointers(outs), 100) == 2
    assert not outs.any()
    assert library.srt_process(stream, None, None, 128) == 1
    assert library.srt_process(stream, None, None, 0) == 0
    assert library.srt_set_gain(stream, 99, 1.0) == library.srt_set_gain(stream, 0, float("nan")) == 1
    assert library.srt_reset(stream) == library.srt_reset_stats(stream) == 0
    library.srt_destroy(stream)
    library.srt_destroy(None)


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("tiny-4stems", {"mode": "direct"}),
        ("tiny-4stems", {"mode": "direct", "stems": ["drums", "bass"], "above_band": 0.1}),
        ("tiny-5stems", {"mode": "direct", "stems": ["piano"]}),
        ("tiny-2stems", {"mode": "residual"}),
        ("tiny-2stems", {"mode": "residual", "stems": ["accompaniment", "vocals"]}),
        ("tiny-4stems", {"mode": "three"}),
        ("tiny-4stems", {"mode": "three", "full_band": True}),
    ],
    ids=str,
)
def test_modes_give_the_same_bits(library, tmp_path, name, mode):
    path = convert(case(name) / "config.json", tmp_path / "model.safetensors", progress=False)
    options = library.srt_default_options()
    options.frames, options.hop_frames, options.realtime = 64, 4, 0
    options.mode, options.full_band = mode["mode"].encode(), mode.get("full_band", False)
    options.stems = " , ".join(mode["stems"]).encode() if "stems" in mode else None
    options.above_band = mode.get("above_band", -1.0)
    stream, message = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
    assert library.srt_open(str(path).encode(), options, stream, message) == 0, message.value
    samples = noise(9000)
    with StreamSeparator(load_model(path), 64, 4, realtime=False, **mode) as live:
        names = [library.srt_stem_name(stream, k).decode() for k in range(library.srt_stems(stream))]
        assert names == list(live.instruments)
        assert library.srt_latency(stream) == live.latency
        for at in range(0, len(samples), 1000):
            block = np.ascontiguousarray(samples[at : at + 1000].T)
            outs = np.empty((2 * len(names), 1000), np.float32)
            assert library.srt_process(stream, pointers(block), pointers(outs), 1000) == 0
            for k, sound in enumerate(live.process(samples[at : at + 1000]).values()):
                np.testing.assert_array_equal(outs[2 * k : 2 * k + 2].T, sound)
        assert library.srt_set_gain(stream, len(names), 1.0) == 1
    library.srt_destroy(stream)


def opened(function, *arguments):
    """The model or the stream that a function opens."""
    made, message = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
    assert function(*arguments, made, message) == 0, message.value
    return made


def stems_of(library, stream, samples):
    """All of a stream's stems of a song, in blocks of 1000: [2 stems, samples]."""
    parts = []
    for at in range(0, len(samples), 1000):
        block = np.ascontiguousarray(samples[at : at + 1000].T)
        parts.append(np.empty((2 * library.srt_stems(stream), 1000), np.float32))
        assert library.srt_process(stream, pointers(block), pointers(parts[-1]), 1000) == 0
    return np.concatenate(parts, axis=1)


def test_streams_share_a_model(library, model_file):
    samples, options = noise(150_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block, options.hop_frames = 0, 64, 1000, 16
    alone = opened(library.srt_open, str(model_file).encode(), options)
    expected = stems_of(library, alone, samples)
    assert np.abs(expected).max() > 0.01
    library.srt_destroy(alone)
    model = opened(library.srt_model_open, str(model_file).encode(), None)
    names = list(load_model(model_file).instruments)
    assert [library.srt_model_stem_name(model, k).decode() for k in range(len(names))] == names
    assert library.srt_model_stem_name(model, len(names)) is library.srt_model_stem_name(model, -1) is None
    assert library.srt_model_stems(model) == len(names)
    assert library.srt_model_sample_rate(model) == 44100
    streams = [opened(library.srt_stream_open, model, options) for _ in range(3)]
    assert library.srt_model_retain(model) == model.value
    library.srt_model_release(model)
    library.srt_model_release(model)  # the streams keep it
    found: dict[int, np.ndarray] = {}
    threads = [
        threading.Thread(target=lambda k=k: found.update({k: stems_of(library, streams[k], samples)}))
        for k in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, stream in enumerate(streams):
        np.testing.assert_array_equal(found[k], expected)
        library.srt_destroy(stream)


def test_a_model_from_memory(library, model_file):
    samples, options = noise(80_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block = 0, 64, 1000
    content = ctypes.create_string_buffer(model_file.read_bytes(), model_file.stat().st_size)
    place = ctypes.cast(content, ctypes.c_char_p)
    there = opened(library.srt_model_open, str(model_file).encode(), None)
    here = opened(library.srt_model_open_memory, place, len(content), None)
    message = ctypes.create_string_buffer(1024)
    assert library.srt_model_load(here, message) == library.srt_model_load(here, None) == 0
    ctypes.memset(content, 0, len(content))  # not needed any more
    streams = [opened(library.srt_stream_open, model, options) for model in (there, here)]
    first, second = (stems_of(library, stream, samples) for stream in streams)
    np.testing.assert_array_equal(first, second)
    for stream in streams:
        library.srt_destroy(stream)
    for model in (there, here):
        library.srt_model_release(model)
    # failures: those of a file, by another name
    damaged = bytearray(model_file.read_bytes())
    damaged[-5] ^= 1
    for bytes_, word in ((b"{}", "too short"), (bytes(damaged[:-1]), "outside the file")):
        made = ctypes.c_void_p()
        assert library.srt_model_open_memory(bytes_, len(bytes_), None, made, message) == 4
        assert not made
        assert message.value.decode().startswith("model in memory: ")
        assert word in message.value.decode()
    keep = bytes(damaged)
    model = opened(library.srt_model_open_memory, keep, len(keep), None)
    assert library.srt_model_load(model, message) == 4
    assert "wrong checksum" in message.value.decode()
    made = ctypes.c_void_p()
    assert library.srt_stream_open(model, options, made, message) == 4
    assert not made
    library.srt_model_release(model)


def test_a_stream_does_not_contradict_its_model(library, model_file):
    wanted = library.srt_default_model_options()
    wanted.isa = b"generic"
    model = opened(library.srt_model_open, str(model_file).encode(), wanted)
    options, made, message = (
        library.srt_default_options(),
        ctypes.c_void_p(),
        ctypes.create_string_buffer(1024),
    )
    options.isa = b"generic"
    library.srt_destroy(opened(library.srt_stream_open, model, options))
    for field, value, word in (
        ("isa", b"avx2", "isa: the model was opened for generic"),
        ("low_memory", 1, "low_"),
    ):
        options = library.srt_default_options()
        setattr(options, field, value)
        assert library.srt_stream_open(model, options, made, message) == 3
        assert message.value.decode().startswith(word)
    library.srt_model_release(model)


def test_paths_are_utf_8(library, model_file, tmp_path):
    path = tmp_path / "Модель ü 模型.safetensors"
    shutil.copy(model_file, path)
    library.srt_model_release(opened(library.srt_model_open, str(path).encode(), None))
    library.srt_destroy(opened(library.srt_open, str(path).encode(), None))


def test_options_of_an_earlier_version(library, model_file):
    """Whose structure ended before the modes: what lies behind it is not read."""
    options = library.srt_default_options()
    options.size = Options.mode.offset
    options.mode, options.stems, options.above_band = b"magic", b"nothing", 7.0
    stream, message = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
    assert library.srt_open(str(model_file).encode(), options, stream, message) == 0, message.value
    assert library.srt_stems(stream) == len(load_model(model_file).instruments)
    library.srt_destroy(stream)
    options.size = ctypes.sizeof(Options) + 8  # of a later one
    assert library.srt_open(str(model_file).encode(), options, stream, message) == 3


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("mode", b"magic", "mode: expected"),
        ("stems", b"vocals", "stems: in real time"),
        ("stems", b" , ", "stems"),
        ("stems", b"", "stems"),
        ("above_band", 0.1, "above_band"),
        ("above_band", float("nan"), "above_band"),
        ("frames", 100, "frames"),
        ("frames", -1, "frames"),
        ("hop_frames", 129, "hop_frames"),
        ("window", 100, "window"),
        ("sample_rate", 44101, "sample_rate"),
        ("hold_seconds", float("nan"), "hold_seconds"),
        ("cover", 9, "cover"),
        ("isa", b"mmx", "mmx"),
        ("size", 8, "srt_default_options"),
    ],
)
def test_bad_options(library, model_file, field, value, word):
    options = library.srt_default_options()
    setattr(options, field, value)
    stream = ctypes.c_void_p()
    message = ctypes.create_string_buffer(1024)
    code = library.srt_open(str(model_file).encode(), options, stream, message)
    assert code in (3, 4)
    assert not stream
    assert word in message.value.decode()
    assert not library.srt_create(str(model_file).encode(), options, None)


def test_bad_arguments(library, model_file, tmp_path):
    stream = ctypes.c_void_p()
    message = ctypes.create_string_buffer(1024)
    assert library.srt_open(None, None, stream, message) == 1
    missing = str(tmp_path / "missing.safetensors")
    assert library.srt_open(missing.encode(), None, stream, message) == 4
    assert missing in message.value.decode()
    assert library.srt_code_text(4)
    assert library.srt_code_text(99)
    from spleeterrt import __version__

    assert library.srt_version().decode() == __version__
    # NULL streams are refused, not followed
    assert library.srt_stems(None) == library.srt_latency(None) == library.srt_threads(None) == 0
    assert library.srt_process(None, None, None, 1) == library.srt_reset(None) == 1
    library.srt_destroy(None)
    library.srt_model_release(None)
    assert library.srt_model_retain(None) is None
    assert library.srt_model_stems(None) == library.srt_model_sample_rate(None) == 0
    assert library.srt_model_load(None, message) == library.srt_stream_open(None, None, stream, message) == 1
    assert b"model" in message.value
    model_options = library.srt_default_model_options()
    model_options.size = 8
    assert library.srt_model_open(missing.encode(), model_options, stream, message) == 3
    assert library.srt_model_open_memory(None, 9, None, stream, message) == 1
    assert library.srt_flush(None, None, None) == library.srt_get_stats(None, None) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="looks at ELF")
def test_nothing_but_the_interface_is_exported():
    listing = subprocess.run(
        ["nm", "-D", "--defined-only", BUILD / "libspleeterrt.so"], capture_output=True, text=True
    )
    if listing.returncode:
        pytest.skip("no nm")
    names = [line.split()[-1] for line in listing.stdout.splitlines()]
    header = Path(__file__).parents[2] / "src/_kernels/core/c/spleeterrt.h"
    declared = re.findall(r"^SRT_API [^;]*?\b(srt_\w+)\(", header.read_text(), re.MULTILINE)
    assert sorted(names) == sorted(declared)
