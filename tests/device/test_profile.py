"""The stored profile, and what is predicted from it."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.device.profile import (
    MIXES,
    UNMEASURED_RATES,
    Adapter,
    Cpu,
    Memory,
    Profile,
    Provider,
    from_dict,
    load,
    load_seconds,
    predict_seconds,
    save,
    to_dict,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
RATES = {
    "conv3x3": 200.0,
    "depthwise": 50.0,
    "block_deep": 120.0,
    "block_full": 40.0,
    "attention": 160.0,
    "resize": 2.0,
}


def example(**changes: object) -> Profile:
    profile = Profile(
        cpu=Cpu("Test CPU", 4, 4, ("AVX2", "FMA"), RATES),
        memory=Memory(16 << 30, 8 << 30),
        adapters=(Adapter("Card", "NVIDIA", "gpu", 8 << 30, 6 << 30, "nvidia 580", True),),
        providers=(
            Provider(CPU, "CPU", True, "", "Test CPU", RATES, 6e-7, 1.0, 0.2),
            Provider(CUDA, "NVIDIA CUDA", False, "libcudnn.so.9 could not be loaded."),
        ),
        onnxruntime="1.32.0",
        key="k" * 64,
        measured=NOW.isoformat(),
        seconds=2.1,
    )
    return replace(profile, **changes)


def test_survives_the_disk(tmp_path: Path) -> None:
    profile = example()
    path = tmp_path / "deep" / "profile.json"
    save(profile, path)
    assert load(path, profile.key, now=NOW) == profile
    assert [file.name for file in path.parent.iterdir()] == ["profile.json"]


def test_another_key_is_not_read(tmp_path: Path) -> None:
    save(example(), tmp_path / "p")
    assert load(tmp_path / "p", "x" * 64, now=NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"profile"',
        "{}",
        '{"schema": 1}',
        "[" * 100_000,
        "\0\0\0\0",
    ],
)
def test_corrupt_file_is_not_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p"
    path.write_text(text, encoding="utf-8")
    assert load(path, "k" * 64, now=NOW) is None


def test_missing_and_binary_files_are_not_read(tmp_path: Path) -> None:
    assert load(tmp_path / "none", "k" * 64) is None
    assert load(tmp_path, "k" * 64) is None
    (tmp_path / "p").write_bytes(bytes(range(256)))
    assert load(tmp_path / "p", "k" * 64) is None


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (("schema",), 2),
        (("cpu", "name"), 3),
        (("cpu", "cores_usable"), -1),
        (("cpu", "cores_usable"), True),
        (("cpu", "gflops", "conv3x3"), 0),
        (("cpu", "gflops", "conv3x3"), "fast"),
        (("memory",), None),
        (("memory", "free_bytes"), 1.5),
        (("adapters", 0, "usable"), "yes"),
        (("adapters",), 7),
        (("providers", 0, "max_relative_error"), float("nan")),
        (("providers", 0, "gflops"), []),
        (("providers", 0), "CPU"),
        (("measured",), "yesterday"),
        (("measured",), "2026-03-01T12:00:00"),
        (("seconds",), float("inf")),
    ],
)
def test_values_that_do_not_fit_are_refused(where: tuple[object, ...], value: object) -> None:
    data = json.loads(json.dumps(to_dict(example())))
    place = data
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(ValueError):
        from_dict(data)


@given(st.data())
def test_no_missing_field_passes(data: st.DataObject) -> None:
    values = json.loads(json.dumps(to_dict(example())))
    place = values
    while True:
        step = data.draw(st.sampled_from(sorted(place)))
        below = place[step]
        if isinstance(below, list) and below and isinstance(below[0], dict):
            below = below[0]
        if isinstance(below, dict) and step != "gflops" and data.draw(st.booleans()):
            place = below
            continue
        del place[step]
        break
    with pytest.raises(ValueError):
        from_dict(values)


def test_an_old_profile_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "p"
    save(example(valid_hours=24.0), path)
    key = example().key
    assert load(path, key, now=NOW + timedelta(hours=23)) is not None
    assert load(path, key, now=NOW + timedelta(hours=25)) is None
    # A clock that was set back must not keep a profile for ever.
    assert load(path, key, now=NOW - timedelta(hours=48)) is None


def test_a_reader_never_sees_half_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "p"
    save(example(), path)
    with pytest.raises(ValueError):
        save(example(seconds=math.nan), path)
    assert load(path, example().key, now=NOW) == example()
    assert [file.name for file in tmp_path.iterdir()] == ["p"]


def test_prediction_is_the_sum_over_the_mix() -> None:
    by_hand = 1000 * 0.95 / 120 + 1000 * 0.05 / 40
    assert predict_seconds(example(), CPU, 1000) == pytest.approx(by_hand)
    assert predict_seconds(example(), CPU, 1000, mix="conv") == pytest.approx(5.0)
    mixed = predict_seconds(example(), CPU, 1000, mix={"conv3x3": 3, "attention": 1})
    assert mixed == pytest.approx(750 / 200 + 250 / 160)


def test_one_convolution_rate_would_promise_too_much() -> None:
    as_blocks = predict_seconds(example(), CPU, 1000)
    as_narrow = predict_seconds(example(), CPU, 1000, mix="block_narrow")
    assert predict_seconds(example(), CPU, 1000, mix="conv") < as_blocks < as_narrow


def test_prediction_includes_the_opening_of_the_session() -> None:
    without = predict_seconds(example(), CPU, 100)
    assert predict_seconds(example(), CPU, 100, model_bytes=370_000_000) == pytest.approx(
        without + 1.1
    )


def test_half_precision_takes_longer_to_open() -> None:
    assert load_seconds(370_000_000) == pytest.approx(1.1)
    assert load_seconds(370_000_000, half=True) > 2 * load_seconds(370_000_000)


def test_each_mix_lies_between_the_speeds_it_is_made_of() -> None:
    for name, shares in MIXES.items():
        rates = [RATES[kind] for kind in shares]
        seconds = predict_seconds(example(), CPU, 1000, mix=name)
        assert 1000 / max(rates) <= seconds * (1 + 1e-9), name
        assert seconds <= 1000 / min(rates) * (1 + 1e-9), name
        assert sum(shares.values()) == pytest.approx(1), name


def test_a_provider_that_does_not_work_never_finishes() -> None:
    assert predict_seconds(example(), CUDA, 1) == math.inf
    assert predict_seconds(example(), "DmlExecutionProvider", 1) == math.inf


def test_a_kind_that_was_not_measured_counts_as_the_slowest() -> None:
    rates = {"conv3x3": 200.0, "depthwise": 50.0, "resize": 1.0}
    profile = example(providers=(Provider(CPU, "CPU", True, gflops=rates),))
    assert predict_seconds(profile, CPU, 100, mix="block") == pytest.approx(2.0)


def test_an_unmeasured_machine_is_promised_little() -> None:
    unmeasured = predict_seconds(None, CPU, 1000)
    assert 1000 / (8 * UNMEASURED_RATES["block_deep"]) < unmeasured < 1000 / 6


@given(
    gflop=st.floats(0.001, 1e6),
    more=st.floats(1.0, 1e3),
    mix=st.sampled_from(sorted(MIXES)),
    measured=st.booleans(),
)
def test_more_work_never_takes_less_time(
    gflop: float, more: float, mix: str, measured: bool
) -> None:
    profile = example() if measured else None
    less = predict_seconds(profile, CPU, gflop, mix=mix)
    assert 0 < less <= predict_seconds(profile, CPU, gflop * more, mix=mix)


@pytest.mark.parametrize(("factor", "preferred"), [(0.5, CPU), (1.4, CPU), (1.6, CUDA)])
def test_a_card_must_be_worth_it(factor: float, preferred: str) -> None:
    card = Provider(CUDA, "NVIDIA CUDA", True, gflops={k: r * factor for k, r in RATES.items()})
    profile = example(providers=(example().providers[0], card))
    chosen = profile.preferred()
    assert chosen is not None
    assert chosen.id == preferred
    fastest = CUDA if factor > 1 else CPU
    assert profile.bound()[0].id == fastest


def test_nothing_is_preferred_where_nothing_works() -> None:
    assert example(providers=()).preferred() is None


def test_the_standard_library_is_enough_to_read_a_profile() -> None:
    code = (
        "import sys, shared_core.device.profile\n"
        "heavy = {'numpy', 'psutil', 'onnxruntime', 'pynvml'} & set(sys.modules)\n"
        "print(heavy)\n"
        "sys.exit(len(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
