"""Which provider really does a network's work, by the operators that take its time."""

from __future__ import annotations

from collections.abc import Mapping

# Shape and copy nodes may well lie on the processor.
HEAVY_OPERATORS = frozenset(
    {"Conv", "FusedConv", "NhwcFusedConv", "MatMul", "FusedMatMul", "Gemm", "FusedGemm", "Resize"}
)


def heavy_share(nodes: Mapping[str, Mapping[str, int]], provider: str) -> float | None:
    """The part 0..1 of the heavy operators in ``nodes`` (provider to operator to count) that lies
    on ``provider``; None where none is named, for then onnxruntime does not tell.

    It tells nothing of those that a provider takes in another layout of the tensors, as WebGPU
    does (seen with onnxruntime 1.27).
    """
    heavy = {
        place: sum(count for operator, count in found.items() if operator in HEAVY_OPERATORS)
        for place, found in nodes.items()
    }
    total = sum(heavy.values())
    return heavy.get(provider, 0) / total if total else None
