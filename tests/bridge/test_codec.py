"""Messages survive the wire, and nothing else gets through."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.bridge import codec, wire
from shared_core.bridge.wire import PixelFile, Plan, Progress, StartJob, WireError

FILE = PixelFile("runtime", "px-1-" + "0" * 32, 3, 4, "u16", "bgra", "linear")
PLAN = Plan("real", "m", "CPUExecutionProvider", "fits", 40.0, 10, 0, "NAFNet")
MODEL = wire.Model(
    *("m", "deblur", "NAFNet", "standard", 1, True, False, False, "missing", "It is not here."),
    *(9, 9, 0, False, "", "", 4.5, "", "MIT", "https://example.org", "yes", "", False),
)
MESSAGES = [
    wire.Hello(1, "krita", "5.2.9"),
    wire.Welcome(1, "0.1", 7),
    wire.AskPlan("deblur", 30, 40, parameters={"amount": 50.0}),
    wire.PlanReply(PLAN),
    StartJob("deblur", FILE, FILE, mask=FILE, previous={"schema": 1}),
    wire.Queued(2),
    Progress("running", 1, 4, "tiles", 3.5, PLAN),
    wire.JobDone({"schema": 1}),
    wire.Cancel(),
    wire.Download("m", {"HF_ENDPOINT": "http://127.0.0.1"}),
    wire.Failed("bad-input", "no"),
    wire.Tend("verify", ("a", "b")),
    wire.ModelsReply("/m", 5, "", (MODEL, replace(MODEL, seconds=None)), {"old": 3}, 0),
    wire.DoctorReply(None),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: type(m).__name__)
def test_round_trip(message):
    assert codec.decode(codec.encode(message)) == message


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"type": "Popen"}, "no known type"),
        ({"width": "3"}, "width has the wrong type"),
        ({"width": True}, "width has the wrong type"),
        ({"extra": 1}, "unknown field"),
        ({"tool": None}, "tool has the wrong type"),
        ({"parameters": []}, "parameters has the wrong type"),
    ],
)
def test_wrong_fields_are_refused(change, says):
    body = json.loads(codec.encode(MESSAGES[2])) | change
    with pytest.raises(WireError, match=says):
        codec.decode(json.dumps(body).encode())


def test_every_item_of_a_list_is_checked():
    body = json.loads(codec.encode(wire.Tend("verify", ("a", "b"))))
    for models, says in (("ab", "models has"), (["a", 3], r"models\[1\] has")):
        with pytest.raises(WireError, match=f"{says} the wrong type"):
            codec.decode(json.dumps(body | {"models": models}).encode())


def test_missing_field():
    with pytest.raises(WireError, match="lacks a field"):
        codec.decode(b'{"type": "AskPlan", "tool": "deblur"}')


@pytest.mark.parametrize("field", [("depth", "u32"), ("order", "cmyk"), ("folder", "/etc")])
def test_a_pixel_file_of_another_kind_is_refused(field):
    body = json.loads(codec.encode(MESSAGES[4]))
    body["source"][field[0]] = field[1]
    with pytest.raises(WireError, match=f"PixelFile.{field[0]} is none of"):
        codec.decode(json.dumps(body).encode())


@given(st.binary(max_size=300))
def test_random_bytes_never_crash(body):
    with pytest.raises(WireError):
        codec.decode(body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(MESSAGES), st.data())
def test_mutated_messages_are_refused_or_valid(message, data):
    body = json.loads(codec.encode(message))
    name = data.draw(st.sampled_from(sorted(body)))
    body[name] = data.draw(json_values)
    try:
        got = codec.decode(json.dumps(body).encode())
    except WireError:
        return
    assert codec.decode(codec.encode(got)) == got


def test_deep_nesting_is_refused():
    with pytest.raises(WireError):
        codec.decode(b"[" * 100_000)


def test_a_message_has_a_limit():
    with pytest.raises(WireError, match="longer than one mebibyte"):
        codec.encode(wire.Failed("x", "y" * (1 << 20)))
