"""`spleeterrt models`: list, download, check, convert, export and describe models."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SpleeterError, error_code
from ..names import DTYPES, MODEL_FORMATS, ONNX_LAYOUTS
from .command import Group
from .completion import complete_files, complete_models, complete_names
from .errors import FAILED, handle_errors
from .terminal import configure_logging, say

if TYPE_CHECKING:
    from ..models import ModelInfo, Source

# `..models` brings numpy: imported by the commands, not for `--help`.

_SOURCE_HELP = (
    "SOURCE is starter:NAME, spleeter:NAME, a Spleeter config.json, a checkpoint folder, a .safetensors "
    "file, or ONNX files: their folder, or one that holds all stems; or a folder of coefficient files and "
    "their config.json."
)


class StemFile(click.ParamType):  # type: ignore[type-arg]
    """STEM=FILE -> (stem, file)."""

    name = "stem=file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        stem, _, file = value.partition("=")
        if not stem or not file:
            self.fail(f"expected STEM=FILE, e.g. vocals=vocals.dat, got {value!r}", param, ctx)
        return stem, file


_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(
    cls=Group,
    name="models",
    examples="""
    spleeterrt models list
    spleeterrt models get 4stems
    spleeterrt models info spleeter:4stems
    """,
)
def models() -> None:
    """List, download, verify, describe, convert and export models."""


@models.command(name="list", examples="spleeterrt models list")
@_json_option
@handle_errors
def list_command(as_json: bool) -> None:
    """List all named models, and where they are on this machine."""
    from ..models import list_models

    configure_logging()
    found = list_models()
    if as_json:
        entries = [
            {"name": m.name, "path": None if m.path is None else str(m.path), "bytes": m.bytes} for m in found
        ]
        click.echo(json.dumps(entries))
        return
    for model in found:
        if model.path is None or model.bytes is None:
            where = "not downloaded"
        else:
            where = f"{_megabytes(model.bytes):>9}  {model.path}"
        say(f"{model.name:<22}{where}")


@models.command(name="get", examples="spleeterrt models get 2stems 4stems")
@click.argument("names", metavar="NAME...", nargs=-1, required=True, shell_complete=complete_names)
@handle_errors
def get_command(names: tuple[str, ...]) -> None:
    """Download official models (2stems, 4stems, 5stems) that are not on this machine yet.

    For starter:NAME, which is part of the package, print where it is.
    """
    from ..models import get

    configure_logging()
    for name in names:
        say(f"{name}: {get(name)}")


@models.command(name="verify", epilog=_SOURCE_HELP, examples="spleeterrt models verify spleeter:2stems")
@click.argument("sources", metavar="SOURCE...", nargs=-1, required=True, shell_complete=complete_models)
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per model, each on a line of its own."
)
def verify_command(sources: tuple[str, ...], as_json: bool) -> None:
    """Read models completely and verify every checksum and shape."""
    from ..models import verify

    failed = False
    warnings = configure_logging()
    for source in sources:
        warnings.clear()
        try:
            report = verify(source)
        except SpleeterError as error:  # the others are checked all the same
            say(f"Error: {error}", err=True)
            failed = True
            if as_json:
                problem = {"code": error_code(error), "message": str(error)}
                click.echo(
                    json.dumps({"source": source, "status": "failed", "error": problem, "warnings": warnings})
                )
            continue
        if as_json:
            click.echo(
                json.dumps({"source": source, "status": "done", **_as_dict(report), "warnings": warnings})
            )
        else:
            say(f"{source}: OK ({report.tensors} tensors, {_megabytes(report.bytes or 0)}, {report.path})")
    if failed:
        sys.exit(FAILED)


@models.command(
    name="convert",
    epilog=_SOURCE_HELP,
    groups={
        "Source": ("stems", "config"),
        "Result": ("file_format", "dtype"),
        "Comparison": ("verify_it", "audio"),
        "Messages": ("as_json", "help"),
    },
    examples="""
    spleeterrt models convert spleeter:2stems 2stems.safetensors
    spleeterrt models convert spleeter:4stems small.safetensors --dtype int8 --verify
    spleeterrt models convert --stem vocals=vocals.dat --stem accompaniment=rest.dat mine.safetensors
    """,
)
@click.argument("sources", metavar="[SOURCE...]", nargs=-1, shell_complete=complete_models)
@click.argument("destination", metavar="DEST", shell_complete=complete_files)
@click.option(
    "--stem",
    "stems",
    type=StemFile(),
    multiple=True,
    help="Instead of SOURCE, give the coefficient or ONNX file of a stem; repeat for each stem.",
)
@click.option(
    "--config",
    metavar="MODEL",
    shell_complete=complete_models,
    help="Where to take what coefficient files lack (activations, sizes): spleeter:NAME, starter:NAME or a "
    "config.json.  [default: Spleeter's model with that number of stems]",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(MODEL_FORMATS),
    default="safetensors",
    show_default=True,
    help="Output format. coefficients: DEST becomes a folder of files for the original real-time engine.",
)
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="float32",
    show_default=True,
    help="Type in which kernels are stored; in memory a model is always float32.",
)
@click.option(
    "--verify", "verify_it", is_flag=True, help="Compare the result with the source on a test signal."
)
@click.option(
    "--audio", type=click.Path(), shell_complete=complete_files, help="Compare them on this audio file."
)
@_json_option
@handle_errors
def convert_command(
    sources: tuple[str, ...],
    destination: str,
    stems: tuple[tuple[str, str], ...],
    config: str | None,
    file_format: str,
    dtype: str,
    verify_it: bool,
    audio: str | None,
    as_json: bool,
) -> None:
    """Write a model as one .safetensors file, or as coefficient files.

    Several sources must be ONNX files named after their stems: vocals.onnx accompaniment.onnx.
    """
    from ..models import convert, from_paths, info

    if bool(sources) == bool(stems):
        raise click.UsageError(
            "expected either SOURCE and DEST, or DEST and a --stem STEM=FILE for each stem"
        )
    if len(dict(stems)) < len(stems):
        raise click.UsageError("a stem can have only one --stem")
    if file_format == "coefficients" and dtype != "float32":
        raise click.UsageError(f"coefficient files are float32, not {dtype}")
    if file_format == "safetensors" and Path(destination).suffix.lower() != ".safetensors":
        raise click.UsageError(f"{destination}: the destination's name must end in .safetensors")
    warnings = configure_logging()
    source: Source = dict(stems) if stems else from_paths(sources)
    # Before the result is written, which may replace the source.
    compare = _comparison(source, config, audio) if verify_it or audio is not None else None
    path = convert(source, destination, dtype=dtype, format=file_format, config=config)
    report: dict[str, Any] = {"path": str(path), "bytes": info(path).bytes, "dtype": dtype}
    if compare is not None:
        report["signal"] = audio or "the built-in test signal"
        report["stems"] = compare(path)
    if as_json:
        click.echo(json.dumps({**report, "warnings": warnings}))
        return
    say(str(path))
    if compare is not None:
        say(f"{_megabytes(report['bytes'])}, against the source on {report['signal']}:")
        click.echo(f"{'stem':<16}{'mask, max':>11}{'mask, mean':>12}{'SNR':>11}")
        for stem, errors in report["stems"].items():
            snr = "equal" if errors["snr_db"] is None else f"{errors['snr_db']:.1f} dB"
            click.echo(f"{stem:<16}{errors['mask_max']:>11.1e}{errors['mask_mean']:>12.1e}{snr:>11}")


def _comparison(source: Source, config: str | None, audio: str | None) -> Callable[[Path], dict[str, Any]]:
    """A function from a converted model to its errors by stem, on a signal that is read now; `snr_db` is None
    where not a sample differs."""
    from ..audio.adapter import AudioAdapter
    from ..fidelity import compare, probe_signal
    from ..models.loading import load_model

    reference = load_model(source, config=config)
    rate = reference.config.sample_rate
    signal = probe_signal(rate) if audio is None else AudioAdapter.default().load(audio, sample_rate=rate)[0]

    def errors_of(path: Path) -> dict[str, Any]:
        return {
            stem: {
                "mask_max": errors.mask_max,
                "mask_mean": errors.mask_mean,
                "snr_db": errors.snr_db if math.isfinite(errors.snr_db) else None,
            }
            for stem, errors in compare(reference, load_model(path), signal).items()
        }

    return errors_of


@models.command(name="export", epilog=_SOURCE_HELP, examples="spleeterrt models export spleeter:2stems onnx/")
@click.argument("source", shell_complete=complete_models)
@click.argument("folder", shell_complete=complete_files)
@click.option(
    "--layout",
    type=click.Choice(ONNX_LAYOUTS),
    default="spleeterrt",
    show_default=True,
    help="Layout of the files. sherpa: as sherpa-onnx reads it, for models like spleeter:2stems.",
)
@handle_errors
def export_command(source: str, folder: str, layout: str) -> None:
    """Write a model as ONNX files for other runtimes, one per stem (5 stems: one file).

    Input and output are magnitudes, float32 (segments, frames, bins, 2); frames and bins are multiples of 64.
    Needs the extra spleeterrt[onnx].
    """
    from ..models import export

    configure_logging()
    for path in export(source, folder, layout=layout):
        say(str(path))


@models.command(name="info", epilog=_SOURCE_HELP, examples="spleeterrt models info spleeter:5stems")
@click.argument("source", shell_complete=complete_models)
@_json_option
@handle_errors
def info_command(source: str, as_json: bool) -> None:
    """Describe a model: its stems, its sizes and where it is."""
    from ..models import info

    warnings = configure_logging()
    model = info(source)
    if as_json:
        click.echo(json.dumps({"source": source, **_as_dict(model), "warnings": warnings}))
        return
    config = model.config
    rows = {
        "stems": ", ".join(config.instruments),
        "network": f"{config.model_type}, {config.conv_activation} / {config.deconv_activation}",
        "filters": ", ".join(map(str, config.conv_n_filters)),
        "input": f"{config.T} frames x {config.F} bins",
        "sample rate": f"{config.sample_rate} Hz",
        "STFT": f"frame length {config.frame_length}, step {config.frame_step}",
        "mask": f"exponent {config.separation_exponent:g}, extension {config.mask_extension}",
        "parameters": f"{model.parameters:,}",
        "format": model.kind if model.dtype is None else f"{model.kind}, {model.dtype}",
        "file": "not downloaded" if model.path is None else str(model.path),
    }
    if model.bytes is not None:
        rows["size"] = f"{_megabytes(model.bytes)}, {model.tensors} tensors"
    for key, value in rows.items():
        say(f"{key + ':':<13}{value}")


def _as_dict(model: ModelInfo) -> dict[str, Any]:
    """The configuration has Spleeter's keys."""
    return {
        "path": None if model.path is None else str(model.path),
        "format": model.kind,
        "dtype": model.dtype,
        "tensors": model.tensors,
        "parameters": model.parameters,
        "bytes": model.bytes,
        "config": model.config.to_dict(),
    }


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
