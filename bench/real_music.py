"""What a model makes of a real song: energies of the stems over time, checks, a picture.

    python bench/real_music.py [AUDIO] -p MODEL [--sung 2-9.5 ...] [--name NAME]

Without AUDIO: the clip of the tests. There are no references, so this is no score; it shows what a listener
would notice first. Checked, with exit code 1 where it fails:

- no stem is silent (`SILENT_DB` relative to the mix, over the song) or equal to the mix (their difference
  is below `EQUAL_DB`);
- with --sung (seconds in which somebody sings): the vocals stem is louder there than elsewhere, relative
  to the mix, by the medians over the seconds.

Results: `bench/results/real_music[-NAME].md` and the spectrograms beside it, `.png` (needs matplotlib).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import common
import numpy as np
from scores import LIMIT_DB, decibels, energy

from spleeterrt import Separator
from spleeterrt.audio.channels import to_stereo
from spleeterrt.audio.reader import AudioReader
from spleeterrt.plot import SpectrogramBuilder, draw

SILENT_DB = -50.0
EQUAL_DB = -30.0  # energy of the difference to the mix, relative to the mix
MIX = "mix"


class Energies:
    """Energy of each second of a sound that comes in blocks; `total` of all."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._seconds: list[float] = []
        self._samples = 0

    def add(self, block: np.ndarray) -> None:
        while len(block):
            second, within = divmod(self._samples, self._rate)
            if second == len(self._seconds):
                self._seconds.append(0.0)
            part = block[: self._rate - within]
            self._seconds[second] += energy(part)
            self._samples += len(part)
            block = block[len(part) :]

    @property
    def seconds(self) -> list[float]:
        return self._seconds

    @property
    def total(self) -> float:
        return sum(self._seconds)


@dataclass
class Heard:
    """Of one song: energies {mix and stems: ...}, of the stems' differences to the mix, the picture."""

    energies: dict[str, Energies]
    differences: dict[str, float]
    picture: bytes

    @property
    def stems(self) -> list[str]:
        return [name for name in self.energies if name != MIX]

    def levels(self, stem: str) -> list[float]:
        """dB of each second relative to the mix's same second; -LIMIT_DB where the mix is silent."""
        pairs = zip(self.energies[stem].seconds, self.energies[MIX].seconds, strict=True)
        return [decibels(part, whole) for part, whole in pairs]

    def level(self, stem: str) -> float:
        return decibels(self.energies[stem].total, self.energies[MIX].total)

    def share(self, stem: str) -> float:
        """Of the sum of all stems' energies."""
        total = sum(self.energies[name].total for name in self.stems)
        return self.energies[stem].total / total if total else 0.0


def listen(separator: Separator, path: Path) -> Heard:
    """Separate a song, block by block."""
    rate = separator.sample_rate
    names = (MIX, *separator.stems)
    energies = {name: Energies(rate) for name in names}
    spectrograms = {name: SpectrogramBuilder(sample_rate=rate) for name in names}
    differences = dict.fromkeys(separator.stems, 0.0)
    waiting: list[np.ndarray] = []  # of the mix, until its stems come

    def blocks() -> Iterator[np.ndarray]:
        with AudioReader(path, sample_rate=rate) as reader:
            for block in map(to_stereo, reader):
                energies[MIX].add(block)
                spectrograms[MIX].add(block)
                waiting.append(block)
                yield block

    for piece in separator.separate_blocks(blocks()):
        count = len(next(iter(piece.values())))
        mix = np.concatenate(waiting)
        mix, waiting[:] = mix[:count], [mix[count:]]
        for stem, block in piece.items():
            energies[stem].add(block)
            spectrograms[stem].add(block)
            differences[stem] += energy(block - mix)
    finished = {name: builder.finish() for name, builder in spectrograms.items()}
    mix_row = finished.pop(MIX)
    return Heard(energies, differences, draw(path.name, mix_row, list(finished.items())))


def failures(heard: Heard, sung: Sequence[tuple[float, float]] = ()) -> list[str]:
    """What is not as it should be."""
    found = []
    total = heard.energies[MIX].total
    for stem in heard.stems:
        level, difference = heard.level(stem), decibels(heard.differences[stem], total)
        if level <= SILENT_DB:
            found.append(f"{stem} is silent ({level:.1f} dB relative to the mix)")
        if difference <= EQUAL_DB:
            found.append(f"{stem} equals the mix (they differ by {difference:.1f} dB)")
    if sung:
        inside, outside = vocal_levels(heard, sung)
        if not inside > outside:
            found.append(f"vocals: {inside:.1f} dB where it is sung, {outside:.1f} dB elsewhere")
    return found


def vocal_levels(heard: Heard, sung: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Median level of the vocals stem over the seconds that lie wholly inside, and wholly outside, of what is
    sung; those in which the mix is silent do not count."""
    inside, outside = [], []
    for second, level in enumerate(heard.levels("vocals")):
        if heard.energies[MIX].seconds[second] == 0:
            continue
        if any(start <= second and second + 1 <= end for start, end in sung):
            inside.append(level)
        elif all(second + 1 <= start or end <= second for start, end in sung):
            outside.append(level)
    if not inside or not outside:
        raise SystemExit("--sung: needs a whole second inside and one outside")
    return float(np.median(inside)), float(np.median(outside))


def span(text: str) -> tuple[float, float]:
    """`2-9.5`, in seconds."""
    start, _, end = text.partition("-")
    first, last = float(start), float(end)
    if not 0 <= first < last:
        raise ValueError(text)
    return first, last


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("audio", nargs="?", type=Path)
    parser.add_argument("-p", "--model", default="spleeter:4stems", help="what the command line takes")
    parser.add_argument("--sung", nargs="+", type=span, default=[], metavar="FROM-TO", help="seconds")
    parser.add_argument("--name", default="", help="of the results: real_music-NAME")
    options = parser.parse_args()
    path = options.audio or common.default_music()[0]
    name = f"real_music-{options.name}" if options.name else "real_music"
    separator = Separator(options.model)
    if options.sung and "vocals" not in separator.stems:
        parser.error("--sung: the model has no vocals")
    heard = listen(separator, path)
    problems = failures(heard, options.sung)
    common.RESULTS.mkdir(exist_ok=True)
    (common.RESULTS / f"{name}.png").write_bytes(heard.picture)

    def cell(level: float) -> str:
        return "silent" if level <= -LIMIT_DB else f"{level:.1f}"

    columns = zip(*(heard.levels(stem) for stem in heard.stems), strict=True)
    rows = [(f"{second}-{second + 1}", *map(cell, row)) for second, row in enumerate(columns)]
    whole = [
        ("whole song", *(cell(heard.level(stem)) for stem in heard.stems)),
        ("share of the stems' energy", *(f"{100 * heard.share(stem):.0f} %" for stem in heard.stems)),
    ]
    notes = []
    if options.sung:
        inside, outside = vocal_levels(heard, options.sung)
        notes.append(f"The vocals stem where it is sung {inside:.1f} dB, elsewhere {outside:.1f} dB.")
    notes.append("\n".join(f"- {text}" for text in problems) or "No stem is silent or equal to the mix.")
    common.report(
        name,
        f"Stems of {path.name}",
        common.conditions(("spleeterrt",), Model=common.model_label(options.model)),
        f"![Spectrograms of the mix and the stems]({name}.png)",
        "dB relative to the mix:",
        common.table(("", *heard.stems), whole),
        *notes,
        common.table(("second", *heard.stems), rows),
    )
    if problems:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
