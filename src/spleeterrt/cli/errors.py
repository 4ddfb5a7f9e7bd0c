"""How commands report errors: one line `Error: ...` on standard error, and an exit code."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import click

from ..errors import AudioError, ModelError, SpleeterError

# The exit codes of every command; docs/machines.md has the same table.
DONE = 0
FAILED = 1  # at least one file, track or model
USAGE = 2  # click's own, of unknown options and values
LATE = 3  # real time: done, but the networks were late for more than a tenth of the sound
INTERRUPTED = 130  # by a signal of `signals.ending_signals`

P = ParamSpec("P")
R = TypeVar("R")


def error_code(error: BaseException) -> str:
    """What kind of error it is, for machines."""
    for kind, code in ((AudioError, "audio"), (ModelError, "model"), (SpleeterError, "invalid")):
        if isinstance(error, kind):
            return code
    return "unexpected"


def error_message(error: BaseException) -> str:
    return str(error) if isinstance(error, SpleeterError) else f"{type(error).__name__}: {error}"


def usage_error(error: SpleeterError) -> click.UsageError:
    """Of wrong usage; an argument of Python's that the message begins with becomes the option."""
    context = click.get_current_context()
    name, colon, rest = str(error).partition(": ")
    for param in context.command.params:
        if param.name == name.lower() and isinstance(param, click.Option):
            return click.UsageError(f"{max(param.opts, key=len)}{colon}{rest}", context)
    return click.UsageError(str(error), context)


@contextmanager
def usage_errors() -> Iterator[None]:
    """While options are looked at: what does not go together is wrong usage (exit code 2), a model that is
    not there is not."""
    try:
        yield
    except (AudioError, ModelError):
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
