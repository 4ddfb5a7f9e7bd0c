"""`spleeterrt.catalogue` on Dask, on Ray with two nodes, on object storage: what is killed is redone."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from test_catalogue import STARTER, killing, part_files, wait_for_part

from spleeterrt.catalogue import Job, Manifest, Song, Task, run_task
from spleeterrt.catalogue.engines import make_engine
from spleeterrt.catalogue.rows import DONE, FAILED
from spleeterrt.cli import cli as commands
from support.catalogue import MODEL, STEMS, make_job, run, separated, song_of, tree, write_songs
from support.command import cli


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(packages)}")


def check_all_done(job: Job, out: Path, paths: list[Path], own: Path) -> None:
    """Every song is done, by its row, once, with the samples of `separate`."""
    assert part_files(out) == []
    assert tree(out) == separated(own, {path.name: path for path in paths}, STARTER)
    done = [row.uri for row in Manifest(job.manifest).rows() if row.status == DONE]
    assert sorted(done) == sorted(map(str, paths))


@needs("distributed")
def test_dask_loses_no_song_of_a_killed_worker(tmp_path: Path):
    paths = write_songs(tmp_path / "in", [f"{k}.wav" for k in range(5)], seconds=20)
    job = make_job(tmp_path / "out", model=STARTER)
    with make_engine("dask", workers=2) as engine, killing(tmp_path / "out") as killed:
        counts, _ = run(job, tmp_path / "in", engine)
        assert len(killed) == 1
        assert (counts.done, counts.failed) == (5, 0)
        check_all_done(job, tmp_path / "out", paths, tmp_path / "own")
        assert run(job, tmp_path / "in", engine)[0].skipped == 5


@needs("distributed")
def test_no_scheduler_is_told():
    from click.testing import CliRunner

    result = CliRunner().invoke(
        commands, ["catalogue", "-p", MODEL, MODEL, "out", "--engine", "dask", "--address", "nowhere:x"]
    )
    assert result.exit_code == 2
    assert "no Dask scheduler" in result.output


@needs("ray")
def test_ray_loses_no_song_of_a_killed_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    paths = write_songs(tmp_path / "in", [f"{k}.wav" for k in range(5)], seconds=20)
    job = make_job(tmp_path / "out", model=STARTER)
    node = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 << 20}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
        with make_engine("ray") as engine:
            assert engine.capacity() == 2
            killed: list[int] = []

            def watch(_counts: Any) -> None:
                if not killed and part_files(tmp_path / "out"):
                    killed.append(wait_for_part(tmp_path / "out"))
                    cluster.remove_node(second, allow_graceful=False)

            counts, _ = run(job, tmp_path / "in", engine, watch=watch)
            assert killed
            assert (counts.done, counts.failed) == (5, 0)
            check_all_done(job, tmp_path / "out", paths, tmp_path / "own")
    finally:
        ray.shutdown()
        cluster.shutdown()


# --- object storage ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A client of an S3 server on this machine."""
    for package in ("s3fs", "moto", "flask"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    variables = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        yield boto3.client("s3")
    server.stop()


def objects(s3: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    found = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", [])
    keys = [entry["Key"] for entry in found if "_spleeterrt" not in entry["Key"]]
    return {key.removeprefix(prefix): s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def upload(s3: Any, bucket: str, songs: Mapping[str, Path]) -> None:
    s3.create_bucket(Bucket=bucket)
    for key, path in songs.items():
        s3.upload_file(str(path), bucket, key)


def test_buckets_give_what_files_give(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from spleeterrt.catalogue import remote

    monkeypatch.setattr(remote, "BLOCK_BYTES", 30_000)  # several ranges a song
    a, b = write_songs(tmp_path / "in", ["a.wav", "live/b.wav"])
    upload(s3, "one", {"in/a.wav": a, "in/live/b.wav": b, "in/cover.jpg": a})
    job = make_job("s3://one/out", uploads=True)
    assert not list(Path(job.manifest).parent.glob("*"))
    counts, rows = run(job, "s3://one/in")
    assert (counts.done, counts.failed) == (2, 0), rows
    expected = separated(tmp_path / "own", {"a": a, "live/b": b})
    assert objects(s3, "one", "out/") == expected
    row = next(row for row in rows if row.uri == "s3://one/in/a.wav")
    assert row.etag == s3.head_object(Bucket="one", Key="in/a.wav")["ETag"].strip('"')
    assert [stem.uri for stem in row.stems] == [f"s3://one/out/a/{stem}.wav" for stem in STEMS]
    assert [stem.bytes for stem in row.stems] == [len(expected[f"a/{stem}.wav"]) for stem in STEMS]
    assert run(job, "s3://one/in")[0].skipped == 2
    s3.upload_file(str(b), "one", "in/a.wav")
    assert run(job, "s3://one/**/*.wav")[0].done >= 1  # another content
    assert not Path("s3:").exists()


def test_the_command_reads_and_writes_buckets(s3: Any, tmp_path: Path):
    a, b = write_songs(tmp_path / "in", ["a.wav", "live/b.wav"])
    upload(s3, "six", {"in/a.wav": a, "in/live/b.wav": b})
    command = ["catalogue", "-p", MODEL, "--workers", 1, "--compact", "s3://six/in", "s3://six/out"]
    done = cli(*command)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 songs separated" in done.stdout
    assert objects(s3, "six", "out/") == separated(tmp_path / "own", {"a": a, "live/b": b})
    again = cli(*command)
    assert "2 were done before" in again.stdout
    same = cli(*command[:-1], "s3://six/in/")
    assert same.returncode == 2
    assert "the same folder" in same.stderr


def test_a_bucket_into_a_folder_and_a_folder_into_a_bucket(s3: Any, tmp_path: Path):
    (a,) = write_songs(tmp_path / "in", ["a.wav"])
    upload(s3, "two", {"in/a.wav": a})
    expected = separated(tmp_path / "own", {"a": a})
    assert run(make_job(tmp_path / "out"), "s3://two/in")[0].done == 1
    assert tree(tmp_path / "out") == expected
    assert run(make_job("s3://two/out"), tmp_path / "in")[0].done == 1
    assert objects(s3, "two", "out/") == expected


@pytest.mark.parametrize("known", [True, False])  # before the run, or by a worker that dies during it
def test_unfinished_uploads_of_ours_are_ended_and_no_others(
    s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: bool
):
    from spleeterrt.catalogue import remote

    bucket = f"three-{known}".lower()
    if not known:
        monkeypatch.setattr(remote, "LARGE_BYTES", 1000)
    (a,) = write_songs(tmp_path / "in", ["a.wav"])
    s3.create_bucket(Bucket=bucket)
    for key in ("out/a/vocals.wav", "out/a/vocals.wav.mine", "out/other.wav"):
        s3.create_multipart_upload(Bucket=bucket, Key=key)

    def unfinished() -> list[str]:
        return sorted(entry["Key"] for entry in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []))

    from spleeterrt.catalogue.places import files_of

    assert files_of(f"s3://{bucket}/out").open_uploads(f"s3://{bucket}/out")
    job = make_job(f"s3://{bucket}/out", uploads=known)
    assert [row.status for row in run_task(Task(job, [song_of(a)]))] == [DONE]
    assert unfinished() == ["out/a/vocals.wav.mine", "out/other.wav"]


def test_what_storage_does_not_give_is_a_row(s3: Any, tmp_path: Path):
    s3.create_bucket(Bucket="four")
    s3.put_object(Bucket="four", Key="in/bad.wav", Body=b"no sound")
    job = make_job("s3://four/out")
    songs = [Song("s3://four/in/none.wav"), Song("s3://four/in/bad.wav"), Song("s3://nobucket/a.wav")]
    rows = run_task(Task(job, songs))
    assert [row.status for row in rows] == [FAILED] * 3
    assert [row.error_code for row in rows[:2]] == ["audio", "audio"]
    assert "s3://four/in/bad.wav" in (rows[1].error or "")  # not the name of a copy
    assert objects(s3, "four", "out/") == {}


def test_the_manifest_in_a_bucket_passes_over_what_is_broken(s3: Any):
    s3.create_bucket(Bucket="five")
    s3.put_object(Bucket="five", Key="m/part-1.jsonl", Body=b'{"uri": ')
    manifest = Manifest("s3://five/m")
    assert list(manifest.rows()) == []
    assert "part-1.jsonl" in manifest.faults[0]
