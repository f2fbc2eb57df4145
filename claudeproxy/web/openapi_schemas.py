"""The schemas of /openapi.json that are of no dialect: models, health, usage, errors."""

from __future__ import annotations

from ..condition.faults import Reason
from ..dialects.openapi import NOT_EMPTY, TEXT, Schema, all_of, array, optional, or_null, ref
from .models import LIFECYCLES, WINDOWS


def other_schemas() -> dict[str, Schema]:
    """Return the schemas by their names."""
    whole: Schema = {"type": "integer"}
    date: Schema = {"type": "string", "format": "date-time"}
    model = all_of(
        id=NOT_EMPTY,
        object={"const": "model"},
        created=whole,
        owned_by=TEXT,
        # The fields of Anthropic's API.
        type={"const": "model"},
        display_name=NOT_EMPTY,
        created_at=date,
        lifecycle={"enum": list(LIFECYCLES)},
        deprecated_at={"type": "null"},
        retires_at={"type": "null"},
        line=optional("string"),
        capabilities=optional("object"),
    )
    tokens = {"type": "integer", "minimum": 1, "description": "Only where the CLI has told it."}
    for name in (*WINDOWS, "max_tokens"):
        model["properties"][name] = tokens
    window = all_of(
        name=NOT_EMPTY,
        used=optional("number", "1 is all of it."),
        status=optional("string"),
        resets_at=optional("integer", "In seconds since the epoch."),
        seen_at={**whole, "description": "In seconds since the epoch."},
        age={"type": "integer", "minimum": 0, "description": "In seconds."},
    )
    cli = all_of(version=TEXT, path=TEXT, where=TEXT, logged_in=optional("boolean"))
    health: dict[str, Schema] = {
        "provider": TEXT,
        "timestamp": date,
        "version": TEXT,
        "cli": or_null(cli),
        "login": all_of(
            state={"enum": ["yes", "no", "unknown"]},
            by={"enum": ["plan", "token", "key", "provider", None]},
            plan=optional("string"),
            age=optional("number"),
        ),
        "demo": {"type": "boolean"},
        "processes": {"type": "object", "additionalProperties": whole},
        "uptime": {"type": "number"},
    }
    error = all_of(message=NOT_EMPTY, type=TEXT, param=optional("string"), code=optional("string"))
    return {
        "Model": model,
        "ModelList": all_of(
            object={"const": "list"},
            data=array(ref("Model")),
            has_more={"type": "boolean"},
            first_id=optional("string"),
            last_id=optional("string"),
        ),
        "Health": all_of(status={"const": "ok"}, **health),
        "Readiness": all_of(
            ready={"type": "boolean"},
            reason={"enum": [*(reason.value for reason in Reason), None]},
            message=NOT_EMPTY,
            until=optional("integer"),
            **health,
        ),
        "PlanUsage": all_of(
            object={"const": "usage"},
            plan=optional("string"),
            windows=array(window),
            fresh={"type": "boolean"},
            note=optional("string"),
        ),
        "Status": all_of(
            now={"type": "number"},
            state={"type": "object"},
            plan={"type": "object"},
            running=array({"type": "object"}),
            processes=array({"type": "object"}),
            waiting=whole,
            uptime=optional("number"),
            recent=array({"type": "object"}),
            plots={"type": "object"},
        ),
        "OpenAPI": all_of(openapi=TEXT, info={"type": "object"}, paths={"type": "object"}),
        "Error": all_of(error=error),
        "AnyError": {"anyOf": [ref("Error"), ref("AnthropicError")]},
        "Root": all_of(name={"const": "claudeproxy"}, version=TEXT, routes=array(TEXT)),
        "Hello": all_of(message=TEXT),
    }
