"""`spleeterrt web`: the page for browsers, served on this machine or written for other hosts."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .command import Command, no_effect
from .completion import complete_files
from .errors import handle_errors
from .options import OutputFolder, model_option_of
from .terminal import configure_logging, say

if TYPE_CHECKING:
    from ..web import Site

# `..web` brings numpy, by the models: imported when the command runs, not for `--help`.
DEFAULT_MODEL = "starter:4stems"


@click.command(
    cls=Command,
    groups={
        "Page": ("model", "site"),
        "Served here": ("port", "browser"),
        "Written instead": ("export", "single"),
        "Messages": ("help",),
    },
    examples="""
    spleeterrt web                                   # opens the browser
    spleeterrt web -p spleeter:4stems                # better stems; 200 MB, downloaded once
    spleeterrt web --export site                     # for any static host
    spleeterrt web --single spleeterrt.html          # one file that needs no server
    """,
)
@model_option_of(
    default=DEFAULT_MODEL,
    show_default=True,
    help="Model that the page separates with, as in `separate`. In the page other .safetensors files can be "
    "chosen too.",
)
@click.option(
    "--site",
    type=click.Path(),
    default=None,
    metavar="FOLDER",
    shell_complete=complete_files,
    help="The built page.  [default: SPLEETERRT_WEB_BUILD, or the page in this package]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port on 127.0.0.1; 0: any that is free.  [default: 8377, or any if that is taken]",
)
@click.option(
    "--browser/--no-browser", default=True, help="Open the page in the browser.  [default: browser]"
)
@click.option(
    "--export",
    type=OutputFolder(),
    default=None,
    metavar="FOLDER",
    shell_complete=complete_files,
    help="Write the page with its model into a folder, for any web server, and end.",
)
@click.option(
    "--single",
    type=click.Path(dir_okay=False),
    default=None,
    metavar="FILE.html",
    shell_complete=complete_files,
    help="Write the page with its model as one file, which browsers open without a server, and end.",
)
@handle_errors
@click.pass_context
def web(
    ctx: click.Context,
    model: str,
    site: str | None,
    port: int | None,
    browser: bool,
    export: str | None,
    single: str | None,
) -> None:
    """Separate songs in the browser, on this machine: drop them, mix the stems, save them.

    The page is served to this machine alone, until Ctrl-C, and sends nothing anywhere. Without network access
    it works too, also later without this command.
    """
    if export is not None and single is not None:
        raise click.UsageError("--export and --single exclude each other")
    if single is not None and Path(single).suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"--single: the file's name must end in .html, got {single!r}")
    configure_logging()
    writes = export is not None or single is not None
    if writes:
        reason = "the page is written, not served"
        for sentence in no_effect(ctx, {"port": reason, "browser": reason}):
            say(f"Warning: {sentence}", err=True)
    from ..web import export_site, open_site, write_single

    with tempfile.TemporaryDirectory(prefix="spleeterrt-") as scratch:
        opened = open_site(Path(scratch), model=model, folder=site)
        if export is not None:
            say(str(export_site(opened, export)))
        elif single is not None:
            say(str(write_single(opened, single)))
        else:
            _serve(opened, port, browser)


def _open_browser(address: str) -> None:
    import webbrowser

    if not webbrowser.open(address):
        say("no browser could be started; open the address yourself", err=True)


def _serve(site: Site, port: int | None, browser: bool) -> None:
    from ..web import Server

    server = Server(site, port)
    say(f"{server.address}  (Ctrl-C ends)")
    if browser:
        # Beside the server: browsers of the terminal return only when they are closed.
        threading.Thread(target=_open_browser, args=(server.address,), daemon=True).start()
    try:
        server.serve()
    except KeyboardInterrupt:
        say("Stopped.", err=True)
