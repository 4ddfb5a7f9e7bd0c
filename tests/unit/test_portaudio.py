"""Devices of several sound systems, as on Windows, with a PortAudio of our own (tests/portaudio_fake.c)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from spleeterrt import SpleeterError
from spleeterrt.realtime.clients import PortAudioClient

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("Bücher") / "libportaudio.so"
    source = Path(__file__).resolve().parents[1] / "portaudio_fake.c"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", path], check=True)
    return str(path)


@pytest.mark.parametrize(
    ("device", "output", "name", "rate"),
    [
        (None, None, "Microphone (USB) -> Speakers", 44100),  # the usual system's
        ("WASAPI", None, "Microphone (USB) -> Speakers", 48000),  # that system's default devices
        ("microphone", "headphones", "Microphone (USB) -> Headphones", 44100),
        ("Microphone (USB), Windows WASAPI", "headphones", "Microphone (USB) -> Headphones", 48000),
        (None, "Headphones, Windows WASAPI", "Microphone (USB) -> Headphones", 48000),
        ("3", "speakers", "Microphone (USB) -> Speakers", 48000),
        ("3", "5", "Microphone (USB) -> Speakers", 48000),
    ],
)
def test_both_devices_are_of_one_system(
    library: str, device: str | None, output: str | None, name: str, rate: int
) -> None:
    with PortAudioClient(("vocals",), device, output, library=library) as client:
        assert (client.name, client.sample_rate) == (name, rate)


def test_devices_are_listed_with_their_systems(library: str) -> None:
    with pytest.raises(SpleeterError) as caught:
        PortAudioClient(("vocals",), "cello", library=library)
    assert str(caught.value).splitlines() == [
        "PortAudio: no input device cello; there are:",
        "  0: Microphone (USB), MME",
        "  3: Microphone (USB), Windows WASAPI",
    ]


def test_devices_of_two_systems(library: str) -> None:
    with pytest.raises(SpleeterError, match=r"cannot open .* Illegal combination"):
        PortAudioClient(("vocals",), "0", "5", library=library)
