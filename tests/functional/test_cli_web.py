"""`spleeterrt web`: the server, the folder for other hosts, the single file."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spleeterrt import load_model
from spleeterrt.cli import cli
from spleeterrt.errors import SpleeterError
from spleeterrt.models.sources import STARTER_FILE
from spleeterrt.web import Server, export_site, open_site, single, static
from spleeterrt.web import site as site_module
from support.checkpoint_writer import random_tensors, write_checkpoint

ROOT = Path(__file__).parents[2]
PACKAGE = {  # in the place of the npm package: the shape of what the page imports
    "spleeterrt.js": "export const load = () =>"
    " new Worker(new URL('./spleeterrt-worker.js', import.meta.url), { type: 'module' });\n"
    "export const wasm = new URL('./spleeterrt.wasm', import.meta.url);\n",
    "spleeterrt-worker.js": "postMessage('here');\n",
    "spleeterrt.wasm": "\0asm plain",
    "spleeterrt-relaxed.wasm": "\0asm relaxed",
    "LICENSE": "Permission is hereby granted to copy.\n",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built site."""
    monkeypatch.delenv(site_module.BUILD_VARIABLE, raising=False)
    built = tmp_path / "built"
    shutil.copytree(ROOT / "web" / "page", built)
    for name, text in PACKAGE.items():
        (built / name).write_text(text)
    return built


@pytest.fixture
def site(folder: Path, tmp_path: Path) -> site_module.Site:
    return open_site(tmp_path, folder=folder)


@contextmanager
def served(site: site_module.Site) -> Iterator[http.client.HTTPConnection]:
    server = Server(site, 0)
    thread = threading.Thread(target=server.serve)
    thread.start()
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()
        server.stop()
        thread.join()


def ask(
    connection: http.client.HTTPConnection, address: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(
        method, address, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    response = connection.getresponse()
    return response, response.read()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["web", *map(str, arguments)])


# --- the server -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/app/main.js", "text/javascript; charset=utf-8"),
        ("/app/style.css", "text/css; charset=utf-8"),
        ("/app/icon.svg", "image/svg+xml"),
        ("/sw.js", "text/javascript; charset=utf-8"),
        ("/settings.json", "application/json"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/spleeterrt.wasm", "application/wasm"),
        ("/starter.safetensors?v=1", "application/octet-stream"),
    ],
)
def test_types_and_lengths(site: site_module.Site, address: str, kind: str) -> None:
    with served(site) as connection:
        response, content = ask(connection, address)
        assert response.status == 200
        assert response.headers["Content-Type"] == kind
        assert int(response.headers["Content-Length"]) == len(content) > 0
        head, nothing = ask(connection, address, "HEAD")
        assert (head.status, nothing) == (200, b"")
        assert head.headers["Content-Length"] == response.headers["Content-Length"]


def test_headers(site: site_module.Site) -> None:
    with served(site) as connection:
        for address in ("/", "/app/store-worker.js", "/nowhere"):
            response, _ = ask(connection, address)
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "connect-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert not re.search(r"https?:|\*|unsafe-inline|unsafe-eval'(?<!wasm-unsafe-eval')", policy)
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert response.headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_unchanged_files_are_not_sent_again(site: site_module.Site) -> None:
    with served(site) as connection:
        first, _ = ask(connection, "/spleeterrt.js")
        again, content = ask(connection, "/spleeterrt.js", If_None_Match=first.headers["ETag"])
        assert (again.status, content) == (304, b"")
        site.files["spleeterrt.js"].write_text("changed")
        changed, content = ask(connection, "/spleeterrt.js", If_None_Match=first.headers["ETag"])
        assert (changed.status, content) == (200, b"changed")


@pytest.mark.parametrize(
    "address", ["/../secret", "/..%2fsecret", "/app/../../secret", "//etc/passwd", "/app", "/nowhere"]
)
def test_nothing_but_the_site(site: site_module.Site, tmp_path: Path, address: str) -> None:
    (tmp_path / "secret").write_text("secret")
    with served(site) as connection:
        response, content = ask(connection, address)
        assert response.status == 404
        assert b"secret" not in content.replace(address.encode(), b"")


