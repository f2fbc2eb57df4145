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
``SEARCH:a_query``   Makes a web search (each ``_`` is a space), if the request has the tool.  Any
                     number of times.
``FETCH:url``        Fetches a page in the same way, with web fetch.
``SEARCHERR:code``   The searches fail with this error code, in their result blocks.  Without a
                     ``SEARCH``, one search is made.
``FETCHERR:code``    The same for fetches.
``PENDING``          The last search or fetch has no result yet, as where the API carries it out
                     after the client's own calls: the next answer begins with it.
``NOWEB``            If a web tool is offered, the API's error for an organisation without it, as a
                     403.  ``NOWEB:400`` is the same as a 400.
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
``STOP:reason``      Ends with this stop_reason (``refusal``, ``pause_turn``, ...).  With
                     ``pause_turn`` and searches it ends after each of them; a request that ends
                     with that message goes on.
``CACHED:n``         cache_read_input_tokens of the usage, whatever the cache holds.
``CONTAINER``        The answer names a container, if the request has a tool that runs code: the
                     one of the request, or a new one.
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

After a search or a fetch, the answer says what was found, with citations.  They are on the text of
``ECHO``, if there is one.

Text comes in pieces of a word, and a piece counts as a token: ``max_tokens`` cuts after so many.
As with the real API, ``stop_sequences`` cut the text, ``tool_choice`` forces or forbids calls, and
a tool of the name ``StructuredOutput`` is called without being told, and takes the text of ``ECHO``
for its arguments if that is JSON that fits.  Arguments nobody gave are made up to fit the tool's
schema; the model ``claude-demo-tools`` takes them from what the user
says, and chooses tools itself (see ``guess``).  A user message of tool results with no word in it
is answered by ``TOOL_RESULT:`` and the JSON list of the results' contents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from .answer import Answer, Block, Fault, FaultKind, Refusal, chunks, compact, pieces
from .calls import chosen_calls, results_of
from .formats import FORMAT, NOT_PERMITTED, SCHEMA
from .guess import MODEL as CHOOSING
from .guess import prompt_of, values_of
from .instance import instance
from .limits import rejected_headers
from .prompt_cache import Use, input_tokens
from .schemas import TOO_COMPLEX
from .server_tools import container_of, is_web
from .structured import misfit_text, schema_of, text_fits
from .tools import thinking_on
from .web_history import going_on
from .web_turn import Errand, Trip, carry_out, errand_of, for_clients_tools, usage_of
from .words import Words, own_texts, read, rounds


