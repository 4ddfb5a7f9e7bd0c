"""How many threads are used where nobody says so: affinity, control groups, OMP_NUM_THREADS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spleeterrt._kernels import machine
from spleeterrt.parallel import check_threads, usual_threads

CORES = 8


class Machine:
    """A fake /proc and the mounts of control groups below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("proc/self/cgroup", "")
        self.write("proc/self/mountinfo", "22 1 0:21 / /proc rw,relatime - proc proc rw\n")

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as stream:
            stream.write(text)

    def version1(self, group: str, root: str = "/", point: str = "/sys/fs/cgroup/cpu,cpuacct") -> None:
        self.write("proc/self/cgroup", f"5:memory:/elsewhere\n3:cpuacct,cpu:{group}\n2:cpuset:/\n")
        self.write(
            "proc/self/mountinfo",
            "29 25 0:26 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
            f"30 25 0:27 {root} {point} rw,nosuid shared:9 master:3 - cgroup cgroup rw,cpuacct,cpu\n",
        )

    def version2(self, group: str, root: str = "/", point: str = "/sys/fs/cgroup") -> None:
        self.write("proc/self/cgroup", f"0::{group}\n")
        self.write("proc/self/mountinfo", f"31 25 0:28 {root} {point} rw - cgroup2 cgroup2 rw,nsdelegate\n")

    def limit1(self, folder: str, quota: int, period: int = 100_000) -> None:
        self.write(f"{folder}/cpu.cfs_quota_us", f"{quota}\n")
        self.write(f"{folder}/cpu.cfs_period_us", f"{period}\n")

    def limit2(self, folder: str, text: str) -> None:
        self.write(f"{folder}/cpu.max", f"{text}\n")

    def threads(self, omp: bytes | None = None, cores: int = CORES) -> tuple[int, str]:
        count: tuple[int, str] = machine.usual_threads(omp, os.fsencode(self.root), cores)
        return count


@pytest.fixture
def fake(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


# --- control groups, version 2 ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "threads"),
    [
        ("max 100000", CORES),
        ("100000 100000", 1),
        ("150000 100000", 2),
        ("10000 100000", 1),
        ("400000 100000", 4),
        ("25000 5000", 5),
        ("200000", 2),  # the period's default
        ("1600000 100000", CORES),
        ("", CORES),
        ("nonsense 100000", CORES),
        ("inf 100000", CORES),
        ("-1 100000", CORES),
        ("0 100000", CORES),
        ("100000 0", CORES),
    ],
)
def test_a_quota_is_rounded_up(fake: Machine, limit: str, threads: int) -> None:
    fake.version2("/")
    fake.limit2("sys/fs/cgroup", limit)
    assert fake.threads()[0] == threads


def test_the_reason_is_told(fake: Machine) -> None:
    fake.version2("/user.slice/app")
    assert fake.threads()[1] in (f"the machine has {CORES} cores", f"this process may use {CORES} cores")
    fake.limit2("sys/fs/cgroup/user.slice/app", "150000 100000")
    assert fake.threads() == (2, "the control group's CPU quota is 1.5 cores")
    assert fake.threads(b"3") == (3, "OMP_NUM_THREADS is 3")


def test_all_groups_above_count(fake: Machine) -> None:
    fake.version2("/a/b/c")
    fake.limit2("sys/fs/cgroup/a/b/c", "max 100000")
    fake.limit2("sys/fs/cgroup/a/b", "700000 100000")
    assert fake.threads()[0] == 7
    fake.limit2("sys/fs/cgroup/a", "300000 100000")
    assert fake.threads()[0] == 3
    fake.limit2("sys/fs/cgroup", "200000 100000")
    assert fake.threads()[0] == 2
    fake.limit2("sys/fs/cgroup/other", "100000 100000")
    assert fake.threads()[0] == 2


def test_a_container_sees_its_own_group_as_the_root(fake: Machine) -> None:
    """A namespace of its own (path "/"), or the machine's path over a mount of the group alone."""
    fake.version2("/docker/abc", root="/docker/abc")
    fake.limit2("sys/fs/cgroup", "200000 100000")
    assert fake.threads()[0] == 2


@pytest.mark.parametrize("group", ["/docker/abc", "/../../abc", "/../sibling"])
def test_paths_that_are_not_to_be_seen(fake: Machine, group: str) -> None:
    """Mounts of the group at the root, and groups outside of the namespace: what the mount shows counts."""
    fake.version2(group)
    fake.limit2("sys/fs/cgroup", "200000 100000")
    fake.limit2("abc", "100000 100000")
    fake.limit2("sibling", "100000 100000")
    assert fake.threads()[0] == 2


def test_a_group_below_the_root_of_a_mount(fake: Machine) -> None:
    fake.version2("/docker/abc/job", root="/docker/abc")
    fake.limit2("sys/fs/cgroup/job", "300000 100000")
    assert fake.threads()[0] == 3
    fake.limit2("sys/fs/cgroup", "200000 100000")
    assert fake.threads()[0] == 2


