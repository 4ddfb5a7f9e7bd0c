"""The C library by ctypes, for its tests. SPLEETERRT_C_BUILD names its build folder."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import numpy as np

BUILD = Path(os.environ.get("SPLEETERRT_C_BUILD", ""))

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
        ("mode", ctypes.c_char_p),
        ("stems", ctypes.c_char_p),
        ("above_band", ctypes.c_double),
        *((name, ctypes.c_int) for name in ("shared_threads", "pre_fader", "residual", "caller_runs")),
    ]


class ModelOptions(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("isa", ctypes.c_char_p),
        ("low_memory", ctypes.c_int),
        ("reserved", ctypes.c_int),
    ]


class Stats(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_uint64) for name in COUNTS),
        *((name, ctypes.c_double) for name in TIMES),
        ("priority_refused", ctypes.c_int),
        ("reserved", ctypes.c_int),
    ]


def defaults(init, structure):
    """What the header's inline function of that name does."""

    def made():
        options = structure()
        init(ctypes.byref(options), ctypes.sizeof(options))
        return options

    init.restype, init.argtypes = None, [ctypes.c_void_p, ctypes.c_size_t]
    return made


def load():
    """The library, its functions declared."""
    found = sorted(BUILD.glob("libspleeterrt.so*")) or sorted(BUILD.glob("*spleeterrt.*"))
    lib = ctypes.CDLL(str(found[0]))
    lib.srt_default_options = defaults(lib.srt_init_options, Options)
    lib.srt_default_model_options = defaults(lib.srt_init_model_options, ModelOptions)
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
    lib.srt_get_stats.argtypes = [ctypes.c_void_p, ctypes.POINTER(Stats), ctypes.c_size_t]
    lib.srt_process.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_size_t]
    lib.srt_process_mix.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_size_t]
    lib.srt_flush.argtypes = [ctypes.c_void_p] * 3
    place = ctypes.POINTER(ctypes.c_void_p)
    lib.srt_model_open.argtypes = [ctypes.c_char_p, ctypes.POINTER(ModelOptions), place, ctypes.c_char_p]
    lib.srt_model_open_memory.argtypes = [ctypes.c_char_p, ctypes.c_size_t, *lib.srt_model_open.argtypes[1:]]
    lib.srt_stream_open.argtypes = [ctypes.c_void_p, ctypes.POINTER(Options), place, ctypes.c_char_p]
    lib.srt_set_realtime.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.srt_reset_at.argtypes = [ctypes.c_void_p, ctypes.c_int64]
    lib.srt_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    lib.srt_settling.restype = lib.srt_workspace_floats.restype = ctypes.c_size_t
    lib.srt_settling.argtypes = lib.srt_workspace_floats.argtypes = [ctypes.c_void_p]
    lib.srt_latency_of.argtypes = [ctypes.POINTER(Options), ctypes.c_void_p]
    lib.srt_latency_of.argtypes += [ctypes.POINTER(ctypes.c_size_t), ctypes.c_char_p]
    lib.srt_model_load.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    lib.srt_model_stem_name.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.srt_model_stem_name.restype = ctypes.c_char_p
    lib.srt_model_retain.restype = ctypes.c_void_p
    for name in ("retain", "release", "stems", "sample_rate"):
        getattr(lib, f"srt_model_{name}").argtypes = [ctypes.c_void_p]
    return lib


def pointers(channels):
    """float** of the rows of [channels, n]."""
    return (ctypes.c_void_p * len(channels))(*(row.ctypes.data for row in channels))


def noise(count):
    return np.random.default_rng(0).uniform(-0.5, 0.5, (count, 2)).astype(np.float32)


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
