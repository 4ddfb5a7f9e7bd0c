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
from .options import above_band_option, downmix_option, full_band_option, mode_option, model_option
from .stream_options import EngineOptions, VolumeOptions, engine_options, volume_options
from .terminal import say

if TYPE_CHECKING:
    from ..network.model import Model
    from ..realtime.pipe import DescriptorSource, Encoding, Interruption, Output, Route
    from ..realtime.stream import StreamSettings
    from .stream_report import StreamReport

INPUT_FORMATS = ("auto", "wav", "s16le", "s24le", "s32le", "s24_32le", "f32le")
_BIT_DEPTHS = {"int16": "s16le", "int24": "s24le", "int32": "s32le", "float32": "f32le"}
_WRITTEN = {"u8": "s16le", "s24_32le": "s24le", "f64le": "f32le"}  # what is read only, and what it becomes
_GROUPS = {
    "Input": ("input_format", "rate", "channels", "downmix", "layout"),
    "Model": ("model", "mode", "above_band", "full_band"),
    "Output": ("stems", "mix", "interleave", "output", "output_format", "bit_depth", "keep"),
    "Gains": ("gains", "mute", "solo"),
    "Real time": ("realtime", "latency_ms", "plan"),
    "Latency and work": ("frames", "hop", "lookahead", "window", "budget", "hold", "crossfade", "block",
                         "threads"),
    "Messages": ("quiet", "as_json", "help"),
}  # fmt: skip
_EXAMPLES = r"""
ffmpeg -i song.mp3 -f wav - | spleeterrt stream --mix --mute vocals | mpv -
spleeterrt stream -p spleeter:4stems --output "/tmp/{instrument}.wav" song.wav
parec --format=s16le --rate=44100 --channels=2 | spleeterrt stream --realtime --latency 200 \
  --input-format s16le --rate 44100 --channels 2 --stem vocals | pacat ...
"""
_EPILOG = """
Exit codes: 0 done, 1 an error, 2 wrong usage, 3 done, but in real time more than a tenth of the sound was
concealed because the networks were late, 130 interrupted. When its reader exits, the program ends with
SIGPIPE (141 in a shell)."""


@click.command(cls=Command, no_args_is_help=True, groups=_GROUPS, examples=_EXAMPLES, epilog=_EPILOG)
@click.argument("source", metavar="[FILE]", required=False)
@model_option
@mode_option
@above_band_option
@click.option("--input-format", type=click.Choice(INPUT_FORMATS, case_sensitive=False),
              default="auto", show_default=True,
              help="Format of the input. auto: WAV; raw samples need --rate and --channels.")  # fmt: skip
@click.option("--rate", type=click.IntRange(min=1), default=None, help="Sample rate of raw samples in Hz.")
@click.option("--channels", type=click.IntRange(1, 255), default=None,
              help="Number of channels of raw samples. Mono is duplicated; of more than two channels the "
              "first two are used, unless --downmix is given.")  # fmt: skip
@downmix_option
@click.option("--layout", default=None, metavar="LAYOUT",
              help="Channel layout for --downmix, if the input does not specify it: 5.1, quad, ..., or the "
              "order of the speakers, e.g. FL+FR+BL+BR+FC+LFE (ALSA).")  # fmt: skip
@click.option("--output-format", type=click.Choice(INPUT_FORMATS, case_sensitive=False),
              default="auto", show_default=True,
              help="Format of the output. auto: from the ending of --output (.wav or .raw), or else that "
              "of the input.")  # fmt: skip
@click.option("--bit-depth", type=click.Choice(list(_BIT_DEPTHS)), default=None,
              help="Bit depth of WAV output.  [default: the input's]")  # fmt: skip
@click.option(
    "--stem", "stems", multiple=True, metavar="STEM", help="Write this stem. May be repeated with --output."
)
@click.option(
    "--mix",
    is_flag=True,
    help="Write the sum of the stems with their gains applied (karaoke: --mute vocals).",
)
@click.option("--interleave", is_flag=True, help="Write all stems side by side, two channels each.")
@click.option("--output", default=None, metavar="PATH",
              help="Write to a file, named pipe or device instead of standard output; with "
              "\"{instrument}\" in the name, to one for each stem.")  # fmt: skip
@volume_options
@engine_options("T")
@click.option(
    "--crossfade", type=int, default=0, help="Number of frames over which the masks of a run fade in."
)
@full_band_option
@click.option("--block", type=int, default=None,
              help="Number of samples processed at a time.  "
              f"[default: {LIVE_BLOCK} in real time]")  # fmt: skip
