"""How good the separation is: stems against their references, on a folder of tracks like MUSDB18's.

    DATASET/[test/]TRACK/mixture.wav, vocals.wav, drums.wav, bass.wav, other.wav

Of each target and track:

- `uSDR` and `SI-SDR`: of the whole track at once, both channels together, computed here while the mixture
  is separated in constant memory. uSDR is the plain ratio of the reference's energy to the error's (the
  score of the Music Demixing Challenges); SI-SDR first scales the reference to fit best (Le Roux et al., SDR:
  half-baked or well done?, 2019).
- `SDR`, `SIR`, `ISR`, `SAR`: BSSEval v4 by museval, if that is installed: medians over frames of one second,
  as Spleeter's own `evaluate` takes them (museval.eval_mus_dir). A track is then held in memory.

Scores of a model are medians over the tracks. Estimates are float32: Spleeter's go through 16-bit files.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ._version import __version__
from .arguments import file_path, flag, names, told
from .atomic import write_whole
from .audio.channels import to_stereo
from .audio.reader import AudioReader
from .errors import ArgumentTypeError, AudioError, SpleeterError
from .names import MIXTURE_NAME
from .separator import Separator
from .watching import Cancel

logger = logging.getLogger("spleeterrt")

Float32: TypeAlias = npt.NDArray[np.float32]
Scores: TypeAlias = dict[str, dict[str, "float | None"]]  # by target and metric; None: silence

MIXTURE = f"{MIXTURE_NAME}.wav"
REFERENCES = ("vocals", "drums", "bass", "other")
SPLIT = "test"
OWN_METRICS = ("uSDR", "SI-SDR")
BSSEVAL_METRICS = ("SDR", "SIR", "ISR", "SAR")
LIMIT = 1e-10  # of energies: scores stay within 100 dB


@dataclass(frozen=True)
class Target:
    """Something that is scored: the sum of some of a model's stems against the sum of some files."""

    name: str
    stems: tuple[str, ...]
    files: tuple[Path, ...]


def find_tracks(dataset: str | os.PathLike[str]) -> list[Path]:
    """The folders that hold a mixture, in `dataset` or (as Spleeter expects) in its folder `test`.

    Raises:
        SpleeterError: there is none.
    """
    dataset = file_path("dataset", dataset)
    for folder in (dataset / SPLIT, dataset):
        try:
            tracks = sorted(entry for entry in folder.iterdir() if (entry / MIXTURE).is_file())
        except NotADirectoryError as error:
            raise SpleeterError(f"{folder}: not a folder") from error
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SpleeterError(f"{folder}: {error.strerror or error}") from error
        if tracks:
            others = [e.name for e in sorted(folder.iterdir()) if e not in tracks and any(e.glob("*.wav"))]
            if others:
                logger.warning(
                    "%s: left out %d folder(s) that hold .wav files but no %s: %s",
                    folder,
                    len(others),
                    MIXTURE,
                    ", ".join(others[:3]),
                )
            return tracks
    hint = ""
    if any(dataset.glob("**/*.stem.mp4")):
        hint = "; the .stem.mp4 files of MUSDB18 must be converted first (musdbconvert of the package musdb)"
    raise SpleeterError(
        f"{dataset}: no track in this folder (no TRACK/{MIXTURE}, no test/TRACK/{MIXTURE}){hint}"
    )


