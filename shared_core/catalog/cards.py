"""The catalogue: what is known of each model, read from one TOML card per model.

Standard library only, since the light supervisor reads it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import tomllib

from ..bridge import __version__
from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from ..bridge.toolbox import OWN, TOOLS
from ..engine.recipe import Recipe
from .card import (
    CLASSES,
    HUB_DECLARED,
    LAYOUTS,
    MIN_MAX,
    RESIDUAL,
    SIDE_WORD,
    SIGMA,
    SIGMOID,
    SOFTMAX,
    Card,
    CardFile,
    CommercialUse,
    Source,
    TensorSpec,
    Tier,
    TileRule,
)
from .table import Table

__all__ = [
    "HUB_DECLARED",
    "MIN_MAX",
    "SIGMA",
    "SIGMOID",
    "Card",
    "CardFile",
    "CommercialUse",
    "Source",
    "TensorSpec",
    "Tier",
    "TileRule",
    "cards_folder",
    "for_tool",
    "helpers",
    "load",
    "places",
    "read_card",
    "unshipped",
    "with_needs",
]

SCHEMA = 1
# The repository of a model that is a part of NSS; its revision is NSS's version.
SHIPPED = "shipped with NSS"
DTYPES = ("float32", "float16", "float64", "uint8", "int8", "int32", "int64", "bool")

_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_HEX40 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(rf"[0-9a-f]{{64}}|{HUB_DECLARED}")
_URL = re.compile(r"https://[\w.-]+/\S+")
_WORD = re.compile(r"[a-z][a-z0-9_]*")


def cards_folder() -> Path:
    """Where the cards are: ``NSS_CARDS``, else in the installed package or beside the checkout's.

    Raises ``CouldNotBeDone`` when they are in none of these.
    """
    given = os.environ.get("NSS_CARDS")
    if given:
        return Path(given)
    package = Path(__file__).resolve().parent.parent
    # The wheel's folder comes first: beside an installed package any "models" is somebody else's.
    for folder in (package / "_models", package.parent / "models"):
        if folder.is_dir():
            return folder
    raise CouldNotBeDone(
        _(
            "The model cards are missing beside {package}. Install NSS again, or set NSS_CARDS "
            "to the folder that holds them.",
            package=package,
        )
    )


def load(folder: Path | None = None) -> dict[str, Card]:
    """All cards below ``folder`` (default: ``cards_folder()``) by model id.

    Raises ``CouldNotBeDone`` naming file and field when a card cannot be read or is not valid,
    or when two cards share an id.
    """
    return {card.id: card for _, card in places(folder).values()}


def places(folder: Path | None = None) -> dict[str, tuple[Path, Card]]:
    """All cards as ``load`` gives them, each with the file that it stands in."""
    root = cards_folder() if folder is None else folder
    if not root.is_dir():
        raise CouldNotBeDone(
            _("There is no folder {root} with model cards. Correct NSS_CARDS.", root=root)
        )
    found: dict[str, tuple[Path, Card]] = {}
    for path in sorted(root.rglob("*.toml")):
        card = read_card(path)
        if card.id in found:
            raise CouldNotBeDone(
                _(
                    "Model card {path}: field id: {id} is another card's too. Remove one of "
                    "the two.",
                    path=path,
                    id=repr(card.id),
                )
            )
        found[card.id] = path, card
    for path, card in found.values():
        for need in card.needs:
            if need not in found or found[need][1].needs:
                named = {"path": path, "need": repr(need)}
                raise CouldNotBeDone(
                    _("Model card {path}: field needs: {need} needs others itself.", **named)
                    if need in found
                    else _("Model card {path}: field needs: {need} is no card's id.", **named)
                )
    return found


def for_tool(cards: Mapping[str, Card], tool_id: str) -> list[Card]:
    """The models that serve ``tool_id``, the preferred one first, without its helpers."""
    found = (card for card in cards.values() if card.tool == tool_id and not card.helper)
    # The user's own come first, the newest of them, which has the highest rank, before the others.
    return sorted(found, key=lambda c: (not c.own, -c.rank if c.own else c.rank, c.id))


def unshipped(cards: Mapping[str, Card]) -> dict[str, Card]:
    """The models that do not come with NSS itself."""
    return {model: card for model, card in cards.items() if not card.shipped}


def helpers(cards: Mapping[str, Card], tool_id: str) -> list[Card]:
    """The helpers that the classical path of ``tool_id`` uses where they are here."""
    return [card for card in cards.values() if tool_id in card.helps]


def with_needs(cards: Mapping[str, Card], card: Card) -> list[Card]:
    """``card``, and after it the cards that it needs."""
    return [card, *(cards[need] for need in card.needs)]


def read_card(path: Path, own: bool = False) -> Card:
    """The card in the file ``path``, for ``own`` of a model of the user's.

    Raises ``CouldNotBeDone`` naming file and field when it is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The model card {path} cannot be read ({reason}).",
                path=path,
                reason=error.strerror or error,
            )
        ) from error
    except UnicodeDecodeError as error:
        raise _no_toml(path, error) from error
    return parse_card(text, path, own)


