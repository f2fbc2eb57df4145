"""Model names: what a client may say, and what the CLI calls it.

The models come from the CLI itself (the `models` of its initialize response, no tokens spent),
so a new model is there on the day the CLI knows it. The CLI also takes full ids of Anthropic's
that it does not list; whether there is such a model, only the API can say. Any other name is
refused, never guessed at: a wrong guess would spend the user's plan on the wrong model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from .conversation import Limits
from .errors import model_not_found, model_not_seen, model_refused


# The names of claude-max-api-proxy 1.0.0, which people's settings are full of.
ORIGINAL_NAMES = {
    "claude-opus-4": "opus",
    "claude-sonnet-4": "sonnet",
    "claude-haiku-4": "haiku",
}
# What clients put in front of a model's name to choose a provider.
PREFIXES = ("openai/", "anthropic/", "claude-code-cli/", "claude-max/")
DEFAULT = "default"
LEAST_BUDGET = 1024
EFFORTS = ("low", "medium", "high", "xhigh", "max")
# The CLI's mark of a variant with a context window of a million tokens. 2.1.197 lists some models
# in this variant only.
LONG_CONTEXT = "[1m]"
# A full id of Anthropic's, which the CLI takes whether it lists it or not.
FULL_ID = re.compile(r"claude-[A-Za-z0-9][A-Za-z0-9.-]{0,56}(?:\[1m\])?")
# In the aliases: what any name stands for that nothing else is known of.
ANY = "*"
# For so many seconds a model is not asked for again after the API has said that there is none.
REFUSED_FOR = 600.0
# Of so many models something is remembered. Clients choose the names.
MOST_REMEMBERED = 1000

T = TypeVar("T")


@attrs.frozen
class Model:
    """One model of the CLI's: `value` is the CLI's short name, `resolved` Anthropic's full id.

    adaptive: it decides itself how much to think, so thinking needs no budget of tokens. unlisted:
    it is not among those that the CLI lists.
    """

    value: str
    resolved: str
    efforts: tuple[str, ...] = ()
    adaptive: bool = True
    unlisted: bool = False

    def adapt(self, limits: Limits) -> Limits:
        """The limits for an answer of this model's: what it cannot take is left out."""
        # The API wants a budget of 1024 and more tokens to answer with (seen as a 400 on 2.1.197).
        no_room = not self.adaptive and (limits.max_tokens or LEAST_BUDGET + 1) <= LEAST_BUDGET
        thinking = limits.thinking and not no_room
        # Models that decide themselves how much to think take no sampling parameters, the others
        # only while they do not think, and one of the two (Messages API, "Extended thinking").
        sampled = not self.adaptive and not thinking and (limits.temperature or 0) <= 1
        temperature = limits.temperature if sampled else None
        return attrs.evolve(
            limits,
            model=self.value,
            unlisted=self.unlisted,
            thinking=thinking,
            budgeted=not self.adaptive,
            effort=self._effort(limits.effort),
            temperature=temperature,
            top_p=limits.top_p if sampled and temperature is None else None,
        )

    def _effort(self, wanted: str | None) -> str | None:
        """The level itself, or the highest one below it that the model has."""
        if wanted not in EFFORTS:
            return None
        known = [level for level in EFFORTS if level in self.efforts]
        below = [level for level in known if EFFORTS.index(level) <= EFFORTS.index(wanted)]
        return below[-1] if below else None


def models_from_initialize(listed: Iterable[Mapping[str, Any]]) -> tuple[Model, ...]:
    """Read the `models` of an initialize response (seen on 2.1.197 and 2.1.330)."""
    return tuple(
        Model(
            value=entry["value"],
            resolved=str(entry.get("resolvedModel") or entry["value"]),
            efforts=tuple(entry.get("supportedEffortLevels") or ()),
            adaptive=bool(entry.get("supportsAdaptiveThinking")),
        )
        for entry in listed
        if isinstance(entry.get("value"), str)
    )


def unlisted_model(full_id: str) -> Model:
    """What is assumed of a model that the CLI does not list.

    It is what the CLI itself assumes (seen on 2.1.332 by what reaches the API):

        version            thinking    effort
        4.6 and newer      adaptive    low, medium, high
        4.5, opus          budgeted    low, medium, high
        4.5 and older      budgeted    none

    An id without a version is taken for a new one.
    """
    words = re.split(r"[-.\[]", full_id.removeprefix("claude-"))
    version = tuple(int(word) for word in words if re.fullmatch(r"\d{1,2}", word))[:2]
    adaptive = not version or version >= (4, 6)
    has_effort = adaptive or (version == (4, 5) and "opus" in words)
    efforts = ("low", "medium", "high") if has_effort else ()
    return Model(full_id, full_id, efforts, adaptive=adaptive, unlisted=True)


@attrs.frozen
class ModelSize:
    """How many tokens a model takes in all, and gives at most in one answer."""

    context_window: int
    max_tokens: int | None = None


