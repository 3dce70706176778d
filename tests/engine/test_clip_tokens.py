"""CLIP's tokens against an implementation of the published algorithm that shares no code."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from shared_core.bridge.errors import CouldNotBeDone
from shared_core.engine.clip_tokens import LENGTH, ClipTokenizer
from tests.conftest import shared

START, END = 49406, 49407
SPECIAL = {"<|startoftext|>": START, "<|endoftext|>": END}

# Published for openai/clip-vit-large-patch14 and openai/CLIP's own notebook.
PUBLISHED = {
    "a photo of a cat": [320, 1125, 539, 320, 2368],
    "a photo of a dog": [320, 1125, 539, 320, 1929],
    "hello world": [3306, 1002],
    "": [],
}

PROMPTS = [
    "a photo of an astronaut riding a horse on mars",
    "It's a dog's life, isn't it? They'll've gone; I'd say we're done.",
    "  many   spaces\tand\nlines\r\nhere  ",
    "UPPER case And MiXeD",
    "1234567890 and 3.14159, 10,000 or 50%",
    "!!! ??? ... ,,, ;;;",
    "(masterpiece:1.2), [best quality], {detailed}, <lora:x:0.8>",
    "e-mail me@example.com or https://example.com/a?b=c&d=e#f",
    "snake_case and kebab-case and path/to/file.png",
    "'s't're've'm'll'd",
    "don't can't won't 'tis 'twas rock'n'roll",
    "the '90s and '00s",
    "\u201ccurly\u201d \u2018quotes\u2019 \u2013 and \u2014 dashes\u2026",
    "caf\u00e9 cre\u0300me bru\u0302le\u0301e",
    "Gr\u00fc\u00dfe aus M\u00fcnchen, \u00c4pfel und \u00d6l",
    "na\u00efve fa\u00e7ade \u00c5ngstr\u00f6m",
    "A\u030angstro\u0308m decomposed",
    "\u0130stanbul'da g\u00fcne\u015fli bir g\u00fcn",
    "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u039f\u0394\u039f\u03a3",
    "\u043a\u0440\u0430\u0441\u043d\u0430\u044f \u043f\u043b\u043e\u0449\u0430\u0434\u044c "
    "\u0437\u0438\u043c\u043e\u0439",
    "\u4e00\u53ea\u732b\u5750\u5728\u57ab\u5b50\u4e0a",
    "\u732b\u304c\u5ea7\u3063\u3066\u3044\u308b\u3001\u304b\u308f\u3044\u3044\u306d\u3002",
    "\uace0\uc591\uc774\uac00 \uc549\uc544 \uc788\ub2e4",
    "\u1112\u1161\u11ab decomposed hangul",
    "\u0642\u0637\u0629 \u062a\u062c\u0644\u0633",
    "\u05d7\u05ea\u05d5\u05dc \u05d9\u05d5\u05e9\u05d1",
    "\u092c\u093f\u0932\u094d\u0932\u0940 \u092c\u0948\u0920\u0940 \u0939\u0948",
    "\u0e41\u0e21\u0e27\u0e19\u0e31\u0e48\u0e07\u0e2d\u0e22\u0e39\u0e48",
    "\U0001f600 a smile",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f44d\U0001f3fd",
    "\U0001f1e9\U0001f1ea flag, \u2764\ufe0f heart",
    "cat\U0001f408cat",
    "\u00bd cup, x\u00b2, \u2167, \u2460, \u0663",
    "\ufb01ne \uff26\uff35\uff2c\uff2c width",
    "zero\u200bwidth and soft\u00adhyphen",
    "non\u00a0breaking\u3000ideographic\u2003em space",
    "\u20ac100, \u00a35, \u00a51000, $1",
    "\u2192 \u2190 \u2211 \u221e \u2260 \u00b1",
    "\U0001d4ea\U0001d4eb\U0001d4ec fancy letters",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
    "qwzxvkjq bxqzt",
    "a",
    "'",
    "\u00e9",
    "word " * 100,
    "x" * 500,
    "\U0001f600" * 60,
    "1" * 200,
    "beautiful landscape, 8k, trending on artstation, by greg rutkowski, ultra-detailed " * 6,
    "tab\x0bvertical\x0cfeed",
    "<|startoftext|>a cat<|endoftext|>",
    "<|EndOfText|>",
]


@pytest.fixture(scope="module")
def files() -> tuple[Path, Path]:
    """The real tokenizer's files."""
    folder = shared("weights") / "clip_tokenizer"
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    return folder / "vocab.json", folder / "merges.txt"


