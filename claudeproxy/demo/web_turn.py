"""What the demo's model does on the web in one answer: which searches and fetches, and the blocks.

Pure.  Words ask for them (see ``script``), the tool choice forces one, or the model that chooses
tools itself decides for one (see ``web_guess``).  A call that an earlier answer left open, as
``pause_turn`` and calls of the client's own tools do, is carried out first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import frozen

from .answer import Block, chunks, compact, pieces
from .prompt_cache import tokens_of
from .server_tools import FETCH, SEARCH, has_callers, is_clients, web_tool
from .web_guess import forced_use, guessed_use
from .web_history import RESULTS, waiting_uses
from .web_results import cited, fetch_error, has_wrong_domain, page, search


if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .words import WebUse, Words

_ARGUMENT = {SEARCH: "query", FETCH: "url"}
_ERRORS = {SEARCH: "SEARCHERR", FETCH: "FETCHERR"}
_MOST_CITED = 2


@frozen
class Errand:
    """The calls of one answer: ``waiting`` are blocks of the history, ``uses`` come anew.

    ``resumed``: the answer goes on with a message of the assistant's.  ``paused``: it ends with
    ``pause_turn`` behind its calls.
    """

    waiting: tuple[Mapping[str, Any], ...] = ()
    uses: tuple[WebUse, ...] = ()
    complaints: tuple[str, ...] = ()
    resumed: bool = False
    paused: bool = False

    def __bool__(self) -> bool:
        return bool(self.waiting or self.uses)


@frozen
class Trip:
    """What came of an errand: ``blocks`` of calls and results, and what a text says of them."""

    blocks: tuple[Block, ...] = ()
    said: tuple[tuple[str, tuple[Mapping[str, Any], ...]], ...] = ()

    @property
    def citations(self) -> tuple[Mapping[str, Any], ...]:
        """All that the text cites."""
        return tuple(citation for _, citations in self.said for citation in citations)

    def summary(self) -> Iterator[Block]:
        """The text blocks that say what was found.  Text that cites is a block of its own."""
        plain: list[str] = []
        begun = ""
        for text, citations in self.said:
            if citations:
                if plain:
                    yield Block("text", pieces(f"{begun}{' '.join(plain)} "))
                plain, begun = [], " "
                yield Block("text", pieces(text), citations=citations)
            else:
                plain.append(text)
        if plain:
            yield Block("text", pieces(begun + " ".join(plain)))


def errand_of(body: Mapping[str, Any], words: Words) -> Errand:
    """Which searches and fetches to make in answer to a request whose user says these words."""
    messages = [message for message in body["messages"] if message["role"] != "system"]
    waiting = [use for use in waiting_uses(messages) if use["name"] in RESULTS]
    tail = _tail(messages)
    done = sum(block["type"] == "server_tool_use" for block in tail)
    resumed = messages[-1]["role"] == "assistant"
    wanted = list(words.web)
    if not wanted:
        wanted.extend(use for use in words.failing if use.name in RESULTS)
    if not wanted and not resumed and not waiting:
        use = forced_use(body) or guessed_use(body, words)
        wanted = [use] if use is not None else []
    uses, complaints = [], []
    for use in wanted[done:]:
        if _may_use(body, use.name):
            uses.append(use)
        else:
            complaints.append(f"There is no tool named {use.name} that I may call.")
    paused = words.said.get("STOP") == "pause_turn" and bool(uses)
    return Errand(
        tuple(waiting),
        tuple(uses[:1] if paused else uses),
        tuple(dict.fromkeys(complaints)),
        resumed,
        paused,
    )


def for_clients_tools(body: Mapping[str, Any], errand: Errand) -> Mapping[str, Any]:
    """The request as it is for the choice among the client's tools: without any others.

    A search is the call that the tool choice asks for.
    """
    tools = body.get("tools") or []
    own = [tool for tool in tools if is_clients(tool)]
    choice = body.get("tool_choice") or {}
    forced = choice.get("type") in ("any", "tool")
    if len(own) == len(tools) and not (errand and forced):
        return body
    if errand and forced:
        choice = {"type": "auto"}
    return {**body, "tools": own, "tool_choice": choice or {"type": "auto"}}


def carry_out(body: Mapping[str, Any], words: Words, errand: Errand, *, pending: bool) -> Trip:
    """Makes the searches and fetches.  ``pending``: the last one is left without its result."""
    tail = _tail([message for message in body["messages"] if message["role"] != "system"])
    documents = _documents(body["messages"])
    said = list(_said_of(tail, documents))
    blocks: list[Block] = []
    made = {SEARCH: 0, FETCH: 0}
    calls = [(use["name"], use["input"], use["id"]) for use in errand.waiting]
    calls += [
        (use.name, {_ARGUMENT[use.name]: use.argument}, f"new {number}")
        for number, use in enumerate(errand.uses)
    ]
    for number, (name, given, key) in enumerate(calls):
        tool = web_tool(body, name) or {"type": ""}
        direct = has_callers(tool)
        if key.startswith("new "):
            arguments = chunks(compact(given))
            blocks.append(Block("server_tool_use", arguments, name, use=key, direct=direct))
        if pending and number == len(calls) - 1 and key.startswith("new "):
            break
        made[name] += 1
        error = _error(tool, words, name, given, made[name])
        content = _content(tool, name, given, error)
        result = Block("result", (), RESULTS[name], use=key, content=content, direct=direct)
        blocks.append(result)
        as_block = {"type": RESULTS[name], "content": content, "tool_use_id": key}
        if name == FETCH and error is None:
            documents.append(key)
        said.extend(_said(name, given, as_block, documents))
    return Trip(tuple(blocks), tuple(said))


def usage_of(blocks: Iterable[Block]) -> tuple[int, dict[str, int]]:
    """(tokens of the results, ``usage.server_tool_use``) for the blocks of an answer.

    Calls that fail are not counted: the API does not charge for them.
    """
    tokens = 0
    counts = {SEARCH: 0, FETCH: 0}
    for block in blocks:
        if block.kind == "result":
            tokens += tokens_of({"type": block.name, "content": block.content})
            for name in counts:
                counts[name] += RESULTS[name] == block.name and not _failed(block.content)
    return tokens, {f"{name}_requests": count for name, count in counts.items()}


def _may_use(body: Mapping[str, Any], name: str) -> bool:
    choice = body.get("tool_choice") or {"type": "auto"}
    if choice["type"] == "none" or (choice["type"] == "tool" and choice["name"] != name):
        return False
    return web_tool(body, name) is not None


def _tail(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The blocks of the assistant's with which the answer goes on."""
    blocks: list[Mapping[str, Any]] = []
    for message in reversed(messages):
        if message["role"] != "assistant":
            break
        if not isinstance(message["content"], str):
            blocks[:0] = message["content"]
    return blocks


