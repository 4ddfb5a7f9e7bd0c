"""Models in C: shared by streams, from files and from memory; what can be known before one is loaded."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from spleeterrt import StreamSeparator, load_model
from spleeterrt._kernels import nn
from spleeterrt._kernels.stream import stream_latency
from spleeterrt.models import convert
from spleeterrt.models.sources import STARTER_FILE
from spleeterrt.network.config import OFFICIAL_CONFIGS
from spleeterrt.realtime.settings import StreamSettings
from support.c_library import load, noise, opened, pointers, stems_of
from support.golden import case

PLAINEST = (nn.FAST_ISAS[-1] if nn.FAST_ISAS else "generic").encode()

pytestmark = pytest.mark.skipif(
    "SPLEETERRT_C_BUILD" not in os.environ, reason="SPLEETERRT_C_BUILD names no build of the C library"
)


@pytest.fixture(scope="module")
def library():
    return load()


@pytest.fixture(scope="module", params=[("tiny-4stems", "float16"), ("tiny-5stems", "int8")], ids=" ".join)
def model_file(request, tmp_path_factory):
    name, dtype = request.param
    path = tmp_path_factory.mktemp("model") / f"{name}.safetensors"
    return convert(case(name) / "config.json", path, progress=False, dtype=dtype)


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
    wanted.isa = PLAINEST
    model = opened(library.srt_model_open, str(model_file).encode(), wanted)
    options, made, message = (
        library.srt_default_options(),
        ctypes.c_void_p(),
        ctypes.create_string_buffer(1024),
    )
    options.isa = PLAINEST
    library.srt_destroy(opened(library.srt_stream_open, model, options))
    for field, value, word in (
        ("isa", b"avx2", f"isa: the model was opened for {PLAINEST.decode()}"),
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


def test_references_from_many_threads(library, model_file):
    model = opened(library.srt_model_open, str(model_file).encode(), None)
    options = library.srt_default_options()
    options.frames, options.threads = 64, 1
    problems = []

    def use():
        for _ in range(20):
            library.srt_model_retain(model)
            stream = ctypes.c_void_p()
            if library.srt_stream_open(model, options, stream, None):
                problems.append("not opened")
            library.srt_model_release(model)
            library.srt_destroy(stream)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert library.srt_model_stems(model) == len(load_model(model_file).instruments)
    library.srt_model_release(model)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"hop_frames": 2, "block": 256},
        {"hop_frames": 3, "lookahead": 5, "max_block": 100, "crossfade": 1},
        {"hold": 1, "max_block": 512},
        {"hop_frames": 8, "budget": 1000, "sample_rate": 48000},
    ],
    ids=str,
)
def test_latency_without_weights(library, model_file, wanted):
    options, latency, message = (
        library.srt_default_options(),
        ctypes.c_size_t(),
        ctypes.create_string_buffer(1024),
    )
    for name, value in wanted.items():
        setattr(options, name, value)
    model = opened(library.srt_model_open, str(model_file).encode(), None)
    assert library.srt_latency_of(options, model, latency, message) == 0, message.value
    with StreamSeparator(model_file, **wanted) as live:
        assert latency.value == live.latency
    options.mode = b"three"  # of no account without a model
    assert library.srt_latency_of(options, None, latency, message) == 0, message.value
    assert latency.value == stream_latency(StreamSettings(**wanted).options(OFFICIAL_CONFIGS["4stems"]))
    options.cover = 2**31 - 1  # nor is the number of stems, which therefore takes no memory
    standard = ctypes.c_size_t()
    assert library.srt_latency_of(options, None, standard, message) == 0, message.value
    assert standard.value == latency.value
    options.mode = None
    assert library.srt_latency_of(options, model, standard, message) == 3
    assert message.value.startswith(b"cover: expected")
    options.cover = -1
    options.window = 100
    assert library.srt_latency_of(options, None, latency, message) == 3
    assert message.value.decode().startswith("window: expected")
    assert latency.value == 0
    options.mode = None
    assert library.srt_latency_of(options, model, None, message) == 1
    library.srt_model_release(model)


def stem_names(library, stream):
    return [library.srt_stem_name(stream, k).decode() for k in range(library.srt_stems(stream))]


def test_stems_select_in_mode_ratio(library, model_file):
    samples, options = noise(60_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block, options.hop_frames = 0, 64, 1000, 16
    model = opened(library.srt_model_open, str(model_file).encode(), None)
    whole = opened(library.srt_stream_open, model, options)
    names, expected = stem_names(library, whole), stems_of(library, whole, samples)
    options.stems = b" bass, vocals"
    some = opened(library.srt_stream_open, model, options)
    assert stem_names(library, some) == [name for name in names if name in ("bass", "vocals")]
    found = stems_of(library, some, samples)
    assert np.abs(found).max() > 0.01
    for k, name in enumerate(stem_names(library, some)):
        at = names.index(name)
        np.testing.assert_array_equal(found[2 * k : 2 * k + 2], expected[2 * at : 2 * at + 2])
    for stream in (whole, some):
        library.srt_destroy(stream)
    library.srt_model_release(model)


@pytest.mark.skipif(not STARTER_FILE.is_file(), reason="no starter model")
@pytest.mark.parametrize(
    ("stems", "name"),
    [(None, "starter:4stems"), (b"accompaniment,vocals", "starter:2stems")],
)
def test_the_starter_file_holds_two_models(library, stems, name):
    samples, options = noise(100_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block, options.hop_frames = 0, 64, 1000, 32
    options.stems = stems
    model = opened(library.srt_model_open, str(STARTER_FILE).encode(), None)
    assert library.srt_model_stems(model) == 4
    stream = opened(library.srt_stream_open, model, options)
    found = stems_of(library, stream, samples)
    assert np.abs(found).max() > 0.01
    with StreamSeparator(name, 64, 32, realtime=False, max_block=1000) as live:
        assert stem_names(library, stream) == list(live.instruments)
        parts = [live.process(samples[at : at + 1000]) for at in range(0, len(samples), 1000)]
    for k, stem in enumerate(live.instruments):
        expected = np.concatenate([part[stem] for part in parts])
        np.testing.assert_array_equal(found[2 * k : 2 * k + 2].T, expected)
    assert load_model(STARTER_FILE).instruments == ("vocals", "drums", "bass", "other")
    library.srt_destroy(stream)
    library.srt_model_release(model)


def mixed(library, stream, samples):
    """All of a stream's stems of a song, [2 stems, n], and the mix under their gains, [2, n]."""
    outs = np.empty((2 * library.srt_stems(stream), len(samples)), np.float32)
    mix = np.empty((2, len(samples)), np.float32)
    for at in range(0, len(samples), 1000):
        block = np.ascontiguousarray(samples[at : at + 1000].T)
        places = pointers(outs[:, at : at + 1000]), pointers(mix[:, at : at + 1000])
        assert library.srt_process_mix(stream, pointers(block), *places, block.shape[1]) == 0
    assert np.abs(mix).max() > 0.01
    return outs, mix


