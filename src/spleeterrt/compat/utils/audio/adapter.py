"""Spleeter 1.4.0's `utils.audio.adapter`."""

from __future__ import annotations

from spleeterrt.audio.adapter import AudioAdapter

from ...spleeter_names import get_audio_adapter, get_default_audio_adapter

__all__ = ["AudioAdapter", "get_audio_adapter", "get_default_audio_adapter"]
