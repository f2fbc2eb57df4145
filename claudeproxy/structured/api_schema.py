"""Converts a client's JSON Schema to one for `output_config.format` of the Messages API.

The API constrains an answer while it is generated, but takes only some keywords of JSON Schema.
What it does not take is put into the descriptions, and the answer is checked afterwards. A schema
may also become narrower: every value that fits the narrower one fits the client's.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

import attrs

from .check import tolerant, validator
from .demands import (
    LARGEST,
    CannotSay,
    Demands,
    NothingFits,
    Part,
    Pointer,
    Reader,
    at,
)
from .keywords import (
    FORMATS,
    TYPE_OF_LIMIT,
    Becomes,
    applies,
    becomes,
    covers,
    plain_pattern,
)


MOST_OPTIONAL = 24
MOST_UNIONS = 16
# The number of values of an `enum`, times the size of the conditions beside it.
MOST_WORK = 5_000_000
# Longer values are not repeated in a description.
LONGEST_IN_WORDS = 1000
_DEFINED_NAME = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_CONTAINERS = ("$defs", "definitions")


@attrs.frozen
class Sayable:
    """A schema that the API takes.

    schema: for the API; not to be changed, because it is cached. checked: the keywords that it
    does not express, sorted. If there are any, the answer must be checked against the client's
    schema. If there are none, every value that fits `schema` fits the client's schema.
    """

    schema: dict[str, Any]
    checked: tuple[str, ...]


@attrs.frozen
class NotSayable:
    """Why the API cannot take a schema, as a clause that names the place in the schema."""

    reason: str


def for_api(schema: Mapping[str, Any]) -> Sayable | NotSayable:
    """Return the schema for the API, or why there is none."""
    try:
        return _converted(json.dumps(schema))
    except RecursionError:
        return NotSayable("the schema is nested too deeply")


# Agents send the same schema with every request.
@lru_cache(maxsize=256)
def _converted(text: str) -> Sayable | NotSayable:
    try:
        return _Writer(text).result()
    except CannotSay as why:
        return NotSayable(str(why))


class _Writer:
    """Writes the schema for the API."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._root = json.loads(text)
        self._reader = Reader(self._root)
        self._checked: set[str] = set()
        # The definitions that are used, and None for those that no value fits.
        self._definitions: dict[Pointer, dict[str, Any] | None] = {}

    def result(self) -> Sayable:
        said = self._say(Part(self._root))
        for container, name in self._used(said):
            said.setdefault(container, {})[name] = self._definitions[container, name]
        if len(json.dumps(said)) > LARGEST:
            raise CannotSay(f"the schema is larger than {LARGEST // 1000} kB")
        optional, unions = map(sum, zip((0, 0), *_counts(said), strict=True))
        if optional > MOST_OPTIONAL:
            raise CannotSay(
                f"it has {optional} optional properties, and the API takes {MOST_OPTIONAL}"
            )
        if unions > MOST_UNIONS:
            raise CannotSay(f"it has {unions} unions of types, and the API takes {MOST_UNIONS}")
        return Sayable(said, tuple(sorted(self._checked)))

    def _used(self, said: dict[str, Any]) -> list[Pointer]:
        """Return the definitions that are used, also by others, in the order of their use."""
        used: dict[Pointer, None] = {}
        waiting = [said]
        while waiting:
            part = waiting.pop()
            if "$ref" in part and (pointer := tuple(part["$ref"].split("/")[1:])) not in used:
                used[pointer] = None
                waiting += filter(None, [self._definitions[pointer]])
            waiting += reversed(_inside(part))
        return list(used)

    def _say(self, *parts: Part) -> dict[str, Any]:
        """Return the schema of the values that fit all parts."""
        first = parts[0]
        if len(parts) == 1 and first.depth and _is_reference(first.schema):
            pointer, target = self._reader.referred(first)
            if _is_definition(pointer):
                return self._reference(pointer, target)
        demands = self._reader.read(*parts)
        limits = list(demands.limits)
        allows_object = demands.types is None or "object" in demands.types
        if demands.types == ():
            raise NothingFits(f"no type fits the schema {at(first.place)}")
        if demands.values is not None:
            said, limits = self._values(demands, demands.values, first), []
        elif demands.free_names is not None and allows_object:
            raise CannotSay(f"the object {at(demands.free_names)} may have properties of any name")
        elif demands.unions and not _is_structured(demands):
            said = self._union(demands, first, limits)
        else:
            said = self._typed(demands, first, limits)
        limits = [limit for limit in limits if applies(next(iter(limit)), _types(demands, said))]
        self._checked.update(next(iter(limit)) for limit in limits)
        return self._annotated(said, demands, limits)

    def _reference(self, pointer: Pointer, target: Part) -> dict[str, Any]:
        if pointer not in self._definitions:
            # The first one used comes first, also if it uses others.
            self._definitions[pointer] = None
            with suppress(NothingFits):
                self._definitions[pointer] = self._say(target)
        if self._definitions[pointer] is None:
            raise NothingFits(f"no value fits the schema {at(target.place)}")
        return {"$ref": "#/" + "/".join(pointer)}

    # Kinds of schemas

    def _values(self, demands: Demands, values: list[Any], part: Part) -> dict[str, Any]:
        """Return an `enum` of the values that fit all the other demands."""
        types = demands.types
        kept = [value for value in values if types is None or _is_of(value, types)]
        for value in kept:
            if isinstance(value, (list, dict)) or (
                isinstance(value, float) and not math.isfinite(value)
            ):
                raise CannotSay(f"an allowed value {at(part.place)} is an array or an object")
        conditions = [limit for limit in demands.limits if "prefixItems" not in limit]
        conditions += [{"pattern": pattern} for pattern in demands.patterns]
        conditions += [_union_schema(union) for union in demands.unions]
        if len(kept) * len(json.dumps(conditions)) > MOST_WORK:
            raise CannotSay(f"there are too many allowed values {at(part.place)}")
        if conditions:
            condition = tolerant({"allOf": conditions})
            try:
                fits = validator(self._text).evolve(schema=condition)
                kept = [value for value in kept if fits.is_valid(value)]
            except (RecursionError, ArithmeticError):
                raise CannotSay(f"the allowed values {at(part.place)} cannot be checked") from None
        if not kept:
            raise NothingFits(f"no allowed value fits the schema {at(part.place)}")
        return {"const": kept[0]} if demands.is_constant else {"enum": kept}

    def _union(self, demands: Demands, part: Part, limits: list[dict[str, Any]]) -> dict[str, Any]:
        """Return an `anyOf`. The types beside it are put into its members."""
        (word, members), *others = demands.unions
        said: dict[str, dict[str, Any]] = {}
        for member in members:
            with suppress(NothingFits):
                one = self._member(member, demands.types, part)
                said.setdefault(json.dumps(one, sort_keys=True), one)
        if not said:
            raise NothingFits(f"no value fits the schema {at(part.place)}")
        if word == "oneOf":
            self._checked.add(word)
        limits += map(_union_schema, others)
        limits += [{"pattern": pattern} for pattern in demands.patterns]
        if demands.fewest_items:
            limits.append({"minItems": demands.fewest_items})
        return {"anyOf": list(said.values())}

    def _member(self, member: Part, types: tuple[str, ...] | None, part: Part) -> dict[str, Any]:
        if types is not None:
            own = self._reader.read(member).types
            if own is None or not all(covers(types, kind) for kind in own):
                return self._say(attrs.evolve(member, schema={"type": list(types)}), member)
        return self._say(member)

    def _typed(self, demands: Demands, part: Part, limits: list[dict[str, Any]]) -> dict[str, Any]:
        """Return a schema with a type."""
        types = demands.types or _implied_types(demands)
        if not types:
            raise CannotSay(f"the schema {at(part.place)} accepts anything")
        said: dict[str, Any] = {"type": types[0] if len(types) == 1 else list(types)}
        if "object" in types:
            said |= self._object(demands, part)
        if "array" in types:
            if not demands.items:
                raise CannotSay(f"the items of the array {at(part.place)} can be anything")
            try:
                said["items"] = self._say(*demands.items)
            except NothingFits as why:
                raise CannotSay(str(why)) from None
            if demands.fewest_items:
                said["minItems"] = 1
        if demands.fewest_items > 1:
            limits.append({"minItems": demands.fewest_items})
        if "string" in types:
            said |= _string(demands)
        limits += [
            {"pattern": pattern}
            for pattern in demands.patterns
            if plain_pattern(pattern) is None or plain_pattern(pattern) != said.get("pattern")
        ]
        limits += map(_union_schema, demands.unions)
        return said

    def _object(self, demands: Demands, part: Part) -> dict[str, Any]:
        names = demands.properties
        if not names and not demands.is_closed:
            raise CannotSay(f"the object {at(part.place)} may have properties of any name")
        if not all(allowed.issuperset(names) for allowed in demands.closed):
            raise CannotSay(f"the schema {at(part.place)} combines closed objects")
        for name in demands.required:
            if name not in names:
                raise CannotSay(
                    f"the object {at(part.place)} requires {name[:100]!r}, "
                    "which is not in its properties"
                )
        properties = {}
        for name, parts in names.items():
            try:
                properties[name] = self._say(*parts)
            except NothingFits:
                if name in demands.required:
                    raise
        said: dict[str, Any] = {"properties": properties}
        if demands.required:
            said["required"] = list(demands.required)
        return {**said, "additionalProperties": False}

    def _annotated(
        self, said: dict[str, Any], demands: Demands, limits: list[dict[str, Any]]
    ) -> dict[str, Any]:
        texts = list(demands.descriptions)
        if constraints := list(filter(None, map(_in_words, limits))):
            texts.append(f"Constraints: {', '.join(constraints)}.")
        if names := [name for name in demands.formats if name != said.get("format")]:
            texts.append(f"Format: {', '.join(names)}.")
        examples = json.dumps(demands.examples, ensure_ascii=False)[1:-1]
        if examples and len(examples) <= LONGEST_IN_WORDS:
            texts.append(f"Examples: {examples}.")
        text = "\n".join(filter(None, texts))
        self._reader.charge(len(text))
        notes = dict(demands.annotations)
        if text:
            notes["description"] = text
        return {**notes, **said}


