"""The citations of a streamed answer, read by the official Python client's own accumulator."""

from __future__ import annotations

from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk

from claudeproxy.dialects.chat.answer import StreamedAnswer
from claudeproxy.events import Cited, Event, Finished, Started, TextDelta, TextStarted, Usage


def citing(url: str) -> Cited:
    return Cited({"type": "web_search_result_location", "url": url, "title": url})


EVENTS: tuple[Event, ...] = (
    Started("claude-x"),
    TextDelta("One says "),
    TextStarted(),
    citing("https://a.example"),
    TextDelta("first"),
    TextStarted(),
    TextDelta(" and "),
    TextStarted(),
    citing("https://b.example"),
    TextDelta("second"),
    Finished("stop", Usage()),
)


def chunks() -> list[ChatCompletionChunk]:
    answer = StreamedAnswer("u", 0, cites=True)
    body = b"".join(map(answer.feed, EVENTS)).decode()
    frames = [frame.removeprefix("data: ") for frame in body.split("\n\n") if frame]
    return [ChatCompletionChunk.model_validate_json(frame) for frame in frames[:-1]]


def test_all_come_in_one_chunk_after_the_text() -> None:
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chunks()]
    assert [bool(getattr(delta, "annotations", None)) for delta in deltas[-2:]] == [True, False]
    assert not any(getattr(delta, "annotations", None) for delta in deltas[:-2])


def test_the_official_client_puts_them_together() -> None:
    state: Any = ChatCompletionStreamState()
    for chunk in chunks():
        state.handle_chunk(chunk)
    message = state.get_final_completion().choices[0].message
    cited = [annotation.url_citation for annotation in message.annotations]
    assert [(message.content[each.start_index : each.end_index], each.url) for each in cited] == [
        ("first", "https://a.example"),
        ("second", "https://b.example"),
    ]
