"""Stem files for DJ programs: written, looked at by other readers, unpacked again, and what goes wrong."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import AudioError, Model, Separator, SpleeterError, unpack_stems
from spleeterrt.audio.codec import Codec
from spleeterrt.audio.formats import Format, codec_of
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.stem_files import add_manifest, in_order, manifest, read_names
from spleeterrt.audio.writer import StemFileWriter
from spleeterrt.cli import cli
from support.ffmpeg_files import make
from support.golden import case

av = pytest.importorskip("av", reason="the extra spleeterrt[ffmpeg] is not installed")

FOUR, TWO = (str(case(f"tiny-{count}stems") / "config.json") for count in (4, 2))
TRACKS = ("mix", "drums", "bass", "other", "vocals")
RATE = 44100
# 256 kbit/s of FFmpeg's AAC keep this noise with an error 26 to 34 dB below it (measured for five tracks at
# two rates). A wrong track would be 3 dB above it, one sample of delay 10 dB below.
AAC_SNR = 24.0


def tracks(frames: int = 40000, rate: int = RATE) -> dict[str, np.ndarray]:
    """Noise below 4 kHz, in each track another one."""
    rng = np.random.default_rng(5)
    made = {}
    for name in TRACKS:
        spectrum = np.zeros((frames // 2 + 1, 2), complex)
        top = frames * 4000 // rate
        spectrum[:top] = rng.standard_normal((top, 2)) + 1j * rng.standard_normal((top, 2))
        sound = np.fft.irfft(spectrum, frames, axis=0)
        made[name] = (0.5 * sound / np.abs(sound).max()).astype(np.float32)
    return made


def write(
    path: Path, given: dict[str, np.ndarray], rate: int = RATE, block: int = 7001, **options: Any
) -> Path:
    with StemFileWriter({"stems": path}, rate, tracks=tuple(given), **options) as writer:
        for start in range(0, len(given["mix"]), block):
            part = {name: wave[start : start + block] for name, wave in given.items()}
            writer.write(part, part.pop("mix"))
    return path


def read(path: Path, track: int) -> np.ndarray:
    with AudioReader(path, track=track) as reader:
        return np.concatenate(list(reader))


def snr(wave: np.ndarray, other: np.ndarray) -> float:
    return float(10 * np.log10((wave**2).sum() / ((wave - other) ** 2).sum()))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, list(map(str, arguments)), prog_name="spleeterrt")


@pytest.fixture
def song(tmp_path: Path, music: np.ndarray) -> Path:
    path = tmp_path / "in" / "song.wav"
    path.parent.mkdir()
    soundfile.write(path, music, RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize("name", ["a.stem.mp4", "a.stem.m4a"])
@pytest.mark.parametrize("rate", [44100, 48000])
@pytest.mark.parametrize("frames", [1, 1023, 40001])
def test_aac_has_all_tracks_and_their_length(tmp_path: Path, name: str, rate: int, frames: int) -> None:
    given = tracks(40001, rate)
    path = write(tmp_path / name, {key: wave[:frames] for key, wave in given.items()}, rate)
    for number, wave in enumerate(given.values(), 1):
        found = read(path, number)
        assert found.shape == (frames, 2)
        if frames > 1023:
            assert snr(wave[:frames], found) > AAC_SNR


@pytest.mark.parametrize(("depth", "full"), [("int16", 1 << 15), ("int24", 1 << 23)])
@pytest.mark.parametrize("rate", [22050, 44100, 96000])
@pytest.mark.parametrize("threads", [1, 3])
def test_alac_has_the_very_samples(tmp_path: Path, depth: str, full: int, rate: int, threads: int) -> None:
    given = tracks(10007, rate)
    path = write(tmp_path / "a.stem.m4a", given, rate, codec="stem-alac", bit_depth=depth, threads=threads)
    for number, wave in enumerate(given.values(), 1):
        np.testing.assert_array_equal(read(path, number), np.rint(wave.astype(np.float64) * full) / full)


def test_players_see_the_mix_alone(tmp_path: Path) -> None:
    path = write(tmp_path / "a.stem.mp4", tracks())
    with av.open(str(path)) as container:
        defaults = [bool(stream.disposition.value & 1) for stream in container.streams.audio]
        layouts = {stream.codec_context.layout.name for stream in container.streams.audio}
        names = [stream.metadata["handler_name"] for stream in container.streams.audio]
        bitrates = [stream.codec_context.bit_rate for stream in container.streams.audio]
        times = {(stream.start_time, stream.duration, stream.time_base) for stream in container.streams.audio}
    assert defaults == [True, False, False, False, False]
    assert layouts == {"stereo"}
    assert names == ["Mix", "Drums", "Bass", "Other", "Vocals"]
    assert len(times) == 1
    assert all(200_000 < bitrate < 280_000 for bitrate in bitrates)


def test_the_box_says_what_dj_programs_want(tmp_path: Path) -> None:
    """Walked through as Mixxx does: moov, udta, stem, of plain boxes."""
    data = write(tmp_path / "a.stem.mp4", tracks(), codec="stem-alac").read_bytes()
    for kind in (b"moov", b"udta", b"stem"):
        at = 0
        while data[at + 4 : at + 8] != kind:
            at += int.from_bytes(data[at : at + 4], "big")
        data = data[at + 8 : at + int.from_bytes(data[at : at + 4], "big")]
    content = json.loads(data)
    assert content["version"] == 1
    assert [stem["name"] for stem in content["stems"]] == ["Drums", "Bass", "Other", "Vocals"]
    assert all(len(stem["color"]) == 7 and int(stem["color"][1:], 16) for stem in content["stems"])
    assert set(content["mastering_dsp"]) == {"compressor", "limiter"}
    assert not any(part["enabled"] for part in content["mastering_dsp"].values())


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe(tmp_path: Path) -> None:
    path = write(tmp_path / "a.stem.mp4", tracks(40001))
    show = "stream=codec_name,channels,start_pts,duration_ts:stream_disposition=default"
    command = ["ffprobe", "-v", "error", "-show_entries", show, "-of", "json", str(path)]
    done = subprocess.run(command, capture_output=True, check=True)
    assert not done.stderr
    streams = json.loads(done.stdout)["streams"]
    assert [stream["disposition"]["default"] for stream in streams] == [1, 0, 0, 0, 0]
    assert {(s["codec_name"], s["channels"], s["start_pts"], s["duration_ts"]) for s in streams} == {
        ("aac", 2, 0, 40001)
    }


def test_stempeg(tmp_path: Path) -> None:
    stempeg = pytest.importorskip("stempeg")
    given = tracks(40001)
    path = write(tmp_path / "a.stem.mp4", given, codec="stem-alac")
    found, rate = stempeg.read_stems(str(path))
    assert (found.shape, rate) == ((5, 40001, 2), RATE)
    for wave, track in zip(given.values(), found, strict=True):
        np.testing.assert_allclose(track, wave, atol=1 / 32768)


@pytest.mark.parametrize("first", [True, False], ids=["moov first", "moov last"])
def test_the_box_in_files_of_other_programs(tmp_path: Path, first: bool) -> None:
    """Where the index comes before the samples, their positions move with it."""
    wave = tracks()["mix"]
    options = {"movflags": "+faststart"} if first else {}
    path = make(tmp_path / "a.m4a", wave, options=options)
    data = path.read_bytes()
    assert (data.index(b"moov") < data.index(b"mdat")) is first
    before = read(path, 1)
    content = manifest(("drums", "bass", "other", "vocals"))
    assert add_manifest(path, content) == path.stat().st_size - len(data) == len(content) + 8
    np.testing.assert_array_equal(read(path, 1), before)
    assert read_names(path) == ["Drums", "Bass", "Other", "Vocals"]
    with pytest.raises(ValueError, match="already"):
        add_manifest(path, content)


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"\0\0\0\x08free", b"\0\0\0\x10moovabcdefgh", b"\xff" * 64]
)
def test_files_without_a_box(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.stem.mp4"
    path.write_bytes(content)
    assert read_names(path) is None


@pytest.mark.parametrize(
    "content", [b"{", b"[]", b"{}", b'{"stems":1}', b'{"stems":[1]}', b"\xff\xfe", b"[" * 99999]
)
def test_boxes_that_say_nothing(tmp_path: Path, content: bytes) -> None:
    path = make(tmp_path / "a.m4a", tracks()["mix"])
    add_manifest(path, content)
    assert read_names(path) is None
    assert len(read(path, 1)) == 40000


def test_a_box_that_ends_as_in_c(tmp_path: Path) -> None:
    path = make(tmp_path / "a.m4a", tracks()["mix"])
    add_manifest(path, b'{"stems":[{"name":"Vox"},{}]}\0\0')
    assert read_names(path) == ["Vox", ""]


def test_order() -> None:
    assert in_order(("vocals", "drums", "bass", "other")) == ("drums", "bass", "other", "vocals")
    assert in_order(("a", "c", "b", "d")) == ("a", "c", "b", "d")


@pytest.mark.parametrize("codec", ["stem", "stem-alac"])
def test_a_song_becomes_a_stem_file(tmp_path: Path, song: Path, four_stems: Model, codec: str) -> None:
    separator = Separator(four_stems)
    wave = soundfile.read(song, dtype="float32")[0]
    expected = {"mix": wave, **separator.separate(wave)}
    files = separator.separate_to_file(song, tmp_path / "out", codec=codec, bit_depth="int24")
    assert files == {"stems": tmp_path / "out" / "song.stem.mp4"}
    assert set(files.clipped or ()) == set(TRACKS)
    for number, name in enumerate(TRACKS, 1):
        found = read(files["stems"], number)
        assert found.shape == wave.shape
        if codec == "stem-alac":
            np.testing.assert_array_equal(
                found,
                np.clip(np.rint(expected[name].astype(np.float64) * 2**23), -(2**23), 2**23 - 1) / 2**23,
            )


def test_another_rate(tmp_path: Path, four_stems: Model) -> None:
    """The mix is the song itself, not what came back from the model's rate."""
    wave = tracks(40001, 48000)["mix"]
    path = tmp_path / "song.wav"
    soundfile.write(path, wave, 48000, subtype="FLOAT")
    files = Separator(four_stems).separate_to_file(
        path, tmp_path, codec="stem-alac", bit_depth="int24", sample_rate="source"
    )
    with AudioReader(files["stems"], track=5) as reader:
        assert (reader.source_rate, sum(map(len, reader))) == (48000, 40001)
    np.testing.assert_allclose(read(files["stems"], 1), wave, atol=2**-23)


