"""An editor for test_guide.py: polls the guide of an installed plug-in, and does as it is told.

Its arguments are the plug-in's folder and, as JSON, steps: an action to begin with an argument,
["wait"] until nothing is done any more, ["until", TEXT] until the view's text has that in it, or
["look"] to write the view. Uses the standard library alone, as an editor's Python has it.
"""

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, sys.argv[1])

from bridge.paths import paths
from bridge.setup import guide


def main() -> None:
    """Carry out the steps; one line of JSON for each view."""
    programs = json.loads(sys.argv[3])
    followed = guide.Guide(paths(), "Krita", look=lambda: programs)
    slowest = 0.0

    def poll() -> guide.View:
        nonlocal slowest
        began = time.monotonic()
        view = followed.poll()
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.02)
        return view

    def settled(view: guide.View) -> bool:
        return view.share is None and not view.text.startswith("Looking")

    for name, *arguments in json.loads(sys.argv[2]):
        if name == "wait":
            while not settled(view := poll()):
                pass
            print(json.dumps(asdict(view)), flush=True)
        elif name == "until":
            while arguments[0] not in (view := poll()).text:
                if settled(view):
                    raise SystemExit(f"it never said {arguments[0]!r} but {view}")
            print(json.dumps(asdict(view)), flush=True)
        else:
            followed.begin(name, Path(arguments[0]) if arguments else None)
    followed.stop()
    print(json.dumps({"slowest": slowest}))


main()
