"""Who may import whom, in Python and in C++: read from the sources, nothing is run.

The tables below are the rule. A room is a folder, or a file that lies beside the folders; it may import from
rooms on floors below its own, and from itself. Rooms of one floor know nothing of each other. Imports inside
functions and those for types alone count like any other.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PYTHON, CORE, EXTERN = (ROOT / "src" / name for name in ("spleeterrt", "_kernels/core", "_kernels/extern"))

# The ground floor first.
PYTHON_FLOORS = (
    ("_version", "errors", "names", "regular", "signals", "_kernels"),  # nothing of ours; _kernels: compiled
    ("arguments", "embedding"),  # checks of what users pass; where the library for C lies
    ("arrays", "atomic", "parallel", "watching"),  # memory, files and threads
    ("network", "audio"),  # a model in memory; audio files: neither knows the other
    ("models", "stft", "kernels", "background", "background_jobs", "output_paths", "activity", "reaper"),
    ("pipeline", "realtime", "file_job", "plot", "web"),  # stems; streams; one file; pictures; the page
    ("song_job", "unpack", "stem_activity"),
    ("file_separation",),
    ("separator",),
    ("evaluate", "fidelity", "serve", "catalogue"),  # scores and comparisons; songs over HTTP; many songs
    ("cli",),  # click; imported by nobody but the two doors above it
    ("compat",),  # Spleeter's own module names and command line
    ("__main__",),  # `python -m spleeterrt`
    ("",),  # the package itself: public names, on first use
)
CORE_FLOORS = (
    ("cpu", "win32"),  # what the machine can run; what the system wants
    (*("aligned", "check", "clock", "denormals", "isa", "machine", "portability", "realtime", "simd"),),
    ("fast",),  # the layers and a matrix product, once per instruction set
    # networks and model files; modes, STFT, masks, Wiener filter; which BLAS; several threads on one network
    ("network", "sound", "blas", "work_sharing"),
    ("stream", "offline", "task_threads"),  # the engines; threads for tasks
    ("c", "live"),  # the C interface; audio clients
)

# What stands against the rule, and why: (file, room it knows).
PYTHON_EXCEPTIONS = {
    # Spleeter's names in modules that both packages have, imported when they are asked for.
    ("audio/__init__.py", "compat"),
    ("audio/adapter.py", "compat"),
    ("audio/ffmpeg.py", "compat"),
    ("separator.py", "compat"),
}
CORE_EXCEPTIONS = {
    ("machine.cpp", "stream"),  # starts threads as the engine does, to see how many can be had
    ("task_threads.cpp", "stream"),  # so do these
}

# Modules that import each other, and why that is as it should be.
CIRCLES = {
    # What a file holds is found by the reader of its container, which is loaded on demand.
    frozenset({"audio.parts", "audio.mpeg_parts", "audio.sized_files", "audio.wav_file"}),
    # `AudioAdapter.default()` is Spleeter's: the base class makes an object of its subclass.
    frozenset({"audio.adapter", "audio.soundfile_adapter"}),
    # So is `ModelProvider.default()`.
    frozenset({"compat.model.provider", "compat.model.provider.github"}),
}

# Rules that hold however the floors may be built anew.
NEVER = (
    ("network", "models", "a network does not know where its weights come from"),
    ("network", "audio", "a network does not know files"),
    ("realtime", "pipeline", "a stream does not run the pipeline of files"),
    ("realtime", "separator", "a stream does not run the pipeline of files"),
    ("audio", "network", "audio files are read and written without a network"),
)

# The files that include vendored libraries.
EXTERNAL = {"pocketfft": {"sound/stft.cpp"}, "picojson": {"network/strict_json.h"}}


class Arrow(NamedTuple):
    """An import: where it stands, from which module or file, of which one."""

    line: str
    source: str
    target: str

    @property
    def file(self) -> str:
        """Within the package or within core."""
        return self.line.rpartition(":")[0].partition("/")[2]


# --- Python -------------------------------------------------------------------------


def python_arrows(package: Path) -> Iterator[Arrow]:
    """Every import of the package's own modules, by their names within it; "" is the package itself."""
    files = {_module(path.relative_to(package)): path for path in sorted(package.rglob("*.py"))}
    for module, path in files.items():
        inside = module if path.name == "__init__.py" else module.rpartition(".")[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for target in _imported(node, inside, files, package.name):
                yield Arrow(f"{path.relative_to(package.parent)}:{node.lineno}", module, target)


def _module(path: Path) -> str:
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(node: ast.AST, inside: str, files: Mapping[str, Path], package: str) -> Iterator[str]:
    own = f"{package}."
    if isinstance(node, ast.Import):
        yield from (alias.name.removeprefix(own) for alias in node.names if alias.name.startswith(own))
    elif isinstance(node, ast.ImportFrom):
        name = node.module or ""
        if node.level:
            base = inside.split(".") if inside else []
            name = ".".join([*base[: len(base) - node.level + 1], *filter(None, [name])])
        elif f"{name}.".startswith(own):
            name = name.removeprefix(package).removeprefix(".")
        else:
            return
        for alias in node.names:  # of a package its modules, or what it offers
            whole = f"{name}.{alias.name}" if name else alias.name
            yield whole if whole in files or name == "_kernels" else name
    elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
        match = re.match(r"'" + re.escape(own) + r"([\w.]+)'", ", ".join(map(ast.unparse, node.args)))
        if match:  # modules of `compat` are found as if they were the package's own
            yield match[1] if match[1] in files else f"compat.{match[1]}"


# --- C++ ------------------------------------------------------------------------------


def core_arrows(core: Path) -> Iterator[Arrow]:
    """Every `#include "..."` of core's own files, by their paths within it."""
    for path in sorted(core.rglob("*")):
        if path.suffix not in (".h", ".cpp", ".c"):
            continue
        source = path.relative_to(core).as_posix()
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*"([^"]+)"', text)
            if match:
                beside = path.parent / match[1]
                target = beside.relative_to(core).as_posix() if beside.is_file() else match[1]
                yield Arrow(f"core/{source}:{number}", source, target)


