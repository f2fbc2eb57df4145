"""The OpenAPI 3.1 document of the server, for tools that generate clients, pages or tests.

The schemas of requests and answers come from the dialects. Rules that JSON Schema cannot express
are only in doc/.
"""

from __future__ import annotations

from http.client import responses
from typing import Any

from .. import __version__
from ..dialects import chat, completions, messages
from ..dialects import responses as responses_api
from ..dialects.openapi import COUNT, NOT_EMPTY, TEXT, Schema, array, ref
from .models import LARGEST_PAGE, LIFECYCLES
from .openapi_schemas import other_schemas


# Other paths of the same routes.
ALIASES = {
    "/v1/health": "/health",
    "/usage": "/v1/usage",
    "/v1/health/ready": "/health/ready",
    "/models": "/v1/models",
    "/models/{name}": "/v1/models/{name}",
    "/chat/completions": "/v1/chat/completions",
    "/completions": "/v1/completions",
    "/messages": "/v1/messages",
    "/messages/count_tokens": "/v1/messages/count_tokens",
    "/responses": "/v1/responses",
    "/responses/{name}": "/v1/responses/{name}",
    "/responses/{name}/input_items": "/v1/responses/{name}/input_items",
    "/responses/{name}/cancel": "/v1/responses/{name}/cancel",
    "/responses/input_tokens": "/v1/responses/input_tokens",
    "/responses/compact": "/v1/responses/compact",
}

ERRORS = {
    400: "Invalid JSON, an invalid field, or a request the API rejects; `param` names the field.",
    401: "The API key is missing or wrong, or the CLI is not logged in.",
    403: "The Host or the Origin is not allowed, or Anthropic denies access to the account.",
    404: "The model does not exist (`model_not_found`), or the response is not stored.",
    405: "The path does not support the method; `Allow` lists those that it does.",
    408: "The request was not received in time.",
    413: "The body is larger than the setting `body_limit`.",
    415: "The Content-Type is not application/json, or the Content-Encoding is not known.",
    429: "A rate limit of the API or the plan was reached, or the queue of this server is full.",
    500: "An internal error of the proxy; see its log.",
    502: "The CLI or the API failed, or a structured answer does not match its schema.",
    503: "The CLI is not available, the API is overloaded, or the server is stopping.",
    504: "The answer did not arrive within the timeouts.",
}
# Errors of every route, of routes without a key, of routes that use the CLI, and of routes that
# answer a conversation.
ANY_ROUTE = (401, 403, 405, 408, 500)
OPEN_ROUTE = (403, 405, 408, 500)
CLI_ROUTES = (502, 503, 504)
ANSWER_ROUTES = (400, 404, 413, 415, 429)
RESPONSE_ROUTES = (*ANY_ROUTE, 404)
# Of what both kinds of clients ask for, each with errors of its own.
SHARED_ROUTES = (400, *ANY_ROUTE, 404, 429, *CLI_ROUTES)

RESPONSE_HEADERS = ("x-request-id", "x-claudeproxy-worker", "x-claudeproxy-ignored")


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    paths = _paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "claudeproxy",
            "version": __version__,
            "description": "Your own Claude Code CLI as an OpenAI- and Anthropic-compatible API.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        # A key is required only if the settings have any.
        "security": [{"bearer": []}, {"key": []}, {}],
        "paths": {**paths, **{alias: _alias(paths[of], of) for alias, of in ALIASES.items()}},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {
                **chat.schemas(),
                **responses_api.schemas(),
                **completions.schemas(),
                **messages.schemas(),
                **other_schemas(),
            },
            "responses": {
                f"{prefix}{_name_of(status)}": _error(status, f"{prefix}Error")
                for prefix, statuses in (
                    ("", ERRORS),
                    ("Anthropic", ERRORS),
                    ("Any", SHARED_ROUTES),
                )
                for status in statuses
            },
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/": _get(
            "root",
            "What this is and what it serves; for a browser the status page.",
            {**_json("Root"), "text/html": {"schema": TEXT}},
            OPEN_ROUTE,
            security=[],
        ),
        "/status/data": _get("status_data", "What the status page shows.", _json("Status")),
        "/status/events": _get(
            "status_events",
            "The same as server-sent events: `snapshot`, then `update` with what has changed.",
            {"text/event-stream": {"schema": TEXT}},
            errors=(*ANY_ROUTE, 429, 503),
        ),
        "/status/static/{name}": {
            "parameters": [_named("The name of a file.")],
            **_get(
                *("status_static", "A file of the status page.", {"*/*": {"schema": TEXT}}),
                (*OPEN_ROUTE, 404),
                security=[],
            ),
        },
        "/api/hello": _get(
            *("hello", "Whether there is a server, for Claude Code.", _json("Hello")),
            OPEN_ROUTE,
            security=[],
        ),
        "/health": _get(
            *("health", "The status of the server, and its CLI.", _json("Health")),
            OPEN_ROUTE,
            security=[],
        ),
        "/health/ready": _ready(),
        "/metrics": _get(
            "metrics",
            "The metrics, in the Prometheus text format.",
            {"text/plain": {"schema": {"type": "string"}}},
        ),
        "/openapi.json": _get("openapi", "This document.", _json("OpenAPI")),
        "/v1/usage": _get("usage", "The limits of the user's plan.", _json("PlanUsage")),
        "/v1/models": _get(
            "models",
            "All model names that a request may use.",
            _json("ModelList"),
            errors=(400, *ANY_ROUTE, *CLI_ROUTES),
            parameters=[
                _query("limit", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE}),
                _query("after_id", TEXT),
                _query("before_id", TEXT),
                _query("lifecycle", array({"enum": list(LIFECYCLES)})),
            ],
        ),
        "/v1/models/{name}": {
            "parameters": [
                _named("A model name; it may contain slashes."),
            ],
            **_get("model", "One model.", _json("Model"), errors=(*ANY_ROUTE, 404, *CLI_ROUTES)),
        },
        "/v1/chat/completions": _post(
            *("chat_completions", "OpenAI Chat Completions.", "ChatRequest", "ChatCompletion"),
            stream="each a ChatChunk or an Error; the last one is `[DONE]` or an Error",
        ),
        "/v1/responses": _post(
            *("create_response", "OpenAI Responses.", "ResponsesRequest", "Response"),
            stream="each a ResponseEvent",
        ),
        "/v1/responses/{name}": {
            "parameters": [_named("The id of a response.")],
            **_get(
                *("response", "A stored response.", _json("Response")),
                (400, *RESPONSE_ROUTES),
                parameters=[_query("stream", {"const": "false"})],
            ),
            "delete": _operation(
                "delete_response", "Delete a stored response.", _json("Deleted"), RESPONSE_ROUTES
            ),
        },
        "/v1/responses/{name}/input_items": {
            "parameters": [
                _named("The id of a response."),
                _query("order", {"enum": ["asc", "desc"]}),
                _query("limit", {"type": "integer", "minimum": 1, "maximum": 100}),
                _query("after", TEXT),
            ],
            **_get(
                *("input_items", "The input items of a stored response.", _json("ItemList")),
                (400, *RESPONSE_ROUTES),
            ),
        },
        "/v1/responses/{name}/cancel": {
            "parameters": [_named("The id of a response.")],
            "post": _refusal("cancel_response", "Not supported: always an error."),
        },
        "/v1/responses/input_tokens": _post(
            *("input_tokens", "An estimate of a prompt's tokens.", "ResponsesRequest"),
            "ResponseTokenCount",
        ),
        "/v1/responses/compact": _post(
            *("compact_response", "A summary of a conversation, as an item of its input."),
            *("ResponsesRequest", "CompactedResponse"),
        ),
        "/v1/completions": _post(
            *(
                "completions",
                "OpenAI Completions, the legacy API.",
                "CompletionRequest",
                "Completion",
            ),
            stream="each a Completion or an Error; the last one is `[DONE]` or an Error",
        ),
        "/v1/messages": _post(
            *("messages", "Anthropic Messages.", "MessagesRequest", "AnthropicAnswer"),
            stream="each an AnthropicEvent",
            error="AnthropicError",
        ),
        "/v1/messages/count_tokens": _post(
            *(
                "count_tokens",
                "An estimate of the tokens of a prompt.",
                "CountRequest",
                "TokenCount",
            ),
            error="AnthropicError",
        ),
    }


