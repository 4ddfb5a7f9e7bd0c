"""Trains all the networks at once on a GPU, on packed songs (pack.py), for a given time.

    python models/starter/train_gpu.py --packs DIR --valid FILE --state DIR --minutes 10

Everything but the choice of windows happens on the GPU: reading, remixing, changing speed, tone, level and
sides, and the STFT (frames of 2048 at 22.05 kHz have the bins of Spleeter's 4096 at 44.1 kHz). Archives that
appear meanwhile are used. Run it again to go on from the state.

Loss: the error of the complex bins under the mix's phase, |mask X - S|, both of each network alone and of the
ratio masks that they make together for four and for two stems: what separation with these networks then does.
A mask that minimises it knows that phases differ, which one fitted to magnitudes (Spleeter's loss) does not.
Each window's error is relative to its loudness, so that quiet ones count as much, and the treble counts
somewhat more than its magnitudes would have it.

Needs PyTorch, NumPy and soundfile, and of this project this file, unet.py and sources.py.
"""

from __future__ import annotations

import argparse
import csv
import io
import math
import os
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from sources import NETWORKS, STEMS
from torch import nn
from unet import FILTERS, UNet, save

RATE = 22050
FRAME, STEP, BINS = 2048, 512, 1024
SCALE = 2.0  # a window of half the length has half the sum: magnitudes as at 44.1 kHz
AVERAGE = 0.999  # of the weights that are validated and exported
SLOTS = (*STEMS, "other")  # what a mix is made of; now and then two things are `other`
REAL = 0.25  # of what is drawn
QUIET = 1e-3  # magnitude of no account


def decode(content: bytes) -> np.ndarray:
    """Int16 [samples, 2]."""
    file = soundfile.SoundFile(io.BytesIO(content))
    blocks = list(file.blocks(65536, dtype="int16", always_2d=True))
    return np.concatenate(blocks)


@dataclass
class Song:
    name: str
    stems: dict[str, tuple[int, int]]  # first sample on the shelf, samples
    real: bool
    parted: bool  # bass and other are two files


class Shelf:
    """All the songs' stems, end to end, in the GPU's memory."""

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.samples = torch.zeros((capacity, 2), dtype=torch.int16, device=device)
        self.used, self.packs = 0, set()
        self.songs: list[Song] = []

    def add(self, pack: Path, pool: ThreadPoolExecutor) -> None:
        with tarfile.open(pack) as archive:
            known = {song.name for song in self.songs}
            names = [name for name in archive.getnames() if name.split("/")[0] not in known]
            contents = [archive.extractfile(name).read() for name in names]
        decoded = list(pool.map(decode, contents))
        if self.used + sum(map(len, decoded)) > len(self.samples):
            raise SystemExit(f"{pack}: the shelf is full; give more --gigabytes")
        stems: dict[str, dict[str, tuple[int, int]]] = {}
        for name, x in zip(names, decoded, strict=True):
            song, stem = name.removesuffix(".ogg").split("/")
            self.samples[self.used : self.used + len(x)] = torch.from_numpy(x).to(self.samples.device)
            stems.setdefault(song, {})[stem] = self.used, len(x)
            self.used += len(x)
        # One step, since another thread reads the list.
        self.songs = [
            *self.songs,
            *(Song(name, found, name.startswith("real-"), not name.startswith("real-") or "bass" in found)
              for name, found in stems.items()),
        ]  # fmt: skip
        self.packs.add(pack.name)


@dataclass
class Draw:
    """A batch of windows: for every slot its place and how it is changed; arrays [windows, slots]."""

    first: np.ndarray
    length: np.ndarray
    speed: np.ndarray
    gain: np.ndarray
    parted: np.ndarray  # [windows]


def chances(songs: list[Song]) -> np.ndarray:
    """The running sum of the songs' chances: the real ones share `REAL` by the roots of their lengths."""
    lengths = np.sqrt([max(n for _, n in song.stems.values()) if song.real else 0 for song in songs])
    synthetic = np.array([not song.real for song in songs], float)
    weights = REAL * lengths / max(1.0, lengths.sum()) + (1 - REAL) * synthetic / max(1.0, synthetic.sum())
    return np.cumsum(weights) / weights.sum()


