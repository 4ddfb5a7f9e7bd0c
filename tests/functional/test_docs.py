"""Every block of code in README.md and docs/*.md runs as it stands there.

Shell blocks (`sh`) and Python blocks (`python`) of a page run in order in one folder, which holds what
the pages name: song.mp3, other.flac, a_folder/, musdb18hq/, ... In the place of Spleeter's models are small
random ones.
Python blocks stand alone, but for the names in `PRELUDE`. A comment before a block, invisible on the page:

    <!-- not run: the reason -->
    <!-- needs: onnx, onnxruntime -->      run where these packages are installed

Players, recorders and ffmpeg are stubs that take and give audio.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile

from support.checkpoint_writer import random_tensors, write_checkpoint

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, *(p for p in ROOT.glob("*.md") if p not in PAGES), ROOT / "examples" / "README.md"]
HERE = re.compile(
    r"https://(?:github\.com/spleeterrt/spleeterrt/(?:blob|tree)|raw\.githubusercontent\.com/spleeterrt/spleeterrt)/main/"
)
RUN = ("sh", "python")
SHOWN = ("text", "json", "diff", "cmake")  # never run
FENCE = re.compile(
    r"^(?:<!-- *(?P<mark>[^\n]*?) *-->\n)?```(?P<language>\w*)\n(?P<code>.*?)^```$", re.M | re.S
)
FILTERS = (1, 2, 2, 3, 3, 4)

PRELUDE = """
import numpy as _np
_rng = _np.random.default_rng(0)
waveform = _rng.uniform(-0.5, 0.5, (44100, 2)).astype(_np.float32)
source = [waveform[k : k + 1000] for k in range(0, 44100, 1000)]
magnitudes = _rng.random((1, 64, 64, 2), _np.float32)
play = lambda block: None
"""

# Spleeter's names with narrow networks, in every Python that a block starts.
SITE = f"""
try:
    from spleeterrt.network.config import OFFICIAL_CONFIGS as _configs
except ImportError:
    pass
else:
    for _name, _config in _configs.items():
        _configs[_name] = _config.replace(conv_n_filters={FILTERS})
"""

# Shorter than the latency: nothing can be late, although it comes without a clock.
ARECORD = """
import sys, wave
if "raw" in sys.argv:
    sys.stdout.buffer.write(bytes(4 * 4410))
else:
    with wave.open(sys.stdout.buffer, "wb") as file:
        file.setparams((2, 2, 44100, 4410, "NONE", ""))
        file.writeframes(bytes(4 * 4410))
"""
FFMPEG = """
import io, sys, soundfile
data, rate = soundfile.read(sys.argv[sys.argv.index("-i") + 1])
whole = io.BytesIO()
soundfile.write(whole, data, rate, format="WAV")
sys.stdout.buffer.write(whole.getvalue())
"""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str
    mark: str

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def not_run(self) -> bool:
        return self.mark.startswith("not run: ") or self.mark == "test-command"

    @property
    def missing(self) -> list[str]:
        if not self.mark.startswith("needs: "):
            return []
        names = [name.strip() for name in self.mark.removeprefix("needs: ").split(",")]
        return [name for name in names if importlib.util.find_spec(name) is None]


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            page,
            text.count("\n", 0, found.start("code")) + 1,
            found["language"],
            found["code"],
            found["mark"] or "",
        )
        for found in FENCE.finditer(text)
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_is_known(page: Path) -> None:
    blocks = blocks_of(page)
    assert 2 * len(blocks) == len(re.findall(r"^ *```", page.read_text(), re.M))
    for block in blocks:
        assert block.language in RUN + SHOWN, f"{block.where}: a block in {block.language!r}"


def test_marks_are_spelled_right() -> None:
    for page in PAGES:
        for block in blocks_of(page):
            known = block.not_run or block.mark.startswith("needs: ") or not block.mark
            assert known, f"{block.where}: {block.mark!r}"


def heading_anchors(page: Path) -> set[str]:
    """The anchors that GitHub makes of a page's headings."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        local = HERE.match(link)
        target, _, anchor = (link[local.end() :] if local else link).partition("#")
        if "://" in target:
            continue
        path = (ROOT if local else page.parent) / target if target else page
        assert path.exists(), f"{page.name}: {link}"
        if anchor and path.suffix == ".md":
            assert anchor in heading_anchors(path), f"{page.name}: {link}"


def test_readme_is_short_and_can_be_read_on_a_package_index() -> None:
    tomllib = pytest.importorskip("tomllib")
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 1100
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    index = project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for rule in index["substitutions"]:
        text = re.sub(rule["pattern"], rule["replacement"], text)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        assert link.startswith("https://"), link


def test_index_lists_every_page() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