@pytest.mark.parametrize("codec", ["stem", "stem-alac"])
def test_with_a_residual_the_stems_sum_to_the_mix(
    tmp_path: Path, song: Path, four_stems: Model, codec: str
) -> None:
    files = Separator(four_stems, residual=True).separate_to_file(
        song, tmp_path / "out", codec=codec, clip="rescale"
    )
    mix, *stems = (read(files["stems"], number) for number in range(1, 6))
    if codec == "stem-alac":
        np.testing.assert_array_equal(sum(stem.astype(np.float64) for stem in stems), mix)
    else:
        assert snr(mix, sum(stems)) > AAC_SNR - 9  # the errors of five tracks, and half the level in each


def test_what_cannot_be_a_stem_file(tmp_path: Path, song: Path, two_stems: Model, four_stems: Model) -> None:
    with pytest.raises(
        SpleeterError, match="exactly 4 stems, these are vocals, accompaniment; use all stems of"
    ):
        Separator(two_stems).separate_to_file(song, tmp_path / "out", codec="stem")
    with pytest.raises(SpleeterError, match="exactly 4 stems, these are drums, bass"):
        Separator(four_stems, stems=["drums", "bass"]).separate_to_file(song, tmp_path / "out", codec="stem")
    with pytest.raises(
        SpleeterError, match=r"a file named \.mp4 cannot hold stem \(\.stem\.mp4, \.stem\.m4a\)"
    ):
        Separator(four_stems).separate_to_file(
            song, tmp_path / "out", codec="stem", filename_format="{filename}.mp4"
        )
    with pytest.raises(SpleeterError, match="stem files are stereo"):
        Separator(four_stems).separate_to_file(song, tmp_path / "out", codec="stem", channels="source")
    with pytest.raises(SpleeterError, match="cannot hold float32"):
        Separator(four_stems).separate_to_file(song, tmp_path / "out", codec="stem-alac", bit_depth="float32")
    with pytest.raises(SpleeterError, match="only separate_to_file makes one"):
        Separator(four_stems).save_to_file({"vocals": np.zeros((9, 2))}, song, tmp_path / "out", codec="stem")
    with pytest.raises(AudioError, match="expected a stem file with the mix and 4 stems"):
        StemFileWriter({"audio": tmp_path / "a.stem.mp4"}, RATE)
    assert not (tmp_path / "out").exists()


