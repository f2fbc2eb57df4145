"""The list of models: its pages, and what is told of each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.catalogue import Model, ModelSize
from claudeproxy.errors import APIError
from claudeproxy.web.models import list_object, model_object, page_of


NAMES = ["a", "b", "c", "d", "e"]
OPUS = Model("opus", "claude-opus-5-5", ("low", "medium", "high"))
CREATED = 1_795_400_000


@pytest.mark.parametrize(
    ("query", "names", "has_more"),
    [
        ({}, "abcde", False),
        ({"limit": ["2"]}, "ab", True),
        ({"limit": ["5"]}, "abcde", False),
        ({"limit": ["1000"]}, "abcde", False),
        ({"after_id": ["b"]}, "cde", False),
        ({"after_id": ["b"], "limit": ["2"]}, "cd", True),
        ({"after_id": ["c"], "limit": ["2"]}, "de", False),
        ({"after_id": ["e"]}, "", False),
        ({"before_id": ["d"]}, "abc", False),
        ({"before_id": ["d"], "limit": ["2"]}, "bc", True),
        ({"before_id": ["c"], "limit": ["2"]}, "ab", False),
        ({"before_id": ["a"]}, "", False),
        ({"lifecycle": ["active"]}, "abcde", False),
        ({"lifecycle[]": ["retired", "active"]}, "abcde", False),
        ({"lifecycle[]": ["retired", "deprecated"]}, "", False),
        ({"workspace": ["x"]}, "abcde", False),
    ],
)
def test_a_page(query: dict[str, Sequence[str]], names: str, has_more: bool) -> None:
    assert page_of(NAMES, query) == (list(names), has_more)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        *(
            ({"limit": [text]}, "limit")
            for text in ("0", "1001", "-1", "x", "", "1.5", "٣", "9" * 5000, " 1")
        ),
        ({"after_id": ["z"]}, "after_id"),
        ({"before_id": [""]}, "before_id"),
        ({"after_id": ["a"], "before_id": ["c"]}, "before_id"),
        ({"lifecycle": ["dead"]}, "lifecycle"),
        ({"lifecycle[]": ["active", ""]}, "lifecycle"),
    ],
)
def test_what_is_no_page(query: dict[str, Sequence[str]], param: str) -> None:
    with pytest.raises(APIError) as caught:
        page_of(NAMES, query)
    assert (caught.value.status, caught.value.param) == (400, param)


@given(st.integers(1, 7))
def test_pages_in_a_row_are_the_whole_list(limit: int) -> None:
    for cursor, end in (("after_id", -1), ("before_id", 0)):
        seen: list[str] = []
        query: dict[str, Sequence[str]] = {"limit": [str(limit)]}
        if cursor == "before_id":
            query[cursor], seen = ["e"], ["e"]
        more = True
        while more:
            page, more = page_of(NAMES, query)
            seen = seen + page if end else page + seen
            query[cursor] = [page[end]]
        assert seen == NAMES


def test_a_page_names_its_ends() -> None:
    page = list_object([{"id": "a"}, {"id": "b"}], has_more=True)
    assert (page["object"], page["has_more"], page["first_id"], page["last_id"]) == (
        *("list", True),
        *("a", "b"),
    )
    empty = list_object([], has_more=False)
    assert (empty["data"], empty["first_id"], empty["last_id"]) == ([], None, None)


def test_a_model_in_the_words_of_both() -> None:
    told = model_object("opus", OPUS, None, CREATED)
    assert told["id"] == told["display_name"] == "opus"
    assert (told["object"], told["created"], told["owned_by"]) == ("model", CREATED, "anthropic")
    assert (told["type"], told["created_at"]) == ("model", "2026-11-23T02:13:20Z")
    assert (told["lifecycle"], told["line"]) == ("active", "opus")
    effort = told["capabilities"]["effort"]
    assert [effort[level]["supported"] for level in ("high", "max")] == [True, False]
    assert told["capabilities"]["thinking"]["types"]["adaptive"] == {"supported": True}


@pytest.mark.parametrize("allowed", [True, False])
def test_the_tools_of_the_api_are_a_capability_if_the_server_allows_them(*, allowed: bool) -> None:
    told = model_object("opus", OPUS, None, CREATED, web_tools=allowed)
    support = {"supported": allowed}
    assert told["capabilities"]["server_tools"] == {
        **support,
        "code_execution": support,
        "web_search": support,
    }


def test_a_size_is_told_only_where_it_is_known() -> None:
    assert not {"max_tokens", "context_length"} & set(model_object("x", OPUS, None, CREATED))
    told = model_object("x", OPUS, ModelSize(1_000_000, 128_000), CREATED)
    for name in ("max_input_tokens", "context_length", "max_model_len", "context_window"):
        assert told[name] == 1_000_000
    assert told["max_tokens"] == 128_000
    assert "max_tokens" not in model_object("x", OPUS, ModelSize(5), CREATED)


def test_of_a_model_that_the_cli_does_not_list_nothing_is_claimed() -> None:
    told = model_object("claude-x", Model("claude-x", "claude-x", unlisted=True), None, CREATED)
    assert (told["capabilities"], told["line"]) == (None, None)
