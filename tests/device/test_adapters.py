"""Which adapters are refused and why, and how each system's words are read."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from shared_core.device import adapters, adapters_macos, adapters_vulkan, adapters_windows
from shared_core.device.adapters import (
    FoundAdapter,
    judge_adapter,
    list_adapters,
    look_up_device,
    merely_busy,
    merge,
    normal_slot,
    nvidia_library,
    scan_linux,
    scan_nvidia,
)

MB, GB = 1 << 20, 1 << 30

REFUSED = [
    (FoundAdapter("llvmpipe (LLVM 15.0.6, 256 bits)", 0x10005, 0), "software", "software renderer"),
    (FoundAdapter("llvmpipe (LLVM 19.1.0, 128 bits)"), "software", "software renderer"),
    (FoundAdapter("lavapipe"), "software", "software renderer"),
    (FoundAdapter("SwiftShader Device (Subzero)", 0x1AE0, 0xC0DE), "software", "software"),
    (FoundAdapter("Microsoft Basic Render Driver", 0x1414, 0x8C), "software", "software"),
    (FoundAdapter("Some other name", 0x1414, 0x8C), "software", "software renderer"),
    (FoundAdapter("Microsoft Basic Display Adapter"), "software", "software renderer"),
    (FoundAdapter("D3D12 (WARP)"), "software", "software renderer"),
    (FoundAdapter("Unknown", 0x9999, 1, software=True), "software", "software renderer"),
    (FoundAdapter("Anything", 0x10DE, 1, remote=True), "virtual", "virtual adapter"),
    (FoundAdapter("Red Hat", 0x1AF4, 0x1050, driver="virtio-pci"), "virtual", "virtual adapter"),
    (FoundAdapter("", 0x1234, 0x1111, driver="bochs-drm"), "virtual", "virtual adapter"),
    (FoundAdapter("VMware SVGA 3D", 0x15AD, 0x0405), "virtual", "virtual adapter"),
    (FoundAdapter("", 0x80EE, 0xBEEF), "virtual", "virtual adapter"),
    (FoundAdapter("Microsoft Remote Display Adapter"), "virtual", "virtual adapter"),
    (FoundAdapter("Microsoft 008e", 0x1414, 0x8E, driver="dxgkrnl"), "virtual", "subsystem"),
    (FoundAdapter("ASPEED", 0x1A03, 0x2000, driver="ast"), "display", "only drives a display"),
    (FoundAdapter("Matrox G200", 0x102B, 0x0536, driver="mgag200"), "display", "display"),
    (FoundAdapter("GeForce RTX 3060", 0x10DE, 0x2503, driver=""), "gpu", "no driver"),
    (FoundAdapter("GeForce RTX 3060", 0x10DE, 0x2503, driver="nouveau"), "gpu", "nouveau"),
    (FoundAdapter("GeForce RTX 3060", 0x10DE, 0x2503, driver="vfio-pci"), "gpu", "virtual machine"),
    (
        FoundAdapter("GeForce RTX 3060", 0x10DE, 0x2503, 12 * GB, 200 * MB, "nvidia"),
        "gpu",
        "200 MB of its 12,288 MB memory free",
    ),
    (FoundAdapter("GeForce GT 710", 0x10DE, 0x128B, 512 * MB), "gpu", "has 512 MB of memory"),
    (FoundAdapter("Odd card", 0x1002, 1, 1 * MB), "gpu", "cannot be true"),
    (FoundAdapter("Odd card", 0x1002, 1, 0), "gpu", "cannot be true"),
    (FoundAdapter("Odd card", 0x1002, 1, 2 * GB, 3 * GB), "gpu", "cannot be true"),
    (
        FoundAdapter("GeForce GTX 1080", 0x10DE, 0x1B80, 8 * GB, 7 * GB, compute_capability=(6, 1)),
        "gpu",
        "compute capability 6.1",
    ),
]


def test_vulkans_words_are_read() -> None:
    """As Mesa 25's lavapipe answered on Debian 13."""
    said = adapters_vulkan.DeviceProperties(
        vendorID=0x10005, deviceType=4, deviceName=b"llvmpipe (LLVM 19.1.7, 256 bits)"
    )
    found = adapters_vulkan.describe(said)
    assert (found.name, found.software) == ("llvmpipe (LLVM 19.1.7, 256 bits)", True)
    assert not judge_adapter(found).usable
    listed = json.dumps([asdict(found)])
    assert adapters_vulkan.scan(lambda: listed) == [found]


