#!/usr/bin/env bash
# The same samples written twice by libsndfile make different files: float WAV, WAVEX and AIFF, Ogg Vorbis, Opus.
#
# Guessed: Ogg differs (a random stream number), all others are the same bytes.
# Seen (soundfile 0.14.0, libsndfile 1.2.2, 1.1 s between the two): float WAV, WAVEX and AIFF hold the second of the
# writing in their PEAK chunk; float RF64, W64, CAF and AU, and all integer formats, FLAC and MP3 are the same bytes.
# A catalogue that compares float WAV stems by checksum takes every repeat for a change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q soundfile==0.14.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import time
from pathlib import Path

import numpy as np
import soundfile

TONE = (0.25 * np.sin(2 * np.pi * 440 / 48000 * np.arange(48000))).astype(np.float32)
PLACES = {  # where the two files differ
    ("WAV", "PCM_16"): "nowhere", ("WAV", "FLOAT"): "PEAK", ("WAVEX", "FLOAT"): "PEAK",
    ("RF64", "FLOAT"): "nowhere", ("W64", "FLOAT"): "nowhere", ("AIFF", "PCM_16"): "nowhere",
    ("AIFF", "FLOAT"): "PEAK", ("CAF", "FLOAT"): "nowhere", ("AU", "FLOAT"): "nowhere",
    ("FLAC", "PCM_16"): "nowhere", ("MP3", "MPEG_LAYER_III"): "nowhere",
    ("OGG", "VORBIS"): "OggS", ("OGG", "OPUS"): "OggS",
}


def written():
    files = {}
    for kind in PLACES:
        soundfile.write("sound", TONE, 48000, format=kind[0], subtype=kind[1])
        files[kind] = Path("sound").read_bytes()
    return files


first = written()
time.sleep(1.1)
second = written()
print("libsndfile", soundfile.__libsndfile_version__)
for kind, expected in PLACES.items():
    one, two = first[kind], second[kind]
    differing = [at for at, (a, b) in enumerate(zip(one, two)) if a != b]
    place = "nowhere"
    if differing:
        place = max(("PEAK", "OggS"), key=lambda name: one.rfind(name.encode(), 0, differing[0]))
    print(*kind, "differs:", place)
    assert len(one) == len(two) and place == expected
PYTHON
