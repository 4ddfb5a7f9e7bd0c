"""`spleeterrt live`: the stems of what the machine plays, through JACK or the sound card, with meters."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from ..errors import SpleeterError
from ..names import LIVE_BLOCK
from ..signals import SignalHandler
from .checks import check_stream
from .command import Command, no_effect
from .errors import LATE, handle_errors, usage_errors
from .keys import terminal_keys
from .options import above_band_option, full_band_option, mode_option, model_option, names_of
from .stream_options import EngineOptions, VolumeOptions, engine_options, volume_options
from .system import moves_cursor
from .terminal import say

if TYPE_CHECKING:
    from ..network.model import Model
    from ..realtime.live import AudioClient, LiveSession
    from .live_view import State

REFRESH = 0.1  # seconds between two pictures
GENTLE = 5  # niceness of the networks where the audio callback is an ordinary thread


@click.command(
    cls=Command,
    no_args_is_help=True,
    groups={
        "Model": ("model", "mode", "stems", "above_band", "full_band"),
        "Gains": ("gains", "mute", "solo", "karaoke"),
        "Input and output": (
            "backend",
            "connect",
            "name",
            "downmix",
            "layout",
            "device",
            "output_device",
            "output_stem",
            "block",
        ),
        "Latency and work": (
            "latency_ms",
            "frames",
            "hop",
            "lookahead",
            "window",
            "budget",
            "hold",
            "threads",
            "nice",
            "priority",
        ),
        "Messages": ("seconds", "as_json", "help"),
    },
    examples="""
    spleeterrt live -p starter:2stems --karaoke
    spleeterrt live -p spleeter:4stems --latency 200 --connect
    spleeterrt live -p starter:2stems --device hw:1 --mute vocals
    """,
)
@model_option
@mode_option
@above_band_option
@click.option(
    "--stems",
    default=None,
    metavar="A,B",
    help="Make only these stems, with only the networks they need (mode ratio needs all).",
)
@engine_options("one for each network of a thread")
@full_band_option
@volume_options
@click.option("--karaoke", is_flag=True, help="Play without vocals; short for --mute vocals.")
@click.option(
    "--connect/--no-connect",
    default=None,
    help="JACK: connect the first capture ports to the input and the mix to the first playback ports, or "
    "connect nothing.  [default: connect the mix only]",
)
@click.option(
    "--backend",
    type=click.Choice(["auto", "jack", "portaudio"]),
    default="auto",
    show_default=True,
    help="Audio system. auto: JACK if a server runs and no device is given, otherwise PortAudio.",
)
@click.option(
    "--downmix",
    is_flag=True,
    help="Take all input channels of --layout and mix them down to stereo with the weights of ITU-R "
    "BS.775. Without this option the first two channels are used.",
)
@click.option(
    "--layout",
    default=None,
    metavar="LAYOUT",
    help="Channel layout of the input for --downmix: quad, 7.1, ..., or the order of the speakers, e.g. "
    "FL+FR+BL+BR+FC+LFE.  [default: 5.1]",
)
@click.option(
    "--device",
    default=None,
    help="PortAudio: device, as its number, a part of its name, or of a sound system's (WASAPI).",
)
@click.option("--output-device", default=None, help="PortAudio: output device, if it is not the same.")
@click.option(
    "--output-stem", default=None, metavar="STEM", help="PortAudio: play this stem instead of the mix."
)
@click.option(
    "--block", type=int, default=LIVE_BLOCK, show_default=True, help="PortAudio: samples per callback."
)
@click.option(
    "--nice",
    type=click.IntRange(0, 19),
    default=None,
    help=f"Add this to the niceness of the networks' threads.  [default: {GENTLE} without real-time "
    "scheduling, otherwise 0]",
)
@click.option(
    "--priority",
    type=click.IntRange(0, 99),
    default=0,
    show_default=True,
    help="Real-time priority of the networks' threads, below the callback's. Other programs cannot delay "
    "them then, but they can starve other programs if the load approaches 100 %. 0: ordinary threads.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=None,
    help="Stop after this many seconds.",
)
@click.option("--name", default="spleeterrt", show_default=True, help="Name of the JACK client.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per second on standard output.")
@click.pass_context
@handle_errors
def live(
    ctx: click.Context,
    model: str,
    mode: str,
    above_band: float | None,
    stems: str | None,
    engine: EngineOptions,
    full_band: bool,
    volumes: VolumeOptions,
    karaoke: bool,
    connect: bool | None,
    backend: str,
    downmix: bool,
    layout: str | None,
    device: str | None,
    output_device: str | None,
    output_stem: str | None,
    block: int,
    nice: int | None,
    priority: int,
    seconds: float | None,
    name: str,
    as_json: bool,
) -> None:
    """Separate live sound: a JACK client, or the sound card through PortAudio.

    As a JACK client it has the inputs in_left and in_right, and two output ports for every stem and for the
    mix with the gains applied; with a sound card it plays the mix. By default it picks the lowest latency
    that leaves each network 23 ms of computing time (full window; --window short saves another 46 ms).

    \b
    Keys in a terminal:
      1 2 ...    mute or unmute a stem
      s 1 2 ...  solo or unsolo a stem
      0          unmute all stems
      r          reset the counters
      q          quit
    """
    engine.check()
    if layout is not None and not downmix:
        raise click.UsageError("--layout is for --downmix")
    with _Ending() as ending:
        from ..models import configuration
        from ..realtime.live import LiveSession, default_hop, open_client
        from ..realtime.stream import StreamSettings

        kind: dict[str, Any] = {"mode": mode, "stems": names_of(stems)}
        chosen = StreamSettings(**kind, above_band=above_band, full_band=full_band)
        with usage_errors():
            plan = chosen.plan(configuration(model))
        settings: dict[str, Any] = {
            **{name: getattr(chosen, name) for name in ("mode", "stems", "above_band", "full_band")},
            **engine.given(),
            "window": engine.window,
            "hold": engine.hold,
            "threads": engine.threads,
            "priority": priority,
        }
        if engine.hop is None:
            frames = chosen.frames if engine.frames is None else engine.frames
            settings["hop_frames"] = default_hop(
                len(plan.networks), engine.threads, frames, cascade=plan.cascade
            )
        muted = {*volumes.mute, *(("vocals",) if karaoke else ())}
        with usage_errors():
            check_stream(replace(chosen, **settings), model, sorted({*volumes.named, *muted}))
        network = chosen.load(model)
        client = open_client(
            backend,
            plan.stems,
            name=name,
            device=device,
            output_device=output_device,
            output_stem=output_stem,
            block=block,
            layout=(layout or "5.1") if downmix else None,
        )
        for sentence in no_effect(ctx, _useless(client)):
            say(sentence, err=True)
        with client:
            _check_priority(client, priority)
            settings["niceness"] = nice if nice is not None else 0 if client.realtime else GENTLE
            if engine.latency_ms is not None:
                settings.update(_plan(client, network, engine, kind))
            session = LiveSession(client, network, **settings)
            session.gains.update(volumes.gains)
            session.muted |= muted
            session.soloed |= {*volumes.solo}
            session.apply_gains()
            session.start()
            _connect(client, connect)
            left = _left_out(client, connect)
            if left and not as_json:
                say(left, err=True)
            with ending.between_blocks():
                late = _run(session, seconds, as_json, ending)
            if session.ended:
                raise SpleeterError(f"{client.kind}: {session.ended}")
    if late and not ending.signal:
        raise click.exceptions.Exit(LATE)


def _check_priority(client: AudioClient, priority: int) -> None:
    """The networks' threads stay below the audio callback."""
    if priority and client.priority <= priority:
        at = f"at {client.priority}" if client.priority else "without real-time priority, as far as known"
        raise SpleeterError(f"priority: the audio callback runs {at}; the networks must be below it")