@click.option("--realtime", is_flag=True,
              help="For live sources: never wait for the networks; late masks are concealed and reported. "
              "A file is played in step with the clock. Without this option the same input always gives "
              "the same output."
              )  # fmt: skip
@click.option("--keep-latency/--drop-latency", "keep", default=None,
              help="Keep the latency: the output begins with that much silence and is longer than the "
              "input; or drop it: the output is aligned with the input.  "
              "[default: keep in real time]")  # fmt: skip
@click.option(
    "--plan", is_flag=True, help="Print which settings this machine can sustain in real time, then exit."
)
@click.option("--quiet", "-q", is_flag=True, help="Print no warnings and no summary.")
@click.option("--json", "as_json", is_flag=True,
              help="Print JSON on standard error: an object for each warning when it occurs, and one at "
              "the end. With --plan, on standard output."
              )  # fmt: skip
@handle_errors
def stream(
    source: str | None, model: str, mode: str, above_band: float | None, input_format: str, rate: int | None,
    channels: int | None, downmix: bool, layout: str | None, output_format: str, bit_depth: str | None,
    stems: tuple[str, ...], mix: bool, interleave: bool, output: str | None, volumes: VolumeOptions,
    engine: EngineOptions, crossfade: int, full_band: bool, block: int | None, realtime: bool,
    keep: bool | None, plan: bool, quiet: bool, as_json: bool,
) -> None:  # fmt: skip
    """Separate samples that come through a pipe.

    Reads WAV or raw samples from FILE (also a named pipe) or standard input. Writes one stem (--stem), the
    sum of the stems (--mix) or all of them (--interleave) to standard output or --output, or each stem to a
    file or named pipe of its own (--output with {instrument}). The output begins with the input's first
    sample and is as long as the input, except with --realtime, where it is delayed by the latency. In all
    modes but ratio only the networks that the stems of --stem need are run (residual: that of the first one).

    Ctrl-C and SIGTERM stop cleanly and finalise the files written so far. Until it is complete, a file is
    called NAME.unfinished.wav; if the program is killed, what was written keeps that name.
    """
    engine.check()
    kind: dict[str, Any] = {
        "mode": mode,
        "stems": list(stems) if stems and mode != "ratio" else None,
    }
    if plan:
        _print_plan(model, engine, rate or 44100, block or LIVE_BLOCK, kind, as_json)
        return
    if layout is not None and not downmix:
        raise click.UsageError("--layout is for --downmix")
    _check_usage(
        source, input_format, rate, channels, output_format, bit_depth, stems, mix, interleave, output
    )
    realtime = realtime or engine.latency_ms is not None
    if block is None and realtime:
        block = LIVE_BLOCK
    from ..realtime.pace import Pace
    from ..realtime.pipe import DescriptorSource, Interruption, run_stream
    from ..realtime.stream import StreamSeparator, StreamSettings
    from .stream_report import StreamReport

    _check_output(output, output_format, bit_depth)
    report = StreamReport(realtime, quiet, as_json)
    wanted = StreamSettings(**kind, above_band=above_band, full_band=full_band)
    given: dict[str, Any] = {**engine.given(), "window": engine.window, "hold": engine.hold}
    given.update(block=block, crossfade=crossfade)
    with usage_errors():
        check_stream(replace(wanted, **given), model, [*stems, *volumes.named])
    with Interruption() as interruption:
        reader = DescriptorSource(None if source == "-" else source, interruption)
        with interruption.raising():
            loaded = wanted.load(model)
        if not _open_source(reader, input_format, rate, channels):
            raise KeyboardInterrupt
        if downmix:
            reader.mix_down(layout)
        given.update(threads=engine.threads, sample_rate=reader.rate, realtime=realtime)
        settings = replace(wanted, **given)
        if engine.latency_ms is not None:
            with interruption.raising():
                settings = _planned(settings, loaded, engine.latency_ms, report)
        with StreamSeparator(loaded, **vars(settings)) as separator:
            volumes.apply(separator)
            separator.reset()  # the first sample is under these gains already
            report.begin(reader, separator, downmix)
            outputs = _Outputs(reader, report, interruption, output_format, bit_depth)
            try:
                run_stream(
                    reader,
                    separator,
                    _routes(outputs.open, stems, mix, interleave, output, reader, separator.instruments),
                    interruption,
                    keep_latency=realtime if keep is None else keep,
                    pace=Pace(reader.rate) if realtime and reader.is_file else None,
                    watch=report.look if realtime else None,
                )
                broken = outputs.finish()
            except BaseException as error:
                outputs.give_up(error)
                raise
            if not broken:
                reader.drain()
                report.end(outputs.all, interrupted=interruption.is_set())
        if broken:
            _end_by_sigpipe()
        if interruption.is_set():
            raise KeyboardInterrupt
        reader.close()
    if report.late:
        raise click.exceptions.Exit(LATE)


