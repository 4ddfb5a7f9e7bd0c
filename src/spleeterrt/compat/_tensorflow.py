"""Names of Spleeter that need TensorFlow: they can be imported, and say so when they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from spleeterrt.errors import SpleeterError


class _NeedsTensorFlow:
    """Stands for a function or a class: calling it, subclassing it or taking an attribute raises."""

    def __init__(self, name: str) -> None:
        self._name = name

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise SpleeterError(
            f"{self._name} needs TensorFlow, and spleeterrt works without it: "
            "train models with Spleeter, and use them here as they are"
        )

    __call__ = __mro_entries__ = _refuse

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("__"):  # what Python itself asks, for example to copy or to print
            raise AttributeError(attribute)
        self._refuse()

    def __repr__(self) -> str:
        return f"<{self._name}: needs TensorFlow>"


def needs_tensorflow(module: str, *names: str) -> Callable[[str], Any]:
    """The `__getattr__` of a module that has these names in Spleeter."""

    def find(name: str) -> Any:
        if name in names:
            return _NeedsTensorFlow(f"{module.replace('spleeterrt', 'spleeter', 1)}.{name}")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return find
