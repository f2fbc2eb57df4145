"""Model names: which names a client may use, and which model of the CLI each one means.

The list of models comes from the CLI (the `models` of its initialize response, which costs no
tokens), so a new model is available as soon as the CLI lists it. The CLI also accepts full model
ids that it does not list. Only the API knows whether such a model exists. All other names are
refused, because a wrong guess would use up the user's plan with the wrong model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import attrs

from .conversation import Limits
from .errors import APIError, model_not_found, model_not_seen
from .remembered import Remembered, keep


# The names of claude-max-api-proxy 1.0.0, which many clients are configured with.
ORIGINAL_NAMES = {
    "claude-opus-4": "opus",
    "claude-sonnet-4": "sonnet",
    "claude-haiku-4": "haiku",
}
# Prefixes by which clients choose a provider.
PREFIXES = ("openai/", "anthropic/", "claude-code-cli/", "claude-max/")
DEFAULT = "default"
LEAST_BUDGET = 1024
EFFORTS = ("low", "medium", "high", "xhigh", "max")
# The CLI's suffix for the variant with a context window of a million tokens. Version 2.1.197 lists
# some models in this variant only.
LONG_CONTEXT = "[1m]"
# A full model id, which the CLI accepts whether it lists the model or not.
FULL_ID = re.compile(r"claude-[A-Za-z0-9][A-Za-z0-9.-]{0,56}(?:\[1m\])?")
# The alias for all names that are otherwise unknown.
ANY = "*"
# How many seconds a model is refused after the API has said that it does not exist.
REFUSED_FOR = 600.0


@attrs.frozen
class Model:
    """One model.

    value: the CLI's name for it. resolved: its full id at Anthropic. efforts: the effort levels
    that it supports. adaptive: it decides itself how much to think, so thinking needs no token
    budget. unlisted: the CLI does not list it.
    """

    value: str
    resolved: str
    efforts: tuple[str, ...] = ()
    adaptive: bool = True
    unlisted: bool = False

    @property
    def has_output_format(self) -> bool:
        """Whether the API can make its answers match a schema.

        Models of version 4.5 and newer have this ("Structured outputs"). An id without a version
        counts as new.
        """
        version = _version(self.resolved)
        return not version or version >= (4, 5)

    def adapt(self, limits: Limits) -> Limits:
        """Return the limits without those that this model does not support."""
        # The API requires a thinking budget of at least 1024 tokens, and max_tokens above the
        # budget (seen as a 400 on 2.1.197).
        no_room = not self.adaptive and (limits.max_tokens or LEAST_BUDGET + 1) <= LEAST_BUDGET
        thinking = limits.thinking and not no_room
        # Adaptive models accept no sampling parameters. The others accept one of the two, and only
        # without thinking (Messages API, "Extended thinking").
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
        """The wanted level, or else the highest level below it that the model supports."""
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
    """Return a model that the CLI does not list, with assumed properties.

    They are what the CLI itself assumes (seen on 2.1.332 in its requests to the API):

        version            thinking    effort
        4.6 and newer      adaptive    low, medium, high
        4.5, opus          budgeted    low, medium, high
        4.5 and older      budgeted    none

    An id without a version counts as new.
    """
    version = _version(full_id)
    adaptive = not version or version >= (4, 6)
    has_effort = adaptive or (version == (4, 5) and "opus" in full_id)
    efforts = ("low", "medium", "high") if has_effort else ()
    return Model(full_id, full_id, efforts, adaptive=adaptive, unlisted=True)


def _version(full_id: str) -> tuple[int, ...]:
    """The version in a full model id; () if it has none."""
    words = re.split(r"[-.\[]", full_id.removeprefix("claude-"))
    return tuple(int(word) for word in words if re.fullmatch(r"\d{1,2}", word))[:2]


@attrs.frozen
class ModelSize:
    """A model's context window, and the most tokens that one answer can have."""

    context_window: int
    max_tokens: int | None = None


class ModelMemory:
    """What the server has learned about models since it started, by the CLI's names for them."""

    def __init__(self, now: Callable[[], float]) -> None:
        """now: returns the time in seconds, from a monotonic clock."""
        self._refused = Remembered[str, APIError](now, REFUSED_FOR)
        self._accepted: dict[str, None] = {}
        self._sizes: dict[str, ModelSize] = {}

    def refuse(self, model: str, error: APIError) -> None:
        """Remember the 404 by which the API or the CLI has refused the model."""
        self._accepted.pop(model, None)
        self._refused.keep(model, error)

    def accept(self, model: str) -> None:
        """Remember that a model that the CLI does not list has answered."""
        self._refused.forget(model)
        keep(self._accepted, model, None)

    def refusal(self, model: str) -> APIError | None:
        """The error by which the model was refused recently."""
        return self._refused.get(model)

    def is_accepted(self, model: str) -> bool:
        """Whether the model has answered and has not been refused since."""
        return model in self._accepted

    def learn(self, model_usage: Mapping[str, Any]) -> None:
        """Remember the sizes in the `modelUsage` of a turn's result."""
        for model, told in model_usage.items():
            window = told.get("contextWindow") if isinstance(told, Mapping) else None
            if isinstance(window, int) and window > 0:
                most = told.get("maxOutputTokens")
                size = ModelSize(window, most if isinstance(most, int) else None)
                keep(self._sizes, model, size)

    def size(self, model: str) -> ModelSize | None:
        """The size of the model with this full id; None until one of its turns has ended."""
        return self._sizes.get(model)


