"""Noisy pictures with their first estimate, computed once for the compact denoiser's training.

    python -m training.prepare POOL.npy PAIRS.npy

``Shrinkage`` is fixed, and takes as long as a training step: so from each picture of the pool four
details are taken once, with their noise and their estimate. PAIRS.npy is uint8 (count, SIDE, SIDE,
9): estimate, noisy, clean; PAIRS.sigma.npy holds the noise's level (count, 2, 2) as a share of the
range.
"""

from __future__ import annotations

import argparse
import time
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from shared_core.algorithms import dct_denoise

from .degradations import eight_bits, noise_like, photographed
from .pictures import with_buildings
from .textures import Grain

Bytes = NDArray[np.uint8]

HALF = 256
_PER_JOB = 6
STRONGEST = 60
# A grey picture has the same noise in all three channels.
GREY = 0.06
# Share of the details with upright and level things.
BUILT = 0.6


def sigma_file(pairs: Path) -> Path:
    """Where the noise levels of a file of pairs are."""
    return pairs.with_suffix(".sigma.npy")


def estimated(noisy: NDArray[np.float32], level: float) -> NDArray[np.float32]:
    """What ``Shrinkage`` gives for (h, w, 3), by the faster way of the classical path."""
    return dct_denoise._colours(dct_denoise._filtered(dct_denoise._planes(noisy), level))


# Made once in each process.
_GRAIN: list[Grain] = []


def _begin(grain: Grain) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    _GRAIN.append(grain)


def _detail(picture: Bytes, rng: np.random.Generator) -> NDArray[np.float32]:
    """A part of a picture, (HALF, HALF, 3) in levels of 255, with texture, as photographed.

    Half of the parts are shrunk, which makes what is drawn finer.
    """
    side = HALF if rng.random() < 0.5 else int(rng.integers(HALF, len(picture) + 1))
    top, left = rng.integers(0, len(picture) - side + 1, 2)
    part = np.ascontiguousarray(picture[top : top + side, left : left + side])
    if rng.random() < BUILT:
        part = with_buildings(rng, part)
    seen = _GRAIN[0].over(part, rng)
    small = cv2.resize(seen, (HALF, HALF), interpolation=cv2.INTER_AREA)
    return photographed(np.asarray(small, np.float32), rng)


def _job(told: tuple[Path, int, int, int]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    path, first, count, seed = told
    pool = np.load(path, mmap_mode="r")[first : first + count]
    made = np.empty((*pool.shape[:3], 9), np.uint8)
    sigmas = np.empty((count, 2, 2), np.float32)
    for index, picture in enumerate(pool):
        rng = np.random.default_rng((seed, first + index))
        for down in (0, 1):
            for right in (0, 1):
                rows = slice(down * HALF, (down + 1) * HALF)
                columns = slice(right * HALF, (right + 1) * HALF)
                sigma = max(1.0, rng.uniform() ** 1.2 * STRONGEST) / 255
                seen = _detail(picture, rng)
                grey = rng.random() < GREY
                if grey:
                    seen = np.rint(np.repeat(seen.mean(2, keepdims=True), 3, axis=2))
                clean = torch.from_numpy(seen.transpose(2, 0, 1)[None] / 255)
                level = torch.full((1, 1, 1, 1), sigma)
                noise = noise_like(clean, level, rng)
                if grey:
                    noise = noise[:, 1:2]
                noisy = eight_bits(clean + noise)
                noisy = np.ascontiguousarray(noisy[0].numpy().transpose(1, 2, 0))
                part = made[index, rows, columns]
                estimate = np.clip(np.rint(255 * estimated(noisy, sigma)), 0, 255)
                part[..., :3] = estimate
                part[..., 3:6] = np.rint(255 * noisy)
                part[..., 6:] = seen
                sigmas[index, down, right] = sigma
    return made, sigmas


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("pool", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    told = parser.parse_args()
    shape = np.load(told.pool, mmap_mode="r").shape
    pairs = np.lib.format.open_memmap(told.pairs, "w+", np.uint8, (*shape[:3], 9))
    sigmas = np.zeros((shape[0], 2, 2), np.float32)
    jobs = [
        (told.pool, first, min(_PER_JOB, shape[0] - first), told.seed)
        for first in range(0, shape[0], _PER_JOB)
    ]
    start = time.perf_counter()
    with get_context("spawn").Pool(told.processes, _begin, (Grain(told.seed),)) as workers:
        for (_, first, count, _), (made, levels) in zip(
            jobs, workers.imap(_job, jobs), strict=True
        ):
            pairs[first : first + count], sigmas[first : first + count] = made, levels
            np.save(sigma_file(told.pairs), sigmas)
            print(f"{first + count} pictures, {time.perf_counter() - start:.0f} s", flush=True)
    pairs.flush()


if __name__ == "__main__":
    main()