def crashes() -> str:
    raise subprocess.CalledProcessError(-11, "python")


def hangs() -> str:
    raise subprocess.TimeoutExpired("python", 10)


@pytest.mark.parametrize("ask", [crashes, hangs, lambda: "", lambda: "[{}, 1]", lambda: '{"a": 1}'])
def test_a_vulkan_driver_that_crashes_or_hangs_names_nothing(ask: Any) -> None:
    assert adapters_vulkan.scan(ask) == []


def test_vulkan_is_asked_in_a_process_of_its_own() -> None:
    before = set(sys.modules)
    assert isinstance(adapters_vulkan.scan(), list)
    loaded = Path("/proc/self/maps")
    assert not loaded.exists() or "libvulkan" not in loaded.read_text()
    assert set(sys.modules) - before == set()


@pytest.mark.parametrize(("found", "kind", "said"), REFUSED)
def test_refused_with_the_reason(found: FoundAdapter, kind: str, said: str) -> None:
    adapter = judge_adapter(found)
    assert not adapter.usable
    assert adapter.kind == kind
    assert said in adapter.reason
    assert adapter.reason.startswith(adapter.name)
    assert adapter.reason.endswith(".")


@pytest.mark.parametrize(
    "found",
    [
        FoundAdapter(
            "NVIDIA GeForce RTX 4060",
            0x10DE,
            0x2882,
            8 * GB,
            7 * GB,
            "nvidia",
            "580.95",
            compute_capability=(8, 9),
        ),
        FoundAdapter("AMD 73bf", 0x1002, 0x73BF, 16 * GB, 15 * GB, "amdgpu"),
        FoundAdapter("Intel(R) UHD Graphics 620", 0x8086, 0x5917),
        FoundAdapter("Apple M2", 0x106B),
        FoundAdapter("AMD Radeon Graphics", 0x1002, 0x1638, None, None, "amdgpu"),
    ],
)
def test_real_cards_are_not_refused(found: FoundAdapter) -> None:
    adapter = judge_adapter(found)
    assert adapter.usable, adapter.reason
    assert adapter.kind == "gpu"
    assert adapter.reason == ""
    assert adapter.vendor in found.name


def test_what_is_told_of_a_card() -> None:
    found = FoundAdapter(
        "Card", 0x10DE, 0x2882, 8 * GB, 7 * GB, "nvidia", "580.95", compute_capability=(8, 9)
    )
    adapter = judge_adapter(found)
    assert (adapter.ident, adapter.driver) == ("10de:2882", "nvidia 580.95")
    assert adapter.compute_capability == "8.9"


def test_only_a_card_that_others_fill_is_merely_busy() -> None:
    busy = FoundAdapter("Card", 0x10DE, 1, 8 * GB, 200 * MB, "nvidia")
    assert merely_busy(judge_adapter(busy))
    assert not any(
        merely_busy(judge_adapter(found)) for found, _, said in REFUSED if "memory free" not in said
    )


def pci_device(root: Path, slot: str, driver: str = "", **files: str) -> None:
    folder = root / "sys/bus/pci/devices" / slot
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / (name.removesuffix("_"))).write_text(text + "\n")
    if driver:
        target = root / "sys/bus/pci/drivers" / driver
        target.mkdir(parents=True, exist_ok=True)
        (folder / "driver").symlink_to(target)


def test_linux_pci_scan(tmp_path: Path) -> None:
    pci_device(tmp_path, "0000:00:1f.3", "snd", class_="0x040300", vendor="0x8086", device="0x1")
    pci_device(
        tmp_path, "0000:00:02.0", "i915", class_="0x030000", vendor="0x8086", device="0x5917"
    )
    pci_device(
        tmp_path,
        "0000:03:00.0",
        "amdgpu",
        class_="0x038000",
        vendor="0x1002",
        device="0x73bf",
        mem_info_vram_total=str(16 * GB),
        mem_info_vram_used=str(1 * GB),
    )
    pci_device(tmp_path, "0000:04:00.0", class_="0x030200", vendor="0x10de", device="0x2330")
    pci_device(tmp_path, "0000:05:00.0", class_="0x030000", vendor="garbage", device="0x1")
    module = tmp_path / "sys/module/amdgpu"
    module.mkdir(parents=True)
    (module / "version").write_text("6.8.5\n")
    ids = tmp_path / "usr/share/misc/pci.ids"
    ids.parent.mkdir(parents=True)
    ids.write_text(PCI_IDS)

    intel, amd, nvidia = scan_linux(tmp_path)
    assert (intel.name, intel.driver, intel.memory_total) == (
        "Intel UHD Graphics 620",
        "i915",
        None,
    )
    assert amd.name == "AMD Navi 21 [Radeon RX 6800]"
    assert (amd.memory_total, amd.memory_free) == (16 * GB, 15 * GB)
    assert amd.driver_version == "6.8.5"
    assert (nvidia.name, nvidia.driver, nvidia.slot) == ("NVIDIA 2330", "", "0000:04:00.0")


