"""Renders parts: soundfonts by fluidsynth, single drum samples, and a small synthesiser of our own."""

from __future__ import annotations

import ctypes
import functools
import re
from pathlib import Path

import fluidsynth
import numpy as np
import soundfile
import soxr
from compose import CLAP, COWBELL, CRASH, HAT, KICK, OPEN, PEDAL, RIDE, SNARE, STICK, TOMS, Note, pick
from effects import RATE, TAIL, lowpass
from samples import drums_of
from scipy.signal import lfilter
from sources import HYDROGEN, SONIC_PI, Kit

DRUM_CHANNEL = 9
DRUM_KITS = (0, 8, 16, 24, 25, 32, 40)  # General MIDI's; a soundfont falls back on its first


# pyfluidsynth has the 16-bit one alone.
write_float = fluidsynth.cfunc(
    "fluid_synth_write_float", ctypes.c_int,
    ("synth", ctypes.c_void_p, 1), ("count", ctypes.c_int, 1),
    ("left", ctypes.c_void_p, 1), ("left_offset", ctypes.c_int, 1), ("left_step", ctypes.c_int, 1),
    ("right", ctypes.c_void_p, 1), ("right_offset", ctypes.c_int, 1), ("right_step", ctypes.c_int, 1),
)  # fmt: skip


def render_soundfont(font: Path, bank: int, program: int, notes: list[Note], seconds: float) -> np.ndarray:
    """Float32 [samples, 2] of one instrument by fluidsynth, without its own reverb and chorus.

    A synthesiser of its own for every part: what was rendered before would change a few samples.
    """
    if not font.exists():
        raise SystemExit(f"{font}: no such soundfont; see sources.py for the packages")
    synth = fluidsynth.Synth(gain=0.25, samplerate=float(RATE))
    for name in ("synth.reverb.active", "synth.chorus.active"):
        synth.setting(name, 0)
    synth.setting("synth.dynamic-sample-loading", 1)  # of a font only the instrument
    channel = DRUM_CHANNEL if bank == 128 else 0
    synth.program_select(channel, synth.sfload(str(font)), bank, program)
    events = []
    for note in notes:
        events.append((note.start + note.length, 0, round(note.pitch), 0))
        events.append((note.start, 1, round(note.pitch), max(1, min(127, note.velocity))))
    out = np.zeros((round((seconds + TAIL) * RATE), 2), np.float32)
    done = 0

    def play(end: int) -> None:
        nonlocal done
        if end > done:
            write_float(
                synth.synth, end - done, out.ctypes.data, 2 * done, 2, out.ctypes.data, 2 * done + 1, 2
            )
            done = end

    for time, on, key, velocity in sorted(events):
        play(min(round(time * RATE), len(out)))
        if on:
            synth.noteon(channel, key, velocity)
        else:
            synth.noteoff(channel, key)
    play(len(out))
    synth.delete()
    return out


# --- drums from single samples ---

KINDS = {
    "kick": (KICK,), "snare": (SNARE,), "hat": (HAT, PEDAL), "open": (OPEN,), "ride": (RIDE,),
    "crash": (CRASH,), "tom": TOMS, "clap": (CLAP,), "stick": (STICK,),
    "bell": (COWBELL,), "perc": (54, 70, 63, 64),  # tambourine, shaker, congas
}  # fmt: skip
SAMPLES = {  # file names of the packages, by kind
    "kick": r"bd_.*|drum_bass_.*|drum_heavy_kick|elec_(hollow|soft)_kick",
    "snare": r"sn_.*|drum_snare_.*|elec_(hi|lo|mid|filt)_snare|elec_snare|.*(8bit-|snappy|crunchtime).*",
    "hat": r"drum_cymbal_(closed|pedal)|elec_(tick|twip)|.*hat-light.*",
    "open": r"drum_cymbal_open|.*hhat-paiste.*|elec_cymbal",
    "ride": r"drum_cymbal_soft",
    "crash": r"drum_(splash|cymbal)_hard|.*__crash",
    "tom": r"drum_tom_.*|.*__tom.*|elec_fuzz_tom|.*noise-tom.*",
    "clap": r"perc_snap.*|elec_filt_snare",
    "stick": r"elec_(wood|tick|pop)|tabla_(na_s|te1|ke1)",
    "bell": r"drum_cowbell|elec_bell|perc_bell2?",
    "perc": r"tabla_.*|perc_till|perc_swash|elec_(blip|plip|bong|flip|triangle).*",
}


