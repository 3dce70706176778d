"""Which graphics adapters are here, and which of them could host a model at all.

Names and ids only refuse (software renderers, virtual and display-only adapters, too little free
memory); whether an adapter is worth using is for the timed probe to say.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from shared_core.bridge.language import _

from .profile import Adapter

# What a driver's context, its workspaces and the smallest catalogued model need together.
MIN_FREE_BYTES = 1 << 30
# Below this no card of the last fifteen years is a real one.
NONSENSE_BYTES = 64 << 20
# onnxruntime's CUDA 13 packages hold no kernels for older cards.
MIN_COMPUTE_CAPABILITY = (7, 5)

VENDORS = {
    0x10DE: "NVIDIA",
    0x1002: "AMD",
    0x1022: "AMD",
    0x8086: "Intel",
    0x106B: "Apple",
    0x1414: "Microsoft",
    0x5143: "Qualcomm",
    0x4D4F4351: "Qualcomm",
    0x13B5: "Arm",
    0x14C3: "MediaTek",
    0x10005: "Mesa",
    0x1AF4: "virtio",
    0x1234: "QEMU",
    0x1B36: "QEMU",
    0x15AD: "VMware",
    0x80EE: "VirtualBox",
    0x1AB8: "Parallels",
    0x1013: "Cirrus",
    0x1A03: "ASPEED",
    0x102B: "Matrox",
}
MESA_SOFTWARE = 0x10005
BASIC_RENDER_DRIVER = (0x1414, 0x8C)
WSL_ADAPTER = (0x1414, 0x8E)
# Whole vendors that make no adapter that computes, and single devices of vendors that do.
VIRTUAL_VENDORS = {0x1234, 0x15AD, 0x80EE, 0x1AB8, 0x1013}
VIRTUAL_DEVICES = {(0x1AF4, 0x1050), (0x1B36, 0x0100), (0x1414, 0x5353)}
DISPLAY_VENDORS = {0x1A03, 0x102B}

SOFTWARE_NAMES = re.compile(
    r"llvmpipe|lavapipe|softpipe|swiftshader|swrast|software rasteri[sz]er|"
    r"basic render|\bwarp\b|microsoft basic display",
    re.IGNORECASE,
)
VIRTUAL_NAMES = re.compile(
    r"virtio|virgl|vmware svga|virtualbox|hyper-v|parallels|\bqxl\b|bochs|cirrus|"
    r"remote display|indirect display|virtual display|displaylink|citrix|spacedesk|iddsample",
    re.IGNORECASE,
)
DISPLAY_DRIVERS = {"simpledrm", "simple-framebuffer", "efifb", "ast", "mgag200", "gma500", "udl"}
VIRTUAL_DRIVERS = {
    "vkms",
    "vgem",
    "bochs",
    "bochs-drm",
    "cirrus",
    "qxl",
    "virtio-pci",
    "virtio_gpu",
    "vboxvideo",
    "vmwgfx",
    "hyperv_drm",
    "evdi",
}

PCI_IDS = ("usr/share/misc/pci.ids", "usr/share/hwdata/pci.ids")
# PCI base classes: display controllers (VGA, XGA, 3D, other) and processing accelerators.
PCI_CLASSES = ("0x0300", "0x0301", "0x0302", "0x0380", "0x1200")


@dataclass(frozen=True)
class FoundAdapter:
    """An adapter as a system names it, before it is judged. Unknown values are None or empty."""

    name: str = ""
    vendor_id: int | None = None
    device_id: int | None = None
    memory_total: int | None = None
    memory_free: int | None = None
    driver: str | None = None
    driver_version: str = ""
    compute_capability: tuple[int, int] | None = None
    slot: str = ""
    software: bool = False
    remote: bool = False


def list_adapters() -> tuple[Adapter, ...]:
    """All adapters of this machine, judged. Missing tools or drivers only make the list shorter."""
    return tuple(judge_adapter(found) for found in find_adapters())


def find_adapters() -> list[FoundAdapter]:
    """The adapters as this system names them, NVIDIA's completed by what its driver knows."""
    scan = _SCANS.get(sys.platform)
    return merge(scan() if scan else [], scan_nvidia())


