"""Renders synthetic songs as multitracks, a musdb folder: `DIR/SONG/{mixture,vocals,drums,bass,other}.wav`.

    python models/starter/songs.py --split heldout --songs 20 --out DIR

A song is its split, its number and `--seconds`: the same ones give the same samples on machines with the same
packages and downloaded sounds.
A folder that is there is complete (it is made under another name and moved) and is left alone.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from multiprocessing import Process
from pathlib import Path

import numpy as np
import soundfile
from compose import KICK, Part, Song, compose, pick
from effects import (
    RATE,
    bass_amplifier,
    compress,
    delay,
    double,
    equalise,
    gain_curve,
    highpass,
    place,
    reverb,
    saturate,
)
from instruments import (
    DRUM_KITS,
    guitar_amplifier,
    render_samples,
    render_soundfont,
    render_synth,
    sample_kit,
)
from samples import render_sampled
from sources import SPLITS, STEMS, Split
from strings import Pluck, render_string
from synths import Patch, render_patch
from voices import Singer, corpus, sing

DANCE = ("techno", "disco", "hiphop", "breaks", "pop")
DEFAULT_CACHE = Path(__file__).parent / "cache"


class Studio:
    """Renders the songs of one split; holds what is loaded once."""

    def __init__(self, split: Split, cache: Path) -> None:
        self.split = split
        self.corpora = {voice: corpus(voice, cache / "voices") for voice in split.voices}

    def render(self, number: int, seconds: float) -> np.ndarray:
        """Song `number`: float32 [stems, samples, 2], whose sum is the mix and peaks below 1."""
        rng = np.random.default_rng([self.split.number, number])
        song = compose(rng, seconds)
        total = round(song.seconds * RATE)
        stems = dict.fromkeys(STEMS, 0.0)
        ducked = self.split.made and rng.random() < (0.4 if song.style in DANCE else 0.05)
        kicked = ducking(rng, song, total) if ducked else 1.0
        for part in song.parts:
            sound = self.part(rng, song, part)[:total]
            if len(sound) < total:
                sound = np.pad(sound, ((0, total - len(sound)), (0, 0)))
            sound = loudness(sound, self.level(rng, part))
            if ducked and part.stem in ("bass", "other"):
                sound = sound * kicked
            stems[part.stem] = stems[part.stem] + sound
        stems = {name: np.broadcast_to(x, (total, 2)) for name, x in stems.items()}
        return self.master(rng, stems)

    def part(self, rng: np.random.Generator, song: Song, part: Part) -> np.ndarray:
        if part.role == "drums":
            return self.drums(rng, song, part)
        if part.sound == "voice":
            return self.voice(rng, song, part)
        sound = self.made(rng, song, part) if self.split.made and part.stem != "vocals" else None
        if sound is None:
            sound = self.played(rng, song, part)
        if rng.random() < 0.7:
            sound = equalise(rng, sound)
        if part.stem == "bass":
            if self.split.made and rng.random() < 0.25:
                sound = bass_amplifier(rng, sound)
            if rng.random() < 0.7:
                sound = compress(rng, sound)
            if rng.random() < 0.3:
                sound = saturate(rng, sound)
            return place(rng, sound, 0.05)
        sound = highpass(sound, rng.uniform(40, 180))
        if rng.random() < 0.3:
            sound = compress(rng, sound)
        if rng.random() < 0.2:
            sound = double(rng, sound)
        if rng.random() < 0.6:
            sound = reverb(rng, sound, rng.uniform(0.05, 0.6))
        if rng.random() < 0.15:
            sound = delay(rng, sound, 60 / song.tempo)
        return place(rng, sound, 0.7)

    def played(self, rng: np.random.Generator, song: Song, part: Part) -> np.ndarray:
        """The part on what it names: a small synthesiser's patch or a soundfont's program."""
        if part.sound in ("bass", "lead", "pad", "pluck"):
            return render_synth(rng, part.sound, part.notes, song.seconds)
        drive = part.sound if isinstance(part.sound, str) else None
        if part.sound in (29, 30) and rng.random() < 0.5:
            drive = "overdrive" if part.sound == 29 else "distortion"
        program = int(rng.choice((25, 26, 27))) if drive else int(part.sound)
        font = pick(rng, self.split.soundfonts)
        sound = render_soundfont(font, 0, program, part.notes, song.seconds).astype(np.float64)
        if drive:
            low, high = (3, 10) if drive == "overdrive" else (15, 60)
            sound = guitar_amplifier(rng, sound, rng.uniform(low, high))
            if rng.random() < 0.6:
                sound = double(rng, sound)
        return sound

    def made(self, rng: np.random.Generator, song: Song, part: Part) -> np.ndarray | None:
        """The part on an instrument that is no soundfont's, or None."""
        kind = rng.random()
        if kind > (0.75 if part.stem == "bass" else 0.45):
            return None
        sampled = [s for s in self.split.sampled if part.role in s.roles]
        if sampled and kind < (0.35 if part.stem == "bass" else 0.25):
            sound = render_sampled(rng, pick(rng, sampled), part.notes, song.seconds)
            if part.role in ("overdrive", "distortion"):
                sound = guitar_amplifier(rng, sound, float(np.exp(rng.uniform(np.log(3), np.log(60)))))
        elif part.stem == "bass":
            if rng.random() < 0.5:
                pluck = Pluck.draw(rng, upright=rng.random() < 0.25)
                sound = render_string(rng, pluck, part.notes, song.seconds)
            else:
                sound = render_patch(rng, Patch.draw(rng, "bass"), part.notes, song.seconds)
        elif part.role in ("nylon", "steel", "clean", "muted", "harp", "overdrive", "distortion"):
            sound = render_string(rng, Pluck.draw(rng, guitar=True), part.notes, song.seconds)
            if part.role in ("overdrive", "distortion"):
                sound = guitar_amplifier(rng, sound, float(np.exp(rng.uniform(np.log(3), np.log(60)))))
        else:
            role = (
                part.sound if part.sound in ("lead", "pad", "pluck") else pick(rng, ("lead", "pad", "pluck"))
            )
            sound = render_patch(rng, Patch.draw(rng, role), part.notes, song.seconds)
        return sound.astype(np.float64) if sound.any() else None

    def drums(self, rng: np.random.Generator, song: Song, part: Part) -> np.ndarray:
        if self.split.samples and rng.random() < (0.7 if self.split.kits else 0.4):
            sound = render_samples(sample_kit(rng, self.split.kits), part.notes, song.seconds).astype(
                np.float64
            )
        else:
            font = pick(rng, self.split.drum_soundfonts)
            kit = int(rng.choice(DRUM_KITS)) if rng.random() < 0.7 else 0
            bank = 0 if "LV2" in font.name else 128
            sound = render_soundfont(font, bank, 0 if bank == 0 else kit, part.notes, song.seconds)
            if not sound.any():  # a font without that kit
                sound = render_soundfont(font, bank, 0, part.notes, song.seconds)
            sound = sound.astype(np.float64)
        if rng.random() < 0.6:
            sound = equalise(rng, sound, 4)
        if rng.random() < 0.5:
            sound = compress(rng, sound)
        if rng.random() < 0.2:
            sound = saturate(rng, sound)
        if rng.random() < 0.5:
            sound = reverb(rng, sound, rng.uniform(0.03, 0.3))
        return place(rng, sound, 0.08)

    def voice(self, rng: np.random.Generator, song: Song, part: Part) -> np.ndarray:
        voice = pick(rng, self.split.voices)
        notes = part.notes
        middle = float(np.median([note.pitch for note in notes]))
        wanted = rng.uniform(60, 70) if voice.high else rng.uniform(48, 60)
        notes = [note._replace(pitch=note.pitch + 12 * round((wanted - middle) / 12)) for note in notes]
        singer = Singer.draw(rng, voice)
        mono = sing(rng, singer, self.corpora[voice], notes, song.seconds)
        sound = np.repeat(mono[:, None], 2, 1)
        sound = highpass(sound, rng.uniform(60, 140))
        sound = compress(rng, equalise(rng, sound, 5))
        if rng.random() < 0.15:
            sound = saturate(rng, sound)
        if part.role != "lead" or rng.random() < 0.1:
            sound = double(rng, sound)
        if rng.random() < 0.8:
            sound = reverb(rng, sound, rng.uniform(0.05, 0.5))
        if rng.random() < 0.25:
            sound = delay(rng, sound, 60 / song.tempo)
        return place(rng, sound, 0.1 if part.role == "lead" else 0.7)

    @staticmethod
    def level(rng: np.random.Generator, part: Part) -> float:
        """Loudness of a part in dB, as mixes have it."""
        middle = {"vocals": -17, "drums": -17, "bass": -18, "other": -21}[part.stem]
        if part.stem == "vocals" and part.role != "lead":
            middle -= 5
        return middle + float(np.clip(rng.normal(0, 2.5), -6, 6))

    @staticmethod
    def master(rng: np.random.Generator, stems: dict[str, np.ndarray]) -> np.ndarray:
        """The same time-varying gain for every stem, so that the mix stays their sum."""
        x = np.stack([stems[name] for name in STEMS])
        if rng.random() < 0.7:
            mix = x.sum(0)
            level = 10 * np.log10((mix**2).mean() + 1e-10)
            x = x * gain_curve(
                mix, level + rng.uniform(2, 8), rng.uniform(1.5, 3), 0.01, rng.uniform(0.1, 0.4)
            )
        peak = np.abs(x.sum(0)).max() + 1e-9
        x = x * (rng.uniform(0.5, 0.98) / peak)
        if rng.random() < 0.2:
            x = np.stack([coded(rng, stem) for stem in x])
            x = x * min(1.0, 0.98 / (np.abs(x.sum(0)).max() + 1e-9))
        return x.astype(np.float32)


