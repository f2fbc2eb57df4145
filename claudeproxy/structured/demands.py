"""Reads what a JSON Schema demands of a value, with references and `allOf` resolved."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import attrs
from jsonschema import Draft202012Validator

from ..schema_parts import pointer_steps
from .keywords import Becomes, becomes, common_types


# The size of a schema in bytes of JSON, also after copies of definitions were put into it.
LARGEST = 200_000
DEEPEST = 50
MOST_COMBINED = 100
LIMITS_WITHOUT_EFFECT: tuple[tuple[str, Any], ...] = (
    *(("minLength", 0), ("minProperties", 0), ("uniqueItems", False), ("dependentRequired", {})),
    *(("dependentSchemas", {}), ("propertyNames", True), ("propertyNames", {}), ("not", False)),
)
# Keywords whose effect depends on others beside them. The first one names the limit.
GROUPS = (("if", "then", "else"), ("contains", "minContains", "maxContains"))
GROUPED = frozenset(word for group in GROUPS for word in group)
DRAFTS_WITH_OTHER_TYPES = ("/draft-03/", "/draft-04/")


class CannotSay(ValueError):
    """A schema that the API cannot take. The message is a clause that says why."""


class NothingFits(CannotSay):
    """A schema that no value fits."""


def at(place: str) -> str:
    """Return a place in a schema in words."""
    return f"at {place[:200]!r}" if place else "at the root"


Pointer = tuple[str, ...]


@attrs.frozen
class Part:
    """A schema inside the client's schema.

    place: its JSON Pointer. trail: the targets of the references that were followed to it.
    """

    schema: Any
    place: str = ""
    depth: int = 0
    trail: tuple[Pointer, ...] = ((),)

    def inside(self, schema: Any, *steps: str | int) -> Part:
        """Return the part at a place inside this one."""
        return Part(schema, self.place + written(steps), self.depth + 1, self.trail)


def written(steps: tuple[str | int, ...]) -> str:
    """Return a JSON Pointer as text."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON; in Python, 1 equals True."""
    return one is other or (
        one == other and json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


def value_key(value: Any) -> Any:
    """Return a key that is equal for equal JSON values."""
    if isinstance(value, (bool, str)) or value is None:
        return type(value), value
    return ("number", value) if isinstance(value, (int, float)) else json.dumps(value)


@attrs.define
class Demands:
    """What a schema demands of a value, with all its conditions at one level.

    values: the values of `enum` and `const`. closed: sets of names; each allows no other
    properties. is_closed: whether one of them holds without the names that unions add. free_names:
    where a schema allows properties by other means than `properties`. unions: the keyword and the
    members of each `anyOf` and `oneOf`. limits: conditions that the API cannot express.
    """

    types: tuple[str, ...] | None = None
    values: list[Any] | None = None
    is_constant: bool = False
    properties: dict[str, list[Part]] = attrs.field(factory=dict)
    required: list[str] = attrs.field(factory=list)
    closed: list[frozenset[str]] = attrs.field(factory=list)
    is_closed: bool = False
    free_names: str | None = None
    items: list[Part] = attrs.field(factory=list)
    fewest_items: int = 0
    patterns: list[str] = attrs.field(factory=list)
    formats: list[str] = attrs.field(factory=list)
    unions: list[tuple[str, list[Part]]] = attrs.field(factory=list)
    limits: list[dict[str, Any]] = attrs.field(factory=list)
    annotations: dict[str, Any] = attrs.field(factory=dict)
    descriptions: list[str] = attrs.field(factory=list)
    examples: list[Any] = attrs.field(factory=list)

    def add_values(self, values: list[Any]) -> None:
        """Allow only these values."""
        unique = {value_key(value): value for value in values}
        if self.values is not None:
            keys = {value_key(value) for value in self.values}
            unique = {key: value for key, value in unique.items() if key in keys}
        self.values = list(unique.values())

    def add_types(self, types: tuple[str, ...]) -> None:
        """Allow only these types."""
        self.types = common_types(types if self.types is None else self.types, types)

    def combined(self) -> Iterator[list[Part]]:
        """Yield the parts that the same value must fit."""
        yield self.items
        yield from self.properties.values()

    def add(self, other: Demands) -> None:
        """Add the demands of another schema that the value must fit too."""
        if other.types is not None:
            self.add_types(other.types)
        if other.values is not None:
            self.add_values(other.values)
        self.is_constant |= other.is_constant
        for name, parts in other.properties.items():
            _add_parts(self.properties.setdefault(name, []), parts)
        _add_parts(self.items, other.items)
        self.is_closed |= other.is_closed
        self.free_names = self.free_names if self.free_names is not None else other.free_names
        self.fewest_items = max(self.fewest_items, other.fewest_items)
        self.required = _union(self.required, other.required)
        self.closed = _union(self.closed, other.closed)
        self.patterns = _union(self.patterns, other.patterns)
        self.formats = _union(self.formats, other.formats)
        self.descriptions = _union(self.descriptions, other.descriptions)
        self.limits.extend(
            limit for limit in other.limits if not any(same(limit, mine) for mine in self.limits)
        )
        for word, members in other.unions:
            schemas = [part.schema for part in members]
            if not any(
                word == mine and same(schemas, [part.schema for part in parts])
                for mine, parts in self.unions
            ):
                self.unions.append((word, members))
        self.annotations = {**other.annotations, **self.annotations}
        self.examples = self.examples or other.examples


_T = TypeVar("_T")


def _union(one: list[_T], other: list[_T]) -> list[_T]:
    return list(dict.fromkeys([*one, *other]))


def _add_parts(mine: list[Part], its: list[Part]) -> None:
    mine.extend(part for part in its if not any(same(part.schema, one.schema) for one in mine))


class Reader:
    """Reads the parts of one schema of a client's."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self.root = root
        self._size = 0
        # Whether the targets of references are schemas. Those at other places than of schemas were
        # not checked together with the root.
        self._targets: dict[Pointer, bool] = {}

    def charge(self, size: int) -> None:
        """Count what was read, so that copies of definitions cannot grow without end."""
        self._size += size
        if self._size > LARGEST:
            raise CannotSay(f"the schema is larger than {LARGEST // 1000} kB without references")

    def referred(self, part: Part) -> tuple[Pointer, Part]:
        """Return the target of the `$ref` of a part."""
        reference = part.schema["$ref"]
        if not reference.startswith("#") or (reference[1:] and reference[1] != "/"):
            raise CannotSay(f"the '$ref' {at(part.place)} is not a JSON Pointer")
        pointer = pointer_steps(reference)
        place = written(pointer)
        if pointer in part.trail:
            raise CannotSay(f"the schema {at(place)} is recursive")
        target: Any = self.root
        for step in pointer:
            if target is not self.root and isinstance(target, Mapping):
                _check_scope(target, place)
            try:
                target = target[int(step) if isinstance(target, list) else step]
            except (LookupError, TypeError, ValueError):
                raise CannotSay(
                    f"the '$ref' {at(part.place)} refers to a schema that is not there"
                ) from None
        if not self._is_schema(pointer, target):
            raise CannotSay(f"the '$ref' {at(part.place)} does not refer to a schema")
        return pointer, Part(target, place, part.depth + 1, (*part.trail, pointer))

    def _is_schema(self, pointer: Pointer, target: Any) -> bool:
        if pointer not in self._targets:
            self._targets[pointer] = isinstance(target, bool) or (
                isinstance(target, Mapping)
                and Draft202012Validator(
                    Draft202012Validator.META_SCHEMA, format_checker=None
                ).is_valid(target)
            )
        return self._targets[pointer]

    def read(self, *parts: Part) -> Demands:
        """Return what all of the parts demand of a value."""
        demands = Demands()
        for part in parts:
            self._add(demands, part)
        return demands

    def _add(self, demands: Demands, part: Part) -> None:
        more = self._one(part)
        # What was there already is compared with each of what is added.
        self.charge(
            4 * len(more.properties)
            + len(more.required)
            + len(more.values or ())
            + len(more.limits) * len(demands.limits)
            + len(more.unions) * len(demands.unions)
        )
        demands.add(more)
        if any(len(parts) > MOST_COMBINED for parts in demands.combined()):
            raise CannotSay(f"the schema {at(part.place)} combines too many schemas")

    def _one(self, part: Part) -> Demands:
        schema, place = part.schema, part.place
        demands = Demands()
        if part.depth > DEEPEST:
            raise CannotSay("the schema is nested too deeply")
        if schema is False:
            raise NothingFits(f"no value fits the schema {at(place)}")
        if schema is True:
            return demands
        if place:
            _check_scope(schema, place)
        self.charge(20 + sum(map(len, schema)) + sum(_sizes(schema)))
        self._keywords(demands, part)
        for index, member in enumerate(schema.get("allOf", ())):
            self._add(demands, part.inside(member, "allOf", index))
        if "$ref" in schema:
            self._add(demands, self.referred(part)[1])
        if schema.get("unevaluatedProperties") is False:
            demands.closed.append(frozenset(demands.properties))
            demands.is_closed |= not demands.unions
        return demands

    def _keywords(self, demands: Demands, part: Part) -> None:
        """Add what the keywords demand that do not depend on other schemas."""
        schema = part.schema
        for word, value in schema.items():
            if (use := becomes(word)) is Becomes.NOT_SAYABLE:
                self._not_sayable(demands, part, word)
            elif use is Becomes.DESCRIBED and word != "oneOf":
                demands.limits += _limit(schema, word)
            else:
                _take(demands, part, word, value)

    def _not_sayable(self, demands: Demands, part: Part, word: str) -> None:
        """Raise CannotSay, unless the keyword has no effect or there is an exact equivalent."""
        schema = part.schema
        value = schema[word]
        if word in ("$id", "$anchor", "$dynamicAnchor") and not part.place:
            return
        if word == "unevaluatedItems" and ("items" in schema or value is True):
            return
        if word == "patternProperties":
            if value and demands.free_names is None:
                demands.free_names = part.place
            return
        rest = schema.get("items", True)
        if word == "prefixItems" and all(
            same(value[0], other) for other in [*value, *([] if rest in (True, False) else [rest])]
        ):
            demands.items.append(part.inside(value[0], "prefixItems", 0))
            if rest is False:
                demands.limits.append({"prefixItems": f"at most {len(value)} items"})
            return
        raise CannotSay(f"the schema {at(part.place)} has '{word}'")


def _limit(schema: Mapping[str, Any], word: str) -> Iterator[dict[str, Any]]:
    """Yield the limit that begins with a keyword, if there is one and it has an effect."""
    for first, *others in GROUPS:
        if word == first and (word == "contains" or not {*others}.isdisjoint(schema)):
            yield {name: schema[name] for name in (first, *others) if name in schema}
    limit = [word, schema[word]]
    if word not in GROUPED and not any(same(limit, [*no]) for no in LIMITS_WITHOUT_EFFECT):
        yield {word: schema[word]}


def _check_scope(schema: Mapping[str, Any], place: str) -> None:
    """Raise CannotSay if references inside a schema below the root are not from the root."""
    if isinstance(schema.get("$id"), str):
        raise CannotSay(f"the schema {at(place)} has '$id'")
    draft = schema.get("$schema")
    if isinstance(draft, str) and any(name in draft for name in DRAFTS_WITH_OTHER_TYPES):
        raise CannotSay(f"the schema {at(place)} is of an older draft")


def _sizes(schema: Mapping[str, Any]) -> Iterator[int]:
    for word, value in schema.items():
        if isinstance(value, str):
            yield len(value)
        elif word in ("enum", "const", "default", "examples", "required") or (
            becomes(word) is Becomes.DESCRIBED
        ):
            yield len(json.dumps(value))


def _take(demands: Demands, part: Part, word: str, value: Any) -> None:
    """Add what one keyword demands."""
    match word:
        case "type":
            demands.add_types(tuple([value] if isinstance(value, str) else value))
        case "const":
            demands.is_constant = True
            demands.add_values([value])
        case "enum":
            demands.add_values(value)
        case "pattern":
            demands.patterns = [value]
        case "format":
            demands.formats = [value]
        case "anyOf" | "oneOf":
            members = [part.inside(schema, word, index) for index, schema in enumerate(value)]
            demands.unions.append((word, members))
        case _:
            _take_inside(demands, part, word, value)
            _take_annotation(demands, word, value)


def _take_inside(demands: Demands, part: Part, word: str, value: Any) -> None:
    """Add what a keyword demands of an object or an array."""
    match word:
        case "properties":
            for name, schema in value.items():
                demands.properties[name] = [part.inside(schema, word, name)]
        case "required":
            demands.required = list(dict.fromkeys(value))
        case "additionalProperties" if value is False:
            demands.closed.append(frozenset(part.schema.get("properties", ())))
            demands.is_closed = True
        case "additionalProperties" | "unevaluatedProperties" if value not in (True, False, {}):
            demands.free_names = part.place
        case "items" if "prefixItems" not in part.schema:
            demands.items = [part.inside(value, word)]
        case "minItems":
            demands.fewest_items = int(value)


def _take_annotation(demands: Demands, word: str, value: Any) -> None:
    match word:
        case "title" | "default":
            demands.annotations[word] = value
        case "description":
            demands.descriptions = [value]
        case "examples":
            demands.examples = value