def judge_adapter(found: FoundAdapter) -> Adapter:
    """Say what ``found`` is and whether it could host a model; if not, a sentence says why."""
    vendor = VENDORS.get(found.vendor_id or 0, "")
    name = found.name or _("{vendor} adapter", vendor=vendor or _("unknown"))
    kind, reason = _verdict(found, name)
    capability = found.compute_capability
    ident = ""
    if found.vendor_id is not None and found.device_id is not None:
        ident = f"{found.vendor_id:04x}:{found.device_id:04x}"
    return Adapter(
        name=name,
        vendor=vendor,
        kind=kind,
        memory_total=found.memory_total,
        memory_free=found.memory_free,
        driver=" ".join(part for part in (found.driver, found.driver_version) if part),
        usable=not reason,
        reason=reason,
        ident=ident,
        compute_capability=f"{capability[0]}.{capability[1]}" if capability else "",
    )


def merely_busy(adapter: Adapter) -> bool:
    """Whether a refused adapter was refused only for memory that others hold at the moment."""
    return (
        adapter.kind == "gpu"
        and not adapter.usable
        and (adapter.memory_total or 0) >= MIN_FREE_BYTES
        and adapter.memory_free is not None
        and adapter.memory_free < MIN_FREE_BYTES
    )


def _verdict(found: FoundAdapter, name: str) -> tuple[str, str]:
    """Kind and, for an adapter that is refused, the sentence."""
    ids = (found.vendor_id or 0, found.device_id or 0)
    if ids == WSL_ADAPTER:
        return "virtual", _(
            "{name} is the stand-in that Windows shows to its Linux subsystem; a card "
            "behind it counts only where its own driver lists it.",
            name=name,
        )
    if (
        found.software
        or ids == BASIC_RENDER_DRIVER
        or ids[0] == MESA_SOFTWARE
        or SOFTWARE_NAMES.search(name)
    ):
        return "software", _(
            "{name} is a software renderer: it computes on the processor, slower than the "
            "processor does by itself.",
            name=name,
        )
    if (
        found.remote
        or ids[0] in VIRTUAL_VENDORS
        or ids in VIRTUAL_DEVICES
        or found.driver in VIRTUAL_DRIVERS
        or VIRTUAL_NAMES.search(name)
    ):
        return "virtual", _(
            "{name} is a virtual adapter without a graphics processor behind it.", name=name
        )
    if ids[0] in DISPLAY_VENDORS or found.driver in DISPLAY_DRIVERS:
        return "display", _("{name} only drives a display and cannot compute.", name=name)
    return "gpu", _gpu_trouble(found, name)


def _gpu_trouble(found: FoundAdapter, name: str) -> str:
    if found.driver == "":
        return _("{name} has no driver loaded. Install its vendor's driver to use it.", name=name)
    if found.driver == "vfio-pci":
        return _("{name} is reserved for a virtual machine.", name=name)
    if found.driver == "nouveau":
        return _(
            "{name} runs on the nouveau driver, which cannot compute. Install NVIDIA's driver.",
            name=name,
        )
    total, free = found.memory_total, found.memory_free
    if total is not None and (total < NONSENSE_BYTES or (free is not None and free > total)):
        size = _mb(total)
        if free is not None:
            size = _("{size}, {free} free", size=size, free=_mb(free))
        return _(
            "{name} reports this memory, which cannot be true of a working card: {size}.",
            name=name,
            size=size,
        )
    if total is not None and total < MIN_FREE_BYTES:
        return _(
            "{name} has {size} of memory; models need at least {least}.",
            name=name,
            size=_mb(total),
            least=_mb(MIN_FREE_BYTES),
        )
    if free is not None and free < MIN_FREE_BYTES:
        return _(
            "{name} has {free} of its {total} memory free; models need at least {least}. "
            "Close programs that use the card.",
            name=name,
            free=_mb(free),
            total=_mb(total or 0),
            least=_mb(MIN_FREE_BYTES),
        )
    capability = found.compute_capability
    if capability and capability < MIN_COMPUTE_CAPABILITY:
        return _(
            "{name} has compute capability {capability}.{capability2}; onnxruntime's CUDA "
            "packages need 7.5 (GTX 16xx, RTX 20xx) or newer.",
            name=name,
            capability=capability[0],
            capability2=capability[1],
        )
    return ""


def _mb(count: int) -> str:
    return f"{count / 2**20:,.0f} MB"


def merge(scanned: Iterable[FoundAdapter], nvidia: Iterable[FoundAdapter]) -> list[FoundAdapter]:
    """The scanned adapters, with NVIDIA's own answer in place of the one in the same slot.

    Where a system names no slots (Windows), NVIDIA cards are paired by their device id.
    """
    merged = list(scanned)
    for card in nvidia:
        same = [
            index
            for index, found in enumerate(merged)
            if found.vendor_id == card.vendor_id
            and (
                found.slot == card.slot
                if found.slot
                else found.device_id == card.device_id and found.compute_capability is None
            )
        ]
        if same:
            merged[same[0]] = replace(card, slot=merged[same[0]].slot or card.slot)
        else:
            merged.append(card)
    return merged


