"""Scores of trained weights on the photographs of ``evaluation``, as a table.

    python -m training.evaluate denoise RUN/step-*.pt --images FOLDER

Each file is one row: the checkpoints of a run give the scores over the budget. The networks run
bare, on whole pictures; ``benchmarks/compact.py`` measures them inside the product.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from torch import nn

from shared_core.algorithms import blur, deconvolution

from . import evaluation
from .evaluation import Case
from .networks import mean_weights
from .recipes import RECIPES, Recipe

MULTIPLE = 16


def cases(model: str, folder: Path) -> Iterator[Case]:
    """What a model is judged by."""
    if model == "denoise":
        return evaluation.noisy_cases(folder)
    if model == "upscale":
        return evaluation.small_cases(folder)
    return evaluation.blurred_cases(folder)


def restored(network: nn.Module, recipe: Recipe, case: Case) -> evaluation.Bytes:
    """The network's result, 8 bits (h, w, 3)."""
    height, width = case.given.shape[:2]
    padding = (0, -height % MULTIPLE), (0, -width % MULTIPLE), (0, 0)
    padded = np.pad(case.given, padding, "symmetric").transpose(2, 0, 1)[None]
    given = torch.from_numpy(np.ascontiguousarray(padded)).float() / 255
    if recipe.channels > 3:
        given = torch.cat([given, torch.full_like(given[:, :1], case.sigma / 255)], 1)
    if recipe.channels > 4:
        rgb = padded[0].transpose(1, 2, 0).astype(np.float32) / 255
        seen = blur.estimate_blur(case.given.astype(np.float32) / 255)
        if seen.confidence < blur.TRUSTED:
            seen = blur.Blur("none")
        estimate = deconvolution.estimate(rgb, seen, case.sigma).transpose(2, 0, 1)[None]
        given = torch.cat([given, torch.from_numpy(np.ascontiguousarray(estimate))], 1)
    with torch.no_grad():
        made = network(given)[0].numpy().transpose(1, 2, 0)
    made = made[: recipe.scale * height, : recipe.scale * width]
    return np.clip(np.rint(made * 255), 0, 255).astype(np.uint8)


def scores(network: nn.Module, recipe: Recipe, folder: Path) -> dict[str, dict[str, float]]:
    """PSNR by fault and photograph; by "input" beside the fault's name that of the input."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for case in cases(recipe.name, folder):
        made = restored(network, recipe, case)
        found[case.fault][case.photograph] = evaluation.psnr(case.wanted, made)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("weights", type=Path, nargs="+", help="step-*.pt files")
    parser.add_argument("--mean", action="store_true", help="of all files' weights, as one row")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=2)
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    recipe = RECIPES[told.model]
    trained = recipe.build()
    network = recipe.whole(trained)
    shown = False
    rows = [told.weights] if told.mean else [[path] for path in sorted(told.weights, key=_step)]
    for paths in rows:
        saved = [torch.load(path, weights_only=True) for path in paths]
        trained.load_state_dict(mean_weights(paths))
        found = scores(network, recipe, told.images)
        if not shown:
            print("steps\tseconds\t" + "\t".join(found) + "\tfour\tall", flush=True)
            shown = True
        means = [mean(by.values()) for by in found.values()]
        four = mean(mean(list(by.values())[:4]) for by in found.values())
        cells = [f"{value:.2f}" for value in (*means, four, mean(means))]
        steps = sum(one["step"] for one in saved)
        seconds = sum(one["seconds"] for one in saved)
        print(f"{steps}\t{seconds:.0f}\t" + "\t".join(cells), flush=True)
    for fault, by in found.items():
        print(fault, ", ".join(f"{name} {value:.2f}" for name, value in by.items()))


def _step(path: Path) -> int:
    return int(re.findall(r"\d+", path.stem)[-1])


if __name__ == "__main__":
    main()
