"""What Spleeter's `__main__` has: its commands as functions and as a Typer application."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, List, NoReturn, Optional  # noqa: UP035 (old Typers read these)

from spleeterrt.audio import Codec
from spleeterrt.errors import SpleeterError

from . import options as o
from ._tensorflow import needs_tensorflow

EVALUATION_SPLIT = "test"
EVALUATION_METRICS_DIRECTORY = "metrics"
EVALUATION_INSTRUMENTS = ("vocals", "drums", "bass", "other")
EVALUATION_METRICS = ("SDR", "SAR", "SIR", "ISR")
EVALUATION_MIXTURE = "mixture.wav"
EVALUATION_AUDIO_DIRECTORY = "audio"


def _given(value: Any) -> Any:
    """A parameter's value; of one that was not given its default, which Typer wraps."""
    value = getattr(value, "default", value)
    if value is ...:
        raise SpleeterError("expected files (separate), or the folder mus_dir (evaluate)")
    return value


def separate(
    deprecated_files: Optional[str] = o.AudioInputOption,  # noqa: UP045
    files: List[Path] = o.AudioInputArgument,  # noqa: UP006
    adapter: str = o.AudioAdapterOption,
    bitrate: str = o.AudioBitrateOption,
    codec: Codec = o.AudioCodecOption,
    duration: float = o.AudioDurationOption,
    offset: float = o.AudioOffsetOption,
    output_path: str = o.AudioOutputOption,
    stft_backend: str = o.STFTBackendOption,
    filename_format: str = o.FilenameFormatOption,
    params_filename: str = o.ModelParametersOption,
    mwf: bool = o.MWFOption,
    verbose: bool = o.VerboseOption,
) -> None:
    """Separate audio files."""
    from spleeterrt.audio.adapter import AudioAdapter
    from spleeterrt.separator import Separator

    from .utils.logging import configure_logger, logger

    configure_logger(_given(verbose))
    if _given(deprecated_files) is not None:
        logger.error("-i is not supported any more: name the files without it")
        _exit(20)
    songs = _given(files)
    separator = Separator(_given(params_filename), MWF=_given(mwf))
    audio_adapter = AudioAdapter.get(_given(adapter))
    for file in songs:
        separator.separate_to_file(
            str(file),
            _given(output_path),
            audio_adapter=audio_adapter,
            offset=_given(offset),
            duration=_given(duration),
            codec=_given(codec),
            bitrate=_given(bitrate),
            filename_format=_given(filename_format),
        )


def evaluate(
    adapter: str = o.AudioAdapterOption,
    output_path: str = o.AudioOutputOption,
    stft_backend: str = o.STFTBackendOption,
    params_filename: str = o.ModelParametersOption,
    mus_dir: str = o.MUSDBDirectoryOption,
    mwf: bool = o.MWFOption,
    verbose: bool = o.VerboseOption,
) -> Any:  # dict[str, dict[str, list[float]]], which not every Typer takes for a result
    """Score a model on a data set like MUSDB18: `{stem: {metric: [median of each track]}}`.

    The scores are museval's, of float32 estimates that are not written; `spleeterrt evaluate` can more.

    Raises:
        SpleeterError: museval is missing, or a track cannot be read.
    """
    from spleeterrt.evaluate import Evaluation, evaluate_track, museval_version
    from spleeterrt.separator import Separator

    from .utils.logging import configure_logger, logger

    dataset = Path(_given(mus_dir))
    configure_logger(_given(verbose))
    settings = {"model": _given(params_filename), "mwf": _given(mwf), "museval": museval_version()}
    folder = Path(_given(output_path), EVALUATION_METRICS_DIRECTORY)
    evaluation = Evaluation(dataset, folder, settings, force=True)
    separator = Separator(_given(params_filename), MWF=_given(mwf))
    logger.info("Starting musdb evaluation (this could be long) ...")
    metrics: dict[str, dict[str, list[float]]] = {}
    for track in evaluation.tracks:
        scores = evaluation.run(track, lambda folder: evaluate_track(separator, folder, bsseval=True))
        for stem, values in scores.items():
            for metric in EVALUATION_METRICS:
                value = values.get(metric)
                if value is not None:
                    metrics.setdefault(stem, {}).setdefault(metric, []).append(value)
    logger.info("musdb evaluation done")
    for stem, median in evaluation.summary().items():
        logger.info("%s:", stem)
        for metric in EVALUATION_METRICS:
            if (value := median.get(metric)) is not None:
                logger.info("%s: %.3f", metric, value)
    return metrics


def train(
    adapter: str = o.AudioAdapterOption,
    data: str = o.TrainingDataDirectoryOption,
    params_filename: str = o.ModelParametersOption,
    verbose: bool = o.VerboseOption,
) -> None:
    """Train a model: this needs Spleeter and TensorFlow.

    Raises:
        SpleeterError: always.
    """
    needs_tensorflow("spleeter.__main__", "train")("train")()


def default(version: bool = o.VersionOption) -> None:
    """Spleeter's commands, by spleeterrt."""


def entrypoint() -> NoReturn:
    """The command line: that of spleeterrt, with `sys.argv`; it prints Spleeter's lines."""
    from spleeterrt.cli import main

    main(as_spleeter=True)


def _exit(code: int) -> NoReturn:
    raise SystemExit(code) if o.TYPER is None else o.TYPER.Exit(code)


@functools.cache
def _application() -> Any:
    """Spleeter's application for those who have Typer; else spleeterrt's own group of click commands."""
    if o.TYPER is None:
        from spleeterrt.cli import cli

        return cli
    application = o.TYPER.Typer(add_completion=False, no_args_is_help=True)
    application.callback()(default)
    for command in (train, separate, evaluate):
        summary = (command.__doc__ or "").partition("\n")[0]
        application.command(help=summary, no_args_is_help=True)(command)
    return application


def __getattr__(name: str) -> Any:
    if name == "spleeter":
        return _application()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
