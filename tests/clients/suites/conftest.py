"""The order in which the suites run."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test in all its ways of asking, then the next one.

    A CLI process that is there already for the same tools is used again, and starting one takes
    longer than most of the tests.
    """
    place = {item.name: number for number, item in reversed([*enumerate(items)])}
    items.sort(key=lambda item: place[item.name])
