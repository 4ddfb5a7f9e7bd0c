#!/usr/bin/env bash
# The starter model from nothing: sounds, songs, training, model file. Needs Debian (as root, for the packages) with
# python3 from 3.11 on, its venv and a C++ compiler, a few hours of two cores and 10 GB. Stop it and start it again as you like: every step goes on where it was.
#
#     models/starter/build.sh WORK        # a folder for songs, voices and the training's state
#
# SONGS (120), STEPS (5000) and PROCESSES (2) may be set in the environment, and REAL: the folder of multitracks that
# bench/real_multitracks.py makes. Its songs without a bass of their own lend vocals and drums to all networks, and
# whole songs to those for which it does not matter that the bass is in `other`.
set -euo pipefail
work=$(realpath -m "${1:?usage: build.sh WORK}")
here=$(cd "$(dirname "$0")" && pwd)
songs=${SONGS:-120} steps=${STEPS:-5000} processes=${PROCESSES:-2}
mkdir -p "$work"
export OMP_NUM_THREADS=1

packages=$(python3 -c "import sys; sys.path.insert(0, '$here'); import sources; print(*sources.DEBIAN_PACKAGES)")
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq $packages; }
if [ ! -x "$work/venv/bin/python" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install -q -r "$here/requirements.txt" "$here/../.."
fi
python=("$work/venv/bin/python" -W ignore)

render() { "${python[@]}" "$here/songs.py" --split "$1" --songs "$2" --out "$work/$1" --cache "$work/cache" --processes "$processes"; }
render train "$songs"
render valid 8

mkdir -p "$work/train-voices"
for song in "$work"/train/train-*; do ln -sfn "$song" "$work/train-voices/"; done
if [ -n "${REAL:-}" ]; then
  for name in 1.Hydrogen 4.Potassium 5.Rubidium 6.Caesium; do
    song=$(realpath -e "$REAL/$name")
    ln -sfn "$song" "$work/train-voices/real-$name"
    mkdir -p "$work/train/real-$name"
    ln -sf "$song/vocals.wav" "$song/drums.wav" "$work/train/real-$name/"
  done
fi

train() { # songs, stems
  local songs=$1
  shift
  "${python[@]}" "$here/train.py" --songs "$work/$songs" --valid "$work/valid" --state "$work/state" --steps "$steps" --stems "$@"
}
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT # if one stops, both do
train train-voices vocals accompaniment &
train train drums bass other
wait $!
"${python[@]}" "$here/curve.py" --state "$work/state" --out "$here/curve.png"
"${python[@]}" "$here/export.py" --state "$work/state" --out "$here/../../src/spleeterrt/models/starter.safetensors"
