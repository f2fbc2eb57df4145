"""Prints what Home Assistant would install at its start, for its own integrations and those named.

scripts/home-assistant-install runs it, so that nothing is to be installed during the tests.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import homeassistant
from homeassistant.auth.mfa_modules import totp
from homeassistant.bootstrap import (
    CORE_INTEGRATIONS,
    DEFAULT_INTEGRATIONS,
)


def main(*wanted: str) -> None:
    """Each requirement of these integrations, and of those that they depend on, on a line."""
    components = Path(homeassistant.__file__).parent / "components"
    found: set[str] = set()
    todo = [*CORE_INTEGRATIONS, *DEFAULT_INTEGRATIONS, *wanted]
    requirements = set(totp.REQUIREMENTS)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        manifest = json.loads((components / name / "manifest.json").read_text("utf-8"))
        requirements.update(manifest.get("requirements", ()))
        todo.extend(manifest.get("dependencies", ()))
    print("\n".join(sorted(requirements)))


if __name__ == "__main__":
    main(*sys.argv[1:])
