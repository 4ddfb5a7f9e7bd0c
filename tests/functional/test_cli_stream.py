"""`spleeterrt stream`, run as a user would: pipes, headers, signals."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spleeterrt import Model, StreamSeparator, load_model
from spleeterrt.audio import downmix
from spleeterrt.audio.pcm import SAMPLE_FORMATS, SampleTail, decode, encode, read_wav_header, wav_header
from spleeterrt.errors import AudioError
from support.golden import case

CONFIG = str(case("tiny-2stems") / "config.json")
STEMS = ("vocals", "accompaniment")
RAW = ("--input-format", "f32le", "--rate", "44100", "--channels", "2")
FAST = ("--frames", "64", "--hop", "8", "--threads", "1")

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and named pipes")


def command(*args: object) -> list[str]:
    return [sys.executable, "-m", "spleeterrt", "stream", "-p", CONFIG, *map(str, args)]


def stream(*args: object, data: bytes = b"", code: int = 0) -> bytes:
    done = subprocess.run(command(*args), input=data, capture_output=True, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout


def refused(*args: object, data: bytes = b"", code: int = 1) -> str:
    done = subprocess.run(command(*args), input=data, capture_output=True, timeout=120)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""
    return done.stderr.decode()


def expected(model: Model, mix: np.ndarray, keep: bool = False, **settings: Any) -> dict[str, np.ndarray]:
    """What the API says, aligned (or late): the stems and their sum, "mix"."""
    gains = settings.pop("gains", {})
    settings = {"frames": 64, "hop_frames": 8, "threads": 1, "realtime": False, **settings}
    with StreamSeparator(model, **settings) as live:
        live.set_gains(**gains)
        live.reset()
        parts: list[dict[str, np.ndarray]] = []
        for start in range(0, len(mix), 1000):
            block = mix[start : start + 1000]
            total = np.empty((len(block), 2), np.float32)
            parts.append({**live.process(block, mix_out=total), "mix": total})
        total = np.empty((live.latency, 2), np.float32)
        parts.append({**live.flush(mix_out=total), "mix": total})
        skip = 0 if keep else live.latency
    return {name: np.concatenate([part[name] for part in parts])[skip:] for name in parts[0]}


def floats(data: bytes, channels: int = 2) -> np.ndarray:
    return np.frombuffer(data, "<f4").reshape(-1, channels)


def sound(data: bytes) -> tuple[np.ndarray, int]:
    """The samples of a WAV stream, whatever length its header tells."""
    file = io.BytesIO(data)
    header = read_wav_header(file.read, "test")
    return decode(file.read(), header.format, header.channels), header.rate


# --- samples -----------------------------------------------------------------------


@pytest.mark.parametrize("stem", STEMS)
def test_stem_is_the_apis_bit_for_bit(two_stems: Model, music: np.ndarray, stem: str) -> None:
    out = floats(stream(*RAW, *FAST, "--stem", stem, data=music.tobytes()))
    assert np.array_equal(out, expected(two_stems, music)[stem])
    assert len(out) == len(music)


def test_interleaved_stems(two_stems: Model, music: np.ndarray) -> None:
    out = floats(stream(*RAW, *FAST, "--interleave", data=music.tobytes()), 4)
    stems = expected(two_stems, music)
    assert np.array_equal(out, np.concatenate([stems[stem] for stem in STEMS], axis=1))


def test_mix_under_gains(two_stems: Model, music: np.ndarray) -> None:
    out = floats(stream(*RAW, *FAST, "--mix", "--gain", "vocals=-6", data=music.tobytes()))
    stems = expected(two_stems, music, gains={"vocals": 10 ** (-6 / 20)})
    assert np.array_equal(out, stems["mix"])


@pytest.mark.parametrize(
    ("model", "mode", "options", "settings"),
    [
        (
            "tiny-4stems",
            "direct",
            ("--stem", "bass", "--above-band", "0.1"),
            {"stems": ["bass"], "above_band": 0.1},
        ),
        ("tiny-4stems", "direct", ("--interleave",), {}),
        ("tiny-2stems", "residual", ("--interleave",), {}),
        ("tiny-2stems", "residual", ("--stem", "accompaniment"), {"stems": ["accompaniment"]}),
        ("tiny-4stems", "three", ("--interleave", "--full-band"), {"full_band": True}),
        ("tiny-4stems", "three", ("--stem", "accompaniment"), {}),
        ("tiny-4stems", "three", ("--mix", "--mute", "drums"), {"gains": {"drums": 0.0}}),
    ],
)
def test_modes(
    music: np.ndarray, model: str, mode: str, options: tuple[str, ...], settings: dict[str, Any]
) -> None:
    config = case(model) / "config.json"
    out = stream(*RAW, *FAST, "-p", config, "--mode", mode, *options, data=music.tobytes())
    stems = expected(load_model(config), music, mode=mode, **settings)
    mix = stems.pop("mix")
    if "--mix" in options:
        wanted = mix
    elif "--stem" in options:
        wanted = stems[options[1]]
    else:
        wanted = np.concatenate(list(stems.values()), axis=1)
    assert np.array_equal(floats(out, wanted.shape[1]), wanted)


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (("--mode", "three", "--mix"), "drums and vocals", 2),
        (("--mode", "magic", "--mix"), "magic", 2),
        (("--mode", "direct", "--above-band", "2", "--mix"), "above-band", 2),
        (("--above-band", "0.5", "--mix"), "--above-band", 2),
        (("--mode", "direct", "--stem", "piano"), "piano", 2),
        (("--mode", "direct", "--stem", "vocals", "--mute", "accompaniment"), "there are vocals", 2),
        (("--mode", "three", "--plan"), "drums and vocals", 1),
    ],
)
def test_modes_that_do_not_go(options: tuple[str, ...], message: str, code: int) -> None:
    assert message in refused(*RAW, *options, code=code)


@pytest.mark.parametrize(
    "choice", [("--mute", "vocals"), ("--solo", "accompaniment"), ("--gain", "vocals=-inf")]
)
def test_karaoke(two_stems: Model, music: np.ndarray, choice: tuple[str, str]) -> None:
    out = floats(stream(*RAW, *FAST, "--mix", *choice, data=music.tobytes()))
    assert np.array_equal(out, expected(two_stems, music)["accompaniment"])


def test_settings_reach_the_engine(two_stems: Model, music: np.ndarray) -> None:
    args = ("--frames", 128, "--hop", 4, "--lookahead", 3, "--window", "short", "--budget", 256, "--block",
            128, "--crossfade", 2, "--full-band", "--threads", 2)  # fmt: skip
    out = floats(stream(*RAW, *args, "--stem", "vocals", data=music.tobytes()))
    settings = {"frames": 128, "hop_frames": 4, "lookahead": 3, "window": "short", "crossfade": 2}
    assert np.array_equal(out, expected(two_stems, music, full_band=True, **settings)["vocals"])


def test_default_is_double_buffered(two_stems: Model, music: np.ndarray) -> None:
    out = floats(stream(*RAW, "--stem", "vocals", data=music.tobytes()))
    assert np.array_equal(out, expected(two_stems, music, frames=128, hop_frames=None)["vocals"])


def test_kept_latency(two_stems: Model, music: np.ndarray) -> None:
    out = floats(stream(*RAW, *FAST, "--keep-latency", "--stem", "vocals", data=music.tobytes()))
    late = expected(two_stems, music, keep=True, max_block=4096)["vocals"]
    assert np.array_equal(out, late)
    assert len(out) > len(music)


@pytest.mark.parametrize("name", ["s16le", "s24le", "s32le", "f32le"])
@pytest.mark.parametrize("wav", [False, True])
def test_formats_in_and_out(two_stems: Model, music: np.ndarray, name: str, wav: bool) -> None:
    data = encode(music, SAMPLE_FORMATS[name])
    heard = decode(data, SAMPLE_FORMATS[name], 2)
    if wav:
        args: Sequence[object] = ()
        data = wav_header(SAMPLE_FORMATS[name], 2, 44100, None) + data
    else:
        args = ("--input-format", name, "--rate", 44100, "--channels", 2)
    out = stream(*args, *FAST, "--stem", "vocals", data=data)
    samples = sound(out)[0] if wav else decode(out, SAMPLE_FORMATS[name], 2)
    wanted = expected(two_stems, heard)["vocals"]
    error = {"s16le": 2**-16, "s24le": 2**-24, "s32le": 2**-31, "f32le": 0}[name]
    assert np.abs(samples - wanted).max() <= error * 1.001
    assert samples.shape == wanted.shape


def test_formats_can_differ(two_stems: Model, music: np.ndarray) -> None:
    wanted = expected(two_stems, music)["vocals"]
    out = stream(*RAW, *FAST, "--stem", "vocals", "--output-format", "wav", data=music.tobytes())
    assert out[:4] == b"RIFF"
    assert np.array_equal(sound(out)[0], wanted)
    out = stream(*RAW, *FAST, "--stem", "vocals", "--output-format", "s16le", data=music.tobytes())
    assert np.abs(decode(out, SAMPLE_FORMATS["s16le"], 2) - wanted).max() <= 2**-16
    out = stream(*RAW, *FAST, "--stem", "vocals", "--bit-depth", "int24", data=music.tobytes())
    assert np.abs(sound(out)[0] - wanted).max() <= 2**-24


@pytest.mark.parametrize("rate", [48000, 22050])
def test_other_rates(two_stems: Model, music: np.ndarray, rate: int) -> None:
    data = wav_header(SAMPLE_FORMATS["f32le"], 2, rate, None) + music.tobytes()
    out, came = sound(stream(*FAST, "--mix", data=data))
    assert came == rate
    assert np.array_equal(out, expected(two_stems, music, sample_rate=rate)["mix"])


@pytest.mark.parametrize("channels", [1, 6])
def test_mono_and_surround(two_stems: Model, music: np.ndarray, channels: int) -> None:
    wide = np.concatenate([music, np.ones((len(music), 4), np.float32)], axis=1)[:, :channels]
    args = ("--input-format", "f32le", "--rate", "44100", "--channels", channels)
    done = subprocess.run(
        command(*args, *FAST, "--stem", "vocals"), input=wide.tobytes(), capture_output=True, timeout=120
    )
    stereo = wide[:, :2] if channels == 6 else np.repeat(wide, 2, axis=1)
    assert np.array_equal(floats(done.stdout), expected(two_stems, stereo)["vocals"])
    assert (b"of 6 channels (5.1 assumed) the first two are used" in done.stderr) == (channels == 6)


@pytest.mark.parametrize(
    ("mask", "options", "layout"),
    [
        (0, (), None),
        (0x3F, (), "5.1"),
        (0x60F, (), "5.1(side)"),
        (0, ("--layout", "FL+FR+BL+BR+FC+LFE"), "FL+FR+BL+BR+FC+LFE"),
        (0, ("--layout", "hexagonal"), "hexagonal"),
    ],
)
def test_downmix(
    two_stems: Model, music: np.ndarray, mask: int, options: tuple[str, ...], layout: str | None
) -> None:
    """The voice in the centre is heard."""
    wide = np.zeros((len(music), 6), np.float32)
    wide[:, 2] = music[:, 0]
    wide[:, 5] = music[:, 1]
    form = extensible(6, 32, 3).replace(
        struct.pack("<HHIH", 22, 32, 3, 3), struct.pack("<HHIH", 22, 32, mask, 3)
    )
    data = b"RIFF\xff\xff\xff\xffWAVE" + form + b"data\xff\xff\xff\xff" + wide.tobytes()
    args = (*FAST, "--stem", "vocals", "--downmix", *options)
    done = subprocess.run(command(*args), input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    wanted = expected(two_stems, downmix(wide, layout))["vocals"]
    assert np.array_equal(sound(done.stdout)[0], wanted)
    assert wanted.any()
    assert b"left out" not in done.stderr
    assert (b"taken for 5.1" in done.stderr) == (layout is None)


def test_what_is_left_out_is_told_at_the_beginning(music: np.ndarray) -> None:
    args = ("--input-format", "f32le", "--rate", 44100, "--channels", 6, *FAST, "--mix")
    with subprocess.Popen(
        command(*args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        line = process.stderr.readline()  # before anything has come in
        process.communicate()
    assert b"left out: front centre" in line
    assert b"--downmix" in line


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--layout", "5.1"), 2, "--layout is for --downmix"),
        (("--downmix", "--layout", "quad"), 1, "4 channels, the sound has 6"),
        (("--downmix", "--layout", "sixer"), 1, "layout"),
    ],
)
def test_layouts_that_do_not_go(options: tuple[str, ...], code: int, message: str) -> None:
    args = ("--input-format", "f32le", "--rate", 44100, "--channels", 6, *FAST, "--mix")
    assert message in refused(*args, *options, data=bytes(2400), code=code)


def test_not_numbers_are_silence(two_stems: Model, music: np.ndarray) -> None:
    bad = music.copy()
    bad[1000:1010] = np.nan
    done = subprocess.run(
        command(*RAW, *FAST, "--stem", "vocals"), input=bad.tobytes(), capture_output=True, timeout=120
    )
    assert np.array_equal(floats(done.stdout), expected(two_stems, np.nan_to_num(bad))["vocals"])
    assert b"20 samples were no numbers" in done.stderr


def test_clipping_is_told(music: np.ndarray) -> None:
    args = (
        *RAW,
        *FAST,
        "--mix",
        "--gain",
        "vocals=30",
        "--gain",
        "accompaniment=30",
        "--output-format",
        "s16le",
    )
    done = subprocess.run(command(*args), input=music.tobytes(), capture_output=True, timeout=120)
    assert done.returncode == 0
    assert b"were clipped" in done.stderr
    quiet = subprocess.run(command(*args, "-q"), input=music.tobytes(), capture_output=True, timeout=120)
    assert quiet.stderr == b""
    assert quiet.stdout == done.stdout


@pytest.mark.parametrize("count", [0, 1, 255, 4096])
@pytest.mark.parametrize("block", [None, 256])
def test_short_inputs(two_stems: Model, music: np.ndarray, count: int, block: int | None) -> None:
    args = () if block is None else ("--block", block)
    out = floats(stream(*RAW, *FAST, *args, "--stem", "vocals", data=music[:count].tobytes()))
    assert len(out) == count
    if count:
        assert np.array_equal(out, expected(two_stems, music[:count])["vocals"])


def test_bytes_in_small_pieces(two_stems: Model, music: np.ndarray) -> None:
    music = music[:5000]
    data = wav_header(SAMPLE_FORMATS["f32le"], 2, 44100, None) + music.tobytes()
    with subprocess.Popen(
        command(*FAST, "--stem", "vocals"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None

        def send() -> None:
            assert process.stdin is not None
            for start in range(0, len(data), 997):
                process.stdin.write(data[start : start + 997])
                process.stdin.flush()
            process.stdin.close()

        feeder = threading.Thread(target=send)
        feeder.start()
        assert process.stdout is not None
        out = process.stdout.read()
        feeder.join()
    assert np.array_equal(sound(out)[0], expected(two_stems, music)["vocals"])


# --- headers -----------------------------------------------------------------------


def chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def plain(channels: int = 2, bits: int = 16, tag: int = 1, rate: int = 44100) -> bytes:
    size = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * size, size, bits))


def low_24(channels: int = 2) -> bytes:
    """As `arecord -f S24_LE` writes it."""
    return chunk(b"fmt ", struct.pack("<HHIIHH", 1, channels, 44100, 44100 * 4 * channels, 4 * channels, 24))


def extensible(channels: int, bits: int, tag: int, valid: int | None = None) -> bytes:
    size = channels * bits // 8
    body = struct.pack(
        "<HHIIHHHHIH", 0xFFFE, channels, 44100, 44100 * size, size, bits, 22, valid or bits, 3, tag
    )
    return chunk(b"fmt ", body + bytes.fromhex("000000001000800000aa00389b71"))


FFMPEG_LIST = chunk(b"LIST", b"INFOISFT\x0d\0\0\0Lavf60.16.100\0")
ODD = chunk(b"id3 ", b"abc")
HEADERS = {
    "plain": b"RIFF\x24\x10\0\0WAVE" + plain() + b"data\0\x10\0\0",
    "ffmpeg to a pipe": b"RIFF\xff\xff\xff\xffWAVE" + plain() + FFMPEG_LIST + b"data\xff\xff\xff\xff",
    "sox to a pipe": b"RIFF\x24\xf0\xff\x7fWAVE" + plain() + b"data\0\xf0\xff\x7f",
    "arecord": b"RIFF\x24\0\0\x80WAVE" + plain() + b"data\0\0\0\x80",
    "GStreamer": b"RIFF\x24\0\xff\x7fWAVE" + plain() + b"data\0\0\xff\x7f",
    "odd chunk without padding": b"RIFF\xff\xff\xff\xffWAVE" + ODD[:-1] + plain() + ODD[:-1]
    + b"data\xff\xff\xff\xff",
    "zero": b"RIFF\0\0\0\0WAVE" + plain() + b"data\0\0\0\0",
    "zero, header only": b"RIFF\x24\0\0\0WAVE" + plain() + b"data\0\0\0\0",
    "extensible": b"RIFF\xff\xff\xff\xffWAVE" + extensible(2, 16, 1) + b"data\xff\xff\xff\xff",
    "odd chunk": b"RIFF\xff\xff\xff\xffWAVE" + ODD + plain() + ODD + b"data\xff\xff\xff\xff",
    "long format": b"RIFF\xff\xff\xff\xffWAVE" + chunk(b"fmt ", plain()[8:] + b"\0\0")
    + b"data\xff\xff\xff\xff",
    "RF64": b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", struct.pack("<QQQI", 4172, 4096, 1024, 0)) + plain()
    + b"data\xff\xff\xff\xff",
    "RF64 of unknown length": b"RF64\xff\xff\xff\xffWAVE" + chunk(b"ds64", struct.pack("<QQQI", 0, 0, 0, 0))
    + plain() + b"data\xff\xff\xff\xff",
}  # fmt: skip


@pytest.mark.parametrize("name", HEADERS)
def test_wav_headers(two_stems: Model, music: np.ndarray, name: str) -> None:
    data = encode(music[:1024], SAMPLE_FORMATS["s16le"])
    out = stream(*FAST, "--stem", "vocals", "--bit-depth", "float32", data=HEADERS[name] + data)
    wanted = expected(two_stems, decode(data, SAMPLE_FORMATS["s16le"], 2))["vocals"]
    assert np.array_equal(sound(out)[0], wanted)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (plain(bits=8), "u8"),
        (plain(bits=24), "s24le"),
        (extensible(2, 24, 1), "s24le"),
        (extensible(2, 32, 1, valid=24), "s32le"),
        (plain(bits=32), "s32le"),
        (low_24(), "s24_32le"),
        (low_24(1), "s24_32le"),
        (plain(bits=32, tag=3), "f32le"),
        (extensible(2, 32, 3), "f32le"),
        (plain(bits=64, tag=3), "f64le"),
        (plain(channels=1), "s16le"),
    ],
)
def test_wav_sample_formats(header: bytes, name: str) -> None:
    found = read_wav_header(io.BytesIO(b"RIFF\0\0\0\0WAVE" + header + b"data\0\0\0\0").read, "x")
    assert found.format.name == name
    assert found.rate == 44100
    assert found.data_bytes is None


def test_decoding_each_format() -> None:
    values = {"u8": b"\x00\x80\xc0", "s16le": b"\0\x80\0\0\0\x40", "s24le": b"\0\0\x80\0\0\0\0\0\x40",
              "s32le": b"\0\0\0\x80\0\0\0\0\0\0\0\x40",
              "s24_32le": b"\0\0\x80\xff\0\0\0\0\0\0\x40\xff", "f32le": struct.pack("<3f", -1, 0, 0.5),
              "f64le": struct.pack("<3d", -1, 0, 0.5)}  # fmt: skip
    for name, data in values.items():
        assert decode(data, SAMPLE_FORMATS[name], 1)[:, 0].tolist() == [-1, 0, 0.5], name


def test_integers_saturate() -> None:
    block = np.array([[2.0, -2.0], [1.0, -1.0]], np.float32)
    for name, top in (("s16le", 2**15), ("s24le", 2**23), ("s24_32le", 2**23), ("s32le", 2**31)):
        values = decode(encode(block, SAMPLE_FORMATS[name]), SAMPLE_FORMATS[name], 2).astype(np.float64) * top
        assert np.abs(values - [[top - 1, -top]] * 2).max() <= (128 if name == "s32le" else 0)


@pytest.mark.parametrize("name", ["s16le", "s24le", "s32le", "f32le"])
@pytest.mark.parametrize("channels", [1, 2, 8])
@pytest.mark.parametrize("large", [False, True])
def test_our_headers_are_libsndfiles(tmp_path: Path, name: str, channels: int, large: bool) -> None:
    path = tmp_path / "x.wav"
    format = SAMPLE_FORMATS[name]
    block = np.linspace(-0.9, 0.9, 12 * channels, dtype=np.float32).reshape(-1, channels)
    path.write_bytes(wav_header(format, channels, 32000, 12, large) + encode(block, format))
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 32000
    assert np.abs(samples - block).max() <= 2**-15
    frames = (1 << 32) // (format.bytes * channels) + 1
    assert len(wav_header(format, channels, 1, frames, large)) == len(
        wav_header(format, channels, 1, 0, large)
    )
    if large:
        found = read_wav_header(io.BytesIO(wav_header(format, channels, 1, frames, large)).read, "x")
        assert found.data_bytes == frames * format.bytes * channels


INFO = chunk(b"LIST", b"INFOISFT\x05\0\0\0Lavf\0\0")
CUE = chunk(b"cue ", struct.pack("<I", 1) + bytes(24))
ID3 = chunk(b"id3 ", b"ID3\4" + bytes(1001))


@pytest.mark.parametrize("piece", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    ("tail", "kept"),
    [
        (b"LIST\4\0\0\0INFO", 0),
        (CUE + chunk(b"LIST", b"adtl") + INFO, 0),
        (ID3[:-1], 0),  # without its padding
        (INFO + ID3, 0),
        (b"", 0),
        (b"LIS", 3),
        (b"LIST\4\0\0\0", 8),
        (b"LIST\4\0\0\0INFOmore", 16),
        (INFO + b"more", len(INFO) + 4),
        (b"LIST\xff\xff\0\0INFO", 12),  # cut off: it may be samples
        (b"cue \4\0\0\0\1\0\0\0", 12),  # not a point, as it says
        (b"more" + INFO, 4),
    ],
    ids=range(12),
)
def test_chunks_behind_samples_of_unknown_length(tail: bytes, kept: int, piece: int) -> None:
    samples = b"LISTid3 cue INFOiLIST\4\0\0\0INFO" + bytes(range(256))
    data = samples + tail
    filter = SampleTail()
    parts = [filter.feed(data[at : at + piece]) for at in range(0, len(data), piece)]
    if not tail:
        assert b"".join(parts) == samples  # nothing waits that is sure
    assert b"".join(parts) + filter.end() == samples + tail[:kept]
    assert filter.dropped == len(tail) - kept


def test_gstreamers_wav_ends_with_its_samples(two_stems: Model, music: np.ndarray) -> None:
    data = encode(music[:1024], SAMPLE_FORMATS["s16le"]) + b"LIST\4\0\0\0INFO"
    done = subprocess.run(
        command(*FAST, "--stem", "vocals"),
        input=HEADERS["GStreamer"] + data,
        capture_output=True,
        timeout=120,
    )
    assert done.stderr == b""
    assert len(sound(done.stdout)[0]) == 1024


def test_coded_samples_are_refused() -> None:
    """AC-3 for a digital output, after some silence."""
    burst = struct.pack("<4H", 0xF872, 0x4E1F, 1, 6144) + bytes(6136)
    data = b"RIFF\0\0\0\0WAVE" + plain() + b"data\0\0\0\0" + bytes(5000) + burst * 3
    done = subprocess.run(command(*FAST, "--stem", "vocals"), input=data, capture_output=True, timeout=120)
    assert done.returncode == 1
    assert b"not sound but AC-3" in done.stderr
    assert b"ffmpeg -i FILE" in done.stderr


def test_low_24_bits_of_four_bytes(two_stems: Model, music: np.ndarray) -> None:
    data = encode(music[:1024], SAMPLE_FORMATS["s24_32le"])
    out = stream(*FAST, "--stem", "vocals", data=b"RIFF\0\0\0\0WAVE" + low_24() + b"data\0\0\0\0" + data)
    wanted = expected(two_stems, decode(data, SAMPLE_FORMATS["s24_32le"], 2))["vocals"]
    assert np.abs(wanted).max() > 0.01
    assert np.abs(sound(out)[0] - wanted).max() <= 2**-24 * 1.001
    raw = stream(
        "--input-format", "s24_32le", "--rate", 44100, "--channels", 2, *FAST, "--stem", "vocals", data=data
    )
    assert np.array_equal(decode(raw, SAMPLE_FORMATS["s24_32le"], 2), sound(out)[0])


def test_known_length_ends_the_stream(two_stems: Model, music: np.ndarray) -> None:
    data = encode(music[:1024], SAMPLE_FORMATS["s16le"])
    wav = HEADERS["plain"] + data + chunk(b"LIST", b"x" * 100_001)
    assert len(sound(stream(*FAST, "--stem", "vocals", data=wav))[0]) == 1024


@pytest.mark.parametrize("file", [False, True])
def test_another_wav_behind_is_told(music: np.ndarray, tmp_path: Path, file: bool) -> None:
    data = HEADERS["plain"] + encode(music[:1024], SAMPLE_FORMATS["s16le"])
    path = tmp_path / "a.wav"
    path.write_bytes(data + chunk(b"LIST", b"INFO") + data)
    arguments, piped = ([path], b"") if file else ([], path.read_bytes())
    done = subprocess.run(
        command(*FAST, "--stem", "vocals", *arguments), input=piped, capture_output=True, timeout=120
    )
    assert len(sound(done.stdout)[0]) == 1024
    assert b"another WAV file follows" in done.stderr


def test_a_wav_that_is_taken_for_raw_samples_is_told(music: np.ndarray) -> None:
    raw = ("--input-format", "s16le", *RAW[2:])
    for data, told in ((HEADERS["plain"], True), (b"", False)):
        done = subprocess.run(
            command(*raw, *FAST, "--mix"),
            input=data + encode(music[:1024], SAMPLE_FORMATS["s16le"]),
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == 0
        assert (b"begins with a WAV header" in done.stderr) == told


def test_empty_wav_with_tags() -> None:
    wav = b"RIFF\xff\0\0\0WAVE" + plain() + b"data\0\0\0\0" + FFMPEG_LIST
    assert len(sound(stream(*FAST, "--stem", "vocals", data=wav))[0]) == 0


def test_truncated_wav(music: np.ndarray) -> None:
    data = HEADERS["plain"] + encode(music[:1000], SAMPLE_FORMATS["s16le"]) + b"\1\2\3"
    done = subprocess.run(command(*FAST, "--stem", "vocals"), input=data, capture_output=True, timeout=120)
    assert done.returncode == 0
    assert len(sound(done.stdout)[0]) == 1000
    assert b"before the length in its header" in done.stderr
    assert b"last 3 bytes" in done.stderr


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the input is empty"),
        (b"RIFF", "cut off"),
        (b"RIFF\0\0\0\0WAVEfmt \x10", "cut off"),
        (b"RIFF\0\0\0\0WAVE" + plain()[:20], "cut off"),
        (b"RIFF\0\0\0\0AVI LIST", "not a WAV"),
        (b"OggS" + bytes(100), "not a WAV"),
        (b"RIFX\0\0\0\0WAVE", "not a WAV"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "without a format"),
        (b"RIFF\0\0\0\0WAVE" + plain(tag=2) + b"data\0\0\0\0", "0x2"),
        (b"RIFF\0\0\0\0WAVE" + plain(rate=0) + b"data\0\0\0\0", "not read"),
        (b"RIFF\0\0\0\0WAVE" + plain(bits=12) + b"data\0\0\0\0", "12 bits"),
        (b"RIFF\0\0\0\0WAVE" + plain(channels=0) + b"data\0\0\0\0", "0 channels"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"fmt ", b"12"), "format of 2 bytes"),
        (b"RIFF\0\0\0\0WAVEjunk\xff\xff\xff\x7f", "before the samples"),
    ],
)
def test_bad_headers(data: bytes, message: str) -> None:
    with pytest.raises(AudioError, match=message):
        read_wav_header(io.BytesIO(data).read, "x")


# --- files and named pipes -----------------------------------------------------------


def test_files(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    source = tmp_path / "in.wav"
    soundfile.write(source, music, 44100, subtype="FLOAT")
    stream(*FAST, "--output", tmp_path / "new" / "{instrument}.wav", source)
    wanted = expected(two_stems, music)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(f"{s}.wav" for s in STEMS)
    for stem in STEMS:
        samples, rate = soundfile.read(tmp_path / "new" / f"{stem}.wav", dtype="float32")
        assert rate == 44100
        assert np.array_equal(samples, wanted[stem])


def test_one_stem_to_a_file(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    stream(*RAW, *FAST, "--stem", "vocals", "--output", tmp_path / "{instrument}.WAV", data=music.tobytes())
    assert [path.name for path in tmp_path.iterdir()] == ["vocals.WAV"]
    assert np.array_equal(
        soundfile.read(tmp_path / "vocals.WAV", dtype="float32")[0], expected(two_stems, music)["vocals"]
    )


@pytest.mark.parametrize("before", [b"", b"before"])
def test_standard_output_to_a_file_gets_its_length(music: np.ndarray, tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "out.wav"
    data = wav_header(SAMPLE_FORMATS["s24le"], 2, 44100, None) + encode(music[:999], SAMPLE_FORMATS["s24le"])
    with open(path, "wb", buffering=0) as file:
        file.write(before)
        subprocess.run(command(*FAST, "--mix"), input=data, stdout=file, check=True, timeout=120)
    written = path.read_bytes()[len(before) :]
    assert soundfile.info(io.BytesIO(written)).frames == 999
    assert read_wav_header(io.BytesIO(written).read, "x").data_bytes == 999 * 6
    assert int.from_bytes(written[4:8], "little") == len(written) - 8


@posix
def test_appending_is_left_alone(music: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "out.wav"
    path.write_bytes(b"first")
    data = wav_header(SAMPLE_FORMATS["s16le"], 2, 44100, None) + encode(music[:999], SAMPLE_FORMATS["s16le"])
    with open(path, "ab", buffering=0) as file:
        subprocess.run(command(*FAST, "--mix"), input=data, stdout=file, check=True, timeout=120)
    written = path.read_bytes()
    assert written[:5] == b"first"
    assert read_wav_header(io.BytesIO(written[5:]).read, "x").data_bytes is None
    assert len(written) == 5 + 44 + 999 * 4


@posix
@pytest.mark.parametrize("order", [STEMS, STEMS[::-1]])
def test_named_pipes_opened_one_after_another(
    two_stems: Model, music: np.ndarray, tmp_path: Path, order: tuple[str, ...]
) -> None:
    """A reader that reads one pipe to its end before it opens the next."""
    for stem in STEMS:
        os.mkfifo(tmp_path / stem)
    source = tmp_path / "source"
    os.mkfifo(source)
    with subprocess.Popen(command(*RAW, *FAST, "--output", tmp_path / "{instrument}", source)) as process:
        source.write_bytes(music.tobytes())
        for stem in order:
            out = floats((tmp_path / stem).read_bytes())
            assert np.array_equal(out, expected(two_stems, music)[stem])
        assert process.wait(60) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((*STEMS, "source"))


@posix
def test_named_pipe_whose_reader_goes(two_stems: Model, music: np.ndarray, tmp_path: Path) -> None:
    long = np.concatenate([music] * 4)
    for stem in STEMS:
        os.mkfifo(tmp_path / stem)
    with subprocess.Popen(
        command(*RAW, *FAST, "--output", tmp_path / "{instrument}"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        feeder = threading.Thread(target=lambda: (process.stdin.write(long.tobytes()), process.stdin.close()))
        feeder.start()
        with open(tmp_path / "vocals", "rb") as file:
            file.read(4096)
        other = floats((tmp_path / "accompaniment").read_bytes())
        feeder.join()
        assert process.stderr is not None
        errors = process.stderr.read()
        assert process.wait(60) == 0
    assert np.array_equal(other, expected(two_stems, long)["accompaniment"])
    assert b"vocals: its reader has gone" in errors


@posix
def test_device(music: np.ndarray) -> None:
    assert stream(*RAW, *FAST, "--mix", "--output", "/dev/null", data=music.tobytes()) == b""
    out = stream(*RAW, *FAST, "--mix", "--output", "/dev/stdout", "/dev/stdin", data=music.tobytes())
    assert out == stream(*RAW, *FAST, "--mix", "--output", "-", "-", data=music.tobytes())
    assert len(out) == music.nbytes


# --- ends --------------------------------------------------------------------------


@posix
def test_broken_pipe() -> None:
    with subprocess.Popen(
        command(*RAW, *FAST, "--mix"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        feeder = threading.Thread(target=feed, args=(process.stdin, bytes(1 << 26)))
        feeder.start()
        process.stdout.read(1)
        process.stdout.close()
        assert process.wait(60) == -signal.SIGPIPE
        feeder.join()
        assert process.stderr.read() == b""
        close(process.stdin)


def feed(file: Any, data: bytes) -> None:
    """To a process that may end meanwhile."""
    with contextlib.suppress(BrokenPipeError):
        file.write(data)
        file.flush()


def close(file: Any) -> None:
    with contextlib.suppress(BrokenPipeError):
        file.close()


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stalled", [False, True])
def test_signals_end_between_samples(number: int, stalled: bool) -> None:
    """While it waits for input, and while its reader does not read."""
    pieces = 20 if stalled else 2
    with subprocess.Popen(
        command("--input-format", "s24le", "--rate", 44100, "--channels", 2, *FAST, "--interleave"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        feeder = threading.Thread(target=lambda: feed(process.stdin, bytes(60_000 * pieces)))
        feeder.start()
        assert process.stdout is not None
        out = process.stdout.read(4096)
        time.sleep(0.5)
        process.send_signal(number)
        if stalled:
            process.wait(60)  # nobody reads meanwhile
        out += process.stdout.read()
        assert process.wait(60) == 130
        feeder.join()
        assert process.stderr is not None
        assert process.stderr.read().strip() == b"Interrupted."
        close(process.stdin)
    assert len(out) % (4 * 3) == 0


@posix
@pytest.mark.parametrize("names", [("INT",), ("TERM",), ("QUIT",), ("HUP", "HUP")], ids="+".join)
def test_signals_keep_what_came(
    two_stems: Model, music: np.ndarray, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Of a terminal that is closed the system and the shell send a SIGHUP each."""
    with subprocess.Popen(
        command(*RAW, *FAST, "--output", tmp_path / "{instrument}.wav"),
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(music.tobytes())
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 * (music.nbytes - 8 * 30_000):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.2)
        for name in names:
            process.send_signal(getattr(signal, f"SIG{name}"))
        assert process.wait(60) == 130
        assert process.stderr is not None
        errors = process.stderr.read()
        process.stdin.close()
    assert b"Traceback" not in errors
    assert b"0.9 s are in" in errors
    wanted = expected(two_stems, music)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"{stem}.wav" for stem in STEMS)
    for stem in STEMS:
        assert np.array_equal(soundfile.read(tmp_path / f"{stem}.wav", dtype="float32")[0], wanted[stem])