# --- the rules ---------------------------------------------------------------------------


def room(name: str) -> str:
    """Of `audio.reader` or `sound/stft.h` the folder, of `errors` or `clock.h` the file itself."""
    return re.split(r"[./]", name)[0]


def upward(
    arrows: Sequence[Arrow], floors: Sequence[Sequence[str]], exceptions: set[tuple[str, str]]
) -> list[str]:
    """What does not go down; unknown rooms, and exceptions that are none any more, are reported as well."""
    floor_of = {name: floor for floor, names in enumerate(floors) for name in names}
    faults, used = [], set()
    for arrow in arrows:
        line, source, target = arrow
        of, to = room(source), room(target)
        if of == to:
            continue
        unknown = [name for name in (of, to) if name not in floor_of]
        if unknown:
            faults.append(f"{line}: {unknown[0]!r} stands on no floor; give it one in {Path(__file__).name}")
        elif floor_of[to] < floor_of[of]:
            continue
        elif (arrow.file, to) in exceptions:
            used.add((arrow.file, to))
        else:
            faults.append(
                f"{line}: {source or 'the package'} (floor {floor_of[of]}) imports {target} "
                f"(floor {floor_of[to]}); only floors below may be imported"
            )
    return faults + [f"{file} imports {to} no more: no exception" for file, to in sorted(exceptions - used)]


def circles(arrows: Sequence[Arrow]) -> set[frozenset[str]]:
    """Sets of modules or files that import each other, directly or by way of others."""
    knows: dict[str, set[str]] = {}
    for _, source, target in arrows:
        if source != target:
            knows.setdefault(source, set()).add(target)

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for name in knows.get(waiting.pop(), set()) - seen:
                seen.add(name)
                waiting.append(name)
        return seen

    everything = {name: reached(name) for name in knows}
    return {
        frozenset(other for other in everything[name] if name in everything.get(other, ()))
        for name in knows
        if name in everything[name]
    }


def report(faults: Sequence[str]) -> str:
    return "".join(f"\n  {fault}" for fault in faults)


@pytest.fixture(scope="module")
def python() -> list[Arrow]:
    if not PYTHON.is_dir():
        pytest.skip("the sources are not here")
    return list(python_arrows(PYTHON))