def ducking(rng: np.random.Generator, song: Song, total: int) -> np.ndarray:
    """The gain [samples, 1] of what makes way for every kick, as dance music has it."""
    depth, back = rng.uniform(0.4, 0.95), rng.uniform(0.08, 0.3)
    gain = np.ones(total)
    for start in (note.start for part in song.parts for note in part.notes
                  if part.role == "drums" and note.pitch == KICK):  # fmt: skip
        first = round(start * RATE)
        t = np.arange(max(0, min(total - first, round(back * 4 * RATE)))) / RATE
        span = slice(first, first + len(t))
        gain[span] = np.minimum(gain[span], 1 - depth * np.exp(-t / back) * np.minimum(1, t / 0.003))
    return gain[:, None]


def loudness(x: np.ndarray, decibels: float) -> np.ndarray:
    """Scaled so that the loud half of it has this level."""
    power = (x**2).mean(1)
    blocks = power[: len(power) // 4410 * 4410].reshape(-1, 4410).mean(1)
    loud = np.sort(blocks)[len(blocks) // 2 :].mean() if len(blocks) else power.mean()
    return x * (10 ** (decibels / 20) / np.sqrt(loud + 1e-12)) if loud > 1e-9 else x


def coded(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """Through an MP3 encoder and back."""
    with tempfile.TemporaryDirectory() as folder:
        before, middle, after = (Path(folder) / name for name in ("a.wav", "b.mp3", "c.wav"))
        soundfile.write(before, x, RATE, "FLOAT")
        rate = f"{rng.choice([96, 128, 192])}k"
        for command in (
            ["-i", before, "-b:a", rate, middle],
            ["-i", middle, "-c:a", "pcm_f32le", after],
        ):
            subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, command)], check=True)
        y, _ = soundfile.read(after, always_2d=True)
    return np.pad(y, ((0, max(0, len(x) - len(y))), (0, 0)))[: len(x)]


