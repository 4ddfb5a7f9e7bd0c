"""Changes the gains of stems while the music plays, as a mixer with a fader per stem would.

    python live_gains.py SONG OUT.wav 4:vocals=0 8:vocals=1,drums=0.5 [--model MODEL] [--play]

At second 4 the voice goes, at second 8 it is back and the drums are at half their level. This loop is what an
audio callback does: 256 samples in, 256 samples out, a constant `latency` later, and without an allocation.
Here it runs as fast as the networks do and waits for them; with --play it keeps time like a sound card and
never waits: a network that is late is counted, and its last mask is used.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from spleeterrt import SpleeterError, StreamSeparator

BLOCK = 256


def parse_moves(texts: list[str]) -> list[tuple[float, dict[str, float]]]:
    """["4:vocals=0,drums=1"] -> [(4.0, {"vocals": 0.0, "drums": 1.0})], in order of time."""
    moves = []
    for text in texts:
        seconds, _, faders = text.partition(":")
        gains = dict(fader.split("=") for fader in faders.split(","))
        moves.append((float(seconds), {stem: float(gain) for stem, gain in gains.items()}))
    return sorted(moves, key=lambda move: move[0])


def play(
    song: Path, result: Path, moves: list[tuple[float, dict[str, float]]], model: str, real: bool
) -> str:
    with soundfile.SoundFile(song) as source:
        rate = source.samplerate
        live = StreamSeparator(
            model, frames=128, hop_frames=2, block=BLOCK, sample_rate=rate, realtime=real, window="short"
        )
        for _, gains in moves:  # an unknown stem is an error now, not in the middle of the song
            live.set_gains(**gains)
        live.set_gains(**dict.fromkeys(live.instruments, 1.0))
        out = {stem: np.empty((BLOCK, 2), np.float32) for stem in live.instruments}
        mix = np.empty((BLOCK, 2), np.float32)
        drop, left = live.latency, source.frames  # so that the result is aligned with the song
        begun = time.monotonic()
        with live, soundfile.SoundFile(result, "w", rate, channels=2) as file:
            for number in range(-(-(source.frames + live.latency) // BLOCK)):
                heard = (number * BLOCK - live.latency) / rate  # a gain counts for what comes out next
                while moves and moves[0][0] <= heard:
                    live.set_gains(**moves.pop(0)[1])
                block = source.read(BLOCK, dtype="float32", always_2d=True, fill_value=0)
                if real:
                    time.sleep(max(0.0, begun + number * BLOCK / rate - time.monotonic()))
                live.process(np.ascontiguousarray(block), out, mix_out=mix)
                skip = min(drop, BLOCK)
                drop -= skip
                file.write(mix[skip : skip + left])
                left -= min(left, BLOCK - skip)
            stats = live.stats
    return f"latency {1000 * live.latency / rate:.0f} ms, {stats.runs} runs, {stats.underruns} underruns"


def main() -> int:
    parser = argparse.ArgumentParser(description="Gains of stems that change while the music plays.")
    parser.add_argument("song", type=Path)
    parser.add_argument("result", type=Path)
    parser.add_argument("moves", nargs="*", metavar="SECOND:STEM=GAIN,...")
    parser.add_argument("--model", default="starter:4stems", help="(%(default)s)")
    parser.add_argument("--play", action="store_true", help="keep time, and never wait for the networks")
    arguments = parser.parse_args()
    try:
        moves = parse_moves(arguments.moves)
    except ValueError:
        parser.error("expected moves like 4:vocals=0,drums=0.5")
    try:
        print(play(arguments.song, arguments.result, moves, arguments.model, arguments.play))
    except (SpleeterError, soundfile.LibsndfileError, OSError) as error:
        print(f"live_gains: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
