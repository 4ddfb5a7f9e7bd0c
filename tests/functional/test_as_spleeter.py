"""Programs that import spleeter, unchanged: `python -m spleeterrt.as_spleeter` and `install_as_spleeter`."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import spleeterrt

PROGRAM = """
import atexit, multiprocessing, subprocess, sys, threading, time

import spleeter.separator
import spleeterrt
from spleeter.audio import Codec

spleeterrt.install_as_spleeter()  # is done

def twice(codec):
    return codec, Codec(2 * codec.value[0] + "v") if codec == "mp3" else codec

if __name__ == "__main__":
    print(sys.argv, __file__, __spec__, multiprocessing.current_process().name, flush=True)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.map(twice, [Codec.WAV])[0][0] is Codec.WAV, flush=True)
    subprocess.run([sys.executable, "-m", "spleeter", "--version"], check=True)
    threading.Thread(target=lambda: (time.sleep(0.1), print("thread", Codec.FLAC))).start()
    atexit.register(lambda: print("end", Codec.OGG))
"""


def python(*arguments: str, folder: Path, path: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [path, *sys.path]))}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def test_a_program_and_its_children(tmp_path: Path) -> None:
    script = tmp_path / "programs" / "program.py"
    script.parent.mkdir()
    script.write_text(PROGRAM)
    done = python("-m", "spleeterrt.as_spleeter", "programs/program.py", "-m", "x y", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"['programs/program.py', '-m', 'x y'] {script} None MainProcess",
        "True",
        f"spleeterrt {spleeterrt.__version__}",
        "thread flac",
        "end ogg",
    ]
    assert done.stderr == ""


def test_modules_and_code(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("import spleeter, sys; print(__name__, __spec__.name, sys.argv[1:])")
    done = python("-m", "spleeterrt.as_spleeter", "-m", "tool", "-c", folder=tmp_path)
    assert done.stdout == "__main__ tool ['-c']\n", done.stderr
    done = python("-m", "spleeterrt.as_spleeter", "-m", "spleeter", "separate", "--help", folder=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: spleeterrt separate")
    done = python(
        "-m", "spleeterrt.as_spleeter", "-c", "import spleeter, sys; print(sys.argv)", "1", folder=tmp_path
    )
    assert done.stdout == "['-c', '1']\n"


def test_the_command_prints_what_spleeters_does(tmp_path: Path) -> None:
    song = Path(__file__).parents[1] / "data" / "song.ogg"
    separate = ["separate", "-p", "starter:2stems", "-d", "1", "-o", "out", str(song)]
    alias = ("-m", "spleeterrt.as_spleeter", "-m", "spleeter")
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-m', 'spleeter', *{separate}])"
    lines = [
        f"INFO:spleeter:File {Path('out', 'song', stem)}.wav written succesfully"
        for stem in ("vocals", "accompaniment")
    ]
    for program in ([*alias, *separate], [*alias[:2], "-c", child]):
        done = python(*program, folder=tmp_path)
        assert done.stdout.splitlines() == lines, done.stderr
    assert '"status": "done"' in python(*alias, *separate, "--json", folder=tmp_path).stdout
    assert "1 file separated" in python("-m", "spleeterrt", *separate, folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "usage:"),
        (["-m"], "expected a module"),
        (["-x", "script.py"], "unknown option -x"),
        (["missing.py"], "missing.py: No such file"),
        (["-m", "no_such_module"], "no_such_module"),
    ],
)
def test_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", "kept")
    with pytest.raises(SystemExit) as caught:
        import_module("spleeterrt.as_spleeter").main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


@pytest.fixture
def real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The real package, where it can be imported."""
    package = tmp_path / "site" / "spleeter"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("real = True")
    monkeypatch.syspath_prepend(str(package.parent))
    return package


def test_the_real_package_stays(real: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finders = list(sys.meta_path)
    with pytest.raises(
        spleeterrt.SpleeterError, match=r"real spleeter is installed here .*spleeter.__init__.py"
    ):
        spleeterrt.install_as_spleeter()
    assert sys.meta_path == finders
    monkeypatch.setitem(sys.modules, "spleeter", object())  # imported before, whatever it is
    with pytest.raises(spleeterrt.SpleeterError, match="imported already"):
        spleeterrt.install_as_spleeter()


def test_children_of_another_python_get_their_own_spleeter(real: Path, tmp_path: Path) -> None:
    from importlib import import_module

    shim = import_module("spleeterrt.as_spleeter").SHIM
    done = python("-c", "import spleeter; print(spleeter.real)", folder=tmp_path, path=shim)
    assert done.stdout == "True\n", done.stderr


def test_children_of_children(tmp_path: Path) -> None:
    from importlib import import_module

    shim = import_module("spleeterrt.as_spleeter").SHIM
    code = "import sys, spleeter.audio; print(spleeter.audio.__name__, sys.path[-1])"
    done = python("-c", code, folder=tmp_path, path=shim)
    assert done.stdout.split() == ["spleeterrt.audio", shim], done.stderr


def test_a_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spleeter" / "separator").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    own, above = logging.getLogger("spleeterrt"), logging.getLogger("spleeter")
    monkeypatch.setattr(own, "parent", own.parent)
    monkeypatch.setattr(own, "level", logging.NOTSET)  # whatever a command in this process made of it
    own.isEnabledFor(logging.WARNING)  # is remembered
    above.setLevel(logging.CRITICAL)
    with pytest.raises(metadata.PackageNotFoundError):
        metadata.version("spleeter")
    spleeterrt.install_as_spleeter()
    spleeterrt.install_as_spleeter()  # again is no error
    assert metadata.version("spleeter") == "2.4.2"
    import spleeter  # type: ignore[import-not-found]

    try:
        assert spleeter.__version__ == "2.4.2"
        assert metadata.metadata("spleeter")["Summary"] == "spleeterrt under Spleeter's name"
        assert Path(spleeter.__file__).with_name("resources").joinpath("5stems.json").exists()
        assert not own.isEnabledFor(logging.WARNING)
    finally:
        above.setLevel(logging.NOTSET)
        del sys.modules["spleeter"]


def test_nothing_of_it_is_loaded_unasked(tmp_path: Path) -> None:
    code = """
import os, sys
import spleeterrt.separator, spleeterrt.audio.soundfile_adapter, spleeterrt.cli.separate
folder = os.path.join(os.path.dirname(spleeterrt.__file__), "compat")
files = {name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}
print([name for name, file in files.items() if file.startswith(folder)])
"""
    done = python("-c", code, folder=tmp_path)
    assert done.stdout == "[]\n", done.stderr