def test_architecture_has_the_floors_of_its_test() -> None:
    """Its tables have the floors that tests/unit/test_architecture.py checks, each room on its floor."""
    spec = importlib.util.spec_from_file_location("floors", ROOT / "tests" / "unit" / "test_architecture.py")
    assert spec is not None
    assert spec.loader is not None
    floors = importlib.util.module_from_spec(spec)
    sys.modules["floors"] = floors
    spec.loader.exec_module(floors)
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    python, _, core = page.partition("## Floors of the core")
    for table, rule in ((python, floors.PYTHON_FLOORS), (core.partition("\n## ")[0], floors.CORE_FLOORS)):
        rows: dict[int, set[str]] = {}
        for number, names in re.findall(r"^\| (\d+) \| ([^|]*) \|", table, re.M):
            rows.setdefault(int(number), set()).update(re.findall(r"`(\w+)`", names))
        doors = [{"__main__"}, {""}]  # above the command line and Spleeter's names: no room of their own
        assert [rows.get(number + 1) for number in range(len(rows))] == [
            set(floor) for floor in rule if set(floor) not in doors
        ]


def test_folders_of_the_c_example_are_made() -> None:
    """It is not run here, but it must run as it stands: the example writes into a folder that is there."""
    (block,) = [b for b in blocks_of(ROOT / "docs" / "realtime.md") if "separate_wav " in b.code]
    made: set[str] = set()
    for line in block.code.splitlines():
        program, *words = line.split()
        if program == "mkdir":
            made.update(word.rstrip("/") for word in words)
        if program.endswith("separate_wav"):
            assert words[-1].rstrip("/") in made


def test_messages_are_those_of_the_program() -> None:
    sources = [path.read_text() for path in (ROOT / "src" / "spleeterrt").rglob("*.py")]
    rows = (ROOT / "docs" / "troubleshooting.md").read_text().splitlines()
    cells = [row.split("|")[1] for row in rows if row.startswith("| ")]
    messages = [message for cell in cells for message in re.findall("`([^`]+)`", cell)]
    assert len(messages) > 10
    for message in messages:
        for part in filter(None, map(str.strip, message.split("..."))):
            foreign = part.startswith(("No module", ".spleeterrt-", "OpenBLAS "))
            assert foreign or any(part in source for source in sources), part


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    folder = tmp_path / "sandbox"
    for name in ("a_folder", "path/to", "tests", "bin", "site"):
        (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, subtype in (
        ("song.mp3", None), ("song.wav", "PCM_16"), ("other.flac", None), ("a_folder/one.wav", "PCM_16"),
    ):  # fmt: skip
        soundfile.write(folder / name, rng.uniform(-0.5, 0.5, (2 * 44100, 2)), 44100, subtype=subtype)
    for number in range(2):
        track = folder / "musdb18hq" / f"Track {number}"
        track.mkdir(parents=True)
        waves = {
            name: rng.uniform(-0.2, 0.2, (2 * 44100, 2)) for name in ("vocals", "drums", "bass", "other")
        }
        for name, wave in {**waves, "mixture": sum(waves.values())}.items():
            soundfile.write(track / f"{name}.wav", wave, 44100)
    for count in (2, 4, 5):
        write_checkpoint(folder / "models" / f"{count}stems", random_tensors(count, FILTERS, count))
    shutil.copytree(folder / "models" / "2stems", folder / "path" / "to" / "checkpoint")
    shutil.copytree(ROOT / "tests" / "data", folder / "tests" / "data")
    (folder / "site" / "sitecustomize.py").write_text(SITE)
    python = f'exec "{sys.executable}"'
    programs = {
        "spleeterrt": f'{python} -m spleeterrt "$@"',
        **dict.fromkeys(("python", "python3"), f'{python} "$@"'),
        **dict.fromkeys(("mpv", "aplay"), "exec cat > /dev/null"),
    }
    for name, code in (("arecord", ARECORD), ("ffmpeg", FFMPEG)):
        (folder / "bin" / f"{name}.py").write_text(code)
        programs[name] = f'{python} {folder / "bin" / name}.py "$@"'
    for name, line in programs.items():
        script = folder / "bin" / name
        script.write_text(f"#!/bin/sh\n{line}\n")
        script.chmod(0o755)
    return folder


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_run(page: Path, sandbox: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{sandbox / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(sandbox / "site"), os.environ.get("PYTHONPATH")))),
        "MODEL_PATH": str(sandbox / "models"),
        "HOME": str(sandbox),
        "TMPDIR": str(sandbox),
        # What would be downloaded after all fails at once.
        "GITHUB_HOST": "http://127.0.0.1:9",
    }
    for block in blocks_of(page):
        if block.language not in RUN or block.not_run or block.missing:
            continue
        if block.language == "sh":
            command = ["bash", "-euo", "pipefail", "-c", block.code]
        else:
            command = [sys.executable, "-c", PRELUDE + block.code]
        done = subprocess.run(
            command, cwd=sandbox, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{block.where}\n{block.code}\n{done.stdout}\n{done.stderr}"
