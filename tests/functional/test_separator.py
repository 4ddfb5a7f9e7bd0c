"""`Separator` on arrays and blocks: invariances, options, hostile input."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from spleeterrt import Model, SeparationCancelled, Separator, SpleeterError
from support.golden import case
from support.memory import peak


def joined(blocks: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {stem: np.concatenate([block[stem] for block in blocks]) for stem in blocks[0]}


def cut(waveform: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    return np.split(waveform, np.cumsum(sizes)[:-1])


def random_sizes(rng: np.random.Generator, total: int) -> list[int]:
    sizes: list[int] = []
    while sum(sizes) < total:
        sizes.append(min(int(rng.choice([0, 1, 17, 441, 1024, 4096, 8192, 20000])), total - sum(sizes)))
    return sizes


@pytest.mark.parametrize(
    ("name", "mwf"), [("tiny-2stems", False), ("tiny-5stems", False), ("tiny-4stems-mwf", True)]
)
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_blocks_equal_whole_bit_for_bit(name: str, mwf: bool, threads: int) -> None:
    waveform = np.load(case(name) / "expected.npz")["waveform"]
    whole = Separator(case(name) / "config.json", MWF=mwf, threads=1).separate(waveform)
    separator = Separator(case(name) / "config.json", MWF=mwf, threads=threads)
    rng = np.random.default_rng(threads)
    for _ in range(3):
        blocks = cut(waveform, random_sizes(rng, len(waveform)))
        pieces = joined(list(separator.separate_blocks(blocks)))
        for stem, expected in whole.items():
            np.testing.assert_array_equal(pieces[stem], expected)


def test_low_memory_gives_the_same_samples(two_stems: Model, music: np.ndarray) -> None:
    plain = Separator(two_stems, threads=4).separate(music)
    low = Separator(two_stems, threads=4, low_memory=True).separate(music)
    for stem in plain:
        np.testing.assert_array_equal(plain[stem], low[stem])


def test_mono_and_many_channels(two_stems: Model, music: np.ndarray) -> None:
    separator = Separator(two_stems)
    mono = music[:, :1]
    expected = separator.separate(np.repeat(mono, 2, axis=1))
    for waveform in (mono, mono[:, 0], mono.astype(np.float64)):
        np.testing.assert_array_equal(separator.separate(waveform)["vocals"], expected["vocals"])
    eight = np.concatenate([music, np.ones((len(music), 6), np.float32)], axis=1)
    np.testing.assert_array_equal(separator.separate(eight)["vocals"], separator.separate(music)["vocals"])


def test_the_callers_array_stays(two_stems: Model, music: np.ndarray) -> None:
    before = music.copy()
    Separator(two_stems, MWF=True, residual=True).separate(music)
    np.testing.assert_array_equal(music, before)


@pytest.mark.parametrize("samples", [0, 1, 2, 127, 128, 129, 8191, 8192, 8193])
def test_any_length(two_stems: Model, music: np.ndarray, samples: int) -> None:
    result = Separator(two_stems).separate(music[:samples])
    for waveform in result.values():
        assert waveform.shape == (samples, 2)
        assert np.isfinite(waveform).all()


def test_silence_stays_silent(four_stems: Model) -> None:
    for mwf in (False, True):
        for waveform in Separator(four_stems, MWF=mwf).separate(np.zeros((20000, 2), np.float32)).values():
            assert not waveform.any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_no_number_is_named(two_stems: Model, music: np.ndarray, value: float) -> None:
    music[12345, 1] = value
    separator = Separator(two_stems)
    with pytest.raises(SpleeterError, match="sample 12345 "):
        separator.separate(music)
    with pytest.raises(SpleeterError, match="sample 12345 "):
        list(separator.separate_blocks(cut(music, [10000, 2000, 28000])))


@pytest.mark.parametrize(
    "waveform",
    [
        np.zeros((10, 2), np.int16),
        np.zeros((2, 10, 2), np.float32),
        np.zeros((10, 0), np.float32),
        np.zeros((10, 2), np.complex64),
        np.array(["a"]),
        "text",
        None,
    ],
)
def test_bad_waveforms(two_stems: Model, waveform: object) -> None:
    with pytest.raises(SpleeterError, match="waveform: expected"):
        Separator(two_stems).separate(waveform)  # type: ignore[arg-type]


def test_bad_options(two_stems: Model) -> None:
    for options, message in [
        ({"stems": ["piano"]}, "piano"),
        ({"stems": []}, "stems: expected"),
        ({"mode": "magic"}, "mode: expected"),
        ({"threads": 0}, "threads: expected"),
        ({"threads": 1.5}, "threads: expected"),
        ({"MWF": True, "full_band": True}, "full_band"),
    ]:
        with pytest.raises(SpleeterError, match=message):
            Separator(two_stems, **options)


def test_chosen_stems_are_the_same_samples(four_stems: Model, music: np.ndarray) -> None:
    every = Separator(four_stems).separate(music)
    some = Separator(four_stems, stems=["bass", "vocals"]).separate(music)
    assert list(some) == ["vocals", "bass"]
    for stem, waveform in some.items():
        np.testing.assert_array_equal(waveform, every[stem])


@pytest.mark.parametrize("mwf", [False, True])
def test_residual_sums_to_the_mix(four_stems: Model, music: np.ndarray, mwf: bool) -> None:
    plain = Separator(four_stems, MWF=mwf).separate(music)
    result = Separator(four_stems, MWF=mwf, residual=True).separate(music)
    # `zeros` leaves out what is above F: without the residual the stems do not sum to the mix.
    assert np.abs(sum(plain.values()) - music).max() > 1e-3
    total = sum(waveform.astype(np.float64) for waveform in result.values())
    # The last stem is rounded once to float32: half a unit in the last place of it.
    assert np.abs(total - music).max() <= 2.0**-24 * max(1.0, np.abs(result["other"]).max())
    for stem in ("vocals", "drums", "bass"):
        np.testing.assert_array_equal(result[stem], plain[stem])
    only = Separator(four_stems, MWF=mwf, residual=True, stems=["other"]).separate(music)
    np.testing.assert_array_equal(only["other"], result["other"])


def test_full_band_is_the_average_extension(music: np.ndarray) -> None:
    from spleeterrt import load_model

    average = load_model(case("tiny-2stems-average") / "config.json")
    zeros = average.with_config(average.config.replace(mask_extension="zeros"))
    expected = Separator(average).separate(music)
    full = Separator(zeros, full_band=True).separate(music)
    for stem in expected:
        np.testing.assert_array_equal(full[stem], expected[stem])
        assert np.abs(full[stem] - Separator(zeros).separate(music)[stem]).max() > 1e-3
    # Masks that sum to one over the whole band: the stems sum to the mix (float32 rounding).
    assert np.abs(sum(full.values()) - music).max() < 1e-5


def test_exponent_one(two_stems: Model, music: np.ndarray) -> None:
    soft = two_stems.with_config(two_stems.config.replace(separation_exponent=1.0))
    hard = Separator(two_stems).separate(music)
    result = Separator(soft).separate(music)
    assert np.abs(result["vocals"] - hard["vocals"]).max() > 1e-3
    # The two stems still share the band below F.
    np.testing.assert_allclose(
        result["vocals"] + result["accompaniment"], hard["vocals"] + hard["accompaniment"], atol=1e-5
    )


def test_progress_reaches_the_end(two_stems: Model, music: np.ndarray) -> None:
    for mwf, passes in ((False, 1), (True, 2)):
        calls: list[tuple[float, float | None]] = []
        Separator(two_stems, MWF=mwf).separate(
            music, progress=lambda done, total, c=calls: c.append((done, total))
        )
        seconds = passes * len(music) / 44100
        assert [done for done, _ in calls] == sorted(done for done, _ in calls)
        assert calls[-1] == (pytest.approx(seconds), pytest.approx(seconds))
        assert len(calls) > 3


def test_cancel(two_stems: Model, music: np.ndarray) -> None:
    event = threading.Event()
    event.set()
    with pytest.raises(SeparationCancelled):
        Separator(two_stems).separate(music, cancel=event)
    polls = iter([False, False, True])
    seen: list[float] = []
    with pytest.raises(SeparationCancelled):
        Separator(two_stems, threads=1).separate(
            music, cancel=lambda: next(polls), progress=lambda done, total: seen.append(done)
        )
    assert len(seen) == 2


def test_blocks_come_while_input_goes_on(two_stems: Model, music: np.ndarray) -> None:
    taken = 0

    def source() -> object:
        nonlocal taken
        for block in cut(music, [1000] * 40):
            taken += 1
            yield block

    first = next(iter(Separator(two_stems, threads=1).separate_blocks(source())))
    assert len(first["vocals"]) > 0
    assert taken < 15


def test_memory_does_not_grow_with_length(two_stems: Model, music: np.ndarray) -> None:
    separator = Separator(two_stems, threads=1)

    peak(separator, music[:4000], 10)
    assert peak(separator, music[:4000], 400) < 1.05 * peak(separator, music[:4000], 40)


def test_several_python_threads_share_a_separator(two_stems: Model, music: np.ndarray) -> None:
    separator = Separator(two_stems, threads=2)
    expected = separator.separate(music)["vocals"]
    results: list[np.ndarray] = []
    workers = [
        threading.Thread(target=lambda: results.append(separator.separate(music)["vocals"])) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(results) == 4
    for result in results:
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("mwf", [False, True])
def test_several_separators_at_once(mwf: bool, music: np.ndarray) -> None:
    """Each Python thread with a Separator of its own: other models, threads and profiles beside it."""
    names = ["tiny-2stems", "tiny-5stems", "tiny-2stems-average", "tiny-4stems"]

    def separator(index: int) -> Separator:
        config = case(names[index]) / "config.json"
        return Separator(config, MWF=mwf, threads=index % 3 + 1, low_memory=index == 1)

    separators = [separator(index) for index in range(4)]
    waves = [np.ascontiguousarray(music[1000 * index :]) for index in range(4)]
    expected = [each.separate(wave) for each, wave in zip(separators, waves, strict=True)]
    results: list[list[dict[str, np.ndarray]]] = [[] for _ in separators]

    def work(index: int) -> None:
        for turn in range(3):
            if turn == 1:
                blocks = separators[index].separate_blocks(
                    cut(waves[index], [5000, len(waves[index]) - 5000])
                )
                results[index].append(joined(list(blocks)))
            else:
                results[index].append(separators[index].separate(waves[index]))

    workers = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for found, wanted in zip(results, expected, strict=True):
        assert len(found) == 3
        for result in found:
            for stem, waveform in wanted.items():
                np.testing.assert_array_equal(result[stem], waveform)


TORCH_FIRST = """
import sys
import torch
import numpy as np
torch.set_num_threads(3)
a = torch.ones(300, 300)
(a @ a).sum()  # its OpenMP threads run
from spleeterrt import Separator
wave = np.random.default_rng(0).uniform(-0.5, 0.5, (30000, 2)).astype(np.float32)
one, two = (Separator(sys.argv[1], threads=n).separate(wave) for n in (1, 2))
(a @ a).sum()
assert all(np.array_equal(one[stem], two[stem]) for stem in one)
assert torch.get_num_threads() == 3
print(float(np.abs(one["vocals"]).sum()))
"""


def test_after_torch(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    config = str(case("tiny-2stems") / "config.json")
    done = subprocess.run(
        [sys.executable, "-c", TORCH_FIRST, config], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    wave = np.random.default_rng(0).uniform(-0.5, 0.5, (30000, 2)).astype(np.float32)
    alone = Separator(config).separate(wave)["vocals"]
    assert float(done.stdout) == float(np.abs(alone).sum())
