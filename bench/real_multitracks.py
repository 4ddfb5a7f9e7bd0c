"""Real multitrack recordings with a free licence, in MUSDB18's layout.

    git clone https://github.com/ichbinsoftware/everythingisremixed
    git clone https://github.com/ichbinsoftware/everythingisfree        (optional: the less compressed files)
    python bench/real_multitracks.py everythingisremixed everythingisfree -o multitracks
    python bench/quality.py multitracks -p spleeter:4stems

"Everything is Free" by Software-Entwicklungskit: seven songs of electronic pop, sung, four to five and a half
minutes each, 148 stems. Its licence, from the repository's README: "All audio stems, artwork, code, artifacts
and information in this repository are released under Creative Commons Zero v1.0 Universal (CC0 1.0)."

The stems are AAC files that begin together ("All stems begin at Bar 1"): `NAME.m4a` where a checkout has it,
else `NAME_mobile.m4a` (about 48 kbit/s). Those of a group (`GROUPS`, after the categories of the songs' own
pages) are added up; the mixture is the sum of the groups, all under one gain: what a mixing desk gives,
without mastering. So the references are exact, whatever the codec took from them.

Needs FFmpeg's decoders: `pip install ".[ffmpeg]"`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from spleeterrt.audio.channels import to_stereo
from spleeterrt.audio.reader import AudioReader

SAMPLE_RATE = 44100
PEAK = 0.9  # of the loudest file of a song
SOURCE = "https://github.com/ichbinsoftware/everythingisfree"
LICENCE = "CC0-1.0"
STEMS = ("vocals", "drums", "bass", "other")

# Which stems of a song are drums and bass; names that begin with VOX or BGVOX are vocals, all else is other.
# Songs without a bass of its own have it in their synthesiser: then `bass` is silent, and what a model takes
# for the bass lacks in `other`.
GROUPS: dict[str, dict[str, tuple[str, ...]]] = {
    "1.Hydrogen": {"drums": ("MAIN DRUMS", "DRUMS BREAK 1", "DRUMS BREAK 2", "HH"), "bass": ()},
    "2.Lithium": {
        "drums": (
            "KICK", "OFF KICK", "SNARE BUILD", "ALT HH", "GLITCH HH", "HAT FILL", "HATS", "HH GLITCH",
            "TOM BREAK", "TOMS", "CRASH FADE", "CRASH INTRO", "BREAK BEAT", "HOUSE BEAT", "INTRO DRUMS",
            "SLOW BEAT",
        ),
        "bass": ("SY BASS",),
    },
    "3.Sodium": {
        "drums": (
            "HVY KICK", "KICK", "K & SN", "CLAP", "ALT HATS", "FAST HATS", "GLITCH HH", "HH", "HH BUILD",
            "BUILD PRC", "SLOW BEAT", "FILL BUILD",
        ),
        "bass": ("SY BASS", "BASS STAB"),
    },
    "4.Potassium": {  # its MALLET is pitched; its PAD + BASS cannot be parted
        "drums": (
            "KICK", "KICK HATS", "SNARE", "HAT FILL", "HATS", "BREAKBEAT", "END DRUMS", "OUTRO DRUM",
            "TRAP BEAT",
        ),
        "bass": (),
    },
    "5.Rubidium": {"drums": ("DRUMS MAIN", "DRUMS 2", "DRUMS OUTRO"), "bass": ()},
    "6.Caesium": {
        "drums": ("KICK", "ALT HATS", "HATS", "SCRATCH HATS", "BREAK", "GARAGE BEAT", "FILL SCRATCH"),
        "bass": (),
    },
    "7.Francium": {
        "drums": (
            "KICK", "CLAPS", "HATS", "OPEN HATS", "CRASH", "CYMBALS", "FILL BEAT", "FILL BUILD",
            "FILL SCRATCH", "BIG BEAT", "BREAK", "GARAGE BEAT", "SCRATCH BEAT", "PERC BUILD",
        ),
        "bass": ("SINE",),
    },
}  # fmt: skip


def stem_files(song: str, checkouts: Sequence[Path]) -> dict[str, Path]:
    """{name of the stem: its best file} of all checkouts.

    Raises:
        SystemExit: there is none.
    """
    found: dict[str, Path] = {}
    for suffix in ("_mobile.m4a", ".m4a"):  # the better one replaces the other
        for checkout in checkouts:
            for path in sorted((checkout / "src" / song).glob(f"{song}_Stem_*{suffix}")):
                if suffix == ".m4a" and path.name.endswith("_mobile.m4a"):
                    continue
                if path.read_bytes()[4:8] == b"ftyp":  # not a pointer in the place of a large file
                    found[path.name.removeprefix(f"{song}_Stem_").removesuffix(suffix)] = path
    if not found:
        folders = ", ".join(str(checkout / "src" / song) for checkout in checkouts)
        raise SystemExit(f"{song}: no stems ({song}_Stem_*.m4a) in {folders}")
    return found


def group_of(song: str, name: str) -> str:
    if name.startswith(("VOX", "BGVOX")):
        return "vocals"
    return next((group for group, names in GROUPS[song].items() if name in names), "other")


def read(path: Path) -> np.ndarray:
    with AudioReader(path, sample_rate=SAMPLE_RATE) as reader:
        return np.concatenate([to_stereo(block) for block in reader])


def added(total: np.ndarray, part: np.ndarray) -> np.ndarray:
    """The sum, as long as the longer one."""
    if len(part) > len(total):
        total, part = part, total
    total = total.copy()
    total[: len(part)] += part
    return total


def build(song: str, checkouts: Sequence[Path], folder: Path) -> dict:
    """Write a song's mixture and stems; what went into them."""
    files = stem_files(song, checkouts)
    missing = {name for names in GROUPS[song].values() for name in names} - files.keys()
    if missing:
        raise SystemExit(f"{song}: the checkout is not complete: no stem {', '.join(sorted(missing))}")
    groups = {stem: np.zeros((0, 2), np.float32) for stem in STEMS}
    for name, path in files.items():
        stem = group_of(song, name)
        groups[stem] = added(groups[stem], read(path))
    mixture = np.zeros((0, 2), np.float32)
    for wave in groups.values():
        mixture = added(mixture, wave)
    waves = {stem: added(np.zeros_like(mixture), wave) for stem, wave in groups.items()}
    gain = np.float32(PEAK / max(float(np.abs(wave).max()) for wave in (mixture, *waves.values())))
    folder.mkdir(parents=True, exist_ok=True)
    # The sum of the references as they are in their files.
    waves = {stem: np.round(wave * gain * 32768) / 32768 for stem, wave in waves.items()}
    for stem, wave in {**waves, "mixture": sum(waves.values())}.items():
        soundfile.write(folder / f"{stem}.wav", wave, SAMPLE_RATE, subtype="PCM_16")
    return {
        "song": song,
        "source": f"{SOURCE}/tree/main/src/{song}",
        "licence": LICENCE,
        "seconds": round(len(mixture) / SAMPLE_RATE, 1),
        "stems": {
            stem: {
                files[name].name: hashlib.sha256(files[name].read_bytes()).hexdigest()[:16]
                for name in sorted(files)
                if group_of(song, name) == stem
            }
            for stem in STEMS
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkouts", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the songs")
    parser.add_argument("--songs", nargs="*", choices=list(GROUPS), default=list(GROUPS))
    options = parser.parse_args()
    manifest = []
    for song in options.songs:
        manifest.append(build(song, options.checkouts, options.output / song))
        counts = {stem: len(files) for stem, files in manifest[-1]["stems"].items()}
        print(f"{song}: {manifest[-1]['seconds']} s, {counts}", flush=True)
    (options.output / "sources.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main()
