"""The model in the package: there, small enough, and it separates without a network."""

import json
import os
import socket

import numpy as np
import pytest
import soundfile

import spleeterrt
import spleeterrt.models
from spleeterrt.models import convert, get, info, list_models, load, verify
from spleeterrt.models.sources import STARTER_FILE
from support.command import cli


def test_it_is_a_file_of_the_package_below_twelve_megabytes():
    assert STARTER_FILE.stat().st_size <= 12e6
    listed = {model.name: model for model in list_models()}
    for name in ("starter:4stems", "starter:2stems"):
        assert listed[name].path == STARTER_FILE


def test_both_models_share_the_network_of_the_vocals():
    four_config, four, _ = load("starter:4stems")
    two_config, two, _ = load("starter:2stems")
    assert four_config.instruments == ("vocals", "drums", "bass", "other")
    assert two_config.instruments == ("vocals", "accompaniment")
    assert four_config.replace(instruments=two_config.instruments) == two_config
    for name, tensor in four["vocals"].items():
        np.testing.assert_array_equal(tensor, two["vocals"][name])


def test_coefficient_files_of_it_and_its_configuration(tmp_path):
    folder = convert("starter:2stems", tmp_path, format="coefficients")
    files = {stem: folder / f"{stem}.dat" for stem in ("vocals", "accompaniment")}
    expected, got = load("starter:2stems"), load(files, config="starter:2stems")
    assert got[0] == expected[0]
    np.testing.assert_array_equal(got[1]["vocals"]["conv2d/kernel"], expected[1]["vocals"]["conv2d/kernel"])


def test_get_says_where_it_is():
    assert get("starter:2stems") == STARTER_FILE
    with pytest.raises(spleeterrt.SpleeterError, match="'starter:9'"):
        get("starter:9")


def test_verify_reads_all_of_the_file(tmp_path, monkeypatch):
    """Also the stems that a name leaves out."""
    content = bytearray(STARTER_FILE.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    content[start + header["bass/conv2d/kernel"]["data_offsets"][0]] ^= 1
    damaged = tmp_path / "starter.safetensors"
    damaged.write_bytes(content)
    monkeypatch.setattr(spleeterrt.models.sources, "STARTER_FILE", damaged)
    spleeterrt.load_model("starter:2stems")
    with pytest.raises(spleeterrt.SpleeterError, match="bass"):
        verify("starter:2stems")


def test_a_package_without_it(tmp_path, monkeypatch):
    monkeypatch.setattr(spleeterrt.models.sources, "STARTER_FILE", tmp_path / "starter.safetensors")
    assert {model.path for model in list_models() if model.name.startswith("starter:")} == {None}
    for function in (load, info, verify, get, spleeterrt.models.configuration):
        with pytest.raises(spleeterrt.SpleeterError, match="starter:4stems not found"):
            function("starter:4stems")


def test_info_counts_the_chosen_networks():
    four, two = info("starter:4stems"), info("starter:2stems")
    assert four.parameters == 2 * two.parameters


@pytest.mark.parametrize("name", ["starter:3stems", "starter:", "starter:4stem"])
def test_unknown_names_are_told_the_known_ones(name):
    with pytest.raises(spleeterrt.SpleeterError, match="starter:4stems"):
        spleeterrt.load_model(name)


@pytest.mark.parametrize("name", ["starter:4stems", "starter:2stems"])
def test_stems_are_neither_silent_nor_the_mix(name, clip):
    mix, rate = soundfile.read(clip, dtype="float32", always_2d=True)
    assert rate == 44100
    stems = spleeterrt.Separator(name).separate(mix, "")
    mix = np.repeat(mix, 2, 1) if mix.shape[1] == 1 else mix
    energy = float((mix**2).sum())
    for stem, wave in stems.items():
        assert (wave**2).sum() > 1e-5 * energy, stem
        assert ((wave - mix) ** 2).sum() > 1e-3 * energy, stem


def test_a_tone_of_the_bass_goes_to_the_bass():
    """55 Hz and its harmonics, plucked: what a bass guitar plays."""
    rate, beat = 44100, 0.5
    t = np.arange(round(6 * rate)) / rate
    since = t % beat
    wave = (
        sum(np.sin(2 * np.pi * 55 * k * t) / k for k in range(1, 9))
        * np.exp(-since * 4)
        * np.minimum(1, since / 0.005)
    )
    stems = spleeterrt.Separator("starter:4stems").separate(
        np.stack([wave, wave], 1).astype(np.float32) * 0.2, ""
    )
    energies = {name: float((stem**2).sum()) for name, stem in stems.items()}
    assert max(energies, key=energies.get) == "bass", energies
    assert energies["bass"] > 0.5 * sum(energies.values()), energies


def test_the_command_needs_no_network_and_no_home(tmp_path, clip):
    with socket.socket() as closed:  # a port that nobody listens on
        closed.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{closed.getsockname()[1]}"
    environment = {
        **os.environ,
        "HOME": str(tmp_path / "home"),
        "GITHUB_HOST": host,
        "http_proxy": host,
        "https_proxy": host,
    }
    result = cli("separate", "--json", "-p", "starter:4stems", "-o", tmp_path / "out", clip, env=environment)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert sorted(path.name for path in (tmp_path / "out").rglob("*.wav")) == [
        "bass.wav", "drums.wav", "other.wav", "vocals.wav",
    ]  # fmt: skip
    assert report["status"] == "done"
    assert not (tmp_path / "home").exists()
