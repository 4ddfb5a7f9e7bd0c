"""The build backend: scikit-build-core, and in wheels the licences of what their binaries contain.

pyproject.toml knows the licences of the sources. What is linked is known to CMake alone (SPLEETERRT_BLAS and
so on): its `contains` (cmake/Licences.cmake) puts texts, and a file SPDX with the licence's expression, into
the wheel's `.dist-info/licenses/NAME`. Here they become `License-Expression` and `License-File` in METADATA.

There is no `prepare_metadata_for_build_wheel`, since the metadata are not known before the build.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from scikit_build_core.build import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
)
from scikit_build_core.build import build_wheel as _build_wheel

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
]


def build_wheel(
    wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None
) -> str:
    """The wheel's name, as PEP 517 has it."""
    name = _build_wheel(wheel_directory, config_settings, metadata_directory)
    declare_licences(Path(wheel_directory, name))
    return name


def declare_licences(wheel: Path) -> None:
    """Write a wheel anew, with the licences of its binaries in METADATA; all else stays, dates too."""
    with zipfile.ZipFile(wheel) as source:
        entries = [(entry, source.read(entry)) for entry in source.infolist()]
    licences = re.compile(r"[^/]+\.dist-info/licenses/(.+)")
    expressions, files, kept = [], [], []
    for entry, content in entries:
        found = licences.fullmatch(entry.filename)
        if found and PurePosixPath(entry.filename).name == "SPDX":
            expressions.append(content.decode().strip())
            continue
        if found:
            files.append(found[1])
        kept.append((entry, content))
    with zipfile.ZipFile(new := wheel.with_suffix(".new"), "w", zipfile.ZIP_DEFLATED) as target:
        record: list[tuple[str, str, int | str]] = []
        for entry, content in kept:
            if entry.filename.endswith(".dist-info/METADATA"):
                content = with_licences(content.decode(), expressions, files).encode()
            if entry.filename.endswith(".dist-info/RECORD"):
                content = as_csv([*record, (entry.filename, "", "")])
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            record.append((entry.filename, f"sha256={digest}", len(content)))
            target.writestr(entry, content)  # RECORD is a wheel's last entry
    os.replace(new, wheel)


def with_licences(metadata: str, expressions: list[str], files: list[str]) -> str:
    head, separator, description = metadata.partition("\n\n")
    lines = head.split("\n")
    place = next(i for i, line in enumerate(lines) if line.startswith("License-Expression: "))
    own = lines[place].partition(": ")[2].split(" AND ")
    lines[place] = "License-Expression: " + " AND ".join(dict.fromkeys([*own, *expressions]))
    lines = [line for line in lines if not line.startswith("License-File: ")]
    lines[place + 1 : place + 1] = [f"License-File: {name}" for name in sorted(files)]
    return "\n".join(lines) + separator + description


def as_csv(rows: list[tuple[str, str, int | str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
