"""Channel layouts as files tell them, and the way from many channels to two."""

from __future__ import annotations

import logging
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

import spleeterrt.audio
from spleeterrt import Separator, SpleeterError
from spleeterrt.audio import downmix
from spleeterrt.audio.channels import left_out
from spleeterrt.audio.ffmpeg import ffmpeg_installed
from spleeterrt.audio.layouts import (
    LAYOUTS,
    POSITIONS,
    apple_layout,
    flac_layout,
    ogg_layout,
    parse_layout,
)
from spleeterrt.audio.reader import AudioReader
from support.audio_files import noise, tones, write
from support.ffmpeg_files import make

HALF = 0.5**0.5  # -3 dB
CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_ffmpeg = pytest.mark.skipif(not ffmpeg_installed(), reason="needs the extra ffmpeg")


def gains(layout, channels, **options):
    """What each channel alone gives, left and right: (channels, 2)."""
    return downmix(np.eye(channels, dtype=np.float32), layout, **options)


# Rec. ITU-R BS.775, downward mixing to 2/0: its table gives 3/2, 3/1, 3/0, 2/2 and 2/1 (a mono surround
# channel goes to both sides with -3 dB each of -3 dB).
@pytest.mark.parametrize(
    ("layout", "left"),
    [
        ("3.0", [1, 0, HALF]),
        ("3.0(back)", [1, 0, 0.5]),
        ("4.0", [1, 0, HALF, 0.5]),
        ("quad", [1, 0, HALF, 0]),
        ("quad(side)", [1, 0, HALF, 0]),
        ("5.0", [1, 0, HALF, HALF, 0]),
        ("5.1", [1, 0, HALF, 0, HALF, 0]),
        ("5.1(side)", [1, 0, HALF, 0, HALF, 0]),
        ("6.1", [1, 0, HALF, 0, 0.5, HALF, 0]),
        ("7.1", [1, 0, HALF, 0, HALF, 0, HALF, 0]),
        ("FC+FL+FR", [HALF, 1, 0]),
        ("2.1", [1, 0, 0]),
    ],
)
def test_weights_of_bs775(layout, left):
    found = gains(layout, len(left), normalize=False)
    np.testing.assert_allclose(found[:, 0], left, atol=1e-7)
    # The right side is the mirror image.
    mirror = {"FL": "FR", "BL": "BR", "SL": "SR"}
    mirror |= {right: left for left, right in mirror.items()}
    positions = parse_layout(layout, len(left))
    for row, position in enumerate(positions):
        other = positions.index(mirror.get(position, position))
        assert found[row, 1] == found[other, 0]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_nothing_exceeds_full_scale(layout):
    channels = len(LAYOUTS[layout])
    total = gains(layout, channels).sum(axis=0)
    assert total.max() <= 1 + 1e-6
    plain = gains(layout, channels, normalize=False)
    np.testing.assert_allclose(gains(layout, channels), plain / max(1, plain.sum(axis=0).max()), rtol=1e-6)


def test_level_of_51():
    assert gains("5.1", 6)[0, 0] == pytest.approx(1 / (1 + 2 * HALF))  # -7.7 dB


@needs_ffmpeg
@pytest.mark.parametrize(
    "layout",
    ["3.0", "3.0(back)", "4.0", "quad", "5.0", "5.1", "5.1(side)", "6.0", "6.1", "7.0", "7.0(front)"],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_as_ffmpeg(layout, normalize):
    """`-ac 2`: into integers normalised, into floats not. (PyAV makes no frames of 8 planes.)"""
    import av

    sound = noise(500, len(LAYOUTS[layout]))
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout=layout)
    frame.sample_rate = 44100
    resampler = av.AudioResampler(format="s16p" if normalize else "fltp", layout="stereo", rate=44100)
    parts = [part.to_ndarray() for part in [*resampler.resample(frame), *resampler.resample(None)]]
    expected = np.concatenate(parts, axis=1).T / (32768 if normalize else 1)
    np.testing.assert_allclose(
        downmix(sound, layout, normalize=normalize), expected, atol=1 / 32768 if normalize else 1e-6
    )


