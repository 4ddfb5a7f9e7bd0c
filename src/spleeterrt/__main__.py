"""`python -m spleeterrt`."""

from importlib import import_module
from typing import Any

from .cli import main

_SPLEETERS = ("default", "entrypoint", "evaluate", "separate", "spleeter", "train")


def __getattr__(name: str) -> Any:
    if name in _SPLEETERS or name.startswith("EVALUATION_"):  # which Spleeter has in its module of this name
        return getattr(import_module("spleeterrt.spleeter_cli"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if __name__ == "__main__":
    main(as_spleeter=__spec__ is not None and __spec__.parent == "spleeter")
