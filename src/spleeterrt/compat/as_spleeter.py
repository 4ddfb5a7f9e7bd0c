"""`import spleeter` for programs that are not changed: this package under Spleeter's name, where asked for.

    python -m spleeterrt.as_spleeter script.py [ARGUMENT ...]
    python -m spleeterrt.as_spleeter -m module [ARGUMENT ...]      # -m spleeter: the command line
    python -m spleeterrt.as_spleeter -c code [ARGUMENT ...]

or, in a program, before it imports spleeter:

    spleeterrt.install_as_spleeter()

`spleeter.separator` and the others are then the modules `spleeterrt.separator` and so on themselves: classes
and exceptions are the same objects under both names, and are pickled under spleeterrt's. Only the package
`spleeter` is an object of its own, with Spleeter's `__version__`, which `importlib.metadata` gives as well.
What is reported passes the logger `spleeter`.

Nothing is installed where the real package can be imported. `python -m spleeterrt.as_spleeter` makes its
child processes (multiprocessing's, and Python that a program starts) do the same by PYTHONPATH;
`install_as_spleeter` leaves the environment alone: children that start from the beginning ("spawn") run the
program's main module, and so the call in it, themselves.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NoReturn

from spleeterrt.compat import __version__ as VERSION
from spleeterrt.errors import SpleeterError

NAME = "spleeter"
REAL = "spleeterrt"
HERE = os.path.dirname(os.path.abspath(__file__))
SHIM = os.path.join(HERE, "shim")  # on PYTHONPATH of child processes; holds a package `spleeter`


def install_as_spleeter() -> None:
    """Let `import spleeter` and its submodules mean this package, in this process. Calling it twice is fine.

    Raises:
        SpleeterError: the real Spleeter can be imported, or something of its name has been.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    there = sys.modules.get(NAME)
    if there is not None and not _is_shim(getattr(there, "__spec__", None)):
        raise SpleeterError(
            f"{NAME} is imported already, from {getattr(there, '__file__', None)}; call "
            "install_as_spleeter() before anything imports it"
        )
    if origin := real_spleeter():
        raise SpleeterError(
            f"the real {NAME} is installed here ({origin}), and would be hidden: uninstall it, or use an "
            "environment without it"
        )
    sys.meta_path.insert(0, _Finder())
    # Programs silence `logging.getLogger("spleeter")`, or give it handlers, and never import `utils.logging`.
    above = logging.getLogger(NAME)
    logging.getLogger(REAL).parent = above
    above.setLevel(above.level)  # empties logging's caches of levels


def real_spleeter() -> str | None:
    """The file of the real package, if it would be imported."""
    paths = [path for path in sys.path if os.path.abspath(path) != SHIM]
    for finder in sys.meta_path:
        if finder is PathFinder:
            spec = PathFinder.find_spec(NAME, paths)
        elif hasattr(finder, "find_spec"):
            spec = finder.find_spec(NAME, None)
        else:
            continue
        # A mere folder of this name (a checkout's, or that of the results) is no package.
        if spec is not None and spec.origin is not None and not _is_shim(spec):
            return spec.origin
    return None


def _is_shim(spec: object) -> bool:
    return isinstance(spec, ModuleSpec) and spec.origin is not None and Path(spec.origin).is_relative_to(SHIM)