def find_targets(stems: Sequence[str], track: str | os.PathLike[str]) -> list[Target]:
    """What can be scored of a model's stems on a track.

    A stem stands against the file of its name. Without one, `accompaniment` stands against the sum of the
    references that are no stems of the model, and `piano` counts to `other`, as MUSDB18's does.

    Raises:
        SpleeterError: no reference for a stem.
    """

    stems = names("stems", stems)
    track = file_path("track", track)

    def file(name: str) -> Path:
        return Path(track, f"{name}.wav")

    into = {stem: stem for stem in stems}
    if "piano" in stems and "other" in stems and not os.path.isfile(file("piano")):
        into["piano"] = "other"
    targets = []
    for name in dict.fromkeys(into.values()):
        files = [file(name)]
        if name == "accompaniment" and not os.path.isfile(files[0]):
            files = [file(reference) for reference in REFERENCES if reference not in stems]
        missing = [path.name for path in files if not os.path.isfile(path)]
        if missing:
            raise SpleeterError(f"{track}: no reference for {name!r}: {', '.join(missing)} is missing")
        targets.append(Target(name, tuple(s for s in stems if into[s] == name), tuple(files)))
    return targets


def museval_version() -> str:
    """The version of museval.

    Raises:
        SpleeterError: it is not installed, or cannot be imported.
    """
    try:
        import museval  # noqa: F401

        return version("museval")
    except Exception as error:  # its dependencies fail in ways of their own where ffmpeg is missing
        raise SpleeterError(
            f'museval cannot be imported ({error}): pip install "spleeterrt[evaluate]"'
        ) from error


def evaluate_track(
    separator: Separator,
    track: Path,
    *,
    bsseval: bool = False,
    offset: float = 0.0,
    duration: float | None = None,
    downmix: bool = False,
    cancel: Cancel | None = None,
) -> dict[str, Any]:
    """Separate one track and score it.

    Args:
        separator: of all its model's stems.
        track: its folder.
        bsseval: also museval's metrics.
        offset, duration: seconds of the track to use.
        downmix: mix more than two channels to stereo, of the mix and of the true stems alike.

    Returns:
        `{"seconds": ..., "targets": [{"name", "metrics", "frames"}]}`, `frames` (museval's own format, of
        the BSSEval metrics) only where they are computed.

    Raises:
        SpleeterError: a file is missing or cannot be read.
    """
    targets = find_targets(separator.stems, track)
    rate = separator.sample_rate

    def blocks(path: Path) -> Iterator[Float32]:
        with AudioReader(path, offset=offset, duration=duration, sample_rate=rate, downmix=downmix) as reader:
            if reader.left_out is not None:
                logger.warning("%s", reader.left_out)
            yield from map(to_stereo, reader)
            if reader.damaged:  # a score of half a track would be wrong
                raise AudioError("; ".join(reader.warnings))
            for message in reader.warnings:
                logger.warning("%s", message)

    references = {target.name: [_Taker(blocks(path)) for path in target.files] for target in targets}
    energies = {target.name: _Energies() for target in targets}
    kept: dict[str, list[tuple[Float32, Float32]]] = {target.name: [] for target in targets}
    frames = 0
    for piece in separator.separate_blocks(blocks(track / MIXTURE), cancel=cancel):
        count = len(next(iter(piece.values())))
        frames += count
        for target in targets:
            estimate = _sum([piece[stem] for stem in target.stems])
            reference = _sum([taker.take(count) for taker in references[target.name]])
            energies[target.name].add(reference, estimate)
            if bsseval:
                kept[target.name].append((reference, estimate))
    result: list[dict[str, Any]] = [
        {"name": target.name, "metrics": energies[target.name].scores()} for target in targets
    ]
    if bsseval:
        framewise = _bsseval({target.name: _joined(kept.pop(target.name)) for target in targets}, rate, track)
        for entry, values in zip(result, framewise, strict=True):
            entry["frames"] = [
                {
                    "time": float(time),
                    "duration": 1.0,
                    "metrics": dict(zip(BSSEVAL_METRICS, row, strict=True)),
                }
                for time, row in enumerate(zip(*values, strict=True))
            ]
            for metric, column in zip(BSSEVAL_METRICS, values, strict=True):
                entry["metrics"][metric] = median(column)
    return {"seconds": frames / rate, "targets": result}


