"""What a request gets of the tools that it asks for, and what the API has refused.

A plan, an organisation or a model may not have one of the API's own tools. Agents send such a tool
with each request. So if there are other tools, it is left out; otherwise the client gets the API's
error. A strict tool that the API refuses is offered without `strict`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import attrs

from ..conversation import Conversation, Limits, Profile, ServerTool, ToolChoice, profile_key
from ..errors import APIError, bad_request, unsupported
from ..remembered import Remembered
from .strict import (
    MOST_STRICT,
    has_strict_tools,
    is_of_strict_tools,
    is_strict,
    strict_tools,
    with_strict_tools,
)


# How many seconds a tool is left out, or offered without `strict`, after the API has refused it.
REMEMBERED_FOR = 3600.0
# An error about the tools of the API's own. Seen in public reports: "Web search is disabled for
# this organization", "'claude-3-opus' does not support tool types: ...", "does not support
# programmatic tool calling".
_OF_THE_TOOLS = re.compile(
    r"web[ _]?(?:search|fetch)|code[ _]execution|server tool|tool types|programmatic tool calling",
    re.IGNORECASE,
)
# An error about one field of a definition, which is a mistake in this request.
_OF_A_FIELD = re.compile(r"^(?:tools|messages|tool_choice)\b[\w.]*:")


@attrs.frozen
class Allowed:
    """A conversation as it is to be asked.

    left_out: what it does not get, as the header `x-claudeproxy-ignored` names it.
    """

    conversation: Conversation
    left_out: tuple[str, ...] = ()


class Refusals:
    """Decides about the tools of each conversation, and remembers what the API has refused."""

    def __init__(
        self, now: Callable[[], float], *, allowed: bool = True, may_leave_out: bool = True
    ) -> None:
        """now: returns the time in seconds, from a monotonic clock. allowed: the setting.

        may_leave_out: whether a tool may be left out, instead of refusing the request.
        """
        self._allowed = allowed
        self._may_leave_out = may_leave_out
        # By the model, and by the type of the tool or a digest of all strict tools.
        self._refused = Remembered[str, APIError](now, REMEMBERED_FOR)

    def choose(self, conversation: Conversation) -> Allowed:
        """Return the conversation with the tools that it may have; raises APIError."""
        server = self._server_tools(conversation)
        strict = self._strict_tools(server.conversation)
        return Allowed(strict.conversation, server.left_out + strict.left_out)

    def _server_tools(self, conversation: Conversation) -> Allowed:
        limits = conversation.limits
        problems = [
            (tool, problem)
            for tool in limits.server_tools
            if (problem := self._problem(tool, limits.model)) is not None
        ]
        return self._without(conversation, problems) if problems else Allowed(conversation)

    def after(self, conversation: Conversation, error: APIError) -> Allowed | None:
        """Return how to ask again after an error; None if it has another reason.

        What the API refused is remembered. Also None if the request needs the tool.
        """
        try:
            if has_strict_tools(conversation) and is_of_strict_tools(error):
                self._refused.keep(_of_strict_tools(conversation), error)
                return self._strict_tools(conversation)
            if conversation.limits.server_tools and is_of_the_tools(error):
                return self._without_refused(conversation, error)
        except APIError:
            # The request needs what was refused.
            pass
        return None

    def _without_refused(self, conversation: Conversation, error: APIError) -> Allowed:
        """Return the conversation without the tools that an error is about; raises APIError."""
        tools = conversation.limits.server_tools
        named = [tool for tool in tools if tool.name in _names_in(error.message)]
        refused = named or tools
        for tool in refused:
            self._refused.keep(_of_server_tool(tool, conversation.limits.model), error)
        return self._without(conversation, [(tool, error) for tool in refused])

    def _strict_tools(self, conversation: Conversation) -> Allowed:
        """Return the conversation with the strict tools that the API takes; raises a 400."""
        if not has_strict_tools(conversation):
            return Allowed(conversation)
        refused = self._refused.get(_of_strict_tools(conversation)) is not None
        allowed = with_strict_tools(conversation, most=0 if refused else MOST_STRICT)
        if strict_tools(allowed) == strict_tools(conversation):
            return Allowed(allowed)
        if not self._may_leave_out:
            raise unsupported([conversation.strict_as])
        return Allowed(allowed, (conversation.strict_as,))

    def _without(
        self, conversation: Conversation, problems: Sequence[tuple[ServerTool, APIError]]
    ) -> Allowed:
        limits = conversation.limits
        refused = [tool for tool, _ in problems]
        kept = tuple(tool for tool in limits.server_tools if tool not in refused)
        alone = not kept and not conversation.profile.tools
        for tool, problem in problems:
            if alone or is_forced(limits, tool) or not self._may_leave_out:
                raise problem
        allowed = attrs.evolve(conversation, limits=attrs.evolve(limits, server_tools=kept))
        return Allowed(allowed, tuple(tool.listed for tool in refused))

    def _problem(self, tool: ServerTool, model: str) -> APIError | None:
        if not self._allowed:
            return bad_request(
                f"The tool '{tool.name}' is not allowed by this server's setting `web_tools`.",
                tool.param,
                "unsupported_value",
            )
        return self._refused.get(_of_server_tool(tool, model))


def _of_server_tool(tool: ServerTool, model: str) -> str:
    return f"{model} {tool.type}"


def _of_strict_tools(conversation: Conversation) -> str:
    tools = tuple(filter(is_strict, conversation.profile.tools))
    return f"{conversation.limits.model} {profile_key(Profile(tools=tools)).hex()}"


def is_of_the_tools(error: APIError) -> bool:
    """Whether the API refused a request because of its own tools, whatever their fields."""
    message = error.message
    if error.status not in (400, 403) or _OF_A_FIELD.search(message):
        return False
    return _OF_THE_TOOLS.search(message) is not None


def is_forced(limits: Limits, tool: ServerTool) -> bool:
    """Whether the answer must be a call of this tool."""
    choice: ToolChoice = limits.tool_choice
    return choice.of_server and choice.name == tool.name


def _names_in(message: str) -> set[str]:
    """The names of the API's tools in an error message, however they are spelled."""
    said = message.replace("_", " ").lower()
    return {name for name in ("web_search", "web_fetch", "code_execution") if _said(name) in said}


def _said(name: str) -> str:
    return name.replace("_", " ")
