"""The user's settings: words that mean the same when read back, and files that nobody wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.bridge import settings
from shared_core.bridge.errors import CouldNotBeDone, UsageError
from shared_core.bridge.paths import paths
from shared_core.bridge.settings import Amount, Settings
from tests.conftest import ROOT

DEFAULTS = Settings()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.json"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("3min", 180), ("1,5 min", 90), (" 1 H ", 3600), ("5 sec", 5)],
)
def test_durations(text, seconds):
    assert settings.read_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("60 %", Amount(share=0.6)),
        ("100%", Amount(share=1.0)),
        ("4GB", Amount(bytes=4 * 10**9)),
        ("4 GiB", Amount(bytes=4 << 30)),
        ("0.5 gb", Amount(bytes=5 * 10**8)),
        ("100 MB", Amount(bytes=10**8)),
    ],
)
def test_amounts(text, amount):
    assert settings.read_amount(text) == amount


@pytest.mark.parametrize(
    ("name", "text"),
    [
        *(
            ("budget", text)
            for text in ("", "4.9", "3601", "2 h", "nan", "-60", "1e3", "3 days", "٣")
        ),
        *(
            ("memory", text)
            for text in ("", "60", "0 %", "101 %", "99 MB", "4 G", "nan %", "-4 GB")
        ),
        *(("commercial_only", text) for text in ("", "1", "perhaps")),
        *(("models_folder", text) for text in ("", "models", "/a\0b", __file__)),
        ("patience", "3"),
    ],
)
def test_what_is_no_setting_is_refused_and_nothing_is_written(file, name, text):
    with pytest.raises(UsageError) as refused:
        settings.change(file, {"vram": "50 %", name: text})
    assert name in str(refused.value) and str(refused.value).endswith(".")
    assert not file.exists()


@given(
    budget=st.floats(settings.SHORTEST_SECONDS, settings.LONGEST_SECONDS).map(
        lambda x: round(x, 3)
    ),
    share=st.integers(10, 1000).map(lambda promille: promille / 1000),
    count=st.integers(settings.LEAST_BYTES, 10**13 - 1),
    commercial_only=st.booleans(),
)
def test_words_mean_the_same_when_read_back(budget, share, count, commercial_only):
    made = Settings(budget, Amount(share=share), Amount(bytes=count), commercial_only)
    words = settings.words_of(made)
    again = {one.name: one.read(words[one.name]) for one in settings.SETTINGS[:-1]}
    assert Settings(**again) == made


def test_amounts_of_what_is_free():
    assert Amount(share=0.6).of(1000) == 600
    assert Amount(bytes=700).of(1000) == 700
    assert Amount(bytes=7000).of(1000) == 1000


def test_changes_are_kept_with_what_else_is_there(file):
    assert settings.read(file) == (DEFAULTS, "")
    file.parent.mkdir()
    file.write_text('{"of another version": [1], "budget": "9 s"}', "utf-8")
    made = settings.change(file, {"memory": "4 GB", "commercial_only": "yes"})
    assert (
        made == settings.load(file) == Settings(9.0, Amount(bytes=4 * 10**9), commercial_only=True)
    )
    made = settings.change(file, {"budget": "default", "commercial_only": "default"})
    assert made == Settings(memory=Amount(bytes=4 * 10**9))
    assert json.loads(file.read_text()) == {"of another version": [1], "memory": "4 GB"}
    assert [one.name for one in file.parent.iterdir()] == [file.name]


def test_numbers_and_truths_of_json_will_do(file):
    file.parent.mkdir()
    file.write_text('{"budget": 90, "commercial_only": true, "models_folder": null}', "utf-8")
    assert settings.read(file) == (Settings(budget=90.0, commercial_only=True), "")


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\0\1", "[" * 100_000, '{"budget": 60'])
def test_a_broken_file_gives_the_defaults_and_a_sentence(file, text):
    file.parent.mkdir()
    file.write_text(text, "utf-8")
    found, trouble = settings.read(file)
    assert found == DEFAULTS
    assert str(file) in trouble and trouble.endswith("Correct the file or delete it.")
    assert settings.change(file, {"budget": "2 min"}) == Settings(budget=120.0)
    assert file.with_suffix(".broken.json").read_text("utf-8") == text
    assert settings.read(file)[1] == ""


@pytest.mark.parametrize("value", [1, [], {"a": 1}, "soon", "2 s", False, 10**400])
def test_one_bad_value_spoils_no_other(file, value):
    file.parent.mkdir()
    file.write_text(json.dumps({"budget": value, "vram": "3 GB"}), "utf-8")
    found, trouble = settings.read(file)
    assert found == Settings(vram=Amount(bytes=3 * 10**9))
    assert "The setting budget" in trouble and "nss settings budget=default" in trouble
    # It is not thrown away by a change of something else.
    settings.change(file, {"memory": "50 %"})
    assert json.loads(file.read_text())["budget"] == value
    assert settings.change(file, {"budget": "default"}).budget == DEFAULTS.budget
    assert settings.read(file)[1] == ""


def test_a_folder_in_its_place(file):
    file.mkdir(parents=True)
    assert settings.load(file) == DEFAULTS and settings.read(file)[1]
    (file / "x").touch()
    settings.change(file, {"budget": "9 s"})
    assert settings.load(file).budget == 9


def test_settings_that_cannot_be_written(file):
    file.parent.write_text("in the way", "utf-8")
    with pytest.raises(CouldNotBeDone, match="cannot be written"):
        settings.change(file, {"budget": "9 s"})


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_one(file, tmp_path):
    file.parent.mkdir()
    kept = tmp_path / "dotfiles.json"
    file.symlink_to(kept)
    settings.change(file, {"budget": "9 s"})
    assert file.is_symlink() and json.loads(kept.read_text()) == {"budget": "9 s"}


def test_the_models_lie_where_the_user_says(tmp_path):
    where = paths({"NSS_HOME": str(tmp_path)})
    usual = where.models
    elsewhere = tmp_path / "Große Platte"
    settings.change(where.settings, {"models_folder": str(elsewhere)})
    assert where.models == elsewhere
    settings.change(where.settings, {"models_folder": "default"})
    assert where.models == usual == where.data / "models"


def test_a_reader_never_sees_half_of_it(file):
    """One process writes again and again, this one reads."""
    writer = (
        "import sys; from pathlib import Path; from shared_core.bridge import settings\n"
        "for n in range(200): settings.change(Path(sys.argv[1]), {'budget': f'{5 + n} s'})"
    )
    settings.change(file, {"budget": "5 s"})
    process = subprocess.Popen([sys.executable, "-c", writer, str(file)], cwd=ROOT)
    while process.poll() is None:
        found, trouble = settings.read(file)
        assert trouble == "" and 5 <= found.budget <= 204
    assert process.returncode == 0
