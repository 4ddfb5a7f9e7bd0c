"""Makes songs small enough to take to a machine with a GPU.

    python models/starter/pack.py --songs DIR [DIR ...] --out DIR

Every stem becomes Ogg Vorbis of 22.05 kHz: the networks see nothing above 11 kHz, and half the frame at half
the rate has the same bins. About 25 kB per second of four stems. Files go into archives, `pack-0000.tar` and
so on, of at most `--megabytes`; songs that an archive has are not packed again.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
import scipy.signal
import soundfile
from sources import STEMS

RATE = 22050


def halved(x: np.ndarray) -> np.ndarray:
    """44.1 to 22.05 kHz by the spectrum: nothing is lost below the edge."""
    return scipy.signal.resample(np.pad(x, ((0, -len(x) % 20000), (0, 0))), (len(x) + 19999) // 20000 * 10000)


def packed(song: Path, quality: float) -> dict[str, bytes]:
    """The song's files, by their names in the archive."""
    result = {}
    for stem in STEMS:
        path = song / f"{stem}.wav"
        if not path.exists():
            continue
        x, rate = soundfile.read(path, dtype="float32", always_2d=True)
        if rate != 2 * RATE:
            raise SystemExit(f"{path}: {rate} Hz, expected {2 * RATE}")
        if not np.abs(x).max() > 0:
            continue
        file = io.BytesIO()
        with soundfile.SoundFile(
            file, "w", RATE, 2, "VORBIS", format="OGG", compression_level=1 - quality
        ) as out:
            y = halved(np.repeat(x, 2, 1)[:, :2] if x.shape[1] == 1 else x[:, :2]).astype(np.float32)
            for start in range(0, len(y), 100000):  # libsndfile's encoder overflows its stack on long blocks
                out.write(np.clip(y[start : start + 100000], -1, 1))
        result[f"{song.name}/{stem}.ogg"] = file.getvalue()
    return result


def size(files: dict[str, bytes]) -> int:
    return sum(len(content) + 1024 for content in files.values())


def write(path: Path, files: dict[str, bytes]) -> Path:
    temporary = path.with_suffix(".tmp")
    with tarfile.open(temporary, "w") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return temporary.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--megabytes", type=float, default=60)
    parser.add_argument("--quality", type=float, default=0.3, help="of Vorbis, 0 to 1")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    known = set()
    packs = sorted(options.out.glob("pack-*.tar"))
    number = 1 + max((int(path.stem.removeprefix("pack-")) for path in packs), default=-1)
    for path in packs:
        with tarfile.open(path) as archive:
            known |= {name.split("/")[0] for name in archive.getnames()}
    songs = [s for folder in options.songs for s in sorted(folder.iterdir()) if s.name[0] != "."]
    songs = [song for song in songs if song.name not in known]
    waiting: dict[str, bytes] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for files in pool.map(packed, songs, repeat(options.quality)):
            if waiting and size(waiting) + size(files) > options.megabytes * 1e6:
                packs.append(write(options.out / f"pack-{number:04d}.tar", waiting))
                waiting, number = {}, number + 1
            waiting |= files
    if waiting:
        packs.append(write(options.out / f"pack-{number:04d}.tar", waiting))
    print(f"{options.out}: {len(songs)} songs added, {len(packs)} archives")


if __name__ == "__main__":
    main()