class Reference:
    """CLIP's byte-pair encoding, written after its description."""

    def __init__(self, vocab: Path, merges: Path) -> None:
        self.vocab = json.loads(vocab.read_text("utf-8"))
        lines = merges.read_text("utf-8").split("\n")[1:]
        pairs = [tuple(line.split()) for line in lines if line]
        self.rank = {pair: number for number, pair in enumerate(pairs)}

    def ids(self, text: str, pad: int) -> list[int]:
        ids: list[int] = []
        for part in re.split(r"(<\|startoftext\|>|<\|endoftext\|>)", text):
            if part in SPECIAL:
                ids.append(SPECIAL[part])
            else:
                ids += [i for piece in pieces(clean(part)) for i in self.piece(piece)]
        ids = [START, *ids[: LENGTH - 2], END]
        return ids + [pad] * (LENGTH - len(ids))

    def piece(self, piece: str) -> list[int]:
        parts = [letters()[byte] for byte in piece.encode()]
        parts[-1] += "</w>"
        while len(parts) > 1:
            found = [(self.rank.get(p, len(self.rank)), p) for p in pairwise(parts)]
            rank, (left, right) = min(found)
            if rank == len(self.rank):
                break
            merged: list[str] = []
            for part in parts:
                if merged and merged[-1] == left and part == right:
                    merged[-1] = left + right + "\0"
                else:
                    merged.append(part)
            parts = [part.removesuffix("\0") for part in merged]
        return [self.vocab[part] for part in parts]


@cache
def letters() -> dict[int, str]:
    """A visible letter for each byte."""
    shown = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {byte: chr(byte) for byte in shown} | {
        byte: chr(256 + number) for number, byte in enumerate(hidden)
    }


def clean(text: str) -> str:
    """Composed, single spaces, each letter in lower case by itself."""
    composed = " ".join(unicodedata.normalize("NFC", text).split())
    return "".join(letter.lower() for letter in composed)


def pieces(text: str) -> list[str]:
    """Contractions, words, single digits and runs of other signs."""
    found = []
    while text:
        kind = kind_of(text[0])
        short = next(
            (s for s in ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d") if text.startswith(s)), ""
        )
        if short:
            length = len(short)
        elif kind in ("number", "space"):
            length = 1
        else:
            length = 1
            while length < len(text) and kind_of(text[length]) == kind:
                length += 1
        if kind != "space":
            found.append(text[:length])
        text = text[length:]
    return found


def kind_of(letter: str) -> str:
    if letter.isspace():
        return "space"
    return {"L": "letter", "N": "number"}.get(unicodedata.category(letter)[0], "other")


@pytest.mark.parametrize("pad", [0, END])
def test_tokens_equal_the_reference(files: tuple[Path, Path], pad: int) -> None:
    assert len(PROMPTS) >= 50
    tokenizer, reference = ClipTokenizer(*files), Reference(*files)
    for prompt in PROMPTS:
        made = tokenizer.tokens(prompt, pad).ids.tolist()
        assert made == reference.ids(prompt, pad), prompt


def test_published_ids(files: tuple[Path, Path]) -> None:
    tokenizer = ClipTokenizer(*files)
    for prompt, ids in PUBLISHED.items():
        made = tokenizer.tokens(prompt, 0)
        assert made.ids.tolist() == [START, *ids, END] + [0] * (LENGTH - 2 - len(ids)), prompt
        assert (made.used, made.dropped) == (len(ids), 0)


def test_a_prompt_too_long_keeps_its_end_token(files: tuple[Path, Path]) -> None:
    made = ClipTokenizer(*files).tokens("cat " * 80, 0)
    assert made.ids.tolist() == [START, *[2368] * 75, END]
    assert (made.used, made.dropped) == (75, 5)


@pytest.mark.parametrize("damage", ["html", "empty", "other"])
def test_files_that_are_no_tokenizer_are_an_error(tmp_path: Path, damage: str) -> None:
    vocab, merges = tmp_path / "vocab.json", tmp_path / "merges.txt"
    texts = {"html": "<html>", "empty": "", "other": '{"a": 0, "<|endoftext|>": 1}'}
    vocab.write_text(texts[damage])
    merges.write_text("#version: 0.2\n")
    with pytest.raises(CouldNotBeDone, match=r"vocab\.json"):
        ClipTokenizer(vocab, merges)
