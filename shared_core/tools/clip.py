"""CLIP's embeddings of pictures and of texts, by the contract of the model's card.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", 2021.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms.bicubic import resized_part
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.catalog.cards import TensorSpec
from shared_core.catalog.contract import Shown, fed
from shared_core.pixels import Box, Picture, WrongOutput

if TYPE_CHECKING:
    from shared_core.engine.session import Session

    from .work import Model

Embeddings = NDArray[np.float32]

LENGTH = 77
START, END = 49406, 49407
SCALE = 100.0
_BATCH = 16
# Values of embeddings of length one that differ by less are the same.
_SAME = 1e-5


def picture_tensor(
    picture: Picture, box: Box, spec: TensorSpec, between: Callable[[], None]
) -> NDArray[np.float32]:
    """What the vision model sees of ``box``: its middle square, (1, 3, side, side), normalised.

    The short side is made as long as the contract's by bicubic interpolation. ``between`` is
    called now and then, and may raise.
    """
    side = spec.sized(None)[2]
    short = min(box.width, box.height)
    width, height = (max(side, length * side // short) for length in (box.width, box.height))
    part = ((width - side) // 2, (height - side) // 2, side, side)

    def rows(top: int, count: int) -> NDArray[np.float32]:
        return picture.rgb(Box(box.left, box.top + top, box.width, count))

    made = resized_part(rows, (box.width, box.height), (width, height), part, between)
    return fed(spec, Shown(np.asarray(np.clip(made, 0, 1), np.float32)))


def token_ids(tokenizer: Path, texts: Sequence[str]) -> NDArray[np.int64]:
    """CLIP's tokens (texts, 77): start, text, end, and padding with the end token.

    What does not fit is cut off before the end token. Raises ``CouldNotBeDone`` when the file is
    not CLIP's tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        made = Tokenizer.from_file(str(tokenizer))
    except Exception as error:
        raise CouldNotBeDone(
            _(
                "The tokenizer {name} cannot be read ({error}). Remove the model and download "
                "it again, or use the classical path.",
                name=tokenizer.name,
                error=error,
            )
        ) from error
    found = tuple(made.token_to_id(token) for token in ("<|startoftext|>", "<|endoftext|>"))
    if found != (START, END):
        raise CouldNotBeDone(
            _(
                "The tokenizer {name} is not CLIP's: its start and end are {found}, not "
                "{value}. Remove the model and download it again.",
                name=tokenizer.name,
                found=found,
                value=(START, END),
            )
        )
    made.no_truncation()
    made.no_padding()
    ids = np.full((len(texts), LENGTH), END, np.int64)
    for row, text in zip(ids, texts, strict=True):
        kept = made.encode(text, add_special_tokens=False).ids[: LENGTH - 2]
        row[0] = START
        row[1 : 1 + len(kept)] = kept
    return ids


def embed_picture(session: Session, tensor: NDArray[np.float32], cancelled: Any) -> Embeddings:
    """The picture's embedding, (1, n), of length one. Raises ``WrongOutput``."""
    return _run(session, tensor, cancelled)


def embed_texts(
    model: Model,
    prompts: Sequence[str],
    step: Callable[[int, int], None],
    cancelled: Callable[[], bool],
) -> Embeddings:
    """The texts' embeddings, (texts, n), of length one. Raises ``WrongOutput``, ``Cancelled``."""
    ids = token_ids(model.path("tokenizer"), prompts)
    session = model.sessions["text"]
    parts = []
    for begin in range(0, len(ids), _BATCH):
        step(begin, len(ids))
        parts.append(_run(session, ids[begin : begin + _BATCH], cancelled))
    model.sessions.close("text")
    made = np.concatenate(parts)
    if len(np.unique(ids, axis=0)) > 1 and np.ptp(made, axis=0).max() < _SAME:
        raise WrongOutput(
            _(
                "The model {name} gave the same values for different labels. Choose the "
                "classical path, or download the model again.",
                name=session.path.name,
            )
        )
    return made


def remembered(
    folder: Path, model: Model, prompts: Sequence[str], make: Callable[[], Embeddings]
) -> Embeddings:
    """The embeddings of a fixed list, from ``folder`` where this model made them before.

    A file that is missing, damaged, or of another model or list is made anew; one that cannot be
    written is not missed.
    """
    of = [model.card.file(role) for role in ("text", "tokenizer")]
    key = "\n".join([*(file.sha256 or model.card.revision + file.path for file in of), *prompts])
    path = folder / f"{model.card.id}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        kept = np.load(path, allow_pickle=False)
        norms = np.linalg.norm(kept, axis=-1) if kept.dtype == np.float32 else np.zeros(1)
        if kept.ndim == 2 and len(kept) == len(prompts) and (np.abs(norms - 1) < 1e-3).all():
            return np.asarray(kept, np.float32)
    made = make()
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as stream:
            np.save(stream, made, allow_pickle=False)
        os.replace(fresh, path)
    return made


def scores(picture: Embeddings, texts: Embeddings) -> NDArray[np.float64]:
    """The likelihood of each text, adding up to 1: softmax of a hundred times the cosine."""
    logits = SCALE * (texts.astype(np.float64) @ picture[0].astype(np.float64))
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum())


def _run(session: Session, values: NDArray[Any], cancelled: Any) -> Embeddings:
    tensor = session.inputs[0]
    found = session.run({tensor.name: values.astype(tensor.dtype)}, cancelled=cancelled)[0]
    made = np.asarray(found, np.float32)
    if made.ndim != 2 or len(made) != len(values):
        raise WrongOutput(
            _(
                "The model {name} gave values of shape {shape} for {count} inputs. Choose the "
                "classical path, or download the model again.",
                name=session.path.name,
                shape=list(made.shape),
                count=len(values),
            )
        )
    lengths = np.linalg.norm(made, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise WrongOutput(
            _(
                "The model {name} gave values that are not numbers. Choose the classical path, "
                "or download the model again.",
                name=session.path.name,
            )
        )
    return np.asarray(made / lengths, np.float32)
