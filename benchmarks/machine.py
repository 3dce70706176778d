"""Which machine measured, in general words, and how busy it was with other things."""

from __future__ import annotations

import importlib.metadata
import os
import platform

import psutil

from shared_core.device.processor import read_cpu
from shared_core.engine.memory import usable_threads


def load() -> str:
    """The load averages of the last 1, 5 and 15 minutes."""
    return "load average " + " ".join(f"{value:.1f}" for value in os.getloadavg())


def described() -> str:
    """Processor, memory, system and the libraries that matter here."""
    cpu = read_cpu()
    memory = psutil.virtual_memory().total / 2**30
    sets = ", ".join(cpu.instruction_sets)
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("onnxruntime", "numpy", "opencv-python-headless", "scikit-image")
    )
    return (
        f"{cpu.cores_usable} processor cores ({platform.machine()}{'; ' + sets if sets else ''}), "
        f"{memory:.0f} GiB of memory, no graphics card used, {platform.system()}, "
        f"Python {platform.python_version()}, {versions}; {usable_threads()} threads"
    )
