"""CLIP's byte-pair tokens of a prompt, as the text encoders of diffusion models want them.

The text is taken to NFC and lower case with single spaces, split into contractions, words, single
digits and runs of other signs, and each piece is merged as its UTF-8 bytes, the last one marked
as the end of a word (Radford et al., "Learning Transferable Visual Models From Natural Language
Supervision", 2021; the reference's order of steps is that of its published fast tokenizer).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _

LENGTH = 77
_START, _END = "<|startoftext|>", "<|endoftext|>"
_START_ID, _END_ID = 49406, 49407
_PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


@dataclass(frozen=True)
class Tokens:
    """``ids``, int64 of 77: start, the prompt, end, padding; ``dropped`` tokens did not fit."""

    ids: NDArray[np.int64]
    used: int
    dropped: int


class ClipTokenizer:
    """The tokenizer in the files ``vocab.json`` and ``merges.txt`` of a CLIP text encoder.

    Raises ``CouldNotBeDone`` when they cannot be read or are not CLIP's.
    """

    def __init__(self, vocab: Path, merges: Path) -> None:
        try:
            model = models.BPE.from_file(
                str(vocab), str(merges), unk_token=_END, end_of_word_suffix="</w>"
            )
        except Exception as error:
            raise CouldNotBeDone(
                _(
                    "The tokenizer {name} with {merges} cannot be read ({error}). Remove "
                    "the model and download it again, or use the classical path.",
                    name=vocab.name,
                    merges=merges.name,
                    error=error,
                )
            ) from error
        self._tokenizer = Tokenizer(model)
        self._tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        found = tuple(self._tokenizer.token_to_id(token) for token in (_START, _END))
        if found != (_START_ID, _END_ID):
            raise CouldNotBeDone(
                _(
                    "The tokenizer {name} is not CLIP's: its start and end are {found}, not "
                    "{value}. Remove the model and download it again.",
                    name=vocab.name,
                    found=found,
                    value=(_START_ID, _END_ID),
                )
            )
        # As in the reference, a prompt that spells one of the two just so means it.
        self._tokenizer.add_special_tokens(
            [AddedToken(token, normalized=False, special=True) for token in (_START, _END)]
        )

    def tokens(self, prompt: str, pad: int) -> Tokens:
        """The tokens of ``prompt``; what does not fit is cut off before the end token."""
        ids = self._tokenizer.encode(prompt, add_special_tokens=False).ids
        kept = ids[: LENGTH - 2]
        padded = np.full(LENGTH, pad, np.int64)
        padded[: len(kept) + 2] = [_START_ID, *kept, _END_ID]
        return Tokens(padded, len(kept), len(ids) - len(kept))
