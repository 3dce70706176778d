"""Spoilt pictures with their first estimate, computed once for the training of a compact model.

    python -m training.prepare denoise POOL.npy PAIRS.npy

Estimates take as long as a training step: so from each picture of the pool four details are taken
once, spoilt and estimated. PAIRS.npy is uint8 (count, SIDE, SIDE, planes), as the model's ``Kind``
says; PAIRS.sigma.npy holds the noise's level (count, 2, 2) as a share of the range.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared_core.algorithms import blur, dct_denoise, deconvolution

from .degradations import as_jpeg, eight_bits, noise_like, photographed
from .pictures import with_buildings
from .textures import Grain

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

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


@dataclass(frozen=True)
class Kind:
    """What the pairs of one model hold.

    ``spoilt`` makes the planes of a detail (HALF, HALF, 3), in levels of 255, the clean ones last,
    and the noise's level. ``read`` makes of patches (N, side, side, planes) and their levels
    (N, 1, 1, 1) what goes into the network and what should come out. ``alike``: all colours may be
    exchanged, in each three planes in the same way.
    """

    planes: int
    spoilt: Callable[[Floats, np.random.Generator], tuple[Floats, float]]
    read: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
    alike: bool


def noisy(seen: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    """Estimate, noisy and clean picture."""
    sigma = max(1.0, rng.uniform() ** 1.2 * STRONGEST) / 255
    grey = rng.random() < GREY
    if grey:
        seen = np.rint(np.repeat(seen.mean(2, keepdims=True), 3, axis=2))
    clean = torch.from_numpy(seen.transpose(2, 0, 1)[None] / 255)
    noise = noise_like(clean, torch.full((1, 1, 1, 1), sigma), rng)
    if grey:
        noise = noise[:, 1:2]
    given = eight_bits(clean + noise)
    given = np.ascontiguousarray(given[0].numpy().transpose(1, 2, 0))
    return np.dstack([255 * estimated(given, sigma), 255 * given, seen]), sigma


def _read_noisy(patches: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    plane = levels.expand(-1, 1, *patches.shape[1:3])
    pictures = patches.permute(0, 3, 1, 2)
    return torch.cat([pictures[:, :6], plane], 1), pictures[:, 6:]


def blurred(seen: Floats, rng: np.random.Generator) -> tuple[Floats, float]:
    """Deconvolved picture, three bold lumas at half their contrast, blurred and clean picture.

    The deconvolution is told a blur as wrong as measured ones are; one in ten stays sharp, and is
    told that, and of the small discs two in five are taken for Gaussians, as they are by the
    classical path.
    """
    true, told = _blurs(rng)
    sigma = float(rng.uniform(0.3, 4) if rng.random() < 0.85 else rng.uniform(3, 15))
    soft = cv2.filter2D(seen, -1, blur.kernel(true), borderType=cv2.BORDER_REFLECT_101)
    noise = sigma * rng.standard_normal(soft.shape)
    given = np.clip(np.rint(soft + noise), 0, 255).astype(np.float32)
    if rng.random() < 0.08:
        given = as_jpeg(given, int(rng.integers(88, 99)))
    heard = sigma * float(rng.uniform(0.9, 1.1))
    estimate = deconvolution.estimate(given / 255, told, heard)
    bold = estimate[..., 3:] * 0.5 + 0.25
    return np.dstack([255 * estimate[..., :3], 255 * bold, given, seen]), heard / 255


def _blurs(rng: np.random.Generator) -> tuple[blur.Blur, blur.Blur]:
    """A blur, and what is measured of it."""
    kind = rng.random()
    if kind < 0.1:
        return (blur.Blur("none"),) * 2
    if kind < 0.4:
        true = blur.Blur("soft", radius=float(rng.uniform(0.7, 3.2)), spread=0.08)
    elif kind < 0.65:
        radius = float(rng.uniform(0.65, 2.5))
        true = blur.Blur("soft", radius=radius, spread=0.04, disc=True)
    else:
        length, angle = rng.uniform(3, 15), rng.uniform(0, 180)
        true = blur.Blur("motion", length=float(length), angle=float(angle), spread=0.04)
    if true.disc and true.radius < 1.6 and rng.random() < 0.4:
        wider = true.radius * float(rng.uniform(1.1, 1.35))
        return true, replace(true, radius=wider, spread=0.08, disc=False)
    # A Gaussian shows no zeros to be measured by.
    doubt = 0.13 if true.kind == "soft" and not true.disc else 0.05
    wrong = 1 + float(np.clip(rng.normal(0, doubt), -0.3, 0.45))
    turned = true.angle + float(rng.normal(0, 1.2))
    return true, replace(true, radius=true.radius * wrong, length=true.length * wrong, angle=turned)


def _read_blurred(patches: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    pictures = patches.permute(0, 3, 1, 2)
    sharp, bold = pictures[:, :3], 2 * pictures[:, 3:6] - 0.5
    given, clean = pictures[:, 6:9], pictures[:, 9:]
    plane = levels.expand(-1, 1, *patches.shape[1:3])
    return torch.cat([given, plane, sharp, bold], 1), clean


KINDS = {
    "denoise": Kind(9, noisy, _read_noisy, alike=True),
    "deblur": Kind(12, blurred, _read_blurred, alike=False),
}


def _job(told: tuple[str, Path, int, int, int]) -> tuple[Bytes, Floats]:
    model, path, first, count, seed = told
    kind = KINDS[model]
    pool = np.load(path, mmap_mode="r")[first : first + count]
    made = np.empty((*pool.shape[:3], kind.planes), np.uint8)
    levels = np.empty((count, 2, 2), np.float32)
    for index, picture in enumerate(pool):
        rng = np.random.default_rng((seed, first + index))
        for down in (0, 1):
            for right in (0, 1):
                rows = slice(down * HALF, (down + 1) * HALF)
                columns = slice(right * HALF, (right + 1) * HALF)
                planes, level = kind.spoilt(_detail(picture, rng), rng)
                made[index, rows, columns] = np.clip(np.rint(planes), 0, 255)
                levels[index, down, right] = level
    return made, levels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", choices=KINDS)
    parser.add_argument("pool", type=Path)
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    told = parser.parse_args()
    shape = np.load(told.pool, mmap_mode="r").shape
    pairs = np.lib.format.open_memmap(
        told.pairs, "w+", np.uint8, (*shape[:3], KINDS[told.model].planes)
    )
    sigmas = np.zeros((shape[0], 2, 2), np.float32)
    jobs = [
        (told.model, told.pool, first, min(_PER_JOB, shape[0] - first), told.seed)
        for first in range(0, shape[0], _PER_JOB)
    ]
    start = time.perf_counter()
    with get_context("spawn").Pool(told.processes, _begin, (Grain(told.seed),)) as workers:
        for (_, _, first, count, _), (made, levels) in zip(
            jobs, workers.imap(_job, jobs), strict=True
        ):
            pairs[first : first + count], sigmas[first : first + count] = made, levels
            np.save(sigma_file(told.pairs), sigmas)
            print(f"{first + count} pictures, {time.perf_counter() - start:.0f} s", flush=True)
    pairs.flush()


if __name__ == "__main__":
    main()
