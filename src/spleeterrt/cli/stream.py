"""`spleeterrt stream`: raw or WAV samples from a pipe to pipes, for use between other programs."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import AudioError, SpleeterError
from ..names import LIVE_BLOCK
from .checks import check_stream
from .command import Command
from .errors import FAILED, LATE, handle_errors, usage_errors
from .options import (
    Window,
    above_band_option,
    downmix_option,
    full_band_option,
    gain_option,
    mode_option,
    model_option,
    mute_option,
    solo_option,
    threads_option,
)
from .terminal import say

if TYPE_CHECKING:
    from ..realtime.pipe import DescriptorSource, Encoding, Output, Route

INPUT_FORMATS = ("auto", "wav", "s16le", "s24le", "s32le", "s24_32le", "f32le")
_BIT_DEPTHS = {"int16": "s16le", "int24": "s24le", "int32": "s32le", "float32": "f32le"}
_WRITTEN = {"u8": "s16le", "s24_32le": "s24le", "f64le": "f32le"}  # what is read only, and what it becomes
_GROUPS = {
    "Input": ("input_format", "rate", "channels", "downmix", "layout"),
    "Model": ("model", "mode", "above_band", "full_band"),
    "Output": ("stems", "mix", "interleave", "output", "output_format", "bit_depth", "keep"),
    "Gains": ("gains", "mute", "solo"),
    "Real time": ("realtime", "latency", "plan"),
    "Latency and work": ("frames", "hop", "lookahead", "window", "budget", "hold", "crossfade", "block",
                         "threads"),
    "What is printed": ("quiet", "as_json", "help"),
}  # fmt: skip
_EXAMPLES = r"""
ffmpeg -i song.mp3 -f wav - | spleeterrt stream --mix --mute vocals | mpv -
spleeterrt stream -p spleeter:4stems --output "/tmp/{instrument}.wav" song.wav
parec --format=s16le --rate=44100 --channels=2 | spleeterrt stream --realtime --latency 200 \
  --input-format s16le --rate 44100 --channels 2 --stem vocals | pacat ...