def write_song(folder: Path, stems: np.ndarray) -> None:
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, x in zip(("mixture", *STEMS), (stems.sum(0), *stems), strict=True):
        soundfile.write(temporary / f"{name}.wav", x, RATE, "PCM_16")
    temporary.rename(folder)


def render_songs(split: str, numbers: range, seconds: float, out: Path, cache: Path) -> None:
    studio = Studio(SPLITS[split], cache)
    for number in numbers:
        folder = out / f"{split}-{number:04d}"
        if folder.exists():
            continue
        began = time.perf_counter()
        write_song(folder, studio.render(number, seconds))
        print(f"{folder.name}  {time.perf_counter() - began:.1f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--split", choices=SPLITS, default="heldout")
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="number of the first song")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE, help="analysed voices")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    end = options.first + options.songs
    common = (options.seconds, options.out, options.cache)
    if options.processes == 1:
        render_songs(options.split, range(options.first, end), *common)
        return
    for voice in SPLITS[options.split].voices:
        corpus(voice, options.cache / "voices")  # once, before there are several
    workers = [
        Process(target=render_songs, args=(options.split, range(first, end, options.processes), *common))
        for first in range(options.first, options.first + options.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise SystemExit("a process failed; run again to go on where it stopped")


if __name__ == "__main__":
    main()
