"""Run after run of a tool on one layer; in each a process of the worker is killed.

The kills, and what carries them out, are mounted as /campaign (tests/campaign/editors.py).
"""

from __future__ import annotations

import os
import sys
import time

from common import NOTES, add_layer, apply, new_image, save

sys.path.insert(0, "/campaign")

import strike

# The slow twin changes nothing, so that this tells the classical result from the real one.
SOFT = {"kind": "soft", "radius_auto": False, "radius": 1.5}
# The download is part of the first; the others tell what an undisturbed run takes and gives.
UNDISTURBED = {"first": "auto", "real": "auto", "again": "auto", "classical": "classical"}
image = new_image("srgb8")
photo = add_layer(image, "srgb8", "Photo")
NOTES["editor"] = os.getppid()


def run(name: str, path: str, victim: str = "", after: float = 0.0) -> float:
    """One run, judged by nothing that came before: all faults are forgotten."""
    strike.forget()
    begun = time.monotonic()
    striker = strike.begin(victim, begun + after) if victim else None
    apply(name, image, [photo], "deblur", path=path, consent=True, **SOFT)
    ended = time.monotonic()
    blow = strike.end(striker) if striker else {"struck": [], "moment": 0.0}
    struck = blow["struck"]
    deadline = ended + strike.CLEAN_SECONDS
    while strike.left(struck) and time.monotonic() < deadline:
        time.sleep(0.05)
    NOTES[name] |= {
        "victim": victim,
        "moment": after,
        "seconds": ended - begun,
        "struck": struck,
        "during": blow["moment"] < ended,
        "added": len(NOTES[name]["after"]) - len(NOTES[name]["before"]),
        "left": strike.left(struck),
        "cleaning": time.monotonic() - ended,
        "editor": os.getppid(),
    }
    save()
    return ended - begun


taken = {name: run(name, path) for name, path in UNDISTURBED.items()}
usual = max(taken["real"], taken["again"])
for number, (victim, share) in enumerate(strike.orders()["kills"]):
    if time.monotonic() > strike.orders()["until"]:
        break
    run(f"kill-{number}", "auto", victim, share * usual)
NOTES["layers"] = [layer.get_name() for layer in image.get_layers()]
NOTES["left"] = strike.stop()
NOTES["done"] = True
save()
