"""Separators and models as Ray, Dask, joblib and multiprocessing need them: pickled, copied, closed."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spleeterrt import Model, Separator, SpleeterError, load_model
from spleeterrt.errors import ModelError
from spleeterrt.file_job import SeparatedFiles
from spleeterrt.models import load
from support.golden import case

CONFIG = case("tiny-2stems") / "config.json"
CONFIG_4 = case("tiny-4stems") / "config.json"


def again(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> None:
    assert list(first) == list(second)
    for stem, wave in first.items():
        np.testing.assert_array_equal(wave, second[stem])


SETTINGS: list[dict[str, Any]] = [
    {},
    {"MWF": True, "threads": 1},
    {"full_band": True, "low_memory": True},
    {"mode": "direct", "stems": ["vocals"], "above_band": 0.3},
    {"residual": True, "stems": "accompaniment"},
    {"two_stems": "vocals", "mode": "direct"},
]


@pytest.mark.parametrize("how", [again, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("settings", SETTINGS)
def test_a_separator_comes_back(settings: dict[str, Any], how: Any, music: np.ndarray) -> None:
    separator = Separator(CONFIG, **settings)
    twin = how(separator)
    assert twin is not separator
    assert repr(twin) == repr(separator)
    assert (twin.stems, twin.mode, twin.networks) == (separator.stems, separator.mode, separator.networks)
    same(separator.separate(music[:9000]), twin.separate(music[:9000]))


def test_pickles_are_small_and_need_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(CONFIG.parent)
    data = pickle.dumps(Separator("config.json"))
    assert len(data) < 3000
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(data).model.source == str(CONFIG)


def test_another_process(tmp_path: Path, music: np.ndarray) -> None:
    (tmp_path / "separator").write_bytes(pickle.dumps(Separator(CONFIG)))
    np.save(tmp_path / "music.npy", music[:9000])
    code = (
        "import pickle, numpy; s = pickle.load(open('separator', 'rb')); "
        "numpy.savez('stems.npz', **s.separate(numpy.load('music.npy')))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=120)
    same(Separator(CONFIG).separate(music[:9000]), dict(np.load(tmp_path / "stems.npz")))


def test_models(tmp_path: Path) -> None:
    model = load_model(CONFIG_4, low_memory=True, networks=["drums", "vocals"])
    assert model.source == str(CONFIG_4)
    changed = model.with_config(model.config.replace(mask_extension="average"))
    magnitudes = np.ones((1, 64, 64, 2), np.float32)
    for twin in (again(changed), copy.copy(changed), copy.deepcopy(changed)):
        assert twin.config == changed.config
        assert twin.networks == model.networks == ("vocals", "drums")
        assert twin.source == model.source
        same(twin.predict(magnitudes), model.predict(magnitudes))
    assert np.shares_memory(copy.deepcopy(model)._weights, model._weights)
    assert load_model("starter:2stems").source == "starter:2stems"
    assert str(CONFIG_4) in repr(model)


@pytest.fixture
def own() -> Model:
    config, weights, _ = load(CONFIG)
    return Model(config, weights)


def test_a_model_of_ones_own_takes_its_weights_along(
    own: Model, music: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own.source is None
    twin = again(own)
    assert not np.shares_memory(twin._weights, own._weights)
    same(Separator(twin).separate(music[:9000]), Separator(own).separate(music[:9000]))
    same(again(Separator(own)).separate(music[:9000]), Separator(CONFIG).separate(music[:9000]))
    data = pickle.dumps(own)
    monkeypatch.setattr("spleeterrt.network.model.__version__", "0.0.1")
    with pytest.raises(ModelError, match=r"pickled by version .*; this is version 0\.0\.1"):
        pickle.loads(data)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for path in CONFIG.parent.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    data = pickle.dumps(Separator(folder / "config.json"))
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ModelError, match=r"model"):
        pickle.loads(data)


class Named(Separator):
    """A subclass with a constructor and attributes of its own."""

    def __init__(self, name: str) -> None:
        self.before = name
        super().__init__(CONFIG, stems=["vocals"])
        self.after = [name]


def test_subclasses_keep_their_attributes() -> None:
    for how in (again, copy.copy, copy.deepcopy):
        twin = how(Named("x"))
        assert type(twin) is Named
        assert (twin.before, twin.after, twin.stems) == ("x", ["x"], ("vocals",))


def test_jobs_stay_where_they_are(tmp_path: Path) -> None:
    separator = Separator(CONFIG)
    held = threading.Event()
    separator._do(lambda: held.wait(60) and None, False)
    twin = again(separator)
    twin.join(0)
    held.set()
    separator.join()


def test_repr(own: Model) -> None:
    assert repr(Separator("starter:2stems", MWF=True)) == (
        "<Separator starter:2stems: vocals, accompaniment; mode=ratio, MWF>"
    )
    assert "a model of one's own: vocals" in repr(Separator(own))


def test_with_waits_and_closes(two_stems: Model) -> None:
    done = []
    with Separator(two_stems) as separator:
        for number in range(3):
            separator._do(lambda number=number: done.append(number), False)
    assert done == [0, 1, 2]
    assert separator._worker is None
    separator.close()
    separator._do(lambda: done.append(3), False)  # it can be used again
    separator.join()
    assert done[-1] == 3


def test_with_raises_what_went_wrong(two_stems: Model, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise SpleeterError("in the background")

    with pytest.raises(SpleeterError, match="in the background"), Separator(two_stems) as separator:
        separator._do(fail, False)
    with pytest.raises(KeyError), Separator(two_stems) as separator:  # noqa: PT012
        separator._do(fail, False)
        raise KeyError
    assert "in the background" in caplog.text


def test_further_errors_are_logged(two_stems: Model, caplog: pytest.LogCaptureFixture) -> None:
    separator = Separator(two_stems)
    for number in range(3):

        def fail(number: int = number) -> None:
            raise SpleeterError(f"job {number}")

        separator._do(fail, False)
    with pytest.raises(SpleeterError, match="job 0"):
        separator.join()
    assert "job 1" in caplog.text
    assert "job 2" in caplog.text
    separator.join()
    with pytest.raises(ValueError, match="timeout"):
        separator.join("soon")


def test_what_is_returned_pickles() -> None:
    files = SeparatedFiles({"vocals": Path("v.wav")}, 44100, {"vocals": 3}, 1.0)
    for twin in (again(files), copy.copy(files), copy.deepcopy(files)):
        assert twin == {"vocals": Path("v.wav")}
        assert (twin.sample_rate, twin.clipped, twin.gain) == (44100, {"vocals": 3}, 1.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are cheap")
def test_threads_may_pickle_what_others_use(music: np.ndarray) -> None:
    separator = Separator(CONFIG)
    with ThreadPoolExecutor(3) as pool:
        tasks = [
            pool.submit(separator.separate, music[:9000]),
            *(pool.submit(again, separator) for _ in "ab"),
        ]
        first, *twins = (task.result() for task in tasks)
    for twin in twins:
        same(twin.separate(music[:9000]), first)
