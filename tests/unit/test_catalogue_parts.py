"""`spleeterrt.catalogue` part by part: rows, manifest, listing, plan, scheduler, worker."""

from __future__ import annotations

import json
import logging
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from spleeterrt import AudioError, SpleeterError
from spleeterrt.catalogue import Job, Manifest, Row, Song, StemRow, Task, run_task, separate_song
from spleeterrt.catalogue.engines import Lost, make_engine
from spleeterrt.catalogue.listing import Fault, folder_inside, list_songs
from spleeterrt.catalogue.manifest import History
from spleeterrt.catalogue.plan import Plan, stem_uris
from spleeterrt.catalogue.rows import DONE, FAILED, SKIPPED, decode, encode
from spleeterrt.catalogue.scheduler import AHEAD, Run, songs_per_task
from spleeterrt.errors import ArgumentError
from support.catalogue import FILES, STEMS, InlineEngine, make_job, run, separated, song_of, tree, write_songs


def row(uri: str = "/a.wav", status: str = DONE, **changes: Any) -> Row:
    stems = [StemRow("vocals", "/out/a/vocals.wav", 44, -3.0, None)] if status == DONE else []
    values: dict[str, Any] = {"size": 10, "etag": "e", "model": "m", "options": "o", "stems": tuple(stems)}
    return Row(uri, "", status=status, **{**values, **changes})


# --- rows --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_rows_survive_a_fragment(kind: str):
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
    rows = [
        row(
            warnings=("ä\nb",),
            seconds=1.5,
            cpu_seconds=0.25,
            sample_rate=44100,
            finished="2026-01-01T00:00:00Z",
        ),
        row("/b.wav", FAILED, error_code="audio", error="no", attempt=3, size=None),
    ]
    back = list(decode(encode(rows, kind), f"part-1.{kind}"))
    assert [replace(r, warnings=tuple(r.warnings), stems=tuple(r.stems)) for r in back] == rows


@pytest.mark.parametrize(
    "line",
    [b"[]", b'{"uri": "/a"}', b"{", b"\xff\xfe", json.dumps({**row().to_dict(), "status": "?"}).encode()],
)
def test_what_is_no_row_is_refused_with_its_line(line: bytes):
    data = encode([row()], "jsonl") + line + b"\n"
    with pytest.raises(ValueError, match="line 2: "):
        list(decode(data, "part-1.jsonl"))


def test_fields_of_later_versions_are_ignored():
    data = json.dumps({**row().to_dict(), "later": 1}).encode()
    assert list(decode(data, "x.jsonl")) == [row()]


# --- the manifest ---------------------------------------------------------------------------


def test_broken_and_foreign_fragments_are_told_and_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    manifest = Manifest(str(tmp_path))
    manifest.write("1", [row("/1")], "jsonl")
    manifest.write("2", [row("/2"), row("/3")], "jsonl")
    half = tmp_path / "part-2.jsonl"
    half.write_bytes(half.read_bytes()[:-20])
    (tmp_path / "part-4.jsonl").write_bytes(b"\x00\x01")
    (tmp_path / "part-5.parquet").write_bytes(b"PAR1 half")
    (tmp_path / "notes.txt").write_text("mine")
    with caplog.at_level(logging.WARNING, "spleeterrt"):
        assert [r.uri for r in manifest.rows()] == ["/1", "/2"]
    told = "\n".join(manifest.faults)
    assert all(name in told for name in ("part-2.jsonl", "part-4.jsonl", "part-5.parquet", "notes.txt"))
    assert told == "\n".join(record.getMessage() for record in caplog.records)
    manifest.compact("jsonl")
    assert {r.uri for r in manifest.rows()} == {"/1", "/2"}
    assert {"part-2.jsonl", "notes.txt"} <= set(
        os.listdir(tmp_path)
    )  # nothing that could not be read is removed
    assert not (tmp_path / "part-1.jsonl").exists()


