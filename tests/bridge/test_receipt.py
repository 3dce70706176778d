"""The receipt: round trips, refusals, sentences and layer names."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.bridge import iptc
from shared_core.bridge import receipt as r
from shared_core.bridge.errors import BadInput

NAFNET = r.Model(
    id="nafnet-gopro-opencv",
    title="NAFNet",
    repo="opencv/deblurring_nafnet",
    revision="f1f255116cdb628a311d2b5749871189a4639d84",
    file="deblurring_nafnet_2025may.onnx",
    sha256="07" * 32,
    licence="MIT",
)
SHARPENING = r.Algorithm("classical sharpening", {"radius": 2.0})
REAL = r.Receipt(
    tool="deblur",
    path="real",
    model=NAFNET,
    algorithm=None,
    provider=r.Provider("CPUExecutionProvider", "CPUExecutionProvider", "Xeon"),
    reason="fits the time budget",
    fault=None,
    predicted=r.Predicted(40.0, 900_000_000),
    actual=r.Actual(1.0, 40.0, 41.2, 800_000_000, 12),
    image=r.ImageFacts(4000, 3000, "u8", False),
    parameters={"amount": 100.0, "kind": "auto"},
    seed=None,
    versions=r.Versions("0.1.0", "1.32.0", "Krita 5.2.9"),
    started="2025-11-23T14:45:00Z",
    source=None,
)
CLASSICAL = replace(
    REAL,
    path="classical",
    model=None,
    algorithm=SHARPENING,
    provider=r.Provider(None, None, "Xeon"),
    reason="model not downloaded (92 MB)",
    actual=r.Actual(0.0, 0.75, 0.8, None, 1),
)

texts = st.text(max_size=20)
seconds = st.floats(0, 1e9, allow_nan=False)
sizes = st.none() | st.integers(0, 2**53)
scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | seconds | texts
parameters = st.dictionaries(texts, scalars, max_size=4)
models = st.builds(r.Model, *[texts] * 7)
algorithms = st.builds(r.Algorithm, texts, parameters)


@st.composite
def receipts(draw: st.DrawFn) -> r.Receipt:
    path = draw(st.sampled_from(["real", "classical", "byo"]))
    classical = path == "classical"
    return r.Receipt(
        tool=draw(st.text(min_size=1, max_size=12)),
        path=path,
        model=None if classical else draw(models),
        algorithm=draw(algorithms if classical else st.none() | algorithms),
        provider=r.Provider(*[draw(st.none() | texts) for _ in range(3)]),
        reason=draw(texts),
        fault=draw(st.none() | texts),
        predicted=r.Predicted(draw(st.none() | seconds), draw(sizes)),
        actual=r.Actual(*[draw(seconds) for _ in range(3)], draw(sizes), draw(st.integers(0, 99))),
        image=r.ImageFacts(draw(st.integers(1, 9)), 7, "u16", draw(st.booleans())),
        parameters=draw(parameters),
        seed=draw(st.none() | st.integers(0, 2**32)),
        versions=r.Versions(draw(texts), draw(st.none() | texts), draw(texts)),
        started=draw(st.datetimes()).isoformat() + "Z",
        source=draw(st.none() | parameters),
    )


@given(receipts())
def test_json_round_trip_is_exact_ascii_and_stable(receipt: r.Receipt) -> None:
    text = r.to_json(receipt)
    assert text.isascii() and "\n" not in text
    again = r.from_json(text)
    assert again == receipt
    assert r.to_json(again) == text
    assert json.loads(text)["schema"] == 1


@given(receipts())
def test_every_receipt_has_a_sentence(receipt: r.Receipt) -> None:
    sentence = r.sentence(receipt)
    assert sentence.endswith(".") and len(sentence.splitlines()) == 1


def test_field_names_are_those_of_schema_1() -> None:
    data = r.to_dict(REAL)
    assert set(data) == {
        *("schema", "tool", "path", "model", "algorithm", "provider", "reason", "fault"),
        *("predicted", "actual", "image", "parameters", "seed", "versions", "started", "source"),
        "found",
    }
    assert set(data["model"]) == {
        *("id", "title", "repo", "revision", "file", "sha256", "licence"),
    }
    assert set(data["provider"]) == {"requested", "bound", "device"}
    assert set(data["predicted"]) == {"seconds", "peak_bytes"}
    assert set(data["actual"]) == {
        *("load_seconds", "run_seconds", "total_seconds", "peak_bytes", "tiles"),
    }
    assert set(data["image"]) == {"width", "height", "depth", "selection"}
    assert set(data["versions"]) == {"nss", "onnxruntime", "host"}
    assert set(r.to_dict(CLASSICAL)["algorithm"]) == {"name", "parameters"}


def test_a_receipt_from_before_there_were_findings_is_read() -> None:
    data = r.to_dict(REAL)
    del data["found"]
    assert r.from_dict(data) == REAL


def test_unknown_keys_are_passed_over() -> None:
    data = r.to_dict(REAL)
    data["mood"] = "good"
    data["actual"]["moon"] = 3
    assert r.from_dict(data) == REAL


@pytest.mark.parametrize("schema", [0, 2, "1", None, True, 1.0, []])
def test_other_schemas_are_refused(schema: Any) -> None:
    with pytest.raises(BadInput, match="schema"):
        r.from_dict({**r.to_dict(REAL), "schema": schema})


def _places(data: dict[str, Any], path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for key, value in data.items():
        found.append((*path, key))
        if isinstance(value, dict) and key not in ("parameters", "found"):
            found += _places(value, (*path, key))
    return found


@pytest.mark.parametrize("place", _places(r.to_dict(REAL)), ids=".".join)
def test_a_missing_or_wrong_field_is_named(place: tuple[str, ...]) -> None:
    wrongs = (..., object(), ["x"]) if place != ("found",) else (object(), ["x"])
    for wrong in wrongs:
        data = json.loads(r.to_json(REAL))
        inner = data
        for key in place[:-1]:
            inner = inner[key]
        if wrong is ...:
            del inner[place[-1]]
        else:
            inner[place[-1]] = wrong
        with pytest.raises(BadInput, match=place[-1]):
            r.from_dict(data)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "magic"},
        {"path": "classical"},
        {"model": None},
        {"tool": ""},
        {"started": "yesterday"},
        {"started": "2025-11-23T14:45:00"},
        {"started": "2025-11-23T14:45:00+02:00"},
        {"image": {"width": 0, "height": 1, "depth": "u8", "selection": False}},
        {"predicted": {"seconds": float("nan"), "peak_bytes": 1}},
        {"predicted": {"seconds": -1.0, "peak_bytes": 1}},
        {"predicted": {"seconds": 10**400, "peak_bytes": 1}},
        {"seed": True},
    ],
)
def test_contradictions_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        r.from_dict({**r.to_dict(REAL), **change})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(
    st.sampled_from(_places(r.to_dict(REAL))),
    json_values,
)
def test_any_json_in_any_place_is_taken_or_refused(place: tuple[str, ...], value: Any) -> None:
    data = json.loads(r.to_json(REAL))
    inner = data
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        receipt = r.from_dict(data)
    except BadInput as error:
        assert str(error).endswith(".")
    else:
        r.sentence(receipt)
        iptc.source_type(r.to_dict(receipt))


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", "[" * 100_000, '{"schema":1}', "\xff"])
def test_no_receipt_is_bad_input(text: str) -> None:
    with pytest.raises(BadInput):
        r.from_json(text)


def test_what_json_cannot_say_is_bad_input() -> None:
    for value in (float("nan"), float("inf"), {1}, b"x"):
        with pytest.raises(BadInput):
            r.to_json(replace(REAL, parameters={"x": value}))


def test_sentences() -> None:
    assert r.sentence(REAL) == "Deblur: real NAFNet on CPU, 41 s."
    assert (
        r.sentence(CLASSICAL)
        == "Deblur: classical sharpening, 0.8 s: model not downloaded (92 MB)."
    )
    died = replace(CLASSICAL, reason="the real model failed", fault="the worker died\nin tile 3.")
    assert (
        r.sentence(died) == "Deblur: classical sharpening, 0.8 s: "
        "the real model failed (the worker died in tile 3)."
    )
    both = replace(died, reason="the worker died", fault="the worker died.")
    assert r.sentence(both).endswith("0.8 s: the worker died.")
    moved = replace(REAL, fault="CUDA ran out of memory")
    assert r.sentence(moved) == "Deblur: real NAFNet on CPU, 41 s (CUDA ran out of memory)."
    shared = replace(REAL, provider=r.Provider("CUDA", "CUDAExecutionProvider (98 %)", "H200"))
    assert r.sentence(shared) == "Deblur: real NAFNet on CUDA, 41 s."
    mixed = replace(REAL, algorithm=r.Algorithm("guided filter", {}))
    assert r.sentence(mixed) == "Deblur: real NAFNet on CPU, with guided filter, 41 s."
    own = replace(REAL, path="byo", model=replace(NAFNET, title="mine.onnx", repo=""))
    assert r.sentence(own) == "Deblur: your model mine on CPU, 41 s."
    assert r.sentence(replace(REAL, tool="remove-sky")).startswith("Remove sky: real")


def test_layer_names() -> None:
    assert r.layer_name("Photo", "Deblur", REAL) == "Photo · Deblur · real NAFNet"
    assert r.layer_name("Photo", "Deblur", CLASSICAL) == "Photo · Deblur · classical"
    own = replace(REAL, path="byo")
    assert r.layer_name("Photo", "Deblur", own) == "Photo · Deblur · your model NAFNet"


def test_short_model_titles() -> None:
    assert r.short_model_title("NAFNet (GoPro, width 64)") == "NAFNet"
    assert r.short_model_title("my-net.onnx") == "my-net"
    assert len(r.short_model_title("x" * 80)) == 32


def test_a_chain_cut_short_keeps_its_strongest_step():
    generated = {"tool": "text-to-image", "path": "real", "source": None}
    step = generated
    for _ in range(100):
        step = {"tool": "denoise", "path": "classical", "source": step}
    short = r.as_source(step)
    assert iptc.source_type(short) == iptc.source_type(generated)
    assert len(r.dump(short)) < len(r.dump(step))
