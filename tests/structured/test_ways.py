"""Which way an answer is made to match its schema, and what is learnt from refusals."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from twisted.internet.task import Clock

from claudeproxy.conversation import Conversation, Limits, Profile, Turn, text_block
from claudeproxy.errors import APIError, bad_request
from claudeproxy.structured.ways import REMEMBERED_FOR, ByTool, Choice, Reason, Ways


SAYABLE = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
OTHER = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
MAP = {"type": "object"}
CLOSED = {**SAYABLE, "additionalProperties": False}

OF_THE_SCHEMA = (
    "output_config.format.schema: Schema is too complex for compilation.",
    "Schema is too complex for compilation",
    "The compiled grammar is too large, which would cause performance issues.",
    "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly "
    "set to false",
)
OF_THE_MODEL = (
    "output_config.format: Extra inputs are not permitted",
    "output_format: Extra inputs are not permitted",
    "This model does not support structured outputs.",
    "claude-3-haiku-20240307 does not support output format.",
)
OF_SOMETHING_ELSE = (
    "max_tokens: Field required",
    "tools.0.custom.input_schema: JSON schema is invalid.",
    "messages: roles must alternate",
)


def asking(schema: Any = SAYABLE, model: str = "sonnet") -> Conversation:
    turns = (Turn("user", (text_block("Hi"),)),)
    return Conversation(Profile("Be brief."), turns, Limits(model), schema)


class Case:
    def __init__(self, choice: Choice = Choice.AUTO) -> None:
        self.clock = Clock()
        self.ways = Ways(choice, self.clock.seconds)

    def choose(self, asked: Conversation, *, has_feature: bool = True) -> Conversation | ByTool:
        return self.ways.choose(asked, has_feature=has_feature)

    def reason(self, asked: Conversation, *, has_feature: bool = True) -> Reason | None:
        """Why it goes the tool's way; None if it goes the API's."""
        chosen = self.choose(asked, has_feature=has_feature)
        return chosen.reason if isinstance(chosen, ByTool) else None

    def by_api(self, asked: Conversation) -> Conversation:
        chosen = self.choose(asked)
        assert isinstance(chosen, Conversation)
        return chosen


def test_without_a_schema_there_is_nothing_to_choose() -> None:
    for choice in Choice:
        asked = asking(None)
        assert Case(choice).choose(asked, has_feature=False) is asked


def test_by_the_api_the_schema_is_no_part_of_the_profile() -> None:
    chosen = Case().choose(asking())
    assert isinstance(chosen, Conversation)
    assert chosen.profile == Profile("Be brief.")
    assert chosen.limits == Limits("sonnet", output_format=CLOSED)
    assert chosen.output_schema == SAYABLE


def test_by_the_tool_it_is() -> None:
    chosen = Case(Choice.TOOL).choose(asking())
    assert isinstance(chosen, ByTool)
    assert chosen.reason is Reason.CHOSEN
    assert chosen.conversation.profile == Profile("Be brief.", output_schema=SAYABLE)
    assert chosen.conversation.limits == Limits("sonnet")


@pytest.mark.parametrize("schema", [MAP, {"type": "object", "properties": {"a": {}}}])
def test_a_schema_that_the_api_cannot_be_told_goes_the_tools_way(schema: Any) -> None:
    assert Case().reason(asking(schema)) is Reason.NOT_SAYABLE
    with pytest.raises(APIError) as refused:
        Case(Choice.API).choose(asking(schema))
    assert (refused.value.status, refused.value.code) == (400, "invalid_schema")
    assert "`structured_output`" in refused.value.message


def test_a_model_without_the_feature_goes_the_tools_way() -> None:
    assert Case().reason(asking(), has_feature=False) is Reason.MODEL
    # Here the API itself is to say so.
    assert Case(Choice.API).reason(asking(), has_feature=False) is None


@pytest.mark.parametrize("message", OF_THE_SCHEMA)
def test_a_schema_that_the_api_refuses_is_remembered_for_a_day(message: str) -> None:
    case = Case()
    other = case.ways.after(case.by_api(asking()), bad_request(message))
    assert other is not None
    assert other.reason is Reason.SCHEMA
    assert other.conversation.profile.output_schema == SAYABLE
    assert other.conversation.limits.output_format is None
    assert case.reason(asking(model="opus")) is Reason.SCHEMA
    assert case.reason(asking(OTHER)) is None
    case.clock.advance(REMEMBERED_FOR - 1)
    assert case.reason(asking()) is Reason.SCHEMA
    case.clock.advance(1)
    assert case.reason(asking()) is None


@pytest.mark.parametrize("message", OF_THE_MODEL)
def test_a_model_that_refuses_is_remembered_for_a_day(message: str) -> None:
    case = Case()
    other = case.ways.after(case.by_api(asking()), bad_request(message))
    assert other is not None
    assert other.reason is Reason.MODEL
    assert case.reason(asking(OTHER)) is Reason.MODEL
    assert case.reason(asking(model="opus")) is None
    case.clock.advance(REMEMBERED_FOR)
    assert case.reason(asking(OTHER)) is None


def test_a_format_beside_citations_is_refused_for_this_request_only() -> None:
    case = Case()
    refused = bad_request("output_config.format cannot be used with citations.")
    other = case.ways.after(case.by_api(asking()), refused)
    assert other is not None
    assert other.reason is Reason.CONTENT
    assert case.reason(asking()) is None


@pytest.mark.parametrize("message", OF_SOMETHING_ELSE)
def test_another_error_is_the_clients(message: str) -> None:
    case = Case()
    assert case.ways.after(case.by_api(asking()), bad_request(message)) is None
    assert case.reason(asking()) is None


@pytest.mark.parametrize("status", [401, 404, 429, 500, 529])
def test_only_a_400_speaks_of_the_request(status: int) -> None:
    case = Case()
    error = APIError(status, OF_THE_SCHEMA[0])
    assert case.ways.after(case.by_api(asking()), error) is None


def test_where_only_the_api_is_allowed_its_refusal_is_the_clients() -> None:
    case = Case(Choice.API)
    assert case.ways.after(case.by_api(asking()), bad_request(OF_THE_SCHEMA[0])) is None


def test_a_refusal_of_another_conversation_is_not_its_own() -> None:
    case = Case()
    for asked in (asking(None), attrs.evolve(asking(), limits=Limits("sonnet"))):
        assert case.ways.after(asked, bad_request(OF_THE_SCHEMA[0])) is None


def test_what_is_remembered_is_bounded() -> None:
    case = Case()
    for number in range(1001):
        schema = {**SAYABLE, "title": str(number)}
        case.ways.after(case.by_api(asking(schema)), bad_request(OF_THE_SCHEMA[0]))
    assert case.reason(asking({**SAYABLE, "title": "0"})) is None
    assert case.reason(asking({**SAYABLE, "title": "1"})) is Reason.SCHEMA
