"""Tags, both paths: CLIP's arithmetic by an independent one, measurements, selections, faults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from shared_core.bridge import toolbox
from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import cards
from shared_core.catalog.trust.canary import try_model
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster, WrongOutput
from shared_core.tools import clip, tag_list, tags
from shared_core.tools.work import Model, Sessions, Work
from tests.catalog.small_cards import card, card_text
from tests.conftest import shared
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.tags import (
    CLIP,
    TEXT_PATH,
    TOKENIZER_PATH,
    TWINS,
    VISION_PATH,
    expected_picture,
    expected_text,
    with_clip_rules,
)

Image = pytest.importorskip("PIL.Image")

PLAIN = 'dtype = "float32"\nshape = [1]\n'
MEAN = np.array([0.48145466, 0.4578275, 0.40821073])
STD = np.array([0.26862954, 0.26130258, 0.27577711])


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSS_HOME", str(tmp_path / "home"))


def _layer(height: int = 300, width: int = 400) -> NDArray[np.uint8]:
    rng = np.random.default_rng(8)
    blocks = rng.integers(0, 256, (height // 20 + 1, width // 20 + 1, 3))
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :3] = np.kron(blocks, np.ones((20, 20, 1)))[:height, :width]
    return rgba


def _work(rgba: NDArray[np.uint8], selection: Any = None, **parameters: object) -> Work:
    height, width = rgba.shape[:2]
    raster = Raster(width, height, "u8")
    return Work(
        Picture(rgba, None, raster, selection),
        toolbox.tool("tags").parse(parameters),
        lambda done, total: None,
        lambda: False,
        outcome=Returns.TEXT,
        selection=selection,
    )


@pytest.fixture
def model(tmp_path: Path) -> Callable[..., Model]:
    def made(variant: Variant = Variant.GOOD) -> Model:
        card = cards.load()[CLIP]
        folder = tmp_path / variant.value
        for path, data in TWINS[CLIP](variant).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        files = dict(card.sessions())
        sessions = Sessions(
            tuple(files), lambda role: open_session(folder / files[role].path, threads=1)
        )
        return Model(card, sessions, folder)

    return made


# ---------------------------------------------------------------- the list


def test_the_list_is_sound_and_sentences_are_english() -> None:
    listed = tag_list.built_in()
    assert 150 <= len(listed) <= 220
    assert all(prompt.startswith("a photo of ") for prompt in listed.values())
    assert listed["dog"] == "a photo of a dog"
    assert listed["sea"] == "a photo of the sea"
    assert listed["snow"] == "a photo of snow"
    assert not any(label.startswith(("a ", "an ", "the ")) for label in listed)
    assert tag_list.own("oak  leaf, Rusty gate ;,the Moon, ") == {
        "oak leaf": "a photo of an oak leaf",
        "Rusty gate": "a photo of a Rusty gate",
        "the Moon": "a photo of the Moon",
    }


# ---------------------------------------------------------------- CLIP


def _expected_ids(prompt: str) -> NDArray[np.int64]:
    """The twin's tokens by hand: bytes of words, the last of each word counted 256 higher.

    Good for small ASCII letters and spaces alone.
    """
    order = [*range(33, 127), *range(161, 173), *range(174, 256)]
    ids = [49406]
    for word in prompt.split():
        values = [order.index(ord(letter)) for letter in word]
        ids += [*values[:-1], values[-1] + 256]
    return np.array((ids + [49407] * 77)[:77], np.int64)


def _expected_picture(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pillow's short side of 224, the middle square, and the published mean and deviation."""
    height, width = rgb.shape[:2]
    short = min(height, width)
    size = max(224, width * 224 // short), max(224, height * 224 // short)
    small = np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.BICUBIC), np.float64)
    top, left = (small.shape[0] - 224) // 2, (small.shape[1] - 224) // 2
    square = small[top : top + 224, left : left + 224] / 255
    normal = (square - MEAN) / STD
    return expected_picture(normal.transpose(2, 0, 1).astype(np.float32))


