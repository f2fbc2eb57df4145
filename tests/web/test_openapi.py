"""The OpenAPI document: valid, and of just what is served."""

from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from jsonschema import Draft202012Validator

from claudeproxy import __version__
from claudeproxy.dialects import chat
from claudeproxy.errors import APIError
from claudeproxy.web.app import App
from claudeproxy.web.openapi import document

from ..dialects.asking import HELLO, PDF, PNG_URL, call, calling, function, result


DOCUMENT = document()
SCHEMAS = DOCUMENT["components"]["schemas"]
# What is read of a client's own JSON Schema.
OF_A_SCHEMA = {"$ref", "type"}

RICH: dict[str, Any] = {
    "model": "sonnet",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "S"}]},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": PNG_URL}},
                {"type": "file", "file": {"file_data": PDF, "filename": "x"}},
            ],
        },
        calling(call("a"), content=[{"type": "refusal", "refusal": "No."}]),
        result("a", [{"type": "text", "text": "x"}]),
        {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "x"},
        HELLO,
    ],
    "tools": [function("f", parameters={"type": "object"}, strict=True, description="F")],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [function("f")]},
    },
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "j", "schema": {"type": "object"}, "strict": True},
    },
    "stream": True,
    "stream_options": {"include_usage": True},
}
LEGACY: dict[str, Any] = {
    "model": "sonnet",
    "messages": [HELLO],
    "functions": [{"name": "f"}],
    "function_call": {"name": "f"},
}


def resolved() -> Any:
    return {"$ref": "#/components/schemas/ChatRequest", "components": DOCUMENT["components"]}


REQUESTS = Draft202012Validator(resolved())


def test_it_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(document()).validate()
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
    assert DOCUMENT["info"]["version"] == __version__
    json.dumps(DOCUMENT)


def test_every_reference_is_to_something_in_it() -> None:
    referred = {part.split('"')[0] for part in json.dumps(DOCUMENT).split('"$ref": "#/')[1:]}
    for reference in referred:
        place = DOCUMENT
        for step in reference.split("/"):
            place = place[step]
    assert {name for name in referred if name.startswith("components/responses")} == {
        f"components/responses/{name}" for name in DOCUMENT["components"]["responses"]
    }


def test_it_is_of_every_route_and_of_no_other() -> None:
    served = {
        (rule.rule.replace("<path:name>", "{name}").replace("<name>", "{name}"), method.lower())
        for rule in App.router.url_map.iter_rules()
        for method in rule.methods or ()
        if method != "HEAD"
    }
    described = {
        (path, method)
        for path, item in DOCUMENT["paths"].items()
        for method in item
        if method in ("get", "post", "put", "delete", "patch", "options", "head", "trace")
    }
    assert described == served


def test_no_two_operations_share_a_name() -> None:
    names = [
        operation["operationId"]
        for item in DOCUMENT["paths"].values()
        for method, operation in item.items()
        if method in ("get", "post")
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("body", [RICH, LEGACY])
def test_good_requests_fit(body: dict[str, Any]) -> None:
    chat.read(json.dumps(body).encode())
    assert not list(REQUESTS.iter_errors(body))


@pytest.mark.parametrize("name", sorted(SCHEMAS["ChatRequest"]["properties"]))
@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, 1, -1, 0.5, 3, 9, 129, 1e300, "", "x", "none", "low", "auto"),
        *([], {}, ["x"], [""], [1], [{}], ["x"] * 5, ["audio"], {"type": "text"}, {"name": "f"}),
        *({"type": "json_schema"}, {"type": "function"}, {"include_usage": 1}, {"name": 1}),
        *([{"role": "tool"}], [{"role": "user"}], [{"role": "user", "content": ""}]),
        [{"role": "assistant", "tool_calls": [{"id": "a", "type": "function"}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}],
        [{"role": "user", "content": [{"type": "file", "file": {"file_id": "x"}}]}],
        [{"type": "function", "function": {"name": "a b"}}],
        [{"type": "function", "function": {"name": "a", "parameters": []}}],
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_does_not_fit_is_refused(name: str, value: Any) -> None:
    body = {"model": "sonnet", "messages": [HELLO], name: value}
    try:
        chat.read(json.dumps(body).encode())
    except APIError:
        return
    assert not list(REQUESTS.iter_errors(body))
