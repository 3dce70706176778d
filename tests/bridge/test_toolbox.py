"""Parameters are checked against what the toolbox declares."""

from __future__ import annotations

import pytest

from shared_core.bridge import toolbox
from shared_core.bridge.errors import UsageError


def test_defaults():
    assert toolbox.tool("denoise").parse({}) == {"strength": "auto", "detail": 50.0}
    assert toolbox.tool("deblur").parse({})["kind"] == "auto"


@pytest.mark.parametrize(
    ("given", "value"), [("25", 25.0), (0, 0.0), ("75", 75.0), ("auto", "auto"), (7.5, 7.5)]
)
def test_values(given, value):
    assert toolbox.tool("denoise").parse({"strength": given})["strength"] == value


@pytest.mark.parametrize("given", ["76", "-1", "nan", "inf", "much", "", None, [], {}])
def test_wrong_values_say_what_is_taken(given):
    with pytest.raises(UsageError, match="strength takes a number from 0 to 75"):
        toolbox.tool("denoise").parse({"strength": given})


def test_auto_is_not_for_every_number():
    with pytest.raises(UsageError, match="detail takes"):
        toolbox.tool("denoise").parse({"detail": "auto"})


def test_unknown_names():
    with pytest.raises(UsageError, match="it has strength, detail"):
        toolbox.tool("denoise").parse({"sigma": 1})
    with pytest.raises(UsageError, match=r"the tools are .*denoise, deblur"):
        toolbox.tool("sharpen")
    with pytest.raises(UsageError, match="not one of auto, soft, motion"):
        toolbox.tool("deblur").parse({"kind": "zoom"})


def test_declarations_are_sound():
    for tool in toolbox.TOOLS:
        assert tool.help.endswith(".")
        for parameter in tool.parameters:
            assert parameter.parse(parameter.default) == parameter.default
            assert parameter.help.endswith(".")
            if parameter.kind is toolbox.Kind.NUMBER:
                assert parameter.minimum < parameter.maximum
                assert parameter.unit or parameter.whole
            elif parameter.kind is toolbox.Kind.TEXT:
                assert parameter.maximum >= 1
            else:
                assert len(parameter.choices) == len(parameter.choice_titles)
