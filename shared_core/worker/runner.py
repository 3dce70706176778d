"""The child that touches pixels and models: runs one job at a time, keeps models warm."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_core.bridge import arena, toolbox, wire
from shared_core.bridge.errors import BadInput, CouldNotBeDone, NssError
from shared_core.bridge.paths import Paths, paths
from shared_core.catalog import cards as catalogue
from shared_core.catalog.store import Store
from shared_core.engine import memory
from shared_core.pixels import Picture, Raster
from shared_core.tools import registry
from shared_core.tools.work import Made, Model, Work

from .child import READING
from .speech import Speech

PROGRESS_SECONDS = 0.1
CPU = "CPUExecutionProvider"


class Runner:
    """What the child keeps between jobs: folders, store, warm sessions."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._paths: Paths = paths()
        self._store = Store(self._paths)
        self._sessions: Any = None

    def handle(self, request: dict[str, Any]) -> None:
        """Carry out one request and report its end."""
        self._stage = READING
        try:
            if request["op"] == "probe":
                self._probe()
            else:
                self._job(request)
        except NssError as error:
            if self._sessions is not None and request.get("provider") not in (None, CPU):
                # A device that was lost stays lost for the sessions that are open on it.
                self._sessions.clear()
            out_of_memory = getattr(error, "out_of_memory", False)
            self._speech.say_error(error, stage=self._stage, memory=out_of_memory)
        except Exception as error:
            if _is_out_of_memory(error):
                problem = CouldNotBeDone("memory ran out")
                self._speech.say_error(problem, stage=self._stage, memory=True)
                return
            problem = CouldNotBeDone(
                f"an error of NSS itself ({type(error).__name__}: {error}); the worker's log says "
                "more. Nothing was changed"
            )
            self._speech.say_error(problem, stage=self._stage)
            sys.excepthook(type(error), error, error.__traceback__)

    def _probe(self) -> None:
        from shared_core.device import probe, profile

        def tell(fraction: float, sentence: str) -> None:
            self._speech.say("progress", stage=sentence, done=round(fraction * 100), total=100)

        measured = probe.probe(tell, self._speech.cancelled)
        profile.save(measured, self._paths.profile)
        self._speech.say("done", profile=profile.to_dict(measured))

    def _job(self, request: dict[str, Any]) -> None:
        started = time.monotonic()
        peak_is_ours = memory.reset_peak_rss()
        tool = toolbox.tool(request["tool"])
        with self._picture(request) as picture:
            if picture.region.empty:
                raise BadInput(
                    "The selection does not touch the layer, so there is nothing to work on. "
                    "Move the selection or select nothing."
                )
            if not picture.touches(picture.region):
                raise BadInput(
                    "Everything there is fully transparent, so there is nothing to work on. "
                    "Select a layer or a part with visible pixels."
                )
            work = Work(
                picture=picture,
                parameters=tool.parse(request["parameters"]),
                progress=self._progress(request["tool"]),
                cancelled=self._speech.cancelled,
                tile_divisor=request["tile_divisor"],
            )
            module = registry.module(tool.id)
            model = self._open(request) if request["path"] == wire.REAL else None
            opened = time.monotonic()
            picture.begin()
            runs_before = model.session.runs if model else 0
            self._enter("running")
            made: Made = module.real(work, model) if model else module.classical(work)
        done = time.monotonic()
        bound = model.session.bound if model else None
        self._speech.say(
            "done",
            algorithm=made.algorithm,
            algorithm_parameters=made.parameters,
            tiles=made.tiles,
            model_runs=model.session.runs - runs_before if model else 0,
            tile_shape=self._tile_shape(model, picture),
            load_seconds=opened - started,
            run_seconds=done - opened,
            peak_bytes=memory.peak_rss_bytes() if peak_is_ours else None,
            bound=_bound_text(bound) if bound else None,
            onnxruntime=_onnxruntime_version() if model else None,
        )

    def _enter(self, stage: str) -> None:
        self._stage = stage
        self._speech.say("stage", stage=stage)

    def _open(self, request: dict[str, Any]) -> Model:
        self._enter("checking the model")
        card = catalogue.load()[request["model"]]
        path = self._store.check_before_use(card)
        self._enter("loading the model")
        from shared_core.device.libraries import preload
        from shared_core.engine.session import SessionCache

        preload(request["provider"])
        if self._sessions is None:
            self._sessions = SessionCache()
        session = self._sessions.get(path, card.main_file.sha256, request["provider"])
        self._speech.canceller = session.cancel
        return Model(card, session)

    @staticmethod
    def _tile_shape(model: Model | None, picture: Picture) -> str | None:
        if model is None:
            return None
        from shared_core.engine.grid import plan_tiles

        rule, bounds = model.card.tile, picture.bounds
        grid = plan_tiles(
            bounds.width,
            bounds.height,
            rule.size,
            rule.overlap,
            rule.multiple,
            rule.fixed,
            picture.region,
        )
        return f"{grid.width}x{grid.height}"

    def _progress(self, tool: str) -> Any:
        begun = time.monotonic()
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last >= PROGRESS_SECONDS:
                last = now
                left = (now - begun) / done * (total - done) if done else None
                self._speech.say(
                    "progress", stage="running", done=done, total=total, seconds_left=left
                )

        return tell

    @contextlib.contextmanager
    def _picture(self, request: dict[str, Any]) -> Iterator[Picture]:
        source = wire.build(wire.PixelFile, request["source"])
        result = wire.build(wire.PixelFile, request["result"])
        mask = wire.build(wire.PixelFile, request["mask"]) if request["mask"] else None
        if source.order == wire.MASK:
            raise BadInput("A selection cannot be worked on as a picture.")
        raster = Raster(
            source.width, source.height, source.depth, source.order, source.curve, source.grey
        )
        with contextlib.ExitStack() as stack:
            views = [
                _view(stack.enter_context(arena.mapped(self._paths, file, write)), file)
                for file, write in ((source, False), (result, True))
            ]
            selection = None
            if mask:
                selection = _view(stack.enter_context(arena.mapped(self._paths, mask)), mask)
            yield Picture(views[0], views[1], raster, selection)


def _view(pixels: Any, file: wire.PixelFile) -> NDArray[Any]:
    dtype = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}[file.depth]
    shape: tuple[int, ...] = (file.height, file.width)
    if file.order != "mask":
        shape += (4,)
    return np.frombuffer(pixels, dtype).reshape(shape)


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "insufficient memory" in str(error).lower()


def _bound_text(bound: Any) -> str:
    """The provider that ran, and its share of the nodes where others ran some too."""
    if bound.share is None or bound.share >= 1:
        return str(bound.provider)
    return f"{bound.provider} ({bound.share:.0%})"


def _onnxruntime_version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)


def main() -> None:
    """Serve the supervisor until it closes our input."""
    with contextlib.suppress(OSError):
        # When memory runs out the system shall end this process, not the editor.
        Path("/proc/self/oom_score_adj").write_text("800", "ascii")
    speech = Speech()
    runner = Runner(speech)
    for request in speech.requests():
        speech.canceller = None
        runner.handle(request)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
