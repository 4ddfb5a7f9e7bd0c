"""`spleeterrt separate`: which songs, what is refused before any work, what is said about each."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import Separator
from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.cli import cli, terminal
from spleeterrt.cli.songs import local_path
from spleeterrt.errors import SpleeterError
from support.golden import case

CONFIG = str(case("tiny-2stems") / "config.json")
STEMS = ("accompaniment", "vocals")


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(cli, ["separate", "-p", CONFIG, *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def objects(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def write_song(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, (3000, 2))
    with open(path, "wb") as file:
        soundfile.write(file, noise, 44100, format="WAV", subtype="PCM_16")
    return path


@pytest.fixture
def song(tmp_path: Path) -> Path:
    return write_song(tmp_path / "in" / "song.wav")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a model is loaded nor a song read."""

    def fail(*args: object, **options: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(Separator, "__init__", fail)


def results(out: Path) -> list[str]:
    return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())


def stems_of(*songs: str) -> list[str]:
    return sorted(f"{song}/{stem}.wav" for song in songs for stem in STEMS)


# --- which songs ------------------------------------------------------------------------


def test_names_that_begin_with_dots_are_songs(tmp_path: Path, out: Path) -> None:
    folder = tmp_path / "music"
    for name in ("...And Justice.wav", ".hidden.wav", "song.wav"):
        write_song(folder / name)
    for name in ("._song.wav", "._...And Justice.wav", ".trashed-17-song.wav", ".DS_Store"):
        (folder / name).write_bytes(b"\0\5\x16\7")
    (folder / "cover.jpg").touch()
    (folder / "film.mkv").touch()
    (folder / "more").mkdir()
    result = run("-o", out, folder)
    assert result.exit_code == 0, result.output
    assert results(out) == stems_of("...And Justice", ".hidden", "song")
    assert "3 hidden files (._...And Justice.wav, ._song.wav, ...)" in result.stderr
    others = "2 files (cover.jpg, film.mkv) whose ending is not that of an audio file"
    assert f"{others} (films are separated where they are named, or by --remux)" in result.stderr
    assert "1 folder (more) (--recursive" in result.stderr
    assert result.stderr.count("left out") == 2
    assert "left out" not in run("-q", "-o", out, folder).stderr


def test_what_is_left_out_is_in_the_json(tmp_path: Path, out: Path) -> None:
    write_song(tmp_path / "music" / "song.wav")
    (tmp_path / "music" / "._song.wav").touch()
    (found,) = objects(run("-q", "--json", "-o", out, tmp_path / "music"))
    assert "1 hidden file (._song.wav)" in found["warnings"][0]


def test_recursive_keeps_the_tree(tmp_path: Path, out: Path) -> None:
    top = tmp_path / "music"
    for name in ("a.wav", "x/a.wav", "x/y/b.WAV", "...dots/c.wav", ".git/d.wav", "__MACOSX/e.wav"):
        write_song(top / name)
    (top / "x" / "round").symlink_to(top)
    result = run("-r", "-o", out, top)
    assert result.exit_code == 0, result.output
    assert results(out) == stems_of("a", "x/a", "x/y/b", "...dots/c")
    assert "3 folders (.git, __MACOSX, ...)" in result.stderr
    assert results(tmp_path / "flat") == []
    assert run("-o", tmp_path / "flat", top).exit_code == 0
    assert results(tmp_path / "flat") == stems_of("a")


def test_recursive_leaves_the_results_alone(tmp_path: Path) -> None:
    top = tmp_path / "music"
    write_song(top / "a.wav")
    for _ in range(2):
        result = run("-r", "-o", top / "stems", top)
        assert result.exit_code == 0, result.output
    assert results(top) == ["a.wav", "stems/a/accompaniment.wav", "stems/a/vocals.wav"]


