"""Spleeter 1's `commands.evaluate`."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from ..spleeter_cli import evaluate


def entrypoint(arguments: Namespace, params: Any = None) -> Any:
    """Score what `create_argument_parser` parsed; params: not looked at. Returns what `evaluate` does."""
    return evaluate(
        output_path=arguments.output_path,
        params_filename=arguments.configuration,
        mus_dir=arguments.mus_dir,
        mwf=arguments.MWF,
        verbose=arguments.verbose,
    )