class Drawer:
    """Chooses windows: half are one place of one song, half take every stem from anywhere."""

    def __init__(self, shelf: Shelf, frames: int, seed: int) -> None:
        self.shelf, self.rng = shelf, np.random.default_rng(seed)
        self.samples = (frames - 1) * STEP + FRAME
        self.known = 0

    def refresh(self) -> None:
        songs = self.shelf.songs
        if len(songs) == self.known:
            return
        self.known = len(songs)
        self.whole = [s for s in songs if not s.real or len(s.stems) >= 2]
        self.chances = chances(self.whole)
        self.having = {}
        for stem in STEMS:
            having = [s for s in songs if stem in s.stems and (s.parted or stem != "other")]
            self.having[stem] = having, chances(having)

    def draw(self, size: int) -> Draw:
        rng = self.rng
        self.refresh()
        shape = size, len(SLOTS)
        first, length = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        speed, gain = np.ones(shape, np.float32), np.zeros(shape, np.float32)
        parted = np.ones(size, bool)
        for w in range(size):
            together = rng.random() < 0.5
            song = self.whole[int(np.searchsorted(self.chances, rng.random()))]
            place, pace = rng.random(), float(np.exp(rng.uniform(-0.2, 0.2)))
            faster = rng.random() < 0.5
            parted[w] = song.parted or not together
            for i, stem in enumerate(SLOTS):
                second = i >= len(STEMS)
                if second and (together or rng.random() > 0.25):
                    continue
                if not together:
                    having, chance = self.having[stem]
                    song = having[int(np.searchsorted(chance, rng.random()))]
                    place, pace = rng.random(), float(np.exp(rng.uniform(-0.25, 0.25)))
                    faster = rng.random() < 0.5
                if stem not in song.stems or rng.random() < 0.08:
                    continue
                start, n = song.stems[stem]
                speed[w, i] = pace if faster else 1.0
                need = int(self.samples * speed[w, i]) + 4
                begin = int(place * max(0, n - need))
                first[w, i], length[w, i] = start + begin, n - begin
                gain[w, i] = 10 ** (np.clip(rng.normal(0, 3 if together else 4.5), -14, 12) / 20)
        return Draw(first, length, speed, gain, parted)

    def plain(self, size: int) -> Draw:
        """Windows as they are, for validation."""
        rng = self.rng
        self.refresh()
        shape = size, len(SLOTS)
        first, length = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        gain = np.zeros(shape, np.float32)
        for w in range(size):
            song, place = self.whole[w % len(self.whole)], rng.random()
            for i, stem in enumerate(STEMS):
                if stem in song.stems:
                    start, n = song.stems[stem]
                    begin = int(place * max(0, n - self.samples - 4))
                    first[w, i], length[w, i], gain[w, i] = start + begin, n - begin, 1
        return Draw(first, length, np.ones(shape, np.float32), gain, np.ones(size, bool))


