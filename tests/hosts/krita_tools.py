"""What must be true in Krita of every tool's run by either path; judges the probe's notes.

The pictures themselves are judged where the tools are tested; here it is what the editor holds:
the right kind of result in the right place, one undo step and one redo, a true receipt, and a
source that is as it was, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from shared_core.bridge import toolbox
from shared_core.bridge.toolbox import Returns, Tool
from shared_core.catalog import cards as catalogue
from shared_core.catalog.card import CommercialUse
from shared_core.tools import registry

Read = Callable[[str], bytes]
Notes = Mapping[str, Any]
WIDTH, HEIGHT = 120, 90
SMALL = [-20, 30, 60, 45]
CANVAS = [0, 0, WIDTH, HEIGHT]
MARKER = 'Undo Filter "Invert"'
# Since this version Krita replaces a selection in one undo step.
ONE_STEP_SELECTION = (5, 3)


def check(run: Mapping[str, Any], notes: Notes, read: Read, version: str) -> None:
    """Everything about one run."""
    tool = toolbox.tool(run["tool"])
    outcome = tool.outcome(tool.parse(run["values"]))
    assert notes["menu"] == ["Filter", "NSS", f"{tool.title}…"]
    assert read(notes["source"]) == read(notes["again"]), "the source was written"
    assert notes["first"]["undo"] == MARKER
    opens = outcome is Returns.SCALED or (tool.colours and run["source"] == "grey")
    if opens:
        wrapper = check_opened(run, tool, notes, read)
    elif outcome is Returns.TEXT:
        wrapper = check_words(notes)
    elif outcome is Returns.SELECTION:
        wrapper = check_selection(run, notes, read, version)
    else:
        wrapper = check_layer(run, tool, outcome, notes, read)
    check_receipt(run, tool, wrapper["receipt"])
    status = notes["panel"]["status"]
    assert status.startswith(f"{tool.title}: "), status
    assert status in notes["panel"]["receipts"]


def check_receipt(run: Mapping[str, Any], tool: Tool, receipt: Mapping[str, Any]) -> None:
    """Path, model and parameters as they were asked for."""
    assert receipt["tool"] == tool.id
    assert receipt["path"] == run["path"], receipt["reason"]
    assert receipt["fault"] is None
    if run["path"] == "classical":
        assert receipt["model"] is None and receipt["algorithm"]["name"]
    else:
        assert receipt["model"]["id"] == first_model(run, tool)
    for name, value in run["asked"].items():
        if name != "seed":
            assert receipt["parameters"][name] == value, name
    if "seed" in run["asked"]:
        assert receipt["seed"] == run["asked"]["seed"]
    assert receipt["versions"]["host"].startswith("Krita ")


def first_model(run: Mapping[str, Any], tool: Tool) -> str:
    """The id of the model that is preferred for the run."""
    found = registry.models(catalogue.load(), tool.id, tool.parse(run["values"]))
    if run["shipped"]:
        found = [card for card in found if card.shipped]
    if run["commercial"]:
        found = [card for card in found if card.commercial_use is CommercialUse.YES]
    return found[0].id


def check_layer(
    run: Mapping[str, Any], tool: Tool, outcome: Returns, notes: Notes, read: Read
) -> Any:
    """One new layer in its place, gone after one undo and back after one redo."""
    first, after = notes["first"]["rows"], notes["after"]["rows"]
    new = [row for row in after if row["uuid"] not in {r["uuid"] for r in first}]
    assert [row for row in after if row not in new] == first, "another layer was changed"
    layer, *children = new
    assert layer["depth"] == 0 and layer["type"] == "paintlayer"
    assert layer["name"].startswith(f"Photo · {tool.title} · ")
    assert [c["type"] for c in children] == ["transparencymask"] * (outcome is Returns.MASK)
    order = [row["uuid"] for row in after if row["depth"] == 0]
    step = order.index(layer["uuid"]) - order.index(notes["uuid"])
    behind = outcome is Returns.BELOW and run["source"] == "lowest"
    assert step == (-1 if outcome is Returns.BELOW and not behind else 1)
    assert layer["mode"] == ("behind" if behind else "normal")
    source = next(row for row in first if row["uuid"] == notes["uuid"])
    assert layer["space"] == source["space"]
    whole = CANVAS if tool.canvas or run["source"] != "small" else SMALL
    assert inside(layer["area"], whole), layer["area"]
    assert notes["undone"]["rows"] == first and notes["undone"]["undo"] == MARKER
    assert notes["redone"]["rows"] == after and notes["redone"]["undo"] == notes["after"]["undo"]
    wrapper = notes["after"]["receipts"][layer["uuid"]]
    if outcome is not Returns.PIXELS:
        shown = np.frombuffer(read(notes["result"]), "u1").reshape(HEIGHT, WIDTH, 4)
        assert len(np.unique(shown[..., :3])) > 8, "the result is empty"
    if outcome is Returns.MASK:
        matte = np.frombuffer(read(notes["matte"]), "u1")
        assert matte.any() and not matte.all(), "the mask hides nothing or all"
    return wrapper


def inside(area: list[int], whole: list[int]) -> bool:
    """Whether a rectangle is not empty and lies within another."""
    (x, y, w, h), (left, top, width, height) = area, whole
    return (
        w > 0
        and h > 0
        and left <= x
        and top <= y
        and x + w <= left + width
        and y + h <= top + height
    )


def check_opened(run: Mapping[str, Any], tool: Tool, notes: Notes, read: Read) -> Any:
    """A new document in view with one layer; the source's is not even modified."""
    before, after = dict(notes["first"]), dict(notes["after"])
    # The undo action is that of the document in view.
    del before["undo"], after["undo"]
    assert after == before and not after["modified"]
    (opened,) = notes["opened"]
    source = next(row for row in before["rows"] if row["uuid"] == notes["uuid"])
    width, height = CANVAS[2:] if tool.canvas else source["area"][2:]
    size = tool.result_size(tool.parse(run["values"]), width, height)
    assert opened["size"] == list(size)
    assert opened["space"][:2] == ["RGBA", "U8"] and opened["resolution"] == 300.0
    assert opened["active"]
    state = opened["state"]
    (row,) = state["rows"]
    assert row["name"].startswith(f"Photo · {tool.title} · ")
    assert state["undo"] == "Undo ", "there is a step to undo in the new document"
    pixels = np.frombuffer(read(opened["pixels"]), "u1").reshape(size[1], size[0], 4)
    assert len(np.unique(pixels[..., :3])) > 8, "the result is empty"
    if run["source"] == "grey":
        assert (pixels[..., 0] != pixels[..., 2]).any(), "the result has no colour"
    assert list(state["receipts"]) == [row["uuid"]]
    return state["receipts"][row["uuid"]]


