#!/usr/bin/env bash
# FFmpeg 8 (PyAV 18.1.0) gives short Ogg Vorbis files 128 samples fewer than they hold; libsndfile gives all.
#
# Guessed: both decoders give the length that the file's last page states.
# Seen: 1 s at 44.1 kHz written by libsndfile: libsndfile 44100 frames, FFmpeg 43972. What FFmpeg gives equals
# libsndfile's samples from the first one on, so the LAST 128 (2.9 ms) are missing. Files of 1000, 50000 and
# 65536 frames lose 128 too; one of 132300 frames (3 s) is complete. The stream's own duration says 44100.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q av==18.1.0 soundfile==0.14.0 numpy==2.2.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import av
import numpy as np
import soundfile

print("PyAV", av.__version__, "libavcodec", av.library_versions["libavcodec"], soundfile.__libsndfile_version__)


def by_ffmpeg(path):
    with av.open(path) as container:
        duration = container.streams.audio[0].duration
        return np.concatenate([f.to_ndarray()[0] for f in container.decode(audio=0)]), duration


for frames, missing in ((1000, 128), (44100, 128), (50000, 128), (65536, 128), (132300, 0)):
    tone = 0.4 * np.sin(2 * np.pi * 440 / 44100 * np.arange(frames))
    soundfile.write("tone.ogg", tone, 44100, format="OGG", subtype="VORBIS")
    whole = soundfile.read("tone.ogg", dtype="float32")[0]
    given, duration = by_ffmpeg("tone.ogg")
    print(f"written {frames}: libsndfile {len(whole)}, FFmpeg {len(given)}, stream duration {duration}")
    assert len(whole) == duration == frames
    assert len(given) == frames - missing
    assert np.abs(whole[: len(given)] - given).max() < 1e-5
PYTHON
