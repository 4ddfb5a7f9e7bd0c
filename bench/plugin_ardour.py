"""What does Ardour 7 export with the LV2 plugin on a track? Without a display, twice, beside the C interface.

    cmake -S . -B build/plugin -DSPLEETERRT_PYTHON=OFF -DSPLEETERRT_PLUGIN=ON -DSPLEETERRT_C_LIBRARY=ON
    cmake --build build/plugin
    SPLEETERRT_C_BUILD=build/plugin python bench/plugin_ardour.py build/plugin

A session is made by `ardour7-lua`, gets a song on the plugin's track and ten channels from there through the
master, and `ardour7-export` renders it. The song begins a while after the session. Needs Debian's `ardour`.

Ardour runs its plugins from the moment when the session is loaded, so that nobody knows on which grid of
frames the song lies; it is looked for. Where all stems have the bits of a stream of the C interface that
waits for its networks, nothing was concealed.

`ardour7-export` asks for latencies before the plugin has run for the first time, and rolls in by that of
the default mode. So in long mode it loses the first five seconds of a session, which are silence here.
Exports from Ardour's window do not: the plugin has run by then.

Ardour 7.3's `ardour7-export` crashes at times when it is done with such a session ("free(): invalid next
size"), without the plugin's binary, too. It is run again then.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from support.c_library import pointers  # noqa: E402
from support.plugin_host import level  # noqa: E402
from support.plugin_reference import (  # noqa: E402
    MODES,
    OPTIONS,
    STEMS,
    reference_library,
    song,
    waiting_stream,
)

RATE, BLOCK = 44100, 512
CLOCK = 282240000 // RATE  # of Ardour's units of time in a sample
AHEAD = {"short": 32768, "middle": 32768, "long": 6 * 51200}  # samples of silence before the song
MODEL = ROOT / "src/spleeterrt/models/starter.safetensors"

MAKE = """
AudioEngine:set_backend("None (Dummy)", "", "")
local session = create_session(os.getenv("SESSION"), "session", 44100)
local tracks = session:new_audio_track(
  2, 2, nil, 1, "song", ARDOUR.PresentationInfo.max_order, ARDOUR.TrackMode.Normal, true)
local uri = "https://github.com/spleeterrt/spleeterrt/plugin#%d" .. "stems"
local processor = ARDOUR.LuaAPI.new_plugin(session, uri, ARDOUR.PluginType.LV2, "")
assert(not processor:isnil(), "not found: " .. uri)
tracks:front():add_processor_by_index(processor, 0, nil, true)
local plugin, controls = processor:to_insert():plugin(0), 0
for index = 0, plugin:parameter_count() - 1 do
  if plugin:parameter_is_control(index) then
    if plugin:parameter_label(index) == "Latency mode" then
      assert(ARDOUR.LuaAPI.set_processor_param(processor, controls, %d))
    end
    controls = controls + 1
  end
end
session:save_state("", false, false, false, false, false)
close_session()
"""


def ardour(program: str, *words: object, **more: str) -> str:
    for _ in range(5):
        done = subprocess.run(
            [program, *map(str, words)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
            env={**os.environ, **more},
        )
        if done.returncode >= 0:  # not ended by a signal: see above
            break
    if done.returncode:
        sys.exit(f"{program}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def once(text: str, pattern: str, replacement: str) -> str:
    changed, count = re.subn(pattern, lambda match: match.expand(replacement), text)
    if count != 1:
        sys.exit(f"the session has {pattern!r} {count} times")
    return changed


def ports(route: str, way: str, count: int, to: str | None) -> str:
    def port(i: int) -> str:
        inside = f'<Connection other="{to} {i}"/>' if to else ""
        return f'<Port type="audio" name="{route}/audio_{way} {i}">{inside}</Port>'

    return "".join(map(port, range(1, count + 1)))


def fill(folder: Path, samples: np.ndarray, channels: int, ahead: int) -> None:
    """Puts the song on the track, and leads all channels of the track through the master."""
    sound = folder / "interchange" / folder.name / "audiofiles/song.wav"
    soundfile.write(sound, samples, RATE, "FLOAT")
    length, begin = len(samples) * CLOCK, ahead * CLOCK
    sources = "".join(
        f'<Source name="song.wav" type="audio" flags="" id="{90000 + c}" channel="{c}" origin="" gain="1"/>'
        for c in range(2)
    )
    region = (
        f'<Region name="song" id="90010" type="audio" start="a0" length="a{length}@a{begin}" opaque="1" '
        'first-edit="nothing" default-fade-in="0" default-fade-out="0" fade-in-active="0" '
        'fade-out-active="0" envelope-active="0" scale-amplitude="1" layering-index="0" stretch="1" '
        'shift="1" channels="2" source-0="90000" source-1="90001" master-source-0="90000" '
        'master-source-1="90001"/>'
    )
    whole = f'<Location id="90020" name="session" start="a0" end="a{begin + length}" flags="IsSessionRange"/>'
    path = folder / "session.ardour"
    text = path.read_text()
    text = once(text, r"<Sources/>", f"<Sources>{sources}</Sources>")
    text = once(text, r"<Locations/>", f"<Locations>{whole}</Locations>")
    text = once(text, r'(<Playlist [^>]*name="song"[^>]*)/>', rf"\1>{region}</Playlist>")
    text = once(text, r'id-counter="\d+"', 'id-counter="100000"')
    for route, way, name, to in (
        ("Master", "in", "Input", None),
        ("Master", "out", "Output", None),
        ("song", "out", "Output", "Master/audio_in"),
    ):
        own = ports(route, way, channels, to)
        text = once(
            text, rf'(?s)(<IO name="{route}" id="\d+" direction="{name}"[^>]*>).*?(</IO>)', rf"\1{own}\2"
        )
    text = text.replace('<PannerShell bypassed="0"', '<PannerShell bypassed="1"')
    path.write_text(text)


def stems_of(found: np.ndarray, ahead: int) -> np.ndarray:
    """Of an export [n, channels]: [buses, 2, samples of the song]; Ardour leaves the latency out."""
    return np.ascontiguousarray(found[ahead:].T).reshape(found.shape[1] // 2, 2, -1)


def stream(stems: int, mode: str) -> tuple[Any, Any, int]:
    """The library, a stream with the plugin's options that waits for its networks, and its latency."""
    library = reference_library()
    opened_stream = waiting_stream(library, MODEL, stems, mode, RATE, BLOCK)
    return library, opened_stream, library.srt_latency(opened_stream)


