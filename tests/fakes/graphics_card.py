"""A graphics card for machines without one: the worker's programs, their onnxruntime with CUDA.

``graphics_card.py MOOD PYTHON -E -P -m MODULE ...`` does what ``python -m MODULE ...`` does and
gives itself out as PYTHON. What is said to run on the card runs on the processor. MOOD is a JSON
file that is read anew for each session: ``wrong`` has the card's answers off by so much.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


def wrap(module: Any, mood: Path) -> None:
    """Give ``module``, which is onnxruntime, a card."""
    native = module.InferenceSession
    listed = module.get_available_providers

    class InferenceSession(native):  # type: ignore[misc,valid-type]
        """A session that says to be on the card where that was asked for."""

        def __init__(self, path: str, options: Any, providers: list[str], **named: Any) -> None:
            self._on_card = providers == [CUDA]
            self._mood = json.loads(mood.read_text("utf-8"))
            super().__init__(path, options, providers=[CPU], **named)

        def get_providers(self) -> list[str]:
            return [CUDA, CPU] if self._on_card else [CPU]

        def get_provider_graph_assignment_info(self) -> Any:
            parts = super().get_provider_graph_assignment_info()
            if not self._on_card:
                return parts
            return [SimpleNamespace(ep_name=CUDA, get_nodes=part.get_nodes) for part in parts]

        def run(self, *arguments: Any, **named: Any) -> Any:
            outputs = super().run(*arguments, **named)
            off = self._mood.get("wrong", 0.0) if self._on_card else 0.0
            return [output + output.dtype.type(off) for output in outputs] if off else outputs

    module.InferenceSession = InferenceSession
    module.get_available_providers = lambda: [CUDA, *listed()]


class Watch(importlib.abc.MetaPathFinder):
    """Wraps onnxruntime when, and only when, it is imported."""

    def __init__(self, mood: Path) -> None:
        self._mood = mood

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "onnxruntime":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        assert spec is not None and spec.loader is not None
        execute = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            wrap(module, self._mood)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def main() -> None:
    """Be PYTHON for what stands behind ``-m``."""
    mood, python, *rest = sys.argv[1:]
    at = rest.index("-m")
    sys.executable = python
    sys.argv = [rest[at + 1], *rest[at + 2 :]]
    sys.meta_path.insert(0, Watch(Path(mood)))
    runpy.run_module(rest[at + 1], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
