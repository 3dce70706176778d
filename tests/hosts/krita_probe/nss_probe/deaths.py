"""Run after run of a tool in one document; in each a process of the worker is killed.

The kills, and what carries them out, are mounted as /campaign (tests/campaign/editors.py).
"""

import os
import sys
import time

from .driver import Panel, activate, app, document, paint_layer, tree, trigger
from .scenarios import HEIGHT, SPACES, WIDTH, leave, note_result, picture, run_tool

# The slow twin changes nothing, so that this tells the classical result from the real one.
SOFT = {"kind": "soft", "radius": 1.5}
# The download is part of the first; the others tell what an undisturbed run takes and gives.
UNDISTURBED = {"first": "auto", "real": "auto", "again": "auto", "classical": "classical"}


def deaths(found):
    """Undisturbed runs, then one for each kill; the worker is ended in good order at last."""
    sys.path.insert(0, "/campaign")
    import strike  # noqa: PLC0415

    found["version"], found["editor"] = app.version(), os.getpid()
    doc = document(WIDTH, HEIGHT, name="Deaths")
    yield 600
    layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    for name, path in UNDISTURBED.items():
        found[name] = {}
        yield from run(strike, doc, layer, name, path, found[name])
    usual = max(found[name]["seconds"] for name in ("real", "again"))
    for number, (victim, share) in enumerate(strike.orders()["kills"]):
        if time.monotonic() > strike.orders()["until"]:
            break
        name = f"kill-{number}"
        notes = found[name] = {"victim": victim, "moment": share * usual}
        yield from run(strike, doc, layer, name, "auto", notes)
    found["layers"] = tree(doc)
    found["left"] = strike.stop()
    found["done"] = True
    yield from leave()


def run(strike, doc, layer, name, path, notes):
    """One run, judged by nothing that came before: all faults are forgotten."""
    strike.forget()
    yield activate(doc, layer)
    # The panel asks for a plan when a setting changes, once it is shown.
    trigger("deblur")
    Panel().choose("classical" if path == "auto" else "auto")
    yield Panel().dock.settled
    strikers, count = [], len(tree(doc))

    def clicked():
        if "victim" in notes:
            strikers.append(strike.begin(notes["victim"], time.monotonic() + notes["moment"]))

    panel = {}
    yield from run_tool("deblur", path, SOFT, panel, consent=True, clicked=clicked)
    notes["seconds"] = panel["seconds"]
    notes["plan"], notes["status"] = panel["before"]["plan"], panel["after"]["status"]
    blow = strike.end(strikers[0]) if strikers else {"struck": [], "moment": 0.0}
    notes["struck"], notes["during"] = blow["struck"], blow["moment"] < panel["ended"]
    note_result(doc, layer, notes, name, SPACES["srgb8"])
    notes["receipt"] = notes.pop("receipts").get(notes["result"]["uuid"])
    notes["added"] = len(notes.pop("layers")) - count
    begun = time.monotonic()
    deadline = begun + strike.CLEAN_SECONDS
    yield lambda: not strike.left(blow["struck"]) or time.monotonic() > deadline
    notes["left"], notes["cleaning"] = strike.left(blow["struck"]), time.monotonic() - begun