def test_of_several_rows_done_and_the_latest_attempt_win(tmp_path: Path):
    manifest = Manifest(str(tmp_path))
    manifest.write("a", [row("/1", FAILED), row("/2", attempt=2), row("/3")], "jsonl")
    manifest.write(
        "b", [row("/1", attempt=2), row("/2", FAILED, attempt=9), row("/3", etag="other")], "jsonl"
    )
    assert manifest.compact("jsonl") == (2, 4)
    kept = {(r.uri, r.etag): (r.status, r.attempt) for r in manifest.rows()}
    assert kept == {
        ("/1", "e"): (DONE, 2),
        ("/2", "e"): (DONE, 2),
        ("/3", "e"): (DONE, 1),
        ("/3", "other"): (DONE, 1),
    }
    assert manifest.compact("jsonl") == (1, 4)  # again: the same


def test_history_tells_what_is_done_as_it_is_now():
    history = History(
        [row("/1"), row("/2", FAILED, attempt=2), row("/2", FAILED), row("/3", options="other")]
    )
    assert len(history) == 4
    key = {uri: row(uri).key for uri in ("/1", "/2", "/3", "/4")}
    assert history.is_done(key["/1"], Song("/1", size=10, etag="e"))
    assert not history.is_done(key["/1"], Song("/1", size=11, etag="e"))
    assert not history.is_done(key["/1"], Song("/1", size=10, etag="f"))
    assert history.failures(key["/2"], Song("/2", size=10, etag="e")) == 2
    assert history.failures(key["/2"], Song("/2", size=11, etag="e")) == 0
    assert not any(history.done(key[uri]) for uri in ("/2", "/3", "/4"))
    assert not History([]).done(key["/1"])


# --- the listing --------------------------------------------------------------------------------


def test_folders_are_searched_for_songs_below_them(tmp_path: Path):
    write_songs(
        tmp_path, ["b.wav", "a/x.WAV", "a/deep/y.wav", ".hidden/z.wav", "._b.wav", "out/b/vocals.wav"]
    )
    (tmp_path / "cover.jpg").write_bytes(b"x")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    songs = list(list_songs(str(tmp_path), str(tmp_path / "out")))
    assert [(Path(s.uri).name, s.folder) for s in songs] == [
        ("y.wav", "a/deep"),
        ("x.WAV", "a"),
        ("b.wav", ""),
    ]
    assert all(s.size and s.etag.startswith("mtime-") for s in songs)