"""
_EPILOG = """
Exit codes: 0 done, 1 an error, 2 wrong usage, 3 done, but in real time more than a tenth of the sound
came out without masks of its own, 130 interrupted; ended by SIGPIPE (141 in a shell) if nobody reads the
output any more."""


@click.command(cls=Command, no_args_is_help=True, groups=_GROUPS, examples=_EXAMPLES, epilog=_EPILOG)
@click.argument("source", metavar="[FILE]", required=False)
@model_option
@mode_option
@above_band_option
@click.option("--input-format", type=click.Choice(INPUT_FORMATS, case_sensitive=False),
              default="auto", show_default=True,
              help="auto: WAV. Raw samples need --rate and --channels.")  # fmt: skip
@click.option("--rate", type=click.IntRange(min=1), default=None, help="Sample rate of raw samples, Hz.")
@click.option("--channels", type=click.IntRange(1, 255), default=None,
              help="Channels of raw samples. One goes to both sides; of more the first two are used, or "
              "--downmix.")  # fmt: skip
@downmix_option
@click.option("--layout", default=None, metavar="LAYOUT",
              help="Speakers of the channels, for --downmix, where the input does not tell: 5.1, quad, ..., "
              "or their order, e.g. FL+FR+BL+BR+FC+LFE (ALSA).")  # fmt: skip
@click.option("--output-format", type=click.Choice(INPUT_FORMATS, case_sensitive=False),
              default="auto", show_default=True,
              help="auto: as the ending of --output says, .wav or .raw, else as the input.")  # fmt: skip
@click.option("--bit-depth", type=click.Choice(list(_BIT_DEPTHS)), default=None,
              help="Bit depth of WAV output  [default: the input's]")  # fmt: skip
@click.option(
    "--stem", "stems", multiple=True, metavar="STEM", help="This stem. May be repeated with --output."
)
@click.option("--mix", is_flag=True, help="The sum of the stems under their gains (karaoke: --mute vocals).")
@click.option("--interleave", is_flag=True, help="All stems side by side: 2 channels for each.")
@click.option("--output", default=None, metavar="PATH",
              help="File, named pipe or device instead of standard output; \"{instrument}\" in it: one for "
              "each stem.")  # fmt: skip
@gain_option
@mute_option
@solo_option
@click.option(
    "--frames", type=int, default=None, help="T, frames that the networks see: 64 to 512  [default: 128]"
)
@click.option("--hop", type=int, default=None, help="New frames per run of the networks  [default: T]")
@click.option(
    "--lookahead",
    type=int,
    default=None,
    help="Future frames that the networks look at; adds latency  [default: 0]",
)
@click.option(
    "--window", type=Window(), default=None, help="Synthesis window; short: lower latency  [default: full]"
)
@click.option("--budget", type=int, default=None,
              help="Samples at the model's rate that a run may take  [default: the hop]")  # fmt: skip
@click.option("--hold", is_flag=True, help="The newest masks go to the newest frame: lowest latency.")
@click.option("--crossfade", type=int, default=0, help="Frames over which the masks of a run fade in.")
@full_band_option
@click.option("--block", type=int, default=None,
              help=f"Samples processed at a time  [default: {LIVE_BLOCK} in real time]")  # fmt: skip
@threads_option
@click.option("--realtime", is_flag=True,
              help="For live sources: never wait for the networks; what is late is covered, and told. A file "
              "is played by the clock. Without it every run of the same input gives the same output."
              )  # fmt: skip
@click.option("--latency", type=click.FloatRange(min=0, min_open=True), default=None, metavar="MS",
              help="Measure this machine and choose T, hop, lookahead, window and budget for that latency; "
              "real time.")  # fmt: skip
@click.option("--keep-latency/--drop-latency", "keep", default=None,
              help="Whether the output begins with the latency's silence, and is longer by that, or is "
              "aligned with the input and as long  [default: kept in real time]")  # fmt: skip
@click.option("--plan", is_flag=True, help="Print which settings hold in real time on this machine, and end.")
@click.option("--quiet", "-q", is_flag=True, help="No warnings, no summary.")
@click.option("--json", "as_json", is_flag=True,
              help="JSON on standard error: an object for each warning as it arises, one at the end. With "
              "--plan: on standard output."
              )  # fmt: skip
@handle_errors
def stream(
    source: str | None, model: str, mode: str, above_band: float | None, input_format: str, rate: int | None,
    channels: int | None, downmix: bool, layout: str | None, output_format: str, bit_depth: str | None,
    stems: tuple[str, ...], mix: bool, interleave: bool, output: str | None,
    gains: tuple[tuple[str, float], ...], mute: tuple[str, ...], solo: tuple[str, ...], frames: int | None,
    hop: int | None, lookahead: int | None, window: Any, budget: int | None, hold: bool, crossfade: int,
    full_band: bool, block: int | None, threads: int | None, realtime: bool, latency: float | None,
    keep: bool | None, plan: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Separate samples that come through a pipe.

    Reads WAV or raw samples from FILE (also a named pipe) or standard input; writes one stem (--stem), the
    stems' sum (--mix) or all (--interleave) to standard output or --output, or each stem to a file or named
    pipe of its own (--output with {instrument}). The output begins with the input's first sample and is as
    long as the input, except with --realtime, where it is late by the latency. In the modes direct and
    residual only the networks run that the stems of --stem need (residual: that of the first one).

    Signals that end programs end the stream between two samples; files then hold what came so far. Until it
    is complete a file is called NAME.unfinished.wav; so is what is left of it if the program is killed.
    """
    settings = {"frames": frames, "hop_frames": hop, "lookahead": lookahead, "budget": budget}
    if latency is not None and (hold or any(value is not None for value in settings.values())):
        raise click.UsageError("--latency chooses --frames, --hop, --lookahead and --budget, without --hold")
    kind: dict[str, Any] = {
        "mode": mode,
        "stems": list(stems) if stems and mode in ("direct", "residual") else None,
    }
    if plan:
        _print_plan(model, latency, threads, rate or 44100, block or LIVE_BLOCK, window, kind, as_json)
        return
    if layout is not None and not downmix:
        raise click.UsageError("--layout is for --downmix")
    realtime = realtime or latency is not None
    _check_usage(
        source, input_format, rate, channels, output_format, bit_depth, stems, mix, interleave, output
    )
    if block is None and realtime:
        block = LIVE_BLOCK
    from ..realtime.pace import Pace
    from ..realtime.pipe import DescriptorSource, Interruption, run_stream
    from ..realtime.stream import StreamSeparator, StreamSettings
    from .stream_report import StreamReport

    _check_output(output, output_format, bit_depth)
    report = StreamReport(realtime, quiet, as_json)

    wanted = StreamSettings(**kind, above_band=above_band, full_band=full_band)
    given: dict[str, Any] = {name: value for name, value in settings.items() if value is not None}
    with usage_errors():
        checked = replace(wanted, **given, window=window, block=block, hold=hold, crossfade=crossfade)
        check_stream(checked, model, [*stems, *(name for name, _ in gains), *mute, *solo])
    with Interruption() as interruption:
        reader = DescriptorSource(None if source == "-" else source, interruption)
        with interruption.raising():
            loaded = wanted.load(model)
        instruments = wanted.plan(loaded.config).stems
        names = tuple(dict.fromkeys(stems))
        if not _open_source(reader, input_format, rate, channels):
            raise KeyboardInterrupt
        if downmix:
            reader.mix_down(layout)
        arguments: dict[str, Any] = dict(given)
        arguments.update(window=window, block=block, threads=threads, hold=hold)
        if latency is not None:
            from ..realtime.latency_plan import plan_stream

            with interruption.raising():
                chosen = plan_stream(
                    loaded,
                    latency,
                    threads,
                    sample_rate=reader.rate,
                    block=block or LIVE_BLOCK,
                    window=window,
                    **kind,
                )
            arguments = chosen.arguments()
            report.note(str(chosen))
        arguments.update(sample_rate=reader.rate, crossfade=crossfade, full_band=full_band, realtime=realtime)
        arguments.update(kind, above_band=above_band)
        with StreamSeparator(loaded, **arguments) as separator:
            separator.set_gains(**dict(gains))
            separator.mute(*mute)
            if solo:
                separator.solo(*solo)
            separator.reset()  # the first sample is under these gains already
            report.begin(reader, separator, downmix)
            outputs: list[Output] = []

            def opened(path: str | None, channels: int) -> Output:
                from ..realtime.pipe import open_output

                encoding = _encoding(reader, output_format, bit_depth, path, channels)
                outputs.append(open_output(path, encoding, interruption))
                if outputs[-1].earlier is not None:
                    report.note(
                        f"{outputs[-1].earlier} is there from an earlier run, or one that still goes on"
                    )
                return outputs[-1]

            try:
                routes = _routes(opened, names, mix, interleave, output, reader, instruments)
                run_stream(
                    reader,
                    separator,
                    routes,
                    interruption,
                    keep_latency=realtime if keep is None else keep,
                    pace=Pace(reader.rate) if realtime and reader.is_file else None,
                    watch=report.look if realtime else None,
                )
                broken = all(item.gone for item in outputs)
                for item in outputs:
                    item.end()
                for item in outputs:
                    item.finish()
                for item in outputs:
                    item.publish()
            except BaseException as error:
                for item in outputs:
                    item.abort()
                kept = _kept(outputs, reader.rate)
                if kept and isinstance(error, SpleeterError):
                    raise AudioError(f"{error}; {kept}") from error
                if kept:
                    report.note(kept)
                raise
            broken = broken or all(item.gone for item in outputs)
            if not broken:
                reader.drain()
                report.end(outputs, interrupted=interruption.is_set())
        if broken:
            _end_by_sigpipe()
        if interruption.is_set():
            raise KeyboardInterrupt
        reader.close()
    if report.late:
        raise click.exceptions.Exit(LATE)


