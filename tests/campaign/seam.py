"""Runs the worker's programs with a seam below the product: one injected fault, and a witness.

``seam.py FOLDER PYTHON -E -P -m MODULE ...`` does what ``python -m MODULE ...`` does, and gives
itself out as PYTHON, so that what MODULE starts goes through here too. The product knows nothing
of it: only onnxruntime's session class, ``mmap`` and a few names in the runner are wrapped.

FOLDER holds ``fault.json`` (see ``campaign.Fault``; read anew for each job), ``spent`` (a byte for
each time the fault was provoked), ``settings.json`` (the supervisor's shorter deadlines) and
``witness.jsonl``: which job began, and which model's session gave an output in it.
"""

from __future__ import annotations

import errno
import importlib
import importlib.abc
import importlib.machinery
import json
import mmap
import os
import runpy
import signal
import sys
import time
from pathlib import Path
from typing import Any

RUNNER = "shared_core.worker.runner"
SERVER = "shared_core.worker.server"


class Seam:
    """The fault of the running job, and the witness of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fault: dict[str, Any] = {}
        self._job = 0
        self._counts: dict[str, int] = {}

    def tell(self, event: str, **fields: Any) -> None:
        """One line of the witness."""
        line = json.dumps({"event": event, "pid": os.getpid(), "job": self._job, **fields}) + "\n"
        handle = os.open(
            self._folder / "witness.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
        )
        os.write(handle, line.encode())
        os.close(handle)

    def begin(self, request: dict[str, Any]) -> None:
        """A job begins: its fault, if it is to have one."""
        self._job += 1
        self._counts = {}
        self._fault = {}
        told = {name: request[name] for name in ("path", "tool", "tile_divisor", "helpers")}
        self.tell("begin", **told)
        file = self._folder / "fault.json"
        if file.exists():
            fault = json.loads(file.read_text("utf-8"))
            if fault["path"] == request["path"]:
                self._fault = fault
        if self.due("begin"):
            change_file(Path(self._fault["file"]), self._fault["do"])

    def begin_plan(self) -> bool:
        """Whether the supervisor is to die of this question."""
        file = self._folder / "fault.json"
        if not file.exists():
            return False
        self._fault, self._counts = json.loads(file.read_text("utf-8")), {}
        return bool(self.due("plan"))

    def end(self) -> None:
        """The job has ended; how often each place was passed."""
        self.tell("end", counts=self._counts)
        self._fault = {}

    def due(self, where: str, model: str = "") -> str:
        """What is to go wrong at this place now, else ""."""
        fault = self._fault
        if fault.get("model") and fault["model"] != model:
            return ""
        count = self._counts[where] = self._counts.get(where, 0) + 1
        if fault.get("where") != where or fault["number"] != count:
            return ""
        spent = self._folder / "spent"
        if (spent.stat().st_size if spent.exists() else 0) >= fault["times"]:
            return ""
        with spent.open("ab") as file:
            file.write(b".")
        self.tell("fault", where=where, do=fault["do"], number=count)
        return str(fault["do"])

    def text(self) -> str:
        """What an injected error says of itself."""
        return f"injected fault {self._fault.get('id', 0)}"

    def strike(self, do: str) -> None:
        """Everything that can go wrong without an output."""
        if do == "error":
            raise RuntimeError(f"[ONNXRuntimeError] : 1 : FAIL : {self.text()}")
        if do == "memory":
            raise RuntimeError(
                "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Failed to allocate memory for "
                f"requested buffer of size 123456789 ({self.text()})"
            )
        if do == "lost":
            raise RuntimeError(
                "[ONNXRuntimeError] : 1 : FAIL : 887A0005 The GPU device instance has been "
                f"suspended, device removed ({self.text()})"
            )
        if do == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if do == "exit":
            os._exit(3)
        if do == "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        if do == "supervisor":
            os.kill(os.getppid(), signal.SIGKILL)
        if do in ("hang", "supervisor"):
            time.sleep(3600)


def change_file(file: Path, do: str) -> None:
    """A model's file as it is no longer what the plan saw."""
    if do == "gone":
        file.unlink()
        return
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data[: len(data) // 2] if do == "truncated" else data)


def spoilt(outputs: list[Any], do: str) -> list[Any]:
    """``outputs`` as they would be after the fault ``do``."""
    made = []
    for output in outputs:
        array = output.copy()
        if do == "shape":
            array = array[..., :-1].copy()
        elif do == "rank":
            array = array[0]
        elif array.dtype.kind == "f":
            flat = array.reshape(-1)
            flat[slice(None) if do == "nan" else flat.size // 3] = (
                float("inf") if do == "infinite" else float("nan")
            )
        made.append(array)
    return made


def model_of(path: str) -> str:
    """The id of the model that a session's file belongs to."""
    parts = Path(path).parts
    return parts[parts.index("models") + 1] if "models" in parts else Path(path).name


def wrap_onnxruntime(module: Any, seam: Seam) -> None:
    """Put the seam below every session that onnxruntime makes."""
    native = module.InferenceSession

    class InferenceSession(native):  # type: ignore[misc,valid-type]
        """onnxruntime's session, which fails when it is told to and says when it ran."""

        def __init__(self, path: str, *arguments: Any, **named: Any) -> None:
            self._model = model_of(path)
            do = seam.due("open", self._model)
            if do in ("gone", "truncated", "changed"):
                change_file(Path(path), do)
            seam.strike(do)
            super().__init__(path, *arguments, **named)

        def run(self, *arguments: Any, **named: Any) -> Any:
            do = seam.due("run", self._model)
            seam.strike(do)
            outputs = super().run(*arguments, **named)
            seam.tell("output", model=self._model, spoilt=do)
            return spoilt(outputs, do) if do else outputs

    module.InferenceSession = InferenceSession


class _Watch(importlib.abc.MetaPathFinder):
    """Wraps onnxruntime when, and only when, it is imported."""

    def __init__(self, seam: Seam) -> None:
        self._seam = seam

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != "onnxruntime":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        loader, execute = spec.loader, spec.loader.exec_module

        def exec_module(module: Any) -> None:
            execute(module)
            wrap_onnxruntime(module, self._seam)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def run_runner(seam: Seam) -> None:
    """The runner, whose jobs begin here."""
    runner = importlib.import_module(RUNNER)
    picture = importlib.import_module("shared_core.pixels").Picture
    handle, rgb, native_map = runner.Runner.handle, picture.rgb, mmap.mmap

    def handled(self: Any, request: dict[str, Any]) -> None:
        if request["op"] == "job":
            seam.begin(request)
        handle(self, request)
        seam.end()

    def colours(self: Any, box: Any) -> Any:
        do = seam.due("look")
        if do == "memory":
            raise MemoryError(f"Unable to allocate 1.00 GiB for an array ({seam.text()})")
        seam.strike(do)
        return rgb(self, box)

    def mapped(*arguments: Any, **named: Any) -> Any:
        do = seam.due("map")
        if do == "memory":
            raise OSError(errno.ENOMEM, f"Cannot allocate memory ({seam.text()})")
        seam.strike(do)
        return native_map(*arguments, **named)

    runner.Runner.handle = handled
    picture.rgb = colours
    mmap.mmap = mapped  # type: ignore[misc,assignment]
    sys.meta_path.insert(0, _Watch(seam))
    runner.main()


def run_server(folder: Path) -> None:
    """The supervisor, with the campaign's deadlines instead of its own."""
    attempts = importlib.import_module("shared_core.worker.attempts")
    server = importlib.import_module(SERVER)
    settings = folder / "settings.json"
    if settings.exists():
        for name, value in json.loads(settings.read_text("utf-8")).items():
            assert hasattr(attempts, name), name
            setattr(attempts, name, value)

    seam, planner = Seam(folder), importlib.import_module("shared_core.worker.planner").Planner
    plan = planner.plan

    def planned(self: Any, question: Any) -> Any:
        if seam.begin_plan():
            os.kill(os.getpid(), signal.SIGKILL)
        return plan(self, question)

    planner.plan = planned
    server.main()


def main() -> None:
    """Be PYTHON for what stands behind ``-m``."""
    folder, python, *rest = sys.argv[1:]
    at = rest.index("-m")
    module = rest[at + 1]
    sys.executable = python
    sys.argv = [module, *rest[at + 2 :]]
    if module == RUNNER:
        run_runner(Seam(Path(folder)))
    elif module == SERVER:
        run_server(Path(folder))
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