def test_names_of_stem_files() -> None:
    assert codec_of("x/song.stem.mp4") == codec_of("song.STEM.M4A") == "stem"
    assert codec_of("song.stem.m4a", Codec.STEM_ALAC) == "stem-alac"
    assert codec_of("song.stem.m4a", "m4a") == "m4a"  # a song called song.stem
    assert Format("stem", "int16", "clamp", None, RATE, 2).bits_per_second == 256_000
    assert Format("stem", "int16", "clamp", "128k", RATE, 2).bits_per_second == 128_000


def test_an_ending_makes_a_stem_file(tmp_path: Path, song: Path) -> None:
    done = run("separate", "-q", "-p", FOUR, "-o", tmp_path, "-f", "{foldername}_{filename}.stem.m4a", song)
    assert done.exit_code == 0, done.output
    assert read_names(tmp_path / "in_song.stem.m4a") == ["Drums", "Bass", "Other", "Vocals"]


def test_command_line(tmp_path: Path, song: Path) -> None:
    shutil.copy(song, song.with_name("b.wav"))
    crate = tmp_path / "crate"
    done = run("separate", "--stem-file", "-p", FOUR, "-o", crate, song.parent)
    assert done.exit_code == 0, done.output
    assert sorted(os.listdir(crate)) == ["b.stem.mp4", "song.stem.mp4"]
    (crate / "b.stem.mp4").unlink()
    again = run("separate", "--stem-file", "--skip-existing", "--json", "-p", FOUR, "-o", crate, song.parent)
    lines = [json.loads(line) for line in again.stdout.splitlines()]
    assert [(Path(line["file"]).name, line["status"]) for line in lines] == [
        ("song.wav", "skipped"),
        ("b.wav", "done"),
    ]
    assert lines[1]["stems"] == {"stems": str(crate / "b.stem.mp4")}
    for wrong in (
        ("-p", TWO),
        ("-p", FOUR, "-c", "mp3"),
        ("-p", FOUR, "--karaoke"),
        ("-p", FOUR, "--stems", "bass"),
    ):
        done = run("separate", "--stem-file", *wrong, "-o", crate, song)
        assert done.exit_code == 2, done.output


