"""Train one compact model on generated pictures; called again, it continues where it was.

    python -m training.train denoise --pool POOL.npy --out FOLDER

The seed decides everything: the weights at the start, the crops and the degradations. ``FOLDER``
gets ``state.pt`` (to continue from), the averaged weights at eighths of the way, and ``log.tsv``,
the table that is printed too: PSNR on pictures of the pool that are not trained on.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .prepare import HALF, KINDS, sigma_file
from .recipes import RECIPES, Recipe

HELD_OUT = 24
WARM_UP = 200
LAST_RATE = 1e-5
AVERAGING = 0.999
_STEPS_PER_LINE = 250
_SECONDS_PER_SAVE = 90.0
_MARKS = 8


@dataclass
class Run:
    """A training under way; ``half``: convolutions in bfloat16, the weights stay float32."""

    recipe: Recipe
    steps: int
    seed: int
    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer
    half: bool = False
    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    log: list[str] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "steps": self.steps,
            "seed": self.seed,
            "seconds": self.seconds,
            "loss": self.loss,
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step, self.seconds, self.loss = state["step"], state["seconds"], state["loss"]
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def begin(recipe: Recipe, steps: int, seed: int, start: Path | None) -> Run:
    """A run at its first step."""
    torch.manual_seed(seed)
    network, average = recipe.build(), recipe.build()
    if start is not None:
        _take_over(network, torch.load(start, weights_only=True)["average"])
    network = network.to(memory_format=torch.channels_last)
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(
        network.parameters(), lr=recipe.rate, betas=(0.9, 0.99), fused=True
    )
    return Run(recipe, steps, seed, network, average, optimizer)


def _take_over(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Begin with another network's weights; of a layer of another size, what both have."""
    for name, values in network.state_dict().items():
        given = weights.get(name, weights.get(f"restorer.{name}"))
        if given is not None and given.dim() == values.dim():
            shared = tuple(map(slice, map(min, zip(given.shape, values.shape, strict=True))))
            values[shared].copy_(given[shared])


def rate(run: Run) -> float:
    """The learning rate of the run's step: a warm-up, then a cosine down to almost nothing."""
    done = min(1.0, run.step / run.steps)
    falling = LAST_RATE + (run.recipe.rate - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done))
    return falling * min(1.0, (run.step + 1) / WARM_UP)


