"""The whole probe on this machine, and with providers that are not what they say."""

from __future__ import annotations

import contextlib
import importlib.metadata
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from shared_core.bridge.errors import Cancelled
from shared_core.device import benchmark, libraries, probe
from shared_core.device.adapters import FoundAdapter, judge_adapter
from shared_core.device.profile import (
    CPU_PROVIDER,
    DISTURBED_SHARE,
    Profile,
    Provider,
    from_dict,
    predict_seconds,
    to_dict,
)
from shared_core.engine.session import SessionFailed, open_session

CUDA = "CUDAExecutionProvider"
DML = "DmlExecutionProvider"
MB, GB = 1 << 20, 1 << 30


@pytest.fixture(scope="module")
def here() -> Profile:
    return probe.probe()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the smallest graph of each kind, where the speed is not what is tested."""
    small = {kind: sizes[:1] for kind, sizes in benchmark.graphs().items()}
    monkeypatch.setattr(benchmark, "graphs", lambda: small)


def found(profile: Profile, name: str) -> Provider:
    provider = profile.provider(name)
    assert provider is not None
    return provider


def test_this_machine(here: Profile) -> None:
    cpu = found(here, CPU_PROVIDER)
    assert cpu.bound, cpu.reason
    assert cpu.device == here.cpu.name
    assert here.cpu.gflops == cpu.gflops
    assert 0 < here.seconds < 30
    assert here.memory.free_bytes < here.memory.total_bytes
    assert here.key == probe.machine_key()
    assert 0 <= here.disturbed <= 1
    assert here.preferred() is not None
    assert from_dict(to_dict(here)) == here
    for provider in here.providers:
        assert provider.bound or provider.reason.endswith(".")


def test_predictions_from_this_machine(here: Profile) -> None:
    seconds = predict_seconds(here, CPU_PROVIDER, 500)
    assert 0.01 < seconds < 1000
    assert predict_seconds(here, CPU_PROVIDER, 1000) == pytest.approx(2 * seconds)


@pytest.mark.usefixtures("quick")
def test_the_network_service_is_never_used() -> None:
    profile = probe.probe(available=["AzureExecutionProvider"], adapters=[])
    azure = found(profile, "AzureExecutionProvider")
    assert not azure.bound
    assert "network" in azure.reason


@pytest.mark.usefixtures("quick")
def test_progress_rises_to_the_end() -> None:
    told: list[tuple[float, str]] = []
    probe.probe(lambda share, text: told.append((share, text)), available=[CPU_PROVIDER])
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert "CPU" in told[0][1]


def test_cancel() -> None:
    with pytest.raises(Cancelled):
        probe.probe(cancelled=lambda: True)


def on_the_processor_instead(path: Path, _: str) -> Any:
    """Stands for an onnxruntime that answers every wish with a session on the processor."""
    return open_session(path, CPU_PROVIDER)


@pytest.mark.usefixtures("quick")
def test_a_silent_fallback_is_caught_and_explained() -> None:
    profile = probe.probe(
        open_session=on_the_processor_instead, available=[CUDA, CPU_PROVIDER], adapters=[]
    )
    cuda = found(profile, CUDA)
    assert not cuda.bound
    assert cuda.gflops == {}
    assert "CPUExecutionProvider in its place" in cuda.reason
    assert "No NVIDIA card was found." in cuda.reason
    assert f'pip install "{libraries.PROJECT}[cuda]"' in cuda.reason
    assert found(profile, CPU_PROVIDER).bound
    preferred = profile.preferred()
    assert preferred is not None
    assert preferred.id == CPU_PROVIDER
    # A library may be installed tomorrow.
    assert profile.valid_hours <= 24


@pytest.mark.usefixtures("quick")
def test_the_engine_s_own_refusal_is_put_in_plain_words() -> None:
    def refuses(path: Path, provider: str) -> Any:
        if provider == CPU_PROVIDER:
            return open_session(path, provider)
        raise SessionFailed("long", "onnxruntime bound CPUExecutionProvider instead")

    cuda = found(
        probe.probe(open_session=refuses, available=[CPU_PROVIDER, CUDA], adapters=[]), CUDA
    )
    assert cuda.reason.startswith("It fails: onnxruntime opened the processor in its place.")


@pytest.mark.usefixtures("quick")
def test_a_driver_that_raises_anything_is_only_refused() -> None:
    class DeviceLost(Exception):
        pass

    def breaks(path: Path, provider: str) -> Any:
        if provider == CPU_PROVIDER:
            return open_session(path, provider)
        raise DeviceLost("CUDA failure 100: no CUDA-capable device is detected")

    profile = probe.probe(open_session=breaks, available=[CPU_PROVIDER, CUDA], adapters=[])
    assert "no NVIDIA card answers" in found(profile, CUDA).reason
    assert found(profile, CPU_PROVIDER).bound


@pytest.mark.usefixtures("quick")
def test_a_provider_that_is_not_in_this_build_says_so() -> None:
    profile = probe.probe(available=[CPU_PROVIDER, "MIGraphXExecutionProvider"], adapters=[])
    migraphx = found(profile, "MIGraphXExecutionProvider")
    assert not migraphx.bound
    assert "built without" in migraphx.reason
    assert "No AMD card was found." in migraphx.reason


def never_opened(path: Path, provider: str) -> Any:
    if provider == CPU_PROVIDER:
        return open_session(path, provider)
    raise AssertionError(f"{provider} was tried")


@pytest.mark.parametrize(
    ("provider", "card", "said"),
    [
        (
            CUDA,
            FoundAdapter("RTX 3060", 0x10DE, 1, 12 * GB, 200 * MB, "nvidia"),
            "200 MB of its 12,288 MB memory free",
        ),
        (DML, FoundAdapter("Microsoft Basic Render Driver", 0x1414, 0x8C), "software renderer"),
        ("WebGpuExecutionProvider", FoundAdapter("llvmpipe", 0x10005), "software renderer"),
    ],
)
@pytest.mark.usefixtures("quick")
def test_no_driver_is_woken_for_a_refused_adapter(
    provider: str, card: FoundAdapter, said: str
) -> None:
    profile = probe.probe(
        open_session=never_opened,
        available=[CPU_PROVIDER, provider],
        adapters=[judge_adapter(card)],
    )
    refused = found(profile, provider)
    assert not refused.bound
    assert said in refused.reason
    assert "was tried" not in refused.reason
    busy = "memory free" in said
    assert (profile.valid_hours <= 1) == (busy or profile.disturbed > DISTURBED_SHARE)


def test_a_device_that_onnxruntime_lists_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def device(name: str, kind: str, description: str) -> Any:
        what = SimpleNamespace(
            type=SimpleNamespace(name=kind), vendor="Intel", metadata={"Description": description}
        )
        return SimpleNamespace(ep_name=name, device=what)

    listed = [device(DML, "CPU", "a processor"), device(DML, "GPU", "Arc A770")]
    monkeypatch.setattr(onnxruntime, "get_ep_devices", lambda: listed, raising=False)
    assert probe._listed_device(DML) == "Arc A770"
    assert probe._listed_device(CUDA) == ""
    monkeypatch.delattr(onnxruntime, "get_ep_devices")
    assert probe._listed_device(DML) == ""


LAVAPIPE = FoundAdapter("llvmpipe (LLVM 19.1.7, 256 bits)", 0x10005, 0, software=True)


@pytest.mark.parametrize("vulkan", [[LAVAPIPE], [LAVAPIPE, FoundAdapter("Radeon", 0x1002, 7)]])
@pytest.mark.usefixtures("quick")
def test_a_software_renderer_with_a_vulkan_driver_is_named_and_refused(vulkan: Any) -> None:
    """Beside a card without such a driver it is the only one that WebGPU would find."""
    card = judge_adapter(FoundAdapter("Radeon", 0x1002, 7, 8 * GB, driver="amdgpu"))
    asked = [CPU_PROVIDER, probe.WEBGPU]
    profile = probe.probe(
        open_session=never_opened, available=asked, adapters=[card], vulkan=vulkan
    )
    assert [(a.name, a.usable) for a in profile.adapters] == [
        ("Radeon", True),
        (LAVAPIPE.name, False),
    ]
    reason = found(profile, probe.WEBGPU).reason
    assert ("is a software renderer" in reason) == (len(vulkan) == 1)
    assert ("was tried" in reason) == (len(vulkan) == 2)


@pytest.mark.usefixtures("quick")
def test_tensorrt_only_on_demand() -> None:
    asked = [CPU_PROVIDER, probe.TENSORRT]
    off = probe.probe(open_session=never_opened, available=asked, adapters=[])
    assert "on demand" in found(off, probe.TENSORRT).reason
    on = probe.probe(open_session=never_opened, available=asked, adapters=[], tensorrt=True)
    assert "was tried" in found(on, probe.TENSORRT).reason


def test_without_onnxruntime_there_is_still_a_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    profile = probe.probe()
    cpu = found(profile, CPU_PROVIDER)
    assert not cpu.bound
    assert "pip install onnxruntime" in cpu.reason
    assert profile.preferred() is None
    assert from_dict(to_dict(profile)) == profile


def test_the_key_is_stable_and_the_supervisor_needs_nothing_heavy_for_it() -> None:
    code = (
        "import sys\n"
        "import shared_core.worker.server\n"
        "from shared_core.device.adapters import nvidia_library\n"
        "from shared_core.device.probe import machine_key\n"
        "print(machine_key())\n"
        "heavy = {'numpy', 'onnxruntime', 'importlib.metadata', 'email', 'ssl', 'logging'}\n"
        "heavy |= set() if nvidia_library() else {'pynvml'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == probe.machine_key()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("installed", lambda: {"onnxruntime-gpu": "1.31.1"}),
        ("find_adapters", lambda: [FoundAdapter("Card", 0x10DE, 1, driver="nvidia")]),
        ("VERSION", 0),
    ],
)
def test_the_key_changes_with_what_it_names(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = probe.machine_key()
    monkeypatch.setattr(probe, name, value)
    assert probe.machine_key() != before


def test_a_new_driver_is_another_key_and_free_memory_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def key(free: int, version: str) -> str:
        card = FoundAdapter("Card", 0x10DE, 1, 8 * GB, free, "nvidia", version)
        monkeypatch.setattr(probe, "find_adapters", lambda: [card])
        return probe.machine_key()

    assert key(7 * GB, "580") == key(1 * GB, "580")
    assert key(7 * GB, "580") != key(7 * GB, "590")


def test_installed_names_what_is_here() -> None:
    known = {}
    for name in libraries.DISTRIBUTIONS:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            known[name] = importlib.metadata.version(name)
    assert libraries.installed() == known
    assert onnxruntime.__version__ in known.values()


def test_installed_reads_names_as_python_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in (
        "first/onnxruntime_gpu-1.32.0.dist-info",
        "second/onnxruntime_gpu-1.20.1.dist-info",
        "second/ONNXRuntime-1.20.1-py3.12.egg-info",
        "second/nvidia_cudnn_cu12-9.1.0.70.dist-info",
        "second/onnx-1.23.2.dist-info",
    ):
        (tmp_path / name).mkdir(parents=True)
    folders = [tmp_path / name for name in ("first", "second", "missing")]
    monkeypatch.setattr(sys, "path", list(map(str, folders)))
    assert libraries.installed() == {
        "onnxruntime": "1.20.1",
        "onnxruntime-gpu": "1.32.0",
        "nvidia-cudnn-cu12": "9.1.0.70",
    }
