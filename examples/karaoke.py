"""Makes a karaoke track with guide vocals: the song with its voice turned down, not off.

    python karaoke.py SONG OUT.flac [--guide DB] [--model MODEL]

Works in constant memory for a song of any length. OUT.wav, .flac, .ogg and .mp3 are written at the model's
sample rate; an unfinished OUT is removed if anything fails.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import soundfile

from spleeterrt import Separator, SpleeterError
from spleeterrt.audio.reader import AudioReader


def karaoke(song: Path, result: Path, guide_db: float, model: str) -> float:
    """Writes `result`; returns its peak, where 1 is full scale."""
    # Two stems that sum to the mix: the voice, from one network, and the mix minus it.
    separator = Separator(model, two_stems="vocals", mode="direct")
    gain = 10 ** (guide_db / 20)
    peak = 0.0
    with (
        AudioReader(song, sample_rate=separator.sample_rate) as reader,
        soundfile.SoundFile(result, "w", separator.sample_rate, channels=2) as file,
    ):
        for stems in separator.separate_blocks(reader):
            mix = stems["no_vocals"] + gain * stems["vocals"]
            peak = max(peak, float(abs(mix).max(initial=0)))
            file.write(mix)
    for warning in reader.warnings:
        print(f"karaoke: {warning}", file=sys.stderr)
    return peak


def main() -> int:
    parser = argparse.ArgumentParser(description="The song with its voice turned down.")
    parser.add_argument("song", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument(
        "--guide", type=float, default=-12.0, metavar="DB", help="level of the voice (%(default)s)"
    )
    parser.add_argument(
        "--model", default="starter:4stems", help="any model with a stem vocals (%(default)s)"
    )
    arguments = parser.parse_args()
    if arguments.result.exists() and arguments.song.exists() and arguments.result.samefile(arguments.song):
        parser.error("the result would replace the song")
    # The file gets its name when it is complete.
    unfinished = arguments.result.with_name(f".{os.getpid()}.{arguments.result.name}")
    try:
        peak = karaoke(arguments.song, unfinished, arguments.guide, arguments.model)
        unfinished.replace(arguments.result)
    except (SpleeterError, soundfile.LibsndfileError, TypeError, OSError) as error:
        print(f"karaoke: {error}", file=sys.stderr)
        return 1
    finally:
        unfinished.unlink(missing_ok=True)
    if peak > 1:
        print(f"karaoke: the peak is {peak:.2f} of full scale; integer formats clip there", file=sys.stderr)
    print(arguments.result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
