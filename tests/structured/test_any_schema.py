"""Random schemas of clients, and random answers to them."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from claudeproxy.structured import api_schema
from claudeproxy.structured.api_schema import NotSayable, Sayable, for_api
from claudeproxy.structured.check import mismatch, tolerant
from claudeproxy.structured.patterns import compiled

from .language import SCHEMAS, changed, refused, values_of


# Other tests run at the same time.
slow = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


@slow
@given(SCHEMAS)
def test_the_schema_has_only_what_the_api_takes(schema: Any) -> None:
    Draft202012Validator.check_schema(schema, format_checker=FormatChecker(()))
    said = for_api(schema)
    if isinstance(said, Sayable):
        assert refused(said.schema) == []
        Draft202012Validator.check_schema(said.schema)
        assert list(said.checked) == sorted(set(said.checked))
    else:
        assert said.reason


def answers(data: st.DataObject, said: Sayable) -> list[Any]:
    """Some values that fit a schema for the API, and one that may not."""
    fitting = values_of(said.schema, said.schema)
    values = data.draw(st.lists(fitting, min_size=4, max_size=4))
    return [*values, data.draw(changed(values[0]))]


def without_odd_patterns(part: Any) -> Any:
    """The schema without patterns that Python cannot compile, for which jsonschema fails."""
    if isinstance(part, list):
        return [without_odd_patterns(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        word: without_odd_patterns(value)
        for word, value in part.items()
        if not (word == "pattern" and isinstance(value, str) and compiled(value) is None)
    }


def check(schema: Any, said: Sayable, value: Any) -> str:
    if not Draft202012Validator(said.schema).is_valid(value):
        return "does not fit"
    try:
        fits = Draft202012Validator(without_odd_patterns(tolerant(schema))).is_valid(value)
    except RecursionError:
        # A schema that refers to itself without going into the value.
        fits = False
    if not said.checked:
        assert fits, (said.schema, value)
        return "fits without a check"
    assert fits == (mismatch(json.dumps(value), schema) is None)
    return "fits after the check" if fits else "does not pass the check"


@settings(slow, max_examples=300)
@given(SCHEMAS, st.data())
def test_an_answer_that_fits_and_passes_the_check_is_what_the_client_wants(
    schema: Any, data: st.DataObject
) -> None:
    said = for_api(schema)
    if isinstance(said, Sayable):
        for value in answers(data, said):
            check(schema, said, value)


def test_the_random_schemas_and_answers_are_of_all_kinds() -> None:
    seen: Counter[str] = Counter()

    @settings(slow, max_examples=300, derandomize=True, database=None)
    @given(SCHEMAS, st.data())
    def count(schema: Any, data: st.DataObject) -> None:
        said = for_api(schema)
        if isinstance(said, NotSayable):
            seen["not sayable"] += 1
        else:
            seen["sayable"] += 1
            seen.update(check(schema, said, value) for value in answers(data, said))

    count()
    assert seen["sayable"] > 150, seen
    assert seen["not sayable"] > 10, seen
    for kind in ("does not fit", "fits without a check", "fits after the check"):
        assert seen[kind] > 100, seen
    assert seen["does not pass the check"] > 100, seen


@slow
@given(SCHEMAS)
def test_the_same_schema_always_becomes_the_same(schema: Any) -> None:
    first = json.dumps(plain(for_api(schema)))
    api_schema._converted.cache_clear()
    assert json.dumps(plain(for_api(json.loads(json.dumps(schema))))) == first


def plain(said: Sayable | NotSayable) -> Any:
    return said.reason if isinstance(said, NotSayable) else [said.schema, said.checked]
