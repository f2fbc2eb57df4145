"""Matches a client's patterns, except where Python's `re` could take very long for it.

`re` tries one way after another. With k quantifiers that have no upper limit, it may try n**k ways
for a text of n characters, and more than any power of n if such quantifiers are nested. It cannot
be interrupted, and the server would answer nobody meanwhile.
"""

from __future__ import annotations

import re
from functools import lru_cache

import attrs


# How many ways may be tried at most: some tenths of a second.
MOST_TRIED = 10**7
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<open>\()|(?P<close>\))|(?P<bar>\|)"
    r"|(?P<quantifier>[*+]|\{\d*,\d*\}|\{\d+\}|\?)|.",
    re.DOTALL,
)
_UNLIMITED = re.compile(r"[*+]|\{\d*,\}")
# More repetitions than this count as unlimited.
_FEW = 10


@attrs.frozen
class Pattern:
    """A compiled pattern, and how long matching it can take.

    unlimited: the number of its quantifiers without an upper limit; None if they are nested.
    """

    compiled: re.Pattern[str]
    unlimited: int | None

    def may_match(self, text: str) -> bool:
        """Whether the pattern matches somewhere in a text, or trying could take too long."""
        if self.unlimited is None or len(text) ** (self.unlimited + 1) > MOST_TRIED:
            return True
        return self.compiled.search(text) is not None


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> Pattern | None:
    """Return the pattern; None if Python does not know its syntax."""
    try:
        return Pattern(re.compile(pattern), _unlimited(pattern))
    except (re.error, OverflowError, RecursionError):
        return None


def _unlimited(pattern: str) -> int | None:
    """Count the quantifiers without an upper limit; None if one may be tried in many ways."""
    total = 0
    # Of each open group: whether there is more than one way to match it.
    groups = [False]
    after_group = False
    for token in _TOKEN.finditer(pattern):
        closed, after_group = after_group, False
        if token["open"]:
            groups.append(False)
        elif token["close"] and len(groups) > 1:
            varies = groups.pop()
            # What varies inside of a group does so outside of it too.
            groups[-1] = groups[-1] or varies
            after_group = varies
        elif token["bar"]:
            groups[-1] = True
        elif token["quantifier"]:
            groups[-1] = True
            if not _is_unlimited(token[0]):
                continue
            total += 1
            if closed:
                return None
    return total


def _is_unlimited(quantifier: str) -> bool:
    if _UNLIMITED.fullmatch(quantifier):
        return True
    most = quantifier.strip("{}").rpartition(",")[2]
    return most.isdigit() and int(most) > _FEW