def test_a_name_that_begins_alike_is_another_group(fake: Machine) -> None:
    fake.version2("/docker/abcdef", root="/docker/abc")
    fake.limit2("sys/fs/cgroup/def", "100000 100000")
    fake.limit2("sys/fs/cgroupdef", "100000 100000")
    assert fake.threads()[0] == CORES


def test_mount_points_with_spaces(fake: Machine) -> None:
    fake.version2("/my app", point="/sys/fs/c\\040groups")
    fake.limit2("sys/fs/c groups/my app", "200000 100000")
    assert fake.threads()[0] == 2


# --- version 1, and both --------------------------------------------------------------------------


def test_version_1(fake: Machine) -> None:
    fake.version1("/docker/abc")
    fake.limit1("sys/fs/cgroup/cpu,cpuacct/docker/abc", 250_000)
    fake.limit1("sys/fs/cgroup/cpu,cpuacct/docker", -1)
    fake.limit1("sys/fs/cgroup/cpu,cpuacct", -1)
    assert fake.threads() == (3, "the control group's CPU quota is 2.5 cores")
    # Other controllers' groups are elsewhere.
    fake.limit1("sys/fs/cgroup/cpuset", 100_000)
    fake.limit1("sys/fs/cgroup/cpu,cpuacct/elsewhere", 100_000)
    assert fake.threads()[0] == 3


def test_version_1_in_a_container(fake: Machine) -> None:
    fake.version1("/kubepods/pod1/abc", root="/kubepods/pod1/abc")
    fake.limit1("sys/fs/cgroup/cpu,cpuacct", 50_000, 50_000)
    assert fake.threads()[0] == 1


def test_the_smaller_of_both_versions_counts(fake: Machine) -> None:
    fake.version1("/a")
    fake.version2("/b")
    fake.limit1("sys/fs/cgroup/cpu,cpuacct/a", 400_000)
    fake.limit2("sys/fs/cgroup/b", "300000 100000")
    assert fake.threads()[0] == 3


@pytest.mark.parametrize(
    "text", ["", "\n", "0:\n", "::::\n", "0::\n", "a b c - d\n - - -\n", "\\9 \\04\n", "\0\n"]
)
def test_strange_files(fake: Machine, text: str) -> None:
    fake.write("proc/self/cgroup", text)
    fake.write("proc/self/mountinfo", text)
    assert fake.threads()[0] == CORES


def test_no_files(tmp_path: Path) -> None:
    assert machine.usual_threads(None, os.fsencode(tmp_path / "none"), CORES)[0] == CORES


# --- OMP_NUM_THREADS --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "threads"),
    [
        (b"1", 1),
        (b"16", 16),
        (b"4,2", 4),
        (b" 3 , 2 ", 3),
        (b"100000", machine.MOST_THREADS),
        (b"9" * 40, machine.MOST_THREADS),
        # What is no such list is ignored, as OpenMP ignores it.
        *(
            (value, CORES)
            for value in (b"", b" ", b"0", b"-1", b"2.5", b"two", b"2x", b"2,", b",2", b"2,,2", b"2,0")
        ),
    ],
)
def test_omp_num_threads_comes_first(fake: Machine, value: bytes, threads: int) -> None:
    assert fake.threads(value)[0] == threads
    fake.version2("/")
    fake.limit2("sys/fs/cgroup", "100000 100000")
    assert fake.threads(value)[0] == (threads if threads != CORES else 1)


def test_never_more_than_the_most(fake: Machine) -> None:
    assert fake.threads(cores=1000)[0] == machine.MOST_THREADS
    fake.version2("/")
    fake.limit2("sys/fs/cgroup", "40000000 100000")
    assert fake.threads(cores=1000)[0] == machine.MOST_THREADS


# --- this process -----------------------------------------------------------------------------


def test_the_environment_is_read_when_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5,1")
    assert usual_threads() == (5, "OMP_NUM_THREADS is 5,1")
    assert check_threads(None) == 5
    assert check_threads(2) == 2  # an argument comes first
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert check_threads(None) == machine.usual_threads()[0]


@pytest.fixture
def one_core() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("no affinity on this system")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_affinity(one_core: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert check_threads(None) == 1


GROUPS = Path("/sys/fs/cgroup")
JOIN = """
import sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text("0")
from spleeterrt.cli import main
sys.argv[1:] = ["info", "--json"]
main()
"""


def test_a_real_control_group() -> None:
    """A group of half a core below this process's, where the system lets us make one."""
    versions = {"cpu": "cpu.cfs_quota_us", "": "cpu.max"}
    for mount, limit in versions.items():
        group = GROUPS / mount / f"spleeterrt-test-{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if not (group / limit).exists():
                continue
            try:
                (group / limit).write_text("50000")
                environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
                done = subprocess.run(
                    [sys.executable, "-c", JOIN, str(group)], capture_output=True, text=True, env=environment
                )
            except OSError:
                continue
            if "PermissionError" in done.stderr:
                continue
            facts = json.loads(done.stdout)
            assert facts["threads"] == 1
            if facts["usable_cores"] > 1:
                assert facts["threads_because"] == "the control group's CPU quota is 0.5 cores"
            return
        finally:
            group.rmdir()
    pytest.skip("no control group can be made here")
