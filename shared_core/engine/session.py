"""One ONNX model as a session: bound to the provider that was asked for, or refused.

onnxruntime falls back to the processor without an error in several ways; each is closed here or
looked for afterwards. It also counts how often the model really gave an output.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort  # type: ignore[import-untyped,unused-ignore]
from numpy.typing import NDArray

from ..bridge.errors import Cancelled, CouldNotBeDone
from ..bridge.language import _
from .memory import available_bytes, usable_threads
from .placement import heavy_share

# Beside the reports that ``shared_core`` switches off: on Windows events go to the system's traces.
ort.disable_telemetry_events()

CPU = "CPUExecutionProvider"

# A model's metadata could choose the session's options otherwise, a profile's file among them.
os.environ.pop("ORT_LOAD_CONFIG_FROM_MODEL", None)

# Full optimisation may triple the weights in memory, so it needs a model far below what is free.
_SHARE_FOR_FULL_OPTIMISATION = 0.25
_SHARE_FOR_WARM_SESSIONS = 0.1
# With less of the heavy operations on a device, the processor does the work.
_LEAST_SHARE = 0.5
_WARNING = 2
# What onnxruntime says first: a number, the file, the place in its own code with a signature.
_WHERE = re.compile(
    r"\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .*? failed:"
    r"|/onnxruntime_src/\S+:\d+ [^()]*\([^()]*\) "
)
_MEMORY_SIGNS = (
    "failed to allocate memory",
    "out of memory",
    "smaller than requested bytes",
    "cudamalloc",
    "cublas_status_alloc_failed",
    "8007000e",
    "not enough memory",
    "bad_alloc",
    "bad allocation",
)
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
}


class _Failure(CouldNotBeDone):
    """A failure with ``reason``, what onnxruntime or we found, short enough for a receipt."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class SessionFailed(_Failure):
    """No session could be made: the file is missing or no model, or the provider did not bind."""


class RunFailed(_Failure):
    """A run failed, not for want of memory; on a graphics card the session is to be dropped."""


class OutOfMemory(_Failure):
    """The memory did not suffice. On the processor the session stays usable for smaller tiles."""

    out_of_memory = True


@dataclass(frozen=True)
class Tensor:
    """An input or output as the model declares it; free sizes are names or None."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The array type to feed, None for what is no array."""
        kind = _DTYPES.get(self.type)
        return None if kind is None else np.dtype(kind)


@dataclass(frozen=True)
class Bound:
    """Where the model's nodes really lie.

    ``nodes`` holds for each provider its operators and their number, after optimisation, as far as
    onnxruntime tells; ``share`` is the part of all nodes that lies on ``provider``, None where it
    does not tell of those that do the work.
    """

    provider: str
    share: float | None = None
    nodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class Session:
    """A model that is loaded and bound; made by ``open_session``.

    ``runs`` counts how often the model gave an output, ``run_seconds`` adds up their times.
    """

    def __init__(
        self, native: ort.InferenceSession, path: Path, bound: Bound, threads: int, seconds: float
    ) -> None:
        self.path = path
        self.bound = bound
        self.threads = threads
        self.load_seconds = seconds
        self.inputs = tuple(_tensor(node) for node in native.get_inputs())
        self.outputs = tuple(_tensor(node) for node in native.get_outputs())
        self.runs = 0
        self.run_seconds = 0.0
        self._native = native
        self._lock = threading.Lock()
        self._running: set[ort.RunOptions] = set()

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        cancelled: Callable[[], bool] | None = None,
    ) -> list[NDArray[Any]]:
        """All outputs for ``feeds`` (input name to array), in the order of ``outputs``.

        Raises ``Cancelled`` when ``cancel`` was called or ``cancelled()`` holds at the start,
        ``OutOfMemory``, and ``RunFailed`` for anything else, wrong tensors included.
        """
        options = ort.RunOptions()
        with self._lock:
            self._running.add(options)
        started = time.perf_counter()
        try:
            # Asked only now: a cancel before this line is seen here, a later one ends the run.
            if cancelled and cancelled():
                raise Cancelled(_("Cancelled."))
            outputs = self._native.run(None, dict(feeds), options)
        except Cancelled:
            raise
        except Exception as error:
            if options.terminate:
                raise Cancelled(_("Cancelled.")) from error
            raise self._failure(error) from error
        finally:
            with self._lock:
                self._running.discard(options)
        self.runs += 1
        self.run_seconds += time.perf_counter() - started
        return list(outputs)

    def cancel(self) -> None:
        """End the runs now going on, from another thread; a later run is not affected."""
        with self._lock:
            for options in self._running:
                options.terminate = True

    def _failure(self, error: Exception) -> CouldNotBeDone:
        reason = _reason(error)
        if _is_memory(error):
            return OutOfMemory(
                _(
                    "The memory did not suffice to run {name} ({reason}). Close other "
                    "programs, use a smaller selection or the classical path.",
                    name=self.path.name,
                    reason=reason,
                ),
                reason,
            )
        return RunFailed(
            _(
                "The model {name} failed on {provider} ({reason}). Choose another model or the "
                "classical path.",
                name=self.path.name,
                provider=self.bound.provider,
                reason=reason,
            ),
            reason,
        )


