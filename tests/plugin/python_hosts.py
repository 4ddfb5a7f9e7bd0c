"""The VST3 plugin in hosts of PyPI: python python_hosts.py HOST PLUGIN IN.npy OUT.npy

It runs in an environment of its own, as these hosts (GPL) belong to no other part of the tests. IN: float32
[2, n], 44.1 kHz; OUT: what the host gives, [channels, n]. Prints what the host says, as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

RATE, BLOCK = 44100, 512


def pedalboard(path, samples):
    """Knows the main bus alone; tells the plugin that it renders; takes the latency away."""
    from pedalboard import load_plugin

    report = {}
    plugin = load_plugin(path, plugin_name="spleeterrt 4 Stems")
    first = plugin.process(samples, RATE, buffer_size=BLOCK)
    report["again"] = bool(np.array_equal(first, plugin.process(samples, RATE, buffer_size=BLOCK)))
    values = {name: value.string_value for name, value in plugin.parameters.items()}
    report["parameters"] = values
    report["latency"] = plugin.reported_latency_samples
    plugin.vocals_mute = True
    report["muted_differs"] = not np.array_equal(first, plugin.process(samples, RATE, buffer_size=BLOCK))
    return first, report


def blocks_of(plugin, samples):
    parts = []
    for at in range(0, samples.shape[1] - BLOCK + 1, BLOCK):
        part = np.full((plugin.num_output_channels, BLOCK), 9, np.float32)
        plugin.process(np.ascontiguousarray(samples[:, at : at + BLOCK]), part)
        parts.append(part)
    return np.concatenate(parts, axis=1)


def minihost(path, samples):
    """All buses; renders without a word, then saying so; keeps the latency in."""
    import minihost as package

    plugin = package.Plugin(path, sample_rate=RATE, max_block_size=BLOCK, in_channels=2, out_channels=2)
    buses = [plugin.get_bus_info(False, index) for index in range(plugin.num_output_buses)]
    report = {"buses": [bus["name"] for bus in buses], "latency": plugin.latency_samples}
    infos = [plugin.get_param_info(index) for index in range(plugin.num_params)]
    report["parameters"] = {
        info["name"]: plugin.param_to_text(index, plugin.get_param(index)) for index, info in enumerate(infos)
    }
    index = {info["name"]: place for place, info in enumerate(infos)}
    untold = blocks_of(plugin, samples)
    plugin.non_realtime = True
    results = [untold]
    for _ in range(2):
        plugin.reset()
        results.append(blocks_of(plugin, samples))
    report["same"] = [bool(np.array_equal(untold, result)) for result in results[1:]]
    report["concealed"] = plugin.param_to_text(
        index["Concealed frames"], plugin.get_param(index["Concealed frames"])
    )
    changes: list = []
    plugin.set_change_callback(changes.append)
    state = plugin.get_state()
    plugin.set_param(index["Latency mode"], 0.0)
    blocks_of(plugin, samples)
    deadline = time.monotonic() + 10
    while plugin.latency_samples == report["latency"] and time.monotonic() < deadline:
        plugin.poll_callbacks()
        time.sleep(0.05)
    report["short_latency"] = plugin.latency_samples
    plugin.set_state(state)
    mode = index["Latency mode"]
    report["mode_restored"] = plugin.param_to_text(mode, plugin.get_param(mode))
    plugin.close()
    return untold, report


if __name__ == "__main__":
    name, plugin_path, source, target = sys.argv[1:]
    found, said = {"pedalboard": pedalboard, "minihost": minihost}[name](plugin_path, np.load(source))
    np.save(target, found)
    print(json.dumps(said))