def _planned(
    settings: StreamSettings, model: Model, latency_ms: float, report: StreamReport
) -> StreamSettings:
    """The settings, with those that hold a latency on this machine."""
    from ..realtime.latency_plan import plan_stream

    chosen = plan_stream(
        model,
        latency_ms,
        settings.threads,
        sample_rate=settings.sample_rate,
        block=settings.block or LIVE_BLOCK,
        window=settings.window,
        mode=settings.mode,
        stems=settings.stems,
    )
    report.note(str(chosen))
    return replace(settings, **chosen.arguments())


class _Outputs:
    """The outputs of a stream: opened one by one, finished or given up together."""

    def __init__(
        self,
        reader: DescriptorSource,
        report: StreamReport,
        interruption: Interruption,
        output_format: str,
        bit_depth: str | None,
    ) -> None:
        self.all: list[Output] = []
        self._reader, self._report, self._interruption = reader, report, interruption
        self._output_format, self._bit_depth = output_format, bit_depth

    def open(self, path: str | None, channels: int) -> Output:
        """One more; None: standard output."""
        from ..realtime.pipe import open_output

        encoding = _encoding(self._reader, self._output_format, self._bit_depth, path, channels)
        output = open_output(path, encoding, self._interruption)
        self.all.append(output)
        if output.earlier is not None:
            self._report.note(f"{output.earlier} is there from an earlier run, or one that still goes on")
        return output

    def finish(self) -> bool:
        """Complete all; whether nobody reads any of them any more."""
        broken = all(item.gone for item in self.all)
        for item in self.all:
            item.end()
        for item in self.all:
            item.finish()
        for item in self.all:
            item.publish()
        return broken or all(item.gone for item in self.all)

    def give_up(self, error: BaseException) -> None:
        """End them after an error, and say where what had been recorded is.

        Raises:
            AudioError: the error, where it is one of ours, with that.
        """
        for item in self.all:
            item.abort()
        rate = self._reader.rate
        kept = ", ".join(f"{item.frames / rate:.1f} s are in {item.kept}" for item in self.all if item.kept)
        if kept and isinstance(error, SpleeterError):
            raise AudioError(f"{error}; {kept}") from error
        if kept:
            self._report.note(kept)


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
        paths = {stem: output.replace("{instrument}", stem) for stem in dict.fromkeys(stems) or instruments}
    else:
        paths = {"": output}
    for path in paths.values():
        if path is not None and os.path.isfile(path) and _same_file(path, reader.descriptor):
            raise SpleeterError(f"{path} would replace the input; choose another --output")
    if "" not in paths:
        return [Route(opened(path, 2), (stem,)) for stem, path in paths.items()]
    chosen = () if mix else instruments if interleave else tuple(dict.fromkeys(stems))
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


def _end_by_sigpipe() -> None:
    """As other filters end when nobody reads them any more."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
    raise click.exceptions.Exit(FAILED)


def _print_plan(
    model: str, engine: EngineOptions, rate: int, block: int, kind: dict[str, Any], as_json: bool
) -> None:
    from ..realtime.latency_plan import plan_rows, plan_stream, plan_table
    from ..realtime.stream import StreamSettings

    loaded = StreamSettings(**kind).load(model)
    where: dict[str, Any] = {"sample_rate": rate, "block": block, **kind}
    if engine.latency_ms is not None:
        chosen = plan_stream(loaded, engine.latency_ms, engine.threads, window=engine.window, **where)
        say(json.dumps({**asdict(chosen), "latency_ms": chosen.latency_ms}) if as_json else str(chosen))
    elif as_json:
        for row in plan_rows(loaded, engine.threads, **where):
            say(json.dumps(asdict(row)))
    else:
        say(plan_table(loaded, engine.threads, **where))
