"""Spleeter's `model.provider.github`: models from the releases of a GitHub repository."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from spleeterrt.errors import ModelError
from spleeterrt.models import store

from . import ModelProvider


class UnknownModel(ModelError, ValueError):
    """The release has no such model, or does not say its checksum."""


def compute_file_checksum(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


class GithubModelProvider(ModelProvider):
    """Fetches `HOST/REPOSITORY/releases/download/RELEASE/NAME.tar.gz`, verified, whole or not at all."""

    DEFAULT_HOST: str = store.DEFAULT_HOST
    DEFAULT_REPOSITORY: str = store.DEFAULT_REPOSITORY
    CHECKSUM_INDEX: str = "checksum.json"
    LATEST_RELEASE: str = store.DEFAULT_RELEASE
    RELEASE_PATH: str = "releases/download"

    def __init__(self, host: str, repository: str, release: str) -> None:
        self._release = store.Release.of(host, repository, release)

    @classmethod
    def from_environ(cls) -> GithubModelProvider:
        """As `GITHUB_HOST`, `GITHUB_REPOSITORY` and `GITHUB_RELEASE` say."""
        return cls(
            os.environ.get("GITHUB_HOST") or cls.DEFAULT_HOST,
            os.environ.get("GITHUB_REPOSITORY") or cls.DEFAULT_REPOSITORY,
            os.environ.get("GITHUB_RELEASE") or cls.LATEST_RELEASE,
        )

    def checksum(self, name: str) -> str:
        """SHA-256 of a model's archive; those of the official release are known without asking.

        Raises:
            UnknownModel: a ModelError and ValueError.
        """
        try:
            return store.expected_sha256(self._release, name)
        except ModelError as error:
            raise UnknownModel(f"No checksum for model {name}: {error}") from error

    def download(self, name: str, path: str) -> None:
        """Fetch a model into a folder, unless that holds one.

        Raises:
            ModelError: no connection, wrong or damaged archive, folder not writable.
        """
        store.download(name, Path(path), release=self._release)
