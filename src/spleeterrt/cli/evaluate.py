"""`spleeterrt evaluate`: scores of a model on a folder of tracks with references, resumable."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import click

from ..errors import SeparationCancelled, SpleeterError
from .errors import FAILED, error_message, handle_errors
from .options import (
    above_band_option,
    downmix_option,
    full_band_option,
    mode_option,
    model_option,
    threads_option,
)
from .terminal import Interruption, check_folder, configure_logging, printable


@click.command(no_args_is_help=True)
@click.argument("dataset", required=False, type=click.Path())
@click.option("--mus_dir", "mus_dir", type=click.Path(), default=None, help="Spleeter's name of DATASET.")
@model_option
@click.option(
    "-o",
    "--output_path",
    "--output",
    "output",
    type=click.Path(),
    default="evaluation",
    show_default=True,
    help="Folder of the results: a JSON file per track, scores.csv, summary.json.",
)
@click.option("--mwf", is_flag=True, help="Multichannel Wiener filter.")
@mode_option
@above_band_option
@click.option("--residual", is_flag=True, help="The last stem is the mix minus the others.")
@full_band_option
@click.option(
    "--museval/--no-museval",
    "museval",
    default=None,
    help="SDR, SIR, ISR and SAR of BSSEval v4 too (spleeterrt[evaluate])  [default: if it is installed]",
)
@click.option("-s", "--offset", type=float, default=0.0, show_default=True, help="Start, in seconds.")
@click.option("-d", "--duration", type=float, default=None, help="At most so many seconds  [default: all]")
@downmix_option
@click.option("--force", is_flag=True, help="Evaluate tracks again that have a result.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of a table.")
@threads_option
@click.option("--low-memory", is_flag=True, help="Less memory, somewhat slower.")
@click.option("--quiet", "-q", is_flag=True, help="No line per track.")
@click.option("--verbose", is_flag=True, help="Say what is done.")
@handle_errors
def evaluate(
    dataset: str | None,
    mus_dir: str | None,
    model: str,
    output: str,
    mwf: bool,
    mode: str,
    above_band: float | None,
    residual: bool,
    full_band: bool,
    museval: bool | None,
    offset: float,
    duration: float | None,
    downmix: bool,
    force: bool,
    as_json: bool,
    threads: int | None,
    low_memory: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """Score a model on a folder of tracks like MUSDB18's.

    DATASET/[test/]TRACK/ holds mixture.wav, vocals.wav, drums.wav, bass.wav and other.wav; accompaniment is
    scored against the sum of all but vocals. Medians over the tracks; with museval, medians over frames of
    one second first, as Spleeter's own command takes them.

    Tracks that have a result are not separated again. A track that fails does not stop the others; the
    exit code is then 1.
    """
    if (dataset is None) == (mus_dir is None):
        raise click.UsageError("name one DATASET")
    configure_logging(verbose, quiet)
    check_folder()
    from ..evaluate import Evaluation, evaluate_track, museval_version
    from ..separator import Separator

    version = _museval_version(museval, museval_version, quiet)
    options: dict[str, Any] = {
        "mode": mode,
        "above_band": above_band,
        "residual": residual,
        "full_band": full_band,
    }
    # Asked first: what is wrong with the folders is said before a model is downloaded or read.
    settings = {
        "model": model,
        "mwf": mwf,
        **options,
        "offset": offset,
        "duration": duration,
        "museval": version,
        **({"downmix": True} if downmix else {}),
    }
    evaluation = Evaluation(Path(dataset or mus_dir or ""), Path(output), settings, force=force)
    failed: dict[str, str] = {}
    pending = evaluation.pending
    kept = len(evaluation.tracks) - len(pending)
    if kept and not quiet:
        click.echo(f"{kept} of {len(evaluation.tracks)} tracks have a result already", err=True)
    with Interruption() as interruption:
        separator = (
            Separator(model, MWF=mwf, threads=threads, low_memory=low_memory, **options) if pending else None
        )
        for number, track in enumerate(pending, 1):

            def score(folder: Path) -> dict[str, Any]:
                assert separator is not None
                return evaluate_track(
                    separator,
                    folder,
                    bsseval=version is not None,
                    offset=offset,
                    duration=duration,
                    downmix=downmix,
                    cancel=interruption,
                )

            started = time.monotonic()
            try:
                scores = evaluation.run(track, score)
            except SeparationCancelled:
                raise KeyboardInterrupt from None
            except Exception as error:  # of the track, or of museval: the others go on
                failed[track.name] = message = error_message(error)
                click.echo(f"Error: {printable(f'{track.name}: {message}')}", err=True)
            else:
                if not quiet:
                    main = ", ".join(f"{target} {_text(s['uSDR'])} dB" for target, s in scores.items())
                    seconds = time.monotonic() - started
                    click.echo(
                        f"[{number}/{len(pending)}] {printable(track.name)}: uSDR {main} ({seconds:.1f} s)",
                        err=True,
                    )
            if interruption.is_set():
                raise KeyboardInterrupt
    summary = evaluation.write_summary(failed)
    if as_json:
        click.echo(json.dumps(summary))
    else:
        _print_table(summary)
        if not quiet:
            click.echo(f"the scores are in {output}")
    if failed:
        click.echo(f"{len(failed)} of {len(evaluation.tracks)} tracks failed", err=True)
        raise click.exceptions.Exit(FAILED)


def _museval_version(wanted: bool | None, find: Any, quiet: bool) -> str | None:
    """The version of museval to use, or None; an error only where it was asked for."""
    if wanted is False:
        return None
    try:
        return str(find())
    except SpleeterError as error:
        if wanted:
            raise
        if not quiet:
            click.echo(f"without SDR, SIR, ISR, SAR: {error}", err=True)
        return None


def _print_table(summary: dict[str, Any]) -> None:
    medians = summary["medians"]
    if not medians:
        return
    metrics = list(dict.fromkeys(metric for scores in medians.values() for metric in scores))
    count = summary["tracks"]
    head = f"median of {count} tracks, dB" if count > 1 else "one track, dB"
    width = max(len(head), *map(len, medians))
    click.echo("  ".join([head.ljust(width), *(metric.rjust(7) for metric in metrics)]))
    for target, scores in medians.items():
        cells = [_text(scores.get(metric)).rjust(7) for metric in metrics]
        click.echo("  ".join([target.ljust(width), *cells]))


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
