#!/usr/bin/env bash
# Two audio files written one behind the other (`cat a b > ab`): four readers, no two agree on all formats.
#
# Guessed: MP3 whole everywhere, Ogg whole everywhere but libsndfile, FLAC the first file only everywhere.
# Seen (1 s of 440 Hz and 1 s of 880 Hz, 44.1 kHz, LAME's Info header in each MP3); frames of the joined file:
#
#                    soundfile   PyAV    miniaudio   pedalboard
#   MP3                  44100   92207       44100        46080    the first header counts only its own file
#   Ogg Vorbis           44100   88520       44100        88200
#   FLAC                 44100   88200       88200        44100
#
# None of them raises or warns through Python. A second Ogg file of 48 kHz: pedalboard plays it at 44.1 kHz, 1.5
# semitones too low; PyAV raises.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 soundfile==0.14.0 miniaudio==1.71 pedalboard==0.9.26 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
from pathlib import Path

import av
import miniaudio
import numpy as np
import soundfile
from pedalboard.io import AudioFile

CONTAINERS = {"mp3": ("MP3", None), "ogg": ("OGG", "VORBIS"), "flac": ("FLAC", "PCM_16")}


def tone(frequency, rate, suffix):
    path = Path(f"{frequency}-{rate}.{suffix}")
    kind, subtype = CONTAINERS[suffix]
    wave = 0.4 * np.sin(2 * np.pi * frequency / rate * np.arange(rate))
    soundfile.write(path, wave, rate, format=kind, subtype=subtype)
    return path.read_bytes()


def by_pyav(path):
    try:
        with av.open(path) as container:
            return sum(frame.samples for frame in container.decode(audio=0))
    except av.FFmpegError as error:
        return type(error).__name__


def by_pedalboard(path):
    with AudioFile(path) as file:
        return file.read(file.frames).shape[1]


def lengths(suffix, second_rate=44100):
    path = f"joined.{suffix}"
    Path(path).write_bytes(tone(440, 44100, suffix) + tone(880, second_rate, suffix))
    miniaudio_frames = miniaudio.decode_file(path).num_frames
    return len(soundfile.read(path)[0]), by_pyav(path), miniaudio_frames, by_pedalboard(path)


seen = {suffix: lengths(suffix) for suffix in CONTAINERS}
for suffix, row in seen.items():
    print(f"{suffix:5} soundfile, PyAV, miniaudio, pedalboard: {row}")
assert seen == {
    "mp3": (44100, 92207, 44100, 46080),
    "ogg": (44100, 88520, 44100, 88200),
    "flac": (44100, 88200, 88200, 44100),
}
other = lengths("ogg", 48000)
print(f"ogg, the second at 48 kHz: {other}")
assert other[1] == "PatchWelcomeError"
assert other[3] == 44100 + 48000  # all frames, under the first rate
PYTHON
