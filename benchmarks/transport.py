"""How long a 24-megapixel layer takes from an editor to the worker's process and back."""

from __future__ import annotations

import contextlib
import mmap
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from pictures import SIZES
from report import Aim, Section, Table

from shared_core.bridge import wire
from shared_core.bridge.arena import Arena, mapped
from shared_core.bridge.paths import Paths

REPEATS = 5
MEGAPIXELS = 24
MAPPED_AIM, FIRST_AIM = 0.06, 0.2
STEPS = ("create both files", "write", "worker: copy source to result", "read", "all")


def measure(full: bool) -> list[Section]:
    """The section's table, for a folder in memory (if there is one) and one on disk."""
    width, height = SIZES[MEGAPIXELS]
    data = np.random.default_rng(0).integers(0, 256, width * height * 4, np.uint8).tobytes()
    copy = _copy(data)
    aims: list[Aim] = []
    rows: list[tuple[str, ...]] = [("memory copy of the same size", "", "", "", "", _ms(copy))]
    for name, folder in _folders():
        trips = _round_trips(folder, data, width, height)
        # The runtime folder lies in memory where there is such a folder.
        aims = aims or _aims(name, trips, copy)
        for way, times in trips.items():
            cells = [_ms(times[step]) if step in times else "" for step in STEPS]
            rows.append((f"{name}, {way}", *cells))
    table = Table(
        f"Milliseconds, medians of {REPEATS}",
        ("", *STEPS),
        rows,
        "First time: files just made, so that every page is touched for the first time, as in "
        "every run of a tool. Again: the same files, opened and mapped anew. Kept mapped: all "
        "maps stay open on both sides and the picture is copied into a buffer that exists. The "
        "read of the other rows makes a new bytes object. The copy is into a buffer that exists.",
    )
    section = Section(
        "Host pixel round trip",
        f"A layer of {width} × {height} RGBA, 8 bits ({len(data) / 1e6:.0f} MB), through the pixel "
        "files of the bridge, with another process in the worker's place.",
        [table],
        aims,
    )
    return [section]


def _aims(name: str, trips: dict[str, dict[str, list[float]]], copy: list[float]) -> list[Aim]:
    """What an editor and the worker do beside the editor's own reading and writing."""
    made = []
    for way, aim in (("kept mapped", MAPPED_AIM), ("first time", FIRST_AIM)):
        seconds = statistics.median(trips[way]["all"])
        made.append(
            Aim(
                f"to the worker and back, {name}, {way}",
                f"under {1000 * aim:.0f} ms",
                f"{1000 * seconds:.0f} ms",
                seconds < aim,
                f"It is three copies of the picture and one is {_ms(copy)} ms here; what is "
                "touched for the first time the kernel has to find and clear as well, page by "
                "page: both files and the bytes that are read. Mapping all pages at once was "
                "tried and took as long; writing without a map, which is done, takes half.",
            )
        )
    return made


def _ms(seconds: list[float]) -> str:
    return f"{1000 * statistics.median(seconds):.1f}"


def _timed(function: Callable[..., Any], *arguments: Any) -> float:
    began = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - began


def _fill(target: Any, data: Any) -> None:
    # A bytearray's own slice assignment would make a copy of the data first.
    with memoryview(target) as view:
        view[:] = data


def _copy(data: bytes) -> list[float]:
    target = bytearray(len(data))
    target[:] = data
    return [_timed(_fill, target, data) for _ in range(REPEATS)]


@contextlib.contextmanager
def _folder(parent: Path) -> Iterator[Paths]:
    with tempfile.TemporaryDirectory(prefix="nss-bench-", dir=parent) as name:
        root = Path(name)
        yield Paths(root / "config", root / "data", root / "cache", root / "run")


def _folders() -> list[tuple[str, Path]]:
    found = [("disk", Path(tempfile.gettempdir()))]
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK):
        found.insert(0, ("tmpfs", memory))
    return found


def _round_trips(
    parent: Path, data: bytes, width: int, height: int
) -> dict[str, dict[str, list[float]]]:
    first: dict[str, list[float]] = {step: [] for step in STEPS}
    again: dict[str, list[float]] = {step: [] for step in STEPS if step != STEPS[0]}
    kept: dict[str, list[float]] = {step: [] for step in again}
    ours, theirs = get_context("spawn").Pipe()
    worker = get_context("spawn").Process(target=_work, args=(theirs,), daemon=True)
    worker.start()
    with _folder(parent) as paths:
        for _ in range(REPEATS):
            with Arena(paths) as arena:
                began = time.perf_counter()
                files = [arena.create(width, height, "u8", "rgba") for _ in range(2)]
                first[STEPS[0]].append(time.perf_counter() - began)
                for times in (first, again):
                    times["write"].append(_timed(lambda: arena.write(files[0], data)))  # noqa: B023
                    ours.send((paths, files, False))
                    times[STEPS[2]].append(ours.recv())
                    times["read"].append(_timed(lambda: arena.read(files[1])))  # noqa: B023
                _kept(paths, files, data, ours, kept)
    ours.send(None)
    worker.join()
    for times in (first, again, kept):
        parts = [times[step] for step in STEPS if step in times and step != "all"]
        times["all"] = [sum(step) for step in zip(*parts, strict=True)]
    return {"first time": first, "again": again, "kept mapped": kept}


def _kept(
    paths: Paths,
    files: list[wire.PixelFile],
    data: bytes,
    worker: Connection,
    times: dict[str, list[float]],
) -> None:
    back = bytearray(len(data))
    with mapped(paths, files[0], write=True) as source, mapped(paths, files[1]) as result:
        for measured in (False, True):
            write = _timed(_fill, source, data)
            worker.send((paths, files, True))
            copy = worker.recv()
            with memoryview(result) as view:
                read = _timed(_fill, back, view)
            if measured:
                for step, seconds in zip(STEPS[1:], (write, copy, read), strict=False):
                    times[step].append(seconds)
    worker.send((paths, [], True))
    worker.recv()
    if back != data:
        raise RuntimeError("what came back is not what was sent")


def _work(line: Connection) -> None:
    """The other process: copies source to result, as the least that a tool would do."""
    with contextlib.ExitStack() as maps:
        held: list[mmap.mmap] = []
        while (request := line.recv()) is not None:
            paths, files, keep = request
            if not keep:
                line.send(_timed(lambda: _copy_once(paths, files)))  # noqa: B023
            elif not files:
                held.clear()
                maps.close()
                line.send(0.0)
            else:
                if not held:
                    held = [
                        maps.enter_context(mapped(paths, file, write))
                        for file, write in zip(files, (False, True), strict=True)
                    ]
                line.send(_timed(_copy_map, *held))


def _copy_once(paths: Paths, files: list[wire.PixelFile]) -> None:
    with mapped(paths, files[0]) as source, mapped(paths, files[1], write=True) as result:
        _copy_map(source, result)


def _copy_map(source: mmap.mmap, result: mmap.mmap) -> None:
    with memoryview(source) as view:
        result[:] = view