class _Taker:
    """A signal in blocks, taken in pieces of any size; zeros after its end."""

    def __init__(self, blocks: Iterator[Float32]) -> None:
        self._blocks = blocks
        self._rest: Float32 = np.empty((0, 2), np.float32)

    def take(self, count: int) -> Float32:
        out = np.zeros((count, 2), np.float32)
        filled = 0
        while filled < count:
            if not len(self._rest):
                block = next(self._blocks, None)
                if block is None:
                    break
                self._rest = block
            part = self._rest[: count - filled]
            out[filled : filled + len(part)] = part
            filled += len(part)
            self._rest = self._rest[len(part) :]
        return out


class _Energies:
    """Sums over a whole track, from which the scores follow."""

    def __init__(self) -> None:
        self._reference = self._estimate = self._product = self._error = 0.0

    def add(self, reference: Float32, estimate: Float32) -> None:
        wanted, got = reference.ravel().astype(np.float64), estimate.ravel().astype(np.float64)
        self._reference += float(wanted @ wanted)
        self._estimate += float(got @ got)
        self._product += float(wanted @ got)
        wanted -= got
        self._error += float(wanted @ wanted)

    def scores(self) -> dict[str, float | None]:
        if self._reference == 0:
            return dict.fromkeys(OWN_METRICS)
        target = self._product**2 / self._reference  # energy of the scaled reference
        values = (
            _decibels(self._reference, self._error),
            _decibels(target, max(self._estimate - target, 0.0)),
        )
        return dict(zip(OWN_METRICS, values, strict=True))


def _decibels(signal: float, error: float) -> float:
    if signal == error == 0:
        return -10 * math.log10(1 / LIMIT)  # nothing of the reference is there
    return 10 * math.log10(max(signal, LIMIT * error) / max(error, LIMIT * signal))


def _sum(waves: Sequence[Float32]) -> Float32:
    total = waves[0]
    for wave in waves[1:]:
        total = total + wave
    return total


def _joined(pairs: list[tuple[Float32, Float32]]) -> tuple[Float32, Float32]:
    references, estimates = zip(*pairs, strict=True)
    return np.concatenate(references), np.concatenate(estimates)


def _bsseval(
    signals: Mapping[str, tuple[Float32, Float32]], rate: int, track: Path
) -> list[list[list[float | None]]]:
    """By target, metric (in the order of `BSSEVAL_METRICS`) and frame; None where a frame is silent.

    museval refuses signals that are silent throughout: such targets have no frames, the others the scores
    that they would have without.
    """
    import museval

    voiced = {name: pair for name, pair in signals.items() if not _is_silent(pair[0])}
    scored = {name: pair for name, pair in voiced.items() if not _is_silent(pair[1])}
    if missing := [name for name in signals if name not in scored]:
        logger.warning(
            "%s: no SDR, SIR, ISR and SAR for %s, silent throughout in the reference or the estimate: "
            "museval does not define them there",
            track.name,
            ", ".join(missing),
        )
    if not scored:
        return [[[] for _ in BSSEVAL_METRICS] for _ in signals]
    # A silent estimate gives way to its reference, which still counts as interference of the others.
    pairs = [scored.get(name, (reference, reference)) for name, (reference, _) in voiced.items()]
    references, estimates = zip(*pairs, strict=True)
    sdr, isr, sir, sar = museval.evaluate(references, estimates, win=rate, hop=rate, mode="v4")
    rows = {name: k for k, name in enumerate(voiced) if name in scored}

    def numbers(row: Iterable[float]) -> list[float | None]:
        return [float(value) if math.isfinite(value) else None for value in row]

    metrics = (sdr, sir, isr, sar)
    return [[numbers(metric[rows[name]]) if name in rows else [] for metric in metrics] for name in signals]


def _is_silent(signal: Float32) -> bool:
    """As museval sees it: its channels may cancel each other, too."""
    return not signal.sum(axis=1).any()