def test_stem_files_in_the_folder_are_left_out(tmp_path: Path, song: Path) -> None:
    """Those that a run before has put beside the songs."""
    for _ in range(2):
        done = run("separate", "--stem-file", "-p", FOUR, "-o", song.parent, song.parent)
        assert done.exit_code == 0, done.output
    assert sorted(os.listdir(song.parent)) == ["song.stem.mp4", "song.wav"]
    assert "left out 1 stem file (song.stem.mp4)" in done.output


def test_two_songs_in_one_file(tmp_path: Path, song: Path) -> None:
    other = song.with_suffix(".flac")
    soundfile.write(other, soundfile.read(song)[0] / 4, RATE)
    done = run("separate", "--stem-file", "-p", FOUR, "-o", tmp_path / "out", other, song)
    assert done.exit_code == 1
    assert "already holds a stem of" in done.output


def test_the_mix_is_what_commands_read(tmp_path: Path) -> None:
    given = tracks()
    path = write(tmp_path / "a.stem.mp4", given, codec="stem-alac", bit_depth="int24")
    with AudioReader(path) as reader:
        np.testing.assert_allclose(np.concatenate(list(reader)), given["mix"], atol=2**-23)
        (note,) = reader.warnings
    assert "a stem file: its mix is used" in note
    assert "5 (Vocals, alac, stereo)" in note
    done = run("separate", "-p", TWO, "-o", tmp_path / "out", tmp_path)
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "a.stem" / "vocals.wav").exists()