def parse_card(text: str, path: Path, own: bool = False) -> Card:
    """The card in ``text``, which stands in ``path``; raises as ``read_card`` does."""
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _no_toml(path, error) from error
    return _card(Table(path, "", data), path.parent, own)


def _no_toml(path: Path, error: Exception) -> CouldNotBeDone:
    return CouldNotBeDone(
        _(
            "The model card {path} is not valid TOML ({error}). Correct it or remove it.",
            path=path,
            error=error,
        )
    )


def _card(table: Table, folder: Path, own: bool) -> Card:
    if table.get("schema") != SCHEMA:
        raise table.wrong("schema", f"{table.get('schema')!r} is not {SCHEMA}")
    tools = tuple(tool.id for tool in TOOLS)
    files = tuple(_file(entry) for entry in table.tables("file"))
    cost = table.table_or_none("cost") or Table(Path(), "cost", {})
    tile, whole = table.table_or_none("tile"), table.table_or_none("whole")
    shipped = table.flag_or_false("shipped")
    repo, revision = SHIPPED, __version__
    if own and table.get("repo") is None:
        # A file of the user's own comes from nowhere.
        repo, revision = "", ""
    elif not shipped:
        repo = table.text("repo", _REPO, "a repository like owner/name")
        revision = table.text("revision", _HEX40, "a revision of 40 hexadecimal digits")
    card = Card(
        id=table.text("id", _ID, "a model id (small letters, digits, dots and hyphens)"),
        tool=table.choice("tool", tools),
        title=table.text("title"),
        tier=Tier(table.choice("tier", tuple(tier.value for tier in Tier))),
        rank=table.whole("rank", 1),
        repo=repo,
        revision=revision,
        licence=table.text("licence"),
        licence_url=table.text_or_nothing("licence_url", _URL, "an https address"),
        licence_note=table.text_or_nothing("licence_note"),
        commercial_use=CommercialUse(
            table.choice("commercial_use", tuple(use.value for use in CommercialUse))
        ),
        commercial_note=table.text("commercial_note"),
        weights=table.text_or_nothing("weights"),
        opset=table.whole_or_none("opset"),
        files=files,
        inputs=tuple(_tensor(entry) for entry in table.tables_or_nothing("input")),
        outputs=tuple(_tensor(entry) for entry in table.tables_or_nothing("output")),
        tile=_tile(tile) if tile else None,
        side=whole.whole("side", 1) if whole else None,
        multiple=whole.whole_or_none("multiple") if whole else None,
        gflop_per_megapixel=cost.positive_or_none("gflop_per_megapixel"),
        cpu_seconds_per_megapixel=cost.positive_or_none("cpu_seconds_per_megapixel"),
        gflop_per_run=cost.positive_or_none("gflop_per_run"),
        cpu_seconds_per_run=cost.positive_or_none("cpu_seconds_per_run"),
        peak_bytes_per_pixel=cost.whole_or_none("peak_bytes_per_pixel"),
        peak_bytes=cost.whole_or_none("peak_bytes"),
        session_bytes=cost.whole_or_none("session_bytes"),
        sources=tuple(_source(entry) for entry in table.tables("source")),
        own=own,
        choice=table.text_or_nothing("choice", _ID, "a word in small letters"),
        opt_in=table.flag_or_false("opt_in"),
        needs=table.texts_or_nothing("needs"),
        helper=table.flag_or_false("helper"),
        helps=table.texts_or_nothing("helps"),
        mix=_mix(cost),
        recipe=_recipe(table),
        shipped=folder if shipped else None,
    )
    cost.no_others()
    if whole:
        whole.no_others()
    table.no_others()
    _check(table, card, tools)
    return card


