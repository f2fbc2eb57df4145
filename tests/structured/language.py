"""What the Messages API takes, written down a second time, and random schemas and values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import strategies as st


TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
ANNOTATIONS = {"title", "description", "default"}
FORMATS = {
    *("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6"),
    "uuid",
}


def refused(schema: Mapping[str, Any]) -> list[str]:
    """Why the API would refuse a schema."""
    defined = {
        f"#/{container}/{name}": part
        for container in ("$defs", "definitions")
        for name, part in schema.get(container, {}).items()
    }
    root = {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}
    parts = [part for one in (root, *defined.values()) for part in every_part(one)]
    found = [why for part in parts for why in refused_part(part, defined)]
    if sum(len(p.get("properties", ())) - len(p.get("required", ())) for p in parts) > 24:
        found.append("more than 24 optional properties")
    if sum("anyOf" in p or isinstance(p.get("type"), list) for p in parts) > 16:
        found.append("more than 16 unions")
    found += [f"{name} is recursive" for name in defined if is_recursive(name, defined, ())]
    json.dumps(schema, allow_nan=False)
    return found


def every_part(schema: Any) -> Iterator[dict[str, Any]]:
    assert isinstance(schema, dict), schema
    yield schema
    inside = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for part in [*inside, *([schema["items"]] if "items" in schema else [])]:
        yield from every_part(part)


def is_recursive(name: str, defined: Mapping[str, Any], seen: tuple[str, ...]) -> bool:
    if name in seen:
        return True
    references = {part["$ref"] for part in every_part(defined[name]) if "$ref" in part}
    return any(is_recursive(other, defined, (*seen, name)) for other in references)


def refused_part(part: dict[str, Any], defined: Mapping[str, Any]) -> Iterator[str]:
    words = set(part) - ANNOTATIONS
    if not isinstance(part.get("description", ""), str):
        yield "a description that is not a string"
    if "$ref" in part:
        if len(part) > 1 or part["$ref"] not in defined:
            yield f"$ref: {part}"
    elif "const" in part or "enum" in part:
        values = part.get("enum", [part.get("const")])
        if len(words) > 1 or not values or any(isinstance(v, (list, dict)) for v in values):
            yield f"enum: {part}"
    elif "anyOf" in part:
        if len(words) > 1 or not part["anyOf"]:
            yield f"anyOf: {part}"
    else:
        yield from refused_type(part, words)


def refused_type(part: dict[str, Any], words: set[str]) -> Iterator[str]:
    kinds = [part["type"]] if isinstance(part.get("type"), str) else part.get("type", ())
    if not kinds or set(kinds) - TYPES or len(set(kinds)) < len(kinds):
        yield f"type: {part}"
    allowed = {"type"}
    if "object" in kinds:
        allowed |= {"properties", "required", "additionalProperties"}
        if part.get("additionalProperties") is not False or "properties" not in part:
            yield f"an open object: {part}"
        if not set(part.get("required", ())) <= set(part.get("properties", ())):
            yield f"required: {part}"
    if "array" in kinds:
        allowed |= {"items", "minItems"}
        if "items" not in part or part.get("minItems", 0) not in (0, 1):
            yield f"array: {part}"
    if "string" in kinds:
        allowed |= {"pattern", "format"}
        yield from refused_string(part)
    if words - allowed:
        yield f"keywords {words - allowed}: {part}"


def refused_string(part: dict[str, Any]) -> Iterator[str]:
    if part.get("format", "date") not in FORMATS:
        yield f"format: {part}"
    if any(bad in part.get("pattern", "") for bad in ("(?", r"\b", r"\1", "*?", r"\p", r"\D")):
        yield f"pattern: {part}"


# Values

LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 8),
    st.sampled_from([0.5, 1.0, -1.5, 2.25]),
    st.sampled_from(["", "a", "ab", "abc", "A1", "12", "é"]),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abcd"), inner),
    max_leaves=3,
)


def values_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that fit a schema for the API."""
    if "$ref" in schema:
        _, container, name = schema["$ref"].split("/")
        return values_of(root[container][name], root)
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema:
        return st.one_of([values_of(member, root) for member in schema["anyOf"]])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return st.one_of([of_type(kind, schema, root) for kind in kinds])


