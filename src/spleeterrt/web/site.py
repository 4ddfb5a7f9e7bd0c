"""The files of the page, and the model that it separates with."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import SpleeterError, reason
from ..models import convert, info
from ..network.config import STARTER_STEMS
from ..regular import open_regular

BUILD_VARIABLE = "SPLEETERRT_WEB_BUILD"
INSTALLED = Path(__file__).resolve().parents[1] / "_web"

DEFAULT_MODEL = "starter:4stems"
SETTINGS = "settings.json"
# What a site has at least; some of the files that the first ones ask for.
REQUIRED = (
    "index.html",
    "sw.js",
    "app/main.js",
    "spleeterrt.js",
    "spleeterrt.wasm",
    "spleeterrt-relaxed.wasm",
)

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".md": "text/markdown; charset=utf-8",
    ".safetensors": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".ts": "text/plain; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",  # what `WebAssembly.compileStreaming` demands
    ".webmanifest": "application/manifest+json",
}


def content_type(name: str) -> str:
    return _TYPES.get(Path(name).suffix, "application/octet-stream")


@dataclass(frozen=True)
class Site:
    """
    Attributes:
        files: {relative address: file}; the model is among them, `settings.json` is not.
        settings: the content of `settings.json`.
        model: the model's relative address.
    """

    files: dict[str, Path]
    settings: bytes
    model: str

    @property
    def model_path(self) -> Path:
        return self.files[self.model]


def open_site(
    scratch: Path, *, model: str = DEFAULT_MODEL, folder: str | os.PathLike[str] | None = None
) -> Site:
    """The page with a model.

    Args:
        scratch: an empty folder, in which a model that is no `.safetensors` file is converted; it has to stay
            for as long as the site is used.
        model: as in `load_model`.
        folder: a built site; None: `SPLEETERRT_WEB_BUILD`, or the one in this package.

    Raises:
        SpleeterError: there are no files for browsers, or the model cannot be read.
    """
    files = _site_files(folder)
    name, path, choices = _model(model, scratch)
    address = f"{name}.safetensors"
    settings: dict[str, object] = {"model": f"{address}?v={_digest(path)}", "name": name}
    if choices:
        settings["choices"] = choices
    content = json.dumps(settings, indent=2, ensure_ascii=False).encode() + b"\n"
    return Site({**files, address: path}, content, address)


def _site_files(folder: str | os.PathLike[str] | None) -> dict[str, Path]:
    given = folder or os.environ.get(BUILD_VARIABLE)
    root = Path(given) if given else INSTALLED
    missing = [name for name in REQUIRED if not (root / name).is_file()]
    if missing and not given:
        raise SpleeterError(
            "this installation has no files for browsers: it was built without the compiler for WebAssembly "
            "(clang 19 with WASI's libraries). docs/web.md says how to build them; --site FOLDER, or "
            f"{BUILD_VARIABLE}, says where they are"
        )
    if missing:
        raise SpleeterError(f"{root}: expected a built site, but there is no {missing[0]}")
    found = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}
    return {
        name: path for name, path in found.items() if name != SETTINGS and not name.endswith(".safetensors")
    }


def _model(model: str, scratch: Path) -> tuple[str, Path, list[dict[str, object]]]:
    """Name, file, and the sets of stems to choose from, if there are several."""
    known = info(model)
    if model.startswith("starter:") and known.path is not None:
        sets = {f"{len(stems)} stems": list(stems) for stems in STARTER_STEMS.values()}
        first = f"{len(known.config.instruments)} stems"
        order = [first, *(label for label in sets if label != first)]
        return "starter", known.path, [{"label": label, "stems": sets[label]} for label in order]
    if known.path is not None and known.path.suffix == ".safetensors":
        return _name(known.path.stem), known.path, []
    path = convert(model, scratch / "model.safetensors")
    return _name(model.replace(":", "-")), path, []


def _name(text: str) -> str:
    """A part of an address and of a file's name."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in Path(text).name)
    return kept.strip("-.") or "model"


def _digest(path: Path) -> str:
    """Tells browsers, which keep models, that this is another one."""
    digest = hashlib.sha256()
    try:
        with open_regular(path) as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
    except OSError as error:
        raise SpleeterError(f"cannot read {path}: {reason(error)}") from error
    return digest.hexdigest()[:12]
