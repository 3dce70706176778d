"""Pixel files: created in full, opened only where they belong, gone afterwards."""

from __future__ import annotations

import os
import stat
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.bridge import arena as module
from shared_core.bridge.arena import Arena, keep_unselected, mapped, selected_size, sweep
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.paths import paths
from shared_core.bridge.wire import WireError

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def where(tmp_path):
    return paths({"NSS_HOME": str(tmp_path / "Bilder mit Ümläuten")})


def test_write_and_read(where):
    with Arena(where) as arena:
        file = arena.create(5, 3, "u16", "bgra")
        assert file.size == 5 * 3 * 4 * 2
        path = where.runtime / file.name
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert arena.read(file) == bytes(file.size)
        data = os.urandom(file.size)
        arena.write(file, data)
        assert arena.read(file) == data
    assert not path.exists()


def test_wrong_length_is_refused_and_nothing_written(where):
    with Arena(where) as arena:
        file = arena.create(5, 3, "u8", "rgba")
        with pytest.raises(CouldNotBeDone, match="60 were expected"):
            arena.write(file, b"x" * 59)
        assert arena.read(file) == bytes(60)


def test_overflow_folder_serves_when_the_runtime_folder_is_full(where, monkeypatch):
    full = {str(where.runtime)}
    monkeypatch.setattr(
        module.shutil, "disk_usage", lambda p: Usage(0, 0, 0 if str(p) in full else 1 << 40)
    )
    with Arena(where) as arena:
        assert arena.create(5, 3, "u8", "rgba").folder == "overflow"
        full.add(str(where.overflow))
        with pytest.raises(CouldNotBeDone, match="The disk is full"):
            arena.create(5, 3, "u8", "rgba")


def test_a_disk_that_fills_up_during_allocation_leaves_no_file(where, monkeypatch):
    def no_space(handle, offset, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "posix_fallocate", no_space)
    with Arena(where) as arena, pytest.raises(CouldNotBeDone, match="The disk is full"):
        arena.create(5, 3, "u8", "rgba")
    assert [f for f in where.runtime.iterdir() if f.name.startswith("px-")] == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "px-1-xyz", "", "worker.key"])
def test_names_outside_are_refused(where, name):
    with Arena(where) as arena:
        file = arena.create(5, 3, "u8", "rgba")
        with pytest.raises(WireError), mapped(where, replace(file, name=name)):
            pass


def test_a_symbolic_link_is_not_followed(where, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(60))
    with Arena(where) as arena:
        file = arena.create(5, 3, "u8", "rgba")
        (where.runtime / file.name).unlink()
        (where.runtime / file.name).symlink_to(secret)
        with pytest.raises(CouldNotBeDone), mapped(where, file):
            pass


def test_a_file_of_another_size_is_refused(where):
    with Arena(where) as arena:
        file = arena.create(5, 3, "u8", "rgba")
        with pytest.raises(WireError, match="not what was announced"):
            arena.read(replace(file, height=4))


def test_a_runtime_folder_that_is_a_link_is_refused(where, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    where.runtime.parent.mkdir(parents=True)
    where.runtime.symlink_to(tmp_path / "elsewhere")
    with Arena(where) as arena, pytest.raises(CouldNotBeDone, match="is not a folder"):
        arena.create(5, 3, "u8", "rgba")


def test_sweep_takes_files_of_dead_processes_only(where):
    with Arena(where) as arena:
        file = arena.create(5, 3, "u8", "rgba")
        orphan = where.runtime / ("px-4194399-" + "0" * 32)
        orphan.write_bytes(b"x")
        other = where.runtime / "something else"
        other.write_bytes(b"x")
        assert sweep(where) == 1
        assert not orphan.exists()
        assert other.exists()
        assert arena.read(file) == bytes(60)


@given(
    st.integers(1, 3000),
    st.sampled_from([1, 2, 3, 4, 5, 8, 10, 16]),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["none", "all", "half", "soft"]),
)
def test_keep_unselected_against_numpy(pixels, size, seed, kind):
    random = np.random.default_rng(seed)
    native = random.integers(0, 256, (pixels, size), np.uint8)
    result = random.integers(0, 256, (pixels, size), np.uint8)
    mask = {
        "none": np.zeros(pixels, np.uint8),
        "all": np.full(pixels, 255, np.uint8),
        "half": (np.arange(pixels) > pixels // 2).astype(np.uint8),
        "soft": random.integers(0, 3, pixels).astype(np.uint8) * 100,
    }[kind]
    expected = np.where(mask[:, None] > 0, result, native)
    got = keep_unselected(native.tobytes(), result.tobytes(), mask.tobytes(), size)
    assert got == expected.tobytes()


def test_keep_unselected_crosses_its_own_blocks():
    random = np.random.default_rng(1)
    pixels = (1 << 16) * 2 + 77
    native = random.integers(0, 256, (pixels, 4), np.uint8)
    result = random.integers(0, 256, (pixels, 4), np.uint8)
    mask = np.zeros(pixels, np.uint8)
    mask[60_000:80_000] = 1
    got = keep_unselected(native.tobytes(), result.tobytes(), mask.tobytes(), 4)
    assert got == np.where(mask[:, None] > 0, result, native).tobytes()


def test_keep_unselected_refuses_other_sizes():
    with pytest.raises(CouldNotBeDone):
        keep_unselected(b"1234", b"1234", b"12", 4)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1), st.floats(0, 0.2))
def test_the_size_of_a_selection_against_numpy(width, height, seed, share):
    mask = (np.random.default_rng(seed).random((height, width)) < share).astype(np.uint8) * 200
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    expected = (int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1) if rows.size else (0, 0)
    assert selected_size(mask.tobytes(), width) == expected