def _plan(client: AudioClient, model: Model, engine: EngineOptions, kind: dict[str, Any]) -> dict[str, Any]:
    """Settings that hold the latency on this machine."""
    from ..realtime.latency_plan import plan_stream

    where: dict[str, Any] = {"sample_rate": client.sample_rate, "block": client.block}
    plan = plan_stream(model, engine.latency_ms, engine.threads, **where, window=engine.window, **kind)
    say(str(plan), err=True)
    return {name: value for name, value in plan.arguments().items() if name not in where}


def _useless(client: AudioClient) -> dict[str, str]:
    """Options of the other backend, with the reason."""
    from ..realtime.live import JackClient

    if isinstance(client, JackClient):
        devices = dict.fromkeys(("device", "output_device"), "JACK's connections decide; see --connect")
        return {
            **devices,
            "output_stem": "JACK has ports for every stem",
            "block": "the JACK server has its own",
        }
    return {"connect": "PortAudio has no ports to connect; see --device", "name": "PortAudio shows no names"}


def _left_out(client: AudioClient, connect: bool | None) -> str:
    """What of the input is not used; "" where nobody can know."""
    from ..realtime.live import JackClient, PortAudioClient

    channels = 0
    if isinstance(client, PortAudioClient):
        channels = client.device_inputs
    elif isinstance(client, JackClient) and connect:
        channels = len(client.hardware(True))
    if client.layout is not None or channels <= 2:
        return ""
    return (
        f"Note: of {channels} inputs of the sound card the first two are used; --downmix mixes more to stereo"
    )


