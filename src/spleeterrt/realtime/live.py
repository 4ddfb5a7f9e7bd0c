"""Stems of what the machine plays: the real-time engine behind JACK or PortAudio.

model = load_model("spleeter:4stems")
with JackClient(model.instruments) as client:
    session = LiveSession(client, model)
    session.start()
    while not session.ended:
        time.sleep(0.1)
        session.update()
"""

from __future__ import annotations

from typing import Any

from ..network.model import Model
from ..parallel import check_threads
from .clients import AudioClient, JackClient, LiveStats, PortAudioClient, open_client
from .stream import StreamSeparator, StreamStats


class LiveSession:
    """A model behind a client: makes its engine, and another one when the server changes the block.

    Args:
        client: open and not started.
        model: with the networks that the client's stems need.
        **settings: of `StreamSeparator`; `block` and `sample_rate` are the client's.

    Attributes:
        client, model, separator (of the moment).
        gains, muted, soloed: change them and call `apply_gains`.
    """

    def __init__(self, client: AudioClient, model: Model, **settings: Any) -> None:
        self.client = client
        self.model = model
        self.gains = dict.fromkeys(client.stems, 1.0)
        self.muted: set[str] = set()
        self.soloed: set[str] = set()
        self._settings = settings
        self._past: StreamStats | None = None  # of engines before
        self._earlier_blocks = (
            0  # of this engine, before the client's counts began; negative: of engines before
        )
        self._earlier_frames = 0  # of this engine, before `reset_stats`
        self.separator = self._new_separator()

    @property
    def ended(self) -> str:
        """Why no more sound comes, or ""."""
        return self.client.ended

    @property
    def latency(self) -> int:
        """Samples from the client's input to its outputs."""
        return self.separator.latency

    @property
    def stats(self) -> StreamStats:
        """Of all engines since the beginning or `reset_stats`."""
        now = self.separator.stats
        now = now._replace(frames=max(0, self._frames() - self._earlier_frames))
        past = self._past
        if past is None:
            return now
        return now._replace(
            runs=now.runs + past.runs,
            underruns=now.underruns + past.underruns,
            dropped=now.dropped + past.dropped,
            covered_frames=now.covered_frames + past.covered_frames,
            repaired=now.repaired + past.repaired,
            worst_run_seconds=max(now.worst_run_seconds, past.worst_run_seconds),
            frames=now.frames + past.frames,
        )

    def start(self) -> None:
        self.client.use(self.separator)
        self.client.start()

    def update(self) -> bool:
        """To be called now and then: a new engine if the server has changed its block; whether it had."""
        if self.ended or self.client.block == self._block:
            return False
        before, self._past = self.separator, self.stats
        self.separator = self._new_separator()
        self.client.use(self.separator)
        self._earlier_blocks, self._earlier_frames = -self._blocks(), 0
        before.close()
        return True

    def apply_gains(self) -> None:
        """What `gains`, `muted` and `soloed` say, from the next block on."""
        self._apply(self.separator)

    def reset_stats(self) -> None:
        self._past = None
        self._earlier_frames = self._frames()
        self._earlier_blocks += self._blocks()
        self.separator.reset_stats()
        self.client.reset_stats()

    def _blocks(self) -> int:
        """Blocks that the callback gave to an engine."""
        seen = self.client.stats
        return seen.callbacks - seen.silent

    def _frames(self) -> int:
        """That this engine has made heard."""
        return self.separator.frames_after((self._earlier_blocks + self._blocks()) * self._block)

    def _new_separator(self) -> StreamSeparator:
        self._block = self.client.block
        settings = {**self._settings, "block": self._block, "sample_rate": self.client.sample_rate}
        separator = StreamSeparator(self.model, **settings)
        self._apply(separator)
        return separator

    def _apply(self, separator: StreamSeparator) -> None:
        separator.set_gains(**self.gains)
        for change, chosen in ((separator.mute, self.muted), (separator.solo, self.soloed)):
            change(*separator.instruments, on=False)
            if chosen:
                change(*chosen)


def default_hop(
    networks: int, threads: int | None = None, frames: int = 128, *, cascade: bool = False
) -> int:
    """The fewest new frames per run for which the networks have time: a frame step (23 ms at 44.1 kHz) for
    each network that a thread runs, and 128 frames of it. cascade: they run one after the other, however
    many threads there are.
    """
    in_turn = networks if cascade else -(-networks // check_threads(threads))
    return min(frames, in_turn * -(-frames // 128))


__all__ = [
    "AudioClient",
    "JackClient",
    "LiveSession",
    "LiveStats",
    "PortAudioClient",
    "default_hop",
    "open_client",
]
