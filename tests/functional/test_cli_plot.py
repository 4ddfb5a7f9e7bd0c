"""`spleeterrt plot`: what it draws of which files, and what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from spleeterrt import Separator
from spleeterrt.cli import cli
from support.command import cli as run_command
from support.golden import case

pytest.importorskip("matplotlib")

RATE = 44100
CONFIG = str(case("tiny-4stems") / "config.json")
STEMS = ("vocals", "drums", "bass", "other")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """song.wav, and its stems in stems/, like a song of MUSDB18's."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    (tmp_path / "stems").mkdir()
    waves = {stem: rng.uniform(-0.2, 0.2, (RATE, 2)) for stem in STEMS}
    for stem, wave in waves.items():
        soundfile.write(tmp_path / "stems" / f"{stem}.wav", wave, RATE)
    soundfile.write(tmp_path / "stems" / "mixture.wav", sum(waves.values()), RATE)
    soundfile.write(tmp_path / "song.wav", sum(waves.values()), RATE)
    return tmp_path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `draw` was given last."""
    from spleeterrt import plot

    seen: dict[str, Any] = {}
    original = plot.draw

    def draw(title: str, mix: Any, stems: Any, **options: Any) -> bytes:
        seen.update(title=title, mix=mix, stems=dict(stems), **options)
        return original(title, mix, stems, **options)

    monkeypatch.setattr(plot, "draw", draw)
    return seen


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["plot", *map(str, arguments)])


def test_a_folder_of_stems(folder: Path, drawn: dict[str, Any]) -> None:
    done = run("song.wav", "stems", "-o", "pictures/new.png")
    assert done.exit_code == 0, done.output
    assert (folder / "pictures/new.png").read_bytes().startswith(b"\x89PNG")
    assert "the picture is pictures/new.png" in done.stdout
    assert drawn["title"] == "song.wav"
    assert list(drawn["stems"]) == list(STEMS)  # in their usual order, without the mixture
    assert [path.name for path in (folder / "pictures").iterdir()] == ["new.png"]


def test_files_and_the_song_alone(folder: Path, drawn: dict[str, Any]) -> None:
    (folder / "stems" / "drums.wav").rename(folder / "song_drums.wav")
    assert run("song.wav", "song_drums.wav", "stems/bass.wav").exit_code == 0
    assert list(drawn["stems"]) == ["drums", "bass"]
    assert (folder / "song.png").exists()
    assert run("song.wav", "-o", "alone.svg", "--title", "My song", "-q").stdout == ""
    assert (drawn["title"], drawn["stems"], drawn["kind"]) == ("My song", {}, "svg")


def test_the_mixture_of_its_own_folder(folder: Path, drawn: dict[str, Any]) -> None:
    assert run("stems/mixture.wav", "stems", "-o", "a.png").exit_code == 0
    assert list(drawn["stems"]) == list(STEMS)


def test_a_model_separates(folder: Path, drawn: dict[str, Any]) -> None:
    done = run("song.wav", "-p", CONFIG, "-o", "model.png")
    assert done.exit_code == 0, done.output
    wave = soundfile.read("song.wav", dtype="float32")[0]
    for stem, expected in Separator(CONFIG).separate(wave).items():
        assert drawn["stems"][stem].energy == pytest.approx(
            float((expected.astype(float) ** 2).sum()), rel=1e-5
        )
    assert sorted(path.name for path in folder.iterdir()) == ["model.png", "song.wav", "stems"]


def test_a_part(folder: Path, drawn: dict[str, Any]) -> None:
    assert run("song.wav", "stems", "-s", 0.25, "-d", 0.5, "--top", 8, "--range", 60).exit_code == 0
    assert (drawn["start"], drawn["top_khz"], drawn["range_db"]) == (0.25, 8, 60)
    wave = soundfile.read("stems/bass.wav")[0][RATE // 4 : RATE // 4 * 3]
    assert drawn["stems"]["bass"].seconds == pytest.approx(0.5, abs=1 / RATE)
    assert drawn["stems"]["bass"].energy == pytest.approx((wave**2).sum(), rel=1e-3)


def test_usage(folder: Path) -> None:
    assert run("song.wav", "stems", "-p", CONFIG).exit_code == 2
    for name in ("picture.gif", "picture", ""):
        done = run("song.wav", "-o", name)
        assert done.exit_code == 2
        assert "expected a name in .png, .pdf, .svg" in done.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.wav",), "missing.wav: cannot be read"),
        (("song.wav", "missing.wav"), "missing.wav: cannot be read"),
        (("song.wav", "empty"), "empty: no stems in this folder"),
        (("song.wav", "stems/bass.wav", "song_bass.wav"), "two stems have the name 'bass'"),
        (("song.wav", "-s", "7"), "beyond the end"),
        (("song.wav", "text.wav"), "text.wav"),
        (("song.wav", "-p", "missing"), "missing"),
        (("song.wav", "-o", "song.wav/x.png"), "song.wav/x.png: cannot be written"),
    ],
)
def test_errors_leave_nothing(folder: Path, arguments: tuple[str, ...], message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "text.wav").write_text("no audio")
    (folder / "song_bass.wav").write_bytes((folder / "stems" / "bass.wav").read_bytes())
    before = sorted(folder.rglob("*"))
    done = run(*arguments)
    assert done.exit_code == 1
    assert done.output.startswith("Error: ")
    assert message in done.output
    assert sorted(folder.rglob("*")) == before


def test_no_input_is_replaced(folder: Path) -> None:
    (folder / "stem.png").write_bytes((folder / "song.wav").read_bytes())
    done = run("song.wav", "stem.png", "-o", "stem.png")
    assert done.exit_code == 1
    assert "the picture would replace an input" in done.output


def test_without_matplotlib(folder: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None; sys.argv[0] = 'spleeterrt'\n"
        "from spleeterrt.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "plot", "song.wav"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "pip install 'spleeterrt[plot]'" in done.stderr
    assert not (folder / "song.png").exists()


def test_help_is_quick_and_whole(folder: Path) -> None:
    done = run_command("plot", "--help")
    assert done.returncode == 0
    assert "spleeterrt plot song.mp3 -p spleeter:4stems" in done.stdout
