#!/usr/bin/env bash
# FFmpeg's 5.1-to-stereo downmix is 7.7 dB quieter when the result is int16 than when it is float.
#
# Guessed: one matrix, whatever the sample format (front 1, centre and surround 0.7071, all normalised or not).
# Seen (libswresample of PyAV 18.1.0): to "fltp" the weights are 1, 0.7071, 0.7071 and three channels at full scale
# give 2.41; to "s16p" and "s32p" the same input is normalised: 0.4142, 0.2929, 0.2929. miniaudio 1.71 takes 1, 0.5,
# 0.5 for the same file. So what a separator hears, and whether it clips, depends on the format it asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 miniaudio==1.71 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import struct
from pathlib import Path

import av
import miniaudio
import numpy as np

CHANNELS = ("FL", "FR", "FC", "LFE", "BL", "BR")  # of 5.1, in the order of WAV
LEVEL = 0.5
PCM = bytes.fromhex("0100000000001000800000aa00389b71")  # the sub-format of integers


def surround(channel):
    """A 5.1 file that sounds in one channel."""
    samples = np.zeros((4410, 6), "<i2")
    samples[:, channel] = round(LEVEL * 32768)
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 6, 44100, 12 * 44100, 12, 16, 22, 16, 0x3F) + PCM
    data = samples.tobytes()
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    Path("surround.wav").write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)


def by_ffmpeg(kind):
    resampler = av.AudioResampler(format=kind, layout="stereo", rate=44100)
    with av.open("surround.wav") as container:
        parts = [part.to_ndarray() for f in container.decode(audio=0) for part in resampler.resample(f)]
    stereo = np.concatenate(parts, axis=1)[:, 2000].astype(float)
    return np.round(stereo / {"fltp": 1, "s16p": 1 << 15, "s32p": 1 << 31}[kind] / LEVEL, 4)


def by_miniaudio():
    sound = miniaudio.decode_file("surround.wav", miniaudio.SampleFormat.FLOAT32, 2, 44100)
    return np.round(np.array(sound.samples).reshape(-1, 2)[2000] / LEVEL, 4)


weights = {name: [] for name in ("fltp", "s16p", "s32p", "miniaudio")}
for channel in range(6):
    surround(channel)
    for name in ("fltp", "s16p", "s32p"):
        weights[name].append(by_ffmpeg(name))
    weights["miniaudio"].append(by_miniaudio())
print("weights in the left channel of", *CHANNELS)
left = {name: np.array(values)[:, 0] for name, values in weights.items()}
for name, values in left.items():
    print(f"{name:10}", *(f"{value:.4f}" for value in values))
assert np.allclose(left["fltp"], [1, 0, 0.7071, 0, 0.7071, 0], atol=2e-4)
for name in ("s16p", "s32p"):
    assert np.allclose(left[name], [0.4142, 0, 0.2929, 0, 0.2929, 0], atol=2e-4)
assert np.allclose(left["miniaudio"], [1, 0, 0.5, 0, 0.5, 0], atol=2e-4)
print(f"int16 against float: {20 * np.log10(left['s16p'][2] / left['fltp'][2]):.1f} dB")
PYTHON
