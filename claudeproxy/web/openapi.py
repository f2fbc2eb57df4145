"""What is served, as an OpenAPI 3.1 document, for tools that make clients, pages or tests of it.

The bounds are the dialect's own; what no JSON Schema can say is in doc/chat-completions.md only.
"""

from __future__ import annotations

from http.client import responses
from typing import Any, TypeAlias

from .. import __version__
from ..dialects.chat import EFFORTS, MOST_CHOICES, MOST_STOPS
from ..dialects.chat_tools import MOST_TOOLS
from ..dialects.fields import NAME


Schema: TypeAlias = dict[str, Any]

# Paths without `/v1`, which serve the same.
ALIASES = {
    "/v1/health": "/health",
    "/models": "/v1/models",
    "/models/{name}": "/v1/models/{name}",
    "/chat/completions": "/v1/chat/completions",
}

ERRORS = {
    400: "Bad JSON, a bad field, or something that the API refuses; `param` names the field.",
    401: "No key of this server's was given, or the CLI is not logged in.",
    403: "The Host or the Origin is a stranger's, or Anthropic refuses the account.",
    404: "There is no such model (`model_not_found`).",
    405: "The path is served to the methods in `Allow` only.",
    408: "The request did not arrive in time.",
    413: "The body is larger than the setting `body_limit`.",
    415: "The body is not said to be application/json.",
    429: "A limit of the API's or the plan's, or too many requests wait here already.",
    500: "A fault of the proxy's own; its log tells more.",
    502: "The CLI or the API broke off, or a structured answer does not fit its schema.",
    503: "There is no CLI, the API is overloaded, or the server is stopping.",
    504: "No answer came within the deadlines.",
}
# Of every request; of whatever asks the CLI; of answers.
AT_THE_DOOR = (401, 403, 405, 408, 500)
OF_THE_CLI = (502, 503, 504)
OF_AN_ANSWER = (400, 404, 413, 415, 429)

TOLD = ("x-request-id", "x-claudeproxy-worker", "x-claudeproxy-ignored")
IGNORED = "Checked, then ignored; named in the header `x-claudeproxy-ignored`."
IGNORED_TEXTS = (
    *("user", "safety_identifier", "service_tier"),
    *("prompt_cache_key", "prompt_cache_retention"),
)
IGNORED_OBJECTS = ("logit_bias", "metadata", "moderation", "prediction", "prompt_cache_options")
FUNCTION_NAME: Schema = {"type": "string", "pattern": f"^{NAME.pattern}$"}


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    paths = _paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "claudeproxy",
            "version": __version__,
            "description": "Your own Claude Code CLI as an OpenAI-compatible API.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        # Keys are asked for only where the settings name some.
        "security": [{"bearer": []}, {"key": []}, {}],
        "paths": {**paths, **{alias: _alias(paths[of], of) for alias, of in ALIASES.items()}},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "schemas": {**_request(), **_answer(), **_others()},
            "responses": {_name_of(status): _error(status) for status in ERRORS},
        },
    }


def _paths() -> dict[str, Any]:
    return {
        "/health": _get(
            *("health", "Whether the server runs, and with which CLI.", _json("Health")),
            (403, 405, 408, 500),
            security=[],
        ),
        "/metrics": _get(
            "metrics",
            "What the server counts, in Prometheus' text format.",
            {"text/plain": {"schema": {"type": "string"}}},
        ),
        "/openapi.json": _get("openapi", "This document.", _json("OpenAPI")),
        "/v1/models": _get(
            "models",
            "Every name of a model that a request may use.",
            _json("ModelList"),
            errors=(*AT_THE_DOOR, *OF_THE_CLI),
        ),
        "/v1/models/{name}": {
            "parameters": [
                {
                    "name": "name",
                    "in": "path",
                    "required": True,
                    "description": "Any name of a model; it may hold slashes.",
                    "schema": {"type": "string", "minLength": 1},
                }
            ],
            **_get("model", "One model.", _json("Model"), errors=(*AT_THE_DOOR, 404, *OF_THE_CLI)),
        },
        "/v1/chat/completions": {
            "post": {
                "operationId": "chat_completions",
                "summary": "OpenAI Chat Completions.",
                "requestBody": {"required": True, "content": _json("ChatRequest")},
                "responses": {
                    "200": {
                        "description": "The answer; with `stream`, server-sent events, each a "
                        "ChatChunk or an Error, the last one `[DONE]` unless it is an Error.",
                        "headers": {name: {"schema": {"type": "string"}} for name in TOLD},
                        "content": {
                            **_json("ChatCompletion"),
                            "text/event-stream": {"schema": {"type": "string"}},
                        },
                    },
                    **_errors(*AT_THE_DOOR, *OF_AN_ANSWER, *OF_THE_CLI),
                },
            }
        },
    }