if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
    body = {**body, "messages": going_on(body["messages"])}
    words = _words(body) or _again(body)
    outcome = (
        _failure(words, now, first_time=first_time)
        or _format_failure(body, words)
        or _web_failure(body, words)
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


def _web_failure(body: Mapping[str, Any], words: Words) -> Refusal | None:
    """The status and the words are assumed: public reports of this error have both statuses."""
    if "NOWEB" not in words or not any(map(is_web, body.get("tools") or ())):
        return None
    status = words.integer("NOWEB") or 403
    return Refusal(status, "Web search is disabled for this organization.")


def _answer(body: Mapping[str, Any], words: Words, use: Use | None) -> Answer:
    misfitting = _misfitting(body)
    errand = errand_of(body, words)
    wanted = chosen_calls(for_clients_tools(body, errand), words, misfitting)
    calls = () if errand.paused else wanted.calls
    pending = "PENDING" in words and bool(calls or errand.paused)
    trip = carry_out(body, words, errand, pending=pending)
    blocks: list[Block] = []
    if "THINK" in words and thinking_on(body):
        thoughts = words.said["THINK"].replace("_", " ") or _THOUGHTS
        # With this the real API thinks too, but keeps the text to itself.
        shown = body["thinking"].get("display") != "omitted"
        blocks.append(Block("thinking", pieces(thoughts) if shown else ()))
    schema = schema_of(body)
    # A format is assumed to hold for all text of an answer.
    speaks = schema is None and not _is_quiet(body, words)
    if errand.uses and not errand.resumed and speaks:
        blocks.append(Block("text", pieces("Let me search.")))
    blocks.extend(trip.blocks)
    if schema is not None and not calls:
        if not errand.paused:
            blocks.append(Block("text", pieces(_formatted(body, schema, words, misfitting))))
    elif not (errand.paused or wanted.echoes or (pending and trip.blocks)):
        complaints = (*errand.complaints, *wanted.complaints)
        blocks.extend(_texts_of_answer(body, words, trip, complaints, calls=bool(calls)))
    blocks.extend(Block("tool_use", chunks(c.text), c.name) for c in calls)
    blocks, stop_sequence = _stopped(blocks, body.get("stop_sequences") or ())
    kept = list(_within(blocks, body["max_tokens"]))
    made = sum(len(block.pieces) for block in kept)
    if made < sum(len(block.pieces) for block in blocks):
        stop_reason, stop_sequence = "max_tokens", None
    elif stop_sequence is not None:
        stop_reason = "stop_sequence"
    else:
        stop_reason = _stop_reason(words, errand, calls=bool(calls))
    if use is None or "CACHED" in words or "CREATED" in words:
        read, created = (words.integer(word) or 0 for word in ("CACHED", "CREATED"))
        use = Use(read, created, 0, input_tokens(body))
    usage = {**use.as_usage(), "output_tokens": made}
    first = None
    if trip.blocks:
        first = usage
        tokens, counts = usage_of(kept)
        usage = {**usage, "input_tokens": use.rest + tokens, "server_tool_use": counts}
    slow, pause, hold = (words.seconds(word) for word in ("SLOW", "PAUSE", "HOLD"))
    container = container_of(body) if "CONTAINER" in words else None
    return Answer(
        *(tuple(kept), stop_reason, stop_sequence, usage, slow, pause, hold, _fault(words)),
        *(first, container),
    )


def _stop_reason(words: Words, errand: Errand, *, calls: bool) -> str:
    said = words.said.get("STOP")
    if said == "pause_turn" and errand.resumed and not errand.paused:
        # The turn goes on to its end: else a client that sends it back would do so for ever.
        said = None
    return said or ("tool_use" if calls else "end_turn")


def _texts_of_answer(
    body: Mapping[str, Any],
    words: Words,
    trip: Trip,
    complaints: tuple[str, ...],
    *,
    calls: bool,
) -> Iterator[Block]:
    """The text blocks of an answer, behind what it did on the web."""
    results = bool(results_of(_last_user(body))) and not words
    told = "LONG" in words or "SEEN" in words
    if not trip.said or words.echo is not None or told:
        text = _text(body, words, calls=calls)
    else:
        if not (calls and _is_quiet(body, words)):
            yield from trip.summary()
        text = _text(body, words, calls=calls) if results else ""
    citations = trip.citations if words.echo is not None else ()
    text = "\n".join(part for part in (text, *complaints) if part)
    if text:
        yield Block("text", pieces(text), citations=citations)


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
                "tools": [tool.get("name", tool.get("type")) for tool in body.get("tools") or ()],
            }
        )
    if words.calls or words.web or words.failing or calls:
        return "Let me call." if calls and not _is_quiet(body, words) else ""
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


def _is_quiet(body: Mapping[str, Any], words: Words) -> bool:
    return "QUIET" in words or body["model"] == CHOOSING


def _stopped(blocks: list[Block], sequences: Any) -> tuple[list[Block], str | None]:
    """The blocks up to the first stop sequence in a text, and which one that is."""
    for index, block in enumerate(blocks):
        text = block.whole if block.kind == "text" else ""
        found = [(text.find(sequence), sequence) for sequence in sequences if sequence in text]
        if found:
            at, sequence = min(found)
            rest = [evolve(block, pieces=pieces(text[:at]))] if at else []
            return [*blocks[:index], *rest], sequence
    return blocks, None


def _within(blocks: list[Block], tokens: int) -> Iterator[Block]:
    """As much of the blocks as so many tokens allow."""
    for block in blocks:
        if tokens <= 0 and block.pieces:
            return
        yield evolve(block, pieces=block.pieces[:tokens])
        if len(block.pieces) > tokens:
            return
        tokens -= len(block.pieces)
