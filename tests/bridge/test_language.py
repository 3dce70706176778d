"""Texts in the reader's language: messages, how they cross, and who chooses the language."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.bridge import codec, language, receipt, wire
from shared_core.bridge.errors import BadInput, from_code
from shared_core.bridge.language import Message, _, joined, ngettext


@pytest.fixture
def german(monkeypatch: pytest.MonkeyPatch):
    """From a call on this process speaks German."""
    monkeypatch.setattr(language, "_language", "en")
    monkeypatch.delenv("NSS_LANGUAGE", raising=False)
    return lambda: language.choose(["de_AT.UTF-8"])


def plan() -> wire.Plan:
    reason = _(
        "{model} would take about {time}, the limit is {limit}",
        model="NAFNet",
        time=wire.duration(180),
        limit=wire.duration(9.5),
    )
    return wire.Plan("classical", None, None, reason, 1.5, 1_300_000_000, 0, "soft")


def test_a_message_is_its_english_sentence_until_someone_reads_it(german):
    text = _("{number:.1f} GB", number=1.25)
    assert (text, str(text), f"{text}") == ("1.2 GB",) * 3
    assert isinstance(str(text), Message)
    assert text.within("de") == "1,2 GB"
    german()
    assert _("{number:.1f} GB", number=1.25) == "1,2 GB"
    assert _("{number:.1f} GB", number=1.25).english == "1.2 GB"
    assert _("{count:,} bytes", count=1234567) == "1.234.567 Bytes"


def test_plurals(german):
    assert [ngettext("{count} file", "{count} files", n) for n in (0, 1, 2)] == [
        "0 files",
        "1 file",
        "2 files",
    ]
    german()
    assert [ngettext("{count} file", "{count} files", n) for n in (0, 1, 2)] == [
        "0 Dateien",
        "1 Datei",
        "2 Dateien",
    ]


def test_the_worker_s_sentences_are_read_in_the_editor_s_language(german):
    body = codec.encode(wire.PlanReply(plan()))
    english = codec.decode(body).plan
    assert english == plan()
    german()
    read = codec.decode(body).plan
    assert read.reason == "NAFNet bräuchte etwa 3 min, die Grenze ist 9,5 s"
    assert read.sentence() == (
        "Soft · etwa 1,5 s, 1,3 GB Speicher · NAFNet bräuchte etwa 3 min, die Grenze ist 9,5 s"
    )
    assert language.kept(read.reason) == english.reason


def test_an_error_keeps_its_message_on_its_way(german):
    error = BadInput(_("{file} is damaged. Delete it and try again.", file=Path("a/b")))
    failed = codec.decode(codec.encode(wire.Failed(error.code, str(error))))
    assert str(from_code(failed.code, failed.message)) == str(error)
    german()
    failed = codec.decode(codec.encode(wire.Failed(error.code, str(error))))
    assert failed.message.startswith("a/b ist beschädigt.")


def made(reason: str, fault: str | None = None) -> receipt.Receipt:
    return receipt.Receipt(
        tool="deblur",
        path="classical",
        model=None,
        algorithm=receipt.Algorithm(_("classical sharpening by {name}", name="x"), {}),
        provider=receipt.Provider(None, None, "CPU"),
        reason=reason,
        fault=fault,
        predicted=receipt.Predicted(None, None),
        actual=receipt.Actual(0.0, 1.0, 1.5, None, 1),
        image=receipt.ImageFacts(8, 8, "u8", False),
        parameters={},
        seed=None,
        versions=receipt.Versions("0", None, "Krita 5"),
        started="2026-01-01T00:00:00Z",
    )


def test_a_receipt_is_kept_in_english_and_read_in_any_language(german):
    english = receipt.to_json(made(plan().reason))
    assert json.loads(english)["reason"] == "NAFNet would take about 3 min, the limit is 9.5 s"
    german()
    # What a German editor reads and writes again is the same, byte for byte.
    read = receipt.from_json(english)
    assert receipt.to_json(read) == english
    assert receipt.sentence(read) == (
        "Unschärfe entfernen: klassisches Schärfen durch x, 1,5 s: NAFNet bräuchte etwa 3 min, "
        "die Grenze ist 9,5 s."
    )


def test_a_wording_that_says_something_else_than_the_receipt_does_not_count():
    data = receipt.to_dict(made(plan().reason))
    data["reason"] = "the model is here"
    assert receipt.from_dict(data).reason == "the model is here"
    del data["wording"]
    assert receipt.from_dict(data).reason == "the model is here"


def test_the_source_of_a_receipt_is_its_facts_alone():
    source = receipt.as_source(receipt.to_dict(made(plan().reason)))
    assert source is not None
    assert "wording" not in source
    assert source["reason"] == plan().reason


_values = st.one_of(st.text(), st.integers(), st.floats(allow_nan=False))


@given(st.text(), st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), _values))
def test_any_message_crosses(text, values):
    message = Message(text, "", values)
    assert copy.deepcopy(message) is message
    data = json.loads(json.dumps(language.packed({"it": [message]})))
    back = language.unpacked(data)["it"][0]
    assert (back, back.text, dict(back.values)) == (message, text, dict(message.values))


@pytest.mark.parametrize(
    "data",
    [
        {"say": 1},
        {"say": "x", "with": []},
        {"say": "x", "with": {"a": None}},
        {"say": "x", "with": {"a": {"say": 2}}},
        {"say": "x", "many": "y", "with": {}},
        {"say": "x", "other": "y"},
    ],
)
def test_what_is_no_message_stays_what_it_is(data):
    assert language.message_of(data) is None
    with pytest.raises(wire.WireError):
        codec.decode(json.dumps({"type": "Done", "text": data}).encode())


def test_a_stranger_s_text_reaches_nothing_and_stays_small():
    for text in ("{a.__class__}", "{a!r}", "{a:1000000000}", "{a[0]}", "{b}", "{"):
        assert Message(text, "", {"a": "x"}) == text
    nested: dict = {"say": "deep"}
    for _level in range(100):
        nested = {"say": "{a}", "with": {"a": nested}}
    assert language.message_of(nested) is None


def test_joined_texts_are_translated_apart(german):
    text = joined("; ", [_("as you chose"), "x"])
    assert text == "as you chose; x"
    german()
    assert text.within("de") == "wie von Ihnen gewählt; x"


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"LANG": "de_DE.UTF-8"}, ["de_DE.UTF-8"]),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "fr:de"}, ["fr", "de"]),
        ({"LANG": "fr_FR.UTF-8", "LC_MESSAGES": "de_CH"}, ["de_CH"]),
        ({"LANG": "fr_FR", "LC_MESSAGES": "de_CH", "LC_ALL": "C"}, ["C"]),
        # gettext: in the locale C nothing is translated.
        ({"LANG": "C.UTF-8", "LANGUAGE": "de"}, ["C.UTF-8"]),
    ],
)
def test_the_language_of_an_environment(environ, wanted):
    assert language.of_environment(environ) == wanted


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        (["de"], "de"),
        (["de-AT", "en"], "de"),
        (["en_GB", "de"], "en"),
        (["xx", "de_DE"], "de"),
        (["C", "de"], "en"),
        ([], "en"),
    ],
)
def test_the_first_language_that_there_is(monkeypatch, wanted, spoken):
    monkeypatch.setattr(language, "_language", "en")
    monkeypatch.delenv("NSS_LANGUAGE", raising=False)
    language.choose(wanted)
    assert language.spoken() == spoken
    monkeypatch.setenv("NSS_LANGUAGE", "de" if spoken == "en" else "en")
    language.choose(wanted)
    assert language.spoken() != spoken


def test_the_command_line_speaks_the_environment_s_language_and_the_worker_english(tmp_path):
    def said(code: str, **environ: str) -> str:
        environment = {"NSS_HOME": str(tmp_path), "PATH": "", "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-c", code]
        done = subprocess.run(
            command,
            env={**environment, **environ},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return done.stdout

    tools = "import sys; sys.argv = ['nss', 'tools']; from shared_core.cli.__main__ import main"
    assert "Deblur" in said(f"{tools}; main()", LANG="en_US.UTF-8")
    assert "Unschärfe entfernen" in said(f"{tools}; main()", LANG="de_DE.UTF-8")
    worker = "import shared_core.worker.server as s; from shared_core.bridge import language as l"
    alone = f"{worker}; print(l.spoken(), l._catalogues, 'gettext' in __import__('sys').modules)"
    assert said(alone, LANG="de_DE.UTF-8", NSS_LANGUAGE="de").startswith("en {} ")


def test_a_plan_that_fits_is_known_in_every_language(german):
    german()
    fits = replace(plan(), reason=Message("the model is here and fits the limits"))
    there = codec.decode(codec.encode(wire.PlanReply(fits))).plan
    assert there.reason == Message("the model is here and fits the limits")