def check_words(notes: Notes) -> Any:
    """No layer, no undo step; the receipt and the words."""
    assert notes["after"]["rows"] == notes["first"]["rows"]
    assert notes["after"]["undo"] == MARKER
    assert notes["words"], "the panel shows no words"
    ((key, wrapper),) = notes["after"]["notes"].items()
    assert key == f"nss/tags/{notes['uuid']}"
    found = wrapper["receipt"]["found"]
    assert found.get("labels") or found.get("measurements")
    return wrapper


def check_selection(run: Mapping[str, Any], notes: Notes, read: Read, version: str) -> Any:
    """The document's selection, undone to what it was before, and no layer."""
    first, after = notes["first"], notes["after"]

    def layers(state: Any) -> list[Any]:
        return [row for row in state["rows"] if row["type"] != "selectionmask"]

    assert layers(after) == layers(first)
    selected = np.frombuffer(read(after["selection"]), "u1")
    assert selected.any() and not selected.all(), "nothing or all is selected"
    one_step = tuple(map(int, version.split(".")[:2])) >= ONE_STEP_SELECTION
    if one_step or first["selection"] is None:
        assert notes["undone"]["undo"] == MARKER
        before = first["selection"] and read(first["selection"])
        undone = notes["undone"]["selection"]
        assert (undone and read(undone)) == before
    else:
        # The first of two steps: the old selection is gone, the new one is not there yet.
        assert notes["undone"]["selection"] is None
    assert read(notes["redone"]["selection"]) == read(after["selection"])
    ((key, wrapper),) = after["notes"].items()
    assert key == f"nss/selection/{notes['uuid']}"
    return wrapper
