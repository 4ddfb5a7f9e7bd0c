"""Downloads the sounds of `sounds.csv`: CC0 or CC-BY, from GitHub, at fixed commits.

    python models/starter/sounds.py --out models/starter/cache/sounds

About 600 MB, of repositories several times as large. A folder that is there is complete and is left alone.
Needs git. `--url` may name another place, also folders of bare clones, with {repository} or {flat} (a + for
the /) in it.
"""

from __future__ import annotations

import argparse
import csv
import re
import shutil
import subprocess
import tempfile
from itertools import groupby
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """A row of `sounds.csv`."""

    folder: str
    repository: str
    commit: str
    licence: str
    author: str
    subfolder: str  # "=": the repository's own, without the first
    files: str  # pattern of the paths in the repository


def git(*arguments: str, folder: Path | None = None) -> bytes:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, stdout=subprocess.PIPE).stdout


def download(rows: list[Source], url: str, out: Path) -> int:
    """A folder's files into `out`; how many."""
    repository, commit = rows[0].repository, rows[0].commit
    address = url.format(repository=repository, flat=repository.replace("/", "+"))
    counts = dict.fromkeys(rows, 0)
    with tempfile.TemporaryDirectory() as name:
        clone = Path(address)
        if not clone.is_dir():
            clone = Path(name) / "clone"
            git("clone", "--quiet", "--bare", address, str(clone))
        names = git("ls-tree", "-r", "-z", "--name-only", commit, folder=clone).decode().split("\0")
        for path, row in ((path, row) for path in names for row in rows if re.fullmatch(row.files, path)):
            if not path.endswith((".wav", ".flac")):
                continue
            below = path.split("/", 1)[1] if row.subfolder == "=" else Path(row.subfolder, Path(path).name)
            target = out / below
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(git("cat-file", "blob", f"{commit}:{path}", folder=clone))
            counts[row] += 1
    for row, count in counts.items():
        if not count:
            raise SystemExit(f"{repository} at {commit}: no file matches {row.files}")
    return sum(counts.values())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--url", default="https://github.com/{repository}")
    parser.add_argument("--only", nargs="+", help="folders")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    with Path(__file__).with_suffix(".csv").open(newline="") as file:
        sources = [Source(**row) for row in csv.DictReader(file)]
    for name, rows in groupby(sources, key=lambda source: source.folder):
        folder = options.out / name
        if folder.exists() or (options.only and name not in options.only):
            continue
        temporary = options.out / f".{name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        found = list(rows)
        count = download(found, options.url, temporary)
        temporary.rename(folder)
        print(f"{name}: {count} files, {found[0].licence}", flush=True)


if __name__ == "__main__":
    main()
