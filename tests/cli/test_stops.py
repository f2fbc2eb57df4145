"""Stop sequences of white space, cut out of a text that comes in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudeproxy.cli.stops import StopCutter

from .talk import calm


WHITE = st.text(" \n\t", min_size=1, max_size=4)
PIECES = st.lists(st.text("a \n\t", min_size=1, max_size=4), max_size=8)


def cut(cutter: StopCutter, pieces: list[str]) -> str:
    """What a session would tell of these pieces."""
    told = ""
    for piece in pieces:
        told += cutter.feed(piece)
        if cutter.found:
            return told
    return told + cutter.flush()


@pytest.mark.parametrize("stops", [(), ("END",), (" a", "b\n")])
def test_what_the_api_sees_to_is_left_alone(stops: tuple[str, ...]) -> None:
    cutter = StopCutter(stops)
    for piece in ("x a", " b\n", "END", "\n\n"):
        assert cutter.feed(piece) == piece
    assert not cutter.found
    assert cutter.flush() == ""


@calm
@given(WHITE, PIECES)
def test_the_text_ends_where_the_stop_begins_however_it_comes(stop: str, pieces: list[str]) -> None:
    cutter = StopCutter(["END", stop])
    text = "".join(pieces)
    assert cut(cutter, pieces) == text.split(stop)[0]
    assert cutter.found == (stop if stop in text else None)


@calm
@given(st.lists(WHITE, min_size=1, max_size=3), PIECES)
def test_nothing_is_held_back_that_could_not_be_the_beginning_of_a_stop(
    stops: list[str], pieces: list[str]
) -> None:
    cutter = StopCutter(stops)
    text = told = ""
    for piece in pieces:
        text += piece
        told += cutter.feed(piece)
        if cutter.found:
            return
        held = text.removeprefix(told)
        assert told + held == text
        assert held == "" or any(stop.startswith(held) and stop != held for stop in stops)


def test_the_first_of_several_is_it() -> None:
    assert cut(StopCutter(["\n\n", "\t"]), ["a\nb\tc\n\nd"]) == "a\nb"
    assert cut(StopCutter(["\n\n", "\t"]), ["a\nb\n", "\nc\td"]) == "a\nb"


def test_the_first_of_several_is_it_however_the_text_comes() -> None:
    stops = ["\n\t\n", "\t"]
    assert cut(StopCutter(stops), ["a\n\t\n"]) == cut(StopCutter(stops), ["a\n\t", "\n"])


def test_what_was_held_back_is_flushed_once() -> None:
    cutter = StopCutter(["\n\n"])
    assert cutter.feed("a\n") == "a"
    assert cutter.flush() == "\n"
    assert cutter.flush() == ""
    assert cutter.feed("\nb") == "\nb"
