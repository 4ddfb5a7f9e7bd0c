"""What every command has: help in groups, with examples, and hints for what was misspelt."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from spleeterrt.cli import cli
from spleeterrt.cli.command import Command
from spleeterrt.realtime.settings import OPTIONS, StreamSettings


def test_help_is_light() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "spleeterrt", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "spleeterrt.cli" in loaded
    assert not loaded & {
        "numpy",
        "soundfile",
        "av",
        "ssl",
        "http",
        "urllib.request",
        "email",
        "decimal",
        "difflib",
    }


def commands(group: click.Group = cli, *path: str) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, *path, name)


def command_of(path: tuple[str, ...]) -> click.Command:
    command: click.Command = cli
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


def help_of(*path: str) -> str:
    result = CliRunner().invoke(cli, [*path, "--help"], prog_name="spleeterrt")
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.parametrize("path", [(), *commands()], ids=" ".join)
def test_help(path: tuple[str, ...]) -> None:
    text = help_of(*path)
    assert path == ("completion",) or "\nExamples:\n" in text
    for line in text.splitlines():
        assert len(line) <= 100
    command = command_of(path)
    if isinstance(command, Command) and command.groups:
        names = {param.name for param in command.params} | {"help"}
        listed = [name for group in command.groups.values() for name in group]
        assert sorted(listed) == sorted(set(listed))
        assert set(listed) <= names
        assert text.count("--help") == 1
        shown = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
        for param in shown:
            assert param.opts[0] in text


@pytest.mark.parametrize("path", [(), *commands()], ids=" ".join)
def test_help_fits_a_narrow_terminal(path: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what must not be broken: lines to copy, choices."""
    monkeypatch.setenv("COLUMNS", "40")
    text = help_of(*path).partition("Examples:")[0]
    wide = [line for line in text.splitlines() if len(line) > 40 and "|" not in line and "eval" not in line]
    assert [line for line in wide if "completion fish" not in line] == []


def test_examples_are_command_lines() -> None:
    """Each names a command and options that there are."""
    count = 0
    for path in commands():
        examples = getattr(command_of(path), "examples", "").replace("\\\n", " ")
        for line in examples.splitlines():
            for part in line.partition("#")[0].split("|"):
                name, *words = shlex.split(part) or [""]
                if name != "spleeterrt":
                    continue
                command: click.Command = cli
                while isinstance(command, click.Group):
                    found = command.get_command(click.Context(command), words.pop(0))
                    assert found is not None, line
                    command = found
                options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
                assert {word for word in words if word.startswith("-")} <= options, line
                count += 1
    assert count > 15


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["separat", "x.wav"], "Did you mean separate?"),
        (["Stream"], "Did you mean stream?"),
        (["models", "lst"], "Did you mean list?"),
        (["separate", "--recursiv", "x.wav"], "--recursive"),
        (["stream", "--realtme"], "--realtime"),
        (["train", "-p", "x.json"], "no training here"),
        (["frobnicate"], "No such command 'frobnicate'."),
        (["help"], "Did you mean spleeterrt --help?"),
        (["models", "help"], "Did you mean spleeterrt models --help?"),
        ([__file__], f"To separate it: spleeterrt separate {shlex.quote(__file__)}"),
    ],
)
def test_what_was_meant(arguments: list[str], meant: str) -> None:
    result = CliRunner().invoke(cli, arguments, prog_name="spleeterrt")
    assert result.exit_code == 2
    assert meant in result.stderr


def test_options_of_streams_are_as_the_engine_has_them() -> None:
    """The defaults that help tells and the ranges that commands take, against the engine's own list."""
    known = {option["name"]: option for option in OPTIONS}
    own_names = {"hop": "hop_frames", "nice": "niceness"}
    checked = set()
    for name in ("stream", "live"):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for param in command.params:
            option = known.get(own_names.get(param.name or "", param.name or ""))
            if option is None or not isinstance(param, click.Option):
                continue
            if isinstance(param.type, (click.IntRange, click.FloatRange)):
                assert param.type.min is None or param.type.min >= option["least"], param.name
                assert param.type.max is None or param.type.max <= option["most"], param.name
                checked.add((name, param.name))
            told = re.search(r"\[default: ([0-9.]+)\]", param.help or "")
            if told:
                assert float(told[1]) == getattr(StreamSettings(), option["name"]), param.name
                checked.add((name, param.name))
    assert {(name, option) for name in ("stream", "live") for option in ("frames", "lookahead")} <= checked
    assert ("live", "priority") in checked