def separated(library: Any, handle: Any, position: int, samples: np.ndarray) -> np.ndarray:
    """[stems, 2, n] of a song [n, 2] that begins at a sample of the stream's timeline, behind silence."""
    assert library.srt_reset_at(handle, ctypes.c_int64(position)) == 0
    parts, count = [], library.srt_stems(handle)
    for at in range(0, len(samples), BLOCK):
        part = np.zeros((2, BLOCK), np.float32)
        part[:, : len(samples) - at] = samples[at : at + BLOCK].T
        parts.append(np.empty((2 * count, BLOCK), np.float32))
        assert library.srt_process(handle, pointers(part), pointers(parts[-1]), BLOCK) == 0
    return np.concatenate(parts, axis=1)[:, : len(samples)].reshape(count, 2, -1)


def grid(found: np.ndarray, samples: np.ndarray, stems: int, mode: str) -> int | None:
    """Where on the grid of runs the song begins with which the C interface gives the same bits."""
    library, handle, latency = stream(stems, mode)
    heard = RATE // 4
    part = np.concatenate((samples[: latency + heard], np.zeros((latency, 2), np.float32)))[: latency + heard]
    runs = 1024 * OPTIONS[mode]["hop_frames"]
    offsets = sorted(range(2, runs, 128), key=lambda offset: offset % 1024 not in (2, 130))  # as seen so far
    for offset in offsets:
        expected = separated(library, handle, offset, part)[..., latency:]
        if np.array_equal(expected, found[1:, :, :heard]):
            return offset
    return None


def compared(found: np.ndarray, samples: np.ndarray, stems: int, mode: str) -> str:
    """Of all stems and the whole song: beside the C interface."""
    offset = grid(found, samples, stems, mode)
    if offset is None:
        return "no grid found"
    library, handle, latency = stream(stems, mode)
    whole = np.concatenate((samples, np.zeros((latency, 2), np.float32)))
    expected = separated(library, handle, offset, whole)[..., latency:]
    same = np.array_equal(expected, found[1:])
    return f"{'the same bits' if same else 'other bits'}, grid {offset}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("build", type=Path, help="the plugin's build folder")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--stems", type=int, choices=STEMS, default=4)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=MODES)
    options = parser.parse_args()
    samples = song(RATE, options.seconds)
    environment = {
        "LV2_PATH": f"{options.build.resolve() / 'bundles/lv2'}:/usr/lib/lv2",
        "SPLEETERRT_PLUGIN_MODEL": str(MODEL),
    }
    print("| mode | two exports | sum of stems, mix to song (dB) | stems beside the C interface |")
    print("|---|---|--:|---|")
    for name in options.modes:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "made"
            environment |= {"SESSION": str(folder), "XDG_CONFIG_HOME": temporary}
            script = Path(temporary) / "make.lua"
            script.write_text(MAKE % (options.stems, MODES.index(name)))
            ardour("ardour7-lua", script, **environment)
            fill(folder, samples, 2 + 2 * options.stems, AHEAD[name])
            found = []
            for take in range(2):
                target = Path(temporary) / f"{take}.wav"
                ardour("ardour7-export", "-b", "float", "-o", target, folder, "session", **environment)
                found.append(stems_of(soundfile.read(target, dtype="float32")[0], AHEAD[name]))
        nulls = [level(bus - samples.T, samples) for bus in (found[0][1:].sum(0), found[0][0])]
        print(
            f"| {name} | {'the same bits' if np.array_equal(*found) else 'DIFFER'} "
            f"| {nulls[0]:.0f}, {nulls[1]:.0f} | {compared(found[0], samples, options.stems, name)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
