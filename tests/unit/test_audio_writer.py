"""`StemFileWriter`: exact samples, exact sums, and all files or none."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from spleeterrt.audio import Codec, encoder, formats, writer
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.writer import StemFileWriter, parse_bitrate, quantize
from spleeterrt.errors import AudioError, SpleeterError
from support.audio_files import mp3_bitrates, noise, tones
from support.examples import examples

FORMATS = [
    ("wav", "int16"),
    ("wav", "int24"),
    ("wav", "float32"),
    ("flac", "int16"),
    ("flac", "int24"),
    ("mp3", "int16"),
    ("ogg", "int16"),
]


def save(folder, sources, *, block=1000, mix=None, rate=44100, written=None, **options):
    """Write whole stems in blocks; the paths by stem."""
    codec = str(options.get("codec", "wav"))
    paths = {name: folder / f"{name}.{codec}" for name in (written or sources)}
    frames = len(next(iter(sources.values())))
    with StemFileWriter(paths, rate, **options) as out:
        for start in range(0, frames, block):
            part = slice(start, start + block)
            out.write(
                {name: data[part] for name, data in sources.items()}, None if mix is None else mix[part]
            )
    return paths


def integers(path, bit_depth="int16"):
    data, _ = soundfile.read(path, dtype="int16" if bit_depth == "int16" else "int32", always_2d=True)
    return data.astype(np.int64) >> (0 if bit_depth == "int16" else 8)


def samples(path):
    with AudioReader(path) as reader:
        return np.concatenate(list(reader))


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- samples ---------------------------------------------------------------------------------


@given(st.lists(st.floats(-1.5, 1.5, width=32), min_size=1, max_size=50))
def test_quantize_rounds_to_the_nearest(values):
    block = np.array(values, np.float32)
    for depth, full in (("int16", 2**15), ("int24", 2**23)):
        exact = np.clip(block.astype(np.float64) * full, -full, full - 1)
        got = quantize(block, depth)
        assert got.dtype == (np.int16 if depth == "int16" else np.int32)
        assert np.abs(got - exact).max() <= 0.5
        np.testing.assert_array_equal(got, np.rint(exact))
    np.testing.assert_array_equal(quantize(block, "float32"), block)


def test_quantize_halves_go_to_even_and_saturate():
    steps = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32) / 32768
    assert quantize(steps, "int16").tolist() == [-2, -2, 0, 0, 2, 2]
    assert quantize(np.array([1.0, -1.0, 9, -9], np.float32), "int16").tolist() == [
        32767,
        -32768,
        32767,
        -32768,
    ]
    with pytest.raises(AudioError, match="int16, int24, float32"):
        quantize(steps, "int8")


def test_quantize_what_is_no_number():
    block = np.array([[np.nan, 0.5], [-np.inf, np.inf]], np.float32)
    assert quantize(block, "int16").tolist() == [[0, 16384], [-32768, 32767]]
    assert quantize(block, "int24").tolist() == [[0, 1 << 22], [-(1 << 23), (1 << 23) - 1]]
    assert np.isnan(block[0, 0])


@pytest.mark.parametrize(
    ("codec", "limit"), [("wav", encoder.WAV_LIMIT), ("wav", 20_000), ("aiff", encoder.WAV_LIMIT)]
)
def test_float_files_do_not_tell_when_they_were_written(tmp_path, monkeypatch, codec, limit):
    monkeypatch.setattr(encoder, "WAV_LIMIT", limit)
    wave = 3 * noise(5000)
    path = save(tmp_path, {"a": wave}, codec=codec, bit_depth="float32", clip="none")["a"]
    assert b"peak" not in path.read_bytes().lower()
    np.testing.assert_array_equal(samples(path), wave)


@pytest.mark.parametrize("clip", ["clamp", "rescale"])
@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
def test_threads_make_no_difference(tmp_path, codec, clip):
    sources = {name: noise(20_000, amplitude=1.5, seed=seed) for seed, name in enumerate("abc")}
    files = []
    for threads in (1, 2, 8):
        folder = tmp_path / str(threads)
        folder.mkdir()
        paths = save(folder, sources, codec=codec, clip=clip, threads=threads)
        files.append({name: path.read_bytes() for name, path in paths.items()})
    if codec == "ogg":  # each stream has a serial number of its own
        files = [{name: len(data) for name, data in each.items()} for each in files]
    assert files[0] == files[1] == files[2]


def test_an_error_in_an_encoder_thread_leaves_no_file(tmp_path, monkeypatch):
    real = encoder.Encoder.write

    def write(self, block):
        real(self, block)
        if self._target.name == "b.mp3" and self._frames > 8000:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encoder.Encoder, "write", write)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, {name: noise(30_000) for name in "abc"}, codec="mp3", threads=3)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(("codec", "depth"), FORMATS)
def test_round_trip(tmp_path, codec, depth):
    wave = tones(30_000, amplitude=0.9)
    path = save(tmp_path, {"a": wave}, codec=codec, bit_depth=depth, bitrate="320k")["a"]
    info = soundfile.info(str(path))
    assert (info.format, info.frames, info.samplerate, info.channels) == (codec.upper(), 30_000, 44100, 2)
    if codec in ("mp3", "ogg"):
        assert np.sqrt(np.mean((samples(path) - wave) ** 2)) < 0.01 * 0.9
    elif depth == "float32":
        assert info.subtype == "FLOAT"
        np.testing.assert_array_equal(samples(path), wave)
    else:
        assert info.subtype == {"int16": "PCM_16", "int24": "PCM_24"}[depth]
        np.testing.assert_array_equal(integers(path, depth), quantize(wave, depth))
    assert left_in(tmp_path) == [f"a.{codec}"]


@pytest.mark.parametrize(("codec", "depth"), FORMATS)
@pytest.mark.parametrize("file_rate", [None, 48000])
def test_block_size_does_not_matter(tmp_path, codec, depth, file_rate):
    frames = examples(20_000)  # (as many blocks of one)
    sources = {"a": noise(frames, seed=1), "b": noise(frames, seed=2)}
    mix = sources["a"] + sources["b"] + noise(frames, seed=3)
    results = []
    for block in (1, 999, 4096, frames):
        if block == 1 and codec != "wav":
            continue
        folder = tmp_path / str(block)
        paths = save(
            folder,
            {**sources, "c": mix},
            mix=mix,
            block=block,
            codec=codec,
            bit_depth=depth,
            residual="c",
            file_rate=file_rate,
        )
        results.append([samples(path) for path in paths.values()])
        if codec in ("flac", "mp3") or (codec, depth) == ("wav", "int16"):
            results[-1].append(np.frombuffer(b"".join(p.read_bytes() for p in paths.values()), np.uint8))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("codec", "depth"), FORMATS)
@pytest.mark.parametrize(("frames", "channels", "rate"), [(1, 2, 44100), (700, 1, 8000), (5000, 2, 48000)])
def test_shapes_and_rates(tmp_path, codec, depth, frames, channels, rate):
    path = save(
        tmp_path,
        {"a": noise(frames, channels)},
        rate=rate,
        channels=channels,
        codec=codec,
        bit_depth=depth,
        bitrate="64k",
    )["a"]
    info = soundfile.info(str(path))
    assert (info.frames, info.channels, info.samplerate) == (frames, channels, rate)


@pytest.mark.parametrize("codec", ["wav", "flac"])
def test_eight_channels_and_192_khz(tmp_path, codec):
    wave = noise(5000, 8)
    path = save(tmp_path, {"a": wave}, rate=192000, channels=8, codec=codec)["a"]
    np.testing.assert_array_equal(integers(path), quantize(wave, "int16"))


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="a cross-check with ffmpeg")
def test_int16_is_what_ffmpeg_writes(tmp_path):
    wave = noise(50_000, amplitude=1.3)
    wave[:2000, 0] = (np.arange(-1000, 1000) + 0.5) / 32768
    path = save(tmp_path, {"a": wave})["a"]
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "f32le",
            "-ar",
            "44100",
            "-ac",
            "2",
            "-i",
            "-",
            str(tmp_path / "f.wav"),
        ],
        input=wave.tobytes(),
        check=True,
    )
    np.testing.assert_array_equal(integers(path), integers(tmp_path / "f.wav"))


# --- clipping --------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "depth"), FORMATS)
def test_clamp(tmp_path, codec, depth):
    wave = tones(20_000, amplitude=1.5)
    path = save(tmp_path, {"a": wave}, codec=codec, bit_depth=depth)["a"]
    error = samples(path) - np.clip(wave, -1, 1)
    assert np.sqrt(np.mean(error**2)) < (0.05 if codec in ("mp3", "ogg") else 1e-4)


def test_float_wav_unclipped(tmp_path):
    wave = noise(1000, amplitude=3.0)
    path = save(tmp_path, {"a": wave}, bit_depth="float32", clip="none")["a"]
    np.testing.assert_array_equal(samples(path), wave)


@pytest.mark.parametrize(("codec", "depth"), FORMATS)
def test_rescale_is_one_gain_for_all(tmp_path, codec, depth):
    sources = {"a": tones(150_000, amplitude=0.3), "b": tones(150_000, amplitude=1.6)[::-1].copy()}
    paths = {name: tmp_path / f"{name}.{codec}" for name in sources}
    with StemFileWriter(paths, 44100, codec=codec, bit_depth=depth, clip="rescale", bitrate="320k") as out:
        for start in range(0, 150_000, 7000):
            out.write({name: data[start : start + 7000] for name, data in sources.items()})
    peak = max(np.abs(data).max() for data in sources.values())
    assert out.gain == pytest.approx(1 / peak, rel=1e-4)
    for name, path in paths.items():
        error = samples(path) - sources[name] * np.float32(out.gain)
        assert np.sqrt(np.mean(error**2)) < (0.01 if codec in ("mp3", "ogg") else 2e-5)
    if codec not in ("mp3", "ogg"):
        assert 0.9999 < np.abs(samples(paths["b"])).max() <= 1.0
    assert left_in(tmp_path) == sorted(path.name for path in paths.values())


def test_rescale_leaves_what_fits(tmp_path):
    wave = noise(5000, amplitude=1.0)
    paths = {"a": tmp_path / "a.wav"}
    with StemFileWriter(paths, 44100, clip="rescale") as out:
        out.write({"a": wave})
    assert out.gain == 1.0
    np.testing.assert_array_equal(integers(paths["a"]), quantize(wave, "int16"))


# --- residual --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "depth"), [f for f in FORMATS if f[0] in ("wav", "flac") and f[1] != "float32"]
)
@pytest.mark.parametrize("file_rate", [None, 48000])
def test_integer_files_sum_to_the_mix(tmp_path, codec, depth, file_rate):
    stems = {name: noise(30_000, amplitude=0.08, seed=i) for i, name in enumerate("abc")}
    mix = noise(30_000, amplitude=0.3, seed=9)
    options = {"codec": codec, "bit_depth": depth, "file_rate": file_rate}
    paths = save(tmp_path / "out", {**stems, "rest": mix}, mix=mix, residual="rest", **options)
    total = sum(integers(path, depth) for path in paths.values())
    alone = save(tmp_path / "mix", {"mix": mix}, **options)["mix"]
    np.testing.assert_array_equal(total, integers(alone, depth))


def test_a_clipped_stem_goes_to_the_residual(tmp_path):
    stems, mix = {"a": noise(5000, amplitude=1.3)}, noise(5000, amplitude=0.2, seed=1)
    paths = save(tmp_path, {**stems, "rest": mix}, mix=mix, residual="rest")
    rest = quantize(mix, "int16").astype(np.int64) - quantize(stems["a"], "int16")
    np.testing.assert_array_equal(integers(paths["rest"]), np.clip(rest, -32768, 32767))


@pytest.mark.parametrize("depth", ["int16", "int24"])
def test_rescaled_residual_is_exact(tmp_path, depth):
    stems = {"a": noise(90_000, amplitude=1.9, seed=1), "b": noise(90_000, seed=2)}
    mix = noise(90_000, amplitude=0.5, seed=3)
    paths = {name: tmp_path / f"{name}.wav" for name in ("a", "b", "rest")}
    with StemFileWriter(paths, 44100, clip="rescale", residual="rest", bit_depth=depth) as out:
        for start in range(0, 90_000, 9000):
            part = slice(start, start + 9000)
            out.write({name: data[part] for name, data in stems.items()}, mix[part])
    assert out.gain < 0.6
    total = sum(integers(path, depth) for path in paths.values())
    np.testing.assert_array_equal(total, quantize(mix * np.float32(out.gain), depth))


def test_float_residual(tmp_path):
    stems = {"a": noise(5000, seed=1), "b": noise(5000, seed=2)}
    mix = noise(5000, seed=3)
    paths = save(tmp_path, {**stems, "rest": mix}, mix=mix, bit_depth="float32", residual="rest")
    exact = mix.astype(np.float64) - stems["a"] - stems["b"]
    np.testing.assert_array_equal(samples(paths["rest"]), exact.astype(np.float32))


def test_unwritten_stems_count_for_the_residual(tmp_path):
    stems = {name: noise(5000, seed=i) for i, name in enumerate("abc")}
    mix = noise(5000, seed=9)
    everything = save(tmp_path / "all", {**stems, "rest": mix}, mix=mix, residual="rest")
    some = save(tmp_path / "some", stems, mix=mix, residual="rest", written=["b", "rest"])
    assert set(some) == {"b", "rest"}
    for name, path in some.items():
        np.testing.assert_array_equal(integers(path), integers(everything[name]))
    # A residual that is not written changes nothing.
    other = save(tmp_path / "other", stems, residual="rest", written=["b"])
    np.testing.assert_array_equal(integers(other["b"]), integers(everything["b"]))


# --- bitrates --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("128k", 128000),
        ("128000", 128000),
        (128, 128000),
        (128000, 128000),
        ("64K", 64000),
        (" 320k ", 320000),
        ("192", 192000),
        ("1.5k", 1500),
    ],
)
def test_parse_bitrate(text, value):
    assert parse_bitrate(text) == value


@pytest.mark.parametrize("text", ["", "fast", "-128k", "0", "128kk", "12 8k", "nan"])
def test_parse_bitrate_rejects(text):
    with pytest.raises(AudioError, match="bitrate"):
        parse_bitrate(text)


@pytest.mark.parametrize("kbits", [32, 64, 96, 128, 160, 192, 224, 256, 320])
def test_mp3_bitrate_is_exact(tmp_path, kbits):
    path = save(tmp_path, {"a": noise(50_000)}, codec=Codec.MP3, bitrate=f"{kbits}k")["a"]
    assert mp3_bitrates(path) == {kbits}


def test_mp3_rates_that_do_not_exist(tmp_path):
    with pytest.raises(AudioError, match=r"mp3 files cannot have 96000 Hz, only 8000, .*44100"):
        StemFileWriter({"a": tmp_path / "new" / "a.mp3"}, 96000, codec="mp3")
    assert left_in(tmp_path) == []


def test_ogg_bitrate(tmp_path):
    for kbits in (64, 128, 192, 320):
        path = save(tmp_path, {"a": noise(100_000)}, codec="ogg", bitrate=f"{kbits}k")["a"]
        header = path.read_bytes()[28 : 28 + 30]
        assert header[:7] == b"\x01vorbis"
        assert int.from_bytes(header[20:24], "little") == pytest.approx(kbits * 1000, rel=0.01)  # nominal


# --- rate of the files -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "frames"), [(None, 10885), (10886, 10886), (10884, 10884), (20000, 10885), (5, 10885)]
)
def test_resampled_length(tmp_path, total, frames):
    # 10001 * 48000 / 44100 = 10885.4
    paths = save(tmp_path, {"a": noise(10_001), "b": noise(10_001)}, file_rate=48000, total_frames=total)
    for path in paths.values():
        info = soundfile.info(str(path))
        assert (info.frames, info.samplerate) == (frames, 48000)


def test_resampled_samples(tmp_path):
    import soxr

    wave = noise(10_000)
    path = save(tmp_path, {"a": wave}, file_rate=22050, bit_depth="float32")["a"]
    np.testing.assert_allclose(samples(path), soxr.resample(wave, 44100, 22050), atol=1e-6)


# --- long files ------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["int16", "int24", "float32"])
@pytest.mark.parametrize("total", [None, 20_000, 100])
def test_rf64_beyond_the_limit_of_wav(tmp_path, monkeypatch, depth, total):
    monkeypatch.setattr(encoder, "WAV_LIMIT", 30_000)
    wave = noise(20_000)
    path = save(tmp_path, {"a": wave}, block=3000, bit_depth=depth, total_frames=total)["a"]
    assert soundfile.info(str(path)).format == "RF64"
    if depth == "float32":
        np.testing.assert_array_equal(samples(path), wave)
    else:
        np.testing.assert_array_equal(integers(path, depth), quantize(wave, depth))
    assert left_in(tmp_path) == ["a.wav"]
    path = save(tmp_path, {"a": wave[:500]}, bit_depth=depth)["a"]
    assert soundfile.info(str(path)).format == "WAV"


def test_the_limit_is_below_4_gib():
    assert 0xFFFFFFFF - encoder.WAV_LIMIT > 44 + 1000  # the header and other chunks
    long = formats.Format("wav", "int16", "clamp", "128k", 44100, 2)
    assert 10 * 3600 * 44100 * long.frame_bytes > encoder.WAV_LIMIT


# --- all or nothing --------------------------------------------------------------------------


def test_targets_appear_at_the_end_only(tmp_path):
    target = tmp_path / "a.wav"
    target.write_bytes(b"old")
    with StemFileWriter({"a": target, "b": tmp_path / "new" / "deep" / "b.wav"}, 44100) as out:
        out.write({"a": noise(5000), "b": noise(5000)})
        assert target.read_bytes() == b"old"
        assert not (tmp_path / "new" / "deep" / "b.wav").exists()
        assert all(name.startswith(".") for name in left_in(tmp_path / "new" / "deep"))
        out.commit()
        assert soundfile.info(str(target)).frames == 5000
    assert left_in(tmp_path) == ["a.wav", "new"]
    assert left_in(tmp_path / "new" / "deep") == ["b.wav"]


@pytest.mark.parametrize("clip", ["clamp", "rescale"])
@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_leaves_nothing(tmp_path, codec, clip, error):
    (tmp_path / "a.x").write_bytes(b"old")
    paths = {"a": tmp_path / "a.x", "b": tmp_path / "new" / "deep" / "b.x"}

    def interrupted():
        with StemFileWriter(paths, 44100, codec=codec, clip=clip) as out:
            out.write({"a": noise(50_000), "b": noise(50_000)})
            assert len(left_in(tmp_path)) > 2
            raise error

    with pytest.raises(error):
        interrupted()
    assert left_in(tmp_path) == ["a.x"]
    assert (tmp_path / "a.x").read_bytes() == b"old"


def test_folders_in_use_stay(tmp_path):
    out = StemFileWriter({"a": tmp_path / "new" / "a.wav"}, 44100)
    (tmp_path / "new" / "note.txt").write_text("mine")
    out.abort()
    out.abort()
    assert left_in(tmp_path / "new") == ["note.txt"]
    with pytest.raises(AudioError, match="given up"):
        out.write({"a": noise(5)})


def test_same_path_twice(tmp_path):
    (tmp_path / "x").mkdir()
    for other in (tmp_path / "new" / "a.wav", tmp_path / "x" / ".." / "new" / "a.wav"):
        with pytest.raises(SpleeterError, match="Separated source path conflict: "):
            StemFileWriter({"a": tmp_path / "new" / "a.wav", "b": other}, 44100)
    assert left_in(tmp_path) == ["x"]


def test_the_target_is_a_folder(tmp_path):
    (tmp_path / "b.wav").mkdir()
    with pytest.raises(AudioError, match=r"b\.wav.*folder"):
        StemFileWriter({"a": tmp_path / "new" / "a.wav", "b": tmp_path / "b.wav"}, 44100)
    assert left_in(tmp_path) == ["b.wav"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(AudioError, match=r"cannot be written"):
        StemFileWriter({"a": tmp_path / "file" / "a.wav"}, 44100)
    assert left_in(tmp_path) == ["file"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(AudioError, match="Permission denied"):
        StemFileWriter({"a": tmp_path / "locked" / "a.wav"}, 44100)


class FullDisk:
    """A file that takes `room` bytes, then fails like a full disk (or is interrupted)."""

    def __init__(self, file, room, error):
        self._file, self._room, self._error = file, room, error

    def write(self, data):
        if self._file.tell() + len(data) > self._room:
            raise self._error
        return self._file.write(data)

    def __getattr__(self, name):
        return getattr(self._file, name)


NO_SPACE = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("room", [0, 10, 5000, "last byte"])
@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("error", [NO_SPACE, KeyboardInterrupt()], ids=["full", "interrupt"])
def test_failed_writes_of_the_encoder(tmp_path, monkeypatch, codec, room, error):
    if room == "last byte":
        room = save(tmp_path / "ok", {"a": noise(30_000)}, codec=codec)["a"].stat().st_size - 1
        shutil.rmtree(tmp_path / "ok")
    plain = encoder.Sink.__init__

    def limited(self, path):
        plain(self, path)
        if not limited.used:
            self._file = FullDisk(self._file, room, error)
        limited.used = True

    limited.used = False
    monkeypatch.setattr(encoder.Sink, "__init__", limited)
    expected = AudioError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        save(tmp_path / "out", {"a": noise(30_000), "b": noise(30_000)}, codec=codec)
    if expected is AudioError:
        assert f"a.{codec}" in str(caught.value)
        assert os.strerror(errno.ENOSPC) in str(caught.value)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
def test_bytes_that_get_lost_are_noticed(tmp_path, monkeypatch, codec):
    plain = encoder.Sink.close

    def lossy(self):
        if not self._file.closed:
            self._file.truncate(self.size * 2 // 3)
        plain(self)

    monkeypatch.setattr(encoder.Sink, "close", lossy)
    with pytest.raises(AudioError, match=f"a.{codec}: cannot be written"):
        save(tmp_path, {"a": noise(30_000)}, codec=codec)
    assert left_in(tmp_path) == []


def test_a_failed_rename(tmp_path, monkeypatch):
    def refuse(source, target):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(AudioError, match=r"a\.wav.*Permission denied"):
        save(tmp_path / "out", {"a": noise(500)})
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("method", ["write", "seek", "tell"])
@pytest.mark.parametrize("when", [1, 2, "middle", "last"])
@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_what_happens_in_a_callback(tmp_path, monkeypatch, capfd, codec, when, method, error):
    # Outside of the methods of `_Sink`, which are called by a callback.
    plain = getattr(encoder.Sink, method)
    calls, at = 0, None

    def raising(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return plain(self, *arguments)

    monkeypatch.setattr(encoder.Sink, method, raising)
    save(tmp_path / "out", {"a": noise(30_000)}, codec=codec)
    shutil.rmtree(tmp_path / "out")
    if not calls:
        pytest.skip(f"{codec} files are written without {method}")
    at, calls = {"middle": (calls + 1) // 2, "last": calls}.get(when, min(calls, int(when == 2) + 1)), 0
    with pytest.raises(AudioError if error is OSError else error):
        save(tmp_path / "out", {"a": noise(30_000)}, codec=codec)
    assert left_in(tmp_path) == []
    assert "cffi" not in capfd.readouterr().err


@pytest.mark.parametrize("codec", ["wav", "flac", "mp3", "ogg"])
def test_a_short_write_in_the_middle(tmp_path, monkeypatch, codec):
    plain = encoder.Sink.write
    calls = 0

    def short(self, data):
        nonlocal calls
        calls += 1
        return 0 if calls == 4 else plain(self, data)

    monkeypatch.setattr(encoder.Sink, "write", short)
    with pytest.raises(AudioError, match=f"a.{codec}: cannot be written: incomplete write"):
        save(tmp_path / "out", {"a": noise(300_000)}, codec=codec)
    assert calls >= 4
    assert left_in(tmp_path) == []


class Interrupting:
    """Raises KeyboardInterrupt at line number `at` of some functions (a real Ctrl-C may be anywhere)."""

    def __init__(self, functions, at):
        self._names, self._at, self.lines = functions, at, 0

    def __call__(self, frame, event, argument):
        if (
            frame.f_code.co_filename not in (writer.__file__, encoder.__file__)
            or frame.f_code.co_name not in self._names
        ):
            return None
        return self._line

    def _line(self, frame, event, argument):
        if event == "line":
            self.lines += 1
            if self.lines == self._at:
                raise KeyboardInterrupt
        return self._line


def run_interrupted(functions, at, action):
    trace, before = Interrupting(functions, at), sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return trace.lines


@pytest.mark.parametrize("clip", ["clamp", "rescale"])
def test_a_second_interrupt_while_cleaning_up(tmp_path, clip):
    functions = ("_remove", "_drop_spools", "remove", "_close", "unlink")

    def song(at):
        def action():
            with StemFileWriter({n: tmp_path / "new" / f"{n}.wav" for n in "abc"}, 44100, clip=clip) as out:
                out.write({n: noise(3000) for n in "abc"})
                raise ValueError

        with pytest.raises((ValueError, KeyboardInterrupt)) as caught:
            run_interrupted(functions, at, action)
        assert left_in(tmp_path) == [], f"interrupted at line {at}"
        return caught.type

    assert song(0) is ValueError
    outcomes = [song(at) for at in range(1, 60)]
    assert outcomes.count(KeyboardInterrupt) > 20  # it is not lost either


def test_an_interrupt_while_opening(tmp_path):
    functions = ("open", "_make_folder", "__init__")
    seen = set()
    for at in range(1, 150):
        try:
            run_interrupted(
                functions,
                at,
                lambda: StemFileWriter({n: tmp_path / "new" / f"{n}.flac" for n in "ab"}, 44100).abort(),
            )
            seen.add("complete")
        except KeyboardInterrupt:
            seen.add("interrupted")
        assert left_in(tmp_path) == [], f"interrupted at line {at}"
    assert seen == {"complete", "interrupted"}


def test_an_unlink_that_is_interrupted_is_repeated(tmp_path, monkeypatch):
    out = StemFileWriter({n: tmp_path / f"{n}.wav" for n in "abc"}, 44100)
    plain, calls = encoder.Path.unlink, 0

    def interrupted(self):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        plain(self)

    monkeypatch.setattr(encoder.Path, "unlink", interrupted)
    with pytest.raises(KeyboardInterrupt):
        out.abort()
    assert left_in(tmp_path) == []
    out.abort()


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("needs to mount a small file system")
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True
    ).returncode:
        pytest.skip("mount is not permitted")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    ("codec", "clip"),
    [("wav", "clamp"), ("flac", "clamp"), ("mp3", "clamp"), ("ogg", "clamp"), ("mp3", "rescale")],
)
def test_full_disk(small_disk, codec, clip):
    (small_disk / "keep.txt").write_text("old")
    with pytest.raises(AudioError, match="No space left"):
        save(small_disk, {"a": noise(600_000), "b": noise(600_000)}, codec=codec, clip=clip, bitrate="256k")
    assert left_in(small_disk) == ["keep.txt"]


# --- arguments -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {"codec": "aac"}, {"codec": "opus", "file_rate": 44100}, {"codec": "opus", "bitrate": "-1k"},
    {"bit_depth": "int8"}, {"clip": "soft"},
    {"codec": "flac", "bit_depth": "float32"}, {"clip": "none"}, {"clip": "none", "codec": "mp3"},
    {"clip": "none", "codec": "flac", "bit_depth": "int24"}, {"codec": "mp3", "channels": 3}, {"channels": 0},
    {"codec": "flac", "channels": 9}, {"file_rate": 0}, {"codec": "mp3", "file_rate": 96000},
])  # fmt: skip
def test_settings_that_do_not_fit(tmp_path, options):
    with pytest.raises(AudioError):
        StemFileWriter({"a": tmp_path / "new" / "a.x"}, 44100, **options)
    assert left_in(tmp_path) == []


def test_no_paths():
    with pytest.raises(AudioError, match="no stem"):
        StemFileWriter({}, 44100)


@pytest.mark.parametrize(("sources", "message"), [
    ({"a": noise(5)}, "'b' is missing"),
    ({"a": noise(5), "b": noise(6)}, r"expected shape \(5, 2\)"),
    ({"a": noise(5), "b": noise(5, 1)}, r"got \(5, 1\)"),
    ({"a": noise(5), "b": np.full((5, 2), np.nan, np.float32)}, "'b'.*finite"),
])  # fmt: skip
def test_blocks_that_do_not_fit(tmp_path, sources, message):
    out = StemFileWriter({"a": tmp_path / "a.wav", "b": tmp_path / "b.wav"}, 44100)
    with pytest.raises(AudioError, match=message):
        out.write(sources)
    assert left_in(tmp_path) == []


def test_residual_needs_the_mix(tmp_path):
    with (
        pytest.raises(AudioError, match="mix"),
        StemFileWriter({"a": tmp_path / "a.wav"}, 44100, residual="a") as out,
    ):
        out.write({"b": noise(5)})


def test_nothing_written(tmp_path):
    with (
        pytest.raises(AudioError, match="no samples"),
        StemFileWriter({"a": tmp_path / "n" / "a.wav"}, 44100),
    ):
        pass
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("name", ["Ünïcødé 音楽 🎵", "a b'c;$(x)%s{y}", "-dash", "x" * 240])
def test_names(tmp_path, name):
    path = tmp_path / name / f"{name}.wav"
    with StemFileWriter({"a": path}, 44100) as out:
        out.write({"a": noise(50)})
    assert len(samples(path)) == 50


@pytest.mark.skipif(sys.platform == "win32", reason="no umask")
def test_permissions_are_the_usual_ones(tmp_path):
    path = save(tmp_path, {"a": noise(50)})["a"]
    (tmp_path / "usual").touch()
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("clip", ["clamp", "rescale"])
def test_memory_is_constant(tmp_path, clip):
    block = {"a": noise(44100), "b": noise(44100)}
    tracemalloc.start()
    try:
        with StemFileWriter(
            {n: tmp_path / f"{n}.wav" for n in block}, 44100, clip=clip, file_rate=48000
        ) as out:
            for _ in range(examples(120)):
                out.write(block)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12e6  # the samples are 92 MB (18 where a fifth of them is written)


@pytest.mark.parametrize(
    "value", ["44.1k", "", "-1", float("nan"), float("inf"), 0, -44100, 999, 768001, 10**400, b"1"]
)
def test_sample_rates_that_make_no_sense(tmp_path, value):
    for options in ({"sample_rate": value}, {"sample_rate": 44100, "file_rate": value}):
        with pytest.raises(AudioError, match="sample rate"):
            StemFileWriter({"a": tmp_path / "new" / "a.wav"}, **options)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize("path", ["a\0b.wav", "a\0b/c.wav"])
def test_nul_in_the_name(tmp_path, path):
    with pytest.raises(AudioError, match="not a file name"):
        StemFileWriter({"a": tmp_path / "new" / path}, 44100)
    assert left_in(tmp_path) == []


def test_a_lost_read_while_converting_to_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr(encoder, "WAV_LIMIT", 30_000)
    plain, calls = encoder.VirtualFile.readinto, 0

    def raising(self, buffer):
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return plain(self, buffer)

    monkeypatch.setattr(encoder.VirtualFile, "readinto", raising)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "out", {"a": noise(20_000)}, block=3000)
    assert left_in(tmp_path) == []