def _get(
    name: str, summary: str, content: Schema, errors: tuple[int, ...] = AT_THE_DOOR, **more: Any
) -> dict[str, Any]:
    described = {"description": summary, "content": content}
    return {
        "get": {
            "operationId": name,
            "summary": summary,
            "responses": {"200": described, **_errors(*errors)},
            **more,
        }
    }


def _alias(item: dict[str, Any], of: str) -> dict[str, Any]:
    """The same under another path, with no name that could be taken for the first one's."""
    renamed = {
        method: {**operation, "operationId": f"{operation['operationId']}_too"}
        for method, operation in item.items()
        if method != "parameters"
    }
    return {**item, **renamed, "summary": f"The same as {of}."}


def _json(name: str) -> Schema:
    return {"application/json": {"schema": _ref(name)}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _name_of(status: int) -> str:
    return responses[status].replace(" ", "")


def _error(status: int) -> dict[str, Any]:
    headers: Schema = {"Allow": {"schema": TEXT}} if status == 405 else {}
    if status in (429, 502, 503):
        headers = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
    described = {"description": ERRORS[status], "content": _json("Error")}
    return {**described, **({"headers": headers} if headers else {})}


def _errors(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {"$ref": f"#/components/responses/{_name_of(status)}"}
        for status in sorted(statuses)
    }


# What schemas are made of. `null` means absent for every optional field.


def _object(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _all(**properties: Schema) -> Schema:
    return _object(tuple(properties), **properties)


def _opt(kind: str, description: str = "", **more: Any) -> Schema:
    told = {"description": description} if description else {}
    return {"type": [kind, "null"], **more, **told}


def _or_null(*schemas: Schema) -> Schema:
    return {"anyOf": [*schemas, {"type": "null"}]}


def _one_of(*values: str) -> Schema:
    return {"enum": [*values, None]}


def _array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


def _refused(*harmless: object) -> Schema:
    return {"enum": [*harmless, None], "description": "Not supported: anything else is a 400."}


TEXT: Schema = {"type": "string"}
NOT_EMPTY: Schema = {"type": "string", "minLength": 1}


def _request() -> dict[str, Schema]:
    function = _object(
        ("name",),
        name=FUNCTION_NAME,
        description=_opt("string"),
        parameters=_opt("object", "A JSON Schema with an object at its root."),
        strict=_opt("boolean", IGNORED),
    )
    tool = _object(("type", "function"), type={"const": "function"}, function=function)
    named = _object(("name",), name=TEXT)
    chosen = _object(("type", "function"), type={"const": "function"}, function=named)
    allowed = _object(
        ("mode", "tools"), mode={"enum": ["auto", "required"]}, tools=_array(chosen, minItems=1)
    )
    options = dict.fromkeys(("include_usage", "include_obfuscation"), _opt("boolean"))
    modes: Schema = {"enum": ["none", "auto", "required"]}
    choice = _or_null(
        modes,
        chosen,
        _object(("type", "allowed_tools"), type={"const": "allowed_tools"}, allowed_tools=allowed),
    )
    penalty = _opt("number", IGNORED, minimum=-2, maximum=2)
    return {
        "ChatRequest": _object(
            ("model", "messages"),
            model=NOT_EMPTY,
            messages=_array(_ref("Message"), minItems=1),
            stream=_opt("boolean"),
            stream_options=_opt("object", "Only with `stream`.", properties=options),
            max_tokens=_opt("integer", "0 is no limit.", minimum=0),
            max_completion_tokens=_opt("integer", "0 is no limit.", minimum=0),
            stop=_or_null(NOT_EMPTY, _array(NOT_EMPTY, maxItems=MOST_STOPS)),
            n=_opt("integer", minimum=1, maximum=MOST_CHOICES),
            tools=_opt("array", items=tool, maxItems=MOST_TOOLS),
            tool_choice=choice,
            parallel_tool_calls=_opt("boolean"),
            functions=_opt("array", items=function, maxItems=MOST_TOOLS, deprecated=True),
            function_call={**_or_null(modes, named), "deprecated": True},
            response_format=_or_null(*_formats()),
            reasoning_effort=_one_of(*EFFORTS),
            temperature=_opt("number", minimum=0, maximum=2),
            top_p=_opt("number", minimum=0, maximum=1),
            **dict.fromkeys(("presence_penalty", "frequency_penalty"), penalty),
            seed=_opt("integer", IGNORED),
            verbosity={**_one_of("low", "medium", "high"), "description": IGNORED},
            store=_opt("boolean", IGNORED),
            **dict.fromkeys(IGNORED_TEXTS, _opt("string", IGNORED)),
            **dict.fromkeys(IGNORED_OBJECTS, _opt("object", IGNORED)),
            logprobs=_refused(False),
            top_logprobs=_refused(0),
            audio=_refused(),
            modalities=_opt("array", items={"type": "string", "not": {"const": "audio"}}),
            web_search_options=_refused(),
        ),
        "Message": {"anyOf": _messages()},
    }


def _formats() -> list[Schema]:
    described = _object(
        ("name", "schema"),
        name=FUNCTION_NAME,
        description=_opt("string"),
        schema={"type": "object", "description": "A JSON Schema with an object at its root."},
        strict=_opt("boolean"),
    )
    return [
        _object(("type",), type={"enum": ["text", "json_object"]}),
        _object(("type", "json_schema"), type={"const": "json_schema"}, json_schema=described),
    ]


def _messages() -> list[Schema]:
    text = _part("text", text=TEXT)
    picture = _part(
        "image_url",
        image_url=_object(
            ("url",), url={"type": "string", "pattern": "^(data:|https://)"}, detail=_opt("string")
        ),
    )
    file = _part(
        "file",
        file=_object(
            ("file_data",),
            file_data={**NOT_EMPTY, "description": "A data URL, or base64 alone."},
            filename=_opt("string"),
            file_id=_refused(),
        ),
    )
    refusal = _part("refusal", refusal=TEXT)
    shown = {"anyOf": [text, picture, file]}
    called = _all(name=FUNCTION_NAME, arguments=TEXT)
    call = _all(id=NOT_EMPTY, type={"const": "function"}, function=called)
    any_result = _or_null(TEXT, _array(shown))
    return [
        _object(
            ("role",), role={"enum": ["system", "developer"]}, content=_or_null(TEXT, _array(text))
        ),
        _object(
            ("role", "content"),
            role={"const": "user"},
            content={"anyOf": [NOT_EMPTY, _array(shown, minItems=1)]},
        ),
        _object(
            ("role",),
            role={"const": "assistant"},
            content=_or_null(TEXT, _array({"anyOf": [text, refusal]})),
            refusal=_opt("string"),
            tool_calls=_opt("array", items=call),
            function_call={**_or_null(called), "deprecated": True},
        ),
        _object(
            ("role", "tool_call_id"),
            role={"const": "tool"},
            tool_call_id=NOT_EMPTY,
            content=any_result,
        ),
        _object(("role", "name"), role={"const": "function"}, name=NOT_EMPTY, content=any_result),
    ]


def _part(kind: str, **properties: Schema) -> Schema:
    return _object(("type", kind), type={"const": kind}, **properties)


def _answer() -> dict[str, Schema]:
    count: Schema = {"type": "integer", "minimum": 0}
    counts: Schema = {"type": "object", "additionalProperties": count}
    role, kind, null = {"const": "assistant"}, {"const": "function"}, {"type": "null"}
    reasons = ["stop", "length", "tool_calls", "function_call", "content_filter"]
    function, piece = _all(name=TEXT, arguments=TEXT), _object(name=TEXT, arguments=TEXT)
    call = _all(id=NOT_EMPTY, type=kind, function=function)
    of_call = _object(("index", "function"), index=count, id=TEXT, type=kind, function=piece)
    optional = {"annotations": _array({}), "reasoning_content": TEXT, "function_call": function}
    message = _all(role=role, content=_opt("string"), refusal=_opt("string"))
    message["properties"].update(optional, tool_calls=_array(call, minItems=1))
    changed = {"tool_calls": _array(of_call, minItems=1), "function_call": piece}
    delta = {"type": "object", "properties": {**message["properties"], **changed}}
    ends: Schema = {"enum": reasons}
    whole = _all(index=count, message=message, finish_reason=ends, logprobs=null)
    part = _all(index=count, delta=delta, finish_reason={"enum": [*reasons, None]}, logprobs=null)
    common = {"id": NOT_EMPTY, "created": count, "model": TEXT, "service_tier": TEXT}
    return {
        "ChatCompletion": _all(
            object={"const": "chat.completion"},
            choices=_array(whole, minItems=1),
            usage=_ref("Usage"),
            **common,
        ),
        "ChatChunk": _object(
            ("id", "object", "created", "model", "service_tier", "choices"),
            object={"const": "chat.completion.chunk"},
            choices=_array(part),
            usage=_or_null(_ref("Usage")),
            **common,
        ),
        "Usage": _all(
            **dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), count),
            **dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"), counts),
        ),
    }


def _others() -> dict[str, Schema]:
    whole: Schema = {"type": "integer"}
    model = _all(id=NOT_EMPTY, object={"const": "model"}, created=whole, owned_by=TEXT)
    cli = _all(version=TEXT, logged_in=_opt("boolean"))
    error = _all(message=NOT_EMPTY, type=TEXT, param=_opt("string"), code=_opt("string"))
    date: Schema = {"type": "string", "format": "date-time"}
    return {
        "Model": model,
        "ModelList": _all(object={"const": "list"}, data=_array(_ref("Model"))),
        "Health": _all(
            status={"const": "ok"}, provider=TEXT, timestamp=date, version=TEXT, cli=_or_null(cli)
        ),
        "OpenAPI": _all(openapi=TEXT, info={"type": "object"}, paths={"type": "object"}),
        "Error": _all(error=error),
    }
