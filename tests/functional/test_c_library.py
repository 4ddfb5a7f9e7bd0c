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
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spleeterrt import SpleeterError, StreamSeparator, load_model
from spleeterrt.models import convert
from spleeterrt.parallel import check_threads
from spleeterrt.realtime.settings import StreamSettings
from support.c_library import BUILD, Options, Stats, load, noise, pointers
from support.golden import case

pytestmark = pytest.mark.skipif(
    "SPLEETERRT_C_BUILD" not in os.environ, reason="SPLEETERRT_C_BUILD names no build of the C library"
)


@pytest.fixture(scope="module")
def library():
    return load()


@pytest.fixture(
    scope="module",
    params=[("tiny-2stems", "float32"), ("tiny-4stems", "float16"), ("tiny-5stems", "int8")],
    ids=" ".join,
)
def model_file(request, tmp_path_factory):
    name, dtype = request.param
    path = tmp_path_factory.mktemp("model") / f"{name}.safetensors"
    return convert(case(name) / "config.json", path, progress=False, dtype=dtype)


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
        assert library.srt_get_stats(stream, stats, ctypes.sizeof(Stats)) == 0
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
    outs[:] = 7
    assert library.srt_process(stream, pointers(block), pointers(outs), 2**64 - 1) == 2
    assert (outs == 7).all()
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


def test_options_of_an_earlier_version(library, model_file):
    """Whose structure ended before the modes: what lies behind it is not read."""
    options = library.srt_default_options()
    options.size = Options.mode.offset
    options.mode, options.stems, options.above_band = b"magic", b"nothing", 7.0
    stream, message = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
    assert library.srt_open(str(model_file).encode(), options, stream, message) == 0, message.value
    assert library.srt_stems(stream) == len(load_model(model_file).instruments)
    library.srt_destroy(stream)
    for size in (
        ctypes.sizeof(Options) + 8,  # of a later one
        *(Options.mode.offset + inside for inside in (-8, -1, 1, 4)),  # of none: too short, within a field
        Options.caller_runs.offset,
        0,
    ):
        options.size = size
        assert library.srt_open(str(model_file).encode(), options, stream, message) == 3
        assert b"srt_default_options" in message.value


def test_defaults_for_shorter_and_longer_structures(library):
    class Longer(ctypes.Structure):
        _fields_ = [("known", Options), ("later", ctypes.c_double)]

    longer, plain = Longer(), library.srt_default_options()
    longer.later = 5.0
    library.srt_init_options(ctypes.byref(longer), Options.mode.offset)
    assert (longer.known.size, longer.known.frames) == (Options.mode.offset, 128)
    assert (longer.known.mode, longer.known.above_band, longer.later) == (None, 0.0, 5.0)
    library.srt_init_options(ctypes.byref(longer), ctypes.sizeof(Longer))
    assert (longer.known.size, longer.later) == (ctypes.sizeof(Longer), 0.0)
    assert longer.known.above_band == plain.above_band == -1.0
    assert plain.size == ctypes.sizeof(Options)
    library.srt_init_options(None, 100)
    library.srt_init_model_options(None, 100)


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("mode", b"magic", "mode: expected"),
        ("stems", b"bells", "stems: expected some of"),
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
    assert library.srt_open(str(model_file).encode(), options, stream, message) == 3
    assert not stream
    assert word in message.value.decode()
    assert not library.srt_create(str(model_file).encode(), options, None)