class Studio:
    """Makes a draw's spectra: complex [windows, slots, 2, frames, BINS]."""

    def __init__(self, shelf: Shelf, frames: int, seed: int) -> None:
        self.shelf, self.frames = shelf, frames
        self.device = shelf.samples.device
        self.random = torch.Generator(self.device).manual_seed(seed)
        self.window = torch.hann_window(FRAME, device=self.device)
        self.samples = (frames - 1) * STEP + FRAME
        self.octaves = torch.log2(torch.arange(BINS, device=self.device).clamp(min=1) * (RATE / FRAME))

    def uniform(self, low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.random, device=self.device)

    def chance(self, share: float, *shape: int) -> torch.Tensor:
        return torch.rand(shape, generator=self.random, device=self.device) < share

    def read(self, draw: Draw) -> torch.Tensor:
        """Float32 [windows, slots, 2, samples], each at its speed (four-point interpolation)."""
        first = torch.from_numpy(draw.first).to(self.device)[..., None]
        length = torch.from_numpy(draw.length).to(self.device)[..., None]
        speed = torch.from_numpy(draw.speed).to(self.device)[..., None]
        at = torch.arange(self.samples, device=self.device) * speed.double()
        left = at.long()
        t = (at - left).float()[..., None]
        points = []
        for offset in (-1, 0, 1, 2):
            place = left + offset
            inside = (place >= 0) & (place < length)
            x = self.shelf.samples[torch.where(inside, first + place, 0)].float()
            points.append(x * inside[..., None])
        a, b, c, d = points
        y = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
        gain = torch.from_numpy(draw.gain).to(self.device)[..., None, None]
        return (y * gain / 32768).movedim(-1, -2)

    def change(self, x: torch.Tensor) -> torch.Tensor:
        """Saturation and sides."""
        shape = x.shape[:2]
        level = x.square().mean((-1, -2)).sqrt() + 1e-6
        knee = (level * self.uniform(0.8, 6, *shape))[..., None, None]
        x = torch.where(self.chance(0.15, *shape)[..., None, None], torch.tanh(x / knee) * knee, x)
        middle, side = x.mean(-2), (x[..., 0, :] - x[..., 1, :]) / 2
        width = torch.where(self.chance(0.3, *shape), self.uniform(0, 1.6, *shape), 1.0)
        width = torch.where(self.chance(0.1, *shape), 0.0, width)[..., None]
        lean = torch.where(self.chance(0.3, *shape), self.uniform(-0.4, 0.4, *shape), 0.0)[..., None]
        flip = torch.where(self.chance(0.5, *shape), -1.0, 1.0)[..., None]
        sign = torch.where(self.chance(0.5, *shape), -1.0, 1.0)[..., None]
        side = side * width * flip
        return torch.stack([(middle * (1 + lean) + side) * sign, (middle * (1 - lean) - side) * sign], -2)

    def tones(self, share: float, *shape: int) -> torch.Tensor:
        """Equalisers: gains [*shape, BINS], a slope and three bells."""
        slope = self.uniform(-2, 2, *shape)[..., None]
        decibels = slope * (self.octaves - 9.5)
        for _ in range(3):
            centre = self.uniform(math.log2(50), math.log2(11000), *shape)[..., None]
            wide = self.uniform(0.3, 1.5, *shape)[..., None]
            decibels = decibels + self.uniform(-8, 8, *shape)[..., None] * torch.exp(
                -(((self.octaves - centre) / wide) ** 2)
            )
        return torch.where(self.chance(share, *shape)[..., None], 10 ** (decibels / 20), 1.0)

    def spectra(self, x: torch.Tensor) -> torch.Tensor:
        z = torch.stft(
            x.reshape(-1, x.shape[-1]), FRAME, STEP, window=self.window, center=False, return_complex=True
        )[:, :BINS]
        return (z * SCALE).reshape(*x.shape[:-1], BINS, self.frames).transpose(-1, -2)

    def stems(self, draw: Draw, changed: bool = True) -> torch.Tensor:
        """Complex [windows, STEMS, 2, frames, BINS], whose sum over the stems is the mix."""
        x = self.read(draw)
        if changed:
            x = self.change(x)
        z = self.spectra(x)
        if changed:
            size = x.shape[0]
            gains = self.tones(0.6, *x.shape[:2])
            level = 10 ** (self.uniform(-14, 6, size, 1, 1) / 20)
            edge = self.uniform(math.log2(2500), math.log2(11000), size, 1, 1)
            dull = 1 / (1 + 2 ** (8 * (self.octaves - edge).clamp(-9, 9)))  # old records, telephones
            dull = torch.where(self.chance(0.1, size, 1, 1), dull, 1.0)
            gains = gains * self.tones(0.3, size, 1) * level * dull
            z = z * gains[:, :, None, None, :]
        first = z[:, : len(STEMS)]
        return torch.cat([first[:, :-1], (first[:, -1] + z[:, len(STEMS)])[:, None]], 1)


