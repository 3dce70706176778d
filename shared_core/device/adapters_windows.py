"""Graphics adapters as Windows (DXGI) names them. Written from the headers; not run there yet."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable
from typing import Any

from .adapters import FoundAdapter

FLAG_REMOTE = 1
FLAG_SOFTWARE = 2
# Integrated processors report a token amount of memory of their own and share the machine's.
SHARED_BELOW = 512 << 20

IID_IDXGI_FACTORY1 = bytes.fromhex("78ae0a776ff2ba4da829253c83d1b387")
# Places in the tables of virtual functions, counted from IUnknown's first.
RELEASE = 2
ENUM_ADAPTERS1 = 12
GET_DESC1 = 10
DISPLAY_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


class DxgiAdapterDesc1(ctypes.Structure):
    """DXGI_ADAPTER_DESC1 of dxgi.h."""

    _fields_ = [
        ("Description", ctypes.c_uint16 * 128),
        ("VendorId", ctypes.c_uint32),
        ("DeviceId", ctypes.c_uint32),
        ("SubSysId", ctypes.c_uint32),
        ("Revision", ctypes.c_uint32),
        ("DedicatedVideoMemory", ctypes.c_size_t),
        ("DedicatedSystemMemory", ctypes.c_size_t),
        ("SharedSystemMemory", ctypes.c_size_t),
        ("AdapterLuid", ctypes.c_uint32 * 2),
        ("Flags", ctypes.c_uint32),
    ]


def scan(
    describe: Callable[[], Iterable[DxgiAdapterDesc1]] | None = None,
    driver_versions: Callable[[], dict[str, str]] | None = None,
) -> list[FoundAdapter]:
    """The adapters that DXGI lists, with the driver versions that the registry holds for them."""
    versions = (driver_versions or _driver_versions)()
    return [_adapter(desc, versions) for desc in (describe or _descriptions)()]


def _adapter(desc: DxgiAdapterDesc1, versions: dict[str, str]) -> FoundAdapter:
    name = bytes(desc.Description).decode("utf-16-le", "replace").split("\0")[0]
    own = int(desc.DedicatedVideoMemory)
    return FoundAdapter(
        name=name,
        vendor_id=int(desc.VendorId),
        device_id=int(desc.DeviceId),
        memory_total=own if own >= SHARED_BELOW else None,
        driver_version=versions.get(name, ""),
        software=bool(desc.Flags & FLAG_SOFTWARE),
        remote=bool(desc.Flags & FLAG_REMOTE),
    )


def _descriptions() -> list[DxgiAdapterDesc1]:
    if sys.platform != "win32":
        return []
    descriptions: list[DxgiAdapterDesc1] = []
    factory = ctypes.c_void_p()
    try:
        create = ctypes.WinDLL("dxgi").CreateDXGIFactory1
    except OSError:
        return []
    if create(IID_IDXGI_FACTORY1, ctypes.byref(factory)) != 0:
        return []
    index, adapter = 0, ctypes.c_void_p()
    while _call(factory, ENUM_ADAPTERS1, index, ctypes.byref(adapter)) == 0:
        desc = DxgiAdapterDesc1()
        if _call(adapter, GET_DESC1, ctypes.byref(desc)) == 0:
            descriptions.append(desc)
        _call(adapter, RELEASE)
        index, adapter = index + 1, ctypes.c_void_p()
    _call(factory, RELEASE)
    return descriptions


def _call(thing: ctypes.c_void_p, place: int, *arguments: Any) -> int:
    """Call a COM object's virtual function by its place in the table."""
    if sys.platform != "win32":
        return -1
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p)))[0]
    kinds = [ctypes.c_uint if isinstance(a, int) else ctypes.c_void_p for a in arguments]
    function = ctypes.WINFUNCTYPE(ctypes.c_long, ctypes.c_void_p, *kinds)(table[place])
    return int(function(thing, *arguments))


def _driver_versions() -> dict[str, str]:
    """Driver version per adapter name, from the registry's class of display adapters."""
    if sys.platform != "win32":
        return {}
    import winreg

    versions: dict[str, str] = {}
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, DISPLAY_CLASS) as group:
            for index in range(winreg.QueryInfoKey(group)[0]):
                try:
                    with winreg.OpenKey(group, winreg.EnumKey(group, index)) as key:
                        name = str(winreg.QueryValueEx(key, "DriverDesc")[0])
                        versions[name] = str(winreg.QueryValueEx(key, "DriverVersion")[0])
                except OSError:
                    continue
    except OSError:
        return versions
    return versions
