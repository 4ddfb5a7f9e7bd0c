"""What all commands have: options in groups, examples at the end of `--help`, hints for what was misspelt."""

from __future__ import annotations

import inspect
import os
import shlex
import shutil
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import click

from .terminal import USUAL_COLUMNS

LEAST_COLUMNS = 20
HELP = "help"  # that option, in `groups`


class _WithExamples(click.Command):
    """Shows examples at the end of its help: lines to copy; what stands behind a `#` says what for."""

    def __init__(self, *args: Any, examples: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = inspect.cleandoc(examples)

    def get_help(self, ctx: click.Context) -> str:
        # click's own is never narrower than 50 columns.
        columns = min(shutil.get_terminal_size().columns, USUAL_COLUMNS)
        formatter = click.HelpFormatter(width=max(columns - 2, LEAST_COLUMNS))
        self.format_help(ctx, formatter)
        return formatter.getvalue().rstrip("\n")

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.splitlines():
                    formatter.write(f"{' ' * formatter.current_indent if line else ''}{line}\n")
        super().format_epilog(ctx, formatter)


class Command(_WithExamples):
    """A command whose help is for people.

    Args:
        groups: {heading: names of parameters}, in the order in which they are shown; options that stand in
            no group come last, under "Others".
        examples: lines to copy.
    """

    def __init__(
        self, *args: Any, groups: Mapping[str, Iterable[str]] | None = None, **settings: Any
    ) -> None:
        super().__init__(*args, **settings)
        self.groups = {heading: tuple(names) for heading, names in (groups or {}).items()}

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        records: dict[str, tuple[str, str]] = {}
        help_option = self.get_help_option(ctx)
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                records[HELP if param is help_option else param.name or ""] = record
        for heading, names in self.groups.items():
            rows = [records.pop(name) for name in names if name in records]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows, col_max=min(30, formatter.width // 3 + 4))
        if records:
            with formatter.section("Others" if self.groups else "Options"):
                formatter.write_dl(list(records.values()), col_max=min(30, formatter.width // 3 + 4))


class Group(_WithExamples, click.Group):
    """A group that says which of its commands was meant."""

    command_class = Command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            self.refuse(ctx, name)
        return super().resolve_command(ctx, args)

    def refuse(self, ctx: click.Context, name: str) -> NoReturn:
        """Say that there is no such command."""
        from difflib import get_close_matches

        lower, known = name.lower(), self.list_commands(ctx)
        meant = [lower] if lower in known else get_close_matches(lower, known)
        hint = f" Did you mean {' or '.join(meant)}?" if meant else ""
        if name == "help":
            hint = f" Did you mean {ctx.command_path} --help?"
        elif "separate" in self.list_commands(ctx) and os.path.exists(name):
            hint = f" To separate it: {ctx.command_path} separate {shlex.quote(name)}"
        raise click.UsageError(f"No such command {name!r}.{hint}", ctx)


def no_effect(ctx: click.Context, reasons: Mapping[str, str]) -> list[str]:
    """A sentence for each option that the user has given although it does nothing here.

    Args:
        reasons: {name of the parameter: why}.
    """
    sentences = []
    for param in ctx.command.params:
        given = ctx.get_parameter_source(param.name or "")
        if param.name in reasons and given is click.core.ParameterSource.COMMANDLINE:
            option = max((name for name in param.opts if name.startswith("--")), key=len, default=param.name)
            sentences.append(f"{option} has no effect: {reasons[param.name]}")
    return sentences