WRONG = [
    {"frames": -1}, {"frames": 100}, {"frames": 1024}, {"hop_frames": -1}, {"hop_frames": 129},
    {"lookahead": -2}, {"lookahead": 200}, {"hop_frames": 4, "lookahead": 125}, {"bins": -64}, {"bins": 100},
    {"budget": -1}, {"hop_frames": 1, "budget": 1025}, {"max_block": 0}, {"max_block": 65537}, {"block": -1},
    {"block": 65537}, {"window": 100}, {"window": 5000}, {"sample_rate": 999}, {"sample_rate": 44101},
    {"threads": -1}, {"hold": True, "crossfade": 1}, {"crossfade": -1}, {"crossfade": 129},
    {"hold_seconds": -0.5}, {"hold_seconds": 3601.0}, {"hold_seconds": float("nan")}, {"niceness": -1},
    {"priority": 100}, {"priority": -1}, {"mode": "magic"}, {"mode": "direct", "stems": "bells"},
    {"above_band": 0.5}, {"mode": "direct", "above_band": 1.5},
    {"residual": True, "stems": "vocals"}, {"mode": "direct", "residual": True, "stems": "vocals"},
    {"mode": "direct", "above_band": float("nan")}, {"mode": "direct", "above_band": 0.1, "full_band": True},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_messages_are_those_of_python(library, model_file, wrong):
    config = load_model(model_file).config
    in_python = {name: [value] if name == "stems" else value for name, value in wrong.items()}
    with pytest.raises(SpleeterError) as caught:
        StreamSettings(**in_python).options(config)
    options, stream = library.srt_default_options(), ctypes.c_void_p()
    for name, value in wrong.items():
        setattr(options, name, value.encode() if isinstance(value, str) else value)
    message = ctypes.create_string_buffer(1024)
    assert library.srt_open(str(model_file).encode(), options, stream, message) == 3
    assert message.value.decode() == str(caught.value)


def test_an_empty_isa_is_the_default(library, model_file):
    options, message = library.srt_default_options(), ctypes.create_string_buffer(1024)
    options.isa = b""
    stream = ctypes.c_void_p()
    assert library.srt_open(str(model_file).encode(), options, stream, message) == 0, message.value
    library.srt_destroy(stream)


NICENESS = """
import ctypes, os, sys, time
from pathlib import Path
from support.c_library import load

def niceness():
    stats = [task.joinpath("stat").read_text() for task in Path("/proc/self/task").iterdir()]
    return sorted(int(stat.rpartition(")")[2].split()[16]) for stat in stats)

os.nice(5)
before = niceness()
library = load()
options, stream = library.srt_default_options(), ctypes.c_void_p()
options.niceness, options.threads = 2**31 - 1, 1
assert library.srt_open(sys.argv[1].encode(), options, stream, None) == 0
for _ in range(500):
    if len(found := niceness()) > len(before) and found[-1] == 19:
        break
    time.sleep(0.01)
assert found == sorted([*before, 19]), (before, found)
library.srt_destroy(stream)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_any_niceness_only_lowers_the_priority(model_file):
    done = subprocess.run(
        [sys.executable, "-c", NICENESS, model_file],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


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
    for size in (8, 20, 32):
        model_options.size = size
        assert library.srt_model_open(missing.encode(), model_options, stream, message) == 3
        assert b"srt_default_model_options" in message.value
    model_options = library.srt_default_model_options()
    model_options.isa = b"mmx"
    assert library.srt_model_open(str(model_file).encode(), model_options, stream, message) == 3
    assert b"mmx" in message.value
    assert library.srt_model_open_memory(b"{}", 2, model_options, stream, message) == 3
    assert library.srt_model_open(None, None, stream, message) == 1
    assert not stream
    assert library.srt_model_open(None, None, None, message) == 1
    assert library.srt_model_open_memory(None, 9, None, stream, message) == 1
    assert library.srt_flush(None, None, None) == library.srt_get_stats(None, None, 0) == 1


def test_statistics_of_shorter_and_longer_structures(library, model_file):
    class Longer(ctypes.Structure):
        _fields_ = [("known", Stats), ("later", ctypes.c_double)]

    options, stream = library.srt_default_options(), ctypes.c_void_p()
    options.frames, options.hop_frames, options.realtime, options.max_block = 64, 4, 0, 30000
    assert library.srt_open(str(model_file).encode(), options, stream, None) == 0
    samples = np.ascontiguousarray(noise(30000).T)
    assert library.srt_process(stream, pointers(samples), None, 30000) == 0
    longer = Longer()
    longer.known.runs, longer.later = 1000, 5.0
    place = ctypes.cast(ctypes.byref(longer), ctypes.POINTER(Stats))
    for size in (0, 8, ctypes.sizeof(Stats) - 1):
        assert library.srt_get_stats(stream, place, size) == 1
    assert longer.known.runs == 1000
    assert library.srt_get_stats(stream, place, ctypes.sizeof(Stats)) == 0
    assert longer.known.runs < 1000
    assert longer.later == 5.0
    assert library.srt_get_stats(stream, place, ctypes.sizeof(Longer)) == 0
    assert longer.later == 0.0
    library.srt_destroy(stream)


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
