"""The report that people read, and its advice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared_core.device.adapters import FoundAdapter, judge_adapter
from shared_core.device.profile import Cpu, Memory, Profile, Provider, to_dict
from shared_core.device.report import advice, report

GB = 1 << 30
CARD = FoundAdapter(
    "RTX 4060", 0x10DE, 0x2882, 8 * GB, 7 * GB, "nvidia", "580.95", compute_capability=(8, 9)
)


def data(**changes: Any) -> dict[str, Any]:
    rates = {"conv3x3": 218.4, "block_deep": 120.0}
    values: dict[str, Any] = {
        "cpu": Cpu("Test CPU", 1, 2, ("AVX2",), rates),
        "memory": Memory(16_000_000_000, 8_500_000_000),
        "adapters": (judge_adapter(CARD), judge_adapter(FoundAdapter("llvmpipe", 0x10005))),
        "providers": (
            Provider("CPUExecutionProvider", "CPU", True, "", "Test CPU", rates, 6e-7, 1.0, 0.2),
            Provider("CUDAExecutionProvider", "NVIDIA CUDA", False, "libcudnn.so.9 is missing."),
        ),
        "onnxruntime": "1.32.0",
        "key": "k",
        "measured": "2026-03-01T12:00:00+00:00",
        "seconds": 2.14,
        **changes,
    }
    return json.loads(json.dumps(to_dict(Profile(**values))))


def test_everything_that_was_found_is_told() -> None:
    text = report(data())
    for words in (
        "Test CPU: 1 core usable of 2 physical",
        "8.5 GB free of 16.0 GB",
        "RTX 4060 (driver nvidia 580.95, 8.6 GB, 7.5 GB free, compute capability 8.9)",
        "refused: llvmpipe is a software renderer",
        "onnxruntime 1.32.0",
        "218.4 GFLOP/s",
        "NVIDIA CUDA: not used",
        "libcudnn.so.9 is missing.",
        "2.1 s",
    ):
        assert words in text


def test_a_bare_machine_is_told_too() -> None:
    text = report(
        data(
            adapters=(),
            providers=(Provider("CPUExecutionProvider", "CPU", False, "It is not installed."),),
            onnxruntime="",
        )
    )
    assert "none found" in text
    assert "onnxruntime is not usable" in text
    assert "every tool runs its classical path" in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"memory": Memory(8 * GB, 1 * GB)}, "Little memory is free"),
        ({"disturbed": 0.6}, "60% of the processor"),
        (
            {"providers": (Provider("CPUExecutionProvider", "CPU", True, gflops={"a": 1.0}),)},
            "nss-krita-gimp[cuda]",
        ),
    ],
)
def test_advice(changes: dict[str, Any], said: str | None) -> None:
    sentences = advice(data(**changes), "linux")
    assert len(sentences) == (said is not None)
    if said:
        assert said in sentences[0]


def test_a_card_on_windows_is_pointed_to_directml() -> None:
    intel = judge_adapter(FoundAdapter("Intel(R) Iris(R) Xe Graphics", 0x8086, 0x9A49))
    cpu = Provider("CPUExecutionProvider", "CPU", True, gflops={"conv3x3": 1.0})
    values = data(adapters=(intel,), providers=(cpu,))
    (sentence,) = advice(values, "win32")
    assert "nss-krita-gimp[directml]" in sentence
    assert advice(values, "linux") == []


def test_the_tiers_say_what_would_not_run_by_itself() -> None:
    tool = {"tool": "deblur", "title": "NAFNet", "seconds": 240.0, "peak_bytes": 1, "against": ""}
    tier = {"id": "standard", "download_bytes": 92 * 10**6, "missing_bytes": 0}
    too_slow = "NAFNet would take about 4 min, the limit is 60 s"
    heavy = {**tool, "against": too_slow}
    for tools, said in (([tool], "NAFNet, about 4 min"), ([heavy], f"  {too_slow}")):
        advised = {"tiers": [{**tier, "tools": tools}], "recommended": "lite", "reason": "So."}
        text = report(data(), advised)
        assert said in text and "So." in text
