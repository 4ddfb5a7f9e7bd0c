"""`spleeterrt evaluate`: scores of a model on a folder of tracks with references, resumable."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import SeparationCancelled, SpleeterError, error_message
from .command import Command, no_effect
from .errors import FAILED, handle_errors, usage_errors
from .options import (
    OutputFolder,
    above_band_option,
    downmix_option,
    duration_option,
    full_band_option,
    mode_option,
    model_option,
    offset_option,
    threads_option,
)
from .terminal import CancelOnSignal, check_folder, configure_logging, logger, printable, say

if TYPE_CHECKING:
    from ..evaluate import Evaluation

_SUMMING = ("residual", "three")  # modes


@click.command(
    cls=Command,
    no_args_is_help=True,
    groups={
        "Input": ("mus_dir", "offset", "duration", "downmix", "museval"),
        "Model": ("model", "mode", "above_band", "full_band", "mwf", "residual"),
        "Output": ("output", "force"),
        "Machine": ("threads", "low_memory"),
        "Messages": ("quiet", "verbose", "as_json", "help"),
    },
    examples="""
    spleeterrt evaluate musdb18hq -p spleeter:4stems
    spleeterrt evaluate musdb18hq -p starter:4stems -o scores --no-museval --json
    """,
)
@click.argument("dataset", required=False, type=click.Path())
@click.option("-a", "--adapter", hidden=True, default=None)  # of Spleeter's command
@click.option("--mus_dir", "mus_dir", type=click.Path(), default=None, help="Spleeter's name for DATASET.")
@model_option
@click.option(
    "-o",
    "--output_path",
    "--output",
    "output",
    type=OutputFolder(),
    default="evaluation",
    show_default=True,
    help="Output folder: a JSON file per track, scores.csv and summary.json.",
)
@click.option("--mwf", is_flag=True, help="Apply a multichannel Wiener filter.")
@mode_option
@above_band_option
@click.option("--residual", is_flag=True, help="Make the last stem the mix minus the others.")
@full_band_option
@click.option(
    "--museval/--no-museval",
    "museval",
    default=None,
    help="Also compute SDR, SIR, ISR and SAR of BSSEval v4 (needs spleeterrt[evaluate]).  [default: on if "
    "museval is installed]",
)
@offset_option
@duration_option
@downmix_option
@click.option("--force", is_flag=True, help="Evaluate all tracks again, even if they have results.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON instead of a table.")
@threads_option
@click.option("--low-memory", is_flag=True, help="Use less memory; somewhat slower.")
@click.option("--quiet", "-q", is_flag=True, help="Print no line per track.")
@click.option("--verbose", is_flag=True, help="Print each step.")
@click.pass_context
@handle_errors
def evaluate(
    ctx: click.Context,
    dataset: str | None,
    adapter: str | None,
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
    scored against the sum of all references except vocals. The results are medians over the tracks; with
    museval, medians over frames of one second are taken first, as Spleeter's own command does.

    Tracks that already have a result are skipped. A track that fails does not stop the others; the
    exit code is then 1.
    """
    if (dataset is None) == (mus_dir is None):
        raise click.UsageError("expected one DATASET")
    warnings = configure_logging(verbose, quiet)
    check_folder()
    from ..evaluate import Evaluation, evaluate_track, museval_version
    from ..models import configuration
    from ..network.modes import plan_mode
    from ..separator import Separator
    from .checks import find_adapter

    version = _museval_version(museval, museval_version, quiet)
    options: dict[str, Any] = {
        "mode": mode,
        "above_band": above_band,
        "residual": residual,
        "full_band": full_band,
    }
    with usage_errors():
        plan_mode(config=configuration(model), **options)
        if find_adapter(adapter) is not None:
            raise SpleeterError("--adapter: tracks are read by the built-in adapter")
    useless = {"residual": f"the stems of mode {mode} sum to the mix anyway"} if mode in _SUMMING else {}
    for sentence in no_effect(ctx, useless):
        logger.warning("%s", sentence)
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
    pending = evaluation.pending
    kept = len(evaluation.tracks) - len(pending)
    if kept and not quiet:
        say(f"{kept} of {len(evaluation.tracks)} tracks already have a result", err=True)
    failed: dict[str, str] = {}
    if pending:
        with CancelOnSignal() as interruption:
            separator = Separator(model, MWF=mwf, threads=threads, low_memory=low_memory, **options)
            score = partial(
                evaluate_track,
                separator,
                bsseval=version is not None,
                offset=offset,
                duration=duration,
                downmix=downmix,
                cancel=interruption,
            )
            failed = _score_all(evaluation, score, interruption, quiet)
    summary = evaluation.write_summary(failed)
    if as_json:
        click.echo(json.dumps({**summary, "warnings": list(dict.fromkeys(warnings))}))
    else:
        _print_table(summary)
        if not quiet:
            say(f"the scores are in {output}")
    if failed:
        say(f"{len(failed)} of {len(evaluation.tracks)} tracks failed", err=True)
        raise click.exceptions.Exit(FAILED)


def _score_all(
    evaluation: Evaluation,
    score: Callable[[Path], dict[str, Any]],
    interruption: CancelOnSignal,
    quiet: bool,
) -> dict[str, str]:
    """Score the tracks that have no result yet. Returns what went wrong, by the names of tracks.

    Raises:
        KeyboardInterrupt: a signal asked for the end; the same command goes on from there.
    """
    failed: dict[str, str] = {}
    pending = evaluation.pending
    for number, track in enumerate(pending, 1):
        started = time.monotonic()
        try:
            scores = evaluation.run(track, score)
        except SeparationCancelled:
            _say_what_is_done(evaluation, quiet)
            raise KeyboardInterrupt from None
        except Exception as error:  # of the track, or of museval: the others go on
            failed[track.name] = message = error_message(error)
            say(f"Error: {printable(track.name)}: {message}", err=True)
        else:
            if not quiet:
                main = ", ".join(f"{target} {_text(s['uSDR'])} dB" for target, s in scores.items())
                seconds = time.monotonic() - started
                name = printable(track.name)
                say(f"[{number}/{len(pending)}] {name}: uSDR {main} ({seconds:.1f} s)", err=True)
        if interruption.is_set():
            _say_what_is_done(evaluation, quiet)
            raise KeyboardInterrupt
    return failed


def _say_what_is_done(evaluation: Evaluation, quiet: bool) -> None:
    if not quiet:
        ready = len(evaluation.tracks) - len(evaluation.pending)
        say(
            f"{ready} of {len(evaluation.tracks)} tracks have a result; run the same command again to resume",
            err=True,
        )


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
            say(f"without SDR, SIR, ISR, SAR: {error}", err=True)
        return None


def _print_table(summary: dict[str, Any]) -> None:
    medians = summary["medians"]
    if not medians:
        return
    metrics = list(dict.fromkeys(metric for scores in medians.values() for metric in scores))
    count = summary["tracks"]
    head = f"median of {count} tracks, dB" if count > 1 else "one track, dB"
    width = max(len(head), *map(len, medians))
    say("  ".join([head.ljust(width), *(metric.rjust(7) for metric in metrics)]))
    for target, scores in medians.items():
        cells = [_text(scores.get(metric)).rjust(7) for metric in metrics]
        say("  ".join([target.ljust(width), *cells]))


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
