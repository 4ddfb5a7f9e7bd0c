"""Options of real-time streams, which `stream` and `live` share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .options import threads_option

if TYPE_CHECKING:
    from ..realtime.stream import StreamSeparator

LOUDEST_DB = 60


class Window(click.ParamType):  # type: ignore[type-arg]
    """full, short or samples, as `StreamSeparator` takes it."""

    name = "full|short|samples"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in ("full", "short") or isinstance(value, int):
            return value
        if not value.isdecimal():
            self.fail(f"expected full, short or samples, got {value!r}", param, ctx)
        return int(value)


class Gain(click.ParamType):  # type: ignore[type-arg]
    """STEM=DB -> (stem, linear gain)."""

    name = "stem=dB"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        stem, _, text = value.partition("=")
        try:
            decibels = float(text.lower().removesuffix("db"))
        except ValueError:
            decibels = float("nan")
        if not stem or not decibels <= LOUDEST_DB:
            self.fail(
                f"expected STEM=DB with at most {LOUDEST_DB} dB, e.g. vocals=-6, got {value!r}", param, ctx
            )
        return stem, 10 ** (decibels / 20)


@dataclass(frozen=True)
class EngineOptions:
    """What the command line says of the engine; None: nothing."""

    frames: int | None
    hop: int | None
    lookahead: int | None
    window: Any
    budget: int | None
    hold: bool
    latency_ms: float | None
    threads: int | None

    def given(self) -> dict[str, int]:
        """What --latency would choose, of what was named, by the names of `StreamSettings`."""
        named = {
            "frames": self.frames,
            "hop_frames": self.hop,
            "lookahead": self.lookahead,
            "budget": self.budget,
        }
        return {name: value for name, value in named.items() if value is not None}

    def check(self) -> None:
        """Raise `UsageError` for a latency together with what follows from it."""
        if self.latency_ms is not None and (self.hold or self.given()):
            raise click.UsageError(
                "--latency chooses --frames, --hop, --lookahead and --budget, without --hold"
            )


def engine_options(usual_hop: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options of `EngineOptions`, which the command gets as `engine`.

    usual_hop: what the help says of --hop where it is not given.
    """
    options = (
        click.option(
            "--frames",
            type=int,
            default=None,
            help="Number of frames T that the networks see at a time, 64 to 512.  [default: 128]",
        ),
        click.option(
            "--hop",
            type=int,
            default=None,
            help=f"Number of new frames per run of the networks.  [default: {usual_hop}]",
        ),
        click.option(
            "--lookahead",
            type=int,
            default=None,
            help="Number of future frames to look ahead; each adds a frame of latency.  [default: 0]",
        ),
        click.option(
            "--window",
            type=Window(),
            default=None,
            help="Length of the synthesis window; short saves 46 ms of latency.  [default: full]",
        ),
        click.option(
            "--budget",
            type=int,
            default=None,
            help="Time that a run may take, in samples at the model's rate.  [default: the hop]",
        ),
        click.option(
            "--hold",
            is_flag=True,
            help="Apply the newest masks to the newest frame: the lowest latency, but masks lag.",
        ),
        click.option(
            "--latency",
            "latency_ms",
            type=click.FloatRange(min=0, min_open=True),
            default=None,
            metavar="MS",
            help="Target latency in real time: measures this machine for some seconds and picks T, hop, "
            "lookahead, window and budget that it can sustain.",
        ),
        threads_option,
    )
    return _bundled(options, "engine", EngineOptions)


@dataclass(frozen=True)
class VolumeOptions:
    """What is heard of the stems: linear gains by name, and those that are muted or soloed."""

    gains: tuple[tuple[str, float], ...]
    mute: tuple[str, ...]
    solo: tuple[str, ...]

    @property
    def named(self) -> list[str]:
        """The stems that the options name."""
        return [*(name for name, _ in self.gains), *self.mute, *self.solo]

    def apply(self, separator: StreamSeparator) -> None:
        separator.set_gains(**dict(self.gains))
        separator.mute(*self.mute)
        if self.solo:
            separator.solo(*self.solo)


def volume_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `VolumeOptions`, which the command gets as `volumes`."""
    options = (
        click.option(
            "--gain",
            "gains",
            type=Gain(),
            multiple=True,
            help="Set the gain of a stem in dB. May be repeated.",
        ),
        click.option("--mute", multiple=True, metavar="STEM", help="Silence a stem. May be repeated."),
        click.option(
            "--solo", multiple=True, metavar="STEM", help="Silence all other stems. May be repeated."
        ),
    )
    return _bundled(options, "volumes", VolumeOptions)(command)


def _bundled(
    options: tuple[Callable[[Any], Any], ...], name: str, kind: type[Any]
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The options for a command that gets their values as one argument."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def bundle(*args: Any, **values: Any) -> Any:
            fields = {field: values.pop(field) for field in kind.__dataclass_fields__}
            return command(*args, **values, **{name: kind(**fields)})

        for option in reversed(options):
            option(bundle)
        return bundle

    return decorate