def _ready() -> dict[str, Any]:
    item = _get(
        *("health_ready", "Whether the server can answer requests.", _json("Readiness")),
        OPEN_ROUTE,
        security=[],
    )
    item["get"]["responses"]["503"] = {
        "description": "It cannot; `reason` and `message` say why.",
        "content": _json("Readiness"),
    }
    return item


def _post(
    name: str, summary: str, asked: str, answer: str, stream: str = "", error: str = "Error"
) -> dict[str, Any]:
    streamed: Schema = {"text/event-stream": {"schema": TEXT}} if stream else {}
    also = f" With `stream`, server-sent events, {stream}." if stream else ""
    statuses = (*ANY_ROUTE, *ANSWER_ROUTES, *CLI_ROUTES)
    return {
        "post": {
            "operationId": name,
            "summary": summary,
            "requestBody": {"required": True, "content": _json(asked)},
            "responses": {
                "200": {
                    "description": f"The answer.{also}",
                    "headers": {told: {"schema": TEXT} for told in RESPONSE_HEADERS},
                    "content": {**_json(answer), **streamed},
                },
                **_errors(*statuses, error=error),
            },
        }
    }


def _refusal(name: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "responses": _errors(*ANY_ROUTE, 400, 404, 413, 415),
    }


def _named(description: str) -> Schema:
    return {
        "name": "name",
        "in": "path",
        "required": True,
        "description": description,
        "schema": NOT_EMPTY,
    }


def _query(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _get(
    name: str, summary: str, content: Schema, errors: tuple[int, ...] = ANY_ROUTE, **more: Any
) -> dict[str, Any]:
    return {"get": {**_operation(name, summary, content, errors, "AnyError"), **more}}


def _operation(
    name: str, summary: str, content: Schema, errors: tuple[int, ...], error: str = "Error"
) -> dict[str, Any]:
    described = {"description": summary, "content": content}
    return {
        "operationId": name,
        "summary": summary,
        "responses": {"200": described, **_errors(*errors, error=error)},
    }


def _alias(item: dict[str, Any], of: str) -> dict[str, Any]:
    """The same item for another path, with unique operation ids."""
    renamed = {
        method: {**operation, "operationId": f"{operation['operationId']}_too"}
        for method, operation in item.items()
        if method != "parameters"
    }
    return {**item, **renamed, "summary": f"An alias of {of}."}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": ref(name)}}


def _name_of(status: int) -> str:
    return responses[status].replace(" ", "")


def _error(status: int, name: str) -> dict[str, Any]:
    headers: Schema = {"Allow": {"schema": TEXT}} if status == 405 else {}
    if status in (429, 502, 503):
        headers = {"Retry-After": {"schema": COUNT}}
    described = {"description": ERRORS[status], "content": _json(name)}
    return {**described, **({"headers": headers} if headers else {})}


def _errors(*statuses: int, error: str = "Error") -> dict[str, Any]:
    prefix = error.removesuffix("Error")
    return {
        str(status): {"$ref": f"#/components/responses/{prefix}{_name_of(status)}"}
        for status in sorted(statuses)
    }