def test_blocks_give_the_same_bits():
    sound = noise(1000, 6)
    before = sound.copy()
    whole = downmix(sound, "5.1")
    parts = [downmix(part, "5.1") for part in np.split(sound, [1, 18, 500])]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    np.testing.assert_array_equal(sound, before)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(downmix(np.asfortranarray(sound.astype(np.float64)), "5.1"), whole)


def test_one_and_two_channels_stay():
    sound = noise(10)
    np.testing.assert_array_equal(downmix(sound), sound)
    np.testing.assert_array_equal(downmix(sound, "stereo"), sound)
    for layout in (None, "mono"):
        np.testing.assert_array_equal(downmix(sound[:, 0], layout), np.repeat(sound[:, :1], 2, axis=1))


def test_usual_layouts():
    for channels, name in {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}.items():
        np.testing.assert_array_equal(gains(None, channels), gains(name, channels))
        np.testing.assert_array_equal(gains(LAYOUTS[name], channels), gains(name, channels))
        np.testing.assert_array_equal(gains(list(LAYOUTS[name]), channels), gains(name, channels))


@pytest.mark.parametrize(
    ("sound", "layout", "message"),
    [
        (noise(5, 6), "7.1", "has 8 channels, the sound has 6"),
        (noise(5, 6), ("FL", "FR"), "has 2 channels, the sound has 6"),
        (noise(5, 6), "surround", "expected one of mono, stereo"),
        (noise(5, 9), None, "which speakers the 9 channels belong to is not known"),
        (noise(5, 4), ("AMBI0", "AMBI1", "AMBI2", "AMBI3"), "no weight for AMBI0"),
        (np.zeros((5, 6), np.int16), "5.1", "expected floating-point"),
        (noise(6, 100), None, "did you mean its transpose"),
    ],
)
def test_what_cannot_be_mixed(sound, layout, message):
    with pytest.raises(SpleeterError, match=message):
        downmix(sound, layout)


# --- files ---------------------------------------------------------------------------


def layout_of(path):
    with AudioReader(path) as reader:
        return reader.layout


def read(path, **options):
    with AudioReader(path, **options) as reader:
        return np.concatenate(list(reader))


def wav_with_mask(path, sound, mask):
    """WAVE_FORMAT_EXTENSIBLE, 16-bit."""
    channels = sound.shape[1]
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, channels, 44100, 88200 * channels, 2 * channels, 16, 22, 16, mask)
    data = np.rint(sound * 32767).astype("<i2").tobytes()
    body = b"WAVEfmt " + struct.pack("<I", 40) + fmt + guid + b"data" + struct.pack("<I", len(data)) + data
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


@pytest.mark.parametrize("layout", ["2.1", "3.0", "4.0", "5.1", "5.1(side)", "6.1", "7.1", "7.1(wide)"])
def test_masks_of_wav(tmp_path, layout):
    mask = sum(1 << POSITIONS.index(position) for position in LAYOUTS[layout])
    path = wav_with_mask(tmp_path / "a.wav", noise(50, len(LAYOUTS[layout])), mask)
    assert layout_of(path) == LAYOUTS[layout]


def test_wav_without_a_mask(tmp_path):
    assert layout_of(wav_with_mask(tmp_path / "a.wav", noise(50, 6), 0)) is None
    sound = noise(50, 6)
    path = write(tmp_path / "b.wav", sound, subtype="FLOAT")
    assert layout_of(path) is None
    np.testing.assert_array_equal(read(path, downmix=True), downmix(sound, "5.1"))


