# What `machine.pyx` offers; `tests/unit/test_stubs.py` compares the two.
import numpy as np
import numpy.typing as npt
from typing_extensions import disjoint_base

MOST_THREADS: int
OPENMP: bool
task_runner: object
network_task_runner: object

def usual_threads(
    omp_num_threads: bytes | None = None, root: bytes = b"", cores: int = 0
) -> tuple[int, str]: ...
def threads_to_be_had(wanted: int) -> int: ...
def crc32c(data: bytes | npt.NDArray[np.uint8], before: int = 0) -> int: ...

@disjoint_base
class NoDenormals:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
