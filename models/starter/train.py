"""Trains stems' networks on rendered songs: Spleeter's form and loss, on the CPU. (On a GPU: train_gpu.py.)

    python models/starter/train.py --songs DIR --valid DIR --state DIR --stems vocals accompaniment

Every stem's network learns by itself from the mix, as in Spleeter, so that several processes can share the
stems; one thread each is the most work per core. The state (weights, optimiser, average, step, curve) is
written every few hundred steps in one move: run the same command again to go on. Songs that appear meanwhile
are used.

Loss: L1 between the masked and the true magnitude (A. Jansson et al., 2017; R. Hennequin et al., Spleeter,
2020).
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from pathlib import Path

import numpy as np
import scipy.fft
import soundfile
import torch
from compose import pick
from effects import equalise
from sources import NETWORKS, STEMS
from unet import FILTERS, UNet, save

FRAME, STEP, BINS = 4096, 1024, 1024  # Spleeter's STFT; the first 1024 bins
HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)
RATE = 44100
AVERAGE = 0.998  # of the weights that are validated and exported
EVERY = 200  # steps between validations


def magnitudes(x: np.ndarray) -> np.ndarray:
    """[samples, 2] float32 to [2, frames, BINS]: both channels by one complex transform."""
    frames = np.lib.stride_tricks.sliding_window_view(x[:, 0] + 1j * x[:, 1], FRAME)[::STEP]
    z = scipy.fft.fft(frames * HANN)
    mirrored = np.conj(z[:, -np.arange(BINS) % FRAME])
    z = z[:, :BINS]
    return np.abs(np.stack([z + mirrored, z - mirrored])) / 2


class Songs:
    """Random windows of a folder of songs, remixed.

    A song without some stems' files (a real multitrack whose bass is inside another stem) lends those it has.
    """

    def __init__(self, folder: Path, frames: int, rng: np.random.Generator, equalised: float = 0.0) -> None:
        self.folder, self.rng, self.equalised = folder, rng, equalised
        self.samples = (frames - 1) * STEP + FRAME
        self.refresh()

    def refresh(self) -> None:
        self.songs = sorted(path for path in self.folder.iterdir() if not path.name.startswith("."))
        self.whole = [song for song in self.songs if all((song / f"{stem}.wav").exists() for stem in STEMS)]
        if not self.whole:
            raise SystemExit(f"{self.folder}: no songs; render some with songs.py")
        self.having: dict[str, tuple[list[Path], np.ndarray]] = {}
        for stem in STEMS:
            # A song without a bass of its own may have it in its `other`.
            songs = [
                song
                for song in self.songs
                if (song / f"{stem}.wav").exists() and (stem != "other" or (song / "bass.wav").exists())
            ]
            lengths = np.sqrt([soundfile.info(song / f"{stem}.wav").duration for song in songs])
            self.having[stem] = songs, lengths / lengths.sum()

    def any(self, stem: str) -> Path:
        """A song that has the stem: long ones more often, by the root of their length."""
        songs, chances = self.having[stem]
        return songs[int(self.rng.choice(len(songs), p=chances))]

    def read(self, song: Path, stem: str, start: float, samples: int) -> np.ndarray:
        with soundfile.SoundFile(song / f"{stem}.wav") as file:
            file.seek(int(start * max(0, file.frames - samples)))
            x = file.read(samples, dtype="float32", always_2d=True)
        return np.pad(x, ((0, samples - len(x)), (0, 0)))

    def stem(self, song: Path, stem: str, start: float) -> np.ndarray:
        """One stem of a window, perhaps faster or slower, other sides, another level."""
        rng = self.rng
        speed = float(np.exp(rng.uniform(-0.17, 0.17))) if rng.random() < 0.4 else 1.0
        x = self.read(song, stem, start, int(self.samples * speed) + 2)
        if speed != 1.0:
            at = np.arange(self.samples) * speed
            left = at.astype(int)
            part = (at - left).astype(np.float32)[:, None]
            x = x[left] * (1 - part) + x[left + 1] * part
        if rng.random() < self.equalised:
            x = equalise(rng, x).astype(np.float32)
        if rng.random() < 0.5:
            x = x[:, ::-1]
        if rng.random() < 0.1:
            x = np.repeat(x.mean(1, keepdims=True), 2, 1)
        return x[: self.samples] * np.float32(10 ** (np.clip(rng.normal(0, 3), -8, 8) / 20))

    def window(self) -> dict[str, np.ndarray]:
        """Half of the windows are one place of one song, half take every stem from anywhere."""
        rng = self.rng
        together = rng.random() < 0.5
        song, start = pick(rng, self.whole), rng.random()
        result = {}
        for stem in STEMS:
            if not together:
                song, start = self.any(stem), rng.random()
            x = (
                self.stem(song, stem, start)
                if rng.random() > 0.08
                else np.zeros((self.samples, 2), np.float32)
            )
            result[stem] = x
        level = np.float32(10 ** (rng.uniform(-12, 6) / 20))
        return {stem: x * level for stem, x in result.items()}

    def batch(self, size: int, stems: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Magnitudes of mixes [size, 2, T, BINS] and of the stems [stems, size, 2, T, BINS]."""
        windows = [self.window() for _ in range(size)]
        mixes = np.stack([magnitudes(sum(window.values())) for window in windows])
        targets = np.stack([[magnitudes(target(window, stem)) for window in windows] for stem in stems])
        return torch.from_numpy(mixes), torch.from_numpy(targets)


