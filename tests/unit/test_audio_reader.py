"""`AudioReader` against soundfile's own whole-file reading, and on files that are damaged."""

from __future__ import annotations

import os
import sys
import tracemalloc

import numpy as np
import pytest
import soundfile

from spleeterrt.audio import libsndfile
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.resample import StreamResampler, resampled_frames
from spleeterrt.errors import AudioError
from support.audio_files import CLIP, drop_mp3_info, mp3_frame_starts, noise, tones, truncate, write
from support.examples import sized

FORMATS = {
    "wav16": ("wav", "PCM_16"),
    "wav24": ("wav", "PCM_24"),
    "wavfloat": ("wav", "FLOAT"),
    "flac": ("flac", "PCM_16"),
    "ogg": ("ogg", "VORBIS"),
    "mp3": ("mp3", "MPEG_LAYER_III"),
    "aiff": ("aiff", "PCM_16"),
}


def read(path, **options):
    with AudioReader(path, **options) as reader:
        blocks = list(reader)
        assert all(b.dtype == np.float32 and b.flags.c_contiguous and len(b) for b in blocks)
        return np.concatenate(blocks), reader


@pytest.fixture(params=FORMATS, ids=str)
def song(request, tmp_path):
    extension, subtype = FORMATS[request.param]
    return write(tmp_path / f"song.{extension}", tones(100_000), subtype=subtype)


def test_equals_soundfile(song):
    expected, rate = soundfile.read(song, dtype="float32", always_2d=True)
    wave, reader = read(song)
    assert (reader.rate, reader.source_rate, reader.channels, reader.frames) == (rate, rate, 2, 100_000)
    assert reader.warnings == []
    np.testing.assert_array_equal(wave, expected)


def test_lossy_files_start_where_the_music_does(tmp_path):
    wave = tones(50_000)
    for extension in ("mp3", "ogg"):
        decoded, _ = read(write(tmp_path / f"a.{extension}", wave))
        rms = [np.sqrt(np.mean((decoded[10 + d : d - 10] - wave[10:-10]) ** 2)) for d in (-1, 0, 1)]
        assert rms[1] < 0.002
        assert rms[1] * 4 < min(rms[0], rms[2])


@pytest.mark.parametrize("block_frames", [1, 1000, 4096, 1 << 20])
@pytest.mark.parametrize("rate", [None, 48000])
def test_block_size_does_not_matter(song, block_frames, rate):
    options = {"offset": 0.5, "duration": 0.25 if block_frames == 1 else 1.0, "sample_rate": rate}
    expected, _ = read(song, **options)
    wave, reader = read(song, block_frames=block_frames, **options)
    np.testing.assert_array_equal(wave, expected)
    assert reader.frames == len(wave)


@pytest.mark.parametrize("offset", [1 / 44100, 0.7123456, 2.2])
def test_offset_is_exact(song, offset):
    whole, _ = read(song)
    start = round(offset * 44100)
    wave, reader = read(song, offset=offset)
    np.testing.assert_array_equal(wave, whole[start:])
    assert reader.frames == len(whole) - start
    part, reader = read(song, offset=offset, duration=0.05)
    assert reader.frames == 2205
    np.testing.assert_array_equal(part, whole[start : start + 2205])


def test_low_bitrate_mp3_is_decoded_without_seeking(tmp_path):
    # 32 kbit/s at 22.05 kHz: frames lean on many earlier ones; a seek would damage them.
    path = write(
        tmp_path / "low.mp3", noise(200_000, 1), 22050, compression_level=0.85, bitrate_mode="CONSTANT"
    )
    whole, _ = read(path)
    with soundfile.SoundFile(
        path
    ) as file:  # soundfile alone, block by block: the reason for the special case
        blocks = np.concatenate(list(file.blocks(500, dtype="float32", always_2d=True)))
    common = min(len(blocks), len(whole))
    assert np.abs(blocks[:common] - whole[:common]).max() > 0.01
    wave, _ = read(path, offset=3.3, block_frames=500)
    np.testing.assert_array_equal(wave, whole[round(3.3 * 22050) :])


