"""Offers the client's tools to the CLI as an MCP server, through control requests.

Source: the Model Context Protocol, revision 2025-06-18 ("Lifecycle", "Tools"). The parts that the
CLI uses were seen on 2.1.197 and 2.1.330.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import __version__
from ..conversation import Block, Tool, Turn


SERVER = "client"
# How the CLI names a server's tools to the model.
PREFIX = f"mcp__{SERVER}__"

# The CLI truncates descriptions to 2,048 characters (2.1.197) or 4,096 (2.1.330), but not schemas.
# The model gets whole ones (`outgoing`), but the CLI counts the tokens of what is listed here.
LONGEST_DESCRIPTION = 2000
# Without this field the CLI writes a result above about 50 kB to a file and passes on only its
# beginning. With it, 450 kB arrived whole and 1.5 MB did not.
RESULT_MARK = {"anthropic/maxResultSizeChars": 500_000}
LONGEST_RESULT = 400_000


def reply(request: Mapping[str, Any], tools: Iterable[Tool]) -> dict[str, Any] | None:
    """Return the answer to a JSON-RPC message; None for a call, which the client answers.

    A notification gets an answer too, because the control request that contains it needs one.
    """
    match request["method"]:
        case "tools/call":
            return None
        case "initialize":
            result: dict[str, Any] = {
                "protocolVersion": request["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "claudeproxy", "version": __version__},
            }
        case "tools/list":
            result = {"tools": [_listed(tool) for tool in tools]}
        case _:
            result = {}
    return {"jsonrpc": "2.0", "id": request.get("id", 0), "result": result}


def call_result(call: Mapping[str, Any], result: Block) -> dict[str, Any]:
    """Return the answer to a `tools/call` message, with the content of a tool_result block."""
    content = result.get("content") or ()
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    return {
        "jsonrpc": "2.0",
        "id": call["id"],
        "result": {
            "content": [_content(block) for block in content],
            "isError": bool(result.get("is_error")),
        },
    }


def can_carry(results: Turn) -> bool:
    """Whether these tool_result blocks can be sent over MCP without loss."""
    for result in results.blocks:
        content = result.get("content") or ()
        if isinstance(content, str):
            if _javascript_length(content) > LONGEST_RESULT:
                return False
            continue
        texts = (block.get("text", "") for block in content)
        if sum(map(_javascript_length, texts)) > LONGEST_RESULT:
            return False
        for block in content:
            is_image = block["type"] == "image" and block["source"]["type"] == "base64"
            if block["type"] != "text" and not is_image:
                return False
    return True


def _content(block: Block) -> dict[str, Any]:
    if block["type"] == "text":
        return {"type": "text", "text": block["text"]}
    source = block["source"]
    return {"type": "image", "data": source["data"], "mimeType": source["media_type"]}


def _listed(tool: Tool) -> dict[str, Any]:
    description, schema = tool.description, dict(tool.input_schema)
    if _javascript_length(description) > LONGEST_DESCRIPTION:
        rest = description
        description = _cut(description) + "\n(All of it is in the description of the input schema.)"
        schema["description"] = "\n\n".join(filter(None, (rest, schema.get("description"))))
    return {
        "name": tool.name,
        "description": description,
        "inputSchema": schema,
        # Without this hint the CLI makes the calls of a message one after the other. The client
        # gets all of them at once and sends their results together.
        "annotations": {"readOnlyHint": True},
        "_meta": RESULT_MARK,
    }


def _javascript_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut(text: str) -> str:
    units = text.encode("utf-16-le", "surrogatepass")[: 2 * (LONGEST_DESCRIPTION - 100)]
    return units.decode("utf-16-le", "ignore")
