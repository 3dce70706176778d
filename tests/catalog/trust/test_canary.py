"""The trial of a model: what its sessions are fed, and which faults it finds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared_core.catalog.cards import Card, TensorSpec
from shared_core.catalog.trust.canary import (
    deviation,
    known_picture,
    known_values,
    try_model,
)
from tests.catalog.small_cards import card, card_text, identity, placed
from tests.fakes.contracts.graph import Graph, Tensor

PICTURE = 'dtype = "float32"\nlayout = "NCHW"\nshape = [1, 3, 32, 32]\nchannels = ["R", "G", "B"]\n'


def _card(folder: Path, files: dict[str, bytes], tensors: str, **options: object) -> Card:
    placed(folder / "model", files)
    text = card_text("model", files, tensors, **options)  # type: ignore[arg-type]
    return card(folder / "cards", "model", text)


def _tried(folder: Path, data: bytes, tensors: str, rule: str = "") -> str:
    """What the trial says of a model of one file, "" where it passes."""
    made = _card(folder, {"model.onnx": data}, tensors, rule=rule)
    trial = try_model(made, folder / "model")
    assert trial.ok == (trial.reason == "")
    assert not trial.reason or trial.reason.startswith("The model is not used: ")
    return trial.reason


def _in_and_out(fields: str = "", output: str = "") -> str:
    return f"[[input]]\n{PICTURE}{fields}[[output]]\n{PICTURE}{output or fields}"


@pytest.mark.parametrize(
    ("limits", "factor", "words"),
    [
        ("range = [0.0, 1.0]\n", 1.0, ""),
        ("range = [0.0, 1.0]\n", 255.0, "runs from 25.5 to 230, expected about 0 to 1"),
        ("range = [0, 255]\n", 1.0, ""),
        ("range = [0, 255]\n", 1 / 255, "expected about 0 to 255"),
        ("range = [0.0, 1.0]\n", float("nan"), "holds values that are no numbers"),
        ("range = [0.0, 1.0]\n", float("inf"), "holds values that are no numbers"),
        ("range = [0.0, 1.0]\n", 0.0, "the same everywhere"),
        ("", 0.0, "the same everywhere"),
        ("", 1e6, ""),
    ],
)
def test_values_are_held_to_the_contracts_range(
    tmp_path: Path, limits: str, factor: float, words: str
) -> None:
    reason = _tried(tmp_path, identity(factor=factor), _in_and_out(limits))
    assert words in reason
    assert bool(reason) == bool(words)


@pytest.mark.parametrize(
    ("tensors", "words"),
    [
        (_in_and_out('name = "image"\n', 'name = "result"\n'), "should be called 'image'"),
        (_in_and_out('name = "picture"\n', 'name = "mask"\n'), "should be called 'mask'"),
        (_in_and_out().replace("float32", "float16", 1), "is tensor(float), expected tensor(flo"),
        (_in_and_out().replace("32, 32", "64, 64"), "has the shape [1, 3, 32, 32], expected"),
        (
            _in_and_out() + '[[output]]\ndtype = "float32"\nshape = [1, 4]\n',
            "it has 1 outputs, expected 2",
        ),
        (
            _in_and_out() + '[[input]]\ndtype = "float32"\nshape = [1, 4]\n',
            "it has 1 inputs, expected 2",
        ),
        (
            '[[input]]\ndtype = "float32"\nshape = [1, 3, 32]\n'
            '[[output]]\ndtype = "float32"\nshape = [1, 3, 32]\n',
            "has 4 dimensions, expected 3",
        ),
    ],
)
def test_tensors_are_compared_with_the_card(tmp_path: Path, tensors: str, words: str) -> None:
    assert words in _tried(tmp_path, identity(), tensors)


def test_words_are_sizes_and_the_upscaled_side_is_checked(tmp_path: Path) -> None:
    for factor, words in ((4, ""), (2, "has the shape [1, 3, 64, 64], expected [1, 3, 128, 128]")):
        graph = Graph()
        scales = graph.weight(np.array([1, 1, factor, factor], np.float32))
        big = graph.node("Resize", "small", "", scales, mode="nearest")
        graph.call("large", big)
        data = graph.bytes(
            [Tensor("small", "float32", ["N", 3, "H", "W"])],
            [Tensor("large", "float32", ["N", 3, "H4", "W4"])],
        )
        tensors = _in_and_out("range = [0.0, 1.0]\n").replace(
            "[1, 3, 32, 32]", '["N", 3, "H", "W"]'
        )
        first, _, second = tensors.partition("[[output]]")
        tensors = first + "[[output]]" + second.replace('"H", "W"', '"4H", "4W"')
        tile = "[tile]\nsize = 32\noverlap = 8\nmultiple = 1\nfixed = false\nscale = 4\n"
        assert words in _tried(tmp_path, data, tensors, tile)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_margin_is_in_a_fixed_size_and_beside_a_free_one(tmp_path: Path, fixed: bool) -> None:
    """A network that gives nothing for the outermost pixel."""
    graph = Graph()
    graph.call("result", graph.sliced(graph.sliced("picture", 2, 1, -1), 3, 1, -1))
    sides = (32, 30) if fixed else ("H", "H2")
    data = graph.bytes(
        [Tensor("picture", "float32", [1, 3, sides[0], sides[0]])],
        [Tensor("result", "float32", [1, 3, sides[1], sides[1]])],
    )
    given, made = ("32, 32", "30, 30") if fixed else ('"H", "W"', '"H", "W"')
    limits = "range = [0.0, 1.0]\n"
    tensors = (
        f"[[input]]\n{PICTURE.replace('32, 32', given)}{limits}margin = 1\n"
        f"[[output]]\n{PICTURE.replace('32, 32', made)}{limits}"
    )
    tile = f"[tile]\nsize = 30\noverlap = 8\nmultiple = 1\nfixed = {str(fixed).lower()}\n"
    assert _tried(tmp_path, data, tensors, tile) == ""


def test_pictures_are_fed_as_the_contract_says() -> None:
    def spec(**fields: object) -> TensorSpec:
        facts = {
            "name": None,
            "dtype": "float32",
            "layout": "NCHW",
            "shape": ("batch", 3, "H", "W"),
            "channels": ("R", "G", "B"),
            "range": (0.0, 1.0),
        }
        return TensorSpec(**(facts | fields))  # type: ignore[arg-type]

    plain = known_picture(16, 16)
    assert plain.min() > 0.09 and plain.max() < 0.91
    np.testing.assert_array_equal(known_values(spec(), 16)[0], plain)
    np.testing.assert_allclose(
        known_values(spec(range=(-1.0, 1.0)), 16)[0], plain * 2 - 1, atol=1e-6
    )
    bytes_ = known_values(spec(range=(0.0, 255.0), dtype="uint8"), 16)
    assert bytes_.dtype == np.uint8 and bytes_.max() > 200
    normal = known_values(spec(mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1), by_maximum=True), 16)
    for channel, (mean, std) in enumerate(((0.5, 0.2), (0.4, 0.2), (0.3, 0.1))):
        expected = (plain[channel] / plain.max() - mean) / std
        np.testing.assert_allclose(normal[0, channel], expected, atol=1e-5)
    words = known_values(
        spec(layout="", channels=(), shape=("batch", 77), dtype="int64", range=(0.0, 49407.0)), None
    )
    assert words.shape == (1, 77) and words.dtype == np.int64
    assert words[0, 0] == 0 and words[0, -1] == 49407 and (np.diff(words[0]) > 0).all()
    one = known_values(spec(layout="", channels=(), shape=(1,), range=None), None)
    assert one.tolist() == [0.5]


def _two_sessions(swapped: bool = False) -> tuple[dict[str, bytes], str, dict[str, str]]:
    """A text session and one with two named inputs and outputs, which may be in another order."""
    text = Graph()
    text.call("words", text.cast("ids", "float32"))
    first = text.bytes(
        [Tensor("ids", "int64", ["batch", "length"])],
        [Tensor("words", "float32", ["batch", "length"])],
    )
    unet = Graph()
    unet.call("more", unet.node("Add", "sample", "time"))
    unet.call("less", unet.node("Sub", "sample", "time"))
    inputs = [Tensor("sample", "float32", [1, 4, 8, 8]), Tensor("time", "float32", [1])]
    outputs = [Tensor(n, "float32", [1, 4, 8, 8]) for n in ("more", "less")]
    if swapped:
        inputs.reverse()
    second = unet.bytes(inputs, outputs)
    tensors = (
        '[[input]]\nrole = "text"\nname = "ids"\ndtype = "int64"\nshape = ["batch", 77]\n'
        "range = [0, 49407]\n"
        '[[output]]\nrole = "text"\nname = "words"\ndtype = "float32"\nshape = [1, 77]\n'
        '[[input]]\nrole = "unet"\nname = "sample"\ndtype = "float32"\nshape = [1, 4, 8, 8]\n'
        '[[input]]\nrole = "unet"\nname = "time"\ndtype = "float32"\nshape = [1]\n'
        '[[output]]\nrole = "unet"\nname = "more"\ndtype = "float32"\nshape = [1, 4, 8, 8]\n'
    )
    files = {"text/model.onnx": first, "unet/model.onnx": second, "vocab.json": b"{}"}
    return files, tensors, {"text/model.onnx": "text", "unet/model.onnx": "unet"}


@pytest.mark.parametrize("swapped", [False, True])
def test_every_session_is_tried_once(tmp_path: Path, swapped: bool) -> None:
    files, tensors, roles = _two_sessions(swapped)
    made = _card(tmp_path, files, tensors, roles=roles)
    trial = try_model(made, tmp_path / "model")
    assert trial.ok, trial.reason
    assert set(trial.seconds_by_role) == {"text", "unet"}
    assert trial.seconds_per_tile == sum(trial.seconds_by_role.values()) > 0
    assert trial.tile == 0
    assert {role: len(answer) for role, answer in trial.answers.items()} == {"text": 64, "unet": 64}


def test_a_fault_in_a_later_session_is_named(tmp_path: Path) -> None:
    files, tensors, roles = _two_sessions()
    made = _card(tmp_path, files, tensors.replace('"time"', '"step"'), roles=roles)
    trial = try_model(made, tmp_path / "model")
    assert not trial.ok
    assert "The model (unet/model.onnx) is not used: its input 'time' should be" in trial.reason
    files["text/model.onnx"] = b"noise"
    made = _card(tmp_path, files, tensors, roles=roles)
    trial = try_model(made, tmp_path / "model")
    assert "(text/model.onnx) is not used: onnxruntime cannot run it" in trial.reason


def test_logits_and_masks_are_judged_for_what_they_are(tmp_path: Path) -> None:
    mask = PICTURE.replace('"R", "G", "B"', '"mask"').replace("1, 3,", "1, 1,")

    def tensors(fields: str) -> str:
        return f"[[input]]\n{mask}range = [0, 1]\n[[output]]\n{mask}{fields}"

    logits = identity((1, 1, 32, 32), factor=30.0)
    assert _tried(tmp_path, logits, tensors('then = "sigmoid"\nrange = [0, 1]\n')) == ""
    assert "expected about 0 to 1" in _tried(tmp_path, logits, tensors("range = [0, 1]\n"))
    # A real network may see nothing at all in the known picture.
    faint = identity((1, 1, 32, 32), factor=1e-5)
    assert _tried(tmp_path, faint, tensors('then = "min-max"\nrange = [0, 1]\n')) == ""


def test_a_helper_without_sessions_passes(tmp_path: Path) -> None:
    files = {"vocab.json": b"{}", "merges.txt": b"#"}
    roles = {"vocab.json": "vocab", "merges.txt": "merges"}
    made = _card(tmp_path, files, "", roles=roles, extra="helper = true")
    trial = try_model(made, tmp_path / "model")
    assert trial.ok and trial.seconds_per_tile == 0


def test_answers_are_compared_by_their_largest_value() -> None:
    expected = [0.0, 2.0, -4.0]
    assert deviation(expected, expected) == 0
    assert deviation([0.0, 2.2, -4.0], expected) == pytest.approx(0.05)
    assert deviation([0.0, 0.0], [0.0, 0.0]) == 0
    for other in ([], [0.0, 2.0], [0.0, 2.0, float("nan")], [float("inf"), 2.0, -4.0]):
        assert deviation(other, expected) == float("inf")