@pytest.fixture(scope="module")
def core() -> list[Arrow]:
    if not CORE.is_dir():
        pytest.skip("the sources are not here")
    return list(core_arrows(CORE))


def test_python_imports_go_down(python: list[Arrow]):
    assert len(python) > 500  # all of them were found
    faults = upward(python, PYTHON_FLOORS, PYTHON_EXCEPTIONS)
    assert not faults, report(faults)


def test_core_includes_go_down(core: list[Arrow]):
    assert len(core) > 80
    inside = [arrow for arrow in core if room(arrow.target) not in EXTERNAL]
    faults = upward(inside, CORE_FLOORS, CORE_EXCEPTIONS)
    assert not faults, report(faults)


def test_no_module_imports_itself_by_way_of_others(python: list[Arrow], core: list[Arrow]):
    ours = [arrow for arrow in python if (arrow.file, room(arrow.target)) not in PYTHON_EXCEPTIONS]
    assert circles(ours) == CIRCLES
    assert circles(core) == set()


def test_rules_beside_the_floors(python: list[Arrow]):
    faults = [
        f"{line}: {source} imports {target}: {why}"
        for line, source, target in python
        for of, to, why in NEVER
        if (room(source), room(target)) == (of, to)
    ]
    assert not faults, report(faults)


def test_the_command_line_is_imported_by_nobody(python: list[Arrow]):
    doors = ("cli", "__main__", "compat")
    faults = [
        arrow.line for arrow in python if room(arrow.target) == "cli" and room(arrow.source) not in doors
    ]
    assert not faults, report(faults)


def test_vendored_libraries_have_one_user_each(core: list[Arrow]):
    assert {path.name for path in EXTERN.iterdir() if path.is_dir()} == set(EXTERNAL)
    users: dict[str, set[str]] = {name: set() for name in EXTERNAL}
    for arrow in core:
        if room(arrow.target) in EXTERNAL:
            users[room(arrow.target)].add(arrow.source)
    assert users == EXTERNAL


def test_the_package_loads_nothing_until_it_is_used():
    code = (
        "import sys; before = set(sys.modules); import spleeterrt; print(*sorted(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert "spleeterrt" in loaded
    assert loaded <= {"spleeterrt", *sys.stdlib_module_names}
    assert "spleeterrt.errors" not in done.stdout.split()


def test_faults_are_found(tmp_path: Path):
    """A package that breaks the rules, to see each of them fail with its line."""
    package = tmp_path / "spleeterrt"
    (package / "network").mkdir(parents=True)
    (package / "models").mkdir()
    (package / "__init__.py").write_text("")
    (package / "errors.py").write_text("def f():\n    from .models import sources\n")
    (package / "network" / "__init__.py").write_text("from . import config\n")
    (package / "network" / "config.py").write_text("import spleeterrt.network\n\nfrom ..elsewhere import x\n")
    (package / "models" / "__init__.py").write_text("from ..network.config import x\n")
    (package / "models" / "sources.py").write_text("from importlib import import_module\n")
    arrows = list(python_arrows(package))
    assert upward(arrows, PYTHON_FLOORS, {("models/sources.py", "compat")}) == [
        "spleeterrt/errors.py:2: errors (floor 0) imports models.sources (floor 4); only floors below may be "
        "imported",
        "spleeterrt/network/config.py:3: 'elsewhere' stands on no floor; give it one in test_architecture.py",
        "models/sources.py imports compat no more: no exception",
    ]
    assert circles(arrows) == {frozenset({"network", "network.config"})}
    (tmp_path / "core" / "fast").mkdir(parents=True)
    (tmp_path / "core" / "fast" / "a.h").write_text(
        '#pragma once\n#include "clock.h"\n# include "stream/b.h"\n'
    )
    (tmp_path / "core" / "clock.h").write_text("#include <chrono>\n")
    assert upward(list(core_arrows(tmp_path / "core")), CORE_FLOORS, set()) == [
        "core/fast/a.h:3: fast/a.h (floor 2) imports stream/b.h (floor 4); only floors below may be imported"
    ]
