"""Spleeter's `utils.configuration`."""

from __future__ import annotations

import json
from importlib import resources as loader
from pathlib import Path
from typing import Any

from spleeterrt.errors import SpleeterError
from spleeterrt.models import PREFIX, configuration
from spleeterrt.network.config import OFFICIAL_CONFIGS

from .. import resources


def load_configuration(descriptor: str) -> dict[str, Any]:
    """The parameters of a model as a dictionary with Spleeter's keys, those of training included.

    Args:
        descriptor: `"spleeter:2stems"` and its like, or a JSON file, whose content is given as it is; also
            what else `Separator` takes, which has no keys of training.

    Raises:
        SpleeterError: no such name or file, or no JSON dictionary.
    """
    if descriptor.startswith(PREFIX):
        name = descriptor.removeprefix(PREFIX)
        if name not in OFFICIAL_CONFIGS and name != "musdb":
            raise SpleeterError(
                f"No embedded configuration {name} found; there are {', '.join(OFFICIAL_CONFIGS)}"
            )
        text = loader.files(resources).joinpath(f"{name}.json").read_text("utf-8")
    elif Path(descriptor).suffix.lower() == ".json":
        if not Path(descriptor).exists():
            raise SpleeterError(f"Configuration file {descriptor} not found")
        try:
            text = Path(descriptor).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpleeterError(f"configuration file {descriptor}: cannot be read: {error}") from error
    else:
        return configuration(descriptor).to_dict()
    try:
        params = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpleeterError(f"configuration file {descriptor}: not JSON: {error}") from error
    if not isinstance(params, dict):
        raise SpleeterError(
            f"configuration file {descriptor}: expected a dictionary, got {type(params).__name__}"
        )
    return params
