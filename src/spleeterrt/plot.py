"""Spectrograms of a mix and its stems, as a picture. Needs matplotlib (extra `plot`) to draw.

    blocks -> |STFT| of Spleeter's frames -> powers of pairs of bins -> columns -> one row a sound

Columns are merged in pairs whenever there are too many of them, so that a sound of any length takes the same
memory. Nothing of matplotlib's global state (pyplot, its backend, its settings) is touched.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .arrays import aligned_zeros, check_finite
from .audio.channels import to_stereo
from .errors import SpleeterError
from .network.config import SIZE_MULTIPLE, ModelConfig
from .stft import Spectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Float32: TypeAlias = npt.NDArray[np.float32]

NEEDS_MATPLOTLIB = "pictures need matplotlib: pip install 'spleeterrt[plot]'"
SAMPLE_RATE = 44100  # Hz; files of other rates are resampled before
TOP_KHZ = 15.0  # of the frequency axis
RANGE_DB = 80.0  # of the colours
PICTURE_FORMATS = ("png", "pdf", "svg")

GROUP = 2  # bins a row of the picture: 21.5 Hz
MOST_COLUMNS = 4096  # merged into half as many when they are full; a picture is some 1200 pixels wide
_FRAMES = 64  # analysed at a time
_SILENCE = 1e-20  # power: no logarithm of zero

# The picture, in inches.
_WIDTH, _ROW, _MARGINS, _DPI = 11.0, 1.55, 0.9, 120
_TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)
_MOST_TICKS = 14


@dataclass(frozen=True)
class Spectrogram:
    """Powers of one sound: float32 (rows, columns), low frequencies first; the channels' mean.

    Attributes:
        seconds: length of the sound.
        column_seconds: of a column; the first one is centred on the first sample where it is one frame wide.
        row_hz: of a row.
        energy: sum of the squares of all samples.
    """

    power: Float32
    seconds: float
    column_seconds: float
    row_hz: float
    energy: float


class SpectrogramBuilder:
    """The spectrogram of a sound that comes in blocks, in constant memory.

    Args:
        top_khz: the highest frequency wanted; more than half the sample rate means that half.
        sample_rate: of the blocks, Hz.

    Raises:
        SpleeterError: no such frequency.
    """

    def __init__(self, top_khz: float = TOP_KHZ, sample_rate: int = SAMPLE_RATE) -> None:
        if not top_khz > 0:
            raise SpleeterError(f"top frequency: expected more than 0 kHz, got {top_khz:g}")
        config = ModelConfig(instruments=("mix",), sample_rate=sample_rate, T=_FRAMES)
        self._rate = sample_rate
        self._bin_hz = sample_rate / config.fft_length
        bins = math.ceil(min(1e3 * top_khz, sample_rate / 2) / self._bin_hz) + 1
        bins = min(-(-bins // SIZE_MULTIPLE) * SIZE_MULTIPLE, config.bins // SIZE_MULTIPLE * SIZE_MULTIPLE)
        self._spectrum = Spectrum(config.replace(F=bins))
        self._config = config
        self._work = self._spectrum.workspace(1)
        self._magnitude = aligned_zeros((_FRAMES, bins, config.n_channels))
        self._window = np.zeros((self._spectrum.samples(_FRAMES), config.n_channels), np.float32)
        self._have = config.frame_length // 2  # zeros in front: frames are centred on multiples of the step
        self._samples = 0
        self._frames = 0
        self._energy = 0.0
        self._columns = np.zeros((MOST_COLUMNS, bins // GROUP), np.float32)  # sums over their frames
        self._per_column = 1

    def add(self, block: npt.ArrayLike) -> None:
        """The next samples, floating-point (n, channels)."""
        sound = to_stereo(block)
        check_finite(sound, self._samples, self._rate)
        self._energy += float(np.square(sound, dtype=np.float64).sum())
        self._samples += len(sound)
        while len(sound):
            part = sound[: len(self._window) - self._have]
            self._window[self._have : self._have + len(part)] = part
            self._have += len(part)
            sound = sound[len(part) :]
            if self._have == len(self._window):
                self._analyse(_FRAMES)

    def finish(self) -> Spectrogram:
        """The spectrogram; to be called once.

        Raises:
            SpleeterError: there were no samples.
        """
        if not self._samples:
            raise SpleeterError("no samples: nothing to draw")
        frames = -(-self._samples // self._config.frame_step)  # one for each step that has a sample
        while self._frames < frames:
            self._window[self._have :] = 0
            self._analyse(min(_FRAMES, frames - self._frames))
        count = -(-frames // self._per_column)
        widths = np.full(count, self._per_column, np.float32)
        widths[-1] = frames - (count - 1) * self._per_column
        return Spectrogram(
            power=(self._columns[:count] / widths[:, None]).T,
            seconds=self._samples / self._rate,
            column_seconds=self._per_column * self._config.frame_step / self._rate,
            row_hz=GROUP * self._bin_hz,
            energy=self._energy,
        )

    def _analyse(self, frames: int) -> None:
        """Take the window's first frames, and move on by a whole window."""
        self._spectrum.analyse(self._window, frames, None, self._magnitude, self._work)
        power = np.square(self._magnitude[:frames])
        power = power[:, :, 0] + power[:, :, 1]  # the channels, then pairs of bins
        power = (power[:, 0::GROUP] + power[:, 1::GROUP]) / (GROUP * self._config.n_channels)
        # Column of each frame; merged until the last one has a place.
        while (self._frames + frames - 1) // self._per_column >= MOST_COLUMNS:
            self._columns[: MOST_COLUMNS // 2] = self._columns[0::2] + self._columns[1::2]
            self._columns[MOST_COLUMNS // 2 :] = 0
            self._per_column *= 2
        at = (self._frames + np.arange(frames)) // self._per_column
        np.add.at(self._columns, at, power)
        self._frames += frames
        advance = _FRAMES * self._config.frame_step
        keep = len(self._window) - advance
        self._window[:keep] = self._window[advance:]
        self._have = max(0, self._have - advance)


def require_matplotlib() -> None:
    """Raise `SpleeterError` with what to install where matplotlib is missing."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise SpleeterError(NEEDS_MATPLOTLIB) from error


def draw(
    title: str,
    mix: Spectrogram,
    stems: Sequence[tuple[str, Spectrogram]] = (),
    *,
    top_khz: float = TOP_KHZ,
    range_db: float = RANGE_DB,
    start: float = 0.0,
    kind: str = "png",
) -> bytes:
    """The picture of a mix and its stems, a row each, under one scale of colours.

    0 dB is the loudest point of the mix. Beside a stem's name stands its energy relative to the mix's.

    Args:
        title: of the first row.
        top_khz: of the frequency axis; at most what the spectrograms were made for.
        range_db: that the colours cover.
        start: what the time axis begins with, in seconds.
        kind: one of `PICTURE_FORMATS`.

    Returns:
        the file's content.

    Raises:
        SpleeterError: matplotlib is missing; another format.
    """
    require_matplotlib()
    if kind not in PICTURE_FORMATS:
        raise SpleeterError(f"picture format: expected one of {list(PICTURE_FORMATS)}, got {kind!r}")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = [(title, mix, ""), *((name, sound, _level(sound, mix)) for name, sound in stems)]
    height = _MARGINS + _ROW * max(2, len(rows))  # one row alone is twice as high
    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    loudest = max(float(mix.power.max()), _SILENCE)
    for axis, (name, sound, level) in zip(axes, rows, strict=True):
        image = _row(axis, sound, loudest, range_db, start)
        axis.set_title(name, loc="left", fontsize=10, fontweight="bold", pad=4, parse_math=False)
        axis.set_title(level, loc="right", fontsize=8.5, color="0.35", pad=4)
    seconds = max(sound.seconds for _, sound, _ in rows)
    _time_axis(axes[-1], start, seconds)
    axes[0].set_ylim(0, top_khz)
    axes[0].yaxis.set_major_locator(_ticks(5 if top_khz > 6 else 1))
    figure.supylabel("frequency, kHz", fontsize=9)
    bar = figure.colorbar(image, ax=list(axes), pad=0.012, aspect=14 * max(2, len(rows)), fraction=0.05)
    bar.set_label("dB relative to the mix's loudest point", fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    return _saved(figure, kind)


def _row(axis: Axes, sound: Spectrogram, loudest: float, range_db: float, start: float) -> Any:
    decibels = 10 * np.log10(np.maximum(sound.power, _SILENCE) / loudest)
    count = decibels.shape[1]
    image = axis.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        extent=(
            start,
            start + count * sound.column_seconds,
            -sound.row_hz / GROUP / 2e3,
            (len(decibels) - 1 / GROUP / 2) * sound.row_hz / 1e3,
        ),
        cmap="magma",
        vmin=-range_db,
        vmax=0,
        interpolation="antialiased",
    )
    axis.set_facecolor("black")  # where a stem ends before the mix
    axis.tick_params(labelsize=8, length=3, color="0.5")
    for spine in axis.spines.values():
        spine.set_visible(False)
    return image


def _level(stem: Spectrogram, mix: Spectrogram) -> str:
    if stem.energy == 0:
        return "silent"
    if mix.energy == 0:
        return ""
    return f"{10 * math.log10(stem.energy / mix.energy):+.1f} dB relative to the mix".replace("-", "\u2212")


def _time_axis(axis: Axes, start: float, seconds: float) -> None:
    step = next((step for step in _TICK_SECONDS if seconds / step <= _MOST_TICKS), _TICK_SECONDS[-1])
    clock = start + seconds >= 60

    def text(value: float, _position: float) -> str:
        if not clock:
            return f"{value:g}"
        minutes, rest = divmod(round(value, 1), 60)
        if start + seconds < 3600:
            return f"{minutes:.0f}:{rest:0{2 if step >= 1 else 4}.{0 if step >= 1 else 1}f}"
        return f"{minutes // 60:.0f}:{minutes % 60:02.0f}:{rest:02.0f}"

    axis.set_xlim(start, start + seconds)
    axis.xaxis.set_major_locator(_ticks(step))
    axis.xaxis.set_major_formatter(text)
    label = "time, s" if not clock else "time, min:s" if start + seconds < 3600 else "time, h:min:s"
    axis.set_xlabel(label, fontsize=9)


def _ticks(step: float) -> Any:
    from matplotlib.ticker import MultipleLocator

    return MultipleLocator(step)


def _saved(figure: Figure, kind: str) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        # Names in scripts that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        # Nothing of the time: the same input gives the same file, but for the random names inside an SVG.
        metadata = {"png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}[kind]
        figure.savefig(out, format=kind, metadata=metadata)
    return out.getvalue()


__all__ = ["Spectrogram", "SpectrogramBuilder", "draw"]