def test_patterns_keep_the_folders_below_their_fixed_part(tmp_path: Path):
    write_songs(tmp_path, ["in/a/x.wav", "in/b/y.wav", "in/b/z.flac"])
    songs = list(list_songs(f"{tmp_path}/in/**/*.wav"))
    assert [(Path(s.uri).name, s.folder) for s in songs] == [("x.wav", "a"), ("y.wav", "b")]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_tables_name_songs(tmp_path: Path, kind: str):
    table = tmp_path / f"songs.{kind}"
    rows = [
        {"uri": "in/a.wav", "size": 5, "etag": "x", "folder": "A"},
        {"uri": "s3://bucket/b.flac", "size": None, "etag": None, "folder": None},
        {"uri": "", "size": None, "etag": None, "folder": None},
        {"uri": "c.wav", "size": None, "etag": None, "folder": "../up"},
    ]
    if kind == "csv":
        table.write_text("uri,size,etag,folder\nin/a.wav,5,x,A\ns3://bucket/b.flac,,,\n,,,\nc.wav,,,../up\n")
    elif kind == "jsonl":
        table.write_text("".join(json.dumps(entry) + "\n" for entry in rows))
    else:
        pyarrow = pytest.importorskip("pyarrow", reason="Parquet needs pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.Table.from_pylist(rows), table)
    first, second, third, fourth = list_songs(str(table))
    assert first == Song(str(tmp_path / "in/a.wav"), "A", 5, "x")
    assert second == Song("s3://bucket/b.flac")
    assert isinstance(third, Fault)
    assert "row 3" in third.name
    assert isinstance(fourth, Fault)
    assert "leave the output" in fourth.message


def test_a_table_without_the_column_is_refused(tmp_path: Path):
    table = tmp_path / "songs.csv"
    table.write_text("path\na.wav\n")
    with pytest.raises(ArgumentError, match="column uri"):
        list(list_songs(str(table)))
    table.write_bytes("uri\nd\xe9j\xe0 vu.wav\n".encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"songs\.csv: not a table in UTF-8"):
        list(list_songs(str(table)))
    for name in ("nothing", "nothing.csv"):
        with pytest.raises(AudioError, match="cannot be read"):
            list(list_songs(str(tmp_path / name)))


def test_folders_inside_the_output(tmp_path: Path):
    (tmp_path / "music" / "live").mkdir(parents=True)
    (tmp_path / "music" / "live" / "a.wav").touch()
    out, inside = str(tmp_path), str(tmp_path / "music")
    assert folder_inside(inside, out) == inside
    assert folder_inside(f"{inside}/**/*.wav", out) == inside
    assert folder_inside("s3://one/songs/*/a.wav", "s3://one") == "s3://one/songs"
    assert folder_inside(inside, f"{inside}/stems") is None
    assert folder_inside(inside, f"{inside}2") is None
    assert folder_inside(f"{inside}/live/a.wav", out) is None  # one file is no folder
    for source in (out, f"{out}/", f"{out}/*.wav", tmp_path.as_uri()):
        with pytest.raises(
            ArgumentError, match="looks for songs in OUTPUT" if "*" in source else "the same folder"
        ):
            folder_inside(source, out)


# --- the plan -----------------------------------------------------------------------------------


def plan_of(job: Job, songs: list[Song], rows: list[Row] = [], **options: Any) -> list[tuple[str, str, int]]:  # noqa: B006
    plan = Plan(job, STEMS, History(rows), **options)
    plan.list(songs)
    verdicts = [(v.song.uri, v.what, v.song.attempt) for v in plan.verdicts()]
    plan.close()
    return verdicts


def test_what_is_done_or_given_up_is_left_out(tmp_path: Path):
    job = make_job(tmp_path)
    songs = [Song(f"/in/{name}.wav", "", 10, "e") for name in "abcd"]
    made = {"model": job.model_digest, "options": job.options_digest}
    rows = [
        row("/in/a.wav", **made),
        row("/in/b.wav", FAILED, attempt=2, **made),
        row("/in/c.wav", FAILED, attempt=3, **made),
        row("/in/d.wav", model="another", options=job.options_digest),
    ]
    found = plan_of(job, songs, rows)
    assert [(what, attempt) for _, what, attempt in found] == [
        ("done", 1),
        ("todo", 3),
        ("given up", 1),
        ("todo", 1),
    ]
    assert {what for _, what, _ in plan_of(job, songs, rows, again=True)} == {"todo"}


def test_conflicts_are_refused_as_separate_does(tmp_path: Path):
    job = make_job("/in")
    songs = [
        Song("/in/x/a.wav"),
        Song("/in/y/a.wav"),  # the same folder a/
        Song("/in/x/a.wav"),  # listed twice
        Song("/in/b/vocals.wav"),
        Song("/in/b.wav"),  # its vocals would replace the one before
        Song("/in/c.wav", "sub"),
        Song("/elsewhere/c.wav"),
    ]
    found = plan_of(job, songs)
    assert [what for _, what, _ in found] == ["todo", "conflict", "again", "todo", "conflict", "todo", "todo"]


def test_stems_are_named_as_by_separate(tmp_path: Path):
    job = replace(
        make_job("s3://bucket/out"),
        files={**FILES, "filename_format": "{foldername}-{filename}_{instrument}.wav"},
    )
    assert (
        stem_uris(job, Song("s3://songs/live/Ä 1.flac", "a/b"), STEMS)
        == {
            "vocals": "s3://bucket/out/a/b/live-Ä 1_vocals.wav",
            "accompaniment": "s3://bucket/out/a/b/live-Ä 1_accompaniment.wav",
        }
        if _has_s3()
        else True
    )


def _has_s3() -> bool:
    import importlib.util

    return importlib.util.find_spec("s3fs") is not None


# --- the worker --------------------------------------------------------------------------------


def test_a_song_is_done_when_its_row_is_there(tmp_path: Path):
    (path,) = write_songs(tmp_path / "in", ["a.wav"])
    job = make_job(tmp_path / "out")
    rows = run_task(Task(job, [song_of(path, folder="sub")]))
    assert [r.status for r in rows] == [DONE]
    made = rows[0]
    assert tree(tmp_path / "out") == separated(tmp_path / "own", {"sub/a": path})
    assert (made.size, made.seconds, made.sample_rate, made.attempt) == (path.stat().st_size, 0.5, 44100, 1)
    assert made.cpu_seconds > 0
    assert [stem.stem for stem in made.stems] == list(STEMS)
    assert [stem.bytes for stem in made.stems] == [Path(stem.uri).stat().st_size for stem in made.stems]
    assert all(stem.rms_db is not None and stem.peak_db is not None for stem in made.stems)
    assert all(stem.rms_db < stem.peak_db <= 0 for stem in made.stems)  # type: ignore[operator]
    assert list(Manifest(job.manifest).rows()) == rows
    again = run_task(Task(job, [song_of(path, folder="sub")]))
    assert again == rows  # the fragment of the same task was there: nothing is done twice


def test_levels_are_those_of_the_files(tmp_path: Path):
    (path,) = write_songs(tmp_path, ["a.wav"], 2)
    made = separate_song(song_of(path), make_job(tmp_path / "out"))
    for stem in made.stems:
        samples, _ = soundfile.read(stem.uri)
        assert stem.peak_db == pytest.approx(20 * np.log10(np.abs(samples).max()), abs=0.02)
        assert stem.rms_db == pytest.approx(10 * np.log10(np.square(samples).mean()), abs=0.02)
    soundfile.write(path, np.zeros((22050, 2)), 44100)
    silent = separate_song(song_of(path), make_job(tmp_path / "out"))
    assert [(stem.peak_db, stem.rms_db) for stem in silent.stems] == [(None, None)] * 2


def test_errors_are_rows(tmp_path: Path):
    (tmp_path / "bad.wav").write_text("no sound")
    job = make_job(tmp_path / "out")
    rows = run_task(Task(job, [Song(str(tmp_path / "bad.wav"), attempt=2), Song(str(tmp_path / "none.wav"))]))
    assert [(r.status, r.error_code, r.attempt) for r in rows] == [(FAILED, "audio", 2), (FAILED, "audio", 1)]
    assert "bad.wav" in (rows[0].error or "")
    other = separate_song(Song(str(tmp_path / "bad.wav")), replace(job, model_digest="0" * 64))
    assert other.status == FAILED
    assert other.error_code in ("audio", "model")


def test_another_model_under_the_same_name_is_refused(tmp_path: Path):
    (path,) = write_songs(tmp_path, ["a.wav"])
    made = separate_song(song_of(path), replace(make_job(tmp_path / "out"), model_digest="0" * 64))
    assert (made.status, made.error_code) == (FAILED, "model")
    assert "another model" in (made.error or "")


def test_a_song_whose_size_is_asked_for_by_the_worker_is_skipped_there(tmp_path: Path):
    write_songs(tmp_path, ["a.wav"])
    table = tmp_path / "songs.csv"
    table.write_text("uri\na.wav\n")
    job = make_job(tmp_path / "out")
    assert run(job, table)[0].done == 1
    counts, rows = run(job, table)
    assert (counts.done, counts.skipped, rows[0].status) == (0, 1, SKIPPED)
    write_songs(tmp_path, ["a.wav"], seconds=0.7)
    assert run(job, table)[0].done == 1


# --- the scheduler -------------------------------------------------------------------------------


def test_a_run_does_what_is_missing(tmp_path: Path):
    write_songs(tmp_path / "in", ["a.wav", "x/b.wav", "x/c.wav"])
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    job = make_job(tmp_path / "out")
    counts, rows = run(job, tmp_path / "in", per_task=2)
    assert (counts.total, counts.done, counts.failed, counts.skipped, counts.left) == (4, 3, 1, 0, 0)
    assert sorted(r.status for r in rows) == [DONE] * 3 + [FAILED]
    before = tree(tmp_path / "out")
    engine = InlineEngine()
    counts, _ = run(job, tmp_path / "in", engine)
    assert (counts.done, counts.failed, counts.skipped) == (0, 1, 3)
    assert [len(task.songs) for task in engine.begun] == [1]
    assert tree(tmp_path / "out") == before
    os.utime(tmp_path / "in" / "a.wav")
    assert run(job, tmp_path / "in")[0].done == 1  # it may have changed
    assert run(replace(job, settings={"mode": "direct"}), tmp_path / "in")[0].done == 3  # other options


def test_a_failing_song_is_given_up_after_some_attempts(tmp_path: Path):
    write_songs(tmp_path / "in", ["a.wav", "poison.wav", "z.wav"])
    job = make_job(tmp_path / "out")

    def dies(task: Task) -> Lost | None:
        return Lost("killed") if any("poison" in song.uri for song in task.songs) else None

    engine = InlineEngine(fails=dies)
    counts, rows = run(job, tmp_path / "in", engine, per_task=3, attempts=3)
    assert (counts.done, counts.failed) == (2, 1)
    (failed,) = [r for r in rows if r.status == FAILED]
    assert (failed.error_code, failed.attempt, failed.error) == ("worker", 3, "killed")
    tries = [task for task in engine.begun if any("poison" in song.uri for song in task.songs)]
    assert [len(task.songs) for task in tries] == [3, 1, 1]
    engine = InlineEngine(fails=dies)
    counts, rows = run(job, tmp_path / "in", engine, attempts=3)
    assert (counts.skipped, counts.failed, engine.begun) == (2, 1, [])  # not for ever
    assert "3 attempts" in (rows[-1].error or rows[1].error or "")
    assert run(job, tmp_path / "in", attempts=4)[0].done == 1


def test_tasks_in_flight_are_bounded(tmp_path: Path):
    paths = write_songs(tmp_path / "in", [f"{k:02}.wav" for k in range(12)], seconds=0.1)
    job = make_job(tmp_path / "out")
    plan = Plan(job, STEMS, History([]))
    plan.list(song_of(path) for path in paths)
    working = Run(plan, InlineEngine(capacity=2), lambda _: None)
    counts = working.go(threading.Event())
    assert counts.done == 12
    assert working.most_flying == 2 * AHEAD
    plan.close()


def test_a_stopped_run_gives_nothing_up(tmp_path: Path):
    write_songs(tmp_path / "in", [f"{k}.wav" for k in range(6)], seconds=0.1)
    job = make_job(tmp_path / "out")
    stop = threading.Event()
    engine = InlineEngine(capacity=1)
    counts, _ = run(job, tmp_path / "in", engine, stop, per_task=2, watch=lambda counts: stop.set())
    assert engine.stopped
    assert (counts.done, counts.failed) == (3, 0)  # the first task, and one song of that in flight
    assert not list(tmp_path.rglob("stop-*"))
    assert run(job, tmp_path / "in")[0].done == 3


def test_tasks_grow_with_the_catalogue():
    assert [songs_per_task(songs) for songs in (1, 9_999, 20_000, 10**6, 10**7)] == [1, 1, 2, 100, 100]


@pytest.mark.parametrize(
    ("name", "options", "what"),
    [
        ("local", {"address": "tcp://x:1"}, "address"),
        ("dask", {"address": "tcp://x:1", "workers": 2}, "workers"),
        ("spark", {}, "expected one of local, dask, ray"),
    ],
)
def test_engines_that_cannot_be(name: str, options: dict[str, Any], what: str):
    with pytest.raises(SpleeterError, match=what):
        make_engine(name, **options)
