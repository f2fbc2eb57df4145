"""What is served below /v1/responses beside responses: tokens, cancelling, compaction."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claudeproxy.dialects import messages
from claudeproxy.dialects.token_estimate import estimate
from claudeproxy.errors import APIError

from ..asking import PNG_URL, refused
from .test_request import F, answered, dialect


def counted(**changes: Any) -> int:
    body = {"model": "sonnet", "input": "Hello", **changes}
    counted = dialect().count_tokens(json.dumps(body).encode())
    assert counted.conversation.limits.model == "sonnet"
    value = json.loads(counted.body(estimate(counted.conversation)))
    assert list(value) == ["object", "input_tokens"]
    assert value["object"] == "response.input_tokens"
    assert type(value["input_tokens"]) is int
    tokens: int = value["input_tokens"]
    return tokens


def test_tokens_are_estimated_as_for_anthropics_messages() -> None:
    body = {"model": "m", "system": "Be brief.", "messages": [{"role": "user", "content": "Hello"}]}
    told = messages.count_tokens(json.dumps(body).encode())
    assert counted(instructions="Be brief.") == estimate(told.conversation) > 0


def test_everything_that_the_model_reads_counts() -> None:
    image = {"role": "user", "content": [{"type": "input_image", "image_url": PNG_URL}]}
    less = counted()
    assert counted(input="Hello " * 35) - less in (58, 59)
    assert counted(tools=[F]) > less
    assert counted(text={"format": {"type": "json_object"}}) > less
    assert counted(input=[image]) >= 1600


def test_what_a_response_before_said_counts() -> None:
    to = dialect()
    answered("a", to=to)
    body = {"model": "sonnet", "input": "Hello", "previous_response_id": "resp_a"}
    told = to.count_tokens(json.dumps(body).encode())
    assert estimate(told.conversation) > counted()
    assert to.store.get("resp_a") is not None


def test_a_request_that_cannot_be_is_not_counted() -> None:
    assert refused(lambda: counted(input=None))[1:] == ("input", "missing_required_parameter")
    assert refused(lambda: dialect().count_tokens(b"{"))[1:] == (None, None)


def test_nothing_can_be_cancelled() -> None:
    to = dialect()
    answered("a", to=to)
    message, *told = refused(lambda: to.cancel("resp_a"))
    assert message.startswith(
        "The response 'resp_a' cannot be cancelled: only background responses "
    )
    assert told == [None, None]
    with pytest.raises(APIError) as caught:
        to.cancel("resp_b")
    assert (caught.value.status, caught.value.message) == (
        404,
        "Response with id 'resp_b' not found.",
    )