@pytest.mark.parametrize("quiet_first", [False, True])
def test_vbr_mp3_without_header_is_read_to_its_end(tmp_path, quiet_first):
    parts = [noise(150_000), np.zeros((150_000, 2), np.float32)]
    source = write(
        tmp_path / "vbr.mp3",
        np.concatenate(parts[::-1] if quiet_first else parts),
        compression_level=0.2,
        bitrate_mode="VARIABLE",
    )
    path = drop_mp3_info(source, tmp_path / "headless.mp3")
    estimate = soundfile.info(str(path)).frames
    assert abs(estimate - 300_000) > 20_000  # the reason for the special case
    wave, reader = read(path)
    frames = len(mp3_frame_starts(path.read_bytes()))
    assert reader.frames == len(wave) == 1152 * frames
    assert reader.warnings == []
    assert 300_000 <= len(wave) < 300_000 + 4 * 1152
    with pytest.raises(AudioError, match="beyond the end"):
        read(path, offset=60)
    (tmp_path / "tagged.mp3").write_bytes(path.read_bytes() + b"TAG".ljust(128, b"\0"))
    tagged, reader = read(tmp_path / "tagged.mp3")
    np.testing.assert_array_equal(tagged, wave)
    assert reader.warnings == []


def test_mp3_after_a_large_tag(tmp_path):
    path = write(tmp_path / "a.mp3", tones(50_000))
    expected, _ = read(path)
    tag = b"ID3\x04\x00\x00" + bytes([0, 0x08, 0, 0]) + bytes(0x08 << 14)
    (tmp_path / "tagged.mp3").write_bytes(tag + path.read_bytes())
    wave, reader = read(tmp_path / "tagged.mp3")
    assert reader.frames == 50_000
    np.testing.assert_array_equal(wave, expected)


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3"])
def test_truncated_files_give_what_they_hold(tmp_path, extension):
    whole_path = write(tmp_path / f"a.{extension}", tones(200_000))
    whole, _ = read(whole_path)
    wave, reader = read(truncate(whole_path, 0.5))
    assert 80_000 < len(wave) < 120_000
    np.testing.assert_array_equal(wave, whole[: len(wave)])
    assert len(reader.warnings) == 1
    assert f"the file says 200000 frames, only {len(wave)} could be decoded (" in reader.warnings[0]
    assert "truncated" in reader.warnings[0]  # the file's name
    _, reader = read(tmp_path / f"truncated.{extension}", duration=0.5)
    assert reader.warnings == []


@pytest.mark.parametrize("between_pages", [False, True])
def test_truncated_ogg_is_noticed(tmp_path, between_pages):
    path = truncate(write(tmp_path / "a.ogg", noise(200_000)), 0.6)
    if between_pages:
        data = path.read_bytes()
        path.write_bytes(data[: data.rindex(b"OggS")])
    wave, reader = read(path)
    assert 50_000 < len(wave) < 150_000
    assert len(reader.warnings) == 1
    assert "truncated" in reader.warnings[0]


def test_truncated_mp3_without_header(tmp_path):
    path = drop_mp3_info(write(tmp_path / "a.mp3", tones(200_000)), tmp_path / "b.mp3")
    wave, _ = read(truncate(path, 0.5))
    assert 80_000 < len(wave) < 120_000


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF])
def test_wav_from_a_pipe_has_no_size(tmp_path, size):
    path = write(tmp_path / "a.wav", tones(1000))
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    path.write_bytes(data)
    wave, reader = read(path)
    assert len(wave) == reader.frames == 1000
    assert [message for message in reader.warnings if "does not say how long" in message] == reader.warnings
    assert len(reader.warnings) == 1
    assert not reader.damaged


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.mp3", b"this is no music\n" * 1000),
        ("text.wav", b"hello"),
        ("empty.mp3", b""),
        ("noise.flac", np.random.default_rng(0).bytes(50_000)),
        ("headerless.raw", bytes(4000)),
    ],
)
def test_what_is_not_audio(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AudioError, match=name) as caught:
        read(path)
    assert "does not exist" not in str(caught.value)


def test_no_frames(tmp_path):
    with pytest.raises(AudioError, match="0 frames"):
        read(write(tmp_path / "a.wav", np.zeros((0, 2), np.float32)))


