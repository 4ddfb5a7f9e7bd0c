"""Spleeter's embedded configurations, as files: for programs that read them from `spleeter.resources`.

The numbers are those of Spleeter 2.4.2 (MIT License, Deezer). What this package itself uses is in
`spleeterrt.network.config`; a test holds both together.
"""