def median(values: Iterable[float | None]) -> float | None:
    """Of those that are numbers."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


# --- a data set ---------------------------------------------------------------------


class Evaluation:
    """The scores of one model on one data set, one file per track, which are kept when it is run again.

    Args:
        dataset: the folder of the tracks.
        folder: of the results: `tracks/TRACK.json`, `scores.csv`, `summary.json`.
        settings: what the scores depend on (model, options); kept with them.
        force: replace results that are there.

    Raises:
        SpleeterError: no tracks; or `folder` holds results of other settings.
    """

    def __init__(
        self,
        dataset: str | os.PathLike[str],
        folder: str | os.PathLike[str],
        settings: Mapping[str, Any],
        *,
        force: bool = False,
    ) -> None:
        self.folder = file_path("folder", folder)
        if not isinstance(settings, Mapping):
            raise ArgumentTypeError(f"settings: expected names and values, got {told(settings)}")
        self.tracks = find_tracks(dataset)
        self._settings = dict(settings)
        self._done: dict[str, dict[str, Any]] = {}
        if flag("force", force):
            return
        for track in self.tracks:
            result = _read(self._path(track))
            if result is None:
                continue
            differing = [key for key in self._settings if result["settings"].get(key) != self._settings[key]]
            if differing:
                raise SpleeterError(
                    f"{self._path(track)} is a result of other settings ({', '.join(differing)}); "
                    "choose another folder, or replace the results (--force)"
                )
            self._done[track.name] = result

    @property
    def pending(self) -> list[Path]:
        """The tracks without a result."""
        return [track for track in self.tracks if track.name not in self._done]

    def run(self, track: Path, evaluate: Callable[[Path], dict[str, Any]]) -> Scores:
        """Evaluate one track and write its file."""
        result = {
            "track": track.name,
            "spleeterrt": __version__,
            "settings": self._settings,
            **evaluate(track),
        }
        self._write(self._path(track), json.dumps(result, indent=1, allow_nan=False))
        self._done[track.name] = result
        return _scores(result)

    def summary(self) -> Scores:
        """Medians over the tracks that have a result."""
        values: dict[str, dict[str, list[float | None]]] = {}
        for result in self._done.values():
            for target, scores in _scores(result).items():
                for metric, value in scores.items():
                    values.setdefault(target, {}).setdefault(metric, []).append(value)
        return {
            target: {metric: median(column) for metric, column in metrics.items()}
            for target, metrics in values.items()
        }

    def write_summary(self, failed: Mapping[str, str]) -> dict[str, Any]:
        """Write `summary.json` and `scores.csv`. Returns the content of the former."""
        medians = self.summary()
        summary = {
            "settings": self._settings,
            "spleeterrt": __version__,
            "tracks": len(self._done),
            "failed": dict(failed),
            "medians": medians,
        }
        self._write(self.folder / "summary.json", json.dumps(summary, indent=1, allow_nan=False))
        metrics = list(dict.fromkeys(m for scores in medians.values() for m in scores))
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["track", "target", *metrics])
        for track in self.tracks:
            for target, scores in _scores(self._done.get(track.name, {"targets": []})).items():
                table.writerow([track.name, target, *(scores.get(metric) for metric in metrics)])
        self._write(self.folder / "scores.csv", text.getvalue())
        return summary

    def _path(self, track: Path) -> Path:
        return self.folder / "tracks" / f"{track.name}.json"

    def _write(self, path: Path, text: str) -> None:
        try:
            write_whole(path, text.encode())
        except OSError as error:
            raise SpleeterError(f"{path}: cannot write: {error.strerror or error}") from error


def _read(path: Path) -> dict[str, Any] | None:
    """A track's result; None if there is none that can be used."""
    try:
        result: dict[str, Any] = json.loads(path.read_bytes())
        _scores(result)
        return result if isinstance(result["settings"], dict) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _scores(result: Mapping[str, Any]) -> Scores:
    return {target["name"]: dict(target["metrics"]) for target in result["targets"]}
