"""What the tests of the official client have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from .. import demo


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    """One that does not try again by itself."""
    with OpenAI(base_url=url, max_retries=0) as client:
        yield client


@pytest.fixture(params=["create", "create streamed", "parse", "stream"])
def ask(request: pytest.FixtureRequest, client: OpenAI) -> Any:
    """Each way to have a response: it is the same response by all of them."""

    def by_stream(**asked: Any) -> Any:
        with client.responses.stream(**asked) as stream:
            *events, last = stream
        # The helper adds fields of its own making, but neither events nor numbers.
        assert [event.sequence_number for event in (*events, last)] == list(range(len(events) + 1))
        return last.response

    def by_events(**asked: Any) -> Any:
        *events, last = client.responses.create(stream=True, **asked)
        assert [event.sequence_number for event in (*events, last)] == list(range(len(events) + 1))
        return last.response

    ways = {
        "create": client.responses.create,
        "create streamed": by_events,
        "parse": client.responses.parse,
        "stream": by_stream,
    }
    way: Any = ways[request.param]
    return lambda text, **more: way(model=demo.MODEL, input=text, **more)