def cover() -> bytes:
    png = "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    png += "53de0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
    return bytes.fromhex(png)


def test_tags_and_cover(tmp_path: Path, music: np.ndarray, four_stems: Model) -> None:
    """The title stays; the cover is a sixth stream, so that readers have to count those of sound."""
    mutagen = pytest.importorskip("mutagen", reason="the extra spleeterrt[tags] is not installed")
    path = tmp_path / "song.flac"
    soundfile.write(path, music, RATE)
    tagged = mutagen.File(path)
    tagged.update({"title": ["Song"], "artist": ["A", "B"], "bpm": ["128"], "date": ["2020"]})
    picture = mutagen.flac.Picture()
    picture.data, picture.mime, picture.type = cover(), "image/png", 3
    tagged.add_picture(picture)
    tagged.save()
    files = Separator(four_stems).separate_to_file(path, tmp_path / "out", codec="stem-alac", tags=True)
    plain = Separator(four_stems).separate_to_file(path, tmp_path / "plain", codec="stem-alac", tags=False)
    found = mutagen.File(files["stems"])
    assert found["\xa9nam"] == ["Song"]
    assert found["\xa9ART"] == ["A", "B"]
    assert found["tmpo"] == [128]
    assert bytes(found["covr"][0]) == cover()
    assert read_names(files["stems"]) == ["Drums", "Bass", "Other", "Vocals"]
    with av.open(str(files["stems"])) as container:
        assert (len(container.streams.audio), len(container.streams)) == (5, 6)
    for number in range(1, 6):
        np.testing.assert_array_equal(read(files["stems"], number), read(plain["stems"], number))
    unpacked = unpack_stems(files["stems"], tmp_path / "un", codec="flac")
    assert mutagen.File(unpacked["vocals"])["title"] == ["Song (vocals)"]


@pytest.mark.parametrize(("depth", "subtype"), [("int16", "PCM_16"), ("int24", "PCM_24")])
def test_unpack(tmp_path: Path, depth: str, subtype: str) -> None:
    given = tracks(140001)
    path = write(tmp_path / "My Song.stem.mp4", given, codec="stem-alac", bit_depth=depth)
    files = unpack_stems(path, tmp_path / "out")
    assert list(files) == list(TRACKS)
    for name, wave in given.items():
        assert files[name] == tmp_path / "out" / "My Song" / f"{name}.wav"
        assert soundfile.info(files[name]).subtype == subtype
        np.testing.assert_allclose(
            soundfile.read(files[name], dtype="float32")[0], wave, atol=0.51 / (1 << int(depth[3:]) - 1)
        )


def test_unpack_on_the_command_line(tmp_path: Path) -> None:
    given = tracks(40001)
    path = write(tmp_path / "a.stem.m4a", given)
    bare = tmp_path / "bare.m4a"
    make(bare, given["mix"])
    done = run("stems", "unpack", "--json", "-c", "flac", "-o", tmp_path / "out", path, bare)
    assert done.exit_code == 1
    good, bad = map(json.loads, done.stdout.splitlines())
    assert bad["status"] == "failed"
    assert "not a stem file" in bad["error"]["message"]
    for name, wave in given.items():
        found = soundfile.read(good["stems"][name], dtype="float32")[0]
        assert found.shape == wave.shape
        assert snr(wave, found) > AAC_SNR
    assert run("stems", "unpack", "-f", "{x}", path).exit_code == 2