def _expected_scores(rgb: NDArray[np.uint8], prompts: list[str]) -> NDArray[np.float64]:
    picture = _expected_picture(rgb)
    texts = np.array([expected_text(_expected_ids(prompt)) for prompt in prompts])
    cosines = texts @ picture / np.linalg.norm(texts, axis=1) / np.linalg.norm(picture)
    powers = np.exp(100 * cosines)
    return np.asarray(powers / powers.sum())


def test_scores_are_clips_arithmetic(model: Callable[..., Model]) -> None:
    rgba = _layer()
    made = tags.real(_work(rgba, labels="owl feather", count=30), model())
    prompts = tag_list.built_in() | {"owl feather": "a photo of an owl feather"}
    known = {
        label: score
        for (label, prompt), score in zip(
            prompts.items(), _expected_scores(rgba[..., :3], list(prompts.values())), strict=True
        )
        if all(letter.isascii() and (letter.islower() or letter == " ") for letter in prompt)
    }
    found = made.found["labels"]
    assert len(found) == 30
    assert [score for _, score in found] == sorted((s for _, s in found), reverse=True)
    for label, score in found:
        # A label with a hyphen is left to the tokenizer.
        assert label not in known or score == pytest.approx(known[label], abs=2e-3)
    assert sum(label in known for label, _ in found) >= 28
    assert made.parameters["labels_compared"] == len(prompts)
    assert made.parameters["prompt"] == "a photo of …"
    assert made.tiles == 1


def test_own_labels_alone_add_up_to_one(model: Callable[..., Model]) -> None:
    rgba = _layer(250, 333)
    made = tags.real(_work(rgba, labels="red barn, tall ship, cup", among="own"), model())
    prompts = ["a photo of a red barn", "a photo of a tall ship", "a photo of a cup"]
    likely = _expected_scores(rgba[..., :3], prompts)
    expected = dict(zip(["red barn", "tall ship", "cup"], likely, strict=True))
    found = dict(made.found["labels"])
    assert set(found) == set(expected)
    assert sum(found.values()) == pytest.approx(1, abs=1e-3)
    for label, score in expected.items():
        assert found[label] == pytest.approx(score, abs=2e-3)
    assert made.parameters["labels"] == "your own"
    # One alone would always have everything.
    alone = tags.real(_work(rgba, labels="cup", among="own"), model())
    assert alone.parameters["labels"] == "the list and your own"


def test_a_selection_limits_what_is_looked_at(model: Callable[..., Model]) -> None:
    rgba = _layer(300, 400)
    selection = np.zeros((300, 400), np.uint8)
    selection[40:290, 30:330] = 255
    chosen = tags.real(_work(rgba, selection, labels="cup, saucer", among="own"), model())
    cut = np.ascontiguousarray(rgba[40:290, 30:330])
    apart = tags.real(_work(cut, labels="cup, saucer", among="own"), model())
    assert chosen.found == apart.found
    whole = tags.real(_work(rgba, labels="cup, saucer", among="own"), model())
    assert chosen.found != whole.found