@attrs.frozen
class Catalogue:
    """The available models and all names for them.

    aliases: names that the user has configured, each with the name that it stands for, which
    cannot be another alias. The alias `*` stands for every name that is otherwise unknown.
    memory: what the server has learned about models.
    """

    models: Sequence[Model]
    aliases: Mapping[str, str] = attrs.field(factory=dict)
    memory: ModelMemory = attrs.field(factory=lambda: ModelMemory(lambda: 0.0), eq=False)

    def resolve(self, name: str) -> Model:
        """Return the model that `name` stands for; raise a 404 that lists the known ones.

        A model that the CLI does not list is returned too, if `name` has the form of a full id.
        """
        known = self._by_name()
        named = self.aliases.get(name) or self.aliases.get(_without_prefix(name))
        meant = named or name
        model = _listed(name, known) or _find(meant, known)
        if model is None and not named and (meant := self.aliases.get(ANY, name)) is not name:
            model = _find(meant, known)
        if model is None:
            raise model_not_found(meant, self.names())
        if (refusal := self.memory.refusal(model.value)) is not None:
            # A traceback that grows must not be kept with it.
            raise attrs.evolve(refusal)
        return model

    def has_name(self, name: str) -> bool:
        """Whether `name`, which `resolve` accepts, is a model's, and not only matched by `*`."""
        if ANY not in self.aliases:
            return True
        aliases = {name, _without_prefix(name)} & self.aliases.keys() - {ANY}
        return bool(aliases) or _find(name, self._by_name()) is not None

    def describe(self, name: str) -> Model:
        """Return the model that `name` stands for; raise a 404 unless it is known to exist.

        A model that the CLI does not list is known to exist once it has answered.
        """
        model = self.resolve(name)
        if model.unlisted and not self.memory.is_accepted(model.value):
            raise model_not_seen(model.value)
        return model

    def size_of(self, model: Model) -> ModelSize | None:
        """The model's size, or None if it is not known yet."""
        return self.memory.size(model.resolved)

    def names(self) -> list[str]:
        """Every name that a list of models shows: full ids, short names, old names, aliases."""
        known = self._by_name()
        ours = [
            alias
            for alias, meant in self.aliases.items()
            if alias != ANY and alias not in known
            if (model := _find(meant, known)) and self.memory.refusal(model.value) is None
        ]
        return [name for name in known if name != DEFAULT] + ours

    def _by_name(self) -> dict[str, Model]:
        # `default` stands for one of the other models, whose own entry has more details.
        specific = sorted(self.models, key=lambda model: model.value == DEFAULT)
        by_name: dict[str, Model] = {}
        for model in specific:
            by_name.setdefault(model.resolved, model)
        for model in specific:
            # The CLI can be told to use the model that `default` stands for, but not `default`.
            by_name.setdefault(model.value, by_name[model.resolved])
        # An answer names its model without the suffix, so a client may send this name back.
        for model in specific:
            by_name.setdefault(model.resolved.removesuffix(LONG_CONTEXT), model)
            by_name.setdefault(model.value.removesuffix(LONG_CONTEXT), model)
        for name, value in ORIGINAL_NAMES.items():
            if value in by_name:
                by_name.setdefault(name, by_name[value])
        return by_name


def _find(name: str, known: Mapping[str, Model]) -> Model | None:
    """Return the model with this name, which may be a full id that the CLI does not list."""
    bare = _without_prefix(name)
    return _listed(name, known) or (unlisted_model(bare) if FULL_ID.fullmatch(bare) else None)


def _listed(name: str, known: Mapping[str, Model]) -> Model | None:
    """Return the model with this name from the CLI's list, or its long-context variant."""
    bare = _without_prefix(name)
    if model := known.get(name) or known.get(bare):
        return model
    base = known.get(bare.removesuffix(LONG_CONTEXT))
    if base is None or not bare.endswith(LONG_CONTEXT):
        return None
    # Not every model has such a variant. The CLI reports an error if there is none.
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
