"""Files of several parts, unfinished and unusual WAV files, and what pretends to be sound."""

from __future__ import annotations

import math
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from spleeterrt.audio import opening, sized_files, wav_file
from spleeterrt.audio.coded import coded_samples
from spleeterrt.audio.parts import find_parts
from spleeterrt.audio.pcm import SAMPLE_FORMATS, encode
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.resample import StreamResampler
from spleeterrt.errors import AudioError
from support.audio_files import drop_mp3_info, mp3_frame_starts, noise, tones, write
from support.tolerances import MPEG_BEGUN_ELSEWHERE


@pytest.fixture(autouse=True)
def without_ffmpeg(monkeypatch):
    """libsndfile alone does all this."""
    monkeypatch.setattr(opening, "ffmpeg_installed", lambda: False)


def read(path, **options):
    with AudioReader(path, **options) as reader:
        blocks = list(reader)
        assert all(b.dtype == np.float32 and b.flags.c_contiguous and len(b) for b in blocks)
        return np.concatenate(blocks), reader


def same_frames(found, expected):
    """Of MPEG audio, from a decoder that began elsewhere."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=MPEG_BEGUN_ELSEWHERE)


def joined(target, *sources, between=b""):
    target.write_bytes(between.join(source.read_bytes() for source in sources))
    return target


def one(tmp_path, extension, frames, channels=2, rate=44100, seed=0, subtype=None):
    path = tmp_path / f"{frames}x{channels}x{rate}.{extension}"
    return write(path, noise(frames, channels, seed=seed), rate, subtype)


KINDS = {"mp3": None, "ogg": "VORBIS", "opus": "OPUS", "flac": None, "wav": None}
ID3 = b"ID3\4\0\0\0\0\1\0" + bytes(128)
TAG = b"TAG" + b"x" * 125
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 40, 1, 0xA0000000) + bytes(8) + b"y" * 40 + b"APETAGEX"
APE += struct.pack("<IIII", 2000, 32 + 40, 1, 0x80000000) + bytes(8)


def parts_of(tmp_path, kind, *shapes):
    rate = 48000 if kind == "opus" else 44100
    extension = "ogg" if kind == "opus" else kind
    return [
        one(tmp_path, extension, frames, channels, rates or rate, number, KINDS[kind])
        for number, (frames, channels, rates) in enumerate(shapes)
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_parts_are_read_one_behind_the_other(tmp_path, kind):
    sources = parts_of(tmp_path, kind, (50_000, 2, None), (20_001, 2, None), (9_999, 2, None))
    path = joined(tmp_path / f"all.{sources[0].suffix}", *sources)
    expected = np.concatenate([read(source)[0] for source in sources])
    assert len(expected) == 80_000
    wave, reader = read(path)
    assert (reader.frames, reader.likely_frames, reader.warnings) == (80_000, 80_000, [])
    np.testing.assert_array_equal(wave, expected)
    for offset, duration in ((0.7, 0.9), (1.3, 0.01), (1.5, None)):
        for block_frames in (777, 65536):
            part, reader = read(path, offset=offset, duration=duration, block_frames=block_frames)
            start = round(offset * reader.rate)
            end = None if duration is None else start + round(duration * reader.rate)
            np.testing.assert_array_equal(part, expected[start:end])
            assert reader.frames == len(part)
    with pytest.raises(AudioError, match="beyond the end"):
        AudioReader(path, offset=60)


@pytest.mark.parametrize("kind", ["mp3", "ogg", "flac", "wav"])
def test_parts_of_another_rate_are_resampled(tmp_path, kind):
    sources = parts_of(tmp_path, kind, (20_000, 2, 44100), (20_001, 2, 48000), (5_000, 2, 44100))
    path = joined(tmp_path / f"all.{kind}", *sources)
    waves = [read(source)[0] for source in sources]
    resampler = StreamResampler(48000, 44100, 2)
    waves[1] = np.concatenate([resampler.process(waves[1]), resampler.flush()])
    wave, reader = read(path)
    assert reader.rate == 44100
    assert reader.frames == len(wave) == 25_000 + round(20_001 * 44100 / 48000)
    assert reader.warnings == []
    np.testing.assert_allclose(wave, np.concatenate(waves), rtol=0, atol=1e-6)
    whole, reader = read(path, sample_rate=22050)
    part, reader = read(path, sample_rate=22050, offset=0.5)
    assert reader.frames == len(part)
    np.testing.assert_allclose(part, whole[11025:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["mp3", "ogg", "flac", "wav"])
def test_parts_of_other_channels_are_mixed(tmp_path, kind):
    stereo, mono = parts_of(tmp_path, kind, (20_000, 2, None), (10_000, 1, None))
    wave, reader = read(joined(tmp_path / f"up.{kind}", stereo, mono))
    assert (reader.channels, reader.frames, reader.warnings) == (2, 30_000, [])
    for channel in (0, 1):
        expected = read(mono)[0][:, 0] * math.sqrt(0.5)
        np.testing.assert_allclose(wave[20_000:, channel], expected, rtol=0, atol=1e-6)
    wave, reader = read(joined(tmp_path / f"down.{kind}", mono, stereo))
    assert (reader.channels, reader.frames) == (1, 30_000)
    assert "part 2 has more channels than the first (1): mixed down" in reader.warnings[0]
    assert not reader.damaged
    expected = read(stereo)[0].sum(axis=1) * math.sqrt(0.5)
    np.testing.assert_allclose(wave[10_000:, 0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["ogg", "opus"])
@pytest.mark.parametrize("seconds", [0.1, 2])
def test_an_ogg_that_is_cut_short_before_the_next(tmp_path, kind, seconds):
    """Radio that reconnects: the page that is cut claims bytes of the next link, or more than there are."""
    rate = 48000 if kind == "opus" else 44100
    first, second = parts_of(tmp_path, kind, (80000, 2, None), (round(seconds * rate), 2, None))
    data = first.read_bytes()
    last = data.rfind(b"OggS", 0, data.rfind(b"OggS"))
    path = tmp_path / "joined.ogg"
    path.write_bytes(data[: last + 600] + second.read_bytes())
    samples, reader = read(path)
    end = round(seconds * rate)
    expected, _ = read(second)
    assert 20000 < len(samples) - end < 80000
    np.testing.assert_array_equal(samples[-end:], expected)
    assert reader.warnings == [
        f"{path}: part 1 of 2: the Ogg stream has no end mark: the file may be truncated"
    ]


@pytest.mark.parametrize("most", [2, 1000])
def test_an_ogg_with_much_damage(tmp_path, monkeypatch, most):
    """The search for further files ends somewhere, but not without a word."""
    monkeypatch.setattr("spleeterrt.audio.parts._MOST_RESYNCS", most)
    first, second = parts_of(tmp_path, "ogg", (200000, 2, None), (30000, 2, None))
    pages = first.read_bytes().split(b"OggS")
    assert len(pages) > 7
    path = tmp_path / "joined.ogg"
    path.write_bytes(b"OggS".join(pages[:4]) + b"OggS" + b"junkOggS".join(pages[4:]) + second.read_bytes())
    samples, reader = read(path)
    unsearched = [warning for warning in reader.warnings if "too many places are damaged" in warning]
    assert len(unsearched) == (most == 2)
    if most == 1000:
        np.testing.assert_array_equal(samples[-30000:], read(second)[0])


@pytest.mark.parametrize("behind", [TAG, APE, TAG + ID3, bytes(300)], ids=["id3v1", "ape", "both", "zeros"])
def test_flac_with_tags_behind(tmp_path, behind):
    first, second = parts_of(tmp_path, "flac", (5000, 2, None), (7001, 2, None))
    expected = [read(path)[0] for path in (first, second)]
    alone = tmp_path / "alone.flac"
    alone.write_bytes(ID3 + first.read_bytes() + behind)
    samples, reader = read(alone)
    np.testing.assert_array_equal(samples, expected[0])
    assert not reader.warnings
    samples, reader = read(joined(tmp_path / "joined.flac", first, second, alone, between=behind))
    np.testing.assert_array_equal(samples, np.concatenate([*expected, expected[0]]))
    assert not reader.warnings
    tail, _ = read(alone, offset=4000 / 44100)
    np.testing.assert_array_equal(tail, expected[0][4000:])


def test_a_surround_part_is_mixed_down(tmp_path):
    stereo, surround = parts_of(tmp_path, "wav", (1_000, 2, None), (1_000, 6, None))
    wave, reader = read(joined(tmp_path / "all.wav", stereo, surround))
    data = read(surround)[0]
    expected = data[:, 0] + math.sqrt(0.5) * (data[:, 2] + data[:, 4])
    np.testing.assert_allclose(wave[1000:, 0], expected, rtol=0, atol=1e-6)
    assert "mixed down" in reader.warnings[0]


def test_many_parts_are_told_of_in_few_words(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(UNFINISHED["FFmpeg"] * 3)
    assert len(read(path)[1].warnings) == 1  # the same of each
    parts = [riff(fmt(), chunk(b"data", SAMPLES[: 400 * n], 0), size=0) for n in range(1, 21)]
    path.write_bytes(b"".join(parts))
    wave, reader = read(path)
    assert len(wave) == reader.frames == 100 * 210
    assert len(reader.warnings) == 6
    assert "15 more messages" in reader.warnings[-1]


def test_a_damaged_part_is_named(tmp_path):
    first, second = parts_of(tmp_path, "flac", (20_000, 2, None), (10_000, 2, None))
    data = second.read_bytes()
    broken = data[:100] + bytes(len(data) - 100)
    path = tmp_path / "all.flac"
    path.write_bytes(first.read_bytes() + broken + data)
    wave, reader = read(path)
    np.testing.assert_array_equal(wave[:20_000], read(first)[0])
    np.testing.assert_array_equal(wave[-10_000:], read(second)[0])
    assert reader.damaged
    assert "part 2 of 3: the file says 10000 frames" in reader.warnings[-1]


def in_ogg(flac, page=2000):
    """A FLAC file in Ogg pages (without their checksums)."""
    packets = [b"\x7fFLAC\1\0\0\1" + flac[:42], *(flac[i : i + page] for i in range(42, len(flac), page))]
    out = b""
    for number, packet in enumerate(packets):
        lacing = b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])
        flags = 2 if number == 0 else 4 if number == len(packets) - 1 else 0
        out += b"OggS\0" + struct.pack("<BqIIIB", flags, 0, 7, number, 0, len(lacing)) + lacing + packet
    return out


def test_flac_in_ogg(tmp_path):
    first, second = parts_of(tmp_path, "flac", (20_000, 2, None), (10_000, 2, 48000))
    path = tmp_path / "a.oga"
    path.write_bytes(in_ogg(first.read_bytes()))
    wave, reader = read(path)
    assert (reader.frames, reader.warnings) == (20_000, [])
    np.testing.assert_array_equal(wave, read(first)[0])
    path.write_bytes(in_ogg(first.read_bytes()) + in_ogg(second.read_bytes()) + in_ogg(first.read_bytes()))
    wave, reader = read(path)
    assert reader.frames == len(wave) == 40_000 + round(10_000 * 44100 / 48000)
    np.testing.assert_array_equal(wave[-20_000:], read(first)[0])
    path.write_bytes(in_ogg(first.read_bytes())[:-3000])
    _, reader = read(path)
    assert reader.damaged
    assert "no end mark" in reader.warnings[0]


# --- MP3 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [ID3, TAG + ID3, APE + TAG, bytes(5000), APE + TAG + bytes(99) + ID3])
def test_tags_between_mp3_parts(tmp_path, between, capfd):
    first, second = parts_of(tmp_path, "mp3", (50_000, 2, None), (20_000, 2, None))
    expected = np.concatenate([read(first)[0], read(second)[0]])
    path = joined(tmp_path / "all.mp3", first, second, between=between)
    path.write_bytes(ID3 + path.read_bytes() + APE + TAG)
    wave, reader = read(path)
    assert (reader.frames, reader.warnings) == (70_000, [])
    np.testing.assert_array_equal(wave, expected)
    assert capfd.readouterr().err == ""  # nor does libmpg123 complain


@pytest.mark.parametrize("headers", [(True, False), (False, True), (False, False)])
def test_mp3_parts_without_a_header(tmp_path, headers, capfd):
    sources = parts_of(tmp_path, "mp3", (50_000, 2, None), (20_000, 2, None))
    sources = [
        source if header else drop_mp3_info(source, source.with_suffix(".nx.mp3"))
        for source, header in zip(sources, headers, strict=True)
    ]
    lengths = [read(source)[1].frames for source in sources]
    wave, reader = read(joined(tmp_path / "all.mp3", *sources))
    assert len(wave) == reader.frames == sum(lengths)
    frames = [len(mp3_frame_starts(source.read_bytes())) for source in sources]
    for length, count, header in zip(lengths, frames, headers, strict=True):
        assert header or length == 1152 * count
    # The first frames of a file lean on nothing, but its sound overlaps with what precedes.
    np.testing.assert_array_equal(wave[: lengths[0]], read(sources[0])[0])
    same_frames(wave[lengths[0] + 1152 :], read(sources[1])[0][1152:])
    assert capfd.readouterr().err == ""


def test_an_mp3_whose_header_is_out_of_date(tmp_path):
    """Frames were added to it; they lean on those before."""
    path = write(tmp_path / "a.mp3", noise(100_000), compression_level=0.2, bitrate_mode="VARIABLE")
    expected, _ = read(path)
    data = bytearray(path.read_bytes())
    at = data.index(b"Info" if b"Info" in data[:200] else b"Xing")
    starts = mp3_frame_starts(bytes(data))
    count = next(n for n in range(40, 60) if data[starts[n + 1] + 4] or data[starts[n + 1] + 5] & 0x80)
    data[at + 8 : at + 12] = count.to_bytes(4, "big")
    path.write_bytes(data)
    wave, reader = read(path)
    assert len(wave) == reader.frames
    assert 100_000 <= len(wave) < 103_000
    np.testing.assert_array_equal(wave[:100_000], expected)


def test_damage_between_mp3_frames_is_told(tmp_path, capfd):
    path = write(tmp_path / "a.mp3", noise(100_000), compression_level=0.5, bitrate_mode="CONSTANT")
    data = path.read_bytes()
    starts = mp3_frame_starts(data)
    cut = starts[30]
    path.write_bytes(data[:cut] + np.random.default_rng(0).bytes(3000) + data[cut:])
    wave, reader = read(path)
    assert len(wave) == 100_000
    assert reader.damaged
    assert "3000 bytes between its frames are damaged" in reader.warnings[0]
    assert "Giving up" not in capfd.readouterr().err


def test_damaged_mp3_frames_are_silence(tmp_path, capfd):
    path = write(tmp_path / "a.mp3", noise(100_000), compression_level=0.5, bitrate_mode="CONSTANT")
    expected, _ = read(path)
    data = bytearray(path.read_bytes())
    starts = mp3_frame_starts(bytes(data))
    for number in (30, 31, 50):
        data[starts[number] + 6 : starts[number] + 36] = b"\xff" * 30  # side information
    path.write_bytes(data)
    wave, reader = read(path)
    assert reader.damaged
    assert "3 damaged frames were replaced by silence" in reader.warnings[0]
    assert len(wave) == 100_000
    np.testing.assert_array_equal(wave[: 27 * 1152], expected[: 27 * 1152])
    np.testing.assert_array_equal(wave[52 * 1152 :], expected[52 * 1152 :])
    assert np.abs(wave[33_300:34_600]).max() < 1e-3
    assert capfd.readouterr().err == ""


def test_a_hole_in_an_mp3_is_told(tmp_path, capfd):
    """As a download that was not finished leaves it: zeros."""
    path = write(tmp_path / "a.mp3", noise(100_000), compression_level=0.2, bitrate_mode="VARIABLE")
    data = bytearray(path.read_bytes())
    starts = mp3_frame_starts(bytes(data))
    lean = next(n for n in range(40, 60) if data[starts[n] + 4])
    data[starts[lean - 5] : starts[lean]] = bytes(starts[lean] - starts[lean - 5])
    path.write_bytes(data)
    _, reader = read(path)
    assert reader.damaged
    assert f"{starts[lean] - starts[lean - 5]} bytes between its frames are damaged" in reader.warnings[0]


def test_an_mp3_that_begins_in_the_middle(tmp_path, capfd):
    """A recorded stream: what its first frames lean on is missing."""
    path = write(tmp_path / "a.mp3", noise(100_000), compression_level=0.2, bitrate_mode="VARIABLE")
    expected, _ = read(path)
    data = path.read_bytes()
    starts = mp3_frame_starts(data)
    lean = next(n for n in range(20, 40) if data[starts[n] + 4])
    path.write_bytes(data[starts[lean] :])
    wave, reader = read(path)
    assert len(wave) == reader.frames == 1152 * (len(starts) - lean)
    assert reader.warnings == []
    tail = 30_000
    shift = 1105  # what the header of the whole file tells to drop
    begin = (lean - 1) * 1152 - shift
    same_frames(wave[tail : 100_000 - begin], expected[begin + tail :])
    assert capfd.readouterr().err == ""


def test_a_cut_mp3_without_header_is_told(tmp_path, capfd):
    path = drop_mp3_info(write(tmp_path / "a.mp3", noise(100_000)), tmp_path / "b.mp3")
    path.write_bytes(path.read_bytes()[:-50])
    wave, reader = read(path)
    assert len(wave) == reader.frames == 1152 * (len(mp3_frame_starts(path.read_bytes())) - 1)
    assert "the last frame is cut off" in reader.warnings[0]
    assert capfd.readouterr().err == ""


def test_what_is_no_mpeg(tmp_path, capfd):
    for number, data in enumerate(
        (b"\xff\xfb\x90\0" * 250_000, b"\xff" * 1_000_000, b"\xff\xfb\x90\0" + bytes(10**6))
    ):
        path = tmp_path / f"{number}.mp3"
        path.write_bytes(data)
        with pytest.raises(AudioError, match="not a readable audio file"):
            read(path)
    (tmp_path / "tag.wav").write_bytes(ID3 + bytes(200_000))
    with pytest.raises(AudioError, match="not a readable audio file"):
        read(tmp_path / "tag.wav")
    assert capfd.readouterr().err == ""


# --- WAV ----------------------------------------------------------------------------------------


def chunk(name, body, size=None, pad=True):
    data = name + struct.pack("<I", len(body) if size is None else size) + body
    return data + b"\0" * (len(body) % 2 if pad else 0)


def fmt(channels=2, bits=16, tag=1, size=None):
    align = channels * (size or bits // 8)
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, 44100, 44100 * align, align, bits))


DATA = noise(3000)
SAMPLES = encode(DATA, SAMPLE_FORMATS["s16le"])
INTEGERS = np.frombuffer(SAMPLES, "<i2").reshape(-1, 2)
HEARD = INTEGERS.astype(np.float32) / 32768
INFO = chunk(b"LIST", b"INFOISFT\5\0\0\0Lavf\0\0")


def riff(*chunks, size=None, form=b"RIFF"):
    body = b"WAVE" + b"".join(chunks)
    return form + struct.pack("<I", len(body) if size is None else size) + body


def ds64(whole, data):
    return chunk(b"ds64", struct.pack("<QQQI", whole, data, 0, 0))


UNFINISHED = {
    "zero": riff(fmt(), chunk(b"data", SAMPLES, 0), size=0),
    "zero, header counted": riff(fmt(), chunk(b"data", SAMPLES, 0), size=36),
    "all ones": riff(fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF),
    "FFmpeg": riff(fmt(), INFO, chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF),
    "sox": riff(fmt(), chunk(b"data", SAMPLES, 0x7FFFF000), size=0x7FFFF024),
    "arecord": riff(fmt(), chunk(b"data", SAMPLES, 0x80000000), size=0x80000024),
    "lame": riff(fmt(), chunk(b"data", SAMPLES, 0x7FFFFFFF), size=0x80000023),
    "GStreamer": riff(fmt(), chunk(b"data", SAMPLES, 0x7FFF0000), chunk(b"LIST", b"INFO"), size=0x7FFF0024),
    "tags behind": riff(fmt(), chunk(b"data", SAMPLES, 0), INFO, size=0),
    "RF64": riff(ds64(0, 0), fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF, form=b"RF64"),
    "BW64": riff(ds64(2**64 - 1, 2**64 - 1), fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), form=b"BW64"),
}


@pytest.mark.parametrize("name", UNFINISHED)
def test_unfinished_wav(tmp_path, name):
    path = tmp_path / "a.wav"
    path.write_bytes(UNFINISHED[name])
    wave, reader = read(path)
    assert reader.frames == 3000
    np.testing.assert_array_equal(wave, HEARD)
    assert reader.warnings == [f"{path}: its header does not say how long it is: read to the end, 0.068 s"]
    assert not reader.damaged


ODD = {
    "RF64": riff(ds64(0, 12000), fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), form=b"RF64"),
    "BW64": riff(ds64(0, 12000), fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), INFO, form=b"BW64"),
    "no padding": riff(fmt(), chunk(b"LIST", b"INFOISFT\5\0\0\0Lavf\0", pad=False), chunk(b"data", SAMPLES)),
    "no padding, twice": riff(
        chunk(b"bext", b"x" * 601, pad=False),
        fmt(),
        chunk(b"LIST", b"INFO\0", pad=False),
        chunk(b"data", SAMPLES),
    ),
    "data before fmt": riff(chunk(b"data", SAMPLES), fmt()),
    "ID3 before RIFF": ID3 + riff(fmt(), chunk(b"data", SAMPLES)),
    "zeros behind": riff(fmt(), chunk(b"data", SAMPLES)) + bytes(4096),
    "tags behind": riff(fmt(), chunk(b"data", SAMPLES)) + ID3 + TAG,
    "RIFF size 0": riff(fmt(), chunk(b"data", SAMPLES), INFO, size=0),
    "an empty data chunk before": riff(fmt(), chunk(b"data", b""), chunk(b"data", SAMPLES), INFO),
    "block align of one channel": riff(
        chunk(b"fmt ", struct.pack("<HHIIHH", 1, 2, 44100, 88200, 2, 16)), chunk(b"data", SAMPLES)
    ),
    "large true size": riff(fmt(), chunk(b"data", SAMPLES), chunk(b"junk", b"x" * 99)),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_unusual_wav(tmp_path, name):
    path = tmp_path / "a.wav"
    path.write_bytes(ODD[name])
    wave, reader = read(path)
    assert (reader.frames, reader.warnings) == (3000, [])
    np.testing.assert_array_equal(wave, HEARD)
    part, _ = read(path, offset=0.02, duration=0.03)
    np.testing.assert_array_equal(part, HEARD[882 : 882 + 1323])


def test_two_data_chunks(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(), chunk(b"data", SAMPLES[:4000]), INFO, chunk(b"data", SAMPLES[4000:])))
    wave, reader = read(path)
    np.testing.assert_array_equal(wave, HEARD)
    assert "2 data chunks: all of them are read" in reader.warnings[0]
    assert not reader.damaged


def test_samples_behind_the_end_of_a_wav(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(), chunk(b"data", SAMPLES[:8000])) + SAMPLES[8000:])
    wave, reader = read(path)
    np.testing.assert_array_equal(wave, HEARD[:2000])
    assert "4000 bytes are left out (0.023 s if they are samples too)" in reader.warnings[0]


def test_a_wav_whose_32_bit_size_ran_over(tmp_path):
    path = tmp_path / "a.wav"
    with open(path, "wb") as file:  # sparse: nothing of the 4 GiB is written
        file.write(riff(fmt(), chunk(b"data", b"", 8000)))
        file.write(SAMPLES[:4000])
        file.truncate(44 + 8000 + (1 << 32))
    with AudioReader(path) as reader:
        assert reader.frames == 2000 + (1 << 30)
        assert "too little by 4 GiB: all is read" in reader.warnings[0]
        np.testing.assert_array_equal(next(iter(reader))[:1000], HEARD[:1000])


@pytest.mark.parametrize("kind", ["wav", "GStreamer wav", "au", "long au"])
def test_unfinished_files_of_more_than_4_gib(tmp_path, kind, monkeypatch):
    """A size that stands for none is none, too, where the file is larger than it."""
    monkeypatch.setattr(wav_file, "_until_other", lambda file, room: room.size)  # reads it all
    monkeypatch.setattr(sized_files, "find_all", lambda *_: iter(()))
    path, size = tmp_path / "a.wav", (5 << 30) if kind != "long au" else (5 << 29)
    if "au" in kind:
        start = struct.pack(">4s5I", b".snd", 24, 0xFFFFFFFF if kind == "au" else size, 3, 44100, 2)
    else:
        start = riff(fmt(), chunk(b"data", b"", 0x7FFF0000 if "GS" in kind else 0xFFFFFFFF))
    with open(path, "wb") as file:  # sparse: nothing of it is written
        file.write(start)
        file.truncate(len(start) + size - len(SAMPLES))
        file.seek(0, 2)
        file.write(INTEGERS.astype(">i2").tobytes() if "au" in kind else SAMPLES)
    with AudioReader(path, offset=(size // 4 - 3000) / 44100) as reader:
        assert reader.frames == 3000
        np.testing.assert_array_equal(np.concatenate(list(reader)), HEARD)
        assert ("does not say how long" in "".join(reader.warnings)) == (kind != "long au")


def test_unfinished_wavs_behind_each_other(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(UNFINISHED["FFmpeg"] + UNFINISHED["sox"] + ODD["BW64"] + UNFINISHED["GStreamer"])
    wave, reader = read(path)
    assert reader.frames == 12_000
    np.testing.assert_array_equal(wave, np.tile(HEARD, (4, 1)))
    assert len(reader.warnings) == 1


def test_an_empty_wav_stays_empty(tmp_path):
    path = tmp_path / "a.wav"
    for data in (riff(fmt(), chunk(b"data", b"")), riff(fmt(), chunk(b"data", b""), INFO)):
        path.write_bytes(data)
        with pytest.raises(AudioError, match="0 frames"):
            read(path)


@pytest.mark.parametrize("top", [0, 0x5A, None])
def test_24_bits_in_the_lower_three_of_four_bytes(tmp_path, top):
    """`arecord -f S24_LE`; the fourth byte holds the sign, or nothing of use."""
    path = tmp_path / "a.wav"
    data = np.frombuffer(encode(DATA, SAMPLE_FORMATS["s24_32le"]), np.uint8).reshape(-1, 4).copy()
    if top is not None:
        data[:, 3] = top
    path.write_bytes(riff(fmt(bits=24, size=4), chunk(b"data", data.tobytes())))
    wave, reader = read(path)
    assert (reader.frames, reader.warnings) == (3000, [])
    np.testing.assert_allclose(wave, DATA, rtol=0, atol=2**-24)
    np.testing.assert_array_equal(read(path, offset=0.01)[0], wave[441:])


@pytest.mark.parametrize("silence", [0, 400_000])
@pytest.mark.parametrize("bits", [16, 24])
def test_24_bits_in_either_three_of_four_bytes(tmp_path, silence, bits):
    """A plain header does not say in which; samples of 16 bits have an empty lowest byte in both."""
    path = tmp_path / "a.wav"
    samples = np.frombuffer(encode(DATA, SAMPLE_FORMATS["s32le"]), "<i4") >> (32 - bits) << (24 - bits)
    for shift in (0, 8):
        content = bytes(8 * silence) + (samples << shift).astype("<i4").tobytes()
        path.write_bytes(riff(fmt(bits=24, size=4), chunk(b"data", content)))
        wave, reader = read(path)
        assert reader.warnings == []
        np.testing.assert_allclose(wave[silence:], DATA, rtol=0, atol=2.0 ** (1 - bits))


@pytest.mark.parametrize("valid", [20, 24, 32])
def test_valid_bits_at_the_top_stay_there(tmp_path, valid):
    body = struct.pack("<HHIIHHHHIH", 0xFFFE, 2, 44100, 352800, 8, 32, 22, valid, 3, 1)
    form = chunk(b"fmt ", body + bytes.fromhex("000000001000800000aa00389b71"))
    path = tmp_path / "a.wav"
    path.write_bytes(riff(form, chunk(b"data", encode(DATA, SAMPLE_FORMATS["s32le"]))))
    np.testing.assert_allclose(read(path)[0], DATA, rtol=0, atol=2**-24)


def test_mp3_in_wav(tmp_path):
    mp3 = drop_mp3_info(write(tmp_path / "a.mp3", tones(50_000)), tmp_path / "b.mp3")
    expected, _ = read(mp3)
    form = chunk(
        b"fmt ", struct.pack("<HHIIHHHHIHHH", 0x55, 2, 44100, 16000, 1152, 0, 12, 1, 2, 1152, 1, 1393)
    )
    path = tmp_path / "a.wav"
    path.write_bytes(riff(form, chunk(b"fact", struct.pack("<I", 50_500)), chunk(b"data", mp3.read_bytes())))
    wave, reader = read(path)
    assert (reader.frames, reader.warnings) == (len(expected), [])
    np.testing.assert_array_equal(wave, expected)


# --- AIFF, AU, CAF, W64 ---------------------------------------------------------------------------

# Where the sizes lie: what precedes the one of the samples, how many bytes behind it, how it is packed.
SIZES = {
    "aiff": (b"SSND", 4, ">I", (0, 8, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)),
    "au": (b".snd", 8, ">I", (0, 0xFFFFFFFF, 0x7FFFFFFF)),
    "caf": (b"data", 4, ">q", (0, -1, 4)),
    "w64": (b"data", 16, "<q", (0, 24, -1, 0x7FFFFFFFFFFFFFFF)),
}
UNKNOWN_SIZES = [(kind, number) for kind, (*_, numbers) in SIZES.items() for number in numbers]


def unfinished(path, kind, number):
    write(path, INTEGERS, subtype="PCM_16")
    data = bytearray(path.read_bytes())
    mark, behind, layout, _ = SIZES[kind]
    struct.pack_into(layout, data, data.index(mark) + behind, number)
    if kind == "aiff":
        struct.pack_into(">I", data, 4, 0)
        struct.pack_into(">I", data, data.index(b"COMM") + 10, 0)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("kind", "number"), UNKNOWN_SIZES)
def test_unfinished_headers(tmp_path, kind, number):
    path = unfinished(tmp_path / f"a.{kind}", kind, number)
    wave, reader = read(path)
    assert reader.frames == 3000
    assert reader.warnings == [f"{path}: its header does not say how long it is: read to the end, 0.068 s"]
    np.testing.assert_array_equal(wave, HEARD)


@pytest.mark.parametrize("kind", SIZES)
def test_other_files_behind_each_other(tmp_path, kind):
    whole = write(tmp_path / f"a.{kind}", INTEGERS, subtype="PCM_16")
    first = unfinished(tmp_path / f"u.{kind}", kind, SIZES[kind][3][0])
    path = joined(tmp_path / f"b.{kind}", first, whole, whole)
    wave, reader = read(path)
    assert reader.frames == 9000
    np.testing.assert_array_equal(wave, np.tile(HEARD, (3, 1)))
    assert len(reader.warnings) == 1
    path.write_bytes(whole.read_bytes()[:-2000])
    wave, reader = read(path)
    np.testing.assert_array_equal(wave, HEARD[: len(wave)])
    assert f"the file says 3000 frames, only {len(wave)} could be decoded" in reader.warnings[0]
    path.write_bytes(whole.read_bytes() + SAMPLES)
    wave, reader = read(path)
    np.testing.assert_array_equal(wave, HEARD)
    assert "12000 bytes are left out (0.068 s if they are samples too)" in reader.warnings[0]


@pytest.mark.parametrize("kind", [*SIZES, "wav"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
def test_whole_files_are_left_as_they_are(tmp_path, kind, subtype):
    path = write(tmp_path / f"a.{kind}", DATA, subtype=subtype)
    assert [part.pieces for part in find_parts(path).parts] == [None]
    assert read(path)[1].warnings == []


# --- what is no sound -----------------------------------------------------------------------------


def dts(order=">", bits=16, size=1024, count=3):
    """Frames without content: sync word, 15 blocks, the size, 44.1 kHz."""
    header = 0x7FFE8001
    for value, length in ((1, 1), (31, 5), (0, 1), (15, 7), (size - 1, 14), (2, 6), (8, 4), (0, 42)):
        header = header << length | value
    total = 32 + 80
    words = [header >> (total - bits * (n + 1)) & ((1 << bits) - 1) for n in range(7)]
    if bits == 14:
        words = [word - (1 << 14) if word >> 13 else word for word in words]
    return (struct.pack(f"{order}7{'h' if bits == 14 else 'H'}", *words) + bytes(size - 14)) * count


def ac3(swapped=False):
    frame = b"\x0b\x77\0\0\x14\x40" + bytes(768 - 6)
    if swapped:
        frame = np.frombuffer(frame, ">u2").astype("<u2").tobytes()
    return frame * 3


def eac3():
    return (b"\x0b\x77\x01\x7f\x3f\x80" + bytes(768 - 6)) * 3


def burst(kind, order="<"):
    return (struct.pack(f"{order}4H", 0xF872, 0x4E1F, kind, 6144) + bytes(6136)) * 2


CODED = {
    "DTS": dts(), "DTS, little-endian": dts("<"), "DTS, 14 bits": dts(bits=14),
    "DTS, 14 bits, little-endian": dts("<", 14), "DTS, later": bytes(4096) + dts("<"),
    "AC-3": ac3(), "AC-3, little-endian": ac3(True), "AC-3, burst": burst(1), "E-AC-3, burst": burst(21, ">"),
    "DTS, burst": burst(11), "E-AC-3": eac3(),
}  # fmt: skip


@pytest.mark.parametrize("name", CODED)
def test_coded_samples_are_refused_without_ffmpeg(tmp_path, name):
    kind = name.partition(",")[0]
    assert coded_samples(CODED[name]) == kind
    path = tmp_path / "a.wav"
    path.write_bytes(riff(fmt(), chunk(b"data", CODED[name])))
    with pytest.raises(
        AudioError, match=rf"a\.wav: its samples are not sound but {kind}.*spleeterrt\[ffmpeg\]"
    ):
        AudioReader(path)


@pytest.mark.parametrize(
    "data",
    [
        b"\xfe\x7f\x01\x80" * 5000,  # full scale, in antiphase
        b"\xff\x1f\x00\xe8" * 5000,
        b"\x77\x0b" * 9000,
        b"\x72\xf8\x1f\x4e" * 5000,
        dts(count=1),
        np.random.default_rng(0).bytes(1 << 20),
        b"\x0b\x77" * 9000,
        b"",
    ],
)
def test_sound_is_sound(data):
    assert coded_samples(data) is None


def test_constant_memory(tmp_path):
    parts = [one(tmp_path, "wav", 400_000, 2, rate, rate) for rate in (44100, 48000, 32000)]
    path = joined(tmp_path / "all.wav", *parts * 3)
    peaks = []
    for duration in (3.0, None):
        tracemalloc.start()
        with AudioReader(path, duration=duration, block_frames=4096) as reader:
            for _ in reader:
                pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000


def test_an_ogg_file_without_a_page(tmp_path: Path) -> None:
    """Only its first four bytes are whole."""
    path = tmp_path / "song.ogg"
    path.write_bytes(b"OggS" + bytes(10))
    with pytest.raises(AudioError, match=r"song\.ogg"):
        AudioReader(path)
