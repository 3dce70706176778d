"""Broken, hostile and unusual pictures through ``nss run``: one clear sentence, or a right result.

What is right is what Pillow, tifffile or the maker of the bytes says, never our own decoder.
"""

from __future__ import annotations

import contextlib
import io
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.cli import main as cli
from tests.conftest import Home
from tests.fakes.pictures import Case, cases

CASES = {case.name: case for case in cases()}
MEMORY_MB = 200


@pytest.fixture(scope="module")
def command(shared_home: Home) -> Iterator[Any]:
    """``nss`` in this process, with a worker that stays: the exit code and what it said."""
    kept, handlers = dict(os.environ), {n: signal.getsignal(n) for n in (2, 15)}
    os.environ.clear()
    os.environ |= shared_home.environment

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        out, said = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
            code = cli.main([str(one) for one in arguments])
        return code, out.getvalue(), said.getvalue()

    yield run
    os.environ.clear()
    os.environ |= kept
    for number, handler in handlers.items():
        signal.signal(number, handler)


def as_rgba(pixels: Any) -> Any:
    """Grey, grey with alpha, RGB or RGBA of any depth as RGBA."""
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    colours = pixels[..., : pixels.shape[2] - (pixels.shape[2] + 1) % 2]
    alpha = pixels[..., -1:] if pixels.shape[2] in (2, 4) else np.full_like(pixels[..., :1], top)
    return np.concatenate([np.broadcast_to(colours, (*pixels.shape[:2], 3)), alpha], axis=2)


def loaded(path: Path) -> Any:
    """A result as OpenCV reads it."""
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


def mask(folder: Path, pixels: Any) -> Path:
    """A selection of one pixel: all the others have to come back as they are."""
    selected = np.zeros(pixels.shape[:2], np.uint8)
    selected[-1, -1] = 255
    cv2.imwrite(str(folder / "mask.png"), selected)
    return folder / "mask.png"


@pytest.mark.parametrize("name", CASES)
def test_a_picture(command: Any, tmp_path: Path, name: str) -> None:
    case: Case = CASES[name]
    source = tmp_path / name
    source.write_bytes(case.data)
    floating = case.pixels is not None and case.pixels.dtype.kind == "f"
    out = tmp_path / f"out.{'tif' if floating else 'png'}"
    chosen = [] if case.pixels is None else ["--mask", mask(tmp_path, case.pixels)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    code, printed, said = command("run", "denoise", source, "-o", out, *chosen)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown < MEMORY_MB, f"the peak grew by {grown:.0f} MB"
    assert source.read_bytes() == case.data
    if case.pixels is None:
        assert code == 3, said
        [line] = said.splitlines()
        assert line.startswith("nss: ") and line.endswith("."), line
        assert name in line and case.says.lower() in line.lower(), line
        assert "Error" not in line and not printed and not out.exists()
        return
    assert code == 0, said
    expected, found = as_rgba(case.pixels), as_rgba(loaded(out))
    assert found.shape == expected.shape and found.dtype == expected.dtype
    rest = np.ones(expected.shape[:2], bool)
    rest[-1, -1] = False
    difference = np.abs(found[rest].astype(float) - expected[rest])
    assert difference.max(initial=0) <= case.tolerance
