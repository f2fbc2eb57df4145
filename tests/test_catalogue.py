"""Names of models, on the lists that real CLIs gave."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from claudeproxy.catalogue import (
    Catalogue,
    Model,
    ModelMemory,
    ModelSize,
    models_from_initialize,
)
from claudeproxy.conversation import Limits, ToolChoice
from claudeproxy.errors import APIError, model_refused
from claudeproxy.remembered import MOST


# A fresh checkout builds Hypothesis' tables first, and a busy machine takes its time.
calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

RECORDINGS = Path(__file__).parent / "recordings"
EFFORTS = ("low", "medium", "high", "xhigh", "max")


def listed_by(version: str) -> list[dict[str, Any]]:
    lines = (RECORDINGS / version / "unicode.jsonl").read_text("utf-8").splitlines()
    response = next(
        line["msg"]["response"]["response"]
        for line in map(json.loads, lines)
        if line["dir"] == "out" and line["msg"]["type"] == "control_response"
    )
    models: list[dict[str, Any]] = response["models"]
    return models


def catalogue(version: str = "2.1.330", aliases: Mapping[str, str] | None = None) -> Catalogue:
    return Catalogue(models_from_initialize(listed_by(version)), aliases or {})


OLD = catalogue("2.1.197")
NEW = catalogue("2.1.330")


def test_models_are_read_as_2_1_197_lists_them() -> None:
    assert models_from_initialize(listed_by("2.1.197")) == (
        Model("default", "claude-opus-4-8[1m]", EFFORTS),
        Model("opus[1m]", "claude-opus-4-8[1m]", EFFORTS),
        Model("sonnet", "claude-sonnet-5", EFFORTS),
        Model("sonnet[1m]", "claude-sonnet-5[1m]", EFFORTS),
        Model("haiku", "claude-haiku-4-5-20251001", (), adaptive=False),
    )


def test_models_are_read_as_2_1_330_lists_them() -> None:
    assert models_from_initialize(listed_by("2.1.330")) == (
        Model("default", "claude-opus-5-5", EFFORTS),
        Model("opus", "claude-opus-5-5", EFFORTS),
        Model("fable", "claude-fable-5-2", EFFORTS),
        Model("sonnet", "claude-sonnet-5-5", EFFORTS),
        Model("haiku", "claude-haiku-5-5", EFFORTS),
    )


def test_an_entry_without_a_full_id_goes_by_its_short_name() -> None:
    assert models_from_initialize([{"value": "opus"}]) == (Model("opus", "opus", adaptive=False),)


def test_an_entry_without_a_name_is_left_out() -> None:
    assert models_from_initialize([{"resolvedModel": "x"}, {"value": None}]) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("opus", "opus"),
        ("sonnet", "sonnet"),
        ("haiku", "haiku"),
        ("fable", "fable"),
        ("claude-opus-5-5", "opus"),
        ("claude-sonnet-5-5", "sonnet"),
        ("claude-fable-5-2", "fable"),
        ("claude-opus-4", "opus"),
        ("claude-sonnet-4", "sonnet"),
        ("claude-haiku-4", "haiku"),
        ("default", "opus"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "openai/", "anthropic/", "claude-code-cli/", "claude-max/"])
def test_every_name_is_known_with_every_prefix(prefix: str, name: str, value: str) -> None:
    assert NEW.resolve(prefix + name).value == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("opus[1m]", "opus[1m]"),
        ("claude-opus-4-8[1m]", "opus[1m]"),
        # There is no other opus, and answers name it without the mark.
        ("opus", "opus[1m]"),
        ("claude-opus-4-8", "opus[1m]"),
        ("claude-opus-4", "opus[1m]"),
        ("openai/claude-opus-4", "opus[1m]"),
        # There are two sonnets, and none is taken for the other.
        ("sonnet", "sonnet"),
        ("claude-sonnet-5", "sonnet"),
        ("claude-sonnet-4", "sonnet"),
        ("sonnet[1m]", "sonnet[1m]"),
        ("claude-sonnet-5[1m]", "sonnet[1m]"),
        ("anthropic/claude-sonnet-5[1m]", "sonnet[1m]"),
        ("haiku", "haiku"),
        ("claude-haiku-4-5-20251001", "haiku"),
    ],
)
def test_long_context_variants_of_2_1_197(name: str, value: str) -> None:
    assert OLD.resolve(name).value == value


def test_a_listed_variant_wins_over_another_without_its_mark_in_any_order() -> None:
    plain, marked = Model("sonnet", "claude-s"), Model("sonnet[1m]", "claude-s[1m]")
    for models in ([plain, marked], [marked, plain]):
        assert Catalogue(models).resolve("sonnet") == plain
        assert Catalogue(models).resolve("claude-s") == plain
        assert Catalogue(models).resolve("sonnet[1m]") == marked


def test_a_full_id_means_the_models_own_entry_not_default() -> None:
    for version in (OLD, NEW):
        default = version.resolve("default")
        assert version.resolve(default.resolved).value.startswith("opus")


def test_the_names_of_2_1_330() -> None:
    assert NEW.names() == [
        "claude-opus-5-5",
        "claude-fable-5-2",
        "claude-sonnet-5-5",
        "claude-haiku-5-5",
        "opus",
        "fable",
        "sonnet",
        "haiku",
        "claude-opus-4",
        "claude-sonnet-4",
        "claude-haiku-4",
    ]


def test_the_names_of_2_1_197() -> None:
    assert OLD.names() == [
        "claude-opus-4-8[1m]",
        "claude-sonnet-5",
        "claude-sonnet-5[1m]",
        "claude-haiku-4-5-20251001",
        "opus[1m]",
        "sonnet",
        "sonnet[1m]",
        "haiku",
        "claude-opus-4-8",
        "opus",
        "claude-opus-4",
        "claude-sonnet-4",
        "claude-haiku-4",
    ]


@pytest.mark.parametrize("version", [OLD, NEW], ids=["2.1.197", "2.1.330"])
def test_every_listed_name_resolves(version: Catalogue) -> None:
    assert {version.resolve(name).value for name in version.names()} == {
        model.value for model in version.models if model.value != "default"
    }


def test_old_names_are_there_only_for_models_that_are() -> None:
    only = Catalogue([Model("sonnet", "claude-sonnet-5")])
    assert only.names() == ["claude-sonnet-5", "sonnet", "claude-sonnet-4"]
    assert only.resolve("claude-opus-4").unlisted


@pytest.mark.parametrize(
    ("name", "value"),
    [("gpt-4o", "sonnet"), ("openai/gpt-4o", "sonnet"), ("big", "opus"), ("old", "haiku")],
)
def test_aliases_stand_for_any_kind_of_name(name: str, value: str) -> None:
    aliases = {"gpt-4o": "claude-sonnet-5-5", "big": "anthropic/opus", "old": "claude-haiku-4"}
    assert catalogue(aliases=aliases).resolve(name).value == value


def test_an_alias_may_have_a_prefix_of_its_own() -> None:
    assert catalogue(aliases={"openai/gpt-4o": "opus"}).resolve("openai/gpt-4o").value == "opus"


def test_aliases_are_listed_last() -> None:
    assert catalogue(aliases={"gpt-4o": "sonnet"}).names() == [*NEW.names(), "gpt-4o"]


def test_an_alias_cannot_take_a_models_own_name() -> None:
    mine = catalogue(aliases={"opus": "haiku"})
    assert mine.resolve("opus").value == "opus"
    assert mine.names() == NEW.names()


def test_an_alias_of_an_alias_is_unknown() -> None:
    with pytest.raises(APIError, match=r"`two`"):
        catalogue(aliases={"one": "two", "two": "opus"}).resolve("one")


@pytest.mark.parametrize(
    "name",
    ["gpt-4o", "openai/gpt-4o", "claude-opus 9", "opu", "opus ", "OPUS", "", "openai/", "x[1m]"],
)
def test_a_name_that_is_not_known_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(APIError) as caught:
        NEW.resolve(name)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert f"`{name}`" in error.message
    assert f"Available: {', '.join(NEW.names())}." in error.message


@pytest.mark.parametrize(
    ("name", "alias"),
    [("gpt-4o", "gpt-4o"), ("a/b:c", "a/b:c"), ("a b", "NAME"), ("a,b", "NAME"), ("-x", "NAME")],
)
def test_the_refusal_names_the_options_that_would_help(name: str, alias: str) -> None:
    with pytest.raises(APIError) as caught:
        NEW.resolve(name)
    assert f"`--aliases {alias}=sonnet`" in caught.value.message
    assert "`--aliases '*=sonnet'`" in caught.value.message


# Models that the CLI does not list


@pytest.mark.parametrize("prefix", ["", "anthropic/", "claude-max/"])
@pytest.mark.parametrize(
    "name",
    [
        *("claude-opus-9", "claude-haiku-4-5-20251001", "claude-3-5-sonnet-latest"),
        *("claude-opus-4.6", "claude-" + "x" * 57, "claude-opus-4-6[1m]"),
    ],
)
def test_a_full_id_that_is_not_listed_goes_to_the_cli_as_it_is(prefix: str, name: str) -> None:
    model = NEW.resolve(prefix + name)
    assert (model.value, model.resolved, model.unlisted) == (name, name, True)
    assert model.adapt(Limits("x")).unlisted


@pytest.mark.parametrize(
    "name",
    [
        *("claude-", "claude--x", "claude-.x", "claude-o pus", "claude-opus\n", "claude-opüs"),
        *("claude-" + "x" * 58, "claude-opus[2m]", "claude-opus[1m][1m]", "Claude-opus-4-6"),
        *("claude-opus/4", "claude-$(id)", "claude-opus-4-6@20250101"),
    ],
)
def test_what_is_no_full_id_is_refused(name: str) -> None:
    with pytest.raises(APIError):
        NEW.resolve(name)


@pytest.mark.parametrize(
    ("name", "adaptive", "efforts"),
    [
        ("claude-3-opus-20240229", False, 0),
        ("claude-3-5-sonnet-latest", False, 0),
        ("claude-3-7-sonnet-20250219", False, 0),
        ("claude-sonnet-4-20250514", False, 0),
        ("claude-opus-4-1", False, 0),
        ("claude-haiku-4-5-20251001", False, 0),
        ("claude-sonnet-4-5", False, 0),
        ("claude-opus-4-5-20251101", False, 3),
        ("claude-opus-4-6", True, 3),
        ("claude-opus-4-6[1m]", True, 3),
        ("claude-opus-4-5[1m]", False, 3),
        ("claude-opus-4-10", True, 3),
        ("claude-haiku-5", True, 3),
        ("claude-opus-5-5-20260101", True, 3),
        ("claude-new", True, 3),
    ],
)
def test_what_is_assumed_of_a_model_by_its_version(name: str, adaptive: bool, efforts: int) -> None:
    model = NEW.resolve(name)
    assert (model.adaptive, len(model.efforts)) == (adaptive, efforts)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("opus[1m]", "opus[1m]"),
        ("openai/sonnet[1m]", "sonnet[1m]"),
        ("claude-opus-5-5[1m]", "opus[1m]"),
        ("claude-sonnet-4[1m]", "sonnet[1m]"),
    ],
)
def test_the_long_context_of_a_listed_model(name: str, value: str) -> None:
    model, base = NEW.resolve(name), NEW.resolve(name.removesuffix("[1m]"))
    assert (model.value, model.unlisted) == (value, True)
    assert (model.efforts, model.adaptive) == (base.efforts, base.adaptive)
    assert model.resolved == f"{base.resolved}[1m]"


def test_a_listed_long_context_is_not_asked_for_again() -> None:
    assert not OLD.resolve("opus[1m]").unlisted
    assert OLD.resolve("haiku[1m]").unlisted


def test_an_alias_wins_over_a_full_id_that_is_not_listed() -> None:
    mine = catalogue(aliases={"claude-3-opus": "opus", "best": "claude-opus-4-6"})
    assert mine.resolve("claude-3-opus").value == "opus"
    assert mine.resolve("best").value == "claude-opus-4-6"
    assert mine.names()[-2:] == ["claude-3-opus", "best"]


def test_the_alias_of_every_other_name() -> None:
    mine = catalogue(aliases={"gpt-4o": "opus", "*": "sonnet"})
    for name in ("gpt-5.4-nano", "openai/gpt-5", "no such model", "*", "OPUS"):
        assert mine.resolve(name).value == "sonnet"
    for name, value in (("gpt-4o", "opus"), ("haiku", "haiku"), ("claude-opus-9",) * 2):
        assert mine.resolve(name).value == value
    assert mine.names() == [*NEW.names(), "gpt-4o"]


def test_the_alias_of_every_other_name_may_be_wrong() -> None:
    with pytest.raises(APIError, match=r"`sonet`"):
        catalogue(aliases={"*": "sonet"}).resolve("gpt-5")
    with pytest.raises(APIError, match=r"`two`"):
        catalogue(aliases={"one": "two", "*": "opus"}).resolve("one")


# What is remembered


def remembering(**aliases: str) -> tuple[Catalogue, ModelMemory, Clock]:
    clock = Clock()
    memory = ModelMemory(clock.seconds)
    return Catalogue(NEW.models, aliases, memory), memory, clock


def test_a_model_that_the_api_refused_is_refused_here_for_a_while() -> None:
    mine, memory, clock = remembering(best="claude-opus-9")
    memory.refuse("claude-opus-9", model_refused("claude-opus-9"))
    for name in ("claude-opus-9", "anthropic/claude-opus-9", "best"):
        with pytest.raises(APIError, match="Anthropic's API does not know it") as caught:
            mine.resolve(name)
        assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    mine.resolve("claude-opus-8")
    assert mine.names() == NEW.names()
    clock.advance(599)
    with pytest.raises(APIError):
        mine.resolve("claude-opus-9")
    clock.advance(1)
    assert mine.resolve("claude-opus-9").unlisted
    assert mine.names() == [*NEW.names(), "best"]


def test_a_model_is_known_when_it_has_answered() -> None:
    mine, memory, _ = remembering(best="claude-opus-9", fast="haiku")
    assert mine.describe("fast").value == "haiku"
    for name in ("claude-opus-9", "best"):
        with pytest.raises(APIError, match="no request to this server has used it") as caught:
            mine.describe(name)
        assert caught.value.status == 404
    memory.accept("claude-opus-9")
    assert mine.describe("best").value == "claude-opus-9"
    memory.refuse("claude-opus-9", model_refused("claude-opus-9"))
    with pytest.raises(APIError):
        mine.describe("claude-opus-9")
    memory.accept("claude-opus-9")
    assert mine.describe("claude-opus-9")


def test_the_size_of_a_model_is_what_the_cli_tells() -> None:
    mine, memory, _ = remembering()
    opus = mine.resolve("opus")
    assert mine.size_of(opus) is None
    memory.learn({"claude-opus-5-5": {"contextWindow": 1_000_000, "maxOutputTokens": 128_000}})
    memory.learn({"claude-haiku-5-5": {"contextWindow": 7}})
    assert mine.size_of(opus) == ModelSize(1_000_000, 128_000)
    assert mine.size_of(mine.resolve("haiku")) == ModelSize(7)
    memory.learn({"claude-opus-5-5": {"contextWindow": 5, "maxOutputTokens": 6}})
    assert mine.size_of(opus) == ModelSize(5, 6)


@pytest.mark.parametrize(
    "told", [{}, {"contextWindow": None}, {"contextWindow": "9"}, {"contextWindow": 0}, None, 5]
)
def test_a_size_that_is_not_told_is_not_known(told: Any) -> None:
    mine, memory, _ = remembering()
    memory.learn({"claude-opus-5-5": told})
    assert mine.size_of(mine.resolve("opus")) is None


def test_no_more_is_remembered_than_there_is_room_for() -> None:
    memory = remembering()[1]
    for number in range(MOST + 1):
        memory.refuse(f"claude-x-{number}", model_refused(f"claude-x-{number}"))
    memory.refuse("claude-x-1", model_refused("claude-x-1"))
    assert memory.refusal("claude-x-0") is None
    assert memory.refusal("claude-x-1") is not None
    memory.refuse("claude-y", model_refused("claude-y"))
    assert memory.refusal("claude-x-1") is not None
    assert memory.refusal("claude-x-2") is None


@calm
@given(st.text(max_size=20))
def test_a_name_is_never_guessed_at(name: str) -> None:
    known = {*NEW.names(), "default"}
    if name not in known and not name.startswith("claude-"):
        with pytest.raises(APIError):
            NEW.resolve(name)


@pytest.mark.parametrize(
    ("adaptive", "max_tokens", "thinking"),
    [(True, 5, True), (False, 1024, False), (False, 1025, True), (False, None, True)],
)
def test_a_model_with_a_budget_needs_room_to_think(
    adaptive: bool, max_tokens: int | None, thinking: bool
) -> None:
    model = Model("haiku", "claude-haiku-4-5", adaptive=adaptive)
    assert model.adapt(Limits("what the client said", max_tokens)) == Limits(
        "haiku", max_tokens, thinking=thinking, budgeted=not adaptive
    )


@pytest.mark.parametrize(
    ("efforts", "wanted", "effort"),
    [
        (EFFORTS, "xhigh", "xhigh"),
        (("low", "medium", "high"), "max", "high"),
        (("low", "medium", "high"), "medium", "medium"),
        (("max", "low"), "xhigh", "low"),
        (("high", "low", "medium"), "max", "high"),
        (("medium", "high"), "low", None),
        (("low", "ultra"), "max", "low"),
        (("ultra",), "ultra", None),
        ((), "low", None),
        (EFFORTS, None, None),
    ],
)
def test_the_effort_is_the_highest_the_model_has_up_to_the_one_wanted(
    efforts: tuple[str, ...], wanted: str | None, effort: str | None
) -> None:
    assert Model("m", "m", efforts).adapt(Limits("x", effort=wanted)).effort == effort


@pytest.mark.parametrize(
    ("adaptive", "thinking", "asked", "fitted"),
    [
        (False, False, (0.5, None), (0.5, None)),
        (False, False, (None, 0.5), (None, 0.5)),
        (False, False, (0.0, 0.5), (0.0, None)),
        (False, False, (1.0, None), (1.0, None)),
        (False, False, (1.1, None), (None, None)),
        (False, True, (0.5, None), (None, None)),
        (False, True, (None, 0.5), (None, None)),
        (True, False, (0.5, 0.5), (None, None)),
        (True, True, (0.5, 0.5), (None, None)),
    ],
)
def test_only_a_model_that_does_not_think_is_told_how_to_draw_words_and_in_one_way(
    adaptive: bool,
    thinking: bool,
    asked: tuple[float | None, float | None],
    fitted: tuple[float | None, float | None],
) -> None:
    limits = Limits("x", thinking=thinking, temperature=asked[0], top_p=asked[1])
    adapt = Model("m", "m", adaptive=adaptive).adapt(limits)
    assert (adapt.temperature, adapt.top_p) == fitted


def test_a_model_without_room_to_think_takes_a_temperature() -> None:
    limits = Limits("x", max_tokens=10, temperature=0.5)
    assert Model("m", "m", adaptive=False).adapt(limits).temperature == 0.5


def test_every_other_limit_fits_every_model() -> None:
    limits = Limits("x", 5000, ("a",), thinking=False, tool_choice=ToolChoice("tool", "f"))
    assert Model("m", "m").adapt(limits) == attrs.evolve(limits, model="m")
