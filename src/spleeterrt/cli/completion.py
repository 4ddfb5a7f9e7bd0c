"""`spleeterrt completion`, and what the shells may complete."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem, get_completion_class

from .command import Command

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_SPLEETERRT_COMPLETE"  # click's, from the program's name


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that makes a shell complete this program's commands, options and models.

    \b
    bash:  eval "$(spleeterrt completion bash)"      in ~/.bashrc
    zsh:   eval "$(spleeterrt completion zsh)"       in ~/.zshrc
    fish:  spleeterrt completion fish > ~/.config/fish/completions/spleeterrt.fish
    """
    from . import cli

    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(cli, {}, "spleeterrt", VARIABLE).source()
    if shell == "bash":
        # Else bash takes spleeter:4stems for three words.
        script = f"COMP_WORDBREAKS=${{COMP_WORDBREAKS//:}}\n{script}"
    click.echo(script)


def complete_models(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The models that have a name and, where none fits, files."""
    from ..network.config import MODEL_NAMES

    names = [name for name in MODEL_NAMES if name.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or complete_files(_ctx, _param, incomplete)


def complete_names(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The official models' names, without `spleeter:`."""
    from ..network.config import OFFICIAL_CONFIGS

    return [CompletionItem(name) for name in OFFICIAL_CONFIGS if name.startswith(incomplete)]


def complete_files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(incomplete, type="file")]