def _check_output(output: str | None, output_format: str, bit_depth: str | None) -> None:
    """The ending and the options say the same."""
    from ..realtime.outputs import wav_by_name

    try:
        by_name = wav_by_name(output)
    except AudioError as error:
        raise click.UsageError(f"--output {error}") from error
    if by_name is None:
        return
    raw = output_format not in ("auto", "wav")
    if by_name and raw:
        raise click.UsageError(
            f"--output {output}: a file named .wav does not hold raw {output_format} samples"
        )
    if not by_name and (output_format == "wav" or bit_depth is not None):
        raise click.UsageError(f"--output {output}: a file with that ending holds raw samples, not WAV")


def _check_usage(
    source: str | None, input_format: str, rate: int | None, channels: int | None, output_format: str,
    bit_depth: str | None, stems: tuple[str, ...], mix: bool, interleave: bool, output: str | None,
) -> None:  # fmt: skip
    raw = input_format not in ("auto", "wav")
    if raw and (rate is None or channels is None):
        raise click.UsageError(f"--input-format {input_format} needs --rate and --channels")
    if not raw and not (rate is None and channels is None):
        raise click.UsageError("--rate and --channels are those of raw samples: give --input-format as well")
    if bit_depth is not None and output_format not in ("auto", "wav"):
        raise click.UsageError(f"--bit-depth is that of WAV, not of {output_format}")
    if output == "":
        raise click.UsageError("--output: expected a path or -, got nothing")
    each = output is not None and "{instrument}" in output
    unknown = set(re.findall(r"\{[a-z]+\}", output or "")) - {"{instrument}"}
    if unknown:
        raise click.UsageError(f"--output: only {{instrument}} is replaced, not {', '.join(sorted(unknown))}")
    if sum((bool(stems), mix, interleave)) > 1:
        raise click.UsageError("--stem, --mix and --interleave exclude each other")
    if not (stems or mix or interleave or each):
        raise click.UsageError(
            'no output selected: use --stem STEM, --mix, --interleave, or --output with "{instrument}" in it'
        )
    if len(stems) > 1 and not each:
        raise click.UsageError('several stems need --output with "{instrument}" in it, or --interleave')
    if (mix or interleave) and each:
        raise click.UsageError('"{instrument}" in --output: there is one output only')
    if source in (None, "-", "/dev/stdin"):
        if sys.stdin is None:
            raise click.UsageError("standard input is closed")
        if sys.stdin.isatty():
            raise click.UsageError("standard input is a terminal: name a file, or pipe samples in")
    if output in (None, "-", "/dev/stdout"):
        if sys.stdout is None:
            raise click.UsageError("standard output is closed")
        if sys.stdout.isatty():
            raise click.UsageError("standard output is a terminal: pipe it into a program, or give --output")