def _connect(client: AudioClient, connect: bool | None) -> None:
    from ..realtime.live import JackClient

    if isinstance(client, JackClient) and connect is not False:
        # By default not the input: a microphone beside loudspeakers would howl.
        client.connect_hardware(capture=connect is True, playback=True)


class _Ending(SignalHandler):
    """The signals that end programs: at once, or `between_blocks` of what is shown. Ports are closed and the
    terminal is as before; then Ctrl-C gives exit code 130 as elsewhere, SIGTERM 0: it is how services end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.signal = 0
        self._waits = False

    def handle(self, number: int, frame: FrameType | None) -> None:
        # Of a terminal that is closed both the system and the shell send a SIGHUP: the second is no haste.
        at_once = not self._waits or (self.signal and number != getattr(signal, "SIGHUP", None))
        self.signal = number
        if at_once:
            raise KeyboardInterrupt if self._by_hand() else SystemExit(0)

    @contextmanager
    def between_blocks(self) -> Iterator[None]:
        self._waits = True
        try:
            yield
        finally:
            self._waits = False

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        if error[0] is None and self._by_hand():
            raise KeyboardInterrupt

    def _by_hand(self) -> bool:
        return self.signal in (signal.SIGINT, getattr(signal, "SIGQUIT", None))


def _run(session: LiveSession, seconds: float | None, as_json: bool, ending: _Ending) -> bool:
    """Until the time is over, the sound ends, or somebody ends it; whether too much of it was late."""
    from .live_view import Meters, Monitor, State, headline, line, report

    begun = time.monotonic()
    pictures = not as_json and moves_cursor(sys.stdout)
    display = Meters() if pictures else None
    every, shown = REFRESH if pictures else 1.0, begun
    state, monitor = State(), Monitor(session)
    with terminal_keys() as keys:
        if not pictures and not as_json:
            say(headline(session))
        while not (ending.signal or session.ended or state.quit):
            now = time.monotonic()
            if seconds is not None and now - begun >= seconds:
                break
            if keys.wait(REFRESH):
                for key in keys.read():
                    _press(key, session, state)
            session.update()
            for text in monitor.look():
                if not pictures and not as_json:
                    say(text, err=True)
            if keys.away:
                continue
            if display is not None and keys.resumed:
                keys.resumed, display.lines = False, 0  # the shell has written below the picture
            now = time.monotonic()
            if now - shown < every:
                continue
            shown += every * int((now - shown) / every)
            if as_json:
                click.echo(json.dumps(report(session, monitor, now - begun)))
            elif display is not None:
                display.show(session, state, monitor)
            else:
                say(line(session))
        if as_json:
            click.echo(json.dumps({**report(session, monitor, time.monotonic() - begun), "final": True}))
    text = monitor.conclusion()
    if text and not as_json:
        say(f"Warning: {text}", err=True)
    return monitor.late


def _press(key: str, session: LiveSession, state: State) -> None:
    stems = session.separator.instruments
    solo, state.solo_next = state.solo_next, key in "sS"
    if key in "qQ\x04":
        state.quit = True
    elif key in "rR":
        session.reset_stats()
    elif key == "0":
        session.muted.clear()
        session.soloed.clear()
        session.apply_gains()
    elif key.isdecimal() and int(key) <= len(stems):
        chosen = session.soloed if solo else session.muted
        chosen ^= {stems[int(key) - 1]}
        session.apply_gains()