def _error(
    tool: Mapping[str, Any], words: Words, name: str, given: Mapping[str, Any], number: int
) -> str | None:
    """The error code of a call that fails, None if it does not."""
    most = tool.get("max_uses")
    if most is not None and number > most:
        return "max_uses_exceeded"
    if _ERRORS[name] in words:
        return words.said[_ERRORS[name]]
    argument = given.get(_ARGUMENT[name])
    if not isinstance(argument, str) or has_wrong_domain(tool):
        return "invalid_tool_input"
    return fetch_error(argument, tool) if name == FETCH else None


def _content(
    tool: Mapping[str, Any], name: str, given: Mapping[str, Any], error: str | None
) -> Any:
    if error is not None:
        return {"type": f"{RESULTS[name]}_error", "error_code": error}
    if name == SEARCH:
        return [found.as_block() for found in search(given["query"], tool)]
    return page(given["url"], tool)


def _failed(content: Any) -> bool:
    return isinstance(content, dict) and "error_code" in content


def _documents(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each document in the messages, in order: the id of the fetch that it came by, or ""."""
    found = []
    for message in messages:
        for block in message["content"] if not isinstance(message["content"], str) else ():
            content = block.get("content")
            if block["type"] == "document":
                found.append("")
            elif block["type"] == RESULTS[FETCH] and content["type"] == "web_fetch_result":
                found.append(block["tool_use_id"])
            elif block["type"] == "tool_result" and isinstance(content, list):
                found.extend("" for inner in content if inner["type"] == "document")
    return found


def _said_of(
    blocks: Iterable[Mapping[str, Any]], documents: Sequence[str]
) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
    uses: dict[str, Mapping[str, Any]] = {}
    for block in blocks:
        if block["type"] == "server_tool_use":
            uses[block["id"]] = block
        elif block["type"] in RESULTS.values() and block["tool_use_id"] in uses:
            use = uses[block["tool_use_id"]]
            yield from _said(use["name"], use["input"], block, documents)


def _said(
    name: str, given: Mapping[str, Any], block: Mapping[str, Any], documents: Sequence[str]
) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
    """(text, its citations) of what the answer says of one result."""
    asked, content = given.get(_ARGUMENT[name]), block["content"]
    what = "search for" if name == SEARCH else "fetch of"
    if _failed(content):
        yield f"The {what} “{asked}” failed: {content['error_code']}.", ()
    elif name == FETCH:
        yield from _said_of_page(content, documents.index(block["tool_use_id"]))
    elif not content:
        yield f"The {what} “{asked}” found nothing.", ()
    else:
        pages = f"{len(content)} page{'s' if len(content) > 1 else ''}"
        yield f"The {what} “{asked}” found {pages}.", ()
        for number, result in enumerate(content[:_MOST_CITED]):
            found = cited(result)
            if number:
                yield "Also:", ()
            if found is not None:
                yield found.snippet, (found.as_citation(),)


def _said_of_page(
    content: Mapping[str, Any], index: int
) -> Iterator[tuple[str, tuple[Mapping[str, Any], ...]]]:
    document = content["content"]
    text = document["source"].get("data", "")
    sentence = text.partition(". ")[0].rstrip(".") + "."
    sentence = sentence if text.startswith(sentence) else text
    yield f"I read {content['url']}.", ()
    citation = {
        "type": "char_location",
        "cited_text": sentence,
        "document_index": index,
        "document_title": document.get("title"),
        "start_char_index": 0,
        "end_char_index": len(sentence),
        "file_id": None,
    }
    cites = (document.get("citations") or {}).get("enabled")
    yield sentence, (citation,) if cites else ()