def target(window: dict[str, np.ndarray], stem: str) -> np.ndarray:
    """The samples of a stem; the accompaniment is the sum of all but the vocals."""
    return window[stem] if stem in window else sum(x for name, x in window.items() if name != "vocals")


class Trainer:
    """One stem's network, its optimiser and the running average of its weights."""

    def __init__(self, filters: tuple[int, ...], rate: float, steps: int, half: bool) -> None:
        self.net = UNet(filters).to(memory_format=torch.channels_last)
        self.average = UNet(filters).to(memory_format=torch.channels_last)
        self.average.load_state_dict(self.net.state_dict())
        self.optimiser = torch.optim.Adam(self.net.parameters(), rate)
        warm = 100
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimiser,
            lambda step: (
                min(1, (step + 1) / warm)
                * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * min(1, step / steps))))
            ),
        )
        self.half = half

    def step(self, mix: torch.Tensor, target: torch.Tensor) -> float:
        self.net.train()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            mask = self.net(mix)
        loss = (mask.float() * mix - target).abs().mean()
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimiser.step()
        self.schedule.step()
        with torch.no_grad():
            steps = self.schedule.last_epoch
            keep = min(AVERAGE, steps / (steps + 10))
            for kept, new in zip(
                self.average.state_dict().values(), self.net.state_dict().values(), strict=True
            ):
                if kept.is_floating_point():
                    kept.lerp_(new, 1 - keep)
        return float(loss.detach())

    @torch.no_grad()
    def validate(self, mixes: torch.Tensor, targets: torch.Tensor) -> float:
        """L1 of the average's estimate, relative to that of silence."""
        self.average.eval()
        error = sum(
            float((self.average(mix[None]) * mix - target).abs().mean())
            for mix, target in zip(mixes, targets, strict=True)
        )
        return error / float(targets.abs().mean(dim=(1, 2, 3)).sum())

    def state(self) -> dict:
        return {
            name: getattr(self, name).state_dict() for name in ("net", "average", "optimiser", "schedule")
        }

    def load(self, state: dict) -> None:
        for name, value in state.items():
            getattr(self, name).load_state_dict(value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=Path, required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's state")
    parser.add_argument("--stems", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--filters", type=int, nargs=6, default=FILTERS)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--equalised", type=float, default=0.5, help="share of the stems that get another tone"
    )
    parser.add_argument("--start", type=Path, help="a training's state file, whose weights to begin with")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--float32", action="store_true", help="no bfloat16 in the convolutions")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed + sum(map(ord, "".join(options.stems))))
    options.state.mkdir(parents=True, exist_ok=True)
    path = options.state / f"{'-'.join(options.stems)}.pt"
    curve = options.state / f"{'-'.join(options.stems)}.csv"
    trainers = {
        stem: Trainer(tuple(options.filters), options.rate, options.steps, not options.float32)
        for stem in options.stems
    }
    step, spent = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        step, spent = state["step"], state["spent"]
        for stem, trainer in trainers.items():
            trainer.load(state["trainers"][stem])
        print(f"going on from step {step}", flush=True)
    elif options.start:
        state = torch.load(options.start, weights_only=True)
        for stem, trainer in trainers.items():
            for net in (trainer.net, trainer.average):
                net.load_state_dict(state["trainers"][stem]["average"])
    valid = Songs(options.valid, options.frames, np.random.default_rng(1))
    valid_mixes, valid_targets = valid.batch(48, options.stems)
    songs = Songs(
        options.songs, options.frames, np.random.default_rng([options.seed, step]), options.equalised
    )
    losses: list[list[float]] = []
    began = time.perf_counter()
    while step < options.steps:
        mix, targets = songs.batch(options.batch, options.stems)
        mix = mix.contiguous(memory_format=torch.channels_last)
        losses.append([t.step(mix, target) for t, target in zip(trainers.values(), targets, strict=True)])
        step += 1
        if step % EVERY and step != options.steps:
            continue
        songs.refresh()
        scores = [
            t.validate(valid_mixes, target)
            for t, target in zip(trainers.values(), valid_targets, strict=True)
        ]
        now = spent + time.perf_counter() - began
        trained = np.mean(losses, 0)
        losses.clear()
        new = not curve.exists()
        with curve.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", "songs", "stem", "loss", "valid"])
            for stem, loss, score in zip(options.stems, trained, scores, strict=True):
                writer.writerow([step, round(now), len(songs.songs), stem, f"{loss:.5f}", f"{score:.5f}"])
        save(path, {"step": step, "spent": now, "filters": list(options.filters),
                    "trainers": {stem: t.state() for stem, t in trainers.items()}})  # fmt: skip
        shown = "  ".join(f"{s} {v:.4f}" for s, v in zip(options.stems, scores, strict=True))
        print(f"step {step}  {now:.0f} s  {len(songs.songs)} songs  valid {shown}", flush=True)


if __name__ == "__main__":
    main()
