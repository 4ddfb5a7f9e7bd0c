"""What a model is: the frozen `ModelConfig`, read from and written to Spleeter's JSON configuration.

Source of the keys and their defaults: Spleeter 2.4.2, `resources/*.json` and
`model/functions/unet.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..arguments import path as checked_path
from ..arguments import told
from ..errors import ConfigError
from ..regular import read_regular

DEPTH = 6  # encoder / decoder pairs of the U-Net
SIZE_MULTIPLE = 1 << DEPTH  # frames and bins are halved DEPTH times
MOST_FILTERS = 1 << 16  # of a layer
MOST_STEMS = 64
DEFAULT_FILTERS = (16, 32, 64, 128, 256, 512)
ACTIVATIONS = ("LeakyReLU", "ReLU", "ELU")
MASK_EXTENSIONS = ("zeros", "average")
MODEL_TYPES = ("unet.unet", "unet.softmax_unet")
MOST_CONFIG_BYTES = 1 << 20  # of a configuration file
LONGEST_NAME = 200  # bytes of a stem's or a folder's name: file systems take 255, with an ending and a prefix


@dataclass(frozen=True)
class ModelConfig:
    """The numbers that define one model; names follow Spleeter's configuration files.

    Attributes:
        instruments: stem names, in the order in which the checkpoint numbers its variables.
        model_dir: the model's folder name under the model root (`MODEL_PATH`).
        sample_rate: Hz.
        frame_length, frame_step: STFT frame and hop, in samples.
        T, F: frames and bins of one network input; multiples of 64.
        separation_exponent: p of the ratio mask.
        mask_extension: mask above bin F, `"zeros"` or `"average"`.
        model_type: `"unet.unet"` or `"unet.softmax_unet"`.
        conv_activation, deconv_activation: `"LeakyReLU"` (0.2), `"ReLU"` or `"ELU"`.
        conv_n_filters: output channels of the six encoder layers.
    """

    instruments: tuple[str, ...]
    model_dir: str = ""
    sample_rate: int = 44100
    frame_length: int = 4096
    frame_step: int = 1024
    T: int = 512
    F: int = 1024
    n_channels: int = 2
    separation_exponent: float = 2.0
    mask_extension: str = "zeros"
    model_type: str = "unet.unet"
    conv_activation: str = "LeakyReLU"
    deconv_activation: str = "ReLU"
    conv_n_filters: tuple[int, ...] = DEFAULT_FILTERS

    def __post_init__(self) -> None:
        def need(ok: bool, expected: str, got: object) -> None:
            if not ok:
                raise ConfigError(f"model configuration: expected {expected}, got {told(got)}")

        need(
            isinstance(self.instruments, (tuple, list))
            and len(self.instruments) > 0
            and all(isinstance(name, str) and name for name in self.instruments),
            "instrument_list to be a list of stem names",
            self.instruments,
        )
        for name in self.instruments:
            good = can_be_a_path(name) and name not in (".", "..") and not set("/\\") & set(name)
            need(good, "stem names that can be file names", _short(name))
        need(
            isinstance(self.model_dir, str) and all(map(can_be_a_path, self.model_dir.split("/"))),
            "model_dir to be the name of a folder",
            _short(self.model_dir),
        )
        need(len(set(self.instruments)) == len(self.instruments), "distinct stem names", self.instruments)
        need(len(self.instruments) <= MOST_STEMS, f"at most {MOST_STEMS} stems", len(self.instruments))
        largest = {"sample_rate": 768_000, "frame_length": 1 << 16, "frame_step": 1 << 16, "T": 1 << 14}
        for key, most in largest.items():
            value = getattr(self, key)
            need(
                isinstance(value, int) and 0 < value <= most,
                f"{key} to be an integer from 1 to {most}",
                value,
            )
        need(self.frame_step <= self.frame_length, "frame_step <= frame_length", self.frame_step)
        need(isinstance(self.F, int), "F (bins) to be an integer", self.F)
        check_network_size(self.T, self.F)
        need(self.bins >= self.F, f"F <= {self.bins} (bins of the STFT)", self.F)
        channels = isinstance(self.n_channels, int) and self.n_channels == 2
        need(channels, "n_channels = 2 (the network takes stereo)", self.n_channels)
        need(
            isinstance(self.separation_exponent, (int, float)) and 0 < self.separation_exponent <= 10,
            "0 < separation_exponent <= 10",
            self.separation_exponent,
        )
        for key, words in (
            ("mask_extension", MASK_EXTENSIONS),
            ("model_type", MODEL_TYPES),
            ("conv_activation", ACTIVATIONS),
            ("deconv_activation", ACTIVATIONS),
        ):
            value = getattr(self, key)
            need(isinstance(value, str) and value in words, f"{key} in {words}", value)
        need(
            isinstance(self.conv_n_filters, (tuple, list))
            and len(self.conv_n_filters) == DEPTH
            and all(isinstance(n, int) and 0 < n <= MOST_FILTERS for n in self.conv_n_filters),
            f"conv_n_filters to be {DEPTH} integers from 1 to {MOST_FILTERS}",
            self.conv_n_filters,
        )

    @property
    def fft_length(self) -> int:
        """Length of the FFT: the next power of two (`tf.signal.stft`'s default)."""
        return 1 << (self.frame_length - 1).bit_length()

    @property
    def bins(self) -> int:
        """Number of STFT bins, `fft_length / 2 + 1`."""
        return self.fft_length // 2 + 1

    @property
    def softmax(self) -> bool:
        """Whether the stems' masks come from a softmax across stems (the 5-stem model)."""
        return self.model_type == "unet.softmax_unet"

    def replace(self, **changes: Any) -> ModelConfig:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)

    @classmethod
    def from_dict(cls, params: Mapping[str, Any]) -> ModelConfig:
        """Read Spleeter's parameter dictionary (the content of a `config.json`).

        Unknown keys (training parameters) are ignored.

        Raises:
            ConfigError: a key is missing or has a value the network cannot take.
        """
        try:
            model = params.get("model") or {}
            network = model.get("params") or {}
            model_dir = params.get("model_dir")
            conv_activation = network.get("conv_activation")
            deconv_activation = network.get("deconv_activation")
            # Spleeter's own rule: an unknown name means LeakyReLU / ReLU (unet.py).
            return cls(
                instruments=_names(params["instrument_list"]),
                model_dir="" if model_dir is None else model_dir,
                sample_rate=_whole(params.get("sample_rate", 44100)),
                frame_length=_whole(params.get("frame_length", 4096)),
                frame_step=_whole(params.get("frame_step", 1024)),
                T=_whole(params.get("T", 512)),
                F=_whole(params.get("F", 1024)),
                n_channels=_whole(params.get("n_channels", 2)),
                separation_exponent=float(params.get("separation_exponent", 2)),
                mask_extension=str(params.get("mask_extension", "zeros")),
                model_type=str(model.get("type", "unet.unet")),
                conv_activation=conv_activation if conv_activation in ("ReLU", "ELU") else "LeakyReLU",
                deconv_activation=deconv_activation if deconv_activation in ("LeakyReLU", "ELU") else "ReLU",
                conv_n_filters=tuple(_whole(n) for n in network.get("conv_n_filters", DEFAULT_FILTERS)),
            )
        except KeyError as error:
            raise ConfigError(f"model configuration: the key {error} is missing") from error
        except ConfigError:
            raise
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigError(f"model configuration: {error}") from error

    @classmethod
    def from_file(cls, path: str | Path) -> ModelConfig:
        """Read a Spleeter `config.json`.

        Raises:
            ConfigError: the file is missing, is not JSON, or holds an unusable value.
            ArgumentError: not a path.
        """
        path = checked_path("configuration file", path)
        try:
            params = json.loads(read_regular(path, MOST_CONFIG_BYTES).decode("utf-8"))
        except FileNotFoundError as error:
            raise ConfigError(f"configuration file {path} not found") from error
        except OSError as error:
            raise ConfigError(f"configuration file {path}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"configuration file {path}: {error}") from error
        if not isinstance(params, dict):
            raise ConfigError(
                f"configuration file {path}: expected a JSON object, got {type(params).__name__}"
            )
        try:
            return cls.from_dict(params)
        except ConfigError as error:
            raise ConfigError(f"configuration file {path}: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """The same configuration with Spleeter's keys: `from_dict(to_dict())` gives an equal one."""
        return {
            "model_dir": self.model_dir,
            "instrument_list": list(self.instruments),
            "sample_rate": self.sample_rate,
            "frame_length": self.frame_length,
            "frame_step": self.frame_step,
            "T": self.T,
            "F": self.F,
            "n_channels": self.n_channels,
            "separation_exponent": self.separation_exponent,
            "mask_extension": self.mask_extension,
            "model": {
                "type": self.model_type,
                "params": {
                    "conv_activation": self.conv_activation,
                    "deconv_activation": self.deconv_activation,
                    "conv_n_filters": list(self.conv_n_filters),
                },
            },
        }


def can_be_a_path(name: str) -> bool:
    """Whether file systems and terminals can take a name (`""`, `.` and `..` too)."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return len(encoded) <= LONGEST_NAME and all(code >= 32 and code != 127 for code in encoded)


def _short(name: object) -> object:
    return f"{name[:40]}..." if isinstance(name, str) and len(name) > 80 else name


def _whole(value: Any) -> int:
    if isinstance(value, bool) or int(value) != value:
        raise ValueError(f"expected an integer, got {value!r}")
    return int(value)


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"instrument_list: expected a list of stem names, got {value!r}")
    return tuple(value)


def check_network_size(frames: int, bins: int) -> None:
    """Raise `ConfigError` unless frames (T) and bins (F) are positive multiples of 64."""
    for name, value in (("T (frames)", frames), ("F (bins)", bins)):
        if not isinstance(value, int) or value <= 0 or value % SIZE_MULTIPLE:
            raise ConfigError(
                f"{name} must be a positive multiple of {SIZE_MULTIPLE} "
                f"(the network halves it {DEPTH} times), got {value!r}"
            )


_TWO = ("vocals", "accompaniment")
_FOUR = ("vocals", "drums", "bass", "other")
_FIVE = ("vocals", "piano", "drums", "bass", "other")
_OFFICIAL = {
    "2stems": ModelConfig(instruments=_TWO, model_dir="2stems"),
    "4stems": ModelConfig(
        instruments=_FOUR, model_dir="4stems", conv_activation="ELU", deconv_activation="ELU"
    ),
    "5stems": ModelConfig(
        instruments=_FIVE,
        model_dir="5stems",
        model_type="unet.softmax_unet",
        conv_activation="ELU",
        deconv_activation="ELU",
    ),
}

OFFICIAL_CONFIGS: dict[str, ModelConfig] = {
    **_OFFICIAL,
    # The 16 kHz models: the same weights on more bins.
    **{f"{name}-16kHz": config.replace(F=1536) for name, config in _OFFICIAL.items()},
}
"""Spleeter's six embedded configurations, by the name that follows `spleeter:`."""

STARTER_STEMS: dict[str, tuple[str, ...]] = {"4stems": _FOUR, "2stems": _TWO}
"""The stems of the model that the package ships, by the name that follows `starter:`."""

MODEL_NAMES = (
    *(f"starter:{name}" for name in STARTER_STEMS),
    *(f"spleeter:{name}" for name in OFFICIAL_CONFIGS),
)
"""Every model that has a name."""