def test_a_folder_without_songs(tmp_path: Path, out: Path) -> None:
    (tmp_path / "x").mkdir()
    result = run("-o", out, tmp_path / "x")
    assert result.exit_code == 1
    assert "no audio file in this folder" in result.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("-", "spleeterrt stream"),
        ("https://example.org/song.mp3", "download it first"),
        ("file://server/song.wav", "download it first"),
        ("", "an empty file name"),
    ],
)
def test_what_is_no_file_of_this_machine(name: str, reason: str, out: Path) -> None:
    result = run("-o", out, "--", name)
    assert (result.exit_code, result.stderr.count("Error")) == (1, 1)
    assert reason in result.stderr
    assert not out.exists()


def test_file_urls_and_names_that_look_like_urls(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_song(tmp_path / "a b.wav")
    monkeypatch.chdir(tmp_path)
    write_song(tmp_path / "-")
    for name in (path.as_uri(), f"file://localhost{path}".replace(" ", "%20"), "./-"):
        assert run("-o", out, name).exit_code == 0
    assert results(out) == stems_of("-", "a b")
    for name in ("C:/song.wav", "a:b.wav", "song: live.wav"):
        assert local_path(name) == name
    with pytest.raises(SpleeterError):
        local_path("ftp://x/y.wav")


def test_songs_of_one_name(tmp_path: Path, out: Path) -> None:
    songs = [write_song(tmp_path / name) for name in ("a/song.wav", "a/song.au", "b/song.wav")]
    result = run("-o", out, *songs)
    assert result.exit_code == 1
    same, apart = [line for line in result.stderr.splitlines() if line.startswith("Error")]
    assert "another --output" in same
    assert "{foldername}" in apart
    name = "{foldername}/{filename}/{instrument}.{codec}"
    assert run("-o", out, "-f", name, *songs[1:]).exit_code == 0


# --- what is refused --------------------------------------------------------------------


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["-c", "mp3", "-b", "lots"], "bitrate"),
        (["-c", "m4a", "-b", "-1k"], "bitrate"),
        (["-c", "flac", "--bit-depth", "float32"], "float32"),
        (["-c", "mp3", "--clip", "none"], "none"),
        (["-c", "mp3", "--sample-rate", "96000"], "96000"),
        (["-c", "mp3", "--sample-rate", "source", "-b", "nothing"], "bitrate"),
        (["--sample-rate", "fast"], "fast"),
        (["--sample-rate", "1000000"], "1000 to 768000 Hz"),
        (["--sample-rate", "999"], "1000 to 768000 Hz"),
        (["--bit-depth", "int12"], "int12"),
        (["-f", "{title}/{instrument}.wav"], "title"),
        (["-f", "{filename}.wav"], "{instrument}"),
        (["--stems", "vocals,piano"], "piano"),
        (["--mode", "three"], "three"),
        (["--above-band", "0.5", "--full-band"], "--full-band extends the masks"),
        (["--above-band", "0.5"], "--full-band extends them"),
        (["-a", "no.such.Adapter"], "no.such"),
        (["-a", f"{__name__}.Silence", "--bit-depth", "int24"], "--bit-depth"),
        (["-s", "1:75"], "1:75"),
        (["-s", "nan"], "nan"),
        (["-d", "0"], "--duration"),
        (["-o", ""], "empty name"),
        (["--threads", "0"], "--threads"),
        (["--json", "--spleeter-log"], "choose one"),
    ],
)
def test_wrong_values_are_found_once_before_any_work(
    options: list[str], reason: str, song: Path, out: Path
) -> None:
    songs = [shutil.copy(song, song.with_name(f"{number}.wav")) for number in range(3)]
    result = run("-o", out, *options, *songs)
    assert result.exit_code == 2, result.output
    assert result.stderr.count("\nError: ") == 1
    assert reason in result.stderr
    assert not out.exists()


