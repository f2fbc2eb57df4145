"""What is served, as an OpenAPI 3.1 document, for tools that make clients, pages or tests of it.

The bounds are the dialect's own. What a JSON Schema cannot say (a call and its result belong
together, a user message is not blank) is in doc/chat-completions.md only.
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

IGNORED = "Checked, then ignored; named in the header `x-claudeproxy-ignored`."
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
            "health",
            "Whether the server runs, and with which CLI.",
            _json("Health"),
            errors=(403, 405, 408, 500),
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
                        "headers": {
                            name: {"schema": {"type": "string"}}
                            for name in (
                                "x-request-id",
                                "x-claudeproxy-worker",
                                "x-claudeproxy-ignored",
                            )
                        },
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
    headers = {"Allow": {"schema": {"type": "string"}}} if status == 405 else {}
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
    listed = {"required": list(required)} if required else {}
    return {"type": "object", "properties": properties, **listed}


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
    modes: Schema = {"enum": ["none", "auto", "required"]}
    choice = _or_null(
        modes,
        chosen,
        _object(("type", "allowed_tools"), type={"const": "allowed_tools"}, allowed_tools=allowed),
    )
    penalty = _opt("number", IGNORED, minimum=-2, maximum=2)
    ignored_text, ignored_object = _opt("string", IGNORED), _opt("object", IGNORED)
    return {
        "ChatRequest": _object(
            ("model", "messages"),
            model=NOT_EMPTY,
            messages=_array(_ref("Message"), minItems=1),
            stream=_opt("boolean"),
            stream_options=_opt(
                "object",
                "Only with `stream`.",
                properties={
                    "include_usage": _opt("boolean"),
                    "include_obfuscation": _opt("boolean", "Ignored."),
                },
            ),
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
            presence_penalty=penalty,
            frequency_penalty=penalty,
            seed=_opt("integer", IGNORED),
            logit_bias=ignored_object,
            verbosity={**_one_of("low", "medium", "high"), "description": IGNORED},
            prediction=ignored_object,
            moderation=ignored_object,
            user=ignored_text,
            safety_identifier=ignored_text,
            metadata=ignored_object,
            store=_opt("boolean", IGNORED),
            service_tier=ignored_text,
            prompt_cache_key=ignored_text,
            prompt_cache_retention=ignored_text,
            prompt_cache_options=ignored_object,
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
    called = _object(("name", "arguments"), name=FUNCTION_NAME, arguments=TEXT)
    call = _object(
        ("id", "type", "function"), id=NOT_EMPTY, type={"const": "function"}, function=called
    )
    any_result = _or_null(TEXT, _array(shown))
    return [
        _object(
            ("role",), role={"enum": ["system", "developer"]}, content=_or_null(TEXT, _array(text))
        ),
        _object(
            ("role", "content"),
            role={"const": "user"},
            content={
                "anyOf": [NOT_EMPTY, _array(shown, minItems=1)],
                "description": "Not of white space only.",
            },
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
    function = _object(("name", "arguments"), name=TEXT, arguments=TEXT)
    call = _object(
        ("id", "type", "function"), id=NOT_EMPTY, type={"const": "function"}, function=function
    )
    piece = _object(
        ("index", "function"),
        index=count,
        id=TEXT,
        type={"const": "function"},
        function=_object(name=TEXT, arguments=TEXT),
    )
    message = _object(
        ("role", "content", "refusal"),
        role={"const": "assistant"},
        content=_opt("string"),
        refusal=_opt("string"),
        annotations=_array({}),
        reasoning_content=TEXT,
        tool_calls=_array(call, minItems=1),
        function_call=function,
    )
    delta = _object(
        role={"const": "assistant"},
        content=TEXT,
        refusal=_opt("string"),
        reasoning_content=TEXT,
        tool_calls=_array(piece, minItems=1),
        function_call=_object(name=TEXT, arguments=TEXT),
    )
    reasons = ["stop", "length", "tool_calls", "function_call", "content_filter"]
    usage = _object(
        ("prompt_tokens", "completion_tokens", "total_tokens"),
        prompt_tokens=count,
        completion_tokens=count,
        total_tokens=count,
        prompt_tokens_details={"type": "object", "additionalProperties": count},
        completion_tokens_details={"type": "object", "additionalProperties": count},
    )
    whole = _object(
        ("index", "message", "finish_reason", "logprobs"),
        index=count,
        message=message,
        finish_reason={"enum": reasons},
        logprobs={"type": "null"},
    )
    part = _object(
        ("index", "delta", "finish_reason", "logprobs"),
        index=count,
        delta=delta,
        finish_reason={"enum": [*reasons, None]},
        logprobs={"type": "null"},
    )
    common = {"id": NOT_EMPTY, "created": count, "model": TEXT, "service_tier": TEXT}
    return {
        "ChatCompletion": _object(
            ("id", "object", "created", "model", "choices", "usage"),
            object={"const": "chat.completion"},
            choices=_array(whole, minItems=1),
            usage=_ref("Usage"),
            **common,
        ),
        "ChatChunk": _object(
            ("id", "object", "created", "model", "choices"),
            object={"const": "chat.completion.chunk"},
            choices=_array(part),
            usage=_or_null(_ref("Usage")),
            **common,
        ),
        "Usage": usage,
    }


def _others() -> dict[str, Schema]:
    model = _object(
        ("id", "object", "created", "owned_by"),
        id=NOT_EMPTY,
        object={"const": "model"},
        created={"type": "integer"},
        owned_by=TEXT,
    )
    cli = _object(("version", "logged_in"), version=TEXT, logged_in=_opt("boolean"))
    error = _object(
        ("message", "type", "param", "code"),
        message=NOT_EMPTY,
        type=TEXT,
        param=_opt("string"),
        code=_opt("string"),
    )
    return {
        "Model": model,
        "ModelList": _object(
            ("object", "data"), object={"const": "list"}, data=_array(_ref("Model"))
        ),
        "Health": _object(
            ("status", "provider", "timestamp", "version", "cli"),
            status={"const": "ok"},
            provider=TEXT,
            timestamp={"type": "string", "format": "date-time"},
            version=TEXT,
            cli=_or_null(cli),
        ),
        "OpenAPI": _object(("openapi", "info", "paths"), openapi=TEXT, info={"type": "object"}),
        "Error": _object(("error",), error=error),
    }
