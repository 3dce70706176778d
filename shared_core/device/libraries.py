"""Which package brings which onnxruntime provider, and which library keeps one from loading."""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shared_core.bridge.language import _, joined

from .profile import Adapter

PROJECT = "nss-krita-gimp"
REMOTE = "AzureExecutionProvider"
# Every distribution that brings the module onnxruntime or a part for it, and the libraries that
# NVIDIA's and Intel's parts load.
DISTRIBUTIONS = (
    "onnxruntime",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
    "onnxruntime-webgpu",
    "onnxruntime-ep-webgpu",
    "onnxruntime-migraphx",
    "onnxruntime-rocm",
    "onnxruntime-qnn",
    "onnxruntime-windowsml",
    "nvidia-cublas",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "nvidia-cuda-runtime",
    "openvino",
    "tensorrt",
)


@dataclass(frozen=True)
class Kind:
    """A provider onnxruntime may have: its name for people, whose adapters it needs, what it loads.

    ``vendor`` is empty when any adapter will do and None when it needs none. ``extra`` is the
    optional dependency of this project that brings the libraries which it loads, ``stem`` the name
    of the provider's own without what the system puts around it.
    """

    title: str
    vendor: str | None = None
    needs: str = ""
    extra: str = ""
    stem: str = ""


PROVIDERS: dict[str, Kind] = {
    "CPUExecutionProvider": Kind("CPU"),
    "CUDAExecutionProvider": Kind(
        "NVIDIA CUDA",
        "NVIDIA",
        _("an NVIDIA driver and the CUDA and cuDNN libraries"),
        "cuda",
        "onnxruntime_providers_cuda",
    ),
    "TensorrtExecutionProvider": Kind(
        "NVIDIA TensorRT",
        "NVIDIA",
        _("an NVIDIA driver and the CUDA, cuDNN and TensorRT libraries"),
        stem="onnxruntime_providers_tensorrt",
    ),
    "DmlExecutionProvider": Kind(
        "DirectML", "", _("Windows 10 or newer and a DirectX 12 graphics driver")
    ),
    "CoreMLExecutionProvider": Kind("Apple CoreML", None, _("macOS 14 on Apple silicon")),
    "OpenVINOExecutionProvider": Kind(
        "Intel OpenVINO",
        None,
        _("the OpenVINO libraries"),
        stem="onnxruntime_providers_openvino",
    ),
    "ROCMExecutionProvider": Kind(
        "AMD ROCm", "AMD", _("AMD's ROCm libraries"), stem="onnxruntime_providers_rocm"
    ),
    "MIGraphXExecutionProvider": Kind(
        "AMD MIGraphX", "AMD", _("AMD's ROCm libraries"), stem="onnxruntime_providers_migraphx"
    ),
    "WebGpuExecutionProvider": Kind("WebGPU", "", _("a Vulkan, Metal or DirectX 12 driver")),
    "QNNExecutionProvider": Kind("Qualcomm QNN", None, _("a Qualcomm processor and its driver")),
    "XnnpackExecutionProvider": Kind("XNNPACK"),
    "DnnlExecutionProvider": Kind("oneDNN", stem="onnxruntime_providers_dnnl"),
    REMOTE: Kind("Azure"),
}

# What onnxruntime or a driver says, and what it means.
PLAIN_WORDS = (
    (r"bound CPUExecutionProvider instead", _("onnxruntime opened the processor in its place")),
    (r"no cuda-capable device", _("no NVIDIA card answers")),
    (r"driver version is insufficient", _("the NVIDIA driver is too old for this onnxruntime")),
    (r"install tensorrt libraries", _("the TensorRT libraries are not installed")),
    (
        r"no supported adapters|failed to get a webgpu adapter",
        _("no adapter with a Vulkan driver"),
    ),
    (r"no kernel image is available", _("the card is too old or too new for this onnxruntime")),
)


def installed() -> dict[str, str]:
    """Versions of the distributions that decide what onnxruntime can do, without importing it.

    Their folders' names say it; ``importlib.metadata`` would bring a parser of mails, 1.7 MB that
    the supervisor has no other use for.
    """
    versions: dict[str, str] = {}
    # Of two with one name Python imports that of the earlier folder.
    for folder in reversed(sys.path):
        for path in Path(folder).glob("*.*-info"):
            name, _dash, rest = path.stem.partition("-")
            name = re.sub(r"[-_.]+", "-", name).lower()
            if name in DISTRIBUTIONS:
                # An egg names Python's version too.
                versions[name] = rest.partition("-")[0]
    return versions


def kind_of(provider: str) -> Kind:
    """What is known of the provider of that onnxruntime name."""
    return PROVIDERS.get(provider) or Kind(provider.removesuffix("ExecutionProvider"))


def adapter_behind(provider: str, adapters: Sequence[Adapter]) -> Adapter | None:
    """The adapter that a provider computes on, as far as its kind tells."""
    vendor = kind_of(provider).vendor
    if vendor is None:
        return None
    usable = [card for card in adapters if card.usable and card.vendor == (vendor or card.vendor)]
    # Which of several a provider for any of them takes is for its driver to choose.
    return usable[0] if usable and (vendor or len(usable) == 1) else None


def preload(provider: str) -> None:
    """Load the CUDA libraries that were installed as Python packages, where onnxruntime can.

    Without it onnxruntime finds only those of the system. What fails shows when the session binds.
    """
    import onnxruntime

    if kind_of(provider).vendor != "NVIDIA" or not hasattr(onnxruntime, "preload_dlls"):
        return
    # It reports each library that it does not find by print.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(Exception):
        onnxruntime.preload_dlls()


def missing_library(provider: str) -> str:
    """Name of the library that keeps the provider's own from loading, or nothing.

    To be asked after onnxruntime has tried, because the provider's library rests on another.
    """
    for path in _provider_libraries(provider):
        try:
            ctypes.CDLL(str(path))
        except OSError as error:
            # "libcudnn.so.9: cannot open shared object file: …"; Windows names only the first.
            name = re.match(r"([^\s:]+\.so[.\d]*|[^\s:]+\.dylib):", str(error))
            return name[1] if name else _("a library that {name} needs", name=path.name)
    return ""


def in_plain_words(message: str) -> str:
    """A short reason from what onnxruntime said; its own words where nothing better is known."""
    for pattern, words in PLAIN_WORDS:
        if re.search(pattern, message, re.IGNORECASE):
            return words
    return " ".join(message.split())[:200].rstrip(". ")


def how_to_get(provider: str, missing: str = "") -> str:
    """What the user can do about a provider that does not work: sentences, or nothing."""
    kind = kind_of(provider)
    said = [_("{missing} could not be loaded.", missing=missing)] if missing else []
    if kind.needs and kind.extra:
        said.append(
            _(
                '{provider} needs {needs}: install them with  pip install "{project}[{extra}]".',
                provider=kind.title,
                needs=kind.needs,
                project=PROJECT,
                extra=kind.extra,
            )
        )
    elif kind.needs:
        said.append(_("{provider} needs {needs}.", provider=kind.title, needs=kind.needs))
    return joined(" ", said)


def _provider_libraries(provider: str) -> Iterator[Path]:
    import onnxruntime

    stem = kind_of(provider).stem
    folder = Path(onnxruntime.__file__).parent / "capi"
    for pattern in (f"lib{stem}.so", f"lib{stem}.dylib", f"{stem}.dll"):
        if stem and (folder / pattern).exists():
            yield folder / pattern