def test_missing_and_folder(tmp_path):
    with pytest.raises(AudioError, match=r"none\.wav.*No such file"):
        AudioReader(tmp_path / "none.wav")
    with pytest.raises(AudioError, match=tmp_path.name):
        AudioReader(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path):
    path = write(tmp_path / "a.wav", tones(100))
    path.chmod(0)
    with pytest.raises(AudioError, match="cannot be read"):
        AudioReader(path)


@pytest.mark.parametrize(
    "options",
    [
        {"offset": 2.0},
        {"offset": 1e308},
        {"offset": -1},
        {"duration": 0},
        {"duration": -2},
        {"sample_rate": 0},
        {"offset": float("nan")},
        {"block_frames": 0},
    ],
)
def test_bad_arguments(tmp_path, options):
    path = write(tmp_path / "a.wav", tones(44100))
    with pytest.raises(AudioError, match=r"a\.wav"):
        AudioReader(path, **options)


@pytest.mark.parametrize("rate", [None, 48000])
def test_a_duration_that_is_no_number_of_frames(tmp_path, rate):
    path = write(tmp_path / "a.wav", tones(44100))
    np.testing.assert_array_equal(
        read(path, duration=1e308, sample_rate=rate)[0], read(path, sample_rate=rate)[0]
    )


def test_one_pass_only(tmp_path):
    reader = AudioReader(write(tmp_path / "a.wav", tones(100)))
    assert len(list(reader)) == 1
    with pytest.raises(AudioError, match="once"):
        list(reader)


@pytest.mark.parametrize("name", ["Ünïcødé 音楽 🎵.wav", "a b'c\"d;$(x)%s{y}.wav", "-dash.wav", "noext"])
def test_names(tmp_path, name):
    if sys.platform == "win32" and '"' in name:
        pytest.skip("not a Windows name")
    data = write(tmp_path / "a.wav", tones(500)).read_bytes()
    (tmp_path / name).write_bytes(data)
    for path in (tmp_path / name, str(tmp_path / name), os.fsencode(tmp_path / name)):
        assert len(read(path)[0]) == 500


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_name_that_is_not_utf8(tmp_path):
    data = write(tmp_path / "a.mp3", tones(5000)).read_bytes()
    path = os.fsencode(tmp_path) + b"/\xff\xfe.mp3"
    with open(path, "wb") as file:
        file.write(data)
    assert len(read(path)[0]) == 5000


@pytest.mark.parametrize(
    ("frames", "channels", "rate"),
    [(1, 2, 44100), (1, 1, 192000), (5000, 1, 8000), (5000, 8, 44100), (9999, 2, 192000)],
)
def test_shapes_and_rates(tmp_path, frames, channels, rate):
    data = noise(frames, channels)
    path = write(tmp_path / "a.wav", data, rate, subtype="FLOAT")
    wave, _ = read(path)
    np.testing.assert_array_equal(wave, data)
    wave, reader = read(path, sample_rate=44100)
    assert wave.shape == (reader.frames, channels)
    assert reader.frames == max(1, int(np.floor(frames * 44100 / rate + 0.5)))
    assert (reader.rate, reader.source_rate) == (44100, rate)


def test_resampling_keeps_a_sine(tmp_path):
    time = np.arange(48000) / 48000
    path = write(
        tmp_path / "a.wav", np.sin(2 * np.pi * 440 * time)[:, None].astype(np.float32), 48000, "FLOAT"
    )
    wave, _ = read(path, sample_rate=44100)
    expected = np.sin(2 * np.pi * 440 * np.arange(44100) / 44100)
    assert np.abs(wave[1000:-1000, 0] - expected[1000:-1000]).max() < 1e-5


