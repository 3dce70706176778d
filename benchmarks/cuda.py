"""The same on a graphics card: ``python benchmarks/cuda.py`` on a machine with CUDA.

It needs an environment with ``pip install -e .[cuda,demo,test]`` in place of plain onnxruntime, and
prints one page: the machine, the card, and for cost twins of the catalogue's networks what a run
takes on the processor and on the card, in single and half precision, with the tensors kept on the
card, and what of its memory is used; then what transfers take. It says so where there is no card.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cost_twins
import machine
import numpy as np
import onnxruntime as ort
from report import Section, Table

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shared_core.device.libraries import preload

CUDA, DEVICE = "CUDAExecutionProvider", "cuda"
CPU = "CPUExecutionProvider"
NETWORKS = ("NAFNet, width 32", "SCUNet", "Real-ESRGAN x4plus", "GFPGAN 1.4", "IS-Net")
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(int64)": np.int64}
SIDES = (256, 512, 1024)
REPEATS = 10


def card() -> str:
    """The card's name, its memory and its driver, as its own tool says."""
    query = "--query-gpu=name,memory.total,driver_version"
    try:
        done = subprocess.run(
            ["nvidia-smi", query, "--format=csv,noheader"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip().replace("\n", "; ")


def used_mb() -> float:
    """Megabytes of the first card that are in use."""
    command = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits", "-i", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout)


def seconds(run: Callable[[], Any]) -> float:
    """The median of several runs, after one to warm up."""
    run()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def session(file: Path, provider: str) -> ort.InferenceSession:
    """A session that runs on ``provider`` alone, or an error."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    made = ort.InferenceSession(str(file), options, providers=[provider])
    if made.get_providers()[0] != provider:
        raise RuntimeError(f"{provider} was asked for and {made.get_providers()} came")
    return made


def networks(names: Sequence[str] = NETWORKS) -> Table:
    """Cost twins of the catalogue's networks, each in single and in half precision."""
    rows = []
    for name in names:
        for half in (False, True):
            cost_twins.TWINS["measured"] = replace(cost_twins.TWINS[name], half=half)
            with tempfile.TemporaryDirectory(prefix="nss-cuda-") as folder:
                twin = cost_twins.write("measured", Path(folder))
                rows.append((f"{name}, {'half' if half else 'single'}", *_network(twin)))
    head = ("", "processor, ms", "card, ms", "kept on the card, ms", "times as fast", "card's MB")
    return Table("Networks: medians of a run at the card's size", head, rows)


def _network(twin: cost_twins.Written) -> tuple[str, ...]:
    before = used_mb()
    on_cpu, on_card = session(twin.path, CPU), session(twin.path, CUDA)
    chance = np.random.default_rng(1)
    # What is free of a picture's shape is its height and width.
    feeds = {
        one.name: chance.random(
            [
                d if isinstance(d, int) else twin.side if at > 1 else 1
                for at, d in enumerate(one.shape)
            ]
        ).astype(TYPES[one.type])
        for one in on_card.get_inputs()
    }
    binding = on_card.io_binding()
    for name, feed in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(feed, DEVICE, 0))
    for output in on_card.get_outputs():
        binding.bind_output(output.name, DEVICE)
    slow = seconds(lambda: on_cpu.run(None, feeds))
    plain = seconds(lambda: on_card.run(None, feeds))
    bound = seconds(lambda: on_card.run_with_iobinding(binding))
    times = (f"{1000 * taken:.1f}" for taken in (slow, plain, bound))
    return (*times, f"{slow / plain:.1f}", f"{used_mb() - before:.0f}")


def transfers() -> Table:
    """A tile to the card and back."""
    rows = []
    for side in SIDES:
        tile = np.zeros((1, 3, side, side), np.float32)
        there = seconds(lambda: ort.OrtValue.ortvalue_from_numpy(tile, DEVICE, 0))  # noqa: B023
        value = ort.OrtValue.ortvalue_from_numpy(tile, DEVICE, 0)
        back = seconds(value.numpy)
        rows.append(
            (
                f"{side} by {side}, {tile.nbytes / 1e6:.1f} MB",
                f"{1000 * there:.2f}",
                f"{1000 * back:.2f}",
                f"{tile.nbytes / there / 1e9:.1f}",
                f"{tile.nbytes / back / 1e9:.1f}",
            )
        )
    head = ("tile", "there, ms", "back, ms", "there, GB/s", "back, GB/s")
    return Table("Transfers", head, rows)


def main() -> int:
    """Print the page; 1 where there is no card."""
    preload(CUDA)
    found = card()
    print(f"Machine: {machine.described()}\n\nCard: {found or 'none that nvidia-smi names'}\n")
    if not found or CUDA not in ort.get_available_providers():
        offered = ", ".join(ort.get_available_providers())
        print(f"Not measured: onnxruntime {ort.__version__} offers {offered}.")
        return 1
    section = Section("On a graphics card", f"{found}.", [networks(), transfers()])
    print(section.markdown())
    return 0


if __name__ == "__main__":
    sys.exit(main())
