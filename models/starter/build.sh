#!/usr/bin/env bash
# The starter model from nothing: sounds, songs, training, model file. Needs Debian (as root, for the packages) with
# python3 from 3.11 on, its venv, git and a C++ compiler, an hour of two cores for the songs, and 35 GB. It trains on a
# GPU of 24 GB if PyTorch finds one (MINUTES, 11), else on the CPU for hours (STEPS, 5000). Stop it and start it again as you
# like: every step goes on where it was.
#
#     models/starter/build.sh WORK        # a folder for songs, voices and the training's state
#
# SONGS (300), SAMPLED (500) and PROCESSES (2) may be set in the environment, and REAL: the folder of multitracks that
# bench/real_multitracks.py makes.
set -euo pipefail
work=$(realpath -m "${1:?usage: build.sh WORK}")
here=$(cd "$(dirname "$0")" && pwd)
processes=${PROCESSES:-2}
mkdir -p "$work"
export OMP_NUM_THREADS=1
export STARTER_SOUNDS="$work/sounds"

packages=$(python3 -c "import sys; sys.path.insert(0, '$here'); import sources; print(*sources.DEBIAN_PACKAGES)")
# shellcheck disable=SC2086
dpkg -s $packages >/dev/null 2>&1 || { apt-get update -qq; apt-get install -y -qq $packages; }
if [ ! -e "$work/venv/complete" ]; then
  python3 -m venv "$work/venv"
  "$work/venv/bin/pip" install -q -r "$here/requirements.txt" "$here/../.."
  touch "$work/venv/complete"
fi
python=("$work/venv/bin/python" -W ignore)

"${python[@]}" "$here/sounds.py" --out "$STARTER_SOUNDS"
render() { "${python[@]}" "$here/songs.py" --split "$1" --songs "$2" --out "$work/$3" --cache "$work/cache" --processes "$processes"; }
render train "${SONGS:-300}" songs
render sampled "${SAMPLED:-500}" songs
render valid 16 valid
real=(--voices "$STARTER_SOUNDS/vocadito" "$STARTER_SOUNDS/vocadito-1")
if [ -n "${REAL:-}" ]; then real+=(--multitracks "$REAL"); fi
"${python[@]}" "$here/real.py" "${real[@]}" --out "$work/songs"

if "${python[@]}" -c "import sys, torch; sys.exit(not torch.cuda.is_available())"; then
  pack() { "${python[@]}" "$here/pack.py" --songs "$work/$1" --out "$work/packed-$1" --megabytes "$2" --processes "$processes"; }
  state=$work/state-gpu
  pack songs 60
  pack valid 1000
  "${python[@]}" "$here/train_gpu.py" --packs "$work/packed-songs" --valid "$work/packed-valid/pack-0000.tar" \
    --state "$state" --minutes "${MINUTES:-11}"
else
  state=$work/state-cpu
  train() { exec "${python[@]}" "$here/train.py" --songs "$work/songs" --valid "$work/valid" --state "$state" --steps "${STEPS:-5000}" --stems "$@"; }
  trap 'kill $(jobs -p) 2>/dev/null || true' EXIT # if one stops, both do
  train vocals accompaniment &
  train drums bass other &
  wait -n
  wait -n
fi
"${python[@]}" "$here/curve.py" --state "$state" --out "$here/curve.png"
"${python[@]}" "$here/export.py" --state "$state" --out "$here/../../src/spleeterrt/models/starter.safetensors"