@posix
@pytest.mark.parametrize("where", ["input", "output"])
def test_signal_while_a_named_pipe_has_no_other_end(music: np.ndarray, tmp_path: Path, where: str) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    args = ("--mix", str(fifo)) if where == "input" else ("--mix", "--output", str(fifo), "-")
    with subprocess.Popen(
        command(*RAW, *FAST, *args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        if where == "output":
            process.stdin.write(music.tobytes())
        process.stdin.close()
        time.sleep(1.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == b"Interrupted."


@posix
def test_a_killed_recording_can_be_played(music: np.ndarray, tmp_path: Path) -> None:
    """And the next one leaves it alone."""
    long = np.concatenate([music] * 4)
    with subprocess.Popen(
        command(*RAW, *FAST, "--mix", "--output", tmp_path / "take.wav"), stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.write(long.tobytes())
        process.stdin.flush()
        unfinished = tmp_path / "take.unfinished.wav"
        deadline = time.monotonic() + 60
        while not unfinished.exists() or soundfile.info(unfinished).frames < 2 * 44100:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.wait(60)
        close(process.stdin)
    assert [path.name for path in tmp_path.iterdir()] == ["take.unfinished.wav"]
    killed = soundfile.read(unfinished)[0]
    args = (*RAW, *FAST, "--mix", "--output", tmp_path / "take.wav")
    done = subprocess.run(command(*args), input=long.tobytes(), capture_output=True, timeout=120)
    assert done.returncode == 0
    assert b"take.unfinished.wav is there from an earlier run" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["take.unfinished.wav", "take.wav"]
    assert np.array_equal(killed, soundfile.read(tmp_path / "take.wav")[0][: len(killed)])
    assert np.array_equal(killed, soundfile.read(unfinished)[0])


def test_a_failed_output_leaves_nothing(music: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "vocals.wav").mkdir()
    message = refused(*RAW, *FAST, "--output", tmp_path / "{instrument}.wav", data=music.tobytes())
    assert "vocals.wav" in message
    assert [path.name for path in tmp_path.rglob("*")] == ["vocals.wav"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_full_disk(music: np.ndarray) -> None:
    assert "No space left" in refused(*RAW, *FAST, "--mix", "--output", "/dev/full", data=music.tobytes())


@posix
@pytest.mark.parametrize("named", [False, True])
def test_the_header_comes_with_samples(music: np.ndarray, tmp_path: Path, named: bool) -> None:
    """sox and others want samples in their first read."""
    data = wav_header(SAMPLE_FORMATS["f32le"], 2, 44100, None) + music.tobytes()
    fifo = tmp_path / "fifo"
    where = ("--output", fifo) if named else ()
    if named:
        os.mkfifo(fifo)
    with subprocess.Popen(
        command(*FAST, "--mix", *where), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        feeder = threading.Thread(target=lambda: (process.stdin.write(data), process.stdin.close()))
        feeder.start()
        reader = os.open(fifo, os.O_RDONLY) if named else process.stdout.fileno()
        first = os.read(reader, 1 << 16)
        rest = b"".join(iter(lambda: os.read(reader, 1 << 16), b""))
        feeder.join()
        assert process.wait(60) == 0
    header = len(wav_header(SAMPLE_FORMATS["f32le"], 2, 44100, None))
    assert len(first) >= header + 8
    assert (len(first) - header) % 8 == 0
    assert len(first + rest) == header + music.nbytes
    assert len(sound(stream(*FAST, "--mix", data=data[:header]))[0]) == 0


# --- real time -----------------------------------------------------------------------


def test_realtime_is_late_and_keeps_going(two_stems: Model, music: np.ndarray) -> None:
    """Fed at the speed of the clock; the sum of the stems is the mix, whatever masks came in time."""
    args = ("--realtime", "--frames", 64, "--hop", 8, "--threads", 1, "--mix")
    with subprocess.Popen(
        command(*RAW, *args), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stderr.readline().decode()
        latency = int(line.split()[1])
        assert line.startswith("latency: ")
        start = time.monotonic()
        for first in range(0, len(music), 512):
            process.stdin.write(music[first : first + 512].tobytes())
            process.stdin.flush()
            # What has come in goes out at once, but for the part of a block.
            whole = min(first + 512, len(music)) // 256 * 256
            out = process.stdout.read(8 * (whole - first // 256 * 256))
            assert len(out) == 8 * (whole - first // 256 * 256)
            time.sleep(max(0.0, start + first / 44100 - time.monotonic()))
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(60) in (0, 3)
    with StreamSeparator(two_stems, 64, 8, block=256, threads=1) as live:
        assert latency == live.latency
    assert len(rest) == 8 * (len(music) % 256 + latency)


def test_realtime_aligned_on_request(music: np.ndarray) -> None:
    args = ("--realtime", "--drop-latency", "--frames", 64, "--hop", 8, "-q", "--mix")
    done = subprocess.run(command(*RAW, *args), input=music.tobytes(), capture_output=True, timeout=120)
    assert done.returncode in (0, 3)  # 3: without a clock the networks may not keep up
    assert len(floats(done.stdout)) == len(music)


def test_sound_without_a_clock_is_told_and_no_success(music: np.ndarray) -> None:
    long = np.concatenate([music] * 8)
    args = ("--realtime", "--frames", 128, "--hop", 1, "--threads", 1, "--mix", "--json", "-q")
    done = subprocess.run(command(*RAW, *args), input=long.tobytes(), capture_output=True, timeout=120)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    last = lines[-1]
    assert len(done.stdout) == long.nbytes + 8 * last["latency"]
    assert last["final"]
    assert [line["warning"] for line in lines[:-1]] == last["warnings"]
    assert last["stats"]["frames"] >= last["stats"]["covered_frames"] > 0
    share = last["stats"]["covered_frames"] / last["stats"]["frames"]
    assert last["covered_share"] == pytest.approx(share, abs=1e-6)
    assert done.returncode == 3
    assert last["reason"] == "unpaced"
    assert any("faster than it plays" in text and "without them" in text for text in last["warnings"])


def test_a_file_in_real_time_is_played_by_the_clock(music: np.ndarray, tmp_path: Path) -> None:
    """So that its networks have their time."""
    source = tmp_path / "in.wav"
    soundfile.write(source, music[:22050], 44100)
    args = ("--realtime", "--frames", 64, "--mix", "--json")
    done = subprocess.run(command(*args, source), capture_output=True, timeout=120)
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["seconds"] == 0.5
    assert last["reason"] in (None, "slow")  # as the machine is, but not "unpaced"
    done = subprocess.run(command(*args[:-1], source), capture_output=True, timeout=120)
    assert b"played by the clock" in done.stderr


# --- usage ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 2, "no output selected"),
        (("--mix", "--interleave"), 2, "exclude"),
        (("--stem", "vocals", "--mix"), 2, "exclude"),
        (("--stem", "vocals", "--stem", "accompaniment"), 2, "several stems"),
        (("--mix", "--output", "{instrument}.wav"), 2, "one output"),
        (("--mix", "--input-format", "s16le"), 2, "--rate"),
        (("--mix", "--rate", "44100"), 2, "--input-format"),
        (("--mix", "--output-format", "s16le", "--bit-depth", "int24"), 2, "--bit-depth"),
        (("--mix", "--gain", "vocals"), 2, "STEM=DB"),
        (("--mix", "--gain", "vocals=61"), 2, "STEM=DB"),
        (("--mix", "--window", "tall"), 2, "tall"),
        (("--mix", "--latency", "100", "--hop", "2"), 2, "--latency"),
        (("--mix", "--output", "x.flac"), 2, "not as .flac"),
        (("--output", "{filename}/{instrument}.wav"), 2, "not {filename}"),
        (("--output", "{instrument}.MP3"), 2, "not as .mp3"),
        (("--mix", "--output", "x.wav", "--output-format", "s16le"), 2, "does not hold raw"),
        (("--mix", "--output", "x.raw", "--bit-depth", "int24"), 2, "holds raw samples"),
        (("--mix", "--gain", "piano=-3"), 2, "piano"),
        (("--mix", "--mute", "piano"), 2, "piano"),
        (("--stem", "piano"), 2, "piano"),
        (("--mix", "--frames", "100"), 2, "a multiple of 64"),
        (("--mix", "--hop", "0"), 2, "--hop: expected an integer"),
        (("--mix", "missing.wav"), 1, "missing.wav"),
        (("--mix", "https://example.org/a.wav"), 1, "ffmpeg -i https://example.org/a.wav -f wav -"),
        (("--mix", "."), 1, "folder"),
    ],
)
def test_errors_are_clear(args: tuple[str, ...], code: int, message: str, music: np.ndarray) -> None:
    data = wav_header(SAMPLE_FORMATS["f32le"], 2, 44100, None) + music.tobytes()
    assert message in refused(*args, data=data, code=code)


def test_no_output_replaces_the_input(music: np.ndarray, tmp_path: Path) -> None:
    source = tmp_path / "vocals.wav"
    soundfile.write(source, music, 44100)
    before = source.read_bytes()
    assert "would replace the input" in refused(*FAST, "--output", tmp_path / "{instrument}.wav", source)
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["vocals.wav"]


@posix
def test_closed_standard_files() -> None:
    line = " ".join(command(*RAW, "--mix"))
    done = subprocess.run(f"{line} <&-", shell=True, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"standard input is closed" in done.stderr
    done = subprocess.run(f"{line} >&- </dev/null", shell=True, capture_output=True, timeout=60)
    assert done.returncode == 2
    assert b"standard output is closed" in done.stderr


def test_help() -> None:
    out = stream("--help").decode()
    assert "--realtime" in out
    assert "ffmpeg -i song.mp3" in out