def _string(demands: Demands) -> dict[str, Any]:
    """Return the first pattern and the first format that the API takes."""
    plain = [written for pattern in demands.patterns if (written := plain_pattern(pattern))]
    known = [name for name in demands.formats if name in FORMATS]
    found = {"pattern": plain[:1], "format": known[:1]}
    return {word: first for word, firsts in found.items() for first in firsts}


def _is_reference(schema: Any) -> bool:
    """Whether a schema has only a `$ref` and keywords that are dropped."""
    return isinstance(schema, Mapping) and [
        word
        for word in schema
        if word in ("examples", "$schema") or becomes(word) is not Becomes.DROPPED
    ] == ["$ref"]


def _is_definition(pointer: Pointer) -> bool:
    """Whether a pointer can stay as it is, with its target in the written schema."""
    match pointer:
        case (("$defs" | "definitions"), name):
            return _DEFINED_NAME.fullmatch(name) is not None
    return False


def _is_structured(demands: Demands) -> bool:
    """Whether there are keywords beside a union that the API takes only without the union."""
    return bool(demands.properties or demands.required or demands.is_closed or demands.items)


def _types(demands: Demands, said: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return the types that the values of a written schema have, if they are known."""
    kind = said.get("type", demands.types)
    return (kind,) if isinstance(kind, str) else None if kind is None else tuple(kind)


def _implied_types(demands: Demands) -> tuple[str, ...]:
    """Return the types that the keywords of a schema without a type are about."""
    implied = {TYPE_OF_LIMIT.get(next(iter(limit))) for limit in demands.limits}
    if demands.properties or demands.required or demands.closed:
        implied.add("object")
    if demands.items or demands.fewest_items:
        implied.add("array")
    if demands.patterns or not FORMATS.isdisjoint(demands.formats):
        implied.add("string")
    return tuple(kind for kind in ("object", "array", "string", "number") if kind in implied)


def _union_schema(union: tuple[str, list[Part]]) -> dict[str, Any]:
    word, members = union
    return {word: [member.schema for member in members]}


def _is_of(value: Any, types: tuple[str, ...]) -> bool:
    """Whether a JSON value is of one of these types."""
    match value:
        case None:
            return "null" in types
        case bool():
            return "boolean" in types
        case str():
            return "string" in types
        case int() | float():
            return "number" in types or ("integer" in types and value == value // 1)
        case list():
            return "array" in types
        case _:
            return "object" in types


def _in_words(limit: Mapping[str, Any]) -> str:
    """Return a limit for a description, like "minimum 3"; empty if it is too long."""
    if "prefixItems" in limit:
        return str(limit["prefixItems"])
    words = " ".join(
        f"{word} {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for word, value in limit.items()
    )
    return words if len(words) <= LONGEST_IN_WORDS else ""


def _inside(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the schemas directly inside a written one."""
    inside = [*said.get("properties", {}).values(), *said.get("anyOf", ())]
    inside += [said["items"]] if "items" in said else []
    for container in _CONTAINERS:
        inside += said.get(container, {}).values()
    return inside


def _counts(said: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield the numbers of optional properties and of unions of each schema in a written one."""
    is_union = "anyOf" in said or isinstance(said.get("type"), list)
    yield len(said.get("properties", ())) - len(said.get("required", ())), int(is_union)
    for schema in _inside(said):
        yield from _counts(schema)