class ModelMemory:
    """What has been learned of models since the start, by the names that the CLI has for them."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: seconds, of any clock that does not go back."""
        self._now = now
        self._refused: dict[str, float] = {}
        self._accepted: dict[str, None] = {}
        self._sizes: dict[str, ModelSize] = {}

    def refuse(self, model: str) -> None:
        """The API has said that there is no such model."""
        self._accepted.pop(model, None)
        _keep(self._refused, model, self._now() + REFUSED_FOR)

    def accept(self, model: str) -> None:
        """A model that the CLI does not list has answered."""
        self._refused.pop(model, None)
        _keep(self._accepted, model, None)

    def is_refused(self, model: str) -> bool:
        """Whether the API has said lately that there is no such model."""
        return self._now() < self._refused.get(model, 0.0)

    def is_accepted(self, model: str) -> bool:
        """Whether it has answered, and was not refused since."""
        return model in self._accepted

    def learn(self, model_usage: Mapping[str, Any]) -> None:
        """Take over the sizes in the `modelUsage` of a turn's result."""
        for model, told in model_usage.items():
            window = told.get("contextWindow") if isinstance(told, Mapping) else None
            if isinstance(window, int) and window > 0:
                most = told.get("maxOutputTokens")
                size = ModelSize(window, most if isinstance(most, int) else None)
                _keep(self._sizes, model, size)

    def size(self, model: str) -> ModelSize | None:
        """The size of a model, by its full id; None as long as none of its turns has ended."""
        return self._sizes.get(model)


@attrs.frozen
class Catalogue:
    """The models there are and all names for them.

    aliases: the user's own names, each for any other name here but an alias. That of `*` stands
    for every name that nothing else is known of. memory: what has been learned of models.
    """

    models: Sequence[Model]
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    memory: ModelMemory = attrs.field(factory=lambda: ModelMemory(lambda: 0.0), eq=False)

    def resolve(self, name: str) -> Model:
        """The model that `name` stands for; raises the 404 that lists the names there are.

        What the CLI does not list is resolved too, if it may be a model of Anthropic's.
        """
        known = self._by_name()
        named = self.aliases.get(name) or self.aliases.get(_without_prefix(name))
        meant = named or name
        model = _listed(name, known) or _find(meant, known)
        if model is None and not named and (meant := self.aliases.get(ANY, name)) is not name:
            model = _find(meant, known)
        if model is None:
            raise model_not_found(meant, self.names())
        if self.memory.is_refused(model.value):
            raise model_refused(model.value)
        return model

    def describe(self, name: str) -> Model:
        """The model that `name` stands for, if it is known that there is one; else raises the 404.

        Of one that the CLI does not list that is known when it has answered.
        """
        model = self.resolve(name)
        if model.unlisted and not self.memory.is_accepted(model.value):
            raise model_not_seen(model.value)
        return model

    def size_of(self, model: Model) -> ModelSize | None:
        """The model's size, None while it is not known."""
        return self.memory.size(model.resolved)

    def names(self) -> list[str]:
        """Every name that a list of models shows: full ids, short names, old names, aliases."""
        known = self._by_name()
        ours = [
            alias
            for alias, meant in self.aliases.items()
            if alias != ANY and alias not in known
            if (model := _find(meant, known)) and not self.memory.is_refused(model.value)
        ]
        return [name for name in known if name != DEFAULT] + ours

    def _by_name(self) -> dict[str, Model]:
        # `default` stands for one of the others, whose own entry says more of it.
        specific = sorted(self.models, key=lambda model: model.value == DEFAULT)
        by_name: dict[str, Model] = {}
        for model in specific:
            by_name.setdefault(model.resolved, model)
        for model in specific:
            # The CLI takes no order for its `default`, only for the model behind it.
            by_name.setdefault(model.value, by_name[model.resolved])
        # An answer names its model without the mark, so a client may send it back like this.
        for model in specific:
            by_name.setdefault(model.resolved.removesuffix(LONG_CONTEXT), model)
            by_name.setdefault(model.value.removesuffix(LONG_CONTEXT), model)
        for name, value in ORIGINAL_NAMES.items():
            if value in by_name:
                by_name.setdefault(name, by_name[value])
        return by_name


def _find(name: str, known: Mapping[str, Model]) -> Model | None:
    """The model of a name, which may be a full id that the CLI does not list."""
    bare = _without_prefix(name)
    return _listed(name, known) or (unlisted_model(bare) if FULL_ID.fullmatch(bare) else None)


def _listed(name: str, known: Mapping[str, Model]) -> Model | None:
    """The model of a name that the CLI lists, or its variant with a long context."""
    bare = _without_prefix(name)
    if model := known.get(name) or known.get(bare):
        return model
    base = known.get(bare.removesuffix(LONG_CONTEXT))
    if base is None or not bare.endswith(LONG_CONTEXT):
        return None
    # Not every model has one. The CLI says so.
    return attrs.evolve(
        base,
        value=base.value.removesuffix(LONG_CONTEXT) + LONG_CONTEXT,
        resolved=base.resolved.removesuffix(LONG_CONTEXT) + LONG_CONTEXT,
        unlisted=True,
    )


def _without_prefix(name: str) -> str:
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name


def _keep(remembered: dict[str, T], model: str, value: T) -> None:
    """Remember a value of a model, and forget the oldest if it is one too many."""
    remembered.pop(model, None)
    remembered[model] = value
    if len(remembered) > MOST_REMEMBERED:
        del remembered[next(iter(remembered))]