@functools.cache
def sample_files() -> dict[str, list[Path]]:
    files = [*sorted(SONIC_PI.glob("*.flac")), *sorted((HYDROGEN / "Audiophob").glob("*.wav"))]
    return {kind: [f for f in files if re.fullmatch(pattern, f.stem)] for kind, pattern in SAMPLES.items()}


@functools.cache
def load_sample(path: Path) -> np.ndarray:
    data, rate = soundfile.read(path, dtype="float32", always_2d=True)
    data = soxr.resample(data[: rate * 3], rate, RATE)
    data = np.repeat(data, 2, 1)[:, :2] if data.shape[1] == 1 else data[:, :2]
    loud = np.abs(data).max(1) > 1e-3 * np.abs(data).max()
    return data[int(np.argmax(loud)) :] / max(1e-6, float(np.abs(data).max()))


def synthetic_drum(rng: np.random.Generator, kind: str) -> np.ndarray:
    """An analogue drum machine's sound [samples, 2]: a swept sine, noise, or metal."""
    t = np.arange(round(RATE * {"kick": 0.6, "open": 0.6, "crash": 1.8, "ride": 1.0}.get(kind, 0.35))) / RATE
    if kind in ("kick", "tom"):
        base = rng.uniform(38, 60) if kind == "kick" else rng.uniform(70, 180)
        sweep = rng.uniform(1, 6) * base * np.exp(-t * rng.uniform(25, 80))
        body = np.sin(2 * np.pi * np.cumsum(base + sweep) / RATE) * np.exp(-t * rng.uniform(4, 14))
        body += rng.uniform(0, 0.3) * rng.normal(size=len(t)) * np.exp(-t * 200)
    elif kind == "snare":
        tone = np.sin(2 * np.pi * rng.uniform(160, 260) * t) * np.exp(-t * rng.uniform(15, 35))
        body = tone * rng.uniform(0.2, 1) + rng.normal(size=len(t)) * np.exp(-t * rng.uniform(10, 30))
    elif kind in ("clap", "stick", "perc", "bell"):
        body = rng.normal(size=len(t)) * np.exp(-t * rng.uniform(20, 60))
        if kind != "clap":
            body = body * 0.2 + np.sign(np.sin(2 * np.pi * rng.uniform(500, 2500) * t)) * np.exp(
                -t * rng.uniform(15, 60)
            )
    else:
        metal = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in rng.uniform(300, 8000, 6)) / 6
        speed = {"hat": rng.uniform(30, 90), "open": rng.uniform(6, 12)}.get(kind, rng.uniform(2, 4))
        body = (metal * rng.uniform(0, 1) + rng.normal(size=len(t))) * np.exp(-t * speed)
        body = body - lowpass(body[:, None], rng.uniform(3000, 7000))[:, 0]
    body = body / np.abs(body).max()
    return np.repeat(body[:, None], 2, 1).astype(np.float32)


