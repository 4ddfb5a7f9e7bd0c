"""Films with a stem as their sound: every kind keeps its pictures, and the sound its place."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from spleeterrt import AudioError, Separator, SpleeterError
from spleeterrt.audio.films import CONTAINERS, Film, container_of
from spleeterrt.audio.reader import AudioReader
from spleeterrt.audio.remux import FilmEncoder
from spleeterrt.audio.writer import StemFileWriter
from spleeterrt.cli import cli
from support.ffmpeg_files import add_video
from support.golden import case

av = pytest.importorskip("av", reason="the extra spleeterrt[ffmpeg] is not installed")

TWO = str(case("tiny-2stems") / "config.json")
RATE = 48000
SECONDS = 2
# (picture, sound) of a film, by its ending
CODECS = {
    ".webm": ("libvpx", "libopus"),
    ".avi": ("mpeg4", "libmp3lame"),
    ".wmv": ("wmv2", "wmav2"),
    ".asf": ("wmv2", "wmav2"),
    ".flv": ("flv", "aac"),
    ".mpg": ("mpeg1video", "mp2"),
    ".mpeg": ("mpeg1video", "mp2"),
    ".vob": ("mpeg2video", "ac3"),
    ".mkv": ("mpeg4", "flac"),
}
MUXERS = {".m4v": "mp4", ".mts": "mpegts", ".m2ts": "mpegts", ".mpeg": "vob", ".mpg": "vob"}


def music(seconds: float = SECONDS, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """Noise below 3 kHz, which codecs keep and which resembles itself nowhere."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate)
    spectrum = np.zeros((count // 2 + 1, 2), complex)
    top = int(3000 * seconds)
    spectrum[:top] = rng.standard_normal((top, 2)) + 1j * rng.standard_normal((top, 2))
    sound = np.fft.irfft(spectrum, count, axis=0)
    return (0.4 * sound / np.abs(sound).max()).astype(np.float32)


def make_film(
    path: Path,
    *,
    late: Fraction = Fraction(0),
    extras: bool = False,
    seconds: float = SECONDS,
    languages: tuple[str, ...] = ("fra",),
) -> Path:
    """Pictures from 0 on, sound from `late` on in each language; subtitles, chapters, an attachment with
    `extras`."""
    picture, sound = CODECS.get(path.suffix, ("mpeg4", "aac"))
    rate = 44100 if path.suffix == ".flv" else RATE
    with av.open(str(path), "w", format=MUXERS.get(path.suffix)) as out:
        out.metadata["title"] = "Film"
        video = out.add_stream(picture, rate=25, width=64, height=64, pix_fmt="yuv420p")
        video.codec_context.max_b_frames = 2 if extras else 0
        video.codec_context.sample_aspect_ratio = Fraction(4, 3)
        tracks = [out.add_stream(sound, rate=rate, layout="stereo") for _ in languages]
        for track, language in zip(tracks, languages, strict=True):
            track.bit_rate = 192_000
            track.metadata["language"] = language
        if extras:
            text = out.add_mux_stream("subrip")
            text.time_base = Fraction(1, 1000)
            out.add_attachment("font.txt", "text/plain", b"attached")
            out.set_chapters(
                [
                    {
                        "id": 1,
                        "start": 0,
                        "end": 1000,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": "One"},
                    },
                    {"id": 2, "start": 1000, "end": 2000, "time_base": Fraction(1, 1000), "metadata": {}},
                ]
            )
        wave = music(seconds, rate)
        packets = []
        for number in range(int(seconds * 25)):
            image = np.roll(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3), number, axis=1)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        frame = av.AudioFrame.from_ndarray(wave.reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, round(late * rate), Fraction(1, rate)
        for track in tracks:
            packets += [*track.encode(frame), *track.encode(None)]
        if extras:
            for start, line in ((500, b"Hello"), (1200, b"World")):
                packet = av.Packet(line)
                packet.stream, packet.pts, packet.dts, packet.duration = text, start, start, 400
                packet.time_base = Fraction(1, 1000)
                packets.append(packet)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            out.mux(packet)
    return path


def pictures(path: Path) -> tuple[list[Fraction], list[bytes]]:
    """(times, contents), in the order of the file."""
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        return [packet.pts * packet.time_base for packet in packets], [bytes(packet) for packet in packets]


def sound(path: Path) -> tuple[float, np.ndarray, int]:
    """(time of the first sample, samples, rate), as a player has them."""
    with AudioReader(path) as reader:
        assert reader.place
        return float(reader.place[1]), np.concatenate(list(reader)), reader.rate


def delay(heard: np.ndarray, expected: np.ndarray) -> int:
    """Samples by which `heard` is behind."""
    size = 1 << 17
    product = np.fft.rfft(heard[:, 0], size) * np.conj(np.fft.rfft(expected[:, 0], size))
    at = int(np.argmax(np.fft.irfft(product, size)))
    return at - size if at > size // 2 else at


def remux(path: Path, target: Path, wave: np.ndarray | None = None, title: str | None = None) -> Path:
    """The film with its own sound, or another one, encoded anew."""
    with AudioReader(path) as reader:
        assert reader.place
        film = Film(path, container_of(path), *reader.place, title=title)
        options = {"file_rate": film.container.rate(reader.rate), "bitrate": "192k", "films": {"a": film}}
        with StemFileWriter({"a": target}, reader.rate, **options) as writer:
            for block in reader if wave is None else [wave]:
                writer.write({"a": block})
    return target


KINDS = {container: ending for ending, container in reversed(CONTAINERS.items())}.values()


@pytest.mark.parametrize(
    ("ending", "late"),
    [(".mp4", Fraction(0)), (".mkv", Fraction(0)), *((ending, Fraction(1, 2)) for ending in KINDS)],
)
def test_every_kind(tmp_path: Path, ending: str, late: Fraction) -> None:
    film = make_film(tmp_path / f"film{ending}", late=late)
    new = remux(film, tmp_path / f"new{ending}")
    times, contents = pictures(film)
    new_times, new_contents = pictures(new)
    assert new_contents == contents
    shift = float(new_times[0] - times[0])  # where streams cannot begin before 0, all of them move
    np.testing.assert_allclose(np.array(new_times, float) - shift, np.array(times, float), atol=1e-3)
    start, old, rate = sound(film)
    new_start, heard, new_rate = sound(new)
    assert new_rate == rate
    late_by = new_start - shift - start + delay(heard, old) / rate
    assert abs(late_by) <= (1.1e-3 if ending in (".flv", ".wmv", ".asf", ".mkv", ".webm") else 2e-5)
    assert abs(len(heard) - len(old)) <= 2 * 2048 + 1152 + (late * rate if ending == ".avi" else 0)
    assert np.corrcoef(*(part[rate // 2 : rate, 0] for part in aligned(heard, old)))[0, 1] > 0.95
    assert sorted(path.name for path in tmp_path.iterdir()) == [film.name, new.name]


def aligned(heard: np.ndarray, old: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lag = delay(heard, old)
    return heard[max(0, lag) :], old[max(0, -lag) :]


def test_everything_else_is_kept(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv", extras=True)
    new = remux(film, tmp_path / "new.mkv", title="Film (no vocals)")

    def described(path: Path) -> dict[str, Any]:
        with av.open(str(path)) as file:
            lines = [
                (float(packet.pts * packet.time_base), bytes(packet))
                for packet in file.demux(subtitles=0)
                if packet.size
            ]
            return {
                "streams": [(stream.type, stream.metadata.get("language")) for stream in file.streams],
                "lines": lines,
                "chapters": [(c["start"], c["end"], c["metadata"].get("title")) for c in file.chapters()],
                "attachments": [(s.name, s.mimetype, s.data) for s in file.streams.attachments],
                "title": file.metadata["title"],
                "aspect": file.streams.video[0].sample_aspect_ratio,
            }

    found = described(new)
    assert found.pop("title") == "Film (no vocals)"
    expected = described(film)
    assert expected.pop("title") == "Film"
    assert len(expected["lines"]) == 2
    assert expected["attachments"] == [("font.txt", "text/plain", b"attached")]
    assert len(expected["chapters"]) == 2
    assert expected["aspect"] == Fraction(4, 3)
    assert found == expected
    assert pictures(new)[0] == pictures(film)[0]  # with reordered pictures


def with_a_gap(path: Path, film: Path, first: float, last: float, shift: float = 0.0) -> Path:
    """The film without the packets of its sound between two times; what follows is later by `shift`."""
    with av.open(str(film)) as source, av.open(str(path), "w") as out:
        copies = {
            stream.index: out.add_stream_from_template(stream, opaque=True) for stream in source.streams
        }
        for packet in source.demux():
            seconds = float((packet.pts or 0) * packet.time_base)
            if not packet.size or (packet.stream.type == "audio" and first <= seconds < last):
                continue
            if packet.dts is None:
                packet.dts = packet.pts
            if packet.stream.type == "audio" and seconds >= last:
                packet.pts += round(shift / packet.time_base)
                packet.dts = packet.pts
            packet.stream = copies[packet.stream.index]
            out.mux(packet)
    return path


def test_sound_after_a_gap_stays_in_its_place(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = make_film(tmp_path / "film.mkv")
    film = with_a_gap(tmp_path / "gap.mkv", whole, 0.5, 1.0)
    paths = Separator(TWO, stems=["accompaniment"]).separate_to_file(film, tmp_path / "out", remux=True)
    assert paths
    _, heard, rate = sound(paths["accompaniment"])
    _, old, _ = sound(whole)
    for part in (slice(0, int(0.4 * rate)), slice(int(1.1 * rate), len(old) - 4096)):
        assert abs(delay(heard[part], old[part])) <= 1
    assert np.abs(heard[int(0.65 * rate) : int(0.85 * rate)]).max() < 0.05
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    with AudioReader(film) as reader:  # without --remux as FFmpeg and Spleeter
        assert len(old) - len(np.concatenate(list(reader))) == pytest.approx(0.5 * rate, abs=5000)


def test_endless_gaps_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = with_a_gap(tmp_path / "gap.mkv", make_film(tmp_path / "film.mkv"), 0.5, 1.0, shift=100.0)
    Separator(TWO, stems=["vocals"]).separate_to_file(film, tmp_path / "out", remux=True)
    assert "the time stamps of the sound have gaps of 100." in caplog.text


def test_rotation_is_kept(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mp4")
    data = bytearray(film.read_bytes())
    matrix = b"".join(
        number.to_bytes(4, "big", signed=True) for number in (0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    )
    at = data.index(b"tkhd") + 44
    data[at : at + 36] = matrix
    film.write_bytes(data)
    new = remux(film, tmp_path / "new.mp4").read_bytes()
    assert matrix in new


@pytest.mark.parametrize(("ending", "codec", "tag"), [(".mov", "mpeg4", "mp4v"), (".avi", "mpeg4", "XVID")])
def test_codec_names_that_players_need(tmp_path: Path, ending: str, codec: str, tag: str) -> None:
    film = make_film(tmp_path / f"film{ending}")
    film.write_bytes(film.read_bytes().replace(b"FMP4", tag.encode()))
    with av.open(str(remux(film, tmp_path / f"new{ending}"))) as file:
        assert file.streams.video[0].codec_context.codec_tag == tag


def test_what_the_new_film_cannot_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is named, and costs no more than itself; but not the pictures."""
    film = make_film(tmp_path / "film.mkv", extras=True)
    copy = FilmEncoder._add_copy
    refused = "subtitle"

    def add(self: FilmEncoder, stream: Any) -> None:
        if stream.type == refused:
            raise ValueError("'x' format does not support 'y' codec")
        copy(self, stream)

    monkeypatch.setattr(FilmEncoder, "_add_copy", add)
    with av.open(str(remux(film, tmp_path / "new.mkv"))) as file:
        assert [stream.type for stream in file.streams] == ["video", "audio", "attachment"]
    message = "left out of the new film: a stream of subtitle ('x' format does not support 'y' codec)"
    assert f"{film}: {message}" in caplog.text
    refused = "video"
    with pytest.raises(AudioError, match="'x' format does not support"):
        remux(film, tmp_path / "none.mkv")
    assert not (tmp_path / "none.mkv").exists()


def test_other_audio_tracks_are_named_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    film = make_film(tmp_path / "film.mkv", languages=("fra", "deu", "ita"))
    Separator(TWO).separate_to_file(film, tmp_path / "out", remux=True, track=2)
    for stem in ("vocals", "accompaniment"):
        with av.open(str(tmp_path / "out" / "film" / f"{stem}.mkv")) as file:
            assert [stream.metadata["language"] for stream in file.streams.audio] == ["deu"]
    message = "left out of the new film: audio tracks 1 (fra, flac, stereo), 3 (ita, flac, stereo)"
    assert [record.getMessage() for record in caplog.records] == [f"{film}: {message}"]


def test_lost_shape_of_pixels_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    film = make_film(tmp_path / "film.mp4")
    remux(film, tmp_path / "new.mp4")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    answers = iter([[Fraction(4, 3)], [Fraction(1)]])
    monkeypatch.setattr("spleeterrt.audio.remux._aspects", lambda container: next(answers))
    remux(film, tmp_path / "new.mp4")
    assert "the shape of the pixels is lost" in caplog.text


# --- the whole way ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_film(tmp_path_factory.mktemp("film") / "film.mp4")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["separate", "-p", TWO, *map(str, arguments)])


def test_instrumental(film: Path, tmp_path: Path) -> None:
    result = run("--remux", "-b", "192k", "-o", tmp_path / "out", film)
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "out" / "film").iterdir()] == ["no_vocals.mp4"]
    new = tmp_path / "out" / "film" / "no_vocals.mp4"
    assert pictures(new)[1] == pictures(film)[1]
    with av.open(str(new)) as file:
        assert file.metadata["title"] == "Film (no vocals)"
        assert [stream.metadata["language"] for stream in file.streams.audio] == ["fra"]
    plain = Separator(TWO, two_stems="vocals").separate_to_file(
        film, tmp_path / "plain", sample_rate="source", bit_depth="float32"
    )
    assert plain
    with AudioReader(plain["no_vocals"]) as reader:
        expected = np.concatenate(list(reader))
    start, heard, _ = sound(new)
    assert start == sound(film)[0]
    assert delay(heard, expected) == 0
    assert np.corrcoef(heard[: len(expected), 0], expected[:, 0])[0, 1] > 0.98


def test_chosen_stems(film: Path, tmp_path: Path) -> None:
    paths = Separator(TWO).separate_to_file(
        film, tmp_path, filename_format="{filename} {instrument}.{codec}", remux=True
    )
    assert paths
    assert {stem: path.name for stem, path in paths.items()} == {
        "vocals": "film vocals.mp4",
        "accompaniment": "film accompaniment.mp4",
    }
    assert paths.sample_rate == RATE
    for path in paths.values():
        assert pictures(path)[1] == pictures(film)[1]
    result = run("--remux", "--stems", "accompaniment", "-o", tmp_path / "out", film)
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "out" / "film").iterdir()] == ["accompaniment.mp4"]


def test_films_of_a_folder(film: Path, tmp_path: Path) -> None:
    (film.parent / "notes.txt").write_text("no film")
    result = run("--remux", "-o", tmp_path / "out", film.parent)
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "out" / "film").iterdir()] == ["no_vocals.mp4"]
    result = run("--remux", "-o", tmp_path / "out", tmp_path / "out")
    assert "no film in this folder (.mp4, .m4v" in result.stderr


def test_a_failure_leaves_nothing(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: object, until: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FilmEncoder, "_copy", fail)
    with pytest.raises(AudioError, match=r"vocals\.mp4: cannot be written: No space left on device"):
        Separator(TWO).separate_to_file(film, tmp_path / "out", remux=True)
    assert not list((tmp_path / "out").rglob("*.*"))


def test_a_film_that_is_cut_off(tmp_path: Path) -> None:
    film = make_film(tmp_path / "film.mkv")
    data = film.read_bytes()
    film.write_bytes(data[: int(0.6 * len(data))])
    paths = Separator(TWO, stems=["vocals"]).separate_to_file(film, tmp_path / "out", remux=True)
    assert paths
    assert 0 < len(pictures(paths["vocals"])[1]) < 25 * SECONDS
    assert 1 < len(sound(paths["vocals"])[1]) / RATE < SECONDS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-s", "1"], "a film is separated as a whole, without -s and -d"),
        (["-d", "1"], "a film is separated as a whole, without -s and -d"),
        (["--clip", "none"], "the sound of a film has a full scale"),
        (["-b", "much"], "bitrate: expected"),
        (["-f", "{filename}_{instrument}.mkv"], "the new film is of the same kind as"),
        (["-f", "{filename}.mp4", "--stems", "vocals,accompaniment"], "would hold several stems"),
    ],
)
def test_options_that_cannot_be(film: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    result = run("--remux", *arguments, "-o", tmp_path / "out", film)
    assert result.exit_code in (1, 2)
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_options_without_effect(film: Path, tmp_path: Path) -> None:
    result = run("--remux", "-c", "flac", "--bit-depth", "int24", "-o", tmp_path, film)
    assert result.exit_code == 0
    assert "--codec has no effect: --remux chooses it by the kind of the film" in result.stderr
    assert "--bit-depth has no effect" in result.stderr


def test_what_is_no_film(tmp_path: Path) -> None:
    separator = Separator(TWO)
    with pytest.raises(AudioError, match=r"--remux needs a film whose name ends in one of \.mp4"):
        separator.separate_to_file(tmp_path / "song.wav", tmp_path, remux=True)
    song = tmp_path / "song.mp4"
    with av.open(str(song), "w") as out:
        stream = out.add_stream("aac", rate=RATE, layout="stereo")
        frame = av.AudioFrame.from_ndarray(music(1).reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        out.mux([*stream.encode(frame), *stream.encode(None)])
    with pytest.raises(AudioError, match="the file has no pictures"):
        separator.separate_to_file(song, tmp_path / "out", remux=True)
    silent = tmp_path / "silent.mp4"
    with av.open(str(silent), "w") as out:
        add_video(out, 1)
    with pytest.raises(AudioError, match="the file has no audio track"):
        separator.separate_to_file(silent, tmp_path / "out", remux=True)
    with pytest.raises(SpleeterError, match="without offset and duration"):
        separator.separate_to_file(silent, tmp_path / "out", offset=1, remux=True)
    assert not list((tmp_path / "out").rglob("*.*"))


def test_without_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spleeterrt.audio.films.ffmpeg_installed", lambda: False)
    with pytest.raises(AudioError, match=r"--remux needs FFmpeg: pip install 'spleeterrt\[ffmpeg\]'"):
        Separator(TWO).separate_to_file(tmp_path / "a.mp4", tmp_path, remux=True)