def test_an_integrated_amd_card_shares_the_memory(tmp_path: Path) -> None:
    pci_device(
        tmp_path,
        "0000:05:00.0",
        "amdgpu",
        class_="0x030000",
        vendor="0x1002",
        device="0x1638",
        mem_info_vram_total=str(512 * MB),
        mem_info_vram_used=str(500 * MB),
    )
    (found,) = scan_linux(tmp_path)
    assert found.memory_total is None
    assert judge_adapter(found).usable


def test_no_pci_bus_is_no_adapter(tmp_path: Path) -> None:
    assert scan_linux(tmp_path) == []


PCI_IDS = """#
1002  Advanced Micro Devices, Inc. [AMD/ATI]
\t73bf  Navi 21 [Radeon RX 6800]
\t\t1002 0e3a  A board
8086  Intel Corporation
\t1234  Not this
\t5917  UHD Graphics 620
\t\t1028 081b  A laptop
C 03  Display controller
\t5917  Not a device
"""


def test_names_come_from_the_right_vendor() -> None:
    assert look_up_device(PCI_IDS, 0x8086, 0x5917) == "UHD Graphics 620"
    assert look_up_device(PCI_IDS, 0x1002, 0x5917) == ""
    assert look_up_device(PCI_IDS, 0x1028, 0x081B) == ""


def test_nvidia_knows_its_cards_better() -> None:
    scanned = [
        FoundAdapter("Intel 5917", 0x8086, 0x5917, slot="0000:00:02.0"),
        FoundAdapter("NVIDIA 2882", 0x10DE, 0x2882, driver="nvidia", slot="0000:01:00.0"),
    ]
    first = FoundAdapter("RTX 4060", 0x10DE, 0x2882, 8 * GB, slot="0000:01:00.0")
    second = FoundAdapter("RTX 4060", 0x10DE, 0x2882, 8 * GB, slot="0000:02:00.0")
    assert merge(scanned, [first, second]) == [scanned[0], first, second]


def test_two_equal_cards_without_slots_stay_two() -> None:
    scanned = [FoundAdapter("RTX 4060", 0x10DE, 0x2882)] * 2
    cards = [
        FoundAdapter("RTX 4060", 0x10DE, 0x2882, 8 * GB, compute_capability=(8, 9), slot=slot)
        for slot in ("0000:01:00.0", "0000:02:00.0")
    ]
    assert [found.slot for found in merge(scanned, cards)] == ["0000:01:00.0", "0000:02:00.0"]


def test_slots_are_compared_in_one_form() -> None:
    assert normal_slot("00000000:3B:00.0") == "0000:3b:00.0"
    assert normal_slot("00010000:3B:00.0") == "0000:3b:00.0"


class FakeNvml(SimpleNamespace):
    """What nvidia-ml-py answers on a machine with a card, and which parts fail."""

    class NVMLError(Exception):
        pass

    def __init__(self, failing: str = "") -> None:
        def answer(name: str, value: object) -> object:
            def call(*_: object) -> object:
                if name == failing:
                    raise self.NVMLError(name)
                return value

            return call

        super().__init__(
            nvmlInit=answer("init", None),
            nvmlShutdown=answer("shutdown", None),
            nvmlSystemGetDriverVersion=answer("driver", "580.95.05"),
            nvmlDeviceGetCount=answer("count", 1),
            nvmlDeviceGetHandleByIndex=answer("handle", object()),
            nvmlDeviceGetName=answer("name", b"NVIDIA H200"),
            nvmlDeviceGetMemoryInfo=answer(
                "memory", SimpleNamespace(total=141 * GB, free=140 * GB)
            ),
            nvmlDeviceGetCudaComputeCapability=answer("capability", (9, 0)),
            nvmlDeviceGetPciInfo=answer(
                "pci", SimpleNamespace(busId="00000000:0F:00.0", pciDeviceId=0x233510DE)
            ),
        )


