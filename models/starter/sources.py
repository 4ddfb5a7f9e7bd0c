"""Where the sounds come from, by split: `LICENCES.md` in code, but for the licences (also in `sounds.csv`).

Training uses only what is MIT, BSD, CC0 or CC-BY. The held-out songs, which are for measuring and are never
part of a model, use other soundfonts, drums and voices, which may be under the GPL or CC-BY-SA.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

STEMS = ("vocals", "drums", "bass", "other")
NETWORKS = (*STEMS, "accompaniment")  # the last: all but the vocals, for two stems

SF2 = Path("/usr/share/sounds/sf2")
SONIC_PI = Path("/usr/share/sonic-pi/samples")
SOUNDS = Path(
    os.environ.get("STARTER_SOUNDS", Path(__file__).parent / "cache" / "sounds")
)  # made by sounds.py
HYDROGEN = Path("/usr/share/hydrogen/data/drumkits")
ASTERISK = Path("/usr/share/asterisk/sounds")

DEBIAN_PACKAGES = (
    "fluidsynth", "fluid-soundfont-gm", "musescore-general-soundfont-lossless", "timgm6mb-soundfont",
    "avldrums.lv2-soundfont", "sonic-pi-samples", "hydrogen-drumkits", "flite", "espeak-ng", "ffmpeg",
    "asterisk-core-sounds-en-g722", "asterisk-core-sounds-fr-g722", "asterisk-core-sounds-it-g722",
    "asterisk-core-sounds-ru-g722",
)  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """A speaker: `engine` is "flite" or "espeak" with a voice's name, or "files" with a folder."""

    engine: str
    name: str
    high: bool  # a woman's or child's range


@dataclass(frozen=True)
class Sampled:
    """An instrument of single notes; `pattern` finds a file name's `key`: a MIDI number or a note's name."""

    roles: tuple[str, ...]  # "bass", or families of `compose.BACKING`
    folder: Path
    pattern: re.Pattern[str]
    shift: int = 0  # semitones from what the names say to what sounds


@dataclass(frozen=True, eq=False)
class Kit:
    """Sampled drums: `patterns` finds the files of every kind of drum, by their paths below `folder`."""

    folder: Path
    patterns: dict[str, str]


@dataclass(frozen=True)
class Split:
    """The sounds that the songs of one split may use."""

    number: int  # first item of every song's seed
    soundfonts: tuple[Path, ...]
    drum_soundfonts: tuple[Path, ...]
    samples: bool  # kits from single drum samples and synthesised ones
    voices: tuple[Voice, ...]
    made: bool = False  # strings, synthesisers and mixing habits of the newer renderer
    sampled: tuple[Sampled, ...] = ()
    kits: tuple[Kit, ...] = ()


TRAIN_VOICES = (
    Voice("flite", "slt", True),
    Voice("flite", "awb", False),
    Voice("flite", "kal16", False),
    Voice("files", "it_IT_m_Carlo", False),
    Voice("files", "ru_RU_f_IvrvoiceRU", True),
    Voice("espeak", "en+f2", True),
    Voice("espeak", "en-us+m3", False),
    Voice("espeak", "es+f4", True),
    Voice("espeak", "de+m7", False),
)
HELDOUT_VOICES = (
    Voice("files", "en_US_f_Allison", True),
    Voice("files", "fr_CA_f_June", True),
    Voice("flite", "rms", False),
)


def named(folder: str, roles: str, pattern: str, shift: int = 0) -> Sampled:
    """An instrument among the downloaded ones (sounds.py)."""
    pattern = pattern.replace("KEY", r"(?P<key>[a-g][#b]?\d?)").replace("NUMBER", r"(?P<key>\d+)")
    return Sampled(tuple(roles.split()), SOUNDS / folder, re.compile(pattern, re.IGNORECASE), shift)


