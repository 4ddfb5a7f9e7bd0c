"""Where models lie on this machine, and the download of the official ones.

A model is a folder `<root>/<name>` that holds a TensorFlow checkpoint. The roots, in order: `MODEL_PATH`
(Spleeter's variable), `./pretrained_models` (Spleeter's default), the user cache. A download goes to
`MODEL_PATH` if that is set, else to the user cache; it is verified and unpacked beside its place and then
moved there in one step, so that a folder under its final name is always whole.

Behaviour to match: Spleeter 2.4.2, `model/provider/` (`GITHUB_HOST`, `GITHUB_REPOSITORY`,
`GITHUB_RELEASE`, the releases' `checksum.json`, the `.probe` file that Spleeter takes as "already here").
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..atomic import replace, sweep, temporary, try_lock
from ..errors import ModelError
from ..regular import no_follow
from . import transfer
from .checkpoint import check_extents, find_index, has_checkpoint, read_index

if TYPE_CHECKING:
    pass

DEFAULT_HOST = "https://github.com"
DEFAULT_REPOSITORY = "deezer/spleeter"
DEFAULT_RELEASE = "v1.4.0"
SHA256 = {
    "2stems": "f3a90b39dd2874269e8b05a48a86745df897b848c61f3958efc80a39152bd692",
    "4stems": "3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8",
    "5stems": "25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218",
}
"""The archives of the default release."""

PROBE = ".probe"
# What an interrupted download, of Spleeter too, leaves in a model's folder.
_MODEL_FILE = re.compile(
    r"checkpoint|config\.json|.*\.(index|meta|data-\d+-of-\d+|tar\.gz|part)|\.probe|\._.*"
)


@dataclass(frozen=True)
class Release:
    """A release of a GitHub repository (or of a mirror) that holds model archives."""

    host: str = DEFAULT_HOST
    repository: str = DEFAULT_REPOSITORY
    release: str = DEFAULT_RELEASE

    @classmethod
    def from_environment(cls) -> Release:
        """The release Spleeter's variables name."""
        return cls.of(
            os.environ.get("GITHUB_HOST") or DEFAULT_HOST,
            os.environ.get("GITHUB_REPOSITORY") or DEFAULT_REPOSITORY,
            os.environ.get("GITHUB_RELEASE") or DEFAULT_RELEASE,
        )

    @classmethod
    def of(cls, host: str, repository: str, release: str) -> Release:
        """As users write them; a host without a scheme is taken as https."""
        if "://" not in host:
            host = f"https://{host}"
        return cls(host.rstrip("/"), repository.strip("/"), release)

    @property
    def is_default(self) -> bool:
        return self == Release()

    def url(self, file: str) -> str:
        return f"{self.host}/{self.repository}/releases/download/{self.release}/{file}"


def user_cache() -> Path:
    """The user's own model root."""
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("spleeterrt", appauthor=False)) / "models"


def model_roots() -> list[Path]:
    """The folders that may hold models, in the order in which they are searched."""
    roots = [Path("pretrained_models").absolute(), user_cache()]
    if model_path := os.environ.get("MODEL_PATH"):
        roots.insert(0, Path(model_path).absolute())
    return list(dict.fromkeys(roots))


def download_root() -> Path:
    """The folder that downloads go to."""
    model_path = os.environ.get("MODEL_PATH")
    return Path(model_path).absolute() if model_path else user_cache()


def can_download(name: str) -> bool:
    """Whether a model of this name may be asked from the release: another release may hold any."""
    if name in SHA256:
        return True
    return not Release.from_environment().is_default and re.fullmatch(r"[A-Za-z0-9][\w.-]*", name) is not None


def download(name: str, folder: Path, progress: bool = True, release: Release | None = None) -> Path:
    """Download the model `name` and put it into `folder`, unless another process just did.

    Args:
        folder: the model's own folder, for example `<root>/2stems`.
        progress: show a progress bar, if standard error is a terminal.
        release: None: the one that Spleeter's variables name.

    Returns:
        `folder`.

    Raises:
        ModelError: no connection, wrong or damaged archive, folder not writable.
    """
    release = release or Release.from_environment()
    url = release.url(f"{name}.tar.gz")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.with_name(f".{folder.name}.lock")):
            if has_checkpoint(folder):
                return folder
            archive = folder.with_name(f"{folder.name}.tar.gz.part")
            try:
                transfer.download_verified(url, archive, _expected_sha256(release, name), progress)
            except transfer.Failed as error:
                raise ModelError(
                    f"cannot download {error.url}: {error}\n{_instead(name)}"
                    f"To install the model by hand, fetch {url} on another machine, unpack it, and "
                    f"put model.index, model.data-00000-of-00001 and checkpoint into {folder}"
                ) from error
            except ModelError:
                archive.unlink(missing_ok=True)
                raise
            try:
                _install(archive, folder, url)
            finally:
                archive.unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(
            f"cannot write the model to {folder}: {error.strerror or error}; "
            "set MODEL_PATH to a folder that can be written"
        ) from error
    return folder


