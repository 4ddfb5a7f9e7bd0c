"""`Codec` and the adapters: Spleeter's interface."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from spleeterrt.audio import Codec, formats
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.soundfile_adapter import SoundFileAudioAdapter
from spleeterrt.errors import AudioError, SpleeterError
from support.audio_files import tones, write


class Silence(AudioAdapter):
    def load(self, audio_descriptor, offset=None, duration=None, sample_rate=None, dtype=np.float32):
        return np.zeros((10, 2), dtype), 44100

    def save(self, path, data, sample_rate, codec=None, bitrate=None):
        pass


class NoAdapter:
    pass


def test_codec_is_its_value():
    spleeters = ["wav", "mp3", "ogg", "m4a", "wma", "flac"]
    assert [c.value for c in Codec] == [*spleeters, "opus", "aiff", "caf", "w64", "au", "stem", "stem-alac"]
    assert Codec.WAV == "wav"
    assert str(Codec.WAV) == f"{Codec.WAV}" == "{}".format(Codec.WAV) == "%s" % Codec.WAV == "wav"  # noqa: UP031, UP032
    assert f"{Codec.MP3:>5}" == "  mp3"
    assert Codec("flac") is Codec.FLAC


def test_default_is_one_instance():
    adapter = AudioAdapter.default()
    assert isinstance(adapter, SoundFileAudioAdapter)
    assert AudioAdapter.default() is adapter
    assert SoundFileAudioAdapter.default() is adapter
    for name in (None, "", "spleeter.audio.ffmpeg.FFMPEGProcessAudioAdapter"):
        assert AudioAdapter.get(name) is adapter


def test_get_by_name():
    adapter = AudioAdapter.get(f"{__name__}.Silence")
    assert type(adapter) is Silence
    assert adapter.load("x")[0].shape == (10, 2)
    assert isinstance(
        AudioAdapter.get("spleeterrt.audio.soundfile_adapter.SoundFileAudioAdapter"), SoundFileAudioAdapter
    )


@pytest.mark.parametrize(
    "name",
    [
        "Silence",
        "no.such.Module",
        f"{__name__}.Missing",
        f"{__name__}.NoAdapter",
        "spleeterrt.audio.adapter.AudioAdapter",
        ".x",
        "x.",
        f"{__name__}.np",
    ],
)
def test_get_rejects(name):
    with pytest.raises(SpleeterError):
        AudioAdapter.get(name)


@pytest.mark.parametrize("dtype", [np.float32, "float32", b"float32", np.float64, b"float64"])
def test_load(tmp_path, dtype):
    data = tones(44100)
    path = write(tmp_path / "a.wav", data, subtype="FLOAT")
    adapter = AudioAdapter.default()
    wave, rate = adapter.load(path, dtype=dtype)
    assert rate == 44100
    assert wave.dtype == np.dtype(dtype.decode() if isinstance(dtype, bytes) else dtype)
    np.testing.assert_array_equal(wave, data)
    wave, rate = adapter.load(str(path), 0.25, 0.5, 22050)
    assert (rate, wave.shape) == (22050, (11025, 2))
    wave, rate = adapter.load(path, offset=0.25, duration=0.5, sample_rate=44100)
    np.testing.assert_array_equal(wave, data[11025 : 11025 + 22050])


def test_load_error(tmp_path):
    with pytest.raises(SpleeterError, match=r"none\.wav"):
        AudioAdapter.default().load(tmp_path / "none.wav")


@pytest.mark.parametrize("codec", [None, Codec.WAV, "flac", Codec.MP3, Codec.OGG])
def test_save(tmp_path, codec):
    data = tones(20_000)
    path = tmp_path / f"a.{codec or 'wav'}"
    AudioAdapter.default().save(path, data, 44100, codec, "192k")
    info = soundfile.info(str(path))
    assert info.format == str(codec or "wav").upper()
    assert info.frames == 20_000
    wave, _ = AudioAdapter.default().load(path)
    assert np.abs(wave - data)[2000:-2000].max() < 0.01


def test_save_takes_the_codec_from_the_name(tmp_path):
    for name, kind in (("a.flac", "FLAC"), ("b.MP3", "MP3"), ("c.unknown", "WAV"), ("d", "WAV")):
        AudioAdapter.default().save(str(tmp_path / name), tones(5000), 44100)
        with open(tmp_path / name, "rb") as file:
            assert soundfile.info(file).format == kind


def test_save_mono_and_vector(tmp_path):
    AudioAdapter.default().save(tmp_path / "a.wav", tones(500, 1)[:, 0], 8000)
    info = soundfile.info(str(tmp_path / "a.wav"))
    assert (info.channels, info.samplerate, info.frames) == (1, 8000, 500)


def test_codecs_that_cannot_be_written(tmp_path, monkeypatch):
    with pytest.raises(AudioError, match=r"'aac' cannot be written; use wav, flac.* or stem-alac"):
        AudioAdapter.default().save(tmp_path / "a", tones(50), 44100, "aac")
    monkeypatch.setattr(formats, "ffmpeg_installed", lambda: False)
    for codec in ("m4a", Codec.WMA):
        with pytest.raises(
            AudioError, match=rf"codec {codec}: needs FFmpeg: pip install 'spleeterrt\[ffmpeg\]'"
        ):
            AudioAdapter.default().save(tmp_path / "a", tones(50), 44100, codec)
    assert list(tmp_path.iterdir()) == []


def test_save_needs_the_folder(tmp_path):
    with pytest.raises(SpleeterError, match="output directory does not exist"):
        AudioAdapter.default().save(tmp_path / "no" / "a.wav", tones(50), 44100)


def test_import_is_light():
    code = (
        "import sys, spleeterrt.audio;"
        "print([m for m in ('numpy', 'soundfile', 'soxr', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
