"""Compiled kernels: `nn` (the networks), `spectral` (modes, STFT, masks, Wiener filter), `offline` (the
engine for whole signals), `stream` (the real-time engine), `live` (JACK and PortAudio) and `machine`
(threads, denormal numbers).

They trust their arguments; the modules that call them validate. The stubs beside this file give the types of
what they offer.
"""