def _open_source(reader: DescriptorSource, input_format: str, rate: int | None, channels: int | None) -> bool:
    from ..audio.pcm import SAMPLE_FORMATS

    return reader.open(SAMPLE_FORMATS.get(input_format), rate, channels)


def _routes(
    opened: Callable[[str | None, int], Output],
    stems: tuple[str, ...],
    mix: bool,
    interleave: bool,
    output: str | None,
    reader: DescriptorSource,
    instruments: tuple[str, ...],
) -> list[Route]:
    from ..realtime.pipe import Route

    output = None if output == "-" else output
    paths: dict[str, str | None]
    if output is not None and "{instrument}" in output:
        paths = {stem: output.replace("{instrument}", stem) for stem in stems or instruments}
    else:
        paths = {"": output}
    for path in paths.values():
        if path is not None and os.path.isfile(path) and _same_file(path, reader.descriptor):
            raise SpleeterError(f"{path} would replace the input; choose another --output")
    if "" not in paths:
        return [Route(opened(path, 2), (stem,)) for stem, path in paths.items()]
    chosen = () if mix else instruments if interleave else stems
    return [Route(opened(output, 2 * max(1, len(chosen))), chosen)]


def _same_file(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


def _encoding(
    reader: DescriptorSource, output_format: str, bit_depth: str | None, path: str | None, channels: int
) -> Encoding:
    from ..audio.pcm import SAMPLE_FORMATS
    from ..realtime.outputs import wav_by_name
    from ..realtime.pipe import Encoding

    wav = output_format == "wav"
    if output_format == "auto":
        by_name = wav_by_name(path)
        wav = reader.is_wav or bit_depth is not None if by_name is None else by_name
    name = reader.format.name if output_format in ("auto", "wav") else output_format
    if wav:
        name = _WRITTEN.get(name, name)
    if bit_depth is not None:
        name = _BIT_DEPTHS[bit_depth]
    return Encoding(SAMPLE_FORMATS[name], wav, channels, reader.rate)


def _kept(outputs: list[Output], rate: int) -> str:
    """Where what had been recorded before an error is."""
    return ", ".join(f"{item.frames / rate:.1f} s are in {item.kept}" for item in outputs if item.kept)


def _end_by_sigpipe() -> None:
    """As other filters end when nobody reads them any more."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    raise click.exceptions.Exit(FAILED)


def _print_plan(
    model: str,
    latency: float | None,
    threads: int | None,
    rate: int,
    block: int,
    window: Any,
    kind: dict[str, Any],
    as_json: bool,
) -> None:
    from ..realtime.latency_plan import plan_rows, plan_stream, plan_table
    from ..realtime.stream import StreamSettings

    loaded = StreamSettings(**kind).load(model)
    where: dict[str, Any] = {"sample_rate": rate, "block": block, **kind}
    if latency is not None:
        chosen = plan_stream(loaded, latency, threads, window=window, **where)
        say(json.dumps({**asdict(chosen), "latency_ms": chosen.latency_ms}) if as_json else str(chosen))
    elif as_json:
        for row in plan_rows(loaded, threads, **where):
            say(json.dumps(asdict(row)))
    else:
        say(plan_table(loaded, threads, **where))
