"""The real-time modes by their plain definition, and ways to drive a stream."""

from __future__ import annotations

import numpy as np

from support import reference as ref


def latency(config, settings):
    """The documented formula, without resampling."""
    step = config.frame_step
    hop = settings.hop_frames or (1 if settings.hold else settings.frames)
    budget = settings.budget or hop * step
    window = {None: config.frame_length, "full": config.frame_length, "short": config.frame_length // 2}
    late = window.get(settings.window, settings.window) - 1
    if not settings.hold:
        late += (hop + settings.lookahead - 1) * step + budget
    block = settings.block
    if block and step % block == 0 and (settings.hold or budget % block == 0):
        return late - (block - 1)
    return late if settings.hold else late + (block or settings.max_block) - 1


def windows(length, hop, synthesis):
    """(analysis, synthesis) of what is masked, in float64: Hann, or a long half sine up and a short one down,
    and its weighted least-squares inverse."""
    k = np.arange(length)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * k / length)
    if synthesis == length:
        return hann, hann * 2 / 3
    analysis = hann
    if synthesis < 0.75 * length:
        fall = min(synthesis - hop // 2, length // 2)
        rise = length - fall
        analysis = np.where(
            k < rise, np.sin(np.pi / 2 * (k + 0.5) / rise), np.sin(np.pi / 2 * (length - k - 0.5) / fall)
        )
    fade = min(length // 16, (synthesis - hop) // 2)
    weight = np.sin(np.pi / 2 * np.clip((k - (length - synthesis) + 0.5) / fade, 0, 1)) ** 2
    sums = np.array([(weight * analysis**2)[i % hop :: hop].sum() for i in k])
    return analysis, weight * analysis / sums


def stems_of(model, settings):
    """The stems that come out, in order."""
    made = ("vocals", "drums", "accompaniment") if settings.mode == "three" else model.instruments
    return tuple(name for name in made if settings.stems is None or name in settings.stems)


def weights_above(model, settings):
    """What the modes other than `ratio` multiply the bins above F by: {stem: weight}."""
    shared = 3 if settings.mode == "three" else len(model.instruments)
    own = 1 / shared if settings.above_band is None else settings.above_band
    above = dict.fromkeys(stems_of(model, settings), own)
    if rest := rest_of(model, settings):
        above[rest] = 1 - own * (2 if settings.mode == "three" else 1)  # networks
    return above


def rest_of(model, settings):
    """The stem that is what the others leave, or None."""
    stems = stems_of(model, settings)
    if settings.mode == "three":
        return "accompaniment" if "accompaniment" in stems else None
    if settings.mode == "residual" and len(stems) == 2:
        return next(name for name in stems if name != (settings.stems or stems)[0])
    return None


def window_masks(model, window, settings):
    """The masks of a window of magnitudes (T, F, 2): (stems, T, F, 2)."""

    def estimates(heard):
        return {stem: found[0].astype(np.float64) for stem, found in model.predict(heard[None]).items()}

    stems, every = stems_of(model, settings), estimates(window)
    if settings.mode == "ratio":
        found = ref.ratio_masks(np.array(list(every.values())), model.config.separation_exponent)
        return np.array([found[list(every).index(stem)] for stem in stems])
    rest = rest_of(model, settings)
    if settings.mode == "three":
        left = (window - every["drums"]).astype(np.float32)
        found = {"drums": every["drums"], "vocals": estimates(left)["vocals"]}
        shared = 3
    else:
        found = {stem: every[stem] for stem in stems if stem != rest}
        shared = len(model.instruments)
    silent = window == 0
    found = {stem: np.where(silent, 1 / shared, x / np.where(silent, 1, window)) for stem, x in found.items()}
    if rest:
        found[rest] = 1 - sum(found.values())
    return np.array([found[stem] for stem in stems])


def masks(model, magnitudes, settings):
    """The masks of every frame, (stems, frames, F, 2), from model.predict on the windows of the definition.

    magnitudes: float32 (frames, F, 2), with silence behind the signal for the last windows.
    """
    frames, step = settings.frames, model.config.frame_step
    hop = settings.hop_frames or (1 if settings.hold else frames)
    silence = window_masks(model, np.zeros((frames, *magnitudes.shape[1:]), np.float32), settings)
    result = np.repeat(silence[:, :1], len(magnitudes), axis=1)

    def estimates(end):
        window = np.zeros((frames, *magnitudes.shape[1:]), np.float32)
        first = max(0, end - frames)
        window[frames - (end - first) :] = magnitudes[first:end]
        return window_masks(model, window, settings)

    before = None
    for end in range(hop, len(magnitudes) + 1, hop):
        found = estimates(end)
        if settings.hold:
            lag = -(-(settings.budget or hop * step) // step)
            result[:, end - 1 + lag : end - 1 + lag + hop] = found[:, -1:]
            continue
        first = end - settings.lookahead - hop
        for row in range(hop):
            mask = found[:, frames - settings.lookahead - hop + row]
            if row < settings.crossfade and before is not None:
                old = before[:, min(frames - settings.lookahead + row, frames - 1)]
                mask = old + (row + 1) / (settings.crossfade + 1) * (mask - old)
            if first + row >= 0:
                result[:, first + row] = mask
        # with the networks beginning at frame 0
        before = found if end > settings.lookahead else None
    return result


def separate(model, samples, settings):
    """The stems of a whole signal, undelayed: {stem: float64 (samples, 2)}."""
    config = model.config
    length, step = config.frame_length, config.frame_step
    bins = settings.bins or config.F
    count = -(-(len(samples) + length) // step)
    padding = settings.frames + (settings.hop_frames or settings.frames) + settings.lookahead
    total = count + padding
    padded = np.zeros(((total - 1) * step + length, 2))
    padded[length : length + len(samples)] = samples
    pieces = np.stack([padded[i * step : i * step + length] for i in range(total)])
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))[:, None]
    magnitudes = np.abs(np.fft.rfft(pieces * hann, axis=1))[:, :bins].astype(np.float32)
    short = {None: length, "full": length, "short": length // 2}
    analysis, synthesis = windows(length, step, short.get(settings.window, settings.window))
    spectra = np.fft.rfft(pieces * analysis[:, None], axis=1)
    own = settings.mode != "ratio"
    average = settings.full_band or (config.mask_extension == "average" and not own)
    stems = {}
    names = stems_of(model, settings)
    for stem, mask in zip(names, masks(model, magnitudes, settings), strict=True):
        full = np.full(spectra.shape, weights_above(model, settings)[stem] if own else 0.0)
        full[:, :bins] = mask
        if average:
            full[:, bins:] = mask.mean(axis=1, keepdims=True)
        sound = np.fft.irfft(spectra * full, length, axis=1) * synthesis[:, None]
        out = np.zeros_like(padded)
        for i in range(count):
            out[i * step : i * step + length] += sound[i]
        stems[stem] = out[length : length + len(samples)]
    return stems


def drive(live, samples, sizes, flush=True):
    """The stems of a signal in blocks of the given sizes, again and again, with the end flushed:
    {stem: (samples + latency, 2)}; a fixed block is padded."""
    parts = {stem: [] for stem in live.instruments}
    at = k = 0
    while at < len(samples):
        size = sizes[k % len(sizes)]
        for stem, sound in live.process(samples[at : at + size]).items():
            parts[stem].append(sound)
        at += size
        k += 1
    if flush:
        for stem, sound in live.flush().items():
            parts[stem].append(sound)
    return {stem: np.concatenate(sounds) for stem, sounds in parts.items()}
