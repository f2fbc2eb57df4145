"""Writes constraints.txt: the versions that are installed of what claudeproxy and `cli` need.

    python scripts/constraints.py [FILE]

Each line has the licence that the package's own metadata names.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


HEAD = f"""\
# What claudeproxy and its extra `cli` were tested with, with Python {sys.version_info.major}.\
{sys.version_info.minor} on {platform.system()}: `make constraints`
# writes this file. To install the same: pip install --constraint constraints.txt '.[cli]'
"""


def needed(root: str, extras: frozenset[str]) -> dict[str, Distribution]:
    """All distributions that one needs with its extras, by their names."""
    found: dict[str, Distribution] = {}
    todo = [(root, extras)]
    seen = set()
    while todo:
        each = todo.pop()
        if each in seen:
            continue
        seen.add(each)
        name, wanted = each
        try:
            here = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name} is not installed; constraints are written where all is")
        found[name] = here
        todo += _required(here, wanted)
    return found


def _required(of: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in of.requires or ():
        need = Requirement(line)
        # A requirement of no extra holds for each of them, so "" is one too.
        marker = need.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield canonicalize_name(need.name), frozenset(need.extras)


def licence(of: Distribution) -> str:
    """What its metadata say, in few words."""
    told = of.metadata
    if expression := told.get("License-Expression"):
        return expression
    classifiers = told.get_all("Classifier") or ()
    names = [name.rpartition(" :: ")[2] for name in classifiers if name.startswith("License ::")]
    if names:
        return ", ".join(names)
    text = (told.get("License") or "").strip()
    return text if text and "\n" not in text else "see the package"


def lines() -> Iterator[str]:
    """The lines of the file."""
    found = needed("claudeproxy", frozenset({"cli"}))
    del found["claudeproxy"]
    for name, each in sorted(found.items()):
        yield f"{name}=={each.version}  # {licence(each)}\n"


if __name__ == "__main__":
    path = Path(sys.argv[1] if len(sys.argv) > 1 else "constraints.txt")
    path.write_text(HEAD + "".join(lines()), "utf-8")