class _Finder(DistributionFinder):
    """Finds `spleeter` in this folder, and `spleeter.x.y` as `spleeterrt.x.y`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == NAME:
            file = os.path.join(HERE, "__init__.py")
            return importlib.util.spec_from_file_location(NAME, file, submodule_search_locations=[HERE])
        if not fullname.startswith(f"{NAME}."):
            return None
        found = importlib.util.find_spec(REAL + fullname[len(NAME) :])
        if found is None:
            return None
        spec = ModuleSpec(fullname, _SameModule(found), origin=found.origin)
        spec.submodule_search_locations = found.submodule_search_locations
        return spec

    def find_distributions(
        self,
        context: DistributionFinder.Context = DistributionFinder.Context(),  # noqa: B008
    ) -> Iterable[Distribution]:
        return [_Distribution()] if context.name and context.name.lower() == NAME else []


class _SameModule(InspectLoader):
    """Loads a module by importing another and taking that in its place."""

    def __init__(self, found: ModuleSpec) -> None:
        self._found = found

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        # What stands in sys.modules afterwards is what the import gives.
        sys.modules[module.__name__] = import_module(self._found.name)

    # For `python -m spleeter` and tracebacks.

    def get_code(self, fullname: str) -> CodeType | None:
        loader = self._found.loader
        return loader.get_code(self._found.name) if isinstance(loader, InspectLoader) else None

    def get_source(self, fullname: str) -> str | None:
        loader = self._found.loader
        return loader.get_source(self._found.name) if isinstance(loader, InspectLoader) else None

    def is_package(self, fullname: str) -> bool:
        return self._found.submodule_search_locations is not None


class _Distribution(Distribution):
    """For programs that ask `importlib.metadata` for Spleeter's version."""

    def read_text(self, filename: str) -> str | None:
        if filename != "METADATA":
            return None
        return (
            f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n"
            f"Summary: {REAL} under Spleeter's name\nLicense: MIT License\n"
        )

    def locate_file(self, path: str | os.PathLike[str]) -> Any:
        return Path(HERE, path)


# --- python -m spleeterrt.as_spleeter -------------------------------------------------

_USAGE = "usage: python -m spleeterrt.as_spleeter (SCRIPT | -m MODULE | -c CODE) [ARGUMENT ...]"


def main(arguments: Sequence[str]) -> None:
    """Run a program as Python would, where `import spleeter` means this package."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(
            _USAGE if not arguments else f"{_USAGE}\n\n{__doc__}", file=sys.stderr if not arguments else None
        )
        sys.exit(0 if arguments else 2)
    kind, *rest = arguments
    if kind in ("-m", "-c") and not rest:
        _fail(f"{kind}: expected {'a module' if kind == '-m' else 'code'}\n{_USAGE}")
    if kind.startswith("-") and kind not in ("-m", "-c"):
        _fail(f"unknown option {kind}\n{_USAGE}")
    script = os.path.abspath(kind)
    if kind == "-c":
        sys.path[0] = ""
    elif kind != "-m" and not getattr(sys.flags, "safe_path", False):
        sys.path[0] = os.path.dirname(os.path.realpath(script))  # instead of the current folder
    try:
        install_as_spleeter()
    except SpleeterError as error:
        _fail(str(error))
    _tell_children()
    if kind == "-c":
        _run(compile(rest[0], "<string>", "exec", dont_inherit=True), ["-c", *rest[1:]])
    elif kind == "-m":
        _run_module(rest[0], rest[1:])
    else:
        try:
            source = Path(script).read_bytes()
        except OSError as error:
            _fail(f"{kind}: {error.strerror or error}")
        _run(compile(source, script, "exec", dont_inherit=True), [kind, *rest], __file__=script)


def _fail(message: str) -> NoReturn:
    print(f"Error: {message}", file=sys.stderr)
    sys.exit(2)


def _tell_children() -> None:
    """Put the package of the same name on the way of all Python that this process starts."""
    if SHIM not in sys.path:
        sys.path.append(SHIM)  # which multiprocessing hands on; in this process the finder comes first
    kept = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != SHIM]
    os.environ["PYTHONPATH"] = os.pathsep.join([SHIM, *kept])


def _run_module(name: str, arguments: Sequence[str]) -> None:
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = importlib.util.find_spec(f"{name}.__main__")
    except (ImportError, ValueError) as error:
        _fail(f"-m {name}: {error}")
    code = spec.loader.get_code(spec.name) if spec and isinstance(spec.loader, InspectLoader) else None
    if spec is None or code is None:
        _fail(f"-m {name}: no module of this name that can be run")
    _run(
        code,
        [spec.origin or name, *arguments],
        __file__=spec.origin,
        __spec__=spec,
        __package__=spec.parent,
        __loader__=spec.loader,
    )


def _run(code: CodeType, argv: Sequence[str], **names: object) -> None:
    """Run a program as `__main__`, which it stays: threads and exit handlers may outlive this call."""
    program = ModuleType("__main__")
    vars(program).update(names)
    sys.modules["__main__"] = program
    sys.argv[:] = argv
    exec(code, vars(program))


if __name__ == "__main__":
    # By its own name, so that there is one `_Finder`, also for programs that call `install_as_spleeter`.
    import_module("spleeterrt.as_spleeter").main(sys.argv[1:])
