"""`spleeterrt serve`: a service that separates songs over HTTP."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from ..errors import SpleeterError
from .command import Command
from .errors import handle_errors
from .options import OutputFolder, Seconds, model_option_of, threads_option
from .terminal import check_folder, configure_logging, say
from .web import DEFAULT_MODEL

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


class _Size(click.ParamType):  # type: ignore[type-arg]
    """500M, 2.5G or 1000000 -> bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)b?", str(value).strip().lower(), re.ASCII)
        size = round(float(match[1]) * _UNITS[match[2]]) if match else 0
        if size < 1:
            self.fail(f"expected a size like 500M or 2.5G, got {value!r}", param, ctx)
        return size


@click.command(
    cls=Command,
    groups={
        "Model": ("model", "low_memory"),
        "Address": ("host", "port", "allow_host"),
        "Limits": ("max_size", "max_seconds", "max_queue", "max_disk", "timeout", "keep"),
        "Machine": ("jobs", "threads", "folder"),
        "Messages": ("quiet", "help"),
    },
    examples="""
    spleeterrt serve                                 # http://127.0.0.1:8378/, the small model
    spleeterrt serve -p spleeter:4stems --keep 15:00
    spleeterrt serve --host 0.0.0.0 --allow-host stems.example.org
    curl -F song=@song.mp3 'http://127.0.0.1:8378/songs?codec=flac'
    """,
)
@model_option_of(default=DEFAULT_MODEL, show_default=True, help="Model, as in `separate`.")
@click.option("--low-memory", is_flag=True, help="Use less memory; somewhat slower.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. There are no passwords here: for others than this machine put a proxy in "
    "front that knows your users.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    help="Port; 0: any that is free.  [default: 8378, or any if that is taken]",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="Name under which the service may be asked, besides localhost and numeric addresses; may be "
    "repeated.",
)
@click.option("--max-size", type=_Size(), default="500M", show_default=True, help="Largest file of a song.")
@click.option(
    "--max-seconds",
    type=Seconds(positive=True),
    default=1800.0,
    help="Longest song, or part of one, that is separated.  [default: 30:00]",
)
@click.option(
    "--max-queue",
    type=click.IntRange(min=1),
    default=16,
    show_default=True,
    help="Songs that may wait or be on their way; further ones are told when to come back.",
)
@click.option(
    "--max-disk",
    type=_Size(),
    default="20G",
    show_default=True,
    help="Room for songs and stems; when it is full no song is taken until older ones expire.",
)
@click.option(
    "--timeout",
    type=Seconds(positive=True),
    default=3600.0,
    help="Longest time that the separation of a song may take.  [default: 1:00:00]",
)
@click.option(
    "--keep",
    type=Seconds(positive=True),
    default=3600.0,
    help="How long results stay.  [default: 1:00:00]",
)
@click.option(
    "--jobs",
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Songs that are separated at the same time.",
)
@threads_option
@click.option(
    "--folder",
    type=OutputFolder(),
    default=None,
    help="Where songs and stems are kept for the time being.  [default: a folder among the temporary files]",
)
@click.option("--quiet", "-q", is_flag=True, help="Print no line for each song.")
@handle_errors
def serve(
    model: str,
    low_memory: bool,
    host: str,
    port: int | None,
    allow_host: tuple[str, ...],
    max_size: int,
    max_seconds: float,
    max_queue: int,
    max_disk: int,
    timeout: float,
    keep: float,
    jobs: int,
    threads: int | None,
    folder: str | None,
    quiet: bool,
) -> None:
    """Separate songs over HTTP: send one, follow its progress, fetch its stems.

    A page for people is at the address that is printed; docs/serve.md is for programs. The service answers
    until Ctrl-C or SIGTERM, and then removes all songs and stems. --threads is for each of the --jobs;
    without it they share the machine.
    """
    from ..serve import NEEDS_SERVE, Jobs, Limits, RunFolder, serve_installed

    if not serve_installed():
        raise SpleeterError(NEEDS_SERVE)
    configure_logging(quiet=quiet)
    check_folder()
    from ..models.loading import load_model
    from ..parallel import check_threads
    from ..serve.app import Service
    from ..serve.server import Server, is_loopback

    def report(line: str) -> None:
        if not quiet:
            say(line, err=True)

    limits = Limits(max_size, max_seconds, max_queue, max_disk, timeout, keep)
    weights = load_model(model, low_memory=low_memory)
    each = check_threads(threads) if threads else max(1, check_threads(None) // jobs)
    with RunFolder(None if folder is None else Path(folder)) as place:
        if place.removed:
            report(f"Removed what {place.removed} server(s) that ended without clearing up had left.")
        work = Jobs(
            weights, place.path, limits, workers=jobs, threads=each, low_memory=low_memory, report=report
        )
        try:
            server = Server(Service(work, allow_host), host, port)
            if not is_loopback(host):
                say(
                    f"Warning: {host} can be reached from other machines, and there are no passwords here; "
                    "put a proxy in front that knows your users.",
                    err=True,
                )
            server.serve(lambda: say(f"{server.address}  (Ctrl-C ends)"))
        finally:
            if not work.close():
                say("Warning: a song did not stop in time.", err=True)
    say("Stopped.", err=True)