def test_flac(tmp_path):
    for channels, name in {3: "3.0", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}.items():
        assert layout_of(write(tmp_path / f"{channels}.flac", noise(50, channels))) == LAYOUTS[name]
    mutagen = pytest.importorskip("mutagen.flac")
    file = mutagen.FLAC(tmp_path / "6.flac")
    file["WAVEFORMATEXTENSIBLE_CHANNEL_MASK"] = "0x060F"
    file.save()
    assert layout_of(tmp_path / "6.flac") == LAYOUTS["5.1(side)"]


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@pytest.mark.parametrize(("channels", "order"), [(3, [0, 2, 1]), (6, [0, 2, 1, 5, 3, 4])])
def test_vorbis_and_opus_in_the_order_of_others(tmp_path, subtype, channels, order):
    """Their second channel is the centre; Spleeter gets left and right first."""
    path = write(tmp_path / "a.ogg", tones(9600, channels, 48000), 48000, subtype)
    as_stored = soundfile.read(path, dtype="float32")[0]
    np.testing.assert_array_equal(read(path), as_stored[:, order])
    assert layout_of(path) == LAYOUTS[{3: "3.0", 6: "5.1"}[channels]]
    if ffmpeg_installed():
        from spleeterrt.audio.ffmpeg_source import FFmpegSource

        source = FFmpegSource(path)
        step = np.empty((4000, channels), np.float32)
        source.read(step)
        source.close()
        assert source.layout == layout_of(path)
        np.testing.assert_allclose(read(path)[1000:3000], step[1000:3000], atol=0.02)


def with_chunk(path, name, body):
    """A chunk at the end of an AIFF or CAF file."""
    data = bytearray(path.read_bytes())
    if data.startswith(b"caff"):
        data += name + struct.pack(">q", len(body)) + body
    else:
        data += name + struct.pack(">I", len(body)) + body
        data[4:8] = struct.pack(">I", len(data) - 8)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("tag", "mask", "labels", "expected"),
    [
        (121 << 16 | 6, 0, [], "FL FR FC LFE BL BR"),
        (124 << 16 | 6, 0, [], "FC FL FR BL BR LFE"),
        (1 << 16, 0x60F, [], "FL FR FC LFE SL SR"),
        (0, 0, [3, 1, 2, 5, 6, 4], "FC FL FR BL BR LFE"),
        (113 << 16 | 3, 0, [], None),  # of three channels
        (999 << 16 | 6, 0, [], None),
        (0, 0, [3, 1, 2, 5, 6, 400], None),
        (0, 0, 0xFFFFFFFF, None),
    ],
)
@pytest.mark.parametrize("kind", ["aiff", "caf"])
def test_layouts_of_aiff_and_caf(tmp_path, kind, tag, mask, labels, expected):
    name = b"chan" if kind == "caf" else b"CHAN"
    if isinstance(labels, int):  # so many, it says
        labels, count = [], labels
    else:
        count = len(labels)
    body = struct.pack(">III", tag, mask, count)
    body += b"".join(struct.pack(">I", label) + bytes(16) for label in labels)
    path = with_chunk(write(tmp_path / f"a.{kind}", noise(50, 6), subtype="PCM_16"), name, body)
    assert layout_of(path) == (None if expected is None else tuple(expected.split()))


def test_aiff_and_caf_without_a_layout(tmp_path):
    for kind in ("aiff", "caf"):
        assert layout_of(write(tmp_path / f"a.{kind}", noise(50, 4))) is None


@pytest.mark.parametrize("kind", ["aiff", "caf", "flac", "wav"])
def test_damaged_layouts_never_raise(tmp_path, kind):
    path = write(tmp_path / f"a.{kind}", noise(50, 6), subtype="PCM_16")
    if kind in ("aiff", "caf"):
        body = struct.pack(">III", 121 << 16 | 6, 0, 0)
        path = with_chunk(path, b"chan" if kind == "caf" else b"CHAN", body)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(data)
        for at in rng.integers(0, len(data), 4):
            count = int(rng.choice([1, 4, 8]))
            damaged[at : at + count] = bytes([rng.choice([0, 1, 0x7F, 0x80, 0xFF])]) * count
        path.write_bytes(damaged[: rng.integers(len(damaged))] if rng.random() < 0.2 else damaged)
        for read_layout in (apple_layout, flac_layout, ogg_layout):
            assert read_layout(path, 6) is None or len(read_layout(path, 6)) == 6


