"""The runs that show every tool through both of its paths in an editor, as data.

A run names the tool, the path, the values set in its form (``asked`` are those that are not the
tool's own defaults), and what lies in the document: which picture is the source (``photo`` fills
the canvas, ``small`` lies partly off it, ``empty`` has no pixels, ``grey`` is a grey document,
``lowest`` has nothing below, ``face`` has what the face detector's twin takes for one), whether
strokes lie above it, and the selection (x, y, width, height, feather radius). Where it has no
``consent``, an offered download is left alone; ``shipped``: a model that ships with NSS runs.
"""

from __future__ import annotations

from typing import Any

from shared_core.bridge import toolbox
from shared_core.catalog import cards as catalogue

SELECTION = [40, 30, 24, 18, 2]
PROMPT = "red sand under a blue sky"
SOURCES = {"restore-faces": "face"}
VALUES: dict[str, dict[str, object]] = {
    "text-to-image": {"prompt": PROMPT, "seed": 7, "steps": 1},
    "generate-background": {"prompt": PROMPT, "seed": 7, "steps": 1},
}


def _run(name: str, tool: str, path: str, values: dict[str, object], **more: Any) -> dict[str, Any]:
    """One run, with what is not said otherwise."""
    run = {
        "source": SOURCES.get(tool, "photo"),
        "strokes": False,
        "selection": None,
        "commercial": False,
        "consent": True,
        "shipped": False,
    }
    if toolbox.tool(tool).selects is toolbox.Selects.NEEDED:
        run["selection"] = SELECTION
    asked = {**VALUES.get(tool, {}), **values}
    # The form keeps what an earlier run set, so every field is set.
    parameters = toolbox.tool(tool).parameters
    every = {p.id: p.parse(asked.get(p.id, p.default)) for p in parameters}
    return {
        "name": name,
        "tool": tool,
        "path": path,
        "values": every,
        "asked": asked,
        **run,
        **more,
    }


def runs() -> list[dict[str, Any]]:
    """Every tool by both paths, then what is special about some."""
    made = [
        _run(f"{tool.id}-{path}", tool.id, path, {})
        for tool in toolbox.TOOLS
        for path in ("classical", "real")
    ]
    special: list[tuple[str, str, str, dict[str, object], dict[str, Any]]] = [
        ("cut", "remove-background", "classical", {"result": "cut"}, {}),
        ("select", "remove-background", "real", {"result": "selection"}, {}),
        (
            "select-again",
            "remove-background",
            "classical",
            {"result": "selection"},
            {"selection": SELECTION},
        ),
        ("mask-small", "remove-background", "classical", {}, {"source": "small"}),
        ("colour-from-grey", "colorize", "real", {}, {"source": "grey"}),
        ("colour-strokes", "colorize", "classical", {"strokes": "above"}, {"strokes": True}),
        ("upscale-4", "upscale", "classical", {"factor": "4"}, {"source": "small"}),
        ("picture-on-empty", "text-to-image", "classical", {}, {"source": "empty"}),
        ("picture-on-grey", "text-to-image", "classical", {}, {"source": "grey"}),
        ("background-small", "generate-background", "classical", {}, {"source": "small"}),
        ("background-lowest", "generate-background", "classical", {}, {"source": "lowest"}),
        ("faces-commercial", "restore-faces", "real", {}, {"commercial": True}),
    ]
    here = {tool.id for tool in toolbox.TOOLS}
    made += [_run(n, t, p, v, **more) for n, t, p, v, more in special if t in here]
    return made


def fresh_runs() -> list[dict[str, Any]]:
    """The real path of the tools whose models ship with NSS, on a machine that has no others."""
    tools: dict[str, dict[str, object]] = {}
    for card in catalogue.load().values():
        if card.shipped:
            factor = {"factor": str(card.tile.scale)} if card.tile and card.tile.scale > 1 else {}
            tools[f"{card.tool}-{card.id}"] = {"tool": card.tool, "values": factor}
    return [
        _run(name, str(told["tool"]), "real", told["values"], consent=False, shipped=True)  # type: ignore[arg-type]
        for name, told in tools.items()
    ]