class Pool:
    """Pictures of several files, of which the last ``HELD_OUT`` are not trained on."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files: list[NDArray[np.uint8]] = [np.load(path, mmap_mode="r") for path in paths]
        self._ends = np.cumsum([len(file) for file in self._files])
        self.seen = int(self._ends[-1]) - HELD_OUT

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        file = int(np.searchsorted(self._ends, index, side="right"))
        return self._files[file][index - int(self._ends[file])]


class Pictures:
    """Clean pictures, of a pool or those of pairs, spoilt as they are drawn."""

    def __init__(self, paths: Sequence[Path], recipe: Recipe) -> None:
        self._pool = Pool(paths)
        self._recipe = recipe

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What goes in and what should come out."""
        assert self._recipe.degrade is not None
        clean = crops(self._pool, self._recipe, rng, self._recipe.batch)
        return self._recipe.degrade(clean, rng)

    def held_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The same of what is not trained on, always with the same degradations."""
        assert self._recipe.degrade is not None
        rng = np.random.default_rng(7)
        for index in range(self._pool.seen, self._pool.seen + HELD_OUT):
            picture = self._pool[index][None, 64:272, 64:272, -3:]
            clean = torch.from_numpy(picture.transpose(0, 3, 1, 2).copy())
            given, wanted = self._recipe.degrade(clean.float() / 255, rng)
            side = given.shape[-1] // 4 * 4
            yield given[..., :side, :side], wanted


class Pairs:
    """Pictures spoilt before, with their estimates (``prepare``)."""

    def __init__(self, paths: Sequence[Path], recipe: Recipe) -> None:
        self._pairs = Pool(paths)
        self._sigmas = np.concatenate([np.load(sigma_file(path)) for path in paths])
        self._recipe, self._kind = recipe, KINDS[recipe.name]

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What goes in and what should come out."""
        side = self._recipe.patch
        patches, levels = [], []
        for _ in range(self._recipe.batch):
            index, down, right = int(rng.integers(self._pairs.seen)), *rng.integers(0, 2, 2)
            above, beside = rng.integers(0, HALF - side + 1, 2)
            top, left = above + down * HALF, beside + right * HALF
            patch = self._pairs[index][top : top + side, left : left + side]
            patch = np.rot90(patch[::-1] if rng.random() < 0.5 else patch, rng.integers(4))
            if self._kind.alike:
                threes = patch.reshape(side, side, -1, 3)[..., rng.permutation(3)]
                patch = threes.reshape(side, side, -1)
            patches.append(patch)
            levels.append(self._sigmas[index, down, right])
        return self._read(patches, levels)

    def held_out(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The same of what is not trained on."""
        for index in range(self._pairs.seen, self._pairs.seen + HELD_OUT):
            patch = self._pairs[index][32:224, 32:224]
            yield self._read([patch], [self._sigmas[index, 0, 0]])

    def _read(
        self, patches: Sequence[NDArray[np.uint8]], levels: Sequence[float]
    ) -> tuple[Tensor, Tensor]:
        stacked = torch.from_numpy(np.stack(patches)).float() / 255
        return self._kind.read(stacked, torch.tensor(np.array(levels))[:, None, None, None])


def crops(pool: Pool, recipe: Recipe, rng: np.random.Generator, count: int) -> Tensor:
    """Clean patches (count, 3, patch, patch) in 0..1, mirrored, turned, recoloured, some shrunk."""
    side = recipe.patch
    made = np.empty((count, side, side, 3), np.float32)
    for index in range(count):
        picture = pool[int(rng.integers(pool.seen))]
        shrunk = rng.random() < 0.15 and 2 * side <= picture.shape[0]
        wide = 2 * side if shrunk else side
        top, left = rng.integers(0, picture.shape[0] - wide + 1, 2)
        patch = picture[top : top + wide, left : left + wide, -3:].astype(np.float32)
        if shrunk:
            patch = patch.reshape(side, 2, side, 2, 3).mean((1, 3))
        if rng.random() < 0.5:
            patch = patch[::-1]
        patch = np.rot90(patch, rng.integers(4))[..., rng.permutation(3)]
        if rng.random() < 0.3:
            patch = patch * rng.uniform(0.5, 1.1) + rng.uniform(0, 30)
        made[index] = patch
    return torch.from_numpy(np.clip(made, 0, 255).transpose(0, 3, 1, 2).copy()) / 255


def train(run: Run, examples: Pictures | Pairs, folder: Path) -> None:
    """Train to the end, saving on the way."""
    print("step\tseconds\trate\tloss\tPSNR of generated pictures", flush=True)
    begun = time.process_time() - run.seconds
    saved = time.monotonic()
    while run.step < run.steps:
        # A generator for each step, so that a run continued is the run not interrupted.
        rng = np.random.default_rng((run.seed, run.step))
        for group in run.optimizer.param_groups:
            group["lr"] = rate(run)
        loss = _step(run, *examples.batch(rng))
        run.loss = loss if run.loss == 0 else 0.99 * run.loss + 0.01 * loss
        run.step += 1
        run.seconds = time.process_time() - begun
        marked = run.step * _MARKS // run.steps > (run.step - 1) * _MARKS // run.steps
        if run.step % _STEPS_PER_LINE == 0 or marked:
            line = f"{run.step}\t{run.seconds:.0f}\t{rate(run):.2e}\t{run.loss:.5f}"
            if marked or run.step % (4 * _STEPS_PER_LINE) == 0:
                line += f"\t{validate(run, examples):.3f}"
            print(line, flush=True)
            with (folder / "log.tsv").open("a", encoding="utf-8") as log:
                log.write(line + "\n")
        if marked:
            mark = {"average": run.average.state_dict(), "step": run.step, "seconds": run.seconds}
            torch.save(mark, folder / f"step-{run.step}.pt")
        if marked or time.monotonic() - saved > _SECONDS_PER_SAVE:
            _save(run, folder)
            saved = time.monotonic()


def _step(run: Run, given: Tensor, wanted: Tensor) -> float:
    given = given.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=run.half):
        made = run.network(given)
    loss = run.recipe.loss(made.float(), wanted, given)
    run.optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), 0.5)
    run.optimizer.step()
    with torch.no_grad():
        keep = min(AVERAGING, (run.step + 1) / (run.step + 10))
        for own, new in zip(run.average.parameters(), run.network.parameters(), strict=True):
            own.lerp_(new, 1 - keep)
    return float(loss.detach())


def validate(run: Run, examples: Pictures | Pairs) -> float:
    """PSNR of the averaged weights on pictures that are not trained on."""
    found = []
    with torch.no_grad():
        for given, wanted in examples.held_out():
            made = run.average(given).clamp(0, 1)
            error = float(((made - wanted[..., : made.shape[-2], : made.shape[-1]]) ** 2).mean())
            found.append(-10 * math.log10(max(error, 1e-10)))
    return sum(found) / len(found)


def _save(run: Run, folder: Path) -> None:
    part = folder / "state.part"
    torch.save(run.state(), part)
    part.replace(folder / "state.pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument("--pool", type=Path, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=Path, help="a step-*.pt whose weights to begin with")
    parser.add_argument("--rate", type=float, help="highest learning rate, lower with --start")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true", help="faster on AVX-512 BF16 and AMX")
    told = parser.parse_args()
    torch.set_num_threads(told.threads)
    recipe = RECIPES[told.model]
    recipe = replace(recipe, rate=told.rate or recipe.rate)
    told.out.mkdir(parents=True, exist_ok=True)
    run = begin(recipe, told.steps or recipe.steps, told.seed, told.start)
    run.half = told.bfloat16
    state = told.out / "state.pt"
    if state.exists():
        run.restore(torch.load(state, weights_only=True))
    examples = (Pictures if recipe.degrade else Pairs)(told.pool, recipe)
    train(run, examples, told.out)


if __name__ == "__main__":
    main()
