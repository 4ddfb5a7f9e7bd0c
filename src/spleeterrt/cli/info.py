"""`spleeterrt info`: this installation and machine; with `--plan`, how the networks run here."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING

import click

from ..errors import SpleeterError
from .command import Command
from .errors import handle_errors
from .options import DEFAULT_MODEL, model_option_of
from .system import cpu_name, usable_cores
from .terminal import configure_logging, say

if TYPE_CHECKING:
    from ..network.measured_plan import PlannedNetwork


@click.command(
    cls=Command,
    groups={
        "How networks run": ("plan", "model", "frames", "bins", "low_memory", "threads"),
        "Messages": ("as_json", "help"),
    },
    examples="""
    spleeterrt info
    spleeterrt info --plan -p spleeter:4stems --frames 128
    """,
)
@click.option("--plan", is_flag=True, help="Show how each layer of a network runs, and measure it.")
@model_option_of(
    default=None,
    help=f"With --plan: model, as in `separate`; its weights are not needed.  [default: {DEFAULT_MODEL}]",
)
@click.option(
    "--frames", type=int, default=None, help="With --plan: number of frames T.  [default: the model's]"
)
@click.option("--bins", type=int, default=None, help="With --plan: number of bins F.  [default: the model's]")
@click.option("--low-memory", is_flag=True, help="With --plan: show the plan that needs less memory.")
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    default=None,
    help="With --plan: number of threads to add up memory for.  [default: the number that `info` shows]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@handle_errors
def info(
    plan: bool,
    model: str | None,
    frames: int | None,
    bins: int | None,
    low_memory: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    """Describe this installation, or how networks run on this machine.

    Prints versions, the CPU, instruction sets and where models are looked up; with --plan, the method and
    time of each layer.

    Nothing is downloaded. --plan measures one segment of one stem's network on one thread, with random
    weights.
    """
    if not plan and (low_memory or any(value is not None for value in (model, frames, bins, threads))):
        raise click.UsageError("-p, --frames, --bins, --low-memory and --threads belong to --plan")
    warnings = configure_logging()
    if plan:
        _show_plan(model or DEFAULT_MODEL, frames, bins, low_memory, threads, as_json, warnings)
    else:
        _show_machine(as_json, warnings)


def _show_machine(as_json: bool, warnings: list[str]) -> None:
    import numpy as np

    from .._kernels import nn
    from .._version import __version__
    from ..models import list_models
    from ..models.store import download_root, model_roots
    from ..network.method_plan import default_isa
    from ..parallel import usual_threads

    cores, (threads, because) = os.cpu_count() or 1, usual_threads()
    forced = os.environ.get("SPLEETERRT_ISA")
    chosen = default_isa() or "reference"
    found = [model.name for model in list_models() if model.path is not None]
    if as_json:
        facts = {
            "spleeterrt": __version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
            "system": platform.system(),
            "machine": platform.machine(),
            "cpu": cpu_name(),
            "cores": cores,
            "usable_cores": usable_cores(),
            "threads": threads,
            "threads_because": because,
            "isas": [*nn.FAST_ISAS, "reference"],
            "isa": chosen,
            "blas": nn.BLAS,
            "model_roots": [str(root) for root in model_roots()],
            "download_root": str(download_root()),
            "models": found,
            "warnings": warnings,
        }
        click.echo(json.dumps(facts))
        return
    _print_rows(
        {
            "spleeterrt": __version__,
            "Python": f"{platform.python_version()}, numpy {np.__version__}",
            "system": f"{platform.system()} {platform.machine()}",
            "CPU": cpu_name(),
            "cores": f"{usable_cores()} usable of {cores}" if usable_cores() < cores else str(cores),
            "threads": f"{threads} ({because})",
            "instruction sets": ", ".join((*nn.FAST_ISAS, "reference")),
            "chosen": f"{chosen} (SPLEETERRT_ISA)"
            if forced
            else f"{chosen} (the best; SPLEETERRT_ISA is not set)",
            "BLAS": nn.BLAS,
        }
    )
    click.echo("models are looked up in:")
    for root in model_roots():
        note = "" if root.is_dir() else "  (not there)"
        if root == download_root():
            note += "  downloads go here"
        say(f"  {root}{note}")
    _print_rows({"models found": ", ".join(found) or "none"})


def _show_plan(
    source: str,
    frames: int | None,
    bins: int | None,
    low_memory: bool,
    threads: int | None,
    as_json: bool,
    warnings: list[str],
) -> None:
    from ..models import configuration
    from ..models.reading import kernel_types
    from ..network.measured_plan import planned_network
    from ..parallel import check_threads

    config = configuration(source)
    try:
        config = config.replace(
            T=config.T if frames is None else frames, F=config.F if bins is None else bins
        )
    except SpleeterError as error:
        raise click.UsageError(str(error)) from error
    threads = check_threads(threads)
    network = planned_network(config, low_memory, kernel_types(source))
    stems = len(config.instruments)
    if as_json:
        _print_plan_json(source, network, stems, threads, warnings)
        return
    _print_rows(
        {
            "model": f"{source}, {_count(stems, 'stem')}",
            "input": f"T = {config.T} frames, F = {config.F} bins",
            "plan": f"{'low memory' if low_memory else 'default'}, {network.plan.isa or 'reference'}",
            "times": "one stem, one segment, one thread",
        }
    )
    click.echo()
    _print_table(network)
    if network.padded:
        click.echo("channels as the kernels hold them: padded to multiples of 16")
    click.echo()
    weights, workspace = _megabytes(network.weights), _megabytes(network.workspace)
    total = _megabytes(stems * network.weights + threads * network.workspace)
    machine = network.machine
    _print_rows(
        {
            "weights": f"{weights} MB per stem",
            "workspace": f"{workspace} MB per thread",
            "together": f"{total} MB for {_count(stems, 'stem')} and {_count(threads, 'thread')}",
            "predicted from": f"{machine.multiply_adds / 1e9:.1f} G multiply-adds/s (matrix product), "
            f"{machine.bytes / 1e9:.1f} GB/s (copy), measured just now",
        }
    )


def _print_plan_json(
    source: str, network: PlannedNetwork, stems: int, threads: int, warnings: list[str]
) -> None:
    from ..network.measured_plan import method_text

    layers = [
        {
            "layers": layer.names,
            "method": method_text(layer),
            "weights_bytes": layer.weights,
            "predicted_seconds": layer.predicted,
            "measured_seconds": layer.measured,
        }
        for layer in network.layers
    ]
    plan = {
        "model": source,
        "stems": stems,
        "threads": threads,
        "isa": network.plan.isa or "reference",
        "layers": layers,
        "weights_bytes_per_stem": network.weights,
        "workspace_bytes_per_thread": network.workspace,
    }
    click.echo(json.dumps({**plan, "warnings": warnings}))


def _print_table(network: PlannedNetwork) -> None:
    from ..network.measured_plan import channels_text, method_text, shape_text

    header = ("layer", "frames x bins", "channels", "method", "weights MB", "predicted ms", "measured ms")
    rows = [
        (
            layer.names,
            shape_text(layer),
            channels_text(layer),
            method_text(layer),
            _megabytes(layer.weights),
            f"{1e3 * layer.predicted:.2f}",
            f"{1e3 * layer.measured:.2f}",
        )
        for layer in network.layers
    ]
    predicted = sum(layer.predicted for layer in network.layers)
    measured = sum(layer.measured for layer in network.layers)
    total = (
        "all",
        "",
        "",
        "",
        _megabytes(network.weights),
        f"{1e3 * predicted:.2f}",
        f"{1e3 * measured:.2f}",
    )
    numbers = 3  # the last columns
    widths = [max(map(len, column)) for column in zip(header, *rows, total, strict=True)]
    for row in (header, *rows, total):
        cells = [
            cell.rjust(width) if index >= len(row) - numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        click.echo("  ".join(cells).rstrip())


def _print_rows(rows: dict[str, str]) -> None:
    for key, value in rows.items():
        say(f"{key + ':':<18}{value}")


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