def _check(table: Table, card: Card, tools: tuple[str, ...]) -> None:
    """What the parts of a card say about each other."""
    if len({file.path for file in card.files}) != len(card.files):
        raise table.wrong("file", "two files have the same path")
    roles = [role for role, _ in card.sessions()]
    if not roles and not card.helper:
        raise table.wrong("file", "a .onnx file is missing, which only a helper can do without")
    if len(set(roles)) != len(roles):
        raise table.wrong("file", "each .onnx file must have a role of its own")
    for field, specs in (("input", card.inputs), ("output", card.outputs)):
        told = {spec.role for spec in specs}
        for role in roles:
            if role not in told:
                raise table.wrong(field, f"the session of role {role!r} has none")
        for spec in specs:
            if spec.role not in roles:
                raise table.wrong(field, f"there is no .onnx file with the role {spec.role!r}")
            if card.run_side is None and not all(isinstance(n, int) for n in spec.shape[1:]):
                raise table.wrong(field, "a word in a shape needs [tile] or [whole]")
    if card.own is not card.id.startswith(OWN):
        raise table.wrong("id", f"the user's own models, and no others, begin with {OWN!r}")
    if card.tile and card.side:
        raise table.wrong("whole", "a card has either [tile] or [whole]")
    if card.shipped and not all(file.sha256 for file in card.files):
        raise table.wrong("file", "the SHA-256 of a file that is shipped is missing")
    if card.opt_in and not card.choice:
        raise table.wrong("opt_in", "it takes the choice that it is chosen by")
    if card.tool == "text-to-image" and card.recipe is None and not card.helper:
        raise table.wrong("recipe", "a model that paints from words takes one")
    if card.helps and not card.helper:
        raise table.wrong("helps", "only a helper has this")
    for tool in card.helps:
        if tool not in tools:
            raise table.wrong("helps", f"{tool!r} is not one of {', '.join(tools)}")


def _file(table: Table) -> CardFile:
    path = table.text("path")
    parts = PurePosixPath(path).parts
    if path.startswith("/") or "\\" in path or ":" in path or ".." in parts or not parts:
        raise table.wrong("path", f"{path!r} is not a relative path without '..'")
    what = f"a SHA-256 of 64 small hexadecimal digits, or the word {HUB_DECLARED}"
    sha256 = table.text("sha256", _SHA256, what)
    file = CardFile(
        path=path,
        size=table.whole("size", 1),
        sha256="" if sha256 == HUB_DECLARED else sha256,
        role=_role(table),
    )
    table.no_others()
    return file


def _role(table: Table) -> str:
    return table.text_or_nothing("role", _WORD, "a word in small letters")