def test_wrong_values_in_json(song: Path, out: Path) -> None:
    result = run("-q", "--json", "-o", out, "-c", "mp3", "-b", "lots", song)
    assert result.exit_code == 2
    (failure,) = objects(result)
    assert (failure["file"], failure["status"], failure["warnings"]) == (None, "failed", [])
    assert "bitrate" in failure["error"]["message"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("below", ["", "deep/er"])
def test_an_output_that_is_a_file(below: str, song: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in the way")
    result = run("-o", tmp_path / "out" / below, song)
    assert result.exit_code == 2
    assert "is not a folder" in result.stderr
    assert (tmp_path / "out").read_text() == "a file in the way"


@pytest.mark.parametrize(
    "options", [["--stems", "voice"], ["--two-stems", "voice"], ["--mwf", "--mode", "direct"]]
)
def test_errors_name_the_option(options: list[str], song: Path, out: Path) -> None:
    assert f"Error: {options[0]}: " in run(*options, "-o", out, song).stderr


@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_that_cannot_be_written(song: Path, out: Path) -> None:
    out.mkdir(mode=0o555)
    result = run("-o", out, song)
    assert (result.exit_code, result.stderr.count("cannot be written")) == (2, 1)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-b", "192k"], "--bitrate has no effect: wav files are lossless"),
        (["-c", "mp3", "--bit-depth", "int24"], "--bit-depth has no effect: mp3 files have no bit depth"),
        (["--mode", "residual", "--residual"], "--residual has no effect"),
        (["--two-stems", "vocals", "--residual"], "--residual has no effect"),
        (["-r"], "--recursive has no effect: no folder is named"),
        (["-B", "librosa"], "--stft-backend has no effect"),
    ],
)
def test_options_that_do_nothing_say_so(options: list[str], sentence: str, song: Path, out: Path) -> None:
    result = run("--json", "-q", "-o", out, *options, song, song.parent / "no.wav")
    assert result.exit_code == 1, result.output
    assert all(sentence in found["warnings"][0] for found in objects(result))
    assert len(objects(result)) == 2
    assert sentence not in result.stderr  # quiet
    shown = run("-o", out, *options, song)
    assert shown.stderr.count(sentence) == 1


def test_no_false_alarms(song: Path, out: Path) -> None:
    for options in (["-c", "mp3", "-b", "192k"], ["--bit-depth", "int24"], ["-r", song.parent]):
        (found, *_) = objects(run("--json", "-o", out, *options, song))
        assert found["warnings"] == [], options


class Silence(AudioAdapter):
    """An adapter of the user's."""

    def load(self, *args: Any, **options: Any) -> Any:
        return np.zeros((1000, 2), np.float32), 44100

    def save(self, *args: Any, **options: Any) -> None:
        pass


# --- Spleeter's own spellings -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "here"),
    [
        ("-i a.mp3", "a.mp3"),
        ("-i a.mp3 'b c.mp3' -o out", "a.mp3 'b c.mp3' -o out"),
        ("-o out -i a.mp3", "-o out a.mp3"),
        ("--inputs=a.mp3 -o out", "a.mp3 -o out"),
        ("-ia.mp3", "a.mp3"),
        ("--audio_filenames a.mp3 -m --max_duration 30", "a.mp3 --mwf -d 30"),
    ],
)
def test_spleeter_1_is_told_the_command_line(arguments: str, here: str) -> None:
    result = CliRunner().invoke(cli, f"separate {arguments}")
    assert result.exit_code == 2
    assert f"  spleeterrt separate {here}\n" in result.stderr


def test_spellings_with_underscores_and_hyphens(song: Path, out: Path) -> None:
    for output, name in (("--output_path", "--filename_format"), ("--output-path", "--filename-format")):
        result = CliRunner().invoke(
            cli,
            [
                "separate",
                "--params-filename",
                CONFIG,
                output,
                str(out),
                name,
                "{instrument}.{codec}",
                str(song),
            ],
        )
        assert result.exit_code == 0, result.output
    assert results(out) == ["accompaniment.wav", "vocals.wav"]


def test_capital_codecs_and_times(song: Path, out: Path) -> None:
    result = run("-o", out, "-c", "FLAC", "-s", "0:00.01", "-d", "0:00:00.05", song)
    assert result.exit_code == 0, result.output
    frames = {soundfile.info(path).frames for path in (out / "song").iterdir()}
    assert results(out) == ["song/accompaniment.flac", "song/vocals.flac"]
    assert frames == {2205}


