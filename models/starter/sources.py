"""Where the sounds come from, by split, and their licences: the table of `LICENCES.md` in code.

Training uses only what is MIT, BSD, CC0 or CC-BY. The held-out songs, which are for measuring and are never
part of a model, use other soundfonts, drums and voices, which may be under the GPL or CC-BY-SA.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

STEMS = ("vocals", "drums", "bass", "other")
NETWORKS = (*STEMS, "accompaniment")  # the last: all but the vocals, for two stems

SF2 = Path("/usr/share/sounds/sf2")
SONIC_PI = Path("/usr/share/sonic-pi/samples")
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
class Split:
    """The sounds that the songs of one split may use."""

    number: int  # first item of every song's seed
    soundfonts: tuple[Path, ...]
    drum_soundfonts: tuple[Path, ...]
    samples: bool  # kits from single drum samples and synthesised ones
    voices: tuple[Voice, ...]


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

TRAIN_FONTS = (SF2 / "FluidR3_GM.sf2", SF2 / "MuseScore_General_Full.sf2")
SPLITS = {
    "train": Split(1, TRAIN_FONTS, TRAIN_FONTS, True, TRAIN_VOICES),
    # New songs with known sounds: what the training watches.
    "valid": Split(2, TRAIN_FONTS, TRAIN_FONTS, True, TRAIN_VOICES),
    # New songs with other instruments, drums and voices: what is published.
    "heldout": Split(
        3,
        (SF2 / "TimGM6mb.sf2",),
        (SF2 / "TimGM6mb.sf2", SF2 / "Black_Pearl_4_LV2.sf2", SF2 / "Red_Zeppelin_4_LV2.sf2"),
        False,
        HELDOUT_VOICES,
    ),
}
