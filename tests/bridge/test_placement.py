"""Where a result may go is decided once, for all editors."""

from __future__ import annotations

import pytest

from shared_core.bridge import host, placement, toolbox
from shared_core.bridge.errors import UsageError
from shared_core.bridge.placement import Placement


def test_every_tool_has_the_new_layer_first():
    for outcome in toolbox.Returns:
        assert placement.fitting(outcome)[0] is Placement.NEW
        for choice in placement.choices(outcome):
            assert choice.help.endswith(".")


@pytest.mark.parametrize(
    ("tool", "parameters", "fits"),
    [
        ("denoise", {}, {"new", "replace", "group"}),
        ("remove-background", {}, {"new", "mask", "group"}),
        ("remove-background", {"result": "cut"}, {"new", "replace", "group"}),
        ("remove-background", {"result": "selection"}, {"new"}),
        ("generate-background", {}, {"new", "group"}),
        ("text-to-image", {}, {"new"}),
        ("upscale", {}, {"new"}),
        ("tags", {}, {"new"}),
    ],
)
def test_what_fits_an_order(tool, parameters, fits):
    for wanted in ("new", "mask", "replace", "group", "elsewhere"):
        order = host.Order(tool, parameters, placement=wanted)
        if wanted in fits:
            assert host.task_of(order).placement == Placement(wanted)
        else:
            with pytest.raises(UsageError, match="what fits here: new"):
                host.task_of(order)


def test_undo_steps_are_told():
    choice = placement.choices(toolbox.Returns.PIXELS)[1]
    assert placement.told(choice, 1) == choice
    assert placement.told(choice, 2).title == "Replace your layer (2 undo steps)"
    assert placement.told(choice, 2).help.endswith("It takes 2 undo steps to take it back.")
