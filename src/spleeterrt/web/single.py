"""The page as one file that works wherever it lies, also when it is opened as `file://`.

There a page may fetch nothing, and workers and modules have no addresses. So the file holds everything as
text, and a few lines at its end make Blobs of it: modules in an order in which each finds the addresses of
those it imports. The policy names these lines and the style by their hashes; nothing else may run, and
nothing be fetched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import posixpath
import re
from functools import partial
from pathlib import Path

from ..atomic import write_whole
from ..errors import SpleeterError, reason
from .site import Site

MAIN, ASSETS = "app/main.js", "app/assets.js"
# Of what is in the modules.
NOTICES = ("LICENSE", "NOTICES.md", "licenses/pocketfft.md", "licenses/picojson.txt")
MODULES = {"plain": "spleeterrt.wasm", "relaxed": "spleeterrt-relaxed.wasm"}

_IMPORT = re.compile(
    r"""(?P<before>\bfrom\s+|\bimport\s+)(?P<quote>['"])(?P<name>\.{1,2}/[^'"]+)(?P=quote)"""
)
_ADDRESS = re.compile(
    r"new URL\(\s*(?P<quote>['\"])(?P<name>\.{1,2}/[^'\"]+)(?P=quote),\s*import\.meta\.url\s*\)"
)
_CLASSIC = re.compile(r"""(new Worker\("@module:[^"]+"),\s*\{\s*type:\s*['"]module['"],?\s*\}\s*\)""")
_STATEMENT = re.compile(r"""^import\s[^;]*?['"];$""", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async |const |let |function|class ))", re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:const|let|class|(?:async )?function\*?) (?P<name>\w+)", re.MULTILINE)

# In the place of app/assets.js.
_ASSETS = """
const bytesOf = (id) => {
  const text = atob(document.getElementById(id).textContent), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};
export const assets = {
  settings: async () => JSON.parse(document.getElementById('settings.json').textContent),
  model: () => new Blob([bytesOf('model')]),
  worker: (address) => new Worker(address),
  loadOptions: { wasm: { plain: bytesOf('spleeterrt.wasm'), relaxed: bytesOf('spleeterrt-relaxed.wasm') } },
  liveOptions: {},
  offline: false,
};
"""

_BOOT = """
const addresses = new Map();
for (const block of document.querySelectorAll('script[data-module]')) {
  const text = block.textContent;
  const source = text.replace(/"@module:([^"]+)"/g, (_, name) => JSON.stringify(addresses.get(name)));
  addresses.set(block.dataset.module, URL.createObjectURL(new Blob([source], { type: 'text/javascript' })));
}
import(addresses.get('app/main.js'));
"""


def write_single(site: Site, path: str | os.PathLike[str]) -> Path:
    """Write the page with everything in it, the model too; a file of the same name is replaced in one step.

    Raises:
        SpleeterError: it cannot be written.
    """
    target = Path(os.path.abspath(path))
    try:
        write_whole(target, single_page(site).encode())
    except OSError as error:
        raise SpleeterError(f"cannot write {target}: {reason(error)}") from error
    return target


def single_page(site: Site) -> str:
    page = site.files["index.html"].read_text(encoding="utf-8")
    style = site.files["app/style.css"].read_text(encoding="utf-8")
    icon = base64.b64encode(site.files["app/icon.svg"].read_bytes()).decode()
    policy = (
        f"default-src 'none'; script-src '{_hash(_BOOT)}' blob: 'wasm-unsafe-eval'; "
        f"style-src '{_hash(style)}'; img-src data:; worker-src blob:; base-uri 'none'; form-action 'none'"
    )
    page = _replaced(page, r'(?<=http-equiv="Content-Security-Policy" content=")[^"]+', policy)
    page = _replaced(
        page, r'<link rel="icon"[^>]*>', f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">'
    )
    page = _replaced(page, r'\s*<link rel="manifest"[^>]*>', "")
    page = _replaced(page, r'<link rel="stylesheet"[^>]*>', f"<style>{style}</style>")
    page = _replaced(page, r'\s*<script type="module"[^>]*></script>', "")
    blocks = [*_modules(site), *_data(site), f'<script type="module">{_BOOT}</script>']
    return _replaced(page, r"</body>", "\n".join([*blocks, "</body>"]))


def _replaced(page: str, pattern: str, text: str) -> str:
    changed, count = re.subn(pattern, lambda match: text, page)
    if count != 1:
        raise SpleeterError(f"index.html: expected one {pattern!r}, found {count}")
    return changed


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _modules(site: Site) -> list[str]:
    """All modules that the page needs, each after those that it names."""
    done: dict[str, str] = {}

    def add(name: str, path: tuple[str, ...]) -> str:
        """In the place of a module's address."""
        if name not in done:
            source = _IMPORT.sub(partial(imported, name, path), _source(site, name, path))
            done[name] = _CLASSIC.sub(r"\1)", _ADDRESS.sub(partial(addressed, name), source))
        return f'"@module:{name}"'

    def imported(name: str, path: tuple[str, ...], match: re.Match[str]) -> str:
        return match["before"] + add(_beside(name, match["name"]), (*path, name))

    def addressed(name: str, match: re.Match[str]) -> str:
        other = _beside(name, match["name"])
        if not other.endswith(".js"):
            return "undefined"  # the modules of WebAssembly are handed over by app/assets.js
        done.setdefault(other, _flat(site, other))
        return f'"@module:{other}"'

    add(MAIN, ())
    return [
        f'<script type="text/plain" data-module="{name}">{_inert(text)}</script>'
        for name, text in done.items()
    ]


def _flat(site: Site, main: str) -> str:
    """A worker as one classic script: of Blobs of `file://` no worker can be a module, nor import one."""
    parts: dict[str, str] = {}
    names: dict[str, str] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in parts:
            return
        source = _source(site, name, path)
        for match in _IMPORT.finditer(source):
            add(_beside(name, match["name"]), (*path, name))
        for declared in _DECLARED.findall(source):
            if names.setdefault(declared, name) != name:
                raise SpleeterError(
                    f"{declared} is declared in {names[declared]} and in {name}, both of {main}"
                )
        parts[name] = _EXPORT.sub("", _STATEMENT.sub("", source))

    add(main, ())
    return "\n".join(parts.values())


def _source(site: Site, name: str, path: tuple[str, ...]) -> str:
    if name in path:
        raise SpleeterError(f"modules that import each other: {' -> '.join((*path, name))}")
    return _ASSETS if name == ASSETS else site.files[name].read_text(encoding="utf-8")


def _beside(name: str, address: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), address))


def _data(site: Site) -> list[str]:
    files = {"model": site.model_path, **{name: site.files[name] for name in MODULES.values()}}
    blocks = [f'<script type="application/json" id="settings.json">{_inert(site.settings.decode())}</script>']
    for name, path in files.items():
        text = base64.b64encode(path.read_bytes()).decode()
        blocks.append(f'<script type="text/plain" id="{name}">{text}</script>')
    for name in NOTICES:
        if name in site.files:
            notice = _inert(site.files[name].read_text(encoding="utf-8"))
            blocks.append(f'<script type="text/plain" id="{name}">\n{notice}</script>')
    return blocks


def _inert(text: str) -> str:
    """What would end the block in the middle."""
    if re.search(r"<(/script|!--)", text, re.IGNORECASE):
        raise SpleeterError("a module that holds </script> or <!-- cannot be part of one file")
    return text
