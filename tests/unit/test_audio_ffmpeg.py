"""Reading and writing through FFmpeg: formats, alignment, damage, and the hint where it is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import correlate

from spleeterrt.audio import Codec, encoder, opening
from spleeterrt.audio import ffmpeg as ffmpeg_module
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.writer import StemFileWriter
from spleeterrt.errors import AudioError
from support.audio_files import drop_mp3_info, noise, tones, truncate, write
from support.examples import pairs, sized

av = pytest.importorskip("av", reason="the extra spleeterrt[ffmpeg] is not installed")

from support.ffmpeg_files import make  # noqa: E402


def read(path, **options):
    with AudioReader(path, **options) as reader:
        blocks = list(reader)
        assert all(b.dtype == np.float32 and b.flags.c_contiguous and len(b) for b in blocks)
        return np.concatenate(blocks), reader


def save(path, data, rate=44100, **options):
    with StemFileWriter({"a": path}, rate, channels=data.shape[1], **options) as out:
        for start in range(0, len(data), 3000):
            out.write({"a": data[start : start + 3000]})
    return path


def delay(wave, reference, reach=2500):
    """By how many frames `wave` is later."""
    middle = reference[reach:-reach, 0].astype(np.float64)
    heard = wave[: len(reference), 0].astype(np.float64)
    # The least squares of the difference: energy of what is heard there, less twice the product.
    energy = np.cumsum(np.concatenate([[0], heard**2]))
    errors = energy[len(middle) :] - energy[: -len(middle)] - 2 * correlate(heard, middle, "valid")
    return int(np.argmin(errors)) - reach


# --- reading -----------------------------------------------------------------------------------

# (suffix, codec, container, sample format, exact)
READ = [
    ("m4a", "aac", "ipod", "fltp", False),
    ("m4a", "alac", "ipod", "s16p", True),
    ("m4a", "alac", "ipod", "s32p", True),
    ("aac", "aac", "adts", "fltp", False),
    ("wma", "wmav2", "asf", "fltp", False),
    ("webm", "libopus", "webm", "flt", False),
    ("mka", "pcm_s16le", "matroska", "s16", True),
    ("mka", "pcm_s24le", "matroska", "s32", True),
    ("mka", "pcm_f32le", "matroska", "flt", True),
    ("mka", "pcm_f64le", "matroska", "dbl", True),
    ("mka", "pcm_u8", "matroska", "u8", True),
    ("mka", "flac", "matroska", "s16", True),
    ("wv", "wavpack", "wv", "fltp", True),
    ("tta", "tta", "tta", "s16", True),
    ("ac3", "ac3", "ac3", "fltp", False),
]


@pytest.mark.parametrize(("suffix", "codec", "container", "format", "exact"), READ, ids=str)
@pytest.mark.parametrize("channels", [1, 2])
def test_formats(tmp_path, suffix, codec, container, format, exact, channels):
    rate = 48000 if codec == "libopus" else 44100
    data = tones(sized(30_000, 12_000), channels, rate)
    path = make(tmp_path / f"a.{suffix}", data, rate, codec=codec, container=container, format=format)
    wave, reader = read(path)
    assert (reader.rate, reader.channels, reader.warnings) == (rate, channels, [])
    if exact:
        step = {"u8": 2**-7, "s16": 2**-14, "s16p": 2**-14, "s32": 2**-22, "s32p": 2**-22}.get(format, 1e-7)
        np.testing.assert_allclose(wave, data, rtol=0, atol=step)
    else:
        known = {"aac": 1024, "ac3": 256, "wma": -2048}.get(suffix, 0)
        assert delay(wave, data) == known
    if suffix in ("m4a", "webm"):
        assert len(wave) == len(data)
    if reader.likely_frames is not None:
        assert abs(reader.likely_frames - len(wave)) < 0.2 * rate


@pytest.mark.parametrize(("suffix", "rate"), pairs(["m4a", "mka", "wma", "webm"], [None, 48000]))
def test_a_part_equals_the_part_of_the_whole(tmp_path, suffix, rate):
    codec = {"m4a": "aac", "mka": "flac", "wma": "wmav2", "webm": "libopus"}[suffix]
    format = {"mka": "s16", "webm": "flt"}.get(suffix, "fltp")
    source_rate = 48000 if suffix == "webm" else 44100
    path = make(tmp_path / f"a.{suffix}", noise(100_000), source_rate, codec=codec, format=format)
    whole, _ = read(path, sample_rate=rate)
    for offset, duration in ((0.0, 0.3), (0.7123456, 0.5), (1.5, None)):
        for block_frames in (777, 65536):
            part, reader = read(
                path, offset=offset, duration=duration, sample_rate=rate, block_frames=block_frames
            )
            expected = whole[round(offset * reader.rate) :][: len(part)]
            assert duration is None or len(part) == round(duration * reader.rate)
            assert abs(len(part) - len(expected)) <= 1
            np.testing.assert_allclose(part[: len(expected)], expected, rtol=0, atol=1e-5)
            assert reader.warnings == []
    with pytest.raises(AudioError, match="beyond the end"):
        read(path, offset=60, sample_rate=rate)


def test_multichannel(tmp_path):
    data = noise(20_000, 6)
    wave, reader = read(make(tmp_path / "a.mka", data, codec="flac", format="s16"))
    assert reader.channels == 6
    np.testing.assert_allclose(wave, data, rtol=0, atol=1e-4)
    assert read(make(tmp_path / "b.m4a", data, bitrate=400_000))[0].shape == data.shape


@pytest.mark.parametrize("layout", ["3.0", "quad", "6.1", "7.1"])
def test_odd_layouts(tmp_path, layout):
    channels = av.AudioLayout(layout).nb_channels
    data = noise(5000, channels)
    path = make(tmp_path / "a.mka", data, codec="pcm_f32le", format="flt", layout=layout)
    np.testing.assert_array_equal(read(path)[0], data)


@pytest.mark.parametrize("rate", [8000, 48000, 96000])
def test_rates(tmp_path, rate):
    path = make(tmp_path / "a.m4a", tones(rate, 2, rate), rate, bitrate=96_000)
    wave, reader = read(path)
    assert (reader.rate, len(wave)) == (rate, rate)
    assert len(read(path, sample_rate=44100)[0]) == 44100


def test_end_padding_of_m4a_with_a_coarse_edit_list(tmp_path):
    for frames in (1023, 1024, 1025, 30_000, 50_001):
        wave, reader = read(make(tmp_path / "a.m4a", tones(frames), container="ipod"))
        # Some versions of FFmpeg drop a packet whose few samples begin after the rounded end.
        assert len(wave) == frames or (frames, len(wave)) == (1025, 1024)
        assert reader.frames is None  # the edit list counts in milliseconds here


@pytest.mark.parametrize(("suffix", "codec"), [("mp4", "aac"), ("mkv", "aac"), ("mov", "pcm_s16le")])
def test_the_audio_of_a_video(tmp_path, suffix, codec):
    data = tones(60_000)
    format = "s16" if codec.startswith("pcm") else "fltp"
    wave, reader = read(make(tmp_path / f"a.{suffix}", data, codec=codec, format=format, video=True))
    assert reader.warnings == []
    assert delay(wave, data) == 0


def test_a_video_without_audio(tmp_path):
    from support.ffmpeg_files import add_video

    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        add_video(out, 1)
    with pytest.raises(AudioError, match=r"a\.mp4: the file has no audio track"):
        AudioReader(tmp_path / "a.mp4")


def test_the_default_track(tmp_path):
    from fractions import Fraction

    path = tmp_path / "a.mka"
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("pcm_s16le", rate=44100) for _ in range(2)]
        for stream in streams:
            stream.codec_context.layout = "mono"
        streams[0].disposition = av.stream.Disposition(0)
        streams[1].disposition = av.stream.Disposition.default
        for number, stream in enumerate(streams):
            frame = av.AudioFrame.from_ndarray(
                np.full((1, 4410), 1000 * (number + 1), np.int16), "s16", "mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = 44100, 0, Fraction(1, 44100)
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    assert read(path)[0][0, 0] == pytest.approx(2000 / 32768)


def test_an_attached_picture_is_no_video(tmp_path):
    mutagen = pytest.importorskip("mutagen")
    from mutagen.mp4 import MP4, MP4Cover

    path = make(tmp_path / "a.m4a", tones(20_000), container="ipod")
    file = MP4(path)
    file["covr"] = [MP4Cover(b"\x89PNG\r\n\x1a\n" + bytes(5000), MP4Cover.FORMAT_PNG)]
    file.save()
    assert mutagen.File(path).tags["covr"]
    assert len(read(path)[0]) == 20_000


def test_content_counts_not_the_name(tmp_path, capfd):
    data = tones(30_000)
    for name, container in (("m4a", "ipod"), ("webm", "webm")):
        codec = "aac" if name == "m4a" else "libopus"
        rate = 44100 if name == "m4a" else 48000
        path = make(tmp_path / f"{name}.mp3", data, rate, codec=codec, container=container,
                    format="fltp" if name == "m4a" else "flt")  # fmt: skip
        assert len(read(path)[0]) == 30_000
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
@pytest.mark.parametrize("name", [b"\xff\xfe.m4a", b"http:x.m4a", b"-i.m4a", b"a%d.m4a", b"pipe:0"])
def test_names(tmp_path, name):
    make(tmp_path / "a.m4a", tones(5000), container="ipod")
    path = os.fsencode(tmp_path) + b"/" + name
    os.rename(tmp_path / "a.m4a", path)
    assert len(read(path)[0]) == 5000


def test_parameters_that_change_in_the_middle(tmp_path):
    parts = [
        make(tmp_path / "a.aac", tones(40_000), container="adts"),
        make(tmp_path / "b.aac", tones(40_000, 1), container="adts"),
        make(tmp_path / "c.aac", tones(48_000, 2, 48000), 48000, container="adts"),
    ]
    path = tmp_path / "all.aac"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    wave, reader = read(path)
    assert (reader.rate, reader.channels) == (44100, 2)
    assert abs(len(wave) - (40_000 + 40_000 + 44_100)) < 6 * 1024
    assert np.isfinite(wave).all()
    assert np.abs(wave[60_000:65_000]).max() > 0.1  # mono goes to both channels
    np.testing.assert_allclose(wave[60_000:65_000, 0], wave[60_000:65_000, 1], atol=1e-6)


def test_memory_is_constant(tmp_path):
    path = make(tmp_path / "a.mka", noise(44100 * 60, 2), codec="pcm_s16le", format="s16")
    tracemalloc.start()
    try:
        with AudioReader(path) as reader:
            frames = sum(len(block) for block in reader)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert frames == 44100 * 60
    assert peak < 4e6  # the samples are 21 MB


# --- damage ------------------------------------------------------------------------------------


def test_truncated_m4a(tmp_path):
    whole = make(tmp_path / "a.m4a", tones(200_000), container="ipod", options={"movflags": "+faststart"})
    expected, _ = read(whole)
    wave, reader = read(truncate(whole, 0.5))
    assert 80_000 < len(wave) < 120_000
    np.testing.assert_array_equal(wave[:-2048], expected[: len(wave) - 2048])
    assert len(reader.warnings) == 1
    assert f"only {len(wave)} could be decoded" in reader.warnings[0]
    # The index comes last otherwise.
    with pytest.raises(AudioError, match=r"truncated\.m4a: not a readable audio file"):
        read(truncate(make(tmp_path / "b.m4a", tones(200_000), container="ipod"), 0.5))


@pytest.mark.parametrize(("suffix", "codec"), [("wma", "wmav2"), ("mka", "aac"), ("aac", "aac")])
def test_other_truncated_files(tmp_path, suffix, codec):
    path = make(tmp_path / f"a.{suffix}", tones(200_000), codec=codec,
                container={"aac": "adts", "mka": "matroska"}.get(suffix))  # fmt: skip
    wave, reader = read(truncate(path, 0.5))
    assert 70_000 < len(wave) < 120_000
    if suffix == "wma":
        assert len(reader.warnings) == 1


def test_a_damaged_packet_becomes_silence(tmp_path):
    path = make(tmp_path / "a.m4a", tones(200_000), container="ipod")
    expected, _ = read(path)
    data = bytearray(path.read_bytes())
    for at in range(len(data) // 3, len(data) // 2):
        data[at] = 0xFF
    path.write_bytes(data)
    wave, reader = read(path)
    assert len(wave) == len(expected)  # what follows stays in its place
    np.testing.assert_allclose(wave[150_000:], expected[150_000:], atol=1e-3)
    assert len(reader.warnings) == 1
    assert "damaged packets" in reader.warnings[0]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("suffix", "codec"), [("m4a", "aac"), ("wma", "wmav2"), ("mka", "libopus")])
def test_flipped_bytes_give_samples_or_an_error(tmp_path, suffix, codec, seed):
    rate = 48000 if codec == "libopus" else 44100
    path = make(tmp_path / f"a.{suffix}", noise(40_000), rate, codec=codec,
                format="flt" if codec == "libopus" else "fltp")  # fmt: skip
    generator = np.random.default_rng(seed)
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = generator.integers(0, len(data), 40)
    data[places] = generator.integers(0, 256, 40)
    path.write_bytes(data.tobytes())
    try:
        wave, _ = read(path)
    except AudioError as error:
        assert path.name in str(error)  # noqa: PT017 (an error is one of two good ends)
    else:
        assert len(wave)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.m4a", b""),
        ("zeros.m4a", bytes(50_000)),
        ("text.m4a", b"this is no music\n" * 1000),
        ("head.m4a", b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + bytes(100)),
        ("noise.wma", bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(range(256)) * 100),
        ("noise.webm", bytes.fromhex("1a45dfa3") + bytes(range(256)) * 100),
        ("noise.aac", np.random.default_rng(0).bytes(50_000)),
        ("list.m3u8", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n/etc/hostname\n#EXT-X-ENDLIST\n"),
        ("list.mp3", b"ffconcat version 1.0\nfile a.wav\n"),
    ],
)
def test_what_is_not_audio(tmp_path, name, content):
    write(tmp_path / "a.wav", tones(5000))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(AudioError, match=name):
        read(tmp_path / name)


def test_tags_in_an_unknown_encoding(tmp_path):
    path = make(tmp_path / "a.m4a", tones(5000), container="ipod", metadata={"title": "@@@@@@"})
    data = path.read_bytes()
    assert b"@@@@@@" in data
    path.write_bytes(data.replace(b"@@@@@@", b"\xff\xfe\xe9\x80\xc3@"))
    assert len(read(path)[0]) == 5000


def test_no_frames(tmp_path):
    path = tmp_path / "a.m4a"
    with av.open(str(path), "w", format="ipod") as out:
        out.add_stream("aac", rate=44100).codec_context.layout = "stereo"
        out.start_encoding()
    with pytest.raises(AudioError, match=r"a\.m4a"):
        read(path)


def test_protected_files(tmp_path):
    key, kid = "76a6c65c5ea762046bd749a2e632ccbb", "a7e61c373e219033c21091fa607bf3b8"
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": kid}
    path = make(tmp_path / "a.mp4", tones(50_000), container="mp4", options=options)
    with pytest.raises(AudioError, match=r"a\.mp4: the file is protected \(DRM\)"):
        read(path)
    path = make(tmp_path / "a.wma", tones(50_000), codec="wmav2")
    data = path.read_bytes()
    # One object of the header becomes the one of content encryption.
    known = bytes.fromhex("4052d1861d31d011a3a400a0c90348f6")  # the codec list
    assert known in data
    path.write_bytes(data.replace(known, bytes.fromhex("fbb3112223bdd211b4b700a0c955fc6e")))
    with pytest.raises(AudioError, match=r"a\.wma: the file is protected \(DRM\)"):
        read(path)


def test_an_interrupt_while_reading(tmp_path, monkeypatch, capfd):
    from spleeterrt.audio import ffmpeg_source

    path = make(tmp_path / "a.mka", noise(200_000), codec="pcm_s16le", format="s16")
    plain = ffmpeg_source._InputFile.read
    for error in (KeyboardInterrupt, MemoryError, OSError):
        calls = 0

        class Raising:
            def __init__(self, file):
                self._file = file

            def read(self, size, error=error):
                nonlocal calls
                calls += 1
                if calls == 12:
                    raise error
                return self._file.read(size)

            def __getattr__(self, name):
                return getattr(self._file, name)

        def read_wrapped(self, size, wrapper=Raising):
            if type(self._file).__name__ != "Raising":
                self._file = wrapper(self._file)
            return plain(self, size)

        monkeypatch.setattr(ffmpeg_source._InputFile, "read", read_wrapped)
        with pytest.raises(AudioError if error is OSError else error):
            read(path)
        assert calls >= 12
    assert capfd.readouterr().err == ""


# --- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("codec", "rate", "bitrate"), [
    ("m4a", 44100, "128k"), ("m4a", 48000, "192k"), ("m4a", 96000, "256k"), ("m4a", 8000, "24k"),
    ("opus", 48000, "96k"), ("opus", 24000, "64k"), ("wma", 44100, "192k"), ("wma", 48000, "320k"),
    ("wma", 22050, "64k"),
])  # fmt: skip
@pytest.mark.parametrize("channels", [1, 2])
def test_written_files_are_aligned(tmp_path, codec, rate, bitrate, channels):
    for frames in sized((40_000, 40_961), (12_352, 12_289)):
        data = tones(frames, channels, rate)
        wave, reader = read(save(tmp_path / f"a.{codec}", data, rate, codec=codec, bitrate=bitrate))
        assert (reader.rate, reader.channels, reader.warnings) == (rate, channels, [])
        assert delay(wave, data) == 0
        if codec == "wma":
            assert frames <= len(wave) < frames + 4 * 2048
        else:
            assert len(wave) == frames


@pytest.mark.parametrize("codec", ["m4a", "opus", "wma"])
@pytest.mark.parametrize("frames", [1, 100, 5000])
def test_short_files(tmp_path, codec, frames):
    wave, _ = read(save(tmp_path / f"a.{codec}", noise(frames), 48000, codec=codec, bitrate="128k"))
    assert len(wave) == frames or (codec == "wma" and len(wave) > frames)


def test_bitrates(tmp_path):
    data = noise(44100 * 10)
    for codec, kbits in (("m4a", 96), ("m4a", 256), ("wma", 96), ("wma", 192), ("opus", 96), ("opus", 256)):
        path = save(tmp_path / f"a.{codec}", data, codec=codec, bitrate=f"{kbits}k")
        assert path.stat().st_size * 8 / 10 / 1000 == pytest.approx(kbits, rel=0.25)


def test_opus_knows_few_rates(tmp_path):
    data = tones(44100)
    wave, reader = read(save(tmp_path / "a.opus", data, 44100, codec="opus"))
    assert (reader.rate, len(wave)) == (48000, 48000)
    assert len(read(tmp_path / "a.opus", sample_rate=44100)[0]) == 44100
    assert delay(read(tmp_path / "a.opus", sample_rate=44100)[0], data) == 0
    with pytest.raises(AudioError, match="opus files cannot have 44100 Hz, only 8000, 12000"):
        save(tmp_path / "b.opus", data, 44100, codec="opus", file_rate=44100)
    AudioAdapter.default().save(tmp_path / "c.opus", data[:10], 44100)
    assert len(read(tmp_path / "c.opus")[0]) == 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codec": "m4a", "file_rate": 192000}, "m4a files cannot have 192000 Hz"),
        ({"codec": "wma", "file_rate": 96000}, "wma files cannot have 96000 Hz"),
        ({"codec": "m4a", "channels": 3}, "1 to 2 channels"),
        ({"codec": "m4a", "clip": "none"}, "full scale"),
        ({"codec": "aac"}, "'aac' cannot be written; use wav, flac, ogg"),
    ],
)
def test_settings_that_do_not_fit(tmp_path, options, message):
    with pytest.raises(AudioError, match=message):
        StemFileWriter({"a": tmp_path / "a.x"}, 44100, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["m4a", Codec.WMA, Codec.OPUS])
def test_targets_appear_at_the_end_only(tmp_path, codec):
    target = tmp_path / "a.out"
    target.write_text("old")
    out = StemFileWriter({"a": target}, 48000, codec=codec)
    out.write({"a": noise(50_000)})
    assert target.read_text() == "old"
    out.abort()
    assert [path.name for path in tmp_path.iterdir()] == ["a.out"]
    assert target.read_text() == "old"
    save(target, noise(50_000), 48000, codec=codec)
    assert [path.name for path in tmp_path.iterdir()] == ["a.out"]
    assert len(read(target)[0]) >= 50_000


def test_threads_make_no_difference(tmp_path):
    data = {name: noise(50_000, seed=n) for n, name in enumerate("abc")}
    for threads in (1, 3):
        (tmp_path / str(threads)).mkdir()
        paths = {name: tmp_path / str(threads) / f"{name}.m4a" for name in data}
        with StemFileWriter(paths, 44100, codec="m4a", threads=threads) as out:
            for start in range(0, 50_000, 7000):
                out.write({name: wave[start : start + 7000] for name, wave in data.items()})
    for name in data:
        one, three = ((tmp_path / folder / f"{name}.m4a").read_bytes() for folder in "13")
        assert one == three


@pytest.mark.parametrize("codec", ["m4a", "wma"])
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), MemoryError()]
)
@pytest.mark.parametrize("when", [1, 2, 5, 8])
def test_failed_writes(tmp_path, monkeypatch, capfd, codec, error, when):
    class Failing:
        calls = 0

        def __init__(self, file):
            self._file = file

        def write(self, data):
            Failing.calls += 1
            if Failing.calls >= when:
                raise error
            return self._file.write(data)

        def __getattr__(self, name):
            return getattr(self._file, name)

    plain = encoder.Sink.__init__

    def limited(self, path):
        plain(self, path)
        self._file = Failing(self._file)

    monkeypatch.setattr(encoder.Sink, "__init__", limited)
    expected = AudioError if isinstance(error, OSError) else type(error)
    with pytest.raises(expected, match="No space" if isinstance(error, OSError) else None):
        save(tmp_path / "a.x", noise(400_000), codec=codec, bitrate="256k")
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""


def test_bytes_that_get_lost_are_noticed(tmp_path, monkeypatch):
    plain = encoder.Sink.close

    def lossy(self):
        if not self._file.closed:
            self._file.truncate(self._file.seek(0, os.SEEK_END) // 2)
        plain(self)

    monkeypatch.setattr(encoder.Sink, "close", lossy)
    with pytest.raises(AudioError, match="cannot be written"):
        save(tmp_path / "a.m4a", noise(100_000), codec="m4a")
    assert list(tmp_path.iterdir()) == []


# --- without the extra -------------------------------------------------------------------------


def test_the_hint(tmp_path, monkeypatch):
    files = [
        make(tmp_path / "song.m4a", tones(5000)),
        make(tmp_path / "misnamed.mp3", tones(5000), container="ipod"),
        make(tmp_path / "plain.aac", tones(5000), container="adts"),
    ]
    monkeypatch.setattr(opening, "ffmpeg_installed", lambda: False)
    for path in files:
        with pytest.raises(AudioError) as caught:
            AudioReader(path)
        assert str(caught.value) == f"{path}: needs FFmpeg: pip install 'spleeterrt[ffmpeg]'"
    (tmp_path / "text.mp3").write_text("no music\n" * 1000)
    with pytest.raises(AudioError, match="not a readable audio file"):
        AudioReader(tmp_path / "text.mp3")


def test_reading_a_wav_does_not_import_it(tmp_path):
    write(tmp_path / "a.wav", tones(5000))
    code = (
        "import sys; from spleeterrt.audio.adapter import AudioAdapter; import spleeterrt.separator;"
        f"AudioAdapter.default().load({str(tmp_path / 'a.wav')!r});"
        "print([m for m in ('av', 'mutagen') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_installed_is_asked_once():
    assert ffmpeg_module.ffmpeg_installed()


# --- samples that are none -----------------------------------------------------------------------


@pytest.mark.parametrize("codec", ["ac3", "eac3"])
@pytest.mark.parametrize("swapped", [False, True])
def test_ac3_that_pretends_to_be_pcm_is_decoded(tmp_path, codec, swapped):
    plain = make(tmp_path / f"a.{codec}", tones(48000, rate=48000), 48000, codec=codec, bitrate=448_000)
    expected, _ = read(plain)
    data = np.frombuffer(plain.read_bytes(), ">u2").astype("<u2" if swapped else ">u2").tobytes()
    path = tmp_path / "a.wav"
    soundfile.write(path, np.frombuffer(data, "<i2").reshape(-1, 2), 48000, subtype="PCM_16")
    wave, reader = read(path)
    assert (reader.rate, reader.frames, reader.likely_frames) == (48000, None, None)
    np.testing.assert_allclose(wave, expected, rtol=0, atol=1e-6)
    path = path.with_suffix(".flac")
    soundfile.write(path, np.frombuffer(bytes(80_000) + data, "<i2").reshape(-1, 2), 48000, subtype="PCM_16")
    name = {"ac3": "AC-3", "eac3": "E-AC-3"}[codec]
    with pytest.raises(AudioError, match=f"not sound but {name}.*make a WAV file of it"):
        read(path)


def test_dts_of_a_cd():
    path = Path(__file__).parents[2].parent / "shared" / "cases" / "dts_cd.wav"
    if not path.exists():
        pytest.skip("no such file here")
    wave, reader = read(path)
    assert (reader.rate, len(wave), reader.warnings) == (44100, 22528, [])
    spectrum = np.abs(np.fft.rfft(wave[:, 0]))
    assert spectrum.max() > 30 * np.median(spectrum)  # a tone, where noise was


def test_ogg_flac_of_several_parts(tmp_path):
    first = make(tmp_path / "a.oga", noise(30_000), codec="flac", container="ogg", format="s16")
    second = make(tmp_path / "b.oga", noise(20_000, seed=1), codec="flac", container="ogg", format="s16")
    both = tmp_path / "c.oga"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    wave, reader = read(both)
    assert (reader.frames, reader.likely_frames) == (None, 50_000)  # PyAV leaves the number of frames open
    np.testing.assert_array_equal(wave, np.concatenate([read(first)[0], read(second)[0]]))
    np.testing.assert_allclose(wave[:30_000], noise(30_000), rtol=0, atol=2**-14)


def test_more_channels_later_on_are_told(tmp_path):
    """A broadcast that begins in mono."""
    mono = make(tmp_path / "a.aac", noise(20_000, 1), codec="aac", container="adts", format="fltp")
    stereo = make(tmp_path / "b.aac", noise(20_000, 2), codec="aac", container="adts", format="fltp")
    both = tmp_path / "c.aac"
    for parts, expected in (((mono, stereo), 1), ((stereo, mono), 0)):
        both.write_bytes(b"".join(part.read_bytes() for part in parts))
        _, reader = read(both)
        message = f"{both}: later on it has more channels (2) than first (1): mixed down"
        assert reader.warnings == [message] * expected
        assert not reader.damaged


@pytest.mark.parametrize("most", [1, 1000])
def test_a_search_that_is_given_up_is_told(tmp_path, monkeypatch, most):
    monkeypatch.setattr("spleeterrt.audio.foreign_parts._MOST_RESYNCS", most)
    first, second = (
        make(tmp_path / f"{n}.wv", noise(n, seed=n), codec="wavpack", container="wv", format="fltp")
        for n in (30_000, 20_000)
    )
    path = tmp_path / "both.wv"
    path.write_bytes(first.read_bytes() + b"junk" + second.read_bytes())
    wave, reader = read(path)
    assert any("too many places are damaged" in warning for warning in reader.warnings) == (most == 1)
    if most == 1000:
        assert len(wave) == 50_000


BEHIND = {
    "m4a": ("alac", "ipod", "s16p"), "wma": ("wmav2", "asf", "fltp"), "mka": ("flac", "matroska", "s16"),
    "webm": ("libopus", "webm", "flt"), "wv": ("wavpack", "wv", "fltp"), "tta": ("tta", "tta", "s16"),
    "flv": ("aac", "flv", "fltp"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", BEHIND)
def test_other_files_behind_each_other(tmp_path, suffix):
    codec, container, format = BEHIND[suffix]
    sources = [
        make(
            tmp_path / f"{n}.{suffix}",
            noise(n, seed=n),
            48000,
            codec=codec,
            container=container,
            format=format,
        )
        for n in (30_000, 20_000, 12_345)
    ]
    path = tmp_path / f"all.{suffix}"
    path.write_bytes(b"".join(source.read_bytes() for source in sources))
    expected = np.concatenate([read(source)[0] for source in sources])
    wave, reader = read(path)
    assert (reader.rate, reader.frames, reader.warnings) == (48000, None, [])
    np.testing.assert_array_equal(wave, expected)
    assert abs(reader.likely_frames - len(wave)) < 0.2 * 48000
    np.testing.assert_array_equal(read(path, offset=0.8)[0], expected[38400:])


@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_aac_files_behind_each_other(tmp_path, rate, channels):
    first = make(tmp_path / "a.aac", tones(30_000), codec="aac", container="adts")
    second = make(tmp_path / "b.aac", tones(30_000, channels, rate), rate, codec="aac", container="adts")
    both = tmp_path / "c.aac"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    wave, reader = read(both)
    expected = len(read(first)[0]) + len(read(second)[0]) * 44100 / rate
    assert (reader.rate, reader.channels, reader.warnings) == (44100, 2, [])
    assert abs(len(wave) - expected) <= 2
    assert np.abs(wave[-10_000:]).max() > 0.1


@pytest.mark.parametrize(
    ("name", "frames", "warned"),
    [
        ("cat.ogg", 88200, False),
        ("m_cat_xing_first.mp3", 44100 + 40 * 1152, False),
        ("m_441_then_48.mp3", 91591, False),
        ("w_mp3inwav.wav", 46080, False),
        ("m_vbr_cut.mp3", 20783, True),
    ],
)
def test_files_that_failed_once(name, frames, warned):
    path = Path(__file__).parents[2].parent / "shared" / "cases" / name
    if not path.exists():
        pytest.skip("no such file here")
    wave, reader = read(path)
    assert len(wave) == frames
    assert bool(reader.warnings) == reader.damaged == warned


def test_an_mp3_without_header_is_as_ffmpeg_decodes_it(tmp_path):
    path = drop_mp3_info(write(tmp_path / "a.mp3", tones(50_000)), tmp_path / "b.mp3")
    wave, _ = read(path)
    with av.open(str(path)) as container:
        expected = np.concatenate([frame.to_ndarray().T for frame in container.decode(audio=0)])
    np.testing.assert_allclose(wave, expected, rtol=0, atol=1e-5)
