"""What a request may hold: each field of a dialect is declared once, as a value.

A request, and each object in it, is an `Object` of `Field`s. Everything else follows from the
declaration: `check` refuses what does not fit and returns the names of what is ignored (the header
`x-claudeproxy-ignored`), `schema` is the field's part of /openapi.json, and tests/test_docs.py
holds the tables of doc/ against it. `null` means absent for every field that is not required.

A check of a body of 800 messages must not cost more than reading its JSON; pydantic was measured
and is faster still, but names its own classes in the path of an error about a union, so that most
of what is here would be needed to word its errors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any
from urllib.parse import quote

import attrs

from .kinds import Ignored, Invalid, Kind, Problem
from .openapi import NOT_EMPTY, Schema, nullable


# How many names a header has, and how long each may be.
MOST_IGNORED = 32
LONGEST_NAME = 64
# What follows them if there are more.
MORE = "..."


class Use(Enum):
    """What happens to a field that is given."""

    HONOURED = "honoured"
    # It changes nothing, and the client is told.
    IGNORED = "ignored"
    # Clients send back what was part of an answer; nobody needs to be told.
    ACCEPTED = "accepted"
    # It would change the answer and cannot be had: 400.
    REFUSED = "refused"


@attrs.frozen
class Field:
    """One field of an object."""

    name: str
    kind: Kind
    use: Use = Use.HONOURED
    required: bool = False
    note: str = ""
    # Values of an ignored field that ask for nothing, so that nobody needs to be told.
    harmless: tuple[Any, ...] = ()

    def check(self, value: Any) -> Ignored:
        """A value of this field's: the names of what is ignored, "" for all of it."""
        try:
            names = self.kind.check(value)
        except Invalid as error:
            raise error.at(self.name) from None
        if self.use is Use.IGNORED and value not in self.harmless:
            return (*names, "")
        return names

    def schema(self) -> Schema:
        """The values that the field takes, null among them if it need not be there."""
        schema = self.kind.schema() if self.required else nullable(self.kind.schema())
        notes = (self.note, IGNORED_NOTE if self.use is Use.IGNORED else "")
        if note := " ".join(filter(None, notes)):
            schema = {**schema, "description": note}
        return schema


IGNORED_NOTE = "Checked, then ignored; named in the header `x-claudeproxy-ignored`."


@attrs.frozen
class Object:
    """An object with these fields. What else is in it is ignored, and told."""

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
            "required": [field.name for field in self.fields if field.required],
        }


@attrs.frozen
class Variant:
    """One of several kinds of objects, told apart by what stands in the field `tag`.

    default: the value of a tag that is not there, None if it must be. what: the plural of what the
    objects are, as an error names them; without it a wrong tag is a wrong choice. other: what an
    object with any other tag holds; it is told as ignored. None if there may be none.
    """

    tag: str
    objects: Mapping[str, Kind]
    default: str | None = None
    what: str = ""
    other: Kind | None = None
    noun = "an object"

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
        found = self.objects.get(tag)
        if found is None and self.other is not None and tag:
            self.other.check(value)
            # Nothing is known of it, so it is told by what it is.
            return (f".{in_header(tag)}",)
        if found is None:
            problem = Problem.UNSUPPORTED_KIND if self.what else Problem.CHOICE
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


def told(ignored: Iterable[str]) -> tuple[str, ...]:
    """The names of what is ignored, for a header: each once, as full paths.

    After `MOST_IGNORED` of them "..." says that there are more.
    """
    names = tuple(dict.fromkeys(name.removeprefix(".") for name in ignored))
    return names if len(names) <= MOST_IGNORED else (*names[:MOST_IGNORED], MORE)


def in_header(name: str) -> str:
    """A name that anyone may have chosen, as a header can hold it: percent-encoded, and cut."""
    return quote(name, safe="$@", errors="surrogatepass")[:LONGEST_NAME] or '""'
