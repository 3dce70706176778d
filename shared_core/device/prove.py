"""Proves that a provider works on this machine: `python -m shared_core.device.prove PROVIDER`.

The set-up runs it in a new environment before anything uses that. It prints one line of JSON:
whether it works, else why not, and on which device.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from shared_core.bridge.language import _, packed

from .libraries import how_to_get, kind_of
from .probe import probe
from .profile import CPU_PROVIDER, WORTH_MOVING, Profile, save


def verdict(profile: Profile, provider: str) -> dict[str, Any]:
    """Whether ``provider`` is the one to use by this measurement, and if not, why."""
    found = profile.provider(provider)
    if found is None:
        reason = _(
            "This onnxruntime has no {title}. {advice}",
            title=kind_of(provider).title,
            advice=how_to_get(provider),
        )
        return {"works": False, "reason": reason, "device": ""}
    if not found.bound:
        return {"works": False, "reason": found.reason, "device": ""}
    preferred = profile.preferred()
    if provider != CPU_PROVIDER and (preferred is None or preferred.id != provider):
        reason = _(
            "It works, but is not {times:g} times as fast as the processor.",
            times=WORTH_MOVING,
        )
        return {"works": False, "reason": reason, "device": found.device}
    return {"works": True, "reason": "", "device": found.device}


def main() -> None:
    """Measure, print the verdict, and keep the measurement where the provider works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider")
    parser.add_argument("--save", type=Path, help="where to keep the measurement")
    chosen = parser.parse_args()
    profile = probe()
    answer = verdict(profile, chosen.provider)
    if answer["works"] and chosen.save:
        save(profile, chosen.save)
    print(json.dumps(packed(answer)))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
