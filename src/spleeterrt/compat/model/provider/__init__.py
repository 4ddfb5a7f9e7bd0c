"""Spleeter's `model.provider`: where the models are, and how they come there."""

from __future__ import annotations

import os
from abc import ABCMeta, abstractmethod
from contextlib import suppress
from pathlib import Path
from typing import Any

from spleeterrt.errors import ModelError
from spleeterrt.models.checkpoint import has_checkpoint
from spleeterrt.models.store import PROBE, model_roots


class _Exported(ABCMeta):
    def __setattr__(cls, name: str, value: Any) -> None:
        # Programs that are frozen with their models set it; `Separator` looks where MODEL_PATH says.
        if name == "DEFAULT_MODEL_PATH":
            os.environ["MODEL_PATH"] = os.fspath(value)
        super().__setattr__(name, value)


class ModelProvider(metaclass=_Exported):
    """Finds a model's folder, and fetches the model where there is none. Subclasses say how.

    Attributes:
        DEFAULT_MODEL_PATH: the folder that fetched models go to: `MODEL_PATH`, or `pretrained_models`. To
            set it sets `MODEL_PATH` for this process.
    """

    DEFAULT_MODEL_PATH: str = os.environ.get("MODEL_PATH") or "pretrained_models"
    MODEL_PROBE_PATH: str = PROBE

    @abstractmethod
    def download(self, name: str, path: str) -> None:
        """Put the model `name` into the folder `path`, which exists."""

    @staticmethod
    def writeProbe(directory: str | os.PathLike[str]) -> None:
        """Mark a folder as a whole model, in the way Spleeter looks for."""
        Path(directory, PROBE).write_text("OK")

    def get(self, model_directory: str | os.PathLike[str]) -> str:
        """The folder of a model, which is fetched if it is nowhere.

        Args:
            model_directory: an absolute path, or a name: it is looked for in `DEFAULT_MODEL_PATH` and where
                this package looks (`MODEL_PATH`, `./pretrained_models`, the user's cache).

        Raises:
            ModelError: it cannot be had.
        """
        first = Path(self.DEFAULT_MODEL_PATH, model_directory)  # an absolute path is that itself
        for folder in (first, *(root / model_directory for root in model_roots())):
            if has_checkpoint(folder):
                return str(folder)
        try:
            first.mkdir(parents=True, exist_ok=True)
            try:
                self.download(first.name, str(first))
            except BaseException:
                with suppress(OSError):
                    first.rmdir()  # only if nothing came
                raise
            self.writeProbe(first)
        except OSError as error:
            raise ModelError(f"{first}: the model cannot be put there: {error.strerror or error}") from error
        return str(first)

    @classmethod
    def default(cls) -> ModelProvider:
        """The one that `GITHUB_HOST`, `GITHUB_REPOSITORY` and `GITHUB_RELEASE` name."""
        from .github import GithubModelProvider

        return GithubModelProvider.from_environ()


def get_default_model_provider() -> ModelProvider:  # Spleeter 1.4 and 1.5
    return ModelProvider.default()
