"""The labels that every picture is compared with, and how a label becomes a sentence."""

from __future__ import annotations

PROMPT = "a photo of {}"
"""What CLIP is asked, with the label in place of the braces."""

# With the article that belongs to it, so that the sentence is English.
_ENTRIES = """
a person; a man; a woman; a child; a baby; a group of people; a crowd; a couple; a portrait;
a close-up of a face; a hand; a musician; a dancer; an athlete; a worker; a soldier; a wedding;
a party; a meeting
a dog; a cat; a horse; a cow; a sheep; a goat; a pig; a rabbit; a squirrel; a deer; a fox; a bear;
a lion; a tiger; an elephant; a giraffe; a zebra; a monkey; a bird; a duck; an owl; a chicken;
a parrot; a penguin; a fish; a shark; a whale; a snake; a lizard; a frog; a turtle; a butterfly;
a bee; an insect; a spider
a flower; a rose; a sunflower; a tree; a forest; grass; a leaf; moss; a mushroom; a cactus;
a garden; a field; a vineyard
a mountain; a hill; a valley; a desert; a beach; the sea; a wave; a lake; a river; a waterfall;
an island; a cliff; a cave; snow; ice; rain; fog; clouds; a blue sky; a sunset; a sunrise;
a rainbow; lightning; stars in the night sky; the moon; fire; fireworks; an underwater scene;
an aerial view; a landscape
a city; a skyline; a street; a village; a house; a building; a skyscraper; a church; a castle;
a temple; a ruin; a bridge; a tower; a lighthouse; a statue; a fountain; a park; a market; a shop;
a station; an airport; a harbour; a factory; a farm; a construction site; a road; a stairway;
a door; a window; a wall
a living room; a kitchen; a bedroom; a bathroom; an office; a classroom; a library; a museum;
a restaurant; a stage; a stadium
a car; a truck; a bus; a train; a tram; a bicycle; a motorcycle; an aeroplane; a helicopter; a boat;
a ship; a rocket; a balloon
food; a cake; bread; fruit; an apple; vegetables; meat; cheese; a pizza; a salad; a soup; coffee;
a glass of wine; a bottle
a table; a chair; a sofa; a bed; a lamp; a clock; a book; a newspaper; a letter; a map; a computer;
a telephone; a television; a camera; a guitar; a piano; a toy; a doll; a ball; a tool; a machine;
jewellery; a watch; glasses; shoes; a dress; a hat; a uniform; a mask; a flag; a coin
a drawing; a pencil sketch; an oil painting; a watercolour; a cartoon; a comic; an engraving;
a poster; a logo; a diagram; a screenshot; handwriting; printed text; a pattern; a texture;
an abstract picture; a computer rendering; a black and white photograph; an old photograph;
a long exposure; a silhouette; a still life; a product on a plain background
"""

_ARTICLES = ("a ", "an ", "the ")
_VOWELS = "aeiou"


def _label(entry: str) -> str:
    for article in _ARTICLES:
        if entry.startswith(article):
            return entry.removeprefix(article)
    return entry


def built_in() -> dict[str, str]:
    """The fixed list: sentences by label."""
    entries = [entry.strip() for line in _ENTRIES.split("\n") for entry in line.split(";")]
    return {_label(entry): PROMPT.format(entry) for entry in entries if entry}


def own(text: str) -> dict[str, str]:
    """Sentences by label for labels that the user typed, separated by commas.

    A label without an article gets one: "oak leaf" becomes "a photo of an oak leaf".
    """
    labels = [" ".join(part.split()) for part in text.replace(";", ",").split(",")]
    made = {}
    for label in labels:
        if label:
            first = label.lower()
            article = "" if first.startswith(_ARTICLES) else "an " if first[0] in _VOWELS else "a "
            made[label] = PROMPT.format(article + label)
    return made