@pytest.mark.parametrize(
    "rates", [(44100, 48000), (48000, 44100), (44100, 22050), (192000, 44100), (8000, 44100)]
)
def test_resampled_length_is_soxrs_own(rates):
    import soxr

    for frames in (2, 3, 99, 1000, 44101):
        assert resampled_frames(frames, *rates) == max(1, len(soxr.resample(noise(frames), *rates)))
        stream = StreamResampler(*rates, 2)
        parts = [stream.process(part) for part in np.array_split(noise(frames), 7)]
        assert sum(map(len, [*parts, stream.flush()])) == resampled_frames(frames, *rates)
    assert resampled_frames(0, *rates) == 0
    assert resampled_frames(44100 * 10**9, 44100, 48000) == 48000 * 10**9


def test_integer_samples_are_exact(tmp_path):
    values = np.array([-32768, -32767, -1, 0, 1, 12345, 32767], np.int16)
    for extension in ("wav", "flac", "aiff"):
        path = tmp_path / f"a.{extension}"
        soundfile.write(path, values, 44100, subtype="PCM_16")
        np.testing.assert_array_equal(read(path)[0][:, 0], values.astype(np.float32) / 32768)


def test_non_finite_samples_pass(tmp_path):
    data = tones(100)
    data[7, 1], data[9, 0] = np.nan, np.inf
    np.testing.assert_array_equal(read(write(tmp_path / "a.wav", data, subtype="FLOAT"))[0], data)


def test_memory_is_constant(tmp_path):
    path, seconds = tmp_path / "long.wav", sized(600, 120)
    block = (noise(44100) * 32767).astype(np.int16)
    with soundfile.SoundFile(path, "w", 44100, 2) as file:
        for _ in range(seconds):
            file.write(block)
    with AudioReader(path, sample_rate=48000) as reader:
        tracemalloc.start()
        try:
            frames = sum(len(part) for part in reader)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert frames == reader.frames == seconds * 48000
    assert peak < 8e6  # the samples are 230 MB, or 46


def test_the_shipped_clip():
    wave, reader = read(CLIP)
    assert (reader.rate, wave.shape, reader.warnings) == (44100, (441000, 2), [])
    assert 0.5 < np.abs(wave).max() <= 1.0
    assert CLIP.stat().st_size < 300_000


# --- parts that are resampled ------------------------------------------------------------------

PARTS = [(0, 0.3), (0, None), (0.1, 0.25), (0.5123457, 0.4), (1.0, None), (1.4999, 0.5), (1.99, None)]


@pytest.mark.parametrize("source_rate", [8000, 22050, 44101, 48000, 96000])
@pytest.mark.parametrize("part", PARTS, ids=str)
def test_a_resampled_part_equals_the_part_of_the_whole(tmp_path, source_rate, part):
    offset, duration = part
    path = write(tmp_path / "a.wav", noise(2 * source_rate), source_rate, subtype="FLOAT")
    whole, _ = read(path, sample_rate=44100)
    wave, reader = read(path, offset=offset, duration=duration, sample_rate=44100, block_frames=777)
    left = 2 * source_rate - round(offset * source_rate)
    count = left if duration is None else min(left, round(duration * source_rate))
    assert len(wave) == reader.frames == int(np.floor(count * 44100 / source_rate + 0.5))
    expected = whole[round(offset * 44100) :][: len(wave)]
    # Both lengths are rounded, so the part may be longer by what one source frame makes.
    assert len(wave) - len(expected) <= 1 + 44100 // source_rate
    np.testing.assert_allclose(wave[: len(expected)], expected, rtol=0, atol=1e-5)
    assert reader.warnings == []


@pytest.mark.parametrize("extension", ["mp3", "ogg", "flac", "headless.mp3"])
def test_a_resampled_part_of_a_compressed_file(tmp_path, extension):
    path = write(tmp_path / f"a.{extension[-4:].lstrip('.')}", noise(96000), 48000)
    if extension == "headless.mp3":
        path = drop_mp3_info(path, tmp_path / extension)
    whole, _ = read(path, sample_rate=44100)
    for offset, duration in ((0, 0.1), (0.7654321, 0.5), (1.3, None)):
        wave, _ = read(path, offset=offset, duration=duration, sample_rate=44100)
        start = round(offset * 44100)
        expected = whole[start : start + len(wave)]
        assert len(wave) - len(expected) <= 1
        assert duration is None or len(wave) == round(duration * 44100)
        np.testing.assert_allclose(wave[: len(expected)], expected, rtol=0, atol=1e-5)
    with pytest.raises(AudioError, match="beyond the end"):
        read(path, offset=60, sample_rate=44100)


