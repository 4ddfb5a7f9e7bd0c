"""Where tasks run: processes of this machine, Dask, Ray."""

from __future__ import annotations

from ...errors import SpleeterError
from .base import Engine, Lost, Outcome

__all__ = ["ENGINES", "Engine", "Lost", "Outcome", "make_engine"]

ENGINES = ("local", "dask", "ray")


def make_engine(name: str, address: str | None = None, workers: int | None = None) -> Engine:
    """An engine by its name, one of `ENGINES`.

    Args:
        address: of a scheduler (Dask) or a cluster (Ray); None: workers of this machine.
        workers: how many, on this machine; None: one for each core that this process may use.

    Raises:
        SpleeterError: it is not installed, or cannot be reached.
    """
    if address is not None and workers is not None:
        raise SpleeterError("workers: a cluster has its own; leave out one of address and workers")
    if name == "local":
        if address is not None:
            raise SpleeterError("address: the engine local has none; choose dask or ray")
        from .local import LocalEngine

        return LocalEngine(workers)
    if name == "dask":
        from .dask import DaskEngine

        return DaskEngine(address, workers)
    if name == "ray":
        from .ray import RayEngine

        return RayEngine(address, workers)
    raise SpleeterError(f"engine: expected one of {', '.join(ENGINES)}, got {name!r}")
