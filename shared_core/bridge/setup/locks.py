"""Which packages the worker's environment consists of: pinned, with their hashes and sizes.

The files in `requirements/` are made by `packaging/lock.py`: one for what every environment has,
one for each flavour of onnxruntime, of which an environment has exactly one.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOCKS = Path(__file__).parent / "requirements"
BASE, CPU = "base", "cpu"


@dataclass(frozen=True)
class Flavour:
    """An onnxruntime for some hardware: the name of its lock, its title, the provider it brings."""

    id: str
    title: str
    provider: str


FLAVOURS = (
    Flavour(CPU, "processor", "CPUExecutionProvider"),
    Flavour("cuda", "NVIDIA CUDA", "CUDAExecutionProvider"),
    Flavour("directml", "DirectML", "DmlExecutionProvider"),
    Flavour("openvino", "Intel OpenVINO", "OpenVINOExecutionProvider"),
    Flavour("rocm", "AMD ROCm", "MIGraphXExecutionProvider"),
)


def flavour(name: str) -> Flavour:
    """The flavour of that id; ``ValueError`` where there is none."""
    for known in FLAVOURS:
        if known.id == name:
            return known
    raise ValueError(f"There is no flavour {name!r}.")


def files(name: str, folder: Path = LOCKS) -> tuple[Path, Path]:
    """The requirements files that an environment of a flavour is made of."""
    return folder / f"{BASE}.txt", folder / f"{name}.txt"


def digest(name: str, folder: Path = LOCKS) -> str:
    """A name for exactly these requirements."""
    whole = hashlib.sha256()
    for file in files(name, folder):
        whole.update(file.read_bytes())
    return whole.hexdigest()[:16]


def download_bytes(
    name: str, platform: str, version: tuple[int, int], folder: Path = LOCKS
) -> int | None:
    """What such an environment takes to download; None where a package has no wheel for it.

    ``platform`` is linux, win or macosx with the processor: linux-x86_64, macosx-arm64.
    """
    table: dict[str, Any] = json.loads((folder / "sizes.json").read_text("utf-8"))
    python = f"{version[0]}.{version[1]}"
    parts = [table.get(part, {}).get(platform, {}).get(python) for part in (BASE, name)]
    return None if None in parts else sum(parts)
