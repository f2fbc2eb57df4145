r"""Decides what the demo API answers: from the words in the last message of the user.

Pure.  With no word in it, the answer is a short paragraph.  Words stand between white space:

===================  ===============================================================================
``ECHO:text``        Everything after it, to the end of the text block, comes back as it is.
``LONG:n``           n tokens: ``tok0 tok1 ...``
``SEEN``             What the API saw, as JSON: system, messages, max_tokens, model, names of tools.
``THINK``            A thinking block first, if the request has thinking on (it is empty if the
                     request's ``thinking.display`` is ``omitted``, as with the real API).
``THINK:some_text``  The same with this text; each ``_`` is a space.
``CALL:name:{...}``  Calls a tool with these arguments (``CALL:name`` for none).  Any number of
                     times.  The name may leave out the ``mcp__server__`` in front of it.
``AGAIN:n``          Makes the same calls again in answer to results alone, n times.
``QUIET``            No text before the calls.
``THEN``             What follows it is for the answer to the results of the calls before it.
``PROSE``            Does not call ``StructuredOutput`` of its own accord.
``SLOW:seconds``     A pause between pieces.
``PAUSE:seconds``    A pause after the first piece of text.
``HOLD:seconds``     A pause before the last event, `message_stop`.
``WAIT:seconds``     A pause before anything is answered, headers too.
``MISFIT``           The answer does not fit ``output_config.format``: it is the ``ECHO`` text as
                     it is, or else JSON that breaks the schema.  A call of ``StructuredOutput``
                     that no word asks for has such arguments: the ``ECHO`` text if it is JSON.
``MISFIT:n``         The same for the first n answers after this message, also in answer to later
                     messages without words.
``COMPLEX``          With ``output_config.format``, the API's error for a schema that is too
                     complex.
``FORMATLESS``       With ``output_config.format``, the API's error for a model without formats.
``STOP:reason``      Ends with this stop_reason (``refusal``, ``pause_turn``, ...).
``CACHED:n``         cache_read_input_tokens of the usage, whatever the cache holds.
``CREATED:n``        cache_creation_input_tokens of the usage, whatever the cache holds.
``ERR:status``       This HTTP status with the API's error for it.  ``ERR:status:seconds`` also has
                     a ``retry-after``.
``ERRONCE:status``   The same, the first time that this text comes.
``LIMIT``            The plan's limit is reached, for an hour; ``LIMIT:seconds`` for so long.
``WARNING``          The plan's limit is near (only with a Bearer token).
``HTML``             Status 502 with a page of HTML.
``DROP:n``           After n pieces of text the connection breaks.
``STALL:n``          After n pieces of text nothing more comes, ever.
``SSEERR:n``         After n pieces of text the stream has an ``error`` event, and ends.
===================  ===============================================================================

With ``output_config.format``, an answer without calls is one text block of JSON that fits, whatever
the words say of the text: that of ``ECHO`` if it fits, or else a made-up one.

Text comes in pieces of a word, and a piece counts as a token: ``max_tokens`` cuts after so many.
As with the real API, ``stop_sequences`` cut the text, ``tool_choice`` forces or forbids calls, and
a tool of the name ``StructuredOutput`` is called without being told, and takes the text of ``ECHO``
for its arguments if that is JSON that fits.  Arguments nobody gave are made up to fit the tool's
schema; the model ``claude-demo-tools`` takes them from what the user
says, and chooses tools itself (see ``guess``).  A user message of tool results with no word in it
is answered by ``TOOL_RESULT:`` and the JSON list of the results' contents.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from .answer import Answer, Block, Fault, FaultKind, Refusal, compact
from .calls import chosen_calls, results_of
from .formats import FORMAT, NOT_PERMITTED, SCHEMA
from .guess import MODEL as CHOOSING
from .guess import prompt_of, values_of
from .instance import instance
from .limits import rejected_headers
from .prompt_cache import Use, input_tokens
from .schemas import TOO_COMPLEX
from .structured import misfit_text, schema_of, text_fits
from .tools import thinking_on
from .words import Words, own_texts, read, rounds


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PIECE = re.compile(r"\S{1,24}\s*|\s+")
"""A piece of text: a word and the white space after it; a long word is several."""

LIMIT_SECONDS = 3600

_HTML = (
    "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
)
_FAULTS: dict[str, FaultKind] = {"DROP": "drop", "STALL": "stall", "SSEERR": "error"}
_THOUGHTS = "The user is trying the demo. I say what the demo says."


@frozen
class Plan:
    """What to do with a request: wait so many seconds, then answer.

    ``warning``: the plan's limit is near.
    """

    outcome: Answer | Refusal
    wait: float = 0.0
    warning: bool = False


def plan(
    body: Mapping[str, Any], *, now: float, first_time: bool = True, use: Use | None = None
) -> Plan:
    """What to answer to a request that the rules have let pass.

    ``now`` is in seconds since the epoch; ``first_time``: ``once_key`` of this body is new; ``use``
    is what the prompt cache does for it, None for nothing.
    """
    words = _words(body) or _again(body)
    outcome = (
        _failure(words, now, first_time=first_time)
        or _format_failure(body, words)
        or _answer(body, words, use)
    )
    return Plan(outcome, words.seconds("WAIT"), "WARNING" in words)


def once_key(body: Mapping[str, Any]) -> str | None:
    """What ``ERRONCE`` is to be remembered by, or None if the word isn't there."""
    texts = [text for text in _texts(_last_user(body)) if "ERRONCE" in read([text])]
    return "\n".join(texts) or None