def open_session(
    path: str | Path, provider: str = CPU, *, threads: int | None = None, alone: bool = False
) -> Session:
    """Load the model at ``path`` and bind it to ``provider``, with ``threads`` of our own count.

    With ``alone`` the provider has to take every node. Raises ``SessionFailed`` when the file is no
    model or another provider would do most of the work, and ``OutOfMemory``.
    """
    path = Path(path)
    count = threads or usable_threads()
    if provider not in ort.get_available_providers():
        raise _unbound(
            path, provider, _("this onnxruntime is built without {provider}", provider=provider)
        )
    started = time.perf_counter()
    options = _options(path, count)
    if alone and provider != CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        native = ort.InferenceSession(str(path), options, providers=[provider], enable_fallback=0)
    except Exception as error:
        raise _load_failure(path, provider, error) from error
    found = native.get_providers()
    if found[:1] != [provider]:
        raise _unbound(
            path, provider, _("onnxruntime bound {names} instead", names=", ".join(found))
        )
    bound = _bound(native, provider)
    share = heavy_share(bound.nodes, provider)
    if share is not None and share < _LEAST_SHARE:
        raise _unbound(
            path,
            provider,
            _("it takes only {share:.0%} of the model's heavy operations", share=share),
        )
    return Session(native, path, bound, count, time.perf_counter() - started)


class SessionCache:
    """The sessions used last, kept warm; the one unused longest goes when another is opened.

    At most ``limit`` of them, and files of at most ``weights_bytes`` together; by default a tenth
    of the memory that is available, since a session takes up to three times its file.
    """

    def __init__(self, limit: int = 4, weights_bytes: int | None = None) -> None:
        self._limit = limit
        self._weights_bytes = weights_bytes
        self._sessions: OrderedDict[tuple[str, str, str, int], Session] = OrderedDict()

    def get(
        self, path: str | Path, sha256: str, provider: str = CPU, threads: int | None = None
    ) -> Session:
        """The session on this file with these contents, opened when it is not at hand.

        Raises what ``open_session`` raises.
        """
        count = threads or usable_threads()
        key = (str(path), sha256, provider, count)
        if key not in self._sessions:
            # Before opening, so that the memory of the old and the new need not fit together.
            while self._sessions and self._full(Path(path)):
                self._sessions.popitem(last=False)
            self._sessions[key] = open_session(path, provider, threads=count)
        self._sessions.move_to_end(key)
        return self._sessions[key]

    def _full(self, new: Path) -> bool:
        """Whether there is no room for one more."""
        room = self._weights_bytes
        if room is None:
            room = round(available_bytes() * _SHARE_FOR_WARM_SESSIONS)
        files = [new, *(session.path for session in self._sessions.values())]
        return len(files) > self._limit or sum(map(_model_bytes, files)) > room

    def drop(self, session: Session) -> None:
        """Forget ``session``, so that the next ``get`` opens the file anew."""
        for key in [key for key, kept in self._sessions.items() if kept is session]:
            del self._sessions[key]

    def clear(self) -> None:
        """Forget all sessions."""
        self._sessions.clear()


def _options(path: Path, threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    # Each of these was measured: the pattern doubles the memory, spinning slows the editor down.
    options.enable_mem_pattern = False
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _WARNING
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    full = _model_bytes(path) < available_bytes() * _SHARE_FOR_FULL_OPTIMISATION
    levels = ort.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if full else levels.ORT_ENABLE_EXTENDED
    return options


def _model_bytes(path: Path) -> int:
    """Size of the model with the data files that are named after it."""
    try:
        return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*"))
    except OSError:
        return 0


def _bound(native: ort.InferenceSession, provider: str) -> Bound:
    try:
        parts = native.get_provider_graph_assignment_info()
    except Exception:
        return Bound(provider)
    counts: dict[str, Counter[str]] = {}
    for part in parts:
        operators = counts.setdefault(part.ep_name, Counter())
        operators.update(node.op_type for node in part.get_nodes())
    if heavy_share(counts, provider) is None:
        return Bound(provider, None, counts)
    total = sum(operators.total() for operators in counts.values())
    return Bound(provider, counts.get(provider, Counter()).total() / total, counts)


def _tensor(node: Any) -> Tensor:
    return Tensor(node.name, node.type, tuple(node.shape or ()))


def _load_failure(path: Path, provider: str, error: Exception) -> CouldNotBeDone:
    reason = _reason(error)
    if _is_memory(error):
        return OutOfMemory(
            _(
                "The memory did not suffice to load {name} ({reason}). Close other programs or "
                "use the classical path.",
                name=path.name,
                reason=reason,
            ),
            reason,
        )
    if provider != CPU:
        # The provider's own libraries fail here too: the file need not be at fault.
        return _unbound(path, provider, reason)
    return SessionFailed(
        _(
            "The model {name} cannot be loaded ({reason}). Remove it and download it again, or "
            "use the classical path.",
            name=path.name,
            reason=reason,
        ),
        reason,
    )


def _unbound(path: Path, provider: str, reason: str) -> SessionFailed:
    return SessionFailed(
        _(
            "The model {name} cannot run on {provider}: {reason}. Choose another device or the "
            "classical path.",
            name=path.name,
            provider=provider,
            reason=reason,
        ),
        reason,
    )


def _reason(error: Exception) -> str:
    lines = _WHERE.sub("", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def _is_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(sign in text for sign in _MEMORY_SIGNS)