def test_the_lists_embeddings_are_made_once_for_a_model(
    model: Callable[..., Model], tmp_path: Path
) -> None:
    first = model()
    begun = tags.real(_work(_layer()), first)
    texts = -(-len(tag_list.built_in()) // 16)
    assert first.sessions.runs == texts + 1
    again = model()
    assert tags.real(_work(_layer()), again).found == begun.found
    assert again.sessions.runs == 1, "the text model is not even opened"

    [kept] = (tmp_path / "home/cache/labels").iterdir()
    good = kept.read_bytes()
    for spoilt in (b"", b"noise", good[:-4000], good[:-8] + b"\xff" * 8):
        kept.write_bytes(spoilt)
        assert tags.real(_work(_layer()), model()).found == begun.found
        assert kept.read_bytes() == good
    other = model()
    file = replace(other.card.file("text"), sha256="0" * 64)
    files = tuple(file if f.role == "text" else f for f in other.card.files)
    tags.real(_work(_layer()), replace(other, card=replace(other.card, files=files)))
    assert other.sessions.runs == texts + 1, "another model is another cache"
    assert len(list((tmp_path / "home/cache/labels").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_not_missed(
    model: Callable[..., Model], tmp_path: Path
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/cache").write_text("in the way", encoding="utf-8")
    assert len(tags.real(_work(_layer()), model()).found["labels"]) == 8


def test_tokens_are_clips(tmp_path: Path) -> None:
    weights = shared("weights") / "clip_tokenizer"
    bpe = models.BPE.from_file(
        str(weights / "vocab.json"),
        str(weights / "merges.txt"),
        unk_token="<|endoftext|>",
        end_of_word_suffix="</w>",
    )
    path = tmp_path / "tokenizer.json"
    path.write_bytes(with_clip_rules(bpe))
    # As published for this model.
    published = {
        "a photo of a cat": [320, 1125, 539, 320, 2368],
        "a photo of a dog": [320, 1125, 539, 320, 1929],
        "A   PHOTO of a Cat": [320, 1125, 539, 320, 2368],
    }
    ids = clip.token_ids(path, [*published, "cat " * 200])
    assert ids.shape == (4, 77) and ids.dtype == np.int64
    for row, expected in zip(ids, published.values(), strict=False):
        assert row.tolist() == [49406, *expected, 49407, *[49407] * (75 - len(expected))]
    assert ids[3].tolist() == [49406, *[2368] * 75, 49407]


def test_a_tokenizer_file_may_pad_and_cut_by_itself(tmp_path: Path) -> None:
    made = Tokenizer.from_str(TWINS[CLIP](Variant.GOOD)[TOKENIZER_PATH].decode())
    made.enable_padding(length=30, pad_id=7)
    made.enable_truncation(4)
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    prompt = "a photo of a cat"
    np.testing.assert_array_equal(clip.token_ids(path, [prompt])[0], _expected_ids(prompt))


# ---------------------------------------------------------------- wrong models


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (Variant.GOOD, ""),
        (Variant.NAN, "no numbers"),
        (Variant.CONSTANT, "the same everywhere"),
        (Variant.WRONG_NAMES, "should be called 'pixel_values'"),
        (Variant.HALF_SIZE, "expected [1, 512]"),
        (Variant.GARBAGE, "onnxruntime cannot run it"),
    ],
)
def test_the_trial_finds_wrong_models(
    model: Callable[..., Model], variant: Variant, words: str
) -> None:
    made = model(variant)
    trial = try_model(made.card, made.folder)
    assert words in trial.reason
    assert trial.ok == (not words)


def test_labels_that_are_all_the_same_to_the_model_are_none(model: Callable[..., Model]) -> None:
    with pytest.raises(WrongOutput, match="same values for different labels"):
        tags.real(_work(_layer(), labels="cup, saucer", among="own"), model(Variant.CONSTANT))
    # Two spellings of one label are no fault of the model.
    tags.real(_work(_layer(), labels="cup, CUP", among="own"), model())


def test_a_model_that_fails_late_gives_an_error_and_no_labels(
    model: Callable[..., Model],
) -> None:
    with pytest.raises(WrongOutput, match="not numbers"):
        tags.real(_work(_layer()), model(Variant.NAN))
    mixed = model()
    (mixed.folder / VISION_PATH).write_bytes(TWINS[CLIP](Variant.HALF_SIZE)[VISION_PATH])
    with pytest.raises(WrongOutput, match="256 and 512"):
        tags.real(_work(_layer()), mixed)
    mixed = model()
    (mixed.folder / TOKENIZER_PATH).write_text("{}", encoding="utf-8")
    with pytest.raises(CouldNotBeDone, match=r"tokenizer\.json cannot be read"):
        tags.real(_work(_layer(), labels="cup, saucer", among="own"), mixed)
    other = Tokenizer(models.BPE(vocab={"<|startoftext|>": 0, "<|endoftext|>": 1}, merges=[]))
    (mixed.folder / TOKENIZER_PATH).write_text(other.to_str(), encoding="utf-8")
    with pytest.raises(CouldNotBeDone, match="is not CLIP's"):
        tags.real(_work(_layer(), labels="cup, saucer", among="own"), mixed)
    assert TEXT_PATH in {file.path for file in mixed.card.files}


def test_a_cancel_is_heard(model: Callable[..., Model]) -> None:
    work = replace(_work(_layer()), cancelled=lambda: True)
    with pytest.raises(Cancelled):
        tags.real(work, model())
    with pytest.raises(Cancelled):
        tags.classical(work)


# ---------------------------------------------------------------- measurements


def test_measurements_are_facts_and_called_so() -> None:
    rgba = np.full((100, 150, 4), 255, np.uint8)
    rgba[:, :, :3] = (200, 40, 40)
    rgba[:, 90:, :3] = (20, 30, 90)
    made = tags.classical(_work(rgba))
    assert made.algorithm == "classical measurements, not recognition"
    assert toolbox.tool("tags").classical_name == made.algorithm
    found = made.found["measurements"]
    assert found["size"] == "150 × 100 px, 0.015 MP"
    assert found["colours"] == "#c82828 60%, #141e5a 40%"
    assert found["noise (standard deviation, levels of 255)"] == 0
    assert found["highlights clipped (%)"] == 0
    assert "faces found" not in found
    assert "visible and selected (%)" not in found


def test_measurements_count_what_is_selected_and_visible() -> None:
    rgba = np.full((100, 100, 4), 255, np.uint8)
    rgba[:50, :, :3] = (10, 200, 10)
    rgba[50:, :50, 3] = 0
    selection = np.zeros((100, 100), np.uint8)
    selection[40:, :] = 255
    selection[40:50, :] = 0
    selection[40, 0] = 255
    found = tags.classical(_work(rgba, selection)).found["measurements"]
    assert found["size"].startswith("100 × 60 px")
    assert found["colours"] == "#ffffff 100%"
    assert found["highlights clipped (%)"] > 99.9
    assert found["visible and selected (%)"] == pytest.approx(100 * 2501 / 6000, abs=0.1)


def test_measured_noise_is_the_noise_there_is() -> None:
    rng = np.random.default_rng(4)
    rgba = np.full((600, 700, 4), 255, np.uint8)
    ramp = np.linspace(60, 200, 700)[None, :, None]
    rgba[..., :3] = np.clip(ramp + rng.normal(0, 12, (600, 700, 3)), 0, 255).round()
    found = tags.classical(_work(rgba)).found["measurements"]
    assert found["noise (standard deviation, levels of 255)"] == pytest.approx(12, abs=0.8)


def test_faces_are_counted_where_the_detector_is_here(images: Path, tmp_path: Path) -> None:
    weights = shared("weights") / "face_detection_yunet_2023mar.onnx"
    text = card_text(tags.YUNET, {"m.onnx": b"m"}, "", extra="helper = true")
    specs = f"[[input]]\n{PLAIN}[[output]]\n{PLAIN}[[source]]"
    made = card(tmp_path / "cards", tags.YUNET, text.replace("[[source]]", specs, 1))
    sessions = Sessions(("",), lambda role: open_session(weights, threads=1))
    helpers = {tags.YUNET: Model(made, sessions, weights.parent)}

    photo = cv2.imread(str(images / "astronaut.png"))
    rgba = cv2.cvtColor(photo, cv2.COLOR_BGR2RGBA)
    found = tags.classical(replace(_work(rgba), helpers=helpers)).found["measurements"]
    assert found["faces found"] == 1
    below = np.zeros(rgba.shape[:2], np.uint8)
    below[300:, :] = 255
    work = replace(_work(rgba, below), helpers=helpers)
    assert tags.classical(work).found["measurements"]["faces found"] == 0


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 300), (7, 7)])
def test_odd_pictures_are_measured_and_tagged(
    model: Callable[..., Model], height: int, width: int
) -> None:
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., 0] = 90
    found = tags.classical(_work(rgba)).found["measurements"]
    assert found["colours"] == "#5affff 100%"
    labels = tags.real(_work(rgba, labels="cup, saucer", among="own"), model()).found["labels"]
    assert sum(score for _, score in labels) == pytest.approx(1, abs=1e-3)
