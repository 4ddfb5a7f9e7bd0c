"""The archive of the plugin for musicians, from a build whose folder SPLEETERRT_PLUGIN_BUILD names."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

BUILD = os.environ.get("SPLEETERRT_PLUGIN_BUILD", "")
ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not BUILD, reason="SPLEETERRT_PLUGIN_BUILD names no build of the plugin")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, unpacked: its one folder."""
    folder = tmp_path_factory.mktemp("archive")
    with (Path(BUILD) / "tests.lock").open("w") as lock:  # processes of pytest-xdist share the build
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = subprocess.run(
            ["cmake", "--build", BUILD, "--target", "plugin-zip"], check=True, capture_output=True, text=True
        )
        (file,) = re.findall(r"-- (\S+\.zip)$", made.stdout + made.stderr, re.M)
        with zipfile.ZipFile(file) as content:
            assert content.testzip() is None
            content.extractall(folder)
    (only,) = folder.iterdir()
    assert only.name == Path(file).stem
    return only


def test_bundles_are_those_of_the_build(archive: Path) -> None:
    built = Path(BUILD) / "bundles"
    formats = sorted(folder.name for folder in built.iterdir())
    assert sorted(folder.name.lower() for folder in archive.iterdir() if folder.name.isupper()) == formats
    for name in formats:
        files = [file.relative_to(built / name) for file in (built / name).rglob("*") if file.is_file()]
        assert any("safetensors" in file.name for file in files), f"{name} has no model"
        for file in files:
            assert (archive / name.upper() / file).read_bytes() == (built / name / file).read_bytes()


def test_the_page_is_whole(archive: Path) -> None:
    page = (archive / "INSTALL.html").read_text(encoding="utf-8")
    assert not re.search(r"@\w+@", page)
    pictures = re.findall(r'<img src="([^"]+)"', page)
    assert len(pictures) == 2
    for picture in pictures:
        assert (archive / picture).read_bytes().startswith(b"\x89PNG")
    for tag in ("table", "tr", "td", "figure", "p", "svg", "pre", "h2"):
        assert len(re.findall(rf"<{tag}[ >]", page)) == page.count(f"</{tag}>"), tag
    formats = {folder.name for folder in archive.iterdir() if folder.name.isupper()}
    (places,) = re.findall(r"with its subfolders, to:</p>\n<table>(.*?)</table>", page, re.S)
    assert set(re.findall(r"<tr><td>(\w+)</td><td><code>[^<]+</code>", places)) == formats
    assert ("~/." in places) == ("linux" in archive.name)  # its own system's folders alone
    assert ("%LOCALAPPDATA%" in places) == ("windows" in archive.name)
    (manual,) = set(re.findall(r"https://github.com/spleeterrt/spleeterrt/blob/main/(docs/\w+\.md)", page))
    assert (ROOT / manual).is_file()


def test_licences_of_all_that_is_in_it(archive: Path) -> None:
    texts = {file.name: file.read_text(encoding="utf-8") for file in (archive / "licences").iterdir()}
    assert "MIT" in texts["LICENSE.txt"]
    assert "Apache License" in texts["ROBOTO-LICENSE.txt"]
    assert "Kazuho Oku" in texts["PICOJSON-LICENSE.txt"]
    assert "Max-Planck-Society" in texts["POCKETFFT-LICENSE.txt"]
    assert texts["STARTER-MODEL.txt"]
    for name in ("CLAP", "travesty", "LV2", "stb_truetype", "Roboto", "libstdc++", "winpthreads"):
        assert name in texts["NOTICES.txt"]
