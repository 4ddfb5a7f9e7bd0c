"""Composes songs: for every part a list of notes, drawn from the rules of thumb of a dozen styles.

Everything comes from one `numpy` generator, so that a seed is a song. Nothing here sounds: `instruments.py`
and `voices.py` do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
PROGRESSIONS = {  # degrees of the scale, one a bar
    "major": (
        (0, 4, 5, 3),
        (0, 5, 3, 4),
        (0, 3, 4, 4),
        (5, 3, 0, 4),
        (0, 0, 3, 4),
        (1, 4, 0, 5),
        (0, 2, 3, 4),
    ),
    "minor": ((0, 5, 2, 6), (0, 3, 4, 0), (0, 6, 5, 4), (0, 5, 3, 4), (0, 0, 3, 4), (0, 2, 6, 3)),
    "dorian": ((0, 3, 0, 3), (0, 6, 3, 0), (0, 1, 3, 0)),
    "mixolydian": ((0, 6, 3, 0), (0, 3, 6, 3), (0, 0, 6, 6)),
}
KICK, SNARE, STICK, CLAP, HAT, PEDAL, OPEN, RIDE, CRASH = 36, 38, 37, 39, 42, 44, 46, 51, 49
TOMS = (50, 47, 45, 41)
TAMBOURINE, COWBELL, SHAKER, CONGA_HIGH, CONGA_LOW = 54, 56, 70, 63, 64

# Sixteen steps a bar; each a list of (drum, pattern) where a pattern's characters are strong x, weak o, or rest.
DRUMS = {
    "rock": [
        ((KICK, "x.......x.x....."), (SNARE, "....x.......x..."), (HAT, "x.o.x.o.x.o.x.o.")),
        ((KICK, "x..x....x......."), (SNARE, "....x.......x..o"), (HAT, "x.x.x.x.x.x.x.x.")),
        ((KICK, "x.....x.x......."), (SNARE, "....x.......x..."), (RIDE, "x...x.o.x...x.o.")),
    ],
    "metal": [
        ((KICK, "x.xxx.xxx.xxx.xx"), (SNARE, "....x.......x..."), (CRASH, "x...x...x...x...")),
        ((KICK, "xxxxxxxxxxxxxxxx"), (SNARE, "....x.......x..."), (RIDE, "x.x.x.x.x.x.x.x.")),
    ],
    "pop": [
        ((KICK, "x.....x...x....."), (SNARE, "....x.......x..."), (CLAP, "....x.......x..."), (HAT, "x.x.x.x.x.x.x.x.")),
        ((KICK, "x...x...x...x..."), (SNARE, "....x.......x..."), (HAT, "..x...x...x...x.")),
        ((KICK, "x......xx......."), (CLAP, "....x.......x..."), (HAT, "xoxoxoxoxoxoxoxo")),
    ],
    "disco": [
        ((KICK, "x...x...x...x..."), (SNARE, "....x.......x..."), (OPEN, "..x...x...x...x."), (HAT, "x.o.x.o.x.o.x.o.")),
        ((KICK, "x...x...x...x..."), (CLAP, "....x.......x..."), (HAT, "xoxxxoxxxoxxxoxx"), (TAMBOURINE, "..x...x...x...x.")),
    ],
    "funk": [
        ((KICK, "x..x..x...x..x.."), (SNARE, "....x..o.o..x..o"), (HAT, "xoxoxoxoxoxoxoxo")),
        ((KICK, "x.x.......xx...."), (SNARE, "....x..o.o.ox..o"), (HAT, "x.xox.x.x.xox.x."), (OPEN, "......x.........")),
    ],
    "hiphop": [
        ((KICK, "x.....x..xx....."), (SNARE, "....x.......x..."), (HAT, "x.x.x.xxx.x.x.x.")),
        ((KICK, "x..x...x..x....."), (CLAP, "....x.......x..."), (HAT, "x.xxx.x.xxx.xxxx")),
    ],
    "reggae": [
        ((KICK, "........x......."), (STICK, "........x......."), (HAT, "x..ox..ox..ox..o")),
        ((KICK, "x...x...x...x..."), (SNARE, "........x......."), (HAT, "..x...x...x...x.")),
    ],
    "ballad": [
        ((KICK, "x.........x....."), (STICK, "....x.......x..."), (HAT, "x...o...x...o...")),
        ((KICK, "x.......x......."), (SNARE, "....x.......x..."), (RIDE, "x.o.x.o.x.o.x.o.")),
    ],
    "jazz": [
        ((RIDE, "x...x..ox...x..o"), (PEDAL, "....x.......x..."), (KICK, "o.......o......."), (SNARE, "..........o..o..")),
    ],
    "latin": [
        ((KICK, "x..x..x.x..x..x."), (STICK, "x..x...x..x.x..."), (SHAKER, "xoxoxoxoxoxoxoxo"), (CONGA_HIGH, "..x....x..x....x")),
        ((KICK, "x...x...x...x..."), (COWBELL, "x.x.x.xxx.x.x.xx"), (CONGA_HIGH, "..xx..x...xx..x."), (CONGA_LOW, "......xx......xx")),
    ],
    "techno": [
        ((KICK, "x...x...x...x..."), (OPEN, "..x...x...x...x."), (CLAP, "....x.......x..."), (HAT, "xxxxxxxxxxxxxxxx")),
        ((KICK, "x...x...x...x..x"), (SNARE, "............x..."), (RIDE, "..x...x...x...x.")),
    ],
    "breaks": [
        ((KICK, "x.x.......xx...."), (SNARE, "....x..x.x..x..x"), (HAT, "x.x.x.x.x.x.x.x.")),
        ((KICK, "x.........x....."), (SNARE, "....x.......x..."), (HAT, "xoxoxoxoxoxoxoxo"), (RIDE, "x...x...x...x...")),
    ],
}  # fmt: skip


class Style(NamedTuple):
    drums: str
    tempo: tuple[int, int]
    bass: tuple[str, ...]
    bass_sounds: tuple[str, ...]
    backing: tuple[str, ...]
    swing: float = 0.0


# Sounds: General MIDI programs by number, or the name of a synthesiser patch of `instruments.py`.
BASS_SOUNDS = {"acoustic": (32,), "electric": (33, 34, 35, 36), "slap": (36, 37), "synth": (38, 39, "bass")}
BACKING = {
    "piano": (0, 1, 2, 3), "epiano": (4, 5), "organ": (16, 17, 18, 19), "clav": (7,), "nylon": (24,), "steel": (25,),
    "clean": (26, 27), "muted": (28,), "overdrive": (29, "overdrive"), "distortion": (30, "distortion"),
    "strings": (48, 49, 44), "synthstrings": (50, 51), "brass": (61, 62, 63, 56, 57), "sax": (64, 65, 66, 67),
    "flute": (73, 75), "violin": (40, 41, 42), "pad": (88, 89, 90, 91, 94, 95, "pad"), "lead": (80, 81, 87, "lead"),
    "mallet": (11, 12, 13, 9, 10), "harp": (46,), "accordion": (21, 22), "pluck": (104, 105, 106, 107, "pluck"),
}  # fmt: skip
STYLES = (
    Style("rock", (90, 150), ("eighths", "root"), ("electric",), ("clean", "overdrive", "steel", "organ", "piano", "distortion")),
    Style("metal", (110, 180), ("eighths", "sixteenths"), ("electric",), ("distortion", "distortion", "lead", "strings")),
    Style("pop", (85, 130), ("root", "eighths", "syncopated"), ("electric", "synth"), ("piano", "steel", "pad", "pluck", "strings", "clean", "epiano", "lead")),
    Style("disco", (108, 128), ("octaves", "syncopated"), ("electric", "synth"), ("clean", "strings", "brass", "epiano", "clav", "muted")),
    Style("funk", (88, 118), ("syncopated", "sixteenths"), ("slap", "electric"), ("clav", "muted", "brass", "organ", "epiano", "clean")),
    Style("hiphop", (70, 100), ("long", "syncopated"), ("synth", "electric"), ("epiano", "strings", "pad", "mallet", "piano", "flute"), 0.12),
    Style("reggae", (66, 92), ("syncopated", "root"), ("electric",), ("organ", "clean", "piano", "brass", "muted")),
    Style("ballad", (58, 84), ("long", "root"), ("electric", "acoustic"), ("piano", "strings", "nylon", "steel", "violin", "pad", "epiano")),
    Style("jazz", (90, 180), ("walking",), ("acoustic",), ("piano", "sax", "epiano", "brass", "clean", "mallet"), 0.3),
    Style("latin", (88, 125), ("tumbao", "syncopated"), ("acoustic", "electric"), ("piano", "nylon", "brass", "flute", "accordion")),
    Style("techno", (118, 138), ("sixteenths", "octaves", "offbeat"), ("synth",), ("lead", "pad", "pluck", "synthstrings", "mallet")),
    Style("breaks", (90, 172), ("long", "syncopated"), ("synth", "electric"), ("pad", "epiano", "strings", "lead", "pluck")),
)  # fmt: skip
BASS_STEPS = {  # sixteenths of a bar at which the bass plays, and what: root, fifth, octave, third, approach
    "root": ("R...............", "R.......R.......", "R.......F......."),
    "long": ("R...............", "R.........R....."),
    "eighths": ("R.R.R.R.R.R.R.R.", "R.R.R.R.R.R.F.O."),
    "sixteenths": ("RRR.RR.RRRR.RR.R", "R.RRR.RRR.RRR.RR"),
    "syncopated": ("R..R..F...R.O...", "R.....R.R..F..O.", "R..O......R.RF.."),
    "octaves": ("R.O.R.O.R.O.R.O.", "..O...O...O...O."),
    "offbeat": ("..R...R...R...R.", ".RRR.RRR.RRR.RRR"),
    "walking": ("R...T...F...A...", "R...F...O...A...", "R...T...F...T..."),
    "tumbao": ("......F.....A...", "R.....F.....R..."),
}
STRUM_STEPS = {
    "sustain": ("x...............", "x.......x......."),
    "quarters": ("x...x...x...x...",),
    "eighths": ("x.x.x.x.x.x.x.x.", "x.o.x.o.x.o.x.o."),
    "offbeat": ("..x...x...x...x.", "....x.......x..."),
    "syncopated": ("x..x..x...x..x..", "..x..x....x..x..", "x.....x...x....."),
    "sixteenths": ("x.xox.xox.xox.xo", "xx.xx.x.xx.xx.x."),
}


class Note(NamedTuple):
    start: float  # seconds
    length: float
    pitch: float  # MIDI key; the voices' may fall between keys
    velocity: int


@dataclass
class Part:
    stem: str  # "vocals", "drums", "bass" or "other"
    sound: int | str
    notes: list[Note] = field(default_factory=list)
    role: str = ""


@dataclass
class Song:
    tempo: float
    seconds: float
    style: str
    parts: list[Part]


def pick(rng: np.random.Generator, options):
    """One of a sequence, whatever its items are."""
    return options[int(rng.integers(len(options)))]


class Composer:
    """One song's harmony and time; each method writes one part."""

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        self.rng = rng
        self.style = pick(rng, STYLES)
        self.tempo = rng.uniform(*self.style.tempo)
        self.step = 15 / self.tempo
        self.bars = max(4, round(seconds / (16 * self.step) / 4) * 4)
        self.swing = self.style.swing + (0.15 if rng.random() < 0.1 else 0.0)
        self.mode = pick(rng, ("major", "major", "minor", "minor", "dorian", "mixolydian"))
        self.scale = SCALES[self.mode]
        self.key = int(rng.integers(12))
        self.tightness = rng.uniform(0.0, 0.012)
        progressions = [pick(rng, PROGRESSIONS[self.mode]) for _ in range(2)]
        self.degrees = [progressions[(bar // 8) % 2][bar % 4] for bar in range(self.bars)]
        self.sevenths = rng.random() < (0.9 if self.style.drums == "jazz" else 0.25)
        self.sections = self.bars // 4

    def time(self, bar: int, step: float, loose: float = 1.0) -> float:
        late = self.swing if int(step) % 2 else 0.0
        return (bar * 16 + step + late) * self.step + abs(self.rng.normal(0, self.tightness)) * loose

    def degree(self, number: int, low: int) -> int:
        """The key of a degree of the scale, the lowest at or above `low`."""
        key = self.key + self.scale[number % 7]
        return key + 12 * -((key - low) // 12)

    def chord(self, bar: int, low: int) -> list[int]:
        root = self.degrees[bar]
        return sorted(
            self.degree(root + third, low) for third in ((0, 2, 4, 6) if self.sevenths else (0, 2, 4))
        )

    def velocity(self, strong: bool) -> int:
        return int(np.clip(self.rng.normal(104 if strong else 68, 9), 25, 127))

    def active(self, share: float) -> list[bool]:
        """Which four-bar sections a part plays in."""
        playing = self.rng.random(self.sections) < share
        if not playing.any():
            playing[self.rng.integers(self.sections)] = True
        return list(np.repeat(playing, 4))

    def drums(self) -> Part:
        part = Part("drums", 0, role="drums")
        rng, patterns = self.rng, DRUMS[self.style.drums]
        patterns = [pick(rng, patterns) for _ in range(2)]
        left_out = rng.random() < 0.2
        for bar, playing in enumerate(self.active(0.9)):
            if not playing:
                continue
            fill = bar % 4 == 3 and rng.random() < 0.4
            if bar % 8 == 0 and rng.random() < 0.6:
                part.notes.append(Note(self.time(bar, 0), 1.0, CRASH, self.velocity(True)))
            for line, (drum, pattern) in enumerate(patterns[(bar // 8) % 2]):
                if left_out and line == 2 and bar < self.bars // 2:
                    continue
                for step, mark in enumerate(pattern):
                    if mark == "." or (fill and step >= 8 and drum != KICK):
                        continue
                    part.notes.append(Note(self.time(bar, step), 0.2, drum, self.velocity(mark == "x")))
            if fill:
                for step in range(8, 16):
                    if rng.random() < 0.75:
                        drum = SNARE if rng.random() < 0.3 else TOMS[(step - 8) // 2]
                        part.notes.append(Note(self.time(bar, step), 0.2, drum, self.velocity(step % 2 == 0)))
        if rng.random() < 0.25:  # a percussionist
            drum = pick(rng, (TAMBOURINE, SHAKER, CONGA_HIGH, COWBELL))
            pattern = pick(
                rng, ("..x...x...x...x.", "x.o.x.o.x.o.x.o.", "xoxoxoxoxoxoxoxo", "....x.......x...")
            )
            for bar, playing in enumerate(self.active(0.6)):
                part.notes += [
                    Note(self.time(bar, step), 0.1, drum, self.velocity(mark == "x") - 15)
                    for step, mark in enumerate(pattern)
                    if playing and mark != "."
                ]
        return part

    def bass(self) -> Part:
        rng = self.rng
        part = Part("bass", pick(rng, BASS_SOUNDS[pick(rng, self.style.bass_sounds)]), role="bass")
        low = int(rng.integers(28, 34))
        patterns = [pick(rng, BASS_STEPS[pick(rng, self.style.bass)]) for _ in range(2)]
        staccato = rng.uniform(0.5, 1.0)
        for bar, playing in enumerate(self.active(0.92)):
            if not playing:
                continue
            root, pattern = self.degrees[bar], patterns[(bar // 8) % 2]
            following = self.degree(self.degrees[(bar + 1) % self.bars], low)
            at = [step for step, mark in enumerate(pattern) if mark != "."]
            for step, end in zip(at, [*at[1:], 16], strict=True):
                base = self.degree(root, low)
                pitch = {
                    "R": base,
                    "F": self.degree(root + 4, low),
                    "O": base + 12,
                    "T": self.degree(root + 2, low),
                    "A": following + int(pick(rng, (-2, -1, 1, 2))),
                }[pattern[step]]
                if rng.random() < 0.06:
                    pitch = self.degree(root + int(rng.integers(7)), low)
                length = (end - step) * self.step * staccato
                part.notes.append(Note(self.time(bar, step), length, pitch, self.velocity(step % 4 == 0)))
        return part

    def chords(self, family: str) -> Part:
        """Strummed, held or broken chords."""
        rng = self.rng
        part = Part("other", pick(rng, BACKING[family]), role=family)
        held = family in ("strings", "pad", "synthstrings", "organ") and rng.random() < 0.8
        broken = not held and rng.random() < 0.3
        patterns = [
            pick(rng, STRUM_STEPS["sustain" if held else pick(rng, tuple(STRUM_STEPS))]) for _ in range(2)
        ]
        low = int(rng.integers(48, 62)) - (12 if family in ("distortion", "overdrive", "muted") else 0)
        power = family == "distortion" and rng.random() < 0.8
        staccato = 1.0 if held else rng.uniform(0.4, 1.0)
        roll = rng.uniform(0, 0.02) if family in ("nylon", "steel", "clean", "harp") else 0.0
        for bar, playing in enumerate(self.active(0.75)):
            if not playing:
                continue
            chord, pattern = self.chord(bar, low), patterns[(bar // 8) % 2]
            if power:
                root = self.degree(self.degrees[bar], low)
                chord = [root, root + 7, root + 12]
            if broken:
                order = [0, 2, 1, 2] if rng.random() < 0.5 else list(range(len(chord)))
                every = 2
                part.notes += [
                    Note(self.time(bar, step), self.step * every * 1.5, chord[order[i % len(order)] % len(chord)],
                         self.velocity(step % 4 == 0) - 8)
                    for i, step in enumerate(range(0, 16, every))
                ]  # fmt: skip
                continue
            at = [step for step, mark in enumerate(pattern) if mark != "."]
            for step, end in zip(at, [*at[1:], 16], strict=True):
                start, velocity = self.time(bar, step), self.velocity(pattern[step] == "x") - 10
                length = (end - step) * self.step * staccato
                part.notes += [Note(start + i * roll, length, key, velocity) for i, key in enumerate(chord)]
        return part

    def contour(self, low: int, high: int, bars: list[bool], density: float, rest: float) -> list[Note]:
        """A melody: a walk on the scale that leans to the chord's tones on strong beats, in two-bar phrases."""
        rng = self.rng
        notes: list[Note] = []
        pitch = (low + high) // 2
        rhythms = [rhythm(rng, density) for _ in range(3)]
        scale = {(self.key + tone) % 12 for tone in self.scale}
        keys = [key for key in range(low, high + 1) if key % 12 in scale]
        for bar, playing in enumerate(bars):
            if not playing or rng.random() < rest:
                continue
            chord = {key % 12 for key in self.chord(bar, 60)}
            for step, steps in rhythms[pick(rng, (0, 0, 1, 2))]:
                near = sorted(keys, key=lambda key: abs(key - pitch - rng.normal(0, 2.6)))[:3]
                strong = [key for key in near if key % 12 in chord]
                pitch = strong[0] if strong and step % 4 == 0 else near[0]
                notes.append(
                    Note(self.time(bar, step), steps * self.step, pitch, self.velocity(step % 4 == 0))
                )
        return notes

    def melody(self, family: str) -> Part:
        rng = self.rng
        part = Part("other", pick(rng, BACKING[family]), role=family)
        low = int(rng.integers(58, 72))
        part.notes = self.contour(low, low + 16, self.active(0.4), rng.uniform(0.4, 0.9), 0.25)
        return part

    def vocals(self) -> list[Part]:
        """A lead, and now and then a harmony in thirds, a double, or a choir."""
        rng = self.rng
        low = int(rng.integers(43, 62))
        bars = self.active(0.8)
        lead = Part(
            "vocals", "voice", self.contour(low, low + 14, bars, rng.uniform(0.35, 0.85), 0.18), "lead"
        )
        parts = [lead]
        if rng.random() < 0.3:
            scale = sorted((self.key + tone) % 12 for tone in self.scale)
            third = [self.above(note, scale) for note in lead.notes if rng.random() < 0.95]
            parts.append(Part("vocals", "voice", third, "harmony"))
        if rng.random() < 0.15:
            parts.append(Part("vocals", "voice", list(lead.notes), "double"))
        if rng.random() < 0.12:
            choir = self.chords("strings")
            parts.append(Part("vocals", int(pick(rng, (52, 53))), choir.notes, "choir"))
        return parts

    def above(self, note: Note, scale: list[int]) -> Note:
        at = min(range(len(scale)), key=lambda i: abs(scale[i] - note.pitch % 12))
        up = (scale[(at + 2) % len(scale)] - scale[at]) % 12
        return note._replace(pitch=note.pitch + up)

    def song(self) -> Song:
        rng = self.rng
        parts = [self.drums(), self.bass()]
        backing = rng.permutation(np.array(self.style.backing, object))[: rng.integers(1, 4)]
        for family in backing:
            tune = family in ("sax", "flute", "violin", "lead", "brass")
            parts.append(self.melody(family) if tune else self.chords(family))
        if rng.random() < 0.25:
            parts.append(
                self.melody(pick(rng, ("lead", "sax", "violin", "clean", "overdrive", "flute", "mallet")))
            )
        parts += self.vocals()
        parts = [part for part in parts if part.notes]
        return Song(self.tempo, self.bars * 16 * self.step, self.style.drums, parts)


def rhythm(rng: np.random.Generator, density: float) -> list[tuple[int, int]]:
    """Steps of a bar and the notes' lengths in steps."""
    result, step = [], int(pick(rng, (0, 0, 0, 2, 4)))
    while step < 16:
        steps = int(pick(rng, (1, 2, 2, 2, 3, 4) if rng.random() < density else (4, 4, 6, 8)))
        steps = min(steps, 16 - step)
        if rng.random() < 0.85:
            result.append((step, steps))
        step += steps
    return result or [(0, 8)]


def compose(rng: np.random.Generator, seconds: float) -> Song:
    """A song of about `seconds`, of whole four-bar sections."""
    return Composer(rng, seconds).song()