def layers(rng: np.random.Generator, files: list[Path]) -> list[Path]:
    """Of a kind's files those of one drum (which differ in their numbers only), the softest first."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(f"{file.parent}/{re.sub('[0-9]', '', file.stem)}", []).append(file)
    return sorted(
        groups[pick(rng, sorted(groups))],
        key=lambda f: [int(digits) for digits in re.findall(r"\d+", f.stem)],
    )


def sample_kit(rng: np.random.Generator, kits: tuple[Kit, ...] = ()) -> dict[int, list[np.ndarray]]:
    """A kit drawn from the samples and the drum machine, each sound with its own tuning and place.

    With sampled kits, half the time one of them is played as far as it goes, else all are mixed.
    """
    synthetic = rng.uniform(0, 0.7)
    main = pick(rng, kits) if kits and rng.random() < 0.5 else None
    kit = {}
    for kind, keys in KINDS.items():
        files = sample_files()[kind]
        made = not files or rng.random() < synthetic
        sampled = None
        if main is not None:
            sampled = drums_of(main).get(kind)
        elif kits and rng.random() < 0.6:
            having = [drums_of(k)[kind] for k in kits if drums_of(k).get(kind)]
            sampled = pick(rng, having) if having else None
        for i, key in enumerate(keys):
            if not i or kind == "perc":
                if sampled:
                    sounds = [load_sample(path) for path in layers(rng, sampled)]
                else:
                    sounds = [synthetic_drum(rng, kind) if made else load_sample(pick(rng, files))]
            interval = i * rng.uniform(1, 3) / 12 if kind == "tom" else 0.0
            tuning = 2 ** (interval + rng.uniform(-0.2, 0.2))
            place = 0.0 if kind in ("kick", "snare") else rng.uniform(-0.5, 0.5)
            level = {"kick": 1.0, "snare": 0.8, "clap": 0.5, "tom": 0.7}.get(kind, 0.3) * rng.uniform(
                0.6, 1.3
            )
            sides = level * np.array([1 - max(0, place), 1 + min(0, place)], np.float32)
            kit[key] = [soxr.resample(sound, RATE, RATE * tuning) * sides for sound in sounds]
    return kit


def render_samples(kit: dict[int, list[np.ndarray]], notes: list[Note], seconds: float) -> np.ndarray:
    out = np.zeros((round((seconds + TAIL) * RATE), 2), np.float32)
    for note in notes:
        sounds = kit.get(round(note.pitch))
        start = round(note.start * RATE)
        if sounds and start < len(out):
            sound = sounds[min(127, note.velocity) * len(sounds) // 128]
            end = min(len(out), start + len(sound))
            out[start:end] += sound[: end - start] * (note.velocity / 127) ** 1.5
    return out


# --- the synthesiser ---


WAVES = {  # of phases in cycles; of FM, its index of modulation and the ratio of the frequencies
    "saw": lambda p, *_: 2 * (p % 1) - 1,
    "square": lambda p, *_: np.where(p % 1 < 0.5, 1.0, -1.0),
    "triangle": lambda p, *_: 4 * np.abs(p % 1 - 0.5) - 1,
    "fm": lambda p, depth, ratio: np.sin(2 * np.pi * p + depth * np.sin(2 * np.pi * p * ratio)),
}


def render_synth(rng: np.random.Generator, patch: str, notes: list[Note], seconds: float) -> np.ndarray:
    """Detuned oscillators through a filter that opens with every note: bass, lead, pad or pluck.

    The moving filter is a cross-fade of a bright and a dark copy, which one pass each makes.
    """
    total = round((seconds + TAIL) * RATE)
    bright, dark = np.zeros((2, total, 2), np.float32)
    wave = pick(rng, ("saw", "square", "triangle", "fm"))
    voices = {"bass": 1, "pluck": 2}.get(patch, 3)
    detune = rng.uniform(0.002, 0.012) * (voices > 1)
    attack = {"pad": rng.uniform(0.1, 0.4)}.get(patch, rng.uniform(0.002, 0.02))
    release = {"pad": rng.uniform(0.2, 0.6)}.get(patch, rng.uniform(0.02, 0.12))
    fall = {"pluck": rng.uniform(4, 12), "pad": 0.2}.get(patch, rng.uniform(0.5, 5))
    ratio, depth = float(pick(rng, (1, 2, 3, 0.5))), rng.uniform(0.5, 4)
    spread = 0.0 if patch == "bass" else rng.uniform(0.2, 1)
    for note in notes:
        start = round(note.start * RATE)
        count = min(total - start, round((note.length + release * 3) * RATE))
        if count <= 0:
            continue
        t = np.arange(count) / RATE
        envelope = np.minimum(1, t / attack) * np.exp(-np.maximum(0, t - note.length) / release)
        envelope *= note.velocity / 127
        frequency = 440 * 2 ** ((note.pitch - 69) / 12)
        for voice in range(voices):
            offset = voice - (voices - 1) / 2
            phase = t * frequency * (1 + offset * detune) + rng.random()
            sound = WAVES[wave](phase, depth * np.exp(-t * fall), ratio) * envelope / voices
            sides = np.array([1 - spread * offset / voices, 1 + spread * offset / voices])
            opening = np.exp(-t * fall)
            bright[start : start + count] += (sound * opening)[:, None] * sides
            dark[start : start + count] += (sound * (1 - opening))[:, None] * sides
    high = rng.uniform(1500, 9000)
    sound = lowpass(bright, high) + lowpass(dark, high * rng.uniform(0.1, 0.5))
    if patch == "bass" and rng.random() < 0.4:  # a sub an octave of sines
        sound = sound + lowpass(sound, 120) * rng.uniform(0.5, 2)
    return sound.astype(np.float32)


def guitar_amplifier(rng: np.random.Generator, clean: np.ndarray, drive: float) -> np.ndarray:
    """A clean guitar through gain, a clipping stage and a loudspeaker's band."""
    level = np.sqrt((clean**2).mean()) + 1e-9
    bite = clean - lfilter([0.02], [1, -0.98], clean, axis=0)
    dirty = np.tanh(bite / level * drive)
    dirty = dirty - lowpass(dirty, 80)
    return lowpass(lowpass(dirty, rng.uniform(3500, 5500)), rng.uniform(4500, 7000)).astype(np.float32)
