"""How commands report errors: one line `Error: ...` on standard error, and an exit code."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import click

from ..errors import AudioError, AudioOptionError, ModelError, SpleeterError, StorageError

# The exit codes of every command; docs/machines.md has the same table.
DONE = 0
FAILED = 1  # at least one file, track or model
USAGE = 2  # click's own, of unknown options and values
LATE = 3  # real time: done, but the networks were late for more than a tenth of the sound
INTERRUPTED = 130  # by a signal of `signals.ending_signals`

P = ParamSpec("P")
R = TypeVar("R")


def usage_error(error: SpleeterError) -> click.UsageError:
    """Of wrong usage; arguments of Python's that the message names become the options."""
    context = click.get_current_context()
    options = {
        param.name: max(param.opts, key=len)
        for param in context.command.params
        if isinstance(param, click.Option)
    }
    if "hop" in options:
        options["hop_frames"] = options["hop"]
    name, colon, rest = str(error).partition(": ")
    message = f"{options[name.lower()]}{colon}{rest}" if colon and name.lower() in options else str(error)
    # Names of one word may be meant as such, those of several are arguments.
    return click.UsageError(_NAME.sub(lambda match: options.get(match[0], match[0]), message), context)


_NAME = re.compile(r"(?<![\w-])[a-z]+(?:_[a-z]+)+(?!\w)")


@contextmanager
def usage_errors() -> Iterator[None]:
    """While options are looked at: what does not go together is wrong usage (exit code 2), a model
    or storage that is not there is not."""
    try:
        yield
    except AudioOptionError as error:
        raise usage_error(error) from error
    except (AudioError, ModelError, StorageError):
        raise
    except SpleeterError as error:
        raise usage_error(error) from error


def handle_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn a `SpleeterError` of the command into click's own error message and exit code 1."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except SpleeterError as error:
            raise click.ClickException(str(error)) from error

    return wrapper
