"""What the networks are before they have learnt anything; runs where PyTorch is installed."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from shared_core.algorithms import clipped_noise  # noqa: E402
from training import degradations, prepare, recipes, shrinkage, textures, train  # noqa: E402
from training.networks import Corrector, Denoiser, Enlarger, Refiner, Twice  # noqa: E402
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


def test_what_clipping_hid_is_found_as_the_classical_path_finds_it(picture):
    level = 0.1
    dark = np.clip(
        picture * 0.2 + level * np.random.default_rng(3).normal(0, 1, picture.shape), 0, 1
    )
    dark = np.rint(dark * 255).astype(np.float32) / 255
    for noisy in (dark, 1 - dark):
        estimate = prepare.estimated(noisy, level)
        wanted = clipped_noise.unclip(estimate, noisy, level)
        assert np.abs(wanted - estimate).max() > 0.01
        given = [torch.from_numpy(one.transpose(2, 0, 1)[None].copy()) for one in (estimate, noisy)]
        found = shrinkage.unclipped(*given, torch.full((1, 1, 96, 128), level))
        np.testing.assert_allclose(found[0].numpy().transpose(1, 2, 0), wanted, atol=1e-3)


def test_an_untrained_denoiser_is_the_classical_path(picture):
    noisy = np.rint(picture * 255) / np.float32(255)
    given = torch.from_numpy(noisy.transpose(2, 0, 1)[None].copy())
    plane = torch.full((1, 1, 96, 128), 0.1)
    with torch.no_grad():
        found = Denoiser(Refiner())(torch.cat([given, plane], 1))[0].numpy().transpose(1, 2, 0)
    wanted = clipped_noise.unclip(np.clip(prepare.estimated(noisy, 0.1), 0, 1), noisy, 0.1)
    inner = slice(32, -32)
    np.testing.assert_allclose(found[inner, inner], wanted[inner, inner], atol=2e-3)


def test_untrained_networks_leave_the_picture_as_it_is():
    given = torch.rand(2, 3, 24, 32)
    with torch.no_grad():
        planes = torch.rand(2, 10, 24, 32)
        assert torch.equal(Corrector()(planes), planes[:, 4:7])
        larger = Enlarger()(given)
        assert larger.shape == (2, 3, 48, 64)
        assert torch.equal(torch.nn.functional.avg_pool2d(larger, 2), given)
        assert Twice(Enlarger())(given).shape == (2, 3, 96, 128)


def test_small_pictures_are_of_8_bits_and_decided_by_the_seed():
    clean = torch.rand(3, 3, 48, 48)
    given, wanted = degradations.halved(clean, np.random.default_rng(1))
    again, _ = degradations.halved(clean, np.random.default_rng(1))
    assert torch.equal(given, again)
    levels = given * 255
    assert torch.allclose(levels, levels.round(), atol=1e-3)
    assert wanted.shape[-1] == 2 * given.shape[-1]


def test_a_lens_softens_and_keeps_the_light():
    rng = np.random.default_rng(3)
    drawn = rng.uniform(0, 255, (40, 48, 3)).astype(np.float32)
    seen = [degradations.through_a_lens(drawn, np.random.default_rng(seed)) for seed in range(40)]
    as_drawn = [one is drawn for one in seen]
    assert 0 < sum(as_drawn) < 20
    for one in seen:
        assert one.mean() == pytest.approx(drawn.mean(), abs=1)
        assert one is drawn or one.std() < 0.95 * drawn.std()


def test_what_photographs_go_through_is_decided_by_the_seed_and_keeps_the_light():
    drawn = np.random.default_rng(3).uniform(30, 225, (40, 48, 3)).astype(np.float32)
    for seed in range(40):
        seen = degradations.photographed(drawn, np.random.default_rng(seed))
        np.testing.assert_array_equal(
            seen, degradations.photographed(drawn, np.random.default_rng(seed))
        )
        assert seen.shape == drawn.shape and seen.dtype == np.float32
        np.testing.assert_array_equal(seen, np.rint(np.clip(seen, 0, 255)))
        assert seen.mean() == pytest.approx(drawn.mean(), abs=2)


def test_pairs_of_the_deblur_hold_what_the_network_is_shown(tmp_path, picture, monkeypatch):
    pool = tmp_path / "pool.npy"
    drawn = np.rint(255 * np.tile(picture[:64, :64], (8, 8, 1))).astype(np.uint8)
    np.save(pool, np.repeat(drawn[None], 4, 0))
    monkeypatch.setattr(prepare, "_GRAIN", [textures.Grain(1, 4)])
    made, levels = prepare._job(("deblur", pool, 0, 4, 1))
    assert made.shape == (4, 512, 512, 12)
    better = 0
    for index in range(4):
        for down in (0, 1):
            for right in (0, 1):
                part = made[index, 256 * down : 256 * down + 256, 256 * right : 256 * right + 256]
                patches = torch.from_numpy(part[None].copy()).float() / 255
                level = torch.full((1, 1, 1, 1), float(levels[index, down, right]))
                given, clean = prepare.KINDS["deblur"].read(patches, level)
                assert given.shape == (1, 10, 256, 256) and torch.equal(
                    clean,
                    given.new_tensor(part[None, ..., 9:].transpose(0, 3, 1, 2) / np.float32(255)),
                )
                errors = [((given[:, k : k + 3] - clean) ** 2).mean() for k in (0, 4)]
                better += errors[1] < errors[0]
    assert better >= 12


def test_pairs_hold_estimate_noisy_and_clean(tmp_path, picture, monkeypatch):
    pool = tmp_path / "pool.npy"
    drawn = np.rint(255 * np.tile(picture[:64, :64], (8, 8, 1))).astype(np.uint8)
    np.save(pool, drawn[None])
    monkeypatch.setattr(prepare, "_GRAIN", [textures.Grain(1, 4)])
    made, sigmas = prepare._job(("denoise", pool, 0, 1, 1))
    again, _ = prepare._job(("denoise", pool, 0, 1, 1))
    np.testing.assert_array_equal(made, again)
    estimate, noisy, clean = made.reshape(1, 512, 512, 3, 3).astype(float).transpose(3, 0, 1, 2, 4)
    for down in (0, 1):
        for right in (0, 1):
            part = (0, slice(256 * down, 256 * down + 256), slice(256 * right, 256 * right + 256))
            sigma = 255 * sigmas[0, down, right]
            assert np.abs(noisy[part] - clean[part]).mean() <= sigma
            if sigma > 15:
                errors = [np.square(one[part] - clean[part]).mean() for one in (estimate, noisy)]
                assert errors[0] < errors[1]


def test_a_training_may_begin_with_a_smaller_networks_weights(tmp_path):
    """A denoiser's, whose first layer has fewer planes, and fewer blocks behind it."""
    smaller = recipes.RECIPES["denoise"].build()
    path = tmp_path / "step-1.pt"
    torch.save({"average": smaller.state_dict()}, path)
    own = train.begin(recipes.RECIPES["deblur"], 10, 1, path).network.state_dict()
    for name, weights in smaller.state_dict().items():
        if name == "restorer.head.weight":
            assert torch.equal(own[name][:, : weights.shape[1]], weights)
            assert own[name].shape[1] > weights.shape[1]
        else:
            assert torch.equal(own[name], weights), name
    assert len(own) > len(smaller.state_dict())
