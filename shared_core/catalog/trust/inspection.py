"""What an ONNX file holds and whether it may be opened at all, found out without any runtime.

A model is data from strangers. The file is walked field by field, weights are skipped by their
length, and nothing that it says of itself is believed. Standard library only.
"""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...bridge.errors import CouldNotBeDone
from ...bridge.language import _
from ..manifest import Identity, identity, lstat
from .external_data import ExternalData
from .formats import HEAD_BYTES, something_else
from .protobuf import Malformed, Reader
from .walk import MAX_TEXT, Value, Walk

__all__ = ["MAX_FILE_BYTES", "MAX_TEXT", "Inspected", "ModelRefused", "Value", "inspect"]

# protobuf counts a message's bytes in 31 bits, so that no runtime reads a longer file.
MAX_FILE_BYTES = (1 << 31) - 1


class ModelRefused(CouldNotBeDone):
    """A file that is not opened; ``reason`` is the part of the sentence that says why."""

    def __init__(self, path: Path, reason: str, advice: str) -> None:
        super().__init__(
            _(
                "{name} is not used: {reason}; {advice}.",
                name=path.name,
                reason=reason,
                advice=advice,
            )
        )
        self.reason = reason


@dataclass(frozen=True)
class Inspected:
    """What an ONNX file says of itself, and the states of the files that were looked at.

    ``inputs`` leaves out those that have a stored value. ``opsets`` holds the version by domain,
    "" for ai.onnx; ``operators`` the count of nodes by domain and kind. ``nodes`` is their number
    with those of subgraphs and with every call of a function counted as the function's nodes, and
    ``depth`` how deep subgraphs lie in each other. ``weights_bytes`` are all stored tensors,
    ``largest`` the name and bytes of the largest. ``external`` are the files beside it that hold
    data, relative to its own folder. ``metadata`` are its metadata_props, cut at ``MAX_TEXT``.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    opsets: Mapping[str, int]
    operators: Mapping[tuple[str, str], int]
    nodes: int
    functions: int
    depth: int
    weights_bytes: int
    largest: tuple[str, int]
    external: tuple[str, ...]
    metadata: Mapping[str, str]
    producer: str
    ir_version: int
    files: Mapping[Path, Identity]

    @property
    def changed(self) -> bool:
        """Whether any of the files is no longer the one that was inspected."""
        for path, seen in self.files.items():
            info = lstat(path)
            if info is None or identity(info) != seen:
                return True
        return False


def inspect(path: Path, folder: Path | None = None) -> Inspected:
    """Walk the ONNX file at ``path``; none of its data may lie outside ``folder`` (default: its).

    Takes some milliseconds, for the largest exports a few seconds, and little memory. Raises
    ``ModelRefused``, with what is wrong and what can be done, for whatever is not to be opened.
    """
    path = path.absolute()
    beside = ExternalData(path, path.parent if folder is None else folder.absolute())
    try:
        # Not to wait for the writer of a pipe that has the name of a model.
        with open(path, "rb", buffering=0, opener=_at_once) as stream:
            info = os.fstat(stream.fileno())
            if not stat.S_ISREG(info.st_mode):
                raise ModelRefused(
                    path, _("it is a folder, a pipe or a device"), _("give the model's .onnx file")
                )
            if other := something_else(stream.read(HEAD_BYTES)):
                raise ModelRefused(path, _("it is {other}", other=other[0]), other[1])
            if path.suffix.lower() == ".ort":
                raise ModelRefused(
                    path,
                    _("its name ends like those of onnxruntime's own format"),
                    _("rename it to .onnx"),
                )
            if info.st_size > MAX_FILE_BYTES:
                raise ModelRefused(
                    path,
                    _(
                        "it has {size:,} bytes, and no ONNX file has more than {most:,}",
                        size=info.st_size,
                        most=MAX_FILE_BYTES,
                    ),
                    _("export it with its weights as external data"),
                )
            walk = Walk(Reader(stream, info.st_size), beside)
            try:
                walk.model(info.st_size)
            except Malformed as error:
                raise ModelRefused(path, str(error), error.advice) from None
            if identity(os.fstat(stream.fileno())) != identity(info):
                raise ModelRefused(path, _("it changed while it was looked at"), _("try again"))
    except OSError as error:
        raise ModelRefused(
            path,
            _("it cannot be read ({reason})", reason=error.strerror or error),
            _("correct its permissions"),
        ) from error
    files = {path: info} | {path.parent / name: found for name, found in beside.found.items()}
    return Inspected(
        inputs=tuple(walk.inputs),
        outputs=tuple(walk.outputs),
        opsets=walk.opsets,
        operators=Counter(walk.operators),
        nodes=walk.nodes,
        functions=len(walk.functions),
        depth=walk.depth,
        weights_bytes=walk.weights_bytes,
        largest=walk.largest,
        external=tuple(beside.found),
        metadata=walk.metadata,
        producer=" ".join(walk.producer).strip(),
        ir_version=walk.ir_version,
        files={path: identity(info) for path, info in files.items()},
    )


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
