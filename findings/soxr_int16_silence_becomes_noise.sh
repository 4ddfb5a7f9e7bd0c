#!/usr/bin/env bash
# soxr for Python (1.1.0) makes noise of digital silence in int16, and changes int16 samples at equal rates, too.
#
# Guessed: zeros stay zeros in every format, and from a rate to the same rate every sample stays what it is.
# Seen: int16 is dithered, always: of a second of zeros from 44.1 to 48 kHz some 23 % of the samples become 1 or -1, in
# mono and in stereo, and from 44.1 to 44.1 kHz noise comes back changed by 1 in some 24 % of its samples. Every call
# gives the same ones. int32, float32 and float64 keep zeros, and float32 keeps all samples at equal rates. A minute
# of a stem that rests takes 10 kB as FLAC, and a hundred times as much behind soxr; nor is it ever found silent again.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q soxr==1.1.0 soundfile==0.14.0 numpy==2.2.6
"$folder/venv/bin/python" - "$folder" <<'END'
import os
import sys

import numpy as np
import soundfile
import soxr

def wrong(x):
    return float((x != 0).mean())

for channels in (1, 2):
    silence = np.zeros((44100, channels), np.int16)
    out = soxr.resample(silence, 44100, 48000)
    print(f"{channels} channels of zeros: {wrong(out):.3f} of the samples are not, at most {np.abs(out).max()}")
    assert 0.15 < wrong(out) < 0.35 and np.abs(out).max() == 1
    assert np.array_equal(out, soxr.resample(silence, 44100, 48000))
for kind in (np.int32, np.float32, np.float64):
    assert wrong(soxr.resample(np.zeros((44100, 2), kind), 44100, 48000)) == 0

noise = np.random.default_rng(1).normal(0, 3000, (44100, 2)).astype(np.int16)
same = soxr.resample(noise, 44100, 44100)
changed = same.astype(int) - noise
print(f"44.1 to 44.1 kHz: {wrong(changed):.3f} of the samples change, at most by {np.abs(changed).max()}")
assert 0.15 < wrong(changed) < 0.35 and np.abs(changed).max() == 1
floats = noise.astype(np.float32)
assert np.array_equal(soxr.resample(floats, 44100, 44100), floats)

minute = np.zeros((60 * 44100, 2), np.int16)
sizes = []
for samples in (minute, soxr.resample(minute, 44100, 48000)):
    path = os.path.join(sys.argv[1], "minute.flac")
    soundfile.write(path, samples, 48000)
    sizes.append(os.path.getsize(path))
print(f"a minute of silence as FLAC: {sizes[0]} bytes, behind soxr {sizes[1]}")
assert sizes[1] > 50 * sizes[0]
END
