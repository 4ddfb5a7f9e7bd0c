"""Spleeter's `utils`: configuration, logging; empty in itself, as there."""