def test_a_resampled_part_near_the_end_of_a_truncated_file(tmp_path):
    path = truncate(write(tmp_path / "a.wav", noise(96000), 48000), 0.5)
    held = soundfile.info(str(path)).frames / 48000
    _, reader = read(path, offset=0.5, duration=held - 0.501, sample_rate=44100)
    assert reader.warnings == []  # all that was asked for is there
    _, reader = read(path, offset=0.5, sample_rate=44100)
    assert len(reader.warnings) == 1


# --- what cannot be read -----------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_special_files_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    for path in (tmp_path / "pipe.wav", "/dev/zero", "/dev/null"):
        with pytest.raises(AudioError, match="not a regular file") as caught:
            AudioReader(path)
        assert str(path) in str(caught.value)
    with pytest.raises(AudioError, match="folder"):
        AudioReader(tmp_path)


def test_nul_in_the_name(tmp_path):
    with pytest.raises(AudioError, match="not a file name"):
        AudioReader(f"{tmp_path}/a\0b.wav")


@pytest.mark.parametrize(
    "options",
    [
        {"offset": "1"},
        {"offset": float("inf")},
        {"duration": "1"},
        {"duration": float("nan")},
        {"duration": -float("inf")},
        {"sample_rate": "fast"},
        {"sample_rate": float("nan")},
        {"sample_rate": float("inf")},
        {"sample_rate": 999},
        {"sample_rate": 768001},
        {"sample_rate": 10**400},
        {"block_frames": "many"},
    ],
)
def test_more_bad_arguments(tmp_path, options):
    path = write(tmp_path / "a.wav", tones(44100))
    with pytest.raises(AudioError, match=rf"a\.wav: {next(iter(options)).replace('sample_', 'sample.')}"):
        AudioReader(path, **options)


def test_arguments_that_mean_everything(tmp_path):
    path = write(tmp_path / "a.wav", tones(5000))
    whole, _ = read(path)
    wave, _ = read(path, offset=None, duration=float("inf"), sample_rate=np.float32(44100))
    np.testing.assert_array_equal(wave, whole)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("endian", ["FILE", "LITTLE"])
def test_truncated_aiff(tmp_path, subtype, endian):
    if endian == "LITTLE" and subtype in ("FLOAT", "DOUBLE"):
        pytest.skip("no such files")
    path = write(tmp_path / "a.aiff", tones(50_000), subtype=subtype, endian=endian)
    assert read(path)[1].warnings == []
    wave, reader = read(truncate(path, 0.5))
    assert 20_000 < len(wave) < 26_000
    assert len(reader.warnings) == 1
    assert f"the file says 50000 frames, only {len(wave)} could be decoded (" in reader.warnings[0]


# --- exceptions in callbacks -------------------------------------------------------------------


@pytest.mark.parametrize("method", ["readinto", "seek", "tell"])
@pytest.mark.parametrize("when", [1, 2, 5, "last"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError])
def test_what_happens_in_a_callback_of_the_reader(tmp_path, monkeypatch, capfd, method, when, error):
    path = drop_mp3_info(write(tmp_path / "a.mp3", noise(100_000)), tmp_path / "headless.mp3")
    plain = getattr(libsndfile.PieceFile, method)
    calls, at = 0, None

    def raising(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == at:
            raise error
        return plain(self, *arguments)

    monkeypatch.setattr(libsndfile.PieceFile, method, raising)
    read(path)
    at, calls = calls if when == "last" else min(when, calls), 0
    with pytest.raises(AudioError if error is OSError else error):
        read(path)
    assert calls >= at
    assert "cffi" not in capfd.readouterr().err


def test_a_file_that_shrinks_while_it_is_read(tmp_path):
    path = drop_mp3_info(write(tmp_path / "a.mp3", noise(400_000)), tmp_path / "headless.mp3")
    with AudioReader(path, block_frames=1000) as reader:
        blocks = iter(reader)
        next(blocks)
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(AudioError, match="shorter"):
            list(blocks)