def _tensor(table: Table) -> TensorSpec:
    layout = table.choice_or_nothing("layout", LAYOUTS)
    shape: list[int | str] = []
    for index, side in enumerate(table.items("shape", least=0)):
        if isinstance(side, bool) or not isinstance(side, (int, str)) or side in ("", 0):
            raise table.wrong("shape", f"{side!r} is neither a positive number nor a word")
        batch = index == 0 and not layout.startswith(("C", "H"))
        if isinstance(side, str) and not batch and not SIDE_WORD.fullmatch(side):
            raise table.wrong("shape", f"{side!r} is no side like H, 4H or H/4")
        shape.append(side)
    limits = table.numbers_or_nothing("range")
    if limits and (len(limits) != 2 or not limits[0] < limits[1]):
        raise table.wrong("range", "takes two numbers, the lower first")
    spec = TensorSpec(
        name=table.text_or_nothing("name") or None,
        dtype=table.choice("dtype", DTYPES),
        layout=layout,
        shape=tuple(shape),
        channels=table.texts_or_nothing("channels"),
        range=(limits[0], limits[1]) if limits else None,
        sigma_maximum=table.positive_or_none("sigma_maximum"),
        decorrelate=table.flag_or_false("decorrelate"),
        role=_role(table),
        mean=table.numbers_or_nothing("mean"),
        std=table.numbers_or_nothing("std"),
        by_maximum=table.flag_or_false("by_maximum"),
        then=table.choice_or_nothing("then", (SIGMOID, SOFTMAX, CLASSES, MIN_MAX, RESIDUAL)),
        value=table.number_or_none("value"),
        subject=table.wholes_or_nothing("subject"),
        blank=table.flag_or_false("blank"),
        margin=table.whole_or_none("margin") or 0,
    )
    table.no_others()
    _check_tensor(table, spec)
    return spec


def _check_tensor(table: Table, spec: TensorSpec) -> None:
    """What the fields of a tensor say about each other."""
    if spec.layout and len(spec.shape) != len(spec.layout):
        raise table.wrong("shape", f"{len(spec.shape)} sides do not fit the layout {spec.layout}")
    count = spec.shape[spec.layout.index("C")] if "C" in spec.layout else 1
    # The noise level may come as a number alone.
    picture = spec.layout or spec.channels == (SIGMA,)
    if spec.channels and (not picture or count != len(spec.channels)):
        place = f"{count!r}" if picture else "a tensor without a layout"
        raise table.wrong("channels", f"{len(spec.channels)} channels do not fit {place}")
    if spec.decorrelate and not {"R", "G", "B", SIGMA} <= set(spec.channels):
        raise table.wrong("decorrelate", "takes the channels R, G, B and sigma")
    if len(spec.mean) != len(spec.std) or 0 in spec.std:
        raise table.wrong("std", "mean and std come together, and no std is 0")
    if spec.mean and (not spec.layout or len(spec.mean) != count):
        raise table.wrong("mean", "takes one number for each channel")
    if spec.mean and spec.range and spec.range[0] < 0 and spec.channels != ("a", "b"):
        raise table.wrong("range", "is what the picture has before mean and std, so not below 0")


def _tile(table: Table) -> TileRule:
    rule = TileRule(
        size=table.whole("size", 1),
        overlap=table.whole("overlap", 0),
        multiple=table.whole("multiple", 1),
        fixed=table.flag("fixed"),
        scale=table.whole_or_none("scale") or 1,
        width=table.whole_or_none("width"),
        least=table.whole_or_none("least") or 1,
    )
    for field, side in (("size", rule.sides[1]), ("width", rule.sides[0])):
        if side % rule.multiple:
            raise table.wrong(field, f"{side} is no multiple of {rule.multiple}")
        if rule.overlap * 2 > side:
            raise table.wrong("overlap", f"{rule.overlap} is more than half of the tile's {side}")
    if rule.width and not rule.fixed:
        raise table.wrong("width", "only a fixed tile has one")
    table.no_others()
    return rule


def _mix(cost: Table) -> str | Mapping[str, float]:
    """A mix's name, or what shares of the operations are of which kind."""
    value = cost.get("mix")
    if not isinstance(value, dict):
        return cost.text_or_nothing("mix", _WORD, "a word in small letters or a table of shares")
    if not value:
        raise cost.wrong("mix", "a share is missing here")
    shares = cost.table("mix")
    return {kind: shares.positive_or_none(kind) or 0.0 for kind in value}


def _recipe(table: Table) -> Recipe | None:
    told = table.table_or_none("recipe")
    if told is None:
        return None
    recipe = Recipe(
        pad=told.whole("pad", 0),
        latent_scale=told.positive("latent_scale"),
        most_steps=told.whole("most_steps", 1),
    )
    told.no_others()
    return recipe


def _source(table: Table) -> Source:
    source = Source(table.texts("facts"), table.text("source"), table.text("certainty"))
    table.no_others()
    return source
