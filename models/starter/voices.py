"""Sung voices: speech, taken apart by the WORLD vocoder and put together again on a melody.

M. Morise, F. Yokomori, K. Ozawa: WORLD: a vocoder-based high-quality speech synthesis system for real-time
applications (2016). Speech comes from synthesisers or from recordings of 16 kHz; above 8 kHz the envelope is
continued, noise for consonants and a falling slope for vowels.

A syllable here is what a microphone sees: the frames between two dips of the voiced energy. Its onset keeps
its length, its nucleus is stretched to the note.
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyworld
import soundfile
import soxr
from compose import Note
from effects import RATE
from scipy.ndimage import gaussian_filter1d
from sources import ASTERISK, Voice

SPEECH_RATE = 16000
FRAME = 5.0  # milliseconds
PER_SECOND = 1000 / FRAME
FFT = 2048  # of the synthesis at 44.1 kHz
UTTERANCES = 70
ONSET = 24  # frames (120 ms) that a syllable's beginning may keep
TEXTS = {  # what the synthesisers say, by language: words in any order
    "en": """
        love you me we they heart night day light fire rain river road home time stay away again tonight
        never always forever hold hand eyes see feel know believe dream fall rise run dance sing song
        voice heaven moon sun star sky blue summer winter morning shadow silver golden broken lonely
        crazy baby sweet slow down up over under through waiting leaving calling falling burning turning
        shining flying crying trying maybe somebody everybody nothing everything something someone world
        city street window door mirror ocean island mountain wild free alive alone together tomorrow
        yesterday remember forget promise goodbye hello oh yeah la na hey who why where how take make
        break shake wake give live leave need keep deep sleep feel real steal show go know so low slow
    """,
    "es": """
        corazón noche día luz fuego lluvia río camino casa tiempo amor vida sueño cielo luna sol
        estrella verano mañana siempre nunca contigo bailar cantar vivir soñar volver quiero tengo vamos
        mirada besos alma canción libre
    """,
    "de": """
        Herz Nacht Tag Licht Feuer Regen Straße Zeit Liebe Leben Traum Himmel Mond Sonne Sterne Sommer
        Morgen immer niemals tanzen singen leben träumen kommen gehen bleiben allein zusammen frei weit
        lang schön wieder heute
    """,
}


@dataclass
class Syllable:
    """Frames of one syllable: envelope and aperiodicity [frames, bins of 0 to 8 kHz]; its nucleus' first."""

    envelope: np.ndarray
    aperiodicity: np.ndarray
    nucleus: int


def speak(voice: Voice, text: str, path: Path) -> None:
    if voice.engine == "flite":
        command = ["flite", "-voice", voice.name, "-t", text, "-o", str(path)]
    else:
        command = ["espeak-ng", "-v", voice.name, "-s", "120", "-w", str(path), text]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def utterances(voice: Voice, rng: np.random.Generator, count: int):
    """Float64 speech at 16 kHz."""
    if voice.engine == "files":
        files = sorted((ASTERISK / voice.name).rglob("*.g722"), key=lambda f: (-f.stat().st_size, f.name))[
            : 2 * count
        ]
        if not files:
            raise SystemExit(f"{ASTERISK / voice.name}: no recordings; see sources.py for the packages")
        for at in rng.permutation(len(files))[:count]:
            raw = subprocess.run(
                ["ffmpeg", "-v", "error", "-f", "g722", "-i", str(files[at]), "-t", "8", "-f", "f32le", "-ar",
                 str(SPEECH_RATE), "-ac", "1", "-"], check=True, capture_output=True,
            ).stdout  # fmt: skip
            yield np.frombuffer(raw, np.float32).astype(np.float64)
        return
    words = TEXTS.get(voice.name[:2], TEXTS["en"]).split()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(count):
            speak(voice, " ".join(rng.choice(words, int(rng.integers(5, 10)))), Path(folder) / "speech.wav")
            x, rate = soundfile.read(Path(folder) / "speech.wav", dtype="float64")
            yield soxr.resample(x, rate, SPEECH_RATE)


