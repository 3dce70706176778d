"""What is free, what was used, and what a container allows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared_core.engine import memory
from shared_core.engine.limits import MemoryLimit, memory_limits, processor_quota

MEGABYTE = 1 << 20


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def member(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "membership"
    file.write_text(text)
    return file


def test_version_two_limits_of_the_group_and_those_above(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(root / "user", memory__max="8000", memory__current="3000", cpu__max="150000 100000")
    write(
        root / "user" / "editor",
        memory__max="max",
        memory__current="2000",
        memory__stat="anon 5\ninactive_file 700\n",
        cpu__max="max 100000",
    )
    membership = member(tmp_path, "0::/user/editor\n")
    assert memory_limits(root, membership) == [MemoryLimit(8000, 3000)]
    assert processor_quota(root, membership) == 1.5
    (root / "user" / "editor" / "memory.max").write_text("4000")
    assert memory_limits(root, membership)[0] == MemoryLimit(4000, 1300)


def test_version_one_limits(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(
        root / "memory",
        memory__limit_in_bytes="5000",
        memory__usage_in_bytes="4000",
        memory__stat="total_inactive_file 1000\n",
    )
    write(root / "cpu,cpuacct")
    write(root / "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    # In a container the named group is often not mounted: the root is the group itself.
    membership = member(tmp_path, "4:memory:/docker/0123\n3:cpu,cpuacct:/docker/0123\n0::/\n")
    assert memory_limits(root, membership) == [MemoryLimit(5000, 3000)]
    assert processor_quota(root, membership) is None
    (root / "cpu" / "cpu.cfs_quota_us").write_text("50000")
    assert processor_quota(root, membership) == 0.5


def test_no_groups_no_limits(tmp_path: Path) -> None:
    assert memory_limits(tmp_path, tmp_path / "none") == []
    assert processor_quota(tmp_path, tmp_path / "none") is None


def test_the_container_limits_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    free = memory.available_bytes()
    assert free > 0
    monkeypatch.setattr(memory, "memory_limits", lambda: [MemoryLimit(1000, 400)])
    assert memory.available_bytes() == 600
    monkeypatch.setattr(memory, "memory_limits", lambda: [MemoryLimit(1000, 1400)])
    assert memory.available_bytes() == 0


def test_threads_stay_within_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory.usable_threads() >= 1
    monkeypatch.setattr(memory, "processor_quota", lambda: 0.5)
    assert memory.usable_threads() == 1


def test_the_peak_sees_what_was_held_and_can_be_started_anew() -> None:
    block = np.ones(200 * MEGABYTE, np.uint8)
    peak = memory.peak_rss_bytes()
    assert peak > 200 * MEGABYTE
    del block
    # The kernel sums its counters up lazily, so the figure may move by some pages.
    assert memory.peak_rss_bytes() > peak - 4 * MEGABYTE
    if not memory.reset_peak_rss():
        pytest.skip("this system cannot start the peak anew")
    assert memory.peak_rss_bytes() < peak - 150 * MEGABYTE
