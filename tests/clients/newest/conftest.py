"""What the tests of the official client have in common."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    """One that does not try again by itself."""
    with OpenAI(base_url=url, max_retries=0) as client:
        yield client
