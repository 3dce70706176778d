"""Graphics adapters as Vulkan names them, software renderers too; looked at in its own process.

Listing them loads every Vulkan driver that is installed, and a driver may crash or hang.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict

from .adapters import FoundAdapter

PATIENCE_SECONDS = 10.0
LIBRARY = "libvulkan.so.1"
VERSION_1_0 = 1 << 22
DEVICE_TYPE_CPU = 4
# VkPhysicalDeviceProperties takes 824 bytes; only its beginning is read.
PROPERTIES_BYTES = 2048


class ApplicationInfo(ctypes.Structure):
    """VkApplicationInfo of vulkan_core.h."""

    _fields_ = [
        ("sType", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("pApplicationName", ctypes.c_char_p),
        ("applicationVersion", ctypes.c_uint32),
        ("pEngineName", ctypes.c_char_p),
        ("engineVersion", ctypes.c_uint32),
        ("apiVersion", ctypes.c_uint32),
    ]


class InstanceCreateInfo(ctypes.Structure):
    """VkInstanceCreateInfo."""

    _fields_ = [
        ("sType", ctypes.c_int),
        ("pNext", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
        ("pApplicationInfo", ctypes.POINTER(ApplicationInfo)),
        ("enabledLayerCount", ctypes.c_uint32),
        ("ppEnabledLayerNames", ctypes.c_void_p),
        ("enabledExtensionCount", ctypes.c_uint32),
        ("ppEnabledExtensionNames", ctypes.c_void_p),
    ]


class DeviceProperties(ctypes.Structure):
    """The beginning of VkPhysicalDeviceProperties."""

    _fields_ = [
        ("apiVersion", ctypes.c_uint32),
        ("driverVersion", ctypes.c_uint32),
        ("vendorID", ctypes.c_uint32),
        ("deviceID", ctypes.c_uint32),
        ("deviceType", ctypes.c_int),
        ("deviceName", ctypes.c_char * 256),
    ]


def scan(ask: Callable[[], str] | None = None) -> list[FoundAdapter]:
    """The adapters that have a Vulkan driver; none where there is no Vulkan or a driver fails."""
    try:
        return [FoundAdapter(**item) for item in json.loads((ask or _in_a_process)())]
    except (OSError, ValueError, TypeError, subprocess.SubprocessError):
        return []


def _in_a_process() -> str:
    if sys.platform != "linux":
        return "[]"
    command = [sys.executable, "-P", "-m", __name__]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    ).stdout


def describe(properties: DeviceProperties) -> FoundAdapter:
    """An adapter from Vulkan's own words."""
    return FoundAdapter(
        name=properties.deviceName.decode("utf-8", "replace"),
        vendor_id=int(properties.vendorID),
        device_id=int(properties.deviceID),
        software=properties.deviceType == DEVICE_TYPE_CPU,
    )


def _listed() -> list[FoundAdapter]:
    """All adapters, asked of the drivers in this process."""
    vulkan = ctypes.CDLL(LIBRARY)
    about = ApplicationInfo(sType=0, apiVersion=VERSION_1_0)
    info = InstanceCreateInfo(sType=1, pApplicationInfo=ctypes.pointer(about))
    instance = ctypes.c_void_p()
    if vulkan.vkCreateInstance(ctypes.byref(info), None, ctypes.byref(instance)):
        return []
    count = ctypes.c_uint32()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), None)
    devices = (ctypes.c_void_p * count.value)()
    vulkan.vkEnumeratePhysicalDevices(instance, ctypes.byref(count), devices)
    found = []
    for device in devices[: count.value]:
        room = ctypes.create_string_buffer(PROPERTIES_BYTES)
        vulkan.vkGetPhysicalDeviceProperties(ctypes.c_void_p(device), room)
        found.append(describe(DeviceProperties.from_buffer(room)))
    return found


if __name__ == "__main__":
    print(json.dumps([asdict(adapter) for adapter in _listed()]))
