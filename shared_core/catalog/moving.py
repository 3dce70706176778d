"""Moves the folder of all models: files first, then the setting, and only then the old ones go.

Whatever moment it is interrupted at, doing it again goes on where it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..bridge import settings
from ..bridge.errors import CouldNotBeDone, UsageError
from ..bridge.language import _
from ..bridge.paths import Paths
from .card import Card
from .manifest import NAME, lstat, sha256_of, stamp
from .shelf import Shelf
from .store import Progress, Store
from .transfer import staging
from .transfer.copying import holds, put

# Says from where the models came, while there may be some.
_MARK = ".moved-from"


@dataclass(frozen=True)
class Moved:
    """How many models and bytes went, and what of the old folder could not be deleted."""

    models: int
    bytes: int
    left: tuple[Path, ...]


def move(
    paths: Paths,
    cards: Iterable[Card],
    folder: Path,
    on_progress: Callable[[Progress], None] = lambda progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Moved:
    """Have the models in ``folder`` from now on, with all that is in the folder until now.

    Raises ``UsageError`` for a folder inside the old one or around it, ``CouldNotBeDone`` while a
    model is being downloaded, or when there is no room or no permission, and ``Cancelled``: then
    the models are where they were.
    """
    old, new = Path(os.path.realpath(paths.models)), Path(os.path.realpath(folder))
    known = {card.id: card for card in cards}
    if old == new:
        return Moved(0, 0, _finish(new, known))
    if old in new.parents or new in old.parents:
        raise UsageError(
            _("{new} and {old} lie one in the other: choose another folder.", new=new, old=old)
        )
    store = Store(paths)
    store.ready()
    with store.held(*known.values()):
        models = model_folders(old, known)
        total = sum(file.stat().st_size for model in models for file in _files(model))
        renamed: list[Path] = []
        try:
            new.mkdir(parents=True, exist_ok=True)
            done = 0
            for model in models:
                begun = done
                done += sum(file.stat().st_size for file in _files(model))
                if _rename(model, new / model.name):
                    renamed.append(model)
                    on_progress(Progress(done, total, model.name))
                    continue

                def report(here: int, begun: int = begun, name: str = model.name) -> None:
                    on_progress(Progress(begun + here, total, name))

                _copy(model, new, known.get(model.name), report, cancelled)
            _carry_unfinished(old, new)
            (new / _MARK).write_text(str(old), encoding="utf-8")
            settings.change(paths.settings, {"models_folder": _words(paths, new)})
        except BaseException as error:
            for model in renamed:
                _rename(new / model.name, model)
            if isinstance(error, OSError):
                raise CouldNotBeDone(
                    _(
                        "The models cannot be moved to {new} ({reason}), and stay in {old}. "
                        "Correct the folder's permissions, or choose another one.",
                        new=new,
                        reason=error.strerror or error,
                        old=old,
                    )
                ) from error
            raise
    return Moved(len(models), total, _finish(new, known))


def _words(paths: Paths, folder: Path) -> str:
    usual = os.path.realpath(paths.usual_models)
    return settings.DEFAULT if str(folder) == usual else str(folder)


def model_folders(root: Path, known: Collection[str]) -> list[Path]:
    """The folders of models in ``root``: those named like a card, or with a manifest of ours."""
    if not root.is_dir():
        return []
    return sorted(
        path
        for path in root.iterdir()
        if path.is_dir() and (path.name in known or (path / NAME).is_file())
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _rename(source: Path, target: Path) -> bool:
    """Move within a disk, at once; False where that cannot be, or something is there."""
    if lstat(target) is not None:
        return False
    try:
        os.rename(source, target)
    except OSError:
        return False
    return True


def _copy(
    model: Path,
    root: Path,
    card: Card | None,
    report: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> None:
    """Bring a model's files to another disk, or to a folder that has some of them."""
    before = 0
    stamps = {}
    for source in _files(model):
        name = source.relative_to(model).as_posix()
        target = root / model.name / name
        size, sha256 = source.stat().st_size, sha256_of(source, cancelled=cancelled)
        if not holds(target, size, sha256, cancelled):

            def tell(here: int, before: int = before) -> None:
                report(before + here)

            by_way_of = root / staging.FOLDER / f"{model.name}.moving"
            put(source, target, sha256, by_way_of, model.name, tell, cancelled)
        stamps[name] = stamp(target.stat(), sha256)
        before += size
        report(before)
    if card is not None:
        listed = {file.path for file in card.files}
        Shelf(root, card).keep({name: one for name, one in stamps.items() if name in listed})


def _carry_unfinished(old: Path, new: Path) -> None:
    """What downloads have of files so far, where it goes without copying."""
    for part in (old / staging.FOLDER).glob("*" + staging.PART):
        (new / staging.FOLDER).mkdir(exist_ok=True)
        _rename(part, new / staging.FOLDER / part.name)


def _finish(new: Path, known: Collection[str]) -> tuple[Path, ...]:
    """Delete what is in ``new`` now from where it was moved from; what could not be deleted."""
    mark = new / _MARK
    if not mark.is_file():
        return ()
    old = Path(mark.read_text(encoding="utf-8"))
    for model in model_folders(old, known):
        shutil.rmtree(model, ignore_errors=True)
    shutil.rmtree(old / staging.FOLDER, ignore_errors=True)
    left = tuple(model_folders(old, known))
    if not left:
        mark.unlink()
        with contextlib.suppress(OSError):
            old.rmdir()
    return left