class Trainer:
    """The five networks, their optimiser, and the running average of their weights."""

    def __init__(
        self, filters: tuple[int, ...], rate: float, device: torch.device, layout: torch.memory_format
    ) -> None:
        self.filters, self.rate = filters, rate
        self.nets = nn.ModuleDict({name: UNet(filters) for name in NETWORKS}).to(device)
        self.layout = layout
        self.nets = self.nets.to(memory_format=layout)
        self.average = nn.ModuleDict({name: UNet(filters) for name in NETWORKS}).to(device)
        self.average.load_state_dict(self.nets.state_dict())
        fused = {"fused": True} if device.type == "cuda" else {}
        self.optimiser = torch.optim.AdamW(self.nets.parameters(), rate, weight_decay=1e-3, **fused)
        self.pairs = [
            (kept, new)
            for kept, new in zip(
                self.average.state_dict().values(), self.nets.state_dict().values(), strict=True
            )
            if kept.is_floating_point()
        ]
        self.step_number = 0
        weights = (1 + torch.arange(BINS, device=device) * (RATE / FRAME / 1000)) ** 0.3
        self.weights = weights / weights.mean()

    def masks(self, nets: nn.ModuleDict, mix: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.autocast(mix.device.type, torch.bfloat16):
            mix = mix.contiguous(memory_format=self.layout)
            return {name: net(mix).float() for name, net in nets.items()}

    def loss(
        self, masks: dict[str, torch.Tensor], stems: torch.Tensor, parted: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """By network; `stems` complex [windows, STEMS, 2, frames, BINS]."""
        mix = stems.sum(1)
        power = mix.abs().square()
        loud = mix.abs().mean((1, 2, 3))
        sources = {name: stems[:, i] for i, name in enumerate(STEMS)}
        sources["accompaniment"] = mix - sources["vocals"]
        # A real song's bass may be part of `other`: then the two are one.
        sources["rest"] = sources["bass"] + sources["other"]
        every = torch.ones_like(loud)
        total = sum(masks[name] for name in STEMS) + 1e-4
        two = masks["vocals"] + masks["accompaniment"] + 1e-4
        estimates = [(name, masks[name], name, parted if name in ("bass", "other") else every)
                     for name in NETWORKS]  # fmt: skip
        estimates += [(name, masks[name] / total, name, parted if name in ("bass", "other") else every)
                      for name in STEMS]  # fmt: skip
        estimates += [(name, masks[name] / two, name, every) for name in ("vocals", "accompaniment")]
        estimates += [("other", (masks["bass"] + masks["other"]) / total, "rest", 1 - parted)]
        known = {}
        for name, source in sources.items():
            known[name] = (
                (mix * source.conj()).real,
                source.abs().square(),
                0.5 * loud + 0.5 * source.abs().mean((1, 2, 3)) + QUIET,
            )
        result: dict[str, torch.Tensor] = dict.fromkeys(NETWORKS, torch.zeros((), device=mix.device))
        for network, mask, name, weight in estimates:
            product, square, norm = known[name]
            error = (mask * (mask * power - 2 * product) + square).clamp(min=0) + QUIET**2
            error = (error.sqrt() * self.weights).mean((1, 2, 3))
            result[network] = result[network] + (error / norm * weight).mean()
        return result

    def step(self, stems: torch.Tensor, parted: torch.Tensor, done: float) -> dict[str, torch.Tensor]:
        """One step, at the part `done` of the training."""
        self.step_number += 1
        rate = (
            self.rate
            * min(1, self.step_number / 200)
            * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * done)))
        )
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.nets.train()
        mix = stems.sum(1).abs()
        losses = self.loss(self.masks(self.nets, mix), stems, parted)
        self.optimiser.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(self.nets.parameters(), 2.0)
        self.optimiser.step()
        keep = min(AVERAGE, self.step_number / (self.step_number + 10))
        with torch.no_grad():
            torch._foreach_lerp_([a for a, _ in self.pairs], [b for _, b in self.pairs], 1 - keep)
        return {name: value.detach() for name, value in losses.items()}

    @torch.no_grad()
    def validate(self, stems: torch.Tensor) -> dict[str, float]:
        """L1 of the average's magnitudes, relative to that of silence."""
        self.average.eval()
        errors, norms = dict.fromkeys(NETWORKS, 0.0), dict.fromkeys(NETWORKS, 0.0)
        for some in stems.split(16):
            mix = some.sum(1)
            masks = {name: net(mix.abs()) for name, net in self.average.items()}
            for i, name in enumerate(NETWORKS):
                source = (some[:, i] if name in STEMS else mix - some[:, 0]).abs()
                errors[name] += float((masks[name] * mix.abs() - source).abs().sum())
                norms[name] += float(source.sum())
        return {name: errors[name] / norms[name] for name in NETWORKS}


