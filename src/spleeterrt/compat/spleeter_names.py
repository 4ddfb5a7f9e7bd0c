"""Single names of Spleeter in modules that both packages have, which find them here by `__getattr__`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from enum import Enum
from typing import Any

from spleeterrt.audio.adapter import AudioAdapter
from spleeterrt.audio.soundfile_adapter import SoundFileAudioAdapter

from ._tensorflow import needs_tensorflow
from .audio.convertor import to_stereo
from .model.provider import ModelProvider
from .utils.configuration import load_configuration

__all__ = [
    "FFMPEGProcessAudioAdapter",
    "ModelProvider",
    "STFTBackend",
    "WorkerPool",
    "get_audio_adapter",
    "get_default_audio_adapter",
    "load_configuration",
    "to_stereo",
]

FFMPEGProcessAudioAdapter = SoundFileAudioAdapter
"""The default adapter under the name of Spleeter's; it runs no program."""


def get_default_audio_adapter() -> AudioAdapter:
    """`AudioAdapter.default()`, as Spleeter 1.4 to 2.0 have it."""
    return AudioAdapter.default()


def get_audio_adapter(descriptor: str | None) -> AudioAdapter:
    """`AudioAdapter.get(descriptor)`, as Spleeter 1.4 to 2.0 have it."""
    return AudioAdapter.get(descriptor)


class STFTBackend(str, Enum):
    """Spleeter 2.0 to 2.3 let the caller choose between two STFTs. Here is one, whatever is chosen."""

    AUTO = "auto"
    TENSORFLOW = "tensorflow"
    LIBROSA = "librosa"

    @classmethod
    def resolve(cls, backend: str) -> STFTBackend:
        """The backend that is meant: without a GPU, `auto` is `librosa`.

        Raises:
            ValueError: not the name of one.
        """
        chosen = cls(backend)
        return cls.LIBROSA if chosen is cls.AUTO else chosen


class WorkerPool:
    """What programs use of `multiprocessing.Pool`, on a separator's one thread.

    So `separator._tasks.append(separator._pool.apply_async(...))` and `separator.join()` work.
    """

    def __init__(self, submit: Callable[[Callable[[], Any]], Future[Any]]) -> None:
        self._submit = submit

    def apply_async(
        self, func: Callable[..., Any], args: Sequence[Any] = (), kwds: Mapping[str, Any] | None = None
    ) -> Future[Any]:
        """The result has the methods `get` and `wait` of multiprocessing's."""
        task: Any = self._submit(lambda: func(*args, **(kwds or {})))
        task.get = task.result
        task.wait = task.exception  # which waits, and raises nothing of the task's own
        return task  # type: ignore[no-any-return]

    def close(self) -> None:
        """Nothing to close: the thread ends with the interpreter, or with the separator."""

    terminate = close

    def join(self) -> None:
        """Wait for the work given so far."""
        self._submit(lambda: None).result()


__getattr__ = needs_tensorflow(
    "spleeterrt.separator",
    "DataGenerator",
    "EstimatorSpecBuilder",
    "InputProviderFactory",
    "create_estimator",
    "model_fn",
)
