"""What onnxruntime's settings are worth: those that NSS uses beside others, one at a time."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import cost_twins
import numpy as np
import onnxruntime as ort
import psutil
from report import Section, Table

from shared_core.engine import session as engine
from shared_core.engine.memory import usable_threads

# The name of a twin, and the side of what it is given.
NETWORKS = (("NAFNet, width 32", 256), ("GFPGAN 1.4", 512))
ROUNDS, RUNS = 3, 3
# Without warnings.
SILENT = 3
USUAL = "as NSS has it"


def _spinning(options: ort.SessionOptions) -> None:
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")


def _pattern(options: ort.SessionOptions) -> None:
    options.enable_mem_pattern = True


def _extended(options: ort.SessionOptions) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED


def _kept(options: ort.SessionOptions) -> None:
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL


def _alone(options: ort.SessionOptions) -> None:
    options.intra_op_num_threads = 1


WAYS: Mapping[str, Callable[[ort.SessionOptions], None]] = {
    USUAL: lambda options: None,
    "threads that wait spinning": _spinning,
    "memory pattern": _pattern,
    "no layout for this processor": _extended,
    "optimised graph kept beside the model": _kept,
    "one thread": _alone,
}


def measure(full: bool) -> list[Section]:
    """A table for each network, and one on batches of tiles."""
    with tempfile.TemporaryDirectory(prefix="nss-sessions-") as folder:
        tables = [_network(Path(folder) / str(at), *one) for at, one in enumerate(NETWORKS)]
        tables.append(_batches(Path(folder) / "0" / "model.onnx", NETWORKS[0][1]))
    return [
        Section(
            "Settings of a session",
            "Cost twins with random weights, each way in processes of its own, in turns. An "
            "optimised graph kept beside the model would have to be verified like the model and "
            "belongs to one processor and one version of onnxruntime, so that NSS, which keeps "
            "the session itself, does without. Spinning threads take the processor from the "
            "editor while they wait.",
            tables,
        )
    ]


def _network(folder: Path, name: str, side: int) -> Table:
    model = cost_twins.write(name, folder, side).path
    kept = folder / "optimised.onnx"
    options = engine._options(model, usable_threads())
    options.optimized_model_filepath = str(kept)
    options.log_severity_level = SILENT
    ort.InferenceSession(str(model), options, providers=[engine.CPU])
    seen: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            file = kept if WAYS[way] is _kept else model
            order = json.dumps([str(file), way, side])
            done = subprocess.run(
                [sys.executable, __file__, order], check=True, stdout=subprocess.PIPE, text=True
            )
            seen[way].append(json.loads(done.stdout))
    head = ("", "opening, s", "a run, s", "of the processor, s", "memory, MB")
    rows = []
    for way, figures in seen.items():
        load, run, cpu, memory = (
            statistics.median(one[key] for one in figures)
            for key in ("load", "run", "cpu", "memory")
        )
        rows.append((way, f"{load:.2f}", f"{run:.2f}", f"{cpu:.2f}", f"{memory / 1e6:.0f}"))
    size = model.stat().st_size / 1e6
    title = f"{name}, {size:.0f} MB, {side} by {side} pixels: medians of {ROUNDS} processes"
    note = f"Kept beside the model: {kept.stat().st_size / 1e6:.0f} MB more on the disk."
    return Table(title, head, rows, note)


def _batches(model: Path, side: int) -> Table:
    """Two and four tiles at once beside as many runs of one; NSS runs one at a time."""
    options = engine._options(model, usable_threads())
    native = ort.InferenceSession(str(model), options, providers=[engine.CPU])
    [given] = native.get_inputs()
    rows: list[Sequence[str]] = []
    if isinstance(given.shape[0], int):
        return Table("Tiles in batches", ("",), [("the model takes one tile at a time",)])
    one = np.random.default_rng(1).random((1, 3, side, side), np.float32)
    native.run(None, {given.name: one})
    for count in (2, 4):
        together, apart = [], []
        for _ in range(RUNS):
            began = time.perf_counter()
            for _ in range(count):
                native.run(None, {given.name: one})
            apart.append(time.perf_counter() - began)
            began = time.perf_counter()
            native.run(None, {given.name: np.repeat(one, count, 0)})
            together.append(time.perf_counter() - began)
        single, batch = statistics.median(apart), statistics.median(together)
        rows.append((f"{count} tiles", f"{single:.2f}", f"{batch:.2f}", f"{batch / single:.2f}"))
    return Table("Tiles in batches", ("", "one by one, s", "at once, s", "times"), rows)


def _measured(file: str, way: str, side: int) -> dict[str, float]:
    """Opening, runs and memory of one session in this process."""
    process = psutil.Process()
    before = process.memory_info().rss
    options = engine._options(Path(file), usable_threads())
    options.log_severity_level = SILENT
    WAYS[way](options)
    began = time.perf_counter()
    native = ort.InferenceSession(file, options, providers=[engine.CPU])
    load = time.perf_counter() - began
    chance = np.random.default_rng(1)
    feeds = {
        one.name: chance.random(
            [d if isinstance(d, int) else side if at > 1 else 1 for at, d in enumerate(one.shape)]
        ).astype(np.float32)
        for one in native.get_inputs()
    }
    native.run(None, feeds)
    taken, cpu = [], time.process_time()
    for _ in range(RUNS):
        began = time.perf_counter()
        native.run(None, feeds)
        taken.append(time.perf_counter() - began)
    return {
        "load": load,
        "run": statistics.median(taken),
        "cpu": (time.process_time() - cpu) / RUNS,
        "memory": float(process.memory_info().rss - before),
    }


if __name__ == "__main__":
    if __package__ in (None, ""):
        sys.path.insert(0, os.fspath(Path(__file__).resolve().parent.parent))
    sys.stdout.write(json.dumps(_measured(*json.loads(sys.argv[1]))))