def test_unpack_never_writes_one_file_over_another(tmp_path: Path) -> None:
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "a.stem.m4a", tracks(30000 + number))
    files = [tmp_path / folder / "a.stem.m4a" for folder in ("one", "two")]
    done = run("stems", "unpack", "-o", tmp_path / "out", *files)
    assert done.exit_code == 1
    assert (
        f"{files[1]}: {tmp_path / 'out' / 'a' / 'mix.wav'} is, or holds a track of, {files[0]}" in done.stderr
    )
    assert soundfile.info(tmp_path / "out" / "a" / "mix.wav").frames == 30000
    format = "{foldername}/{instrument}.{codec}"
    assert run("stems", "unpack", "-f", format, "-o", tmp_path / "out", *files).exit_code == 0
    assert soundfile.info(tmp_path / "out" / "two" / "mix.wav").frames == 30001


def test_a_stem_file_that_is_cut_short_is_said_to_be(tmp_path: Path) -> None:
    path = write(tmp_path / "a.stem.mp4", tracks())
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(AudioError, match=r"a\.stem\.mp4: not a readable audio file"):
        unpack_stems(path, tmp_path / "out")


def test_unpack_keeps_to_its_folder(tmp_path: Path) -> None:
    """Names in a file are another's, and never paths."""
    path = make(tmp_path / "a.m4a", tracks()["mix"])
    with av.open(str(tmp_path / "b.m4a"), "w") as out:
        streams = [out.add_stream("aac", rate=RATE, layout="stereo") for _ in range(3)]
        for stream in streams:
            frame = av.AudioFrame.from_ndarray(np.zeros((2, 5000), np.float32), "fltp", "stereo")
            frame.sample_rate = RATE
            out.mux([*stream.encode(frame), *stream.encode(None)])
    path = tmp_path / "b.m4a"
    add_manifest(path, json.dumps({"stems": [{"name": "../../x"}, {"name": ""}]}).encode())
    files = unpack_stems(path, tmp_path / "out")
    assert list(files) == ["mix", "_.._x", "stem 2"]
    assert {file.parent for file in files.values()} == {tmp_path / "out" / "b"}


def test_nothing_half_written(tmp_path: Path, song: Path, four_stems: Model) -> None:
    """Cancelled, and without room on the disk."""
    out = tmp_path / "out"
    with pytest.raises(SpleeterError, match="cancelled"):
        Separator(four_stems).separate_to_file(song, out, codec="stem", cancel=lambda: True)
    assert not out.exists()
    given = tracks()
    writer = StemFileWriter({"stems": out / "a.stem.mp4"}, RATE, tracks=TRACKS, threads=2)
    mix = given.pop("mix")
    writer.write(given, mix)
    assert any(name.startswith(".spleeterrt-") for name in os.listdir(out))
    writer.abort()
    assert not out.exists()


def test_a_full_disk(tmp_path: Path) -> None:
    """In the midst of the samples."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    given = tracks()
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(AudioError, match=r"a\.stem\.mp4: cannot be written: File too large"):
            write(tmp_path / "out" / "a.stem.mp4", given, codec="stem-alac")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not (tmp_path / "out").exists()


def test_a_disk_that_is_full_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the last of all writes fails, that of the box."""
    given = tracks()

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("spleeterrt.audio.stem_encoder.add_manifest", full)
        with pytest.raises(AudioError, match=r"a\.stem\.mp4: cannot be written: No space left on device"):
            write(tmp_path / "out" / "a.stem.mp4", given)
    assert not (tmp_path / "out").exists()


def test_a_file_object_is_read(song: Path, tmp_path: Path, four_stems: Model) -> None:
    files = Separator(four_stems).separate_to_file(io.BytesIO(song.read_bytes()), tmp_path, codec="stem")
    assert files == {"stems": tmp_path / "audio.stem.mp4"}