SONIC_PI_BASSES = tuple(
    Sampled(("bass",), SONIC_PI, re.compile(rf"bass_{name}_c(?P<key>)\.flac"), 36)
    for name in ("drop", "hard", "thick", "trance", "voxy", "woodsy")
)
GUITARS = "steel clean muted overdrive distortion"
SAMPLED = (
    *SONIC_PI_BASSES,
    named("electric-bass-YR/finger", "bass", r"KEY\.flac"),
    named("electric-bass-YR/pick", "bass", r"KEY\.flac"),
    named("pastabass/fingered_flatwound", "bass", r"KEY_.*\.wav", -12),
    named("pastabass/picked_roundwound", "bass", r"KEY_.*\.wav", -12),
    named("pastabass/picked_muted", "bass", r"KEY_.*\.wav", -12),
    named("meatbass/pizz", "bass", r"KEY_.*\.wav"),
    named("double-bass/pizz", "bass", r"pizz_KEY_.*\.wav"),
    named("lately-bass", "bass", r"KEY\.wav", -12),
    named("synth-bass-1", "bass", r"KEY\.flac"),
    named("shinyguitar/mic_acoustic", "nylon steel", r"KEY_.*\.wav"),
    named("shinyguitar/pickup_electric", GUITARS, r"KEY_.*\.wav"),
    named("spanish-classical-guitar", "nylon steel harp", r"KEY\.flac"),
    named("horsepulse/pluck", "nylon harp pluck", r"KEY_.*\.wav", -12),
    named("epianos-greg-sullivan/wurlitzer", "epiano clav", r"KEY[fmp]+\.flac"),
    named("epianos-greg-sullivan/pianet_t", "epiano clav", r"NUMBER_.*\.flac"),
    named("epianos-greg-sullivan/cp80", "epiano piano", r"NUMBER-.*\.flac"),
    named("upright-piano-KW", "piano", r"KEYv[HL]\.flac"),
    named("caveman-organ", "organ accordion", r"(?:all_all_all|tremolo|clarinet|trompette|violin)_KEY\.wav"),
    named("synth-square", "lead pluck", r"KEY\.flac"),
    named("synth-pad-choir", "pad synthstrings strings", r"KEY\.flac"),
    named("weresax/alto", "sax", r"KEY_.*\.wav", 12),
    named("bear-sax", "sax brass", r"KEY_.*\.wav", 12),
    named("bigcat-cello/sus", "strings violin", r"KEY_.*\.wav", 12),
    named("bigcat-cello/pizz", "strings pluck", r"KEY_.*\.wav", 12),
)
# Heard by no network: what the training watches.
VALID_SAMPLED = (
    named("growlybass/sustain", "bass", r"KEY_.*\.wav", -12),
    named("pastabass/picked_flatwound", "bass", r"KEY_.*\.wav", -12),
    named("synth-bass-2", "bass", r"KEY\.flac", -12),
    named("emilyguitar", GUITARS, r"KEY_.*\.wav"),
    named("old-piano-FB", "piano epiano", r"KEY\.flac"),
    named("war-tuba", "brass sax", r"KEY_sus.*\.wav", 12),
)
HANDS = {  # percussion that any kit may have
    "perc": r"(Bongos|Conga|Darbuka|Tambourine|Maracas|EggShaker|HighConga|LowConga)/.*",
    "clap": r"HandClap/.*",
    "stick": r"(Claves|Castanets)/.*",
}
KITS = (
    Kit(SOUNDS / "muldjordkit", {
        "kick": r"Kdrum[LR]/.*", "snare": r"Snare[12]/.*", "hat": r"HihatClosed/.*", "open": r"HihatOpen/.*",
        "ride": r"Ride[LR]/.*", "crash": r"(Crash[LR]|China)/.*", "tom": r"Tom\d/.*",
        "stick": r"SnareRest1/.*", "bell": r"Ride[LR]Bell/.*",
    }),
    *(Kit(SOUNDS / "gogodze2" / mic, {
        "kick": r"ks_.*", "snare": r"s[ce]_.*", "hat": r"h[ctf]_.*", "open": r"h[ohl]_.*",
        "tom": r"t[hml]_.*", "stick": r"ss_.*",
    }) for mic in ("oh_mic", "retro_mic", "snare_mic")),
    Kit(SOUNDS / "synthesizer-percussion", {
        "kick": r"Kick.*", "snare": r"Snare.*", "hat": r"ClosedHiHat.*", "open": r"OpenHiHat.*",
        "crash": r"Cymbal.*", "tom": r".*Tom.*", "clap": r"Clap.*", "stick": r"Claves.*",
        "perc": r"Shaker.*",
    }),
    Kit(SOUNDS / "frankensnare", {
        "snare": r"\d.*/s[a-z]_.*", "clap": r"xtra_claps/.*", "perc": r"xtra_tamb/.*",
    }),
    Kit(SOUNDS / "world-percussion", HANDS),
)  # fmt: skip
TRAIN_FONTS = (SF2 / "FluidR3_GM.sf2", SF2 / "MuseScore_General_Full.sf2")
SPLITS = {
    "train": Split(1, TRAIN_FONTS, TRAIN_FONTS, True, TRAIN_VOICES, made=True, sampled=SONIC_PI_BASSES),
    # The same with more instruments.
    "sampled": Split(4, TRAIN_FONTS, TRAIN_FONTS, True, TRAIN_VOICES, made=True, sampled=SAMPLED, kits=KITS),
    # New songs, some of whose instruments are in no other split: what the training watches.
    "valid": Split(
        2, TRAIN_FONTS, TRAIN_FONTS, True, TRAIN_VOICES, made=True, sampled=VALID_SAMPLED, kits=KITS
    ),
    # New songs with other instruments, drums and voices: what is published.
    "heldout": Split(
        3,
        (SF2 / "TimGM6mb.sf2",),
        (SF2 / "TimGM6mb.sf2", SF2 / "Black_Pearl_4_LV2.sf2", SF2 / "Red_Zeppelin_4_LV2.sf2"),
        False,
        HELDOUT_VOICES,
    ),
}
