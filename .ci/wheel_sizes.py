"""wheel_sizes.py [--most BYTES] WHEEL: what a wheel consists of, in bytes of the archive."""

from __future__ import annotations

import argparse
import sys
import zipfile
from pathlib import Path

CONTENTS = (  # the first that fits
    ("starter model", lambda name: name.endswith(".safetensors")),
    ("page for browsers", lambda name: name.startswith("spleeterrt/_web/")),
    ("libraries for C", lambda name: name.startswith("spleeterrt/_native/")),
    ("licences", lambda name: "/licenses/" in name),
    ("OpenMP runtime", lambda name: "libgomp" in name),
    ("code of the Python modules", lambda name: "spleeterrt_kernels" in name),
    ("Python module {}", lambda name: name.endswith((".so", ".pyd"))),
    ("Python sources, metadata", lambda name: True),
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--most", type=int)
    parser.add_argument("wheel", type=Path)
    arguments = parser.parse_args()
    sizes: dict[str, int] = {}
    with zipfile.ZipFile(arguments.wheel) as wheel:
        for entry in wheel.infolist():
            content = next(content for content, fits in CONTENTS if fits(entry.filename))
            content = content.format(Path(entry.filename).name.split(".")[0])
            sizes[content] = sizes.get(content, 0) + entry.compress_size
    whole = arguments.wheel.stat().st_size
    sizes["directory of the archive"] = whole - sum(sizes.values())
    for content, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:12,}  {100 * size / whole:4.1f} %  {content}")
    print(f"{whole:12,}          {arguments.wheel.name}")
    if arguments.most and whole > arguments.most:
        sys.exit(f"more than {arguments.most:,} bytes")


if __name__ == "__main__":
    main()