def test_nvidia_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapters, "nvidia_library", lambda: True)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml())
    (card,) = scan_nvidia()
    assert card == FoundAdapter(
        "NVIDIA H200",
        0x10DE,
        0x2335,
        141 * GB,
        140 * GB,
        "nvidia",
        "580.95.05",
        (9, 0),
        "0000:0f:00.0",
    )


@pytest.mark.parametrize("failing", ["init", "driver", "count", "handle", "name"])
def test_nvidia_library_without_a_driver(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    monkeypatch.setattr(adapters, "nvidia_library", lambda: True)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(failing))
    assert scan_nvidia() == []


@pytest.mark.parametrize("failing", ["memory", "capability", "pci"])
def test_nvidia_library_with_gaps(monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    monkeypatch.setattr(adapters, "nvidia_library", lambda: True)
    monkeypatch.setitem(sys.modules, "pynvml", FakeNvml(failing))
    (card,) = scan_nvidia()
    assert judge_adapter(card).usable


def test_the_binding_is_left_alone_where_the_library_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(adapters, "nvidia_library", lambda: False)
    monkeypatch.delitem(sys.modules, "pynvml", raising=False)
    assert scan_nvidia() == []
    assert "pynvml" not in sys.modules


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the binding alone looks for it")
def test_the_library_is_here_where_its_binding_finds_it() -> None:
    found = True
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        found = error.value != pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    assert nvidia_library() == found


def test_this_machine_is_read_without_an_error() -> None:
    for adapter in list_adapters():
        assert adapter.usable or adapter.reason


# Values as the headers of DXGI declare them; not recorded on a machine.
def dxgi(name: str, vendor: int, device: int, own: int, flags: int = 0):
    desc = adapters_windows.DxgiAdapterDesc1()
    text = name.encode("utf-16-le")
    desc.Description[: len(text) // 2] = [
        int.from_bytes(text[i : i + 2], "little") for i in range(0, len(text), 2)
    ]
    desc.VendorId, desc.DeviceId, desc.DedicatedVideoMemory, desc.Flags = vendor, device, own, flags
    return desc


def test_windows_adapters_through_the_seam() -> None:
    descriptions = [
        dxgi("NVIDIA GeForce RTX 4060 Laptop GPU", 0x10DE, 0x28E0, 8 * GB),
        dxgi("Intel(R) Iris(R) Xe Graphics", 0x8086, 0x9A49, 128 * MB),
        dxgi("Microsoft Basic Render Driver", 0x1414, 0x8C, 0, flags=2),
    ]
    found = adapters_windows.scan(
        lambda: descriptions, lambda: {"Intel(R) Iris(R) Xe Graphics": "32.0.101.5972"}
    )
    nvidia, intel, basic = map(judge_adapter, found)
    assert nvidia.usable
    assert nvidia.memory_total == 8 * GB
    assert intel.usable
    assert (intel.memory_total, intel.driver) == (None, "32.0.101.5972")
    assert (basic.kind, basic.usable) == ("software", False)


def test_windows_description_has_the_header_s_layout() -> None:
    desc = adapters_windows.DxgiAdapterDesc1
    assert (desc.VendorId.offset, desc.DedicatedVideoMemory.offset) == (256, 272)
    assert (desc.AdapterLuid.offset, desc.Flags.offset) == (296, 304)


MACOS = {
    "SPDisplaysDataType": [
        {
            "_name": "Apple M2",
            "spdisplays_mtlgpufamilysupport": "spdisplays_metal3",
            "spdisplays_vendor": "sppci_vendor_Apple",
            "sppci_bus": "spdisplays_builtin",
            "sppci_cores": "10",
            "sppci_model": "Apple M2",
        },
        {
            "_name": "AMD Radeon Pro 5500M",
            "spdisplays_device-id": "0x7340",
            "spdisplays_vendor": "AMD (0x1002)",
            "spdisplays_vram": "8 GB",
            "sppci_model": "AMD Radeon Pro 5500M",
        },
    ]
}


def test_macos_adapters_from_words() -> None:
    apple, amd = map(judge_adapter, adapters_macos.parse(json.dumps(MACOS)))
    assert (apple.name, apple.vendor, apple.usable) == ("Apple M2", "Apple", True)
    assert (amd.ident, amd.memory_total) == ("1002:7340", 8 * GB)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"SPDisplaysDataType": [3]}'])
def test_macos_nonsense_is_no_adapter(text: str) -> None:
    assert adapters_macos.parse(text) == []