@needs_ffmpeg
def test_layouts_of_ffmpeg(tmp_path):
    path = make(tmp_path / "a.ac3", tones(8000, 6, 48000), 48000, codec="ac3", layout="5.1(side)")
    assert layout_of(path) == LAYOUTS["5.1(side)"]


@needs_ffmpeg
@pytest.mark.parametrize(("codec", "suffix"), [("aac", "m4a"), ("pcm_s16le", "mov")])
def test_eight_channels_by_ffmpeg(tmp_path, codec, suffix):
    """PyAV 18 reads beyond 8 planes, and frees the layout that FFmpeg finds in this .mov twice."""
    import av

    data = tones(48000, 8, 48000)
    path = tmp_path / f"a.{suffix}"
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=48000, layout="7.1")
        frame = av.AudioFrame.from_ndarray(data.reshape(1, -1), format="flt", layout="7.1")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    found = read(path)
    assert found.shape[1] == 8
    assert sorted(layout_of(path)) == sorted(LAYOUTS["7.1"])
    middle = slice(10_000, 30_000)
    for channel in (0, 1, 2, 4, 5, 6, 7):  # an LFE is low-passed
        np.testing.assert_allclose(found[middle, channel], data[middle, channel], atol=0.1)


# --- what is said, and heard ------------------------------------------------------------


def centre(path, channels=6, seconds=1.0):
    """Sound in the centre channel alone."""
    sound = np.zeros((int(44100 * seconds), channels), np.float32)
    sound[:, 2] = tones(len(sound), 1)[:, 0]
    return write(path, sound, subtype="FLOAT")


@pytest.mark.parametrize("rate", [None, 22050])
def test_reader(tmp_path, rate):
    path = centre(tmp_path / "a.wav")
    with AudioReader(path, sample_rate=rate) as reader:
        assert reader.channels == 6
        sound = np.concatenate(list(reader.stereo()))
        assert not sound.any()
        assert reader.warnings == [
            f"{path}: of 6 channels (5.1 assumed) the first two are used, front left and front right; left "
            "out: front centre, LFE (low-frequency effects), back left and back right; --downmix "
            "(downmix=True) mixes all to stereo"
        ]
    with AudioReader(path, sample_rate=rate, downmix=True, block_frames=1000) as reader:
        assert (reader.channels, reader.source_channels) == (2, 6)
        heard = np.concatenate(list(reader.stereo()))
        assert reader.warnings == []
        assert len(heard) == reader.frames == len(sound)
    with AudioReader(path, sample_rate=rate) as reader:
        np.testing.assert_allclose(heard, downmix(np.concatenate(list(reader))), atol=1e-6)
    np.testing.assert_array_equal(heard[:, 0], heard[:, 1])
    assert np.abs(heard).max() > 0.05


def test_what_is_left_out():
    assert left_out(1, None) is None
    assert left_out(2, None) is None
    assert "5.1(side)" in left_out(6, LAYOUTS["5.1(side)"])
    assert "front centre and front left; left out: front right" in left_out(3, ("FC", "FL", "FR"))
    assert "--downmix" not in left_out(3, LAYOUTS["2.1"])  # there is nothing to mix in
    assert left_out(12, None).startswith("of 12 channels the first two are used; --downmix")


def test_reader_refuses_unknown_speakers(tmp_path):
    path = write(tmp_path / "a.wav", noise(50, 12))
    with pytest.raises(SpleeterError, match="which speakers the 12 channels belong to"):
        AudioReader(path, downmix=True)


def messages(caplog):
    found = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    caplog.clear()
    return found