def of_type(kind: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    match kind:
        case "object":
            parts = {name: values_of(p, root) for name, p in schema["properties"].items()}
            required = set(schema.get("required", ()))
            return st.fixed_dictionaries(
                {name: part for name, part in parts.items() if name in required},
                optional={name: part for name, part in parts.items() if name not in required},
            )
        case "array":
            items = values_of(schema["items"], root)
            return st.lists(items, min_size=schema.get("minItems", 0), max_size=4)
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        case "string":
            return st.text("abA1é", max_size=5)
        case "integer":
            return st.integers(-3, 8) | st.sampled_from([2.0, 10**20])
        case "number":
            return st.integers(-3, 8) | st.floats(-5, 5, allow_subnormal=False)
        case "boolean":
            return st.booleans()
        case _:
            return st.none()


@st.composite
def changed(draw: st.DrawFn, value: Any) -> Any:
    """A value that differs from this one in one place."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        name = draw(st.sampled_from(sorted(value)))
        rest = {key: part for key, part in value.items() if key != name}
        return rest if draw(st.booleans()) else {**rest, name: draw(changed(value[name]))}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        part = draw(changed(value[place]))
        return [*value[:place], part, *value[place + 1 :]]
    if isinstance(value, dict) and draw(st.booleans()):
        return {**value, draw(st.sampled_from("abcdx")): draw(VALUES)}
    return draw(VALUES)


# Schemas of clients


def some(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A few of these keywords."""
    names = st.lists(st.sampled_from(sorted(keywords)), max_size=2, unique=True)
    return names.flatmap(lambda n: st.fixed_dictionaries({name: keywords[name] for name in n}))


def joined(*parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(lambda found: {k: v for part in found for k, v in part.items()})


SMALL = st.integers(0, 4)
PATTERNS = st.sampled_from(
    ["^a", "^[a-z]+$", "b$", r"^\d{2}$", "^(?=a)", r"\bx", "(?:a|b)+", "\\p{L}"]
)
NOTES = some(
    title=st.just("T"),
    description=st.just("D"),
    default=LEAVES,
    examples=st.lists(LEAVES, max_size=2),
    **{"$comment": st.just("c"), "x-note": VALUES, "nullable": st.just(True)},
)
STRING_LIMITS = some(
    minLength=SMALL, maxLength=SMALL, pattern=PATTERNS, format=st.sampled_from(["date", "phone"])
)
NUMBER_LIMITS = some(
    minimum=SMALL,
    maximum=SMALL,
    exclusiveMinimum=SMALL,
    exclusiveMaximum=SMALL,
    multipleOf=st.sampled_from([1, 2, 0.5]),
)
ENUMS = st.one_of(
    st.fixed_dictionaries({"enum": st.lists(LEAVES, min_size=1, max_size=4)}),
    st.fixed_dictionaries({"enum": st.lists(VALUES, min_size=1, max_size=2)}),
    st.fixed_dictionaries({"const": LEAVES}),
)
SIMPLE_TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null"])
TYPED = st.fixed_dictionaries(
    {"type": SIMPLE_TYPES | st.lists(SIMPLE_TYPES, min_size=1, max_size=3, unique=True)}
)
NOT = some(**{"not": ENUMS | TYPED})
REFERENCES = st.fixed_dictionaries(
    {"$ref": st.sampled_from(["#/$defs/A", "#/$defs/B", "#/definitions/C", "#/$defs/a~1b%20c"])}
)
SCALARS = st.one_of(
    joined(st.just({"type": "string"}), STRING_LIMITS, NOTES),
    joined(st.just({"type": "integer"}), NUMBER_LIMITS, NOTES),
    joined(st.just({"type": "number"}), NUMBER_LIMITS),
    joined(TYPED, STRING_LIMITS, NUMBER_LIMITS, NOT),
    joined(ENUMS, some(type=SIMPLE_TYPES), STRING_LIMITS, NUMBER_LIMITS, NOT),
    joined(STRING_LIMITS, NUMBER_LIMITS, NOTES),
)
NAMES = st.sampled_from("abcd")
NAME_LISTS = st.lists(NAMES, max_size=2, unique=True)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(NAMES, inner, max_size=3)
    whole = properties.flatmap(
        lambda found: st.fixed_dictionaries(
            {
                "properties": st.just(found),
                "required": st.lists(st.sampled_from(sorted(found)), unique=True)
                if found
                else st.just([]),
            }
        )
    )
    limits = some(
        minProperties=SMALL,
        maxProperties=SMALL,
        dependentRequired=st.dictionaries(NAMES, NAME_LISTS, max_size=1),
        propertyNames=st.just({"maxLength": 1}),
        anyOf=st.lists(st.fixed_dictionaries({"required": NAME_LISTS}), min_size=1, max_size=2),
        **{"if": st.fixed_dictionaries({"required": NAME_LISTS}), "then": inner, "not": inner},
    )
    closing = some(
        additionalProperties=st.sampled_from([False, False, True, {"type": "string"}]),
        unevaluatedProperties=st.sampled_from([False, True]),
        type=st.sampled_from(["object", ["object", "null"]]),
    )
    return joined(st.just({"type": "object"}), whole, st.just({}) | limits, closing, NOTES)


def arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    limits = some(
        minItems=SMALL,
        maxItems=SMALL,
        uniqueItems=st.booleans(),
        contains=inner,
        minContains=SMALL,
        unevaluatedItems=st.just(False),
    )
    items = st.fixed_dictionaries({"items": inner})
    tuples = inner.map(lambda item: {"prefixItems": [item, item], "items": False})
    return joined(st.just({"type": "array"}), items | items | tuples, limits)


def combinations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        joined(st.fixed_dictionaries({"anyOf": several}), NOTES, some(type=SIMPLE_TYPES)),
        joined(st.fixed_dictionaries({"oneOf": several}), st.just({}) | TYPED, NOT),
        joined(
            st.fixed_dictionaries({"anyOf": several}),
            some(unevaluatedProperties=st.just(False), type=st.just("object")),
            STRING_LIMITS,
            NUMBER_LIMITS,
        ),
        joined(st.fixed_dictionaries({"allOf": several}), NOTES, STRING_LIMITS),
        joined(
            st.fixed_dictionaries({"allOf": st.lists(objects(inner), min_size=1, max_size=2)}),
            some(unevaluatedProperties=st.just(False)),
        ),
        joined(REFERENCES, NOTES, STRING_LIMITS, NUMBER_LIMITS),
    )


PARTS = st.recursive(
    SCALARS | SCALARS | REFERENCES | st.sampled_from([True, False, {}, {"patternProperties": {}}]),
    lambda inner: objects(inner) | arrays(inner) | combinations(inner),
    max_leaves=6,
)
# A definition may refer to others, also in a circle.
DEFINITIONS = st.fixed_dictionaries(
    {
        "$defs": st.fixed_dictionaries({"A": SCALARS, "B": PARTS, "a/b c": SCALARS}),
        "definitions": st.fixed_dictionaries({"C": objects(SCALARS)}),
    }
)
# Schemas with few keywords, of which only one may have to be checked, and with members that the
# same value fits.
OVERLAPPING = st.sampled_from(
    [
        *({"type": kind} for kind in ("string", "integer", "number", "null")),
        *({"enum": values} for values in (["a", 1], ["a", "b"], [1, 2])),
        {"type": "object", "properties": {"a": {"type": "integer"}}},
        {"type": "object", "properties": {"b": {"type": "integer"}}},
        {"type": "array", "items": {"type": "integer"}},
    ]
)
UNIONS = st.lists(OVERLAPPING, min_size=2, max_size=3)
AN_OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "null"}}}
ONE_LIMIT = st.sampled_from(
    [
        *({"type": "string", word: n} for word in ("minLength", "maxLength") for n in (1, 3)),
        *({"type": "integer", word: n} for word in ("minimum", "maximum") for n in (0, 3)),
        *({"type": "integer", f"exclusive{word}": 2} for word in ("Minimum", "Maximum")),
        *({"type": "number", "multipleOf": n} for n in (1, 2, 0.5)),
    ]
)
REQUIRING = st.fixed_dictionaries({"required": NAME_LISTS}) | OVERLAPPING
FEW = st.one_of(
    ONE_LIMIT,
    joined(st.just(AN_OBJECT), st.fixed_dictionaries({"anyOf": st.lists(REQUIRING, min_size=1)})),
    st.fixed_dictionaries({"oneOf": UNIONS}),
    st.fixed_dictionaries({"anyOf": UNIONS, "oneOf": UNIONS}),
    st.fixed_dictionaries({"allOf": st.lists(OVERLAPPING, min_size=2, max_size=2)}),
    joined(OVERLAPPING, st.fixed_dictionaries({"not": OVERLAPPING})),
    joined(OVERLAPPING, st.fixed_dictionaries({"anyOf": UNIONS})),
    joined(OVERLAPPING, STRING_LIMITS),
    joined(OVERLAPPING, NUMBER_LIMITS),
    objects(OVERLAPPING),
    arrays(OVERLAPPING),
)
SCHEMAS = st.one_of(
    FEW,
    FEW.map(lambda part: {"type": "object", "properties": {"a": part}, "required": ["a"]}),
    joined(
        objects(PARTS) | objects(SCALARS | REFERENCES) | combinations(PARTS) | arrays(PARTS),
        DEFINITIONS,
    ),
)