def test_what_is_no_address(site: site_module.Site, capfd: pytest.CaptureFixture[str]) -> None:
    with served(site) as connection:
        connection.connect()
        connection.sock.sendall(b"GET http://[ HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 404 " in connection.sock.recv(100)
    assert capfd.readouterr().err == ""


def test_other_names_are_refused(site: site_module.Site) -> None:
    with served(site) as connection:
        for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            assert ask(connection, "/", Host=name)[0].status == 403
        for name in ("localhost", "localhost:8377", "127.0.0.1:1", "[::1]:8377"):
            assert ask(connection, "/", Host=name)[0].status == 200


def test_a_port_that_is_taken(site: site_module.Site) -> None:
    first = Server(site, 0)
    try:
        with pytest.raises(
            SpleeterError,
            match=f"cannot listen on 127.0.0.1:{first.port}: Address already in use; choose another --port",
        ):
            Server(site, first.port)
    finally:
        first._server.server_close()


def test_command(folder: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "spleeterrt",
        "web",
        "--no-browser",
        "--port",
        "0",
        "--site",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/  \(Ctrl-C ends\)\n", process.stdout.readline())
        assert address is not None
        connection = http.client.HTTPConnection("127.0.0.1", int(address[1]), timeout=10)
        assert ask(connection, "/starter.safetensors")[1] == STARTER_FILE.read_bytes()
        connection.close()
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=20)
    assert (process.returncode, messages) == (0, "Stopped.\n")


def test_the_browser_is_opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    tried = threading.Event()

    def serve(self: Server) -> None:
        tried.wait(10)
        self._server.server_close()

    def open_browser(address: str) -> bool:
        opened.append(address)
        tried.set()
        return True

    monkeypatch.setattr(Server, "serve", serve)
    monkeypatch.setattr("webbrowser.open", open_browser)
    result = run("--site", folder, "--port", 0)
    assert result.exit_code == 0
    assert opened == [result.stdout.split()[0]]
    assert run("--site", folder, "--port", 0, "--no-browser").exit_code == 0
    assert len(opened) == 1


# --- models -----------------------------------------------------------------------------


def test_settings_of_the_starter(folder: Path, tmp_path: Path) -> None:
    four, two = (
        json.loads(open_site(tmp_path, folder=folder, model=name).settings)
        for name in ("starter:4stems", "starter:2stems")
    )
    assert [choice["label"] for choice in four["choices"]] == ["4 stems", "2 stems"]
    assert [choice["stems"] for choice in two["choices"]] == [
        ["vocals", "accompaniment"],
        ["vocals", "drums", "bass", "other"],
    ]
    # What the page has by itself, without `spleeterrt web`, is the same but for the model's version.
    alone = json.loads((ROOT / "web/page/settings.json").read_text())
    assert four == {**alone, "model": four["model"]}
    assert re.fullmatch(r"starter\.safetensors\?v=[0-9a-f]{12}", four["model"])


def test_any_model_becomes_a_file_for_browsers(folder: Path, tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "my tiny:model", random_tensors(2, (1, 2, 2, 3, 3, 4)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    site = open_site(scratch, folder=folder, model=str(tmp_path / "my tiny:model"))
    assert site.model == "my-tiny-model.safetensors"
    assert json.loads(site.settings)["name"] == "my-tiny-model"
    assert (
        load_model(site.model_path).config.instruments
        == load_model(tmp_path / "my tiny:model").config.instruments
    )

    again = open_site(scratch, folder=folder, model=str(site.model_path))
    assert again.model_path == site.model_path
    assert "choices" not in json.loads(again.settings)


def test_models_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(STARTER_FILE.read_bytes()[:100])
    result = run("--site", folder, "-p", damaged, "--export", tmp_path / "out")
    assert result.exit_code == 1
    assert str(damaged) in result.stderr
    assert run("--site", folder, "-p", "starter:9stems", "--export", tmp_path / "out").exit_code == 1
    assert not (tmp_path / "out").exists()


# --- copies -----------------------------------------------------------------------------


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_export(site: site_module.Site, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "site"
    result = run("--site", folder, "--export", out)
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    found = content_of(out)
    assert found.pop("settings.json") == site.settings
    assert found.pop("starter.safetensors") == STARTER_FILE.read_bytes()
    built = content_of(folder)
    del built["settings.json"]
    assert found == built
    assert os.listdir(tmp_path / "new") == ["site"]


def test_addresses_are_relative(site: site_module.Site, tmp_path: Path) -> None:
    for name, content in content_of(export_site(site, tmp_path / "out")).items():
        if name.endswith((".html", ".css", ".js", ".json", ".webmanifest")):
            text = content.decode()
            assert not re.search(r"""(?:src|href)="(?:/|\w+:)""", text), name
            assert not re.search(r"""(?:from|import|fetch\(|register\(|URL\()\s*['"`](?:/|\w+:)""", text), (
                name
            )
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name


def test_exporting_again_replaces_files_only_of_an_export(site: site_module.Site, tmp_path: Path) -> None:
    out = export_site(site, tmp_path / "out")
    (out / "notes.txt").write_text("mine")
    site.files["app/main.js"].write_text("new")
    export_site(site, out)
    assert (out / "app/main.js").read_text() == "new"
    assert (out / "notes.txt").read_text() == "mine"
    other = tmp_path / "other"
    other.mkdir()
    (other / "letter.txt").write_text("mine")
    with pytest.raises(SpleeterError, match="holds other files"):
        export_site(site, other)
    assert os.listdir(other) == ["letter.txt"]


def test_export_into_a_folder_that_is_there(site: site_module.Site, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    same = here.stat().st_ino
    export_site(site, here)
    assert here.stat().st_ino == same  # somebody may stand in it
    whole = content_of(here)
    (here / "index.html").unlink()  # as of an export that was interrupted
    export_site(site, here)
    assert content_of(here) == whole


def test_an_export_that_fails_leaves_nothing(
    site: site_module.Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copies = 0

    def full(source: Path, target: Path) -> None:
        nonlocal copies
        copies += 1
        if copies == 5:
            raise OSError(28, "No space left on device", str(target))
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(static.shutil, "copyfile", full)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(SpleeterError, match="No space left on device"):
        export_site(site, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == before


def test_single_file(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "one.html"
    result = run("--site", folder, "--single", out)
    assert (result.exit_code, result.stdout) == (0, f"{out}\n")
    page = out.read_text()
    assert not re.search(r"""(?:src|href)="(?!data:|#)""", page)

    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "connect-src" not in policy[1]  # so that default-src 'none' holds
    assert "default-src 'none'" in policy[1]
    for kind, pattern in (
        ("style", r"<style>(.*?)</style>"),
        ("script", r'<script type="module">(.*?)</script>'),
    ):
        (text,) = re.findall(pattern, page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy[1]

    data = dict(re.findall(r'<script type="text/plain" id="([^"]+)">([^<]*)</script>', page))
    assert base64.b64decode(data["model"]) == STARTER_FILE.read_bytes()
    assert base64.b64decode(data["spleeterrt-relaxed.wasm"]) == PACKAGE["spleeterrt-relaxed.wasm"].encode()
    assert data["LICENSE"] == f"\n{PACKAGE['LICENSE']}"


def test_modules_of_the_single_file_come_after_those_they_import(site: site_module.Site) -> None:
    blocks = re.findall(
        r'<script type="text/plain" data-module="([^"]+)">(.*?)</script>', single.single_page(site), re.DOTALL
    )
    names = [name for name, _ in blocks]
    assert names[-1] == "app/main.js"
    assert {"spleeterrt.js", "spleeterrt-worker.js", "app/store-worker.js", "app/assets.js"} <= set(names)
    for index, (name, text) in enumerate(blocks):
        imported = re.findall(r'"@module:([^"]+)"', text)
        assert set(imported) <= set(names[:index]), name
        assert "import.meta.url" not in text
        assert not re.search(r"""(?:from|import)\s+['"]\.""", text)
    assert 'new Worker("@module:spleeterrt-worker.js")' in dict(blocks)["spleeterrt.js"]


def test_workers_of_the_single_file_import_nothing(site: site_module.Site) -> None:
    worker = re.search(
        r'data-module="app/store-worker.js">(.*?)</script>', single.single_page(site), re.DOTALL
    )
    assert worker is not None
    assert not re.search(r"^(import|export)\b|@module:", worker[1], re.MULTILINE)
    assert worker[1].index("function crc32(") < worker[1].index("async function writeWav(")
    site.files["app/zip.js"].write_text(
        "export function encode() {}\n" + site.files["app/zip.js"].read_text()
    )
    with pytest.raises(SpleeterError, match=r"encode is declared in app/wav\.js and in app/zip\.js"):
        single.single_page(site)


def test_modules_that_cannot_be_in_one_file(site: site_module.Site) -> None:
    site.files["app/text.js"].write_text("const end = '</script>';")
    with pytest.raises(SpleeterError, match="</script>"):
        single.single_page(site)
    site.files["app/text.js"].write_text("import { make } from './dom.js';")
    site.files["app/dom.js"].write_text("import { clock } from './text.js';")
    with pytest.raises(SpleeterError, match=r"import each other: .*app/(dom|text)\.js -> app/(dom|text)\.js"):
        single.single_page(site)


# --- errors -----------------------------------------------------------------------------


def test_without_files_for_browsers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(site_module.BUILD_VARIABLE, raising=False)
    monkeypatch.setattr(site_module, "INSTALLED", tmp_path / "nothing")
    result = run("--no-browser")
    assert result.exit_code == 1
    assert "no files for browsers" in result.stderr
    assert "docs/web.md" in result.stderr
    assert (ROOT / "docs/web.md").is_file()


def test_a_folder_that_is_no_site(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("--site", tmp_path)
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {tmp_path}: expected a built site, but there is no index.html\n",
    )
    (folder / "spleeterrt.wasm").unlink()
    monkeypatch.setenv(site_module.BUILD_VARIABLE, str(folder))
    assert "there is no spleeterrt.wasm" in run("--no-browser").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--export", "a", "--single", "b.html"), "exclude each other"),
        (("--single", "page.txt"), "must end in .html"),
        (("--port", "70000"), "0<=x<=65535"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_options_without_effect(folder: Path, tmp_path: Path) -> None:
    result = run("--site", folder, "--single", tmp_path / "x.html", "--port", 1)
    assert result.exit_code == 0
    assert "--port has no effect" in result.stderr
