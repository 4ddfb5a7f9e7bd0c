"""Compiled kernels: `nn` (the network, on CBLAS) and `spectral` (STFT, masks, Wiener filter).

They trust their arguments: `spleeterrt.kernels`, `spleeterrt.network.model` and `spleeterrt.stft`
validate and call them.
"""