def analyse(x: np.ndarray) -> list[Syllable]:
    """The syllables of one utterance."""
    x = np.ascontiguousarray(x / (np.abs(x).max() + 1e-9))
    pitch, times = pyworld.dio(x, SPEECH_RATE, frame_period=FRAME, f0_floor=65.0, f0_ceil=500.0)
    pitch = pyworld.stonemask(x, pitch, times, SPEECH_RATE)
    envelope = pyworld.cheaptrick(x, pitch, times, SPEECH_RATE)
    aperiodicity = pyworld.d4c(x, pitch, times, SPEECH_RATE)
    voiced = pitch > 0
    if not voiced.any():
        return []
    loud = gaussian_filter1d(np.log(envelope.sum(1) + 1e-9), 4)
    loud[~voiced] = loud.min()
    middle = loud[1:-1]
    peaks = 1 + np.flatnonzero(
        (middle > loud[:-2]) & (middle >= loud[2:]) & (middle > np.median(loud[voiced]) - 1.5)
    )
    dips = [0]
    for a, b in itertools.pairwise(peaks):
        dips.append(a + int(np.argmin(loud[a:b])))
    dips.append(len(loud))
    result = []
    for i, peak in enumerate(peaks):
        first, end = max(dips[i], peak - ONSET), dips[i + 1]
        after = np.flatnonzero(voiced[peak:end])
        end = min(end, peak + (int(after[-1]) + 1 if len(after) else 1) + ONSET // 2)
        if end - peak < 6 or voiced[first:end].sum() < 8:
            continue
        ap = aperiodicity[first:end].astype(np.float32)
        ap[~voiced[first:end]] = 1.0
        result.append(Syllable(envelope[first:end].astype(np.float32), ap, peak - first))
    return result


def corpus(voice: Voice, cache: Path) -> list[Syllable]:
    """The voice's syllables, from the cache or made (a minute) and cached."""
    path = cache / f"{voice.engine}-{voice.name}.npz"
    if not path.exists():
        rng = np.random.default_rng(sum(map(ord, voice.name)))
        syllables = [
            s for x in utterances(voice, rng, UTTERANCES) if len(x) > SPEECH_RATE // 2 for s in analyse(x)
        ]
        cache.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npz")
        np.savez(
            temporary,
            envelope=np.log(np.concatenate([s.envelope for s in syllables]) + 1e-12).astype(np.float16),
            aperiodicity=np.concatenate([s.aperiodicity for s in syllables]).astype(np.float16),
            lengths=[len(s.envelope) for s in syllables],
            nuclei=[s.nucleus for s in syllables],
        )
        temporary.replace(path)
    data = np.load(path)
    ends = np.cumsum(data["lengths"])
    envelope, aperiodicity = data["envelope"], data["aperiodicity"]
    return [
        Syllable(envelope[end - n : end], aperiodicity[end - n : end], int(nucleus))
        for end, n, nucleus in zip(ends, data["lengths"], data["nuclei"], strict=True)
    ]


@dataclass
class Singer:
    """How one singer differs: a formant shift on the voice, vibrato, and how the notes are joined."""

    voice: Voice
    formants: float
    vibrato_cents: float
    vibrato_hertz: float
    glide: float  # seconds
    breath: float

    @staticmethod
    def draw(rng: np.random.Generator, voice: Voice) -> Singer:
        return Singer(
            voice,
            float(rng.uniform(0.88, 1.15)),
            float(rng.uniform(5, 70)),
            float(rng.uniform(4.5, 6.5)),
            float(rng.uniform(0.015, 0.08)),
            float(max(0.0, rng.normal(0.0, 0.12))),
        )


def sing(
    rng: np.random.Generator, singer: Singer, syllables: list[Syllable], notes: list[Note], seconds: float
):
    """Float64 [samples] at 44.1 kHz: the notes, a syllable each, in the singer's range."""
    frames = round((seconds + 1.0) * PER_SECOND)
    bins = syllables[0].envelope.shape[1]
    log_envelope = np.full((frames, bins), -24.0, np.float32)
    aperiodicity = np.ones((frames, bins), np.float32)
    cents = np.full(frames, np.nan)
    notes = sorted(notes)
    at = int(rng.integers(len(syllables)))
    previous_end = 0
    for i, note in enumerate(notes):
        syllable = syllables[at % len(syllables)]
        at += 1 if rng.random() < 0.9 else int(rng.integers(len(syllables)))
        onset = min(syllable.nucleus, ONSET)
        start = max(previous_end, round(note.start * PER_SECOND) - onset)
        end = round((note.start + note.length * 0.97) * PER_SECOND)
        if i + 1 < len(notes):
            end = min(end, round(notes[i + 1].start * PER_SECOND) - 4)
        end = min(end, frames)
        if end - start < 10:
            continue
        # Onset and release at their own speed, the nucleus stretched between.
        count, source = end - start, len(syllable.envelope)
        release = min(source - syllable.nucleus - 1, 12, count // 3)
        path = np.interp(
            np.arange(count),
            [0, min(onset, count // 3), max(count - 1 - release, count // 3 + 1), count],
            [syllable.nucleus - onset, syllable.nucleus, source - 1 - release, source - 1],
        )
        frame = np.clip(np.round(path + rng.normal(0, 0.6, count)).astype(int), 0, source - 1)
        level = 20 * np.log10(note.velocity / 100) / 4.34
        fade = np.minimum(1, np.minimum(np.arange(count), count - 1 - np.arange(count)) / 4 + 0.05)
        log_envelope[start:end] = syllable.envelope[frame] + (level + 2 * np.log(fade))[:, None]
        aperiodicity[start:end] = syllable.aperiodicity[frame]
        t = np.arange(count) / PER_SECOND
        swell = np.clip((t - 0.25) / 0.3, 0, 1)
        cents[start:end] = note.pitch * 100 + singer.vibrato_cents * swell * np.sin(
            2 * np.pi * singer.vibrato_hertz * t + rng.uniform(0, 6)
        )
        if rng.random() < 0.3:  # scooped from below
            cents[start:end] -= rng.uniform(50, 250) * np.exp(-t / 0.05)
        previous_end = end
    silent = np.isnan(cents)
    if silent.all():
        return np.zeros(round((seconds + 1.0) * RATE))
    cents = np.interp(np.arange(frames), np.flatnonzero(~silent), cents[~silent])
    cents = gaussian_filter1d(cents, singer.glide * PER_SECOND)
    cents += gaussian_filter1d(rng.normal(0, 60, frames), 8)
    pitch = 440 * 2 ** ((cents - 6900) / 1200)
    pitch = np.where(silent, 0.0, np.clip(pitch, 60, 1200))
    log_envelope = gaussian_filter1d(log_envelope, 1.0, axis=0)
    envelope, aperiodicity = widen(singer, log_envelope, aperiodicity)
    return pyworld.synthesize(np.ascontiguousarray(pitch), envelope, aperiodicity, RATE, FRAME)


def widen(
    singer: Singer, log_envelope: np.ndarray, aperiodicity: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """From 0..8 kHz of the speech to 0..22 kHz of the song, formants shifted."""
    bins = log_envelope.shape[1]
    frequency = np.arange(FFT // 2 + 1) * (RATE / FFT)
    position = frequency / singer.formants / (SPEECH_RATE / 2) * (bins - 1)
    edge = 0.95 * (bins - 1)  # the recordings' own low-pass begins there
    low = np.minimum(position, edge)
    left = low.astype(int)
    part = (low - left).astype(np.float32)
    right = np.minimum(left + 1, bins - 1)
    wide = log_envelope[:, left] * (1 - part) + log_envelope[:, right] * part
    noisy = aperiodicity[:, left] * (1 - part) + aperiodicity[:, right] * part
    above = np.maximum(0.0, np.log2(np.maximum(position, 1) / edge))  # octaves above the edge
    consonant = noisy[:, : bins // 4].mean(1, keepdims=True)
    wide = wide - above * (6.0 - 4.0 * consonant)
    noisy = np.clip(
        noisy + np.minimum(above * 2, 1)[None] + singer.breath * (frequency > 2500), 1e-3, 1 - 1e-6
    )
    return np.ascontiguousarray(np.exp(wide), np.float64), np.ascontiguousarray(noisy, np.float64)