def _instead(name: str) -> str:
    """A line on the model that needs no download and makes the stems of `name`, or as many as there are."""
    for official, starter in (("2stems", "2stems"), ("4stems", "4stems"), ("5stems", "4stems")):
        if name.startswith(official):
            return f"Without a download: -p starter:{starter}, a smaller model that is in the package\n"
    return ""


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes (and threads); it ends with the process.

    The file stays: to remove it would let two processes lock two files of one name.
    """
    with open(path, "ab", opener=no_follow) as file:
        while not _try_lock(file):
            time.sleep(0.1)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        return try_lock(file)
    except OSError:  # a file system without locks: the move into place is atomic all the same
        return True


# Checksums


def expected_sha256(release: Release, name: str) -> str:
    """The SHA-256 of a model's archive in a release.

    Raises:
        ModelError: no such model, or the release's checksums cannot be read.
    """
    try:
        return _expected_sha256(release, name)
    except transfer.Failed as error:
        raise ModelError(f"cannot download {error.url}: {error}") from error


def _expected_sha256(release: Release, name: str) -> str:
    """The archive's SHA-256: pinned for the default release, else from the release's `checksum.json`."""
    if release.is_default:
        if name not in SHA256:
            raise ModelError(f"no official model {name!r}; there are {', '.join(SHA256)}")
        return SHA256[name]
    url = release.url("checksum.json")
    for attempt in range(transfer.ATTEMPTS):
        try:
            with transfer.http_get(url, {}) as response:
                if (
                    response.status_code in (404, 410)
                    and release.release == DEFAULT_RELEASE
                    and name in SHA256
                ):
                    return SHA256[name]  # a mirror of the default release without its checksums
                if response.status_code != 200:
                    raise transfer.Failed(url, f"{response.status_code} {transfer.shown(response.reason)}")
                checksums = transfer.read_json(response, url)
            break
        except transfer.Interrupted as error:
            if attempt == transfer.ATTEMPTS - 1 or isinstance(error, transfer.Unreachable):
                raise
            time.sleep(transfer.BACKOFF_SECONDS * 2**attempt)
    value = checksums.get(name) if isinstance(checksums, dict) else None
    if not isinstance(value, str) or not re.fullmatch("[0-9a-fA-F]{64}", value):
        raise ModelError(f"{url}: no SHA-256 for model {name!r}")
    return value.lower()


# Unpacking


def _install(archive: Path, folder: Path, url: str) -> None:
    """Unpack a verified archive beside `folder` and move it there once it is known to hold a checkpoint."""
    from .archive import unpack  # brings gzip and tarfile

    sweep(folder.parent)
    made = temporary(folder.parent)
    made.mkdir()
    try:
        try:
            unpack(archive, made)
            content = _top(made)
            check_extents(read_index(find_index(content)))
        except ModelError as error:
            raise ModelError(f"{url}: not a usable model archive: {error}") from error
        (content / PROBE).write_text("OK", encoding="ascii")
        _move(content, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _move(content: Path, folder: Path) -> None:
    """Rename `content` to `folder`; a model there that is incomplete is kept under another name.

    Raises:
        ModelError: a folder is there that is no model: nobody's files are moved away.
    """
    if folder.is_dir() and not has_checkpoint(folder):
        others = [path.name for path in folder.iterdir() if not _MODEL_FILE.fullmatch(path.name)]
        if others:
            raise ModelError(
                f"{folder} is in the way of the model: it is no model's folder (it holds {others[0]!r}); "
                "move it away, or set MODEL_PATH to another folder"
            )
        try:
            folder.rmdir()
        except OSError:
            os.replace(folder, folder.with_name(f"{folder.name}.incomplete-{os.urandom(4).hex()}"))
    try:
        replace(content, folder)
    except OSError:
        if not has_checkpoint(folder):  # else another process was faster: its copy is as good
            raise


def _top(folder: Path) -> Path:
    """The unpacked archive's folder: itself, or the single folder it holds and nothing else."""
    children = list(folder.iterdir())
    return children[0] if len(children) == 1 and children[0].is_dir() else folder