def _words(body: Mapping[str, Any]) -> Words:
    """Of the last user message; if it is nothing but results, of the round that they begin."""
    contents = [m["content"] for m in body["messages"] if m["role"] == "user"]
    for done, content in enumerate(reversed(contents)):
        said = rounds(_texts(content))
        if read(said[0]) or len(said) > 1 or not results_of(content):
            return read(said[done]) if done < len(said) else Words()
    return Words()


def _last_user(body: Mapping[str, Any]) -> Any:
    users = [m["content"] for m in body["messages"] if m["role"] == "user"]
    return users[-1]


def _again(body: Mapping[str, Any]) -> Words:
    """The calls that were to be made so often that they are to be made in answer to results too."""
    answers = 0
    for message in reversed(body["messages"]):
        texts = _texts(message["content"])
        answers += message["role"] == "assistant"
        if message["role"] == "user" and own_texts(texts):
            words = read(texts)
            more = answers <= (words.integer("AGAIN") or 0)
            return Words(calls=words.calls) if answers and more else Words()
    return Words()


def _misfitting(body: Mapping[str, Any]) -> Words | None:
    """The words by which the answer is not to fit its format, None if it is to fit."""
    answers = 0
    for message in reversed(body["messages"]):
        answers += message["role"] == "assistant"
        if message["role"] != "user":
            continue
        said = [read(texts) for texts in rounds(_texts(message["content"]))]
        for start, words in enumerate(said):
            if "MISFIT" in words:
                number = words.integer("MISFIT")
                if start <= answers < start + (1 if number is None else number):
                    return words
        if any(said):
            return None
    return None


def _texts(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content or () if block["type"] == "text"]


def _failure(words: Words, now: float, *, first_time: bool) -> Refusal | None:
    if "LIMIT" in words:
        seconds = words.integer("LIMIT")
        seconds = LIMIT_SECONDS if seconds is None else seconds
        headers = rejected_headers(now, seconds)
        return Refusal(429, "This request would exceed your account's rate limit.", headers)
    status = words.status("ERR") or (words.status("ERRONCE") if first_time else None)
    if status is not None:
        code, after = status
        text = "Overloaded" if code == 529 else f"The demo was told to answer {code}."
        return Refusal(code, text, {} if after is None else {"retry-after": after})
    if "HTML" in words:
        return Refusal(502, "", html=_HTML)
    return None


def _format_failure(body: Mapping[str, Any], words: Words) -> Refusal | None:
    if schema_of(body) is None:
        return None
    if "FORMATLESS" in words:
        return Refusal(400, f"{FORMAT}: {NOT_PERMITTED}")
    return Refusal(400, f"{SCHEMA}: {TOO_COMPLEX}") if "COMPLEX" in words else None


