"""The log of what was contacted: written before, never lost, summed up truly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared_core.bridge import contacts
from shared_core.bridge.contacts import Contact, Errand, Summary
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.paths import Paths, paths
from tests.conftest import ROOT


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    return paths({"NSS_HOME": str(tmp_path / "home ü")})


def test_nothing_yet(where: Paths) -> None:
    assert contacts.read(where) == []
    assert contacts.summed([]) == []


def test_what_is_noted_is_read_again(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    errand = Errand(where, "SCUNet: weights ü")
    errand.sending("hub.example", scheme="https", account=True)
    errand.received("cdn.example", 12)
    first, second = contacts.read(where)
    assert (first.host, first.what, first.account) == ("hub.example", "SCUNet: weights ü", True)
    assert first.received is None and first.via == ""
    assert (second.host, second.received, second.account) == ("cdn.example", 12, False)
    assert first.when <= second.when and first.when.endswith("Z")
    if os.name != "nt":
        assert contacts.log_of(where).stat().st_mode & 0o077 == 0


def test_the_proxy_between_is_noted(where: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example:3128/")
    monkeypatch.setenv("no_proxy", "near.example")
    Errand(where, "x").sending("far.example", scheme="https")
    Errand(where, "x").sending("near.example", scheme="https")
    far, near = contacts.read(where)
    assert (far.via, near.via) == ("proxy.example:3128", "")
    assert "secret" not in contacts.log_of(where).read_text("utf-8")


def test_contacts_are_summed_by_host_and_what() -> None:
    told = [
        Contact("2026-01-02T00:00:00Z", "a", "x"),
        Contact("2026-01-02T00:00:09Z", "a", "x", received=5),
        Contact("2026-01-01T00:00:00Z", "a", "x", account=True, via="p"),
        Contact("2026-01-03T00:00:00Z", "b", "x"),
    ]
    assert contacts.summed(told) == [
        Summary("b", "x", told[3].when, told[3].when, 1, 0, False, ()),
        Summary("a", "x", told[2].when, told[1].when, 2, 5, True, ("p",)),
    ]


def test_a_damaged_line_does_not_hide_the_others(where: Paths) -> None:
    Errand(where, "one").sending("a")
    with contacts.log_of(where).open("ab") as log:
        log.write(b'{"when": "tor\xff\n[]\n{"other": 1}\n')
    Errand(where, "two").sending("b")
    assert [one.what for one in contacts.read(where)] == ["one", "two"]


def test_without_a_log_nothing_is_contacted(where: Paths) -> None:
    where.data.parent.mkdir(parents=True)
    where.data.write_text("in the way", "utf-8")
    with pytest.raises(CouldNotBeDone, match="Nothing is contacted"):
        Errand(where, "x").sending("a")


def test_lines_of_several_processes_do_not_mix(where: Paths) -> None:
    script = (
        "import sys\n"
        "from shared_core.bridge.contacts import Errand\n"
        "from shared_core.bridge.paths import paths\n"
        "for n in range(200):\n"
        "    Errand(paths(), f'{sys.argv[1]} {n} ' + 'x' * 300).sending('a')\n"
    )
    environment = {**os.environ, "NSS_HOME": str(where.data.parent)}
    started = [
        subprocess.Popen([sys.executable, "-c", script, str(n)], cwd=ROOT, env=environment)
        for n in range(3)
    ]
    assert [process.wait(600) for process in started] == [0, 0, 0]
    lines = contacts.log_of(where).read_text("utf-8").splitlines()
    assert len(contacts.read(where)) == len(lines) == 600
    assert all(json.loads(line)["host"] == "a" for line in lines)
