"""The command line: `spleeterrt separate`, `stream`, `live`, `models`, `evaluate`, `plot`, `web` and others.

Only click is imported here; the commands import what they need when they run.
"""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from ..errors import reader_gone
from ..signals import Ending
from .command import Group
from .errors import DONE, FAILED, INTERRUPTED
from .standard_error import keep_apart
from .terminal import say

_COMMANDS = {
    "separate": ".separate:separate",
    "catalogue": ".catalogue:catalogue",
    "stream": ".stream:stream",
    "live": ".live:live",
    "stems": ".stems:stems",
    "vocals-activity": ".vocals_activity:vocals_activity",
    "models": ".models:models",
    "evaluate": ".evaluate:evaluate",
    "plot": ".plot:plot",
    "web": ".web:web",
    "serve": ".serve:serve",
    "info": ".info:info",
    "completion": ".completion:completion",
}


class _LazyGroup(Group):
    """Imports a command's module when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def refuse(self, ctx: click.Context, name: str) -> NoReturn:
        if name == "train":
            raise click.UsageError(
                "there is no training here; what Spleeter has trained is read as it is (-p CONFIG.json)",
                ctx,
            )
        super().refuse(ctx, name)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module, __name__), name)
        return command


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from .._version import __version__

        click.echo(f"spleeterrt {__version__}")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    # Spleeter writes --output_path, most programs --output-path.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("_", "-"),
    },
    no_args_is_help=True,
    examples="""
    spleeterrt separate -p starter:4stems -o out song.mp3    # nothing to download
    spleeterrt separate --karaoke -c mp3 song.mp3
    spleeterrt COMMAND --help                                # more examples
    """,
)
@click.option(
    "--version",
    is_flag=True,
    callback=_print_version,
    expose_value=False,
    is_eager=True,
    help="Print the version.",
)
def cli() -> None:
    """Music source separation with Spleeter's networks, on the CPU, without TensorFlow."""


def main(args: list[str] | None = None, *, as_spleeter: bool = False) -> NoReturn:
    """Entry point; the exit codes are in `cli/errors.py`.

    Args:
        as_spleeter: called by Spleeter's name, by programs that read what Spleeter prints.
    """
    keep_apart()
    _take_any_character()
    try:
        with Ending() as ending:
            code = _run(args, ending, {"separate": {"spleeter_log": as_spleeter}})
    finally:
        _flush()
    sys.exit(code)


def _take_any_character() -> None:
    """Where standard output has an encoding that lacks a character of a song's name (Windows, into a file or
    a pipe), a question mark stands for it."""
    for file in (sys.stdout, sys.stderr):
        if getattr(file, "errors", None) == "strict" and hasattr(file, "reconfigure"):
            file.reconfigure(errors="replace")


def _flush() -> None:
    """Where nobody reads, or the terminal is gone: no complaint when the interpreter flushes at its end."""
    for file in (sys.stdout, sys.stderr):
        try:
            if file is not None:
                file.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def _run(args: list[str] | None, ending: Ending, defaults: dict[str, Any]) -> int:
    """Run a command, with other defaults of options. Returns the exit code."""
    try:
        # Outside standalone mode click returns the exit code, or what the command returned.
        code = cli.main(args=args, prog_name="spleeterrt", standalone_mode=False, default_map=defaults)
        return code if isinstance(code, int) else DONE
    except (KeyboardInterrupt, click.Abort):
        ending.over()
        say("Interrupted.", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue().rstrip("\n"), err=True)
        return error.exit_code
    except OSError as error:
        if isinstance(error.__context__, KeyboardInterrupt):  # click's empty line, to a terminal that is gone
            return INTERRUPTED
        if reader_gone(error):
            return FAILED
        # Standard output is full or closed.
        say(f"Error: {error}", err=True)
        os._exit(FAILED)