def _answer(body: Mapping[str, Any], words: Words, use: Use | None) -> Answer:
    misfitting = _misfitting(body)
    wanted = chosen_calls(body, words, misfitting)
    blocks: list[Block] = []
    if "THINK" in words and thinking_on(body):
        thoughts = words.said["THINK"].replace("_", " ") or _THOUGHTS
        # With this the real API thinks too, but keeps the text to itself.
        shown = body["thinking"].get("display") != "omitted"
        blocks.append(Block("thinking", _pieces(thoughts) if shown else ()))
    schema = schema_of(body)
    if schema is not None and not wanted.calls:
        text = _formatted(body, schema, words, misfitting)
    else:
        text = "" if wanted.echoes else _text(body, words, calls=bool(wanted.calls))
        text = "\n".join(part for part in (text, *wanted.complaints) if part)
    text, stop_sequence = _stopped(text, body.get("stop_sequences") or ())
    if text:
        blocks.append(Block("text", _pieces(text)))
    if stop_sequence is None:
        blocks.extend(Block("tool_use", _chunks(c.text), c.name) for c in wanted.calls)
    kept = list(_within(blocks, body["max_tokens"]))
    made = sum(len(block.pieces) for block in kept)
    if made < sum(len(block.pieces) for block in blocks):
        stop_reason, stop_sequence = "max_tokens", None
    elif stop_sequence is not None:
        stop_reason = "stop_sequence"
    else:
        stop_reason = words.said.get("STOP") or ("tool_use" if wanted.calls else "end_turn")
    if use is None or "CACHED" in words or "CREATED" in words:
        read, created = (words.integer(word) or 0 for word in ("CACHED", "CREATED"))
        use = Use(read, created, 0, input_tokens(body))
    usage = {**use.as_usage(), "output_tokens": made}
    slow, pause, hold = (words.seconds(word) for word in ("SLOW", "PAUSE", "HOLD"))
    return Answer(tuple(kept), stop_reason, stop_sequence, usage, slow, pause, hold, _fault(words))


def _fault(words: Words) -> Fault | None:
    for word, kind in _FAULTS.items():
        after = words.integer(word)
        if after is not None:
            return Fault(kind, after)
    return None


def _formatted(
    body: Mapping[str, Any], schema: Mapping[str, Any], words: Words, misfitting: Words | None
) -> str:
    """The text of an answer that is to fit a schema; ``misfitting``: by these words it does not."""
    if misfitting is not None:
        return misfit_text(schema) if misfitting.echo is None else misfitting.echo
    if words.echo is not None and text_fits(words.echo, schema):
        return words.echo
    values = values_of(prompt_of(body))
    return compact(instance(schema, values.take, in_order=True))


def _text(body: Mapping[str, Any], words: Words, *, calls: bool) -> str:
    content = _last_user(body)
    if words.echo is not None:
        return words.echo
    length = words.integer("LONG")
    if length is not None:
        # No more than can be sent, so that a great number costs nothing; one more shows the cut.
        return " ".join(f"tok{i}" for i in range(min(length, body["max_tokens"] + 1)))
    if "SEEN" in words:
        return compact(
            {
                "system": body.get("system"),
                "messages": body["messages"],
                "max_tokens": body["max_tokens"],
                "model": body["model"],
                "tools": [tool["name"] for tool in body.get("tools") or ()],
            }
        )
    if words.calls or calls:
        quiet = "QUIET" in words or body["model"] == CHOOSING
        return "Let me call." if calls and not quiet else ""
    results = results_of(content)
    if results and not words:
        return "TOOL_RESULT:" + compact([result.get("content") for result in results])
    return _paragraph(own_texts(_texts(content)))


def _paragraph(texts: list[str]) -> str:
    said = " ".join(" ".join(texts).split())
    start = said if len(said) <= 60 else said[:60].rstrip() + "…"
    quote = f"You wrote: “{start}”" if start else "You sent no text"
    return (
        f"This is the demo of claudeproxy, not Claude. {quote}. No model has read it, and no "
        "quota was used; everything else works as it would with the real one."
    )


def _stopped(text: str, sequences: Any) -> tuple[str, str | None]:
    """The text up to the first stop sequence in it, and which one that is."""
    found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
    if not found:
        return text, None
    at, sequence = min(found)
    return text[:at], sequence


def _within(blocks: list[Block], tokens: int) -> Iterator[Block]:
    """As much of the blocks as so many tokens allow."""
    for block in blocks:
        if tokens <= 0:
            return
        yield Block(block.kind, block.pieces[:tokens], block.name)
        tokens -= len(block.pieces)


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(PIECE.findall(text))


def _chunks(text: str) -> tuple[str, ...]:
    """The JSON of arguments in pieces: two at least."""
    size = max(1, min(12, len(text) // 2))
    return tuple(text[i : i + size] for i in range(0, len(text), size))
