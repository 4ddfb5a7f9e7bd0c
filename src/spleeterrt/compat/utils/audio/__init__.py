"""Spleeter 1.4.0's `utils.audio`, which became `audio`."""
