# What `machine.pyx` offers; `tests/unit/test_stubs.py` compares the two.
from typing_extensions import disjoint_base

MOST_THREADS: int

def usual_threads(
    omp_num_threads: bytes | None = None, root: bytes = b"", cores: int = 0
) -> tuple[int, str]: ...
def threads_to_be_had(wanted: int) -> int: ...

@disjoint_base
class NoDenormals:
    def __enter__(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