def fastest(filters: tuple[int, ...], shape: tuple[int, ...], device: torch.device) -> torch.memory_format:
    """The layout in which this device trains such a network sooner."""
    if device.type != "cuda":
        return torch.channels_last
    times = {}
    x = torch.rand(shape, device=device) * 30
    for layout in (torch.channels_last, torch.contiguous_format):
        net, inputs = UNet(filters).to(device).to(memory_format=layout), x.contiguous(memory_format=layout)
        for turn in range(8):
            if turn == 3:
                torch.cuda.synchronize()
                began = time.perf_counter()
            with torch.autocast("cuda", torch.bfloat16):
                net(inputs).mean().backward()
        torch.cuda.synchronize()
        times[layout] = (time.perf_counter() - began) / 5
    print({str(layout): f"{1e3 * t:.1f} ms" for layout, t in times.items()}, flush=True)
    return min(times, key=times.__getitem__)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--packs", type=Path, required=True, help="folder of archives")
    parser.add_argument("--valid", type=Path, required=True, help="an archive of songs to watch")
    parser.add_argument("--state", type=Path, required=True, help="folder of the training's state")
    parser.add_argument(
        "--minutes",
        type=float,
        default=10.0,
        help="of training; STATE/minutes, a file, can change it meanwhile",
    )
    parser.add_argument("--filters", type=int, nargs=6, default=FILTERS)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--every", type=float, default=40, help="seconds between validations")
    parser.add_argument(
        "--gigabytes", type=float, default=9, help="of the GPU, for songs: 14 times the archives"
    )
    parser.add_argument("--device", default="cuda")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.manual_seed(options.seed)
    options.state.mkdir(parents=True, exist_ok=True)
    path, curve = options.state / "gpu.resume", options.state / "gpu.csv"

    pool = ThreadPoolExecutor(os.cpu_count())
    shelf = Shelf(int(options.gigabytes * 1e9 / 4), device)
    watched = Shelf(int(20 * options.valid.stat().st_size / 4) + 44100, device)
    watched.add(options.valid, pool)

    def look() -> None:
        for pack in sorted(options.packs.glob("*.tar")):
            if pack.name not in shelf.packs:
                shelf.add(pack, pool)
                print(
                    f"{pack.name}: {len(shelf.songs)} songs, {shelf.used / RATE / 60:.0f} minutes", flush=True
                )

    look()
    if not any(not song.real and len(song.stems) == len(STEMS) for song in shelf.songs):
        raise SystemExit(
            f"{options.packs}: expected archives with synthetic songs of four stems; see pack.py"
        )
    ended = threading.Event()

    full: list[SystemExit] = []

    def keep_looking() -> None:
        while not ended.wait(2) and not full:
            try:
                look()
            except SystemExit as error:  # which a thread would swallow
                full.append(error)
            except (
                tarfile.TarError,
                OSError,
                ValueError,
            ) as error:  # half copied: perhaps whole the next time
                print(error, flush=True)

    threading.Thread(target=keep_looking, daemon=True).start()

    filters = tuple(options.filters)
    layout = fastest(filters, (options.batch, 2, options.frames, BINS), device)
    trainer = Trainer(filters, options.rate, device, layout)
    spent = 0.0
    if path.exists():
        state = torch.load(path, weights_only=True, map_location=device)
        trainer.nets.load_state_dict(state["nets"])
        trainer.average.load_state_dict(state["average"])
        trainer.optimiser.load_state_dict(state["optimiser"])
        trainer.step_number, spent = state["step"], state["spent"]
        print(f"going on from step {trainer.step_number}", flush=True)
    seed = options.seed + trainer.step_number
    drawer, studio = Drawer(shelf, options.frames, seed), Studio(shelf, options.frames, seed)
    valid = Studio(watched, options.frames, 1)
    valid_stems = valid.stems(Drawer(watched, options.frames, 1).plain(64), changed=False)

    began = last = time.time()
    sums: dict[str, torch.Tensor] = {}
    count = 0

    def report(now: float) -> None:
        elapsed = spent + now - began
        scores = trainer.validate(valid_stems)
        new = not curve.exists()
        with curve.open("a", newline="") as file:
            writer = csv.writer(file)
            if new:
                writer.writerow(["step", "seconds", "songs", "stem", "loss", "valid"])
            for name, score in scores.items():
                loss = float(sums[name]) / count
                writer.writerow([trainer.step_number, round(elapsed), len(shelf.songs), name,
                                 f"{loss:.5f}", f"{score:.5f}"])  # fmt: skip
        shown = "  ".join(
            f"{name} {score:.4f} ({float(sums[name]) / count:.3f})" for name, score in scores.items()
        )
        print(f"step {trainer.step_number}  {elapsed:.0f} s  {len(shelf.songs)} songs  {shown}", flush=True)
        for name in NETWORKS:
            weights = {key: value.cpu() for key, value in trainer.average[name].state_dict().items()}
            save(options.state / f"{name}.pt", {
                "step": trainer.step_number, "spent": elapsed, "filters": list(trainer.filters),
                "trainers": {name: {"average": weights}},
            })  # fmt: skip
        save(path, {"nets": trainer.nets.state_dict(), "average": trainer.average.state_dict(),
                    "optimiser": trainer.optimiser.state_dict(), "step": trainer.step_number,
                    "spent": elapsed})  # fmt: skip

    def whole() -> float:
        """Seconds of training."""
        try:
            return 60 * float((options.state / "minutes").read_text())
        except (OSError, ValueError):  # none, or half written
            return 60 * options.minutes

    seconds = whole()
    while (done := (spent + (now := time.time()) - began) / seconds) < 1:
        draw = drawer.draw(options.batch)
        with torch.no_grad():
            stems = studio.stems(draw)
        parted = torch.from_numpy(draw.parted).to(device).float()
        losses = trainer.step(stems, parted, done)
        sums = {name: sums.get(name, 0) + value for name, value in losses.items()}
        count += 1
        if full:
            raise full[0]
        if count % 50 == 0:
            seconds = whole()
        if now - last > options.every:
            report(now)
            last, sums, count = time.time(), {}, 0
    if count:
        report(time.time())
    ended.set()
    pool.shutdown()


if __name__ == "__main__":
    main()