def scan_nvidia() -> list[FoundAdapter]:
    """What NVIDIA's management library says of its cards; nothing where it is not installed."""
    if not nvidia_library():
        return []
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # NVMLError_LibraryNotFound and kin derive from Exception alone.
        return []
    try:
        version = _decoded(pynvml.nvmlSystemGetDriverVersion())
        return [_nvidia_card(index, version) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def nvidia_library() -> bool:
    """Whether that library may be here: its binding takes 2 MB, also where it then finds none."""
    if sys.platform != "linux":
        return True
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True


def _nvidia_card(index: int, driver_version: str) -> FoundAdapter:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    card = FoundAdapter(
        name=_decoded(pynvml.nvmlDeviceGetName(handle)),
        vendor_id=0x10DE,
        driver="nvidia",
        driver_version=driver_version,
    )
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        card = replace(card, memory_total=int(memory.total), memory_free=int(memory.free))
    except pynvml.NVMLError:  # Boards that share the processor's memory have none to report.
        pass
    try:
        major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
        card = replace(card, compute_capability=(int(major), int(minor)))
        pci = pynvml.nvmlDeviceGetPciInfo(handle)
        slot = normal_slot(_decoded(pci.busId))
        card = replace(card, device_id=int(pci.pciDeviceId) >> 16, slot=slot)
    except pynvml.NVMLError:
        pass
    return card


def normal_slot(bus_id: str) -> str:
    """NVML's ``00000000:3B:00.0`` in the kernel's form ``0000:3b:00.0``."""
    domain, _colon, rest = bus_id.lower().partition(":")
    return f"{domain[-4:]:0>4}:{rest}"


def _decoded(text: str | bytes) -> str:
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


def scan_linux(root: Path = Path("/")) -> list[FoundAdapter]:
    """Display controllers and accelerators on the PCI bus. ``root`` holds ``sys`` and ``usr``."""
    found = []
    devices = root / "sys/bus/pci/devices"
    for folder in sorted(devices.iterdir()) if devices.is_dir() else []:
        if not _line(folder / "class").startswith(PCI_CLASSES):
            continue
        try:
            ids = int(_line(folder / "vendor"), 16), int(_line(folder / "device"), 16)
        except ValueError:
            continue
        total, free = _amd_memory(folder)
        driver = folder / "driver"
        name = driver.resolve().name if driver.exists() else ""
        found.append(
            FoundAdapter(
                name=_pci_name(root, *ids),
                vendor_id=ids[0],
                device_id=ids[1],
                memory_total=total,
                memory_free=free,
                driver=name,
                driver_version=_line(root / "sys/module" / name / "version") if name else "",
                slot=folder.name,
            )
        )
    return found


def _amd_memory(folder: Path) -> tuple[int | None, int | None]:
    """Total and free bytes where the kernel tells, which it does for AMD."""
    total, used = (_line(folder / f"mem_info_vram_{what}") for what in ("total", "used"))
    # So little is the part of main memory that was set aside for an integrated adapter; it
    # borrows the rest.
    if not total.isdigit() or int(total) < MIN_FREE_BYTES:
        return None, None
    return int(total), int(total) - int(used) if used.isdigit() else None


def _pci_name(root: Path, vendor_id: int, device_id: int) -> str:
    vendor = VENDORS.get(vendor_id, f"vendor {vendor_id:04x}")
    for path in PCI_IDS:
        try:
            text = (root / path).read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        return f"{vendor} {look_up_device(text, vendor_id, device_id) or f'{device_id:04x}'}"
    return f"{vendor} {device_id:04x}"


def look_up_device(pci_ids: str, vendor_id: int, device_id: int) -> str:
    """The device's name in the text of a ``pci.ids`` file, or nothing."""
    section = re.search(
        rf"^{vendor_id:04x}  [^\n]*\n((?:[\t#][^\n]*\n|\n)*)", pci_ids, re.MULTILINE
    )
    device = section and re.search(rf"^\t{device_id:04x}  (.+)$", section[1], re.MULTILINE)
    return device[1].strip() if device else ""


def _line(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _scan_windows() -> list[FoundAdapter]:
    from .adapters_windows import scan

    return scan()


def _scan_macos() -> list[FoundAdapter]:
    from .adapters_macos import scan

    return scan()


_SCANS: dict[str, Callable[[], list[FoundAdapter]]] = {
    "linux": scan_linux,
    "win32": _scan_windows,
    "darwin": _scan_macos,
}
