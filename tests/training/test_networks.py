"""What the networks are before they have learnt anything; runs where PyTorch is installed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from training import degradations, prepare  # noqa: E402
from training.networks import Denoiser, Enlarger, Refiner, Restorer, Twice  # noqa: E402
from training.shrinkage import Shrinkage  # noqa: E402


@pytest.fixture
def picture() -> np.ndarray:
    rng = np.random.default_rng(2)
    y, x = np.mgrid[0:96, 0:128] / 128
    clean = np.stack([x, y, 0.5 + 0.4 * np.sin(9 * x * y)], -1)
    return np.clip(clean + 0.1 * rng.standard_normal(clean.shape), 0, 1).astype(np.float32)


def test_the_convolutions_shrink_as_the_classical_path_does(picture):
    given = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())
    with torch.no_grad():
        found = Shrinkage()(given, torch.full((1, 1, 96, 128), 0.1))[0].numpy().transpose(1, 2, 0)
    wanted = prepare.estimated(picture, 0.1)
    inner = slice(32, -32)
    np.testing.assert_allclose(found[inner, inner], wanted[inner, inner], atol=1e-4)


def test_an_untrained_denoiser_gives_the_estimate(picture):
    given = torch.from_numpy(picture.transpose(2, 0, 1)[None].copy())
    plane = torch.full((1, 1, 96, 128), 0.1)
    denoiser = Denoiser(Refiner())
    with torch.no_grad():
        estimate = denoiser.shrink(given, plane).clamp(0, 1)
        assert torch.equal(denoiser(torch.cat([given, plane], 1)), estimate)


def test_untrained_networks_leave_the_picture_as_it_is():
    given = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        assert torch.equal(Restorer()(given), given)
        larger = Enlarger()(given)
        assert larger.shape == (2, 3, 48, 64)
        assert torch.equal(torch.nn.functional.avg_pool2d(larger, 2), given)
        assert Twice(Enlarger())(given).shape == (2, 3, 96, 128)


def test_degradations_are_of_8_bits_and_decided_by_the_seed():
    clean = torch.rand(3, 3, 48 + 2 * degradations.MARGIN, 48 + 2 * degradations.MARGIN)
    for degrade in (degradations.blurred, degradations.halved):
        given, wanted = degrade(clean, np.random.default_rng(1))
        again, _ = degrade(clean, np.random.default_rng(1))
        assert torch.equal(given, again)
        levels = given * 255
        assert torch.allclose(levels, levels.round(), atol=1e-3)
        assert wanted.shape[-1] in (given.shape[-1], 2 * given.shape[-1])


def test_every_blur_keeps_the_light():
    rng = np.random.default_rng(6)
    for _ in range(200):
        kernel = degradations._kernel(rng)
        assert kernel.shape == (degradations.KERNEL,) * 2
        assert kernel.sum() == pytest.approx(1, abs=1e-4) and kernel.min() >= 0


def test_a_lens_softens_and_keeps_the_light():
    rng = np.random.default_rng(3)
    drawn = rng.uniform(0, 255, (40, 48, 3)).astype(np.float32)
    seen = [degradations.through_a_lens(drawn, np.random.default_rng(seed)) for seed in range(40)]
    as_drawn = [one is drawn for one in seen]
    assert 0 < sum(as_drawn) < 20
    for one in seen:
        assert one.mean() == pytest.approx(drawn.mean(), abs=1)
        assert one is drawn or one.std() < 0.95 * drawn.std()
