"""What the system says of the machine and of this process, and what its terminals can do."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

# Cores of ARM's design and others', by implementer and part, as Linux numbers them.
_ARM = {
    (0x41, 0xD03): "Cortex-A53", (0x41, 0xD04): "Cortex-A35", (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57", (0x41, 0xD08): "Cortex-A72", (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75", (0x41, 0xD0B): "Cortex-A76", (0x41, 0xD0C): "Neoverse N1",
    (0x41, 0xD0D): "Cortex-A77", (0x41, 0xD40): "Neoverse V1", (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD44): "Cortex-X1", (0x41, 0xD46): "Cortex-A510", (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD48): "Cortex-X2", (0x41, 0xD49): "Neoverse N2", (0x41, 0xD4B): "Cortex-A78C",
    (0x41, 0xD4D): "Cortex-A715", (0x41, 0xD4E): "Cortex-X3", (0x41, 0xD4F): "Neoverse V2",
    (0x41, 0xD80): "Cortex-A520", (0x41, 0xD81): "Cortex-A720", (0x41, 0xD82): "Cortex-X4",
    (0x51, 0x001): "Oryon", (0x61, 0x022): "Apple M1", (0x61, 0x023): "Apple M1",
    (0x61, 0x032): "Apple M2", (0x61, 0x033): "Apple M2",
}  # fmt: skip
_TERMINAL_SEQUENCES = 0x0004  # ENABLE_VIRTUAL_TERMINAL_PROCESSING


def cpu_name() -> str:
    """The CPU as the system names it."""
    with suppress(OSError, ImportError, AttributeError):
        name = {"win32": _registry_name, "darwin": _sysctl_name}.get(sys.platform, _linux_name)()
        if name:
            return name
    return platform.processor() or platform.machine() or "unknown"


def usable_cores() -> int:
    """The cores that the system lets this process run on, whatever share of them a quota leaves."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def peak_memory() -> int | None:
    """Bytes of this process at most so far; None where the system does not say."""
    try:
        if sys.platform == "win32":
            return _windows_peak()
        # Not getrusage on Linux: what the parent had before it became this program counts there.
        for line in _lines("/proc/self/status") if sys.platform == "linux" else ():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    except (ImportError, AttributeError, OSError, ValueError):
        return None


def moves_cursor(file: TextIO) -> bool:
    """Whether a file is a terminal that can be drawn on. (Those of Windows have to be asked to.)"""
    if not file.isatty() or os.environ.get("TERM") == "dumb":
        return False
    if sys.platform != "win32":
        return True
    kernel = _windows("kernel32")
    kernel.GetStdHandle.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(kernel.GetStdHandle(-11))  # of standard output
    mode = ctypes.c_uint32()
    if not kernel.GetConsoleMode(handle, ctypes.byref(mode)):
        return True  # a terminal of another kind, such as mintty
    return bool(mode.value & _TERMINAL_SEQUENCES) or bool(
        kernel.SetConsoleMode(handle, mode.value | _TERMINAL_SEQUENCES)
    )


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()


def _linux_name() -> str:
    """x86: the model; ARM, where Linux knows none: the kinds of cores, and the board."""
    cores: dict[str, None] = {}
    implementer = 0
    for line in _lines("/proc/cpuinfo"):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "model name" and value:
            return value
        if key == "CPU implementer":
            implementer = int(value, 16)
        elif key == "CPU part":
            known = _ARM.get((implementer, int(value, 16)))
            cores[known or f"ARM core {implementer:#04x}/{value}"] = None
    board = ""
    with suppress(OSError):
        board = "".join(_lines("/proc/device-tree/model")).rstrip("\0")
    name = " and ".join(cores)
    return f"{name} ({board})" if name and board else name or board


def _registry_name() -> str:
    import winreg

    path = r"HARDWARE\DESCRIPTION\System\CentralProcessor\0"
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:  # type: ignore[attr-defined]
        return str(winreg.QueryValueEx(key, "ProcessorNameString")[0]).strip()  # type: ignore[attr-defined]


def _sysctl_name() -> str:
    name, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    failed = ctypes.CDLL(None).sysctlbyname(
        b"machdep.cpu.brand_string", name, ctypes.byref(size), None, ctypes.c_size_t(0)
    )
    return "" if failed else name.value.decode(errors="replace")


class _Counters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("PageFaultCount", ctypes.c_uint32),
        *(
            (name, ctypes.c_size_t)
            for name in (
                "PeakWorkingSetSize", "WorkingSetSize", "QuotaPeakPagedPoolUsage", "QuotaPagedPoolUsage",
                "QuotaPeakNonPagedPoolUsage", "QuotaNonPagedPoolUsage", "PagefileUsage", "PeakPagefileUsage",
            )
        ),
    )  # fmt: skip


def _windows_peak() -> int | None:
    kernel = _windows("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    counters = _Counters(ctypes.sizeof(_Counters))
    # psapi's function, which the kernel's library has itself since Windows 7.
    done = kernel.K32GetProcessMemoryInfo(
        ctypes.c_void_p(kernel.GetCurrentProcess()), ctypes.byref(counters), counters.cb
    )
    return counters.PeakWorkingSetSize if done else None


def _windows(library: str) -> Any:
    return ctypes.WinDLL(library)  # type: ignore[attr-defined]


__all__ = ["cpu_name", "moves_cursor", "peak_memory", "usable_cores"]
