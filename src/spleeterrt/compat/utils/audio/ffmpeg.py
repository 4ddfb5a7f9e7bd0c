"""Spleeter 1.4.0's `utils.audio.ffmpeg`."""

from __future__ import annotations

from ...spleeter_names import FFMPEGProcessAudioAdapter

__all__ = ["FFMPEGProcessAudioAdapter"]
