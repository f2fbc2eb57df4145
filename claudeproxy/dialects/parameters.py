"""Declarations of the fields that a request can have.

A request, and each object in it, is declared as an `Object` of `Field`s. `check` refuses values
that do not match, and returns the names of ignored fields (for the header
`x-claudeproxy-ignored`). `schema` returns the field's part of /openapi.json. tests/test_docs.py
compares the tables in doc/ with the declarations. `null` means that an optional field is absent.

Checking a body of 800 messages must not take longer than parsing its JSON. pydantic is faster, but
its errors about unions have the names of its own classes in their paths, so most of this module
would still be needed to make the error messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any
from urllib.parse import quote

import attrs

from .kinds import Either, Ignored, Invalid, Kind, List, Problem
from .openapi import NOT_EMPTY, Schema, nullable


# How many names a header has, and how long each may be.
MOST_IGNORED = 32
LONGEST_NAME = 64
# What follows them if there are more.
MORE = "..."


class Use(Enum):
    """What happens to a field that is given."""

    HONOURED = "honoured"
    # It has no effect, and the header names it.
    IGNORED = "ignored"
    # It has no effect and the header does not name it, because clients send back whole answers.
    ACCEPTED = "accepted"
    # It would change the answer but is not supported: 400.
    REFUSED = "refused"


@attrs.frozen
class Field:
    """One field of an object."""

    name: str
    kind: Kind
    use: Use = Use.HONOURED
    required: bool = False
    note: str = ""
    # Values of an ignored field that ask for nothing, so that the header need not name it.
    harmless: tuple[Any, ...] = ()

    def check(self, value: Any) -> Ignored:
        """Check a value; return the names of ignored fields in it, "" for the field itself."""
        try:
            names = self.kind.check(value)
        except Invalid as error:
            raise error.at(self.name) from None
        if self.use is Use.IGNORED and value not in self.harmless:
            return (*names, "")
        return names

    def schema(self) -> Schema:
        """The JSON Schema of the field's values, including null if the field is optional."""
        schema = self.kind.schema() if self.required else nullable(self.kind.schema())
        notes = (self.note, IGNORED_NOTE if self.use is Use.IGNORED else "")
        if note := " ".join(filter(None, notes)):
            schema = {**schema, "description": note}
        return schema


IGNORED_NOTE = "Checked, then ignored; named in the header `x-claudeproxy-ignored`."


@attrs.frozen
class Object:
    """An object with these fields. Other fields are ignored, and the header names them."""

    fields: tuple[Field, ...]
    noun = "an object"
    _known: Mapping[str, Field] = attrs.field(init=False)
    _required: tuple[str, ...] = attrs.field(init=False)

    @_known.default
    def _by_name(self) -> Mapping[str, Field]:
        return {field.name: field for field in self.fields}

    @_required.default
    def _needed(self) -> tuple[str, ...]:
        return tuple(field.name for field in self.fields if field.required)

    def kind_of(self, name: str | int) -> Kind | None:
        """The kind of a field's values, None if the field is not declared."""
        field = self._known.get(str(name))
        return None if field is None else field.kind

    def and_also(self, *fields: Field) -> Object:
        """The same with more fields."""
        return Object(self.fields + fields)

    def check(self, value: Any) -> Ignored:
        """An object with these fields."""
        if type(value) is not dict:
            raise Invalid(Problem.TYPE, self.noun, value)
        for name in self._required:
            if value.get(name) is None:
                raise Invalid(Problem.MISSING).at(name)
        ignored: list[str] = []
        for name, inner in value.items():
            if inner is None:
                continue
            field = self._known.get(name)
            names = field.check(inner) if field is not None else ("",)
            if names:
                ignored += [f".{in_header(name)}{rest}" for rest in names]
        return ignored

    def schema(self) -> Schema:
        """An object; what else is in it does not matter."""
        return {
            "type": "object",
            "properties": {field.name: field.schema() for field in self.fields},
            "required": list(self._required),
        }