def test_stems_before_their_gains_and_the_residual(library, model_file):
    samples, options = noise(60_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block, options.hop_frames = 0, 64, 1000, 16
    plain = opened(library.srt_open, str(model_file).encode(), options)
    expected = mixed(library, plain, samples)[0]
    options.pre_fader = 1
    before = opened(library.srt_open, str(model_file).encode(), options)
    stems = library.srt_stems(before)
    for k in range(1, stems):
        assert library.srt_set_gain(before, k, 0.0) == 0
    library.srt_reset(before)  # gains jump where a signal begins
    outs, mix = mixed(library, before, samples)
    np.testing.assert_array_equal(outs, expected)
    np.testing.assert_array_equal(mix, expected[:2])
    options.residual, options.sample_rate = 1, 96000
    exact = opened(library.srt_open, str(model_file).encode(), options)
    latency = library.srt_latency(exact)
    outs, _ = mixed(library, exact, samples)
    total = outs.reshape(stems, 2, -1).astype(float).sum(axis=0)
    np.testing.assert_allclose(total[:, latency:], samples[:-latency].T, atol=1e-6)
    for stream in (plain, before, exact):
        library.srt_destroy(stream)


def test_realtime_and_positions(library, model_file):
    samples, options = noise(60_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block, options.hop_frames = 1, 64, 1000, 16
    stream = opened(library.srt_open, str(model_file).encode(), options)
    assert library.srt_set_realtime(stream, 3) == library.srt_set_realtime(stream, -1) == 1
    assert library.srt_set_realtime(None, 0) == library.srt_reset_at(None, 0) == 1
    assert library.srt_set_realtime(stream, 0) == 0
    expected = mixed(library, stream, samples)[0]
    assert library.srt_reset_at(stream, 5000) == 0
    moved = mixed(library, stream, samples)[0]
    assert library.srt_reset_at(stream, 5000 - 3 * 16 * 1024) == 0  # runs begin every 16 frames
    np.testing.assert_array_equal(mixed(library, stream, samples)[0], moved)
    assert library.srt_reset_at(stream, -(2**63)) == library.srt_reset_at(stream, 2**63 - 1) == 0
    assert np.abs(moved - expected).max() > 1e-3  # another grid of frames
    assert library.srt_reset(stream) == 0
    np.testing.assert_array_equal(mixed(library, stream, samples)[0], expected)
    assert library.srt_settling(stream) >= 64 * 128
    library.srt_destroy(stream)


def test_runs_by_the_caller_and_shared_threads(library, model_file):
    samples, options = noise(60_000), library.srt_default_options()
    options.realtime, options.frames, options.max_block, options.hop_frames = 0, 64, 1000, 16
    plain = opened(library.srt_open, str(model_file).encode(), options)
    expected = mixed(library, plain, samples)[0]
    library.srt_destroy(plain)
    for field in ("caller_runs", "shared_threads"):
        other = library.srt_default_options()
        ctypes.memmove(ctypes.byref(other), ctypes.byref(options), ctypes.sizeof(options))
        setattr(other, field, 1)
        stream = opened(library.srt_open, str(model_file).encode(), other)
        np.testing.assert_array_equal(mixed(library, stream, samples)[0], expected)
        if field == "caller_runs":
            assert library.srt_set_realtime(stream, 1) == 0
            mixed(library, stream, samples)
            floats = np.zeros(library.srt_workspace_floats(stream) + 17, np.float32)
            place = (floats.ctypes.data + 63) // 64 * 64 + 4  # anywhere
            assert library.srt_run(stream, place) == 1
            while library.srt_run(stream, place):
                pass
            assert library.srt_run(stream, None) == library.srt_run(None, place) == 0
        library.srt_destroy(stream)


MEMORY = """
import ctypes, sys
from support.c_library import load, opened
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20
library = load()
options = library.srt_default_options()
model = opened(library.srt_model_open, sys.argv[1].encode(), None)
found = [resident()]
for _ in range(8):
    opened(library.srt_stream_open, model, options)
    found.append(resident())
print(*found)
"""


@pytest.mark.skipif(sys.platform != "linux" or "LD_PRELOAD" in os.environ, reason="looks at /proc")
def test_streams_after_the_first_take_little_memory(tmp_path):
    path = convert("starter:4stems", tmp_path / "four.safetensors", progress=False)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", MEMORY, path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    resident = [float(word) for word in done.stdout.split()]
    further = np.diff(resident)[1:]
    assert further.max() <= 40, f"MiB of each stream after the first: {further.round(1)}"


LIMITED = """
import ctypes, resource, sys
from support.c_library import load
library = load()
model, message = ctypes.c_void_p(), ctypes.create_string_buffer(1024)
long = sys.argv[2].encode()
assert library.srt_model_open(sys.argv[1].encode(), None, model, message) == 0, message.value
stream, options = ctypes.c_void_p(), library.srt_default_options()
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, -1))
codes = [library.srt_model_load(model, message), library.srt_stream_open(model, options, stream, message)]
codes.append(library.srt_model_open(long, None, stream, message))
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
print(*codes, bool(stream), message.value.decode())
print(library.srt_model_load(model, message))
"""


@pytest.mark.skipif(sys.platform != "linux" or "LD_PRELOAD" in os.environ, reason="limits the address space")
def test_too_little_memory_is_no_fault_of_the_model(tmp_path):
    path = convert("starter:4stems", tmp_path / "four.safetensors", progress=False)
    long = tmp_path / "long.safetensors"
    long.write_bytes((8 << 20).to_bytes(8, "little") + b" " * (8 << 20))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LIMITED, path, long]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.splitlines() == ["5 5 5 False not enough memory", "0"]
