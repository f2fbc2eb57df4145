"""LlamaIndex: its `OpenAILike`."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike

from .. import demo
from ..models import Person


@pytest.fixture
def llm(url: str) -> OpenAILike:
    return OpenAILike(
        model=demo.MODEL,
        api_base=url,
        api_key="not-needed",
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=200_000,
        max_retries=0,
    )


def test_an_answer(llm: OpenAILike) -> None:
    assert llm.complete(demo.SAY).text == demo.TEXT


def test_a_stream_comes_in_pieces(llm: OpenAILike) -> None:
    pieces = [piece.delta or "" for piece in llm.stream_complete(demo.COUNT)]
    assert "".join(pieces) == demo.COUNTED
    assert len([piece for piece in pieces if piece]) > 1


def test_a_conversation_keeps_its_turns(llm: OpenAILike) -> None:
    messages = [
        ChatMessage(role="system", content="Be brief."),
        ChatMessage(role="user", content=demo.SAY),
        ChatMessage(role="assistant", content=demo.TEXT),
        ChatMessage(role="user", content="SEEN"),
    ]
    seen = str(llm.chat(messages).message.content)
    assert "Be brief." in seen
    assert demo.TEXT in seen


def test_a_tool_is_called(llm: OpenAILike) -> None:
    tool = FunctionTool.from_defaults(demo.get_weather)
    answer = llm.chat_with_tools([tool], user_msg=demo.CALL)
    calls: Any = llm.get_tool_calls_from_response(answer)
    assert [(call.tool_name, call.tool_kwargs) for call in calls] == [
        ("get_weather", {"city": demo.CITY})
    ]
    assert llm.predict_and_call([tool], user_msg=demo.CALL).response == demo.get_weather(demo.CITY)


def test_an_answer_is_parsed(llm: OpenAILike) -> None:
    # It makes a tool of the model.
    prompt = demo.call_of("Person", demo.PERSON)
    assert llm.as_structured_llm(Person).complete(prompt).raw == Person(**demo.PERSON)


def test_an_image_reaches_the_api(llm: OpenAILike) -> None:
    picture = ImageBlock(url=demo.PIXEL_URL)
    message = ChatMessage(role="user", blocks=[TextBlock(text="SEEN"), picture])
    assert demo.images(llm.chat([message]).message.content) == [demo.PIXEL_SOURCE]