@attrs.frozen
class Variant:
    """One of several kinds of objects, distinguished by the value of the field `tag`.

    default: the tag of an object without one, None if the tag is required. what: the word for the
    objects in error messages, in the plural; without it an unknown tag is an invalid choice.
    other: the kind of objects with unknown tags, which are ignored; None if they are refused.
    refused: known tags that are refused, each with a sentence that says why.
    """

    tag: str
    objects: Mapping[str, Kind]
    default: str | None = None
    what: str = ""
    other: Kind | None = None
    refused: Mapping[str, str] = attrs.field(factory=dict)
    noun = "an object"
    # Whether Anthropic's API has the tag in the paths of its error messages.
    tagged: bool = attrs.field(init=False)

    @tagged.default
    def _several_types(self) -> bool:
        return self.tag == "type" and len(self.objects) > 1

    def check(self, value: Any) -> Ignored:
        """One of the objects."""
        if type(value) is not dict:
            raise Invalid(Problem.TYPE, self.noun, value)
        tag = value.get(self.tag)
        if tag is None:
            tag = self.default
        if tag is None:
            raise Invalid(Problem.MISSING).at(self.tag)
        if not isinstance(tag, str):
            raise Invalid(Problem.TYPE, "a string", tag).at(self.tag)
        if tag in self.refused:
            raise Invalid(Problem.REFUSED_KIND, self.refused[tag], tag, self.what).at(self.tag)
        found = self.objects.get(tag)
        if found is None and self.other is not None and tag:
            self.other.check(value)
            # Its fields are unknown, so the header names its tag.
            return (f".{in_header(tag)}",)
        if found is None:
            several = Problem.TAG if self.tagged else Problem.CHOICE
            problem = Problem.UNSUPPORTED_KIND if self.what else several
            raise Invalid(problem, tuple(self.objects), tag, self.what).at(self.tag)
        ignored = found.check(value)
        mine = f".{self.tag}"
        return [name for name in ignored if name != mine] if ignored else ()

    def schema(self) -> Schema:
        """Any of them, each with its tag."""
        alike: dict[int, tuple[Kind, list[str]]] = {}
        for tag, found in self.objects.items():
            alike.setdefault(id(found), (found, []))[1].append(tag)
        known = [self._schema_of(found, tags) for found, tags in alike.values()]
        if self.other is None:
            return {"anyOf": known}
        unknown = {**NOT_EMPTY, "not": {"enum": [*self.objects]}}
        other = {"type": "object", "properties": {self.tag: unknown}, "required": [self.tag]}
        return {"anyOf": [*known, other]}

    def _schema_of(self, found: Kind, tags: list[str]) -> Schema:
        schema = found.schema()
        values: list[str | None] = [*tags, *([None] if self.default in tags else [])]
        tag: Schema = {"const": tags[0]} if len(values) == 1 else {"enum": values}
        required = [] if self.default in tags else [self.tag]
        if "anyOf" in schema:
            mine = {"type": "object", "properties": {self.tag: tag}, "required": required}
            return {"allOf": [mine, schema]}
        return {
            **schema,
            "properties": {self.tag: tag, **schema.get("properties", {})},
            "required": [*required, *schema.get("required", ())],
        }


def with_tags(kind: Kind | None, value: Any, steps: Sequence[str | int]) -> list[str | int]:
    """Return the path to a field as Anthropic's API has it: with the tags of objects.

    A tag comes after the step to an object that has one of several types. value: what has the
    field. It must be valid, except for the field itself.
    """
    path: list[str | int] = []
    for step in steps:
        if isinstance(kind, Either):
            kind = kind.of(value)
        if isinstance(kind, Variant):
            given = value.get(kind.tag)
            tag = str(kind.default if given is None else given)
            path += [tag] if kind.tagged and tag in kind.objects else []
            kind = kind.objects.get(tag)
        path.append(step)
        if isinstance(kind, Object):
            kind, value = kind.kind_of(step), value.get(step)
        elif isinstance(kind, List):
            kind, value = kind.of, value[step]
        else:
            kind = None
    return path


def told(ignored: Iterable[str]) -> tuple[str, ...]:
    """Return the ignored names for the header: as full paths, without duplicates.

    After `MOST_IGNORED` of them "..." says that there are more.
    """
    names = tuple(dict.fromkeys(name.removeprefix(".") for name in ignored))
    return names if len(names) <= MOST_IGNORED else (*names[:MOST_IGNORED], MORE)


def in_header(name: str) -> str:
    """Return a name of the client's as a header can hold it: percent-encoded, and cut."""
    return quote(name, safe="$@", errors="surrogatepass")[:LONGEST_NAME] or '""'