def test_separate_to_file(tmp_path, two_stems, caplog):
    path = centre(tmp_path / "a.wav")
    for MWF in (False, True):  # reads twice, warns once
        stems = Separator(two_stems, MWF=MWF).separate_to_file(path, tmp_path / "plain")
        assert not any(soundfile.read(stem)[0].any() for stem in stems.values())
        (warning,) = messages(caplog)
        assert "left out: front centre" in warning
    stems = Separator(two_stems).separate_to_file(path, tmp_path / "mixed", downmix=True, bit_depth="float32")
    assert messages(caplog) == []
    expected = Separator(two_stems).separate(downmix(soundfile.read(path, dtype="float32")[0]))
    for name, stem in stems.items():
        np.testing.assert_array_equal(soundfile.read(stem, dtype="float32")[0], expected[name])
    assert expected["vocals"].any()


def test_own_adapter(tmp_path, two_stems, caplog):
    from spleeterrt.audio.adapter import AudioAdapter

    kept = {}

    class Adapter(AudioAdapter):
        def load(self, audio_descriptor, offset=None, duration=None, sample_rate=None, dtype="float32"):
            return tones(3000, 6), sample_rate

        def save(self, path, data, sample_rate, codec=None, bitrate=None):
            kept[Path(path).stem] = data

    separator = Separator(two_stems)
    separator.separate_to_file("a", tmp_path, Adapter(), downmix=True)
    assert messages(caplog) == []
    expected = separator.separate(downmix(tones(3000, 6)))
    np.testing.assert_array_equal(kept["vocals"], expected["vocals"])
    separator.separate_to_file("a", tmp_path, Adapter())
    assert len(messages(caplog)) == 1


def test_arrays_warn_once_a_call(two_stems, caplog):
    separator = Separator(two_stems)
    sound = noise(3000, 6)
    first = separator.separate(sound)
    assert messages(caplog) == [
        "waveform: of 6 channels the first two are used; spleeterrt.audio.downmix mixes all of them"
    ]
    blocks = list(separator.separate_blocks([sound[:1000], sound[1000:]]))
    assert len(messages(caplog)) == 1
    np.testing.assert_array_equal(np.concatenate([block["vocals"] for block in blocks]), first["vocals"])
    list(Separator(two_stems, MWF=True).separate_blocks([sound[:1000], sound[1000:]]))
    assert len(messages(caplog)) == 1
    separator.separate(sound[:, :2])
    separator.separate(sound[:, :1])
    assert messages(caplog) == []


def test_plot(tmp_path, caplog):
    from spleeterrt.cli.plot import _Job
    from spleeterrt.cli.terminal import CancelOnSignal

    path = centre(tmp_path / "a.wav")
    power = {}
    for mixed in (False, True):
        power[mixed] = _Job(0.0, None, mixed, 15.0, CancelOnSignal(), True).read(path).power.sum()
    assert len(messages(caplog)) == 1
    assert power[False] == 0 < power[True]


def test_evaluate(tmp_path, two_stems, caplog):
    from spleeterrt.evaluate import evaluate_track

    for name in ("mixture", "vocals", "drums", "bass", "other"):
        centre(tmp_path / f"{name}.wav")
    scores = {mixed: evaluate_track(Separator(two_stems), tmp_path, downmix=mixed) for mixed in (False, True)}
    assert len(messages(caplog)) == 5
    assert [target["metrics"]["uSDR"] for target in scores[False]["targets"]] == [None, None]
    assert all(target["metrics"]["uSDR"] is not None for target in scores[True]["targets"])


@needs_ffmpeg
@pytest.mark.skipif(not CASES.is_dir(), reason="no ../shared")
def test_voice_in_the_centre(tmp_path, two_stems, caplog):
    path = CASES / "voice_in_centre_51.ac3"
    assert layout_of(path) == LAYOUTS["5.1(side)"]
    assert np.abs(read(path)[:, :2]).max() < 1e-4
    assert np.abs(read(path, downmix=True)).max() > 0.01
    Separator(two_stems).separate_to_file(path, tmp_path)
    (warning,) = messages(caplog)
    assert "of 6 channels (5.1(side))" in warning
    assert "left out: front centre" in warning


def test_the_public_name():
    assert spleeterrt.audio.downmix is downmix
    with pytest.raises(AttributeError):
        spleeterrt.audio.upmix  # noqa: B018