def test_spleeter_log(song: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(out.parent)
    result = run("--spleeter-log", "-o", "out", song, "no.wav")
    assert result.exit_code == 1
    *lines, last = sorted(result.stdout.splitlines(), reverse=True)
    assert sorted(lines) == [f"INFO:spleeter:File out/song/{stem}.wav written succesfully" for stem in STEMS]
    assert last.startswith("ERROR:spleeter:no.wav")


# --- what is said -------------------------------------------------------------------------


def test_a_line_per_file(song: Path, out: Path) -> None:
    other = Path(shutil.copy(song, song.with_name("other.wav")))
    result = run("-o", out, song, other, song.parent / "no.wav")
    lines = result.stdout.splitlines()
    # What is missing is told first.
    assert [line.split(":")[0] for line in lines[:2]] == [f"[2/3] {song}", f"[3/3] {other}"]
    assert "2 files separated" in lines[2]
    assert run("-q", "-o", out, song, other).stdout == ""
    assert run("-o", out, song).stdout.count("\n") == 1


def test_output_that_cannot_be_written_is_no_failure_of_a_song(
    song: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path(shutil.copy(song, song.with_name("other.wav")))

    def fail(*_: object, **__: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("spleeterrt.cli.report.click.echo", fail)
    result = CliRunner().invoke(
        cli, ["separate", "-p", CONFIG, "--json", "-o", str(out), str(song), str(other)]
    )
    assert result.exit_code == 1
    assert "Error" not in result.stderr
    assert results(out) == stems_of("song")


def test_skip_existing(song: Path, out: Path) -> None:
    other = Path(shutil.copy(song, song.with_name("other.wav")))
    assert run("-o", out, song, other).exit_code == 0
    (out / "other" / "vocals.wav").unlink()
    before = (out / "song" / "vocals.wav").stat().st_mtime_ns
    result = run("--skip-existing", "-o", out, song, other)
    assert result.exit_code == 0
    assert f"[1/2] {song}: skipped" in result.stdout
    assert "1 file separated" in result.stdout
    assert "1 skipped" in result.stdout
    assert (out / "song" / "vocals.wav").stat().st_mtime_ns == before
    assert results(out) == stems_of("song", "other")
    found = objects(run("--skip-existing", "--json", "-o", out, song, other))
    assert [(f["file"], f["status"]) for f in found] == [(str(song), "skipped"), (str(other), "skipped")]
    assert found[0]["stems"]["vocals"] == str(out / "song" / "vocals.wav")


@pytest.mark.usefixtures("no_work")
def test_nothing_is_loaded_where_all_is_there(song: Path, out: Path) -> None:
    for stem in STEMS:
        write_song(out / "song" / f"{stem}.wav")
    assert run("--skip-existing", "-o", out, song).exit_code == 0
    missing = run("-o", out, song.parent / "no.wav")
    assert (missing.exit_code, missing.stderr.count("No such file")) == (1, 1)


def test_replaced_files_are_told_once(song: Path, out: Path) -> None:
    other = Path(shutil.copy(song, song.with_name("other.wav")))
    assert "replaced" not in run("-o", out, song).stderr
    result = run("-o", out, song, other)
    assert result.stderr.count("1 file had earlier results, which were replaced") == 1
    found = objects(run("--json", "-o", out, song))
    assert found[0]["replaced"] is True


def test_interrupted_says_what_is_done(
    song: Path, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    songs = [song, *(shutil.copy(song, song.with_name(f"{number}.wav")) for number in range(2))]
    real, count = Separator.separate_to_file, []

    def interrupt(*args: Any, **options: Any) -> object:
        count.append(1)
        if len(count) == 2:
            raise KeyboardInterrupt
        return real(*args, **options)

    monkeypatch.setattr(Separator, "separate_to_file", interrupt)
    result = run("-o", out, *songs)
    assert result.exit_code == 1  # click's own; 130 by `main`
    assert "1 of 3 files are done" in result.stderr
    assert "run the same command with --skip-existing" in result.stderr
    count.clear()
    assert "run the same command again" in run("--skip-existing", "-o", tmp_path / "2", *songs).stderr


def test_warnings_of_python_are_in_the_json(song: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import warnings

    real = Separator.separate_to_file

    def warn(*args: Any, **options: Any) -> object:
        warnings.warn("something overflowed", RuntimeWarning, stacklevel=1)
        return real(*args, **options)

    monkeypatch.setattr(Separator, "separate_to_file", warn)
    result = run("-q", "--json", "-o", out, song)
    (found,) = objects(result)
    assert found["warnings"] == ["RuntimeWarning: something overflowed"]
    assert result.stderr == ""


@pytest.mark.parametrize("quiet", [[], ["-q"], ["--verbose"]])
def test_warnings_in_json_do_not_depend_on_verbosity(quiet: list[str], song: Path, out: Path) -> None:
    song.write_bytes(song.read_bytes()[:-2000])
    (found,) = objects(run(*quiet, "--json", "-o", out, song))
    assert len(found["warnings"]) == 1
    assert "could be decoded" in found["warnings"][0]


def test_undecodable_bytes(tmp_path: Path) -> None:
    song = write_song(tmp_path / os.fsdecode(b"s\xff\n.wav"))
    out = tmp_path / os.fsdecode(b"o\xff")
    result = run("-o", out, song, tmp_path / os.fsdecode(b"no\xff.wav"))
    assert result.exit_code == 1
    assert "1 file separated" in result.stdout
    assert f"in {tmp_path}/o\N{REPLACEMENT CHARACTER}\n" in result.stdout
    assert "no\N{REPLACEMENT CHARACTER}.wav" in result.stderr
    (found,) = objects(run("--json", "-o", out, song))
    assert os.fsencode(found["file"]) == os.fsencode(song)


# --- without a folder for temporary files ---------------------------------------------------


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only root and no TMPDIR."""

    def fail(*args: object, **options: object) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    for name in (
        "gettempdir",
        "mkstemp",
        "mkdtemp",
        "TemporaryFile",
        "NamedTemporaryFile",
        "TemporaryDirectory",
    ):
        monkeypatch.setattr(tempfile, name, fail)


@pytest.mark.usefixtures("nowhere")
def test_output_without_temporary_files(song: Path, out: Path) -> None:
    for options in ([], ["--mwf"], ["--clip", "rescale"]):
        result = run("-o", out, *options, song)
        assert result.exit_code == 0, result.output
    assert results(out) == stems_of("song")
    result = run(song)
    assert result.exit_code == 2
    assert "name the results' folder with -o" in result.stderr


@pytest.mark.usefixtures("nowhere")
def test_blocks_without_temporary_files() -> None:
    with pytest.raises(SpleeterError, match="TMPDIR"):
        list(Separator(CONFIG, MWF=True).separate_blocks([np.zeros((1000, 2), np.float32)]))


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    "command", ["separate", "stream", "live", "models", "evaluate", "plot", "info", "completion"]
)
def test_help_without_temporary_files(command: str) -> None:
    result = CliRunner().invoke(cli, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.stdout


# --- the bar --------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", [20, 40, 63, 64, 80, 200])
@pytest.mark.parametrize("total", [None, 7.0, 36000.0])
def test_the_bar_fits(columns: int, total: float | None) -> None:
    from tqdm import tqdm

    name = "[3/30] \N{HIRAGANA LETTER A}" * 3 + "a very long name of a song.wav"
    form, room = terminal._bar_format(columns - 1, total)
    label = terminal.shortened(name, room)
    line = tqdm.format_meter(
        7.0, total, 65.0, ncols=columns - 1, prefix=label, bar_format=form, unit_scale=False
    )
    assert sum(map(terminal._width, line)) <= columns - 1
    if columns >= 40 and total is not None:
        assert "%" in line
        assert "[3/30]" in line
        assert line.rstrip("]")[-2:].isdigit()  # the time left is not cut off


def test_names_are_shortened_by_columns() -> None:
    assert terminal.shortened("song", 4) == "song"
    assert terminal.shortened("songs", 4) == "son…"
    assert terminal.shortened("\N{HIRAGANA LETTER A}" * 4, 6) == "\N{HIRAGANA LETTER A}" * 2 + "…"
