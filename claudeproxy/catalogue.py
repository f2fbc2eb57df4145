"""Model names: what a client may say, and what the CLI calls it.

The models come from the CLI itself (the `models` of its initialize response, no tokens spent),
so a new model is there on the day the CLI knows it. A name that is not known is refused, never
guessed at: a wrong guess would spend the user's plan on the wrong model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from .conversation import Limits
from .errors import model_not_found


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


@attrs.frozen
class Model:
    """One model of the CLI's: `value` is the CLI's short name, `resolved` Anthropic's full id.

    adaptive: it decides itself how much to think, so thinking needs no budget of tokens.
    """

    value: str
    resolved: str
    efforts: tuple[str, ...] = ()
    adaptive: bool = True

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


@attrs.frozen
class Catalogue:
    """The models there are and all names for them.

    aliases: the user's own names, each for any other name here but an alias.
    """

    models: Sequence[Model]
    aliases: Mapping[str, str] = attrs.field(factory=dict)

    def resolve(self, name: str) -> Model:
        """The model that `name` stands for; raises the 404 that lists the names there are."""
        bare = _without_prefix(name)
        known = self._by_name()
        meant = self.aliases.get(name) or self.aliases.get(bare) or name
        for candidate in (name, bare, meant, _without_prefix(meant)):
            if candidate in known:
                return known[candidate]
        raise model_not_found(meant, self.names())

    def names(self) -> list[str]:
        """Every name that a list of models shows: full ids, short names, old names, aliases."""
        known = self._by_name()
        ours = [
            alias
            for alias, model in self.aliases.items()
            if alias not in known and _without_prefix(model) in known
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


def _without_prefix(name: str) -> str:
    for prefix in PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name
