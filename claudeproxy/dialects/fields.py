"""An object of a request that has been checked, and where it stands in the request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..errors import APIError, bad_request


@attrs.frozen
class Fields:
    """A JSON object; `path` is its place in the request, "" for the request itself.

    The request was held against its declaration before, so values are of their types here. `null`
    is absent.
    """

    value: Mapping[str, Any]
    path: str = ""

    def where(self, name: str) -> str:
        """The full name of a field, as in `messages[0].role`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.value.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, `default` if it is not there."""
        value = self.value.get(name)
        return default if value is None else value

    def child(self, name: str) -> Fields:
        """The object in a field; one with nothing in it if it is not there."""
        return Fields(self.get(name, {}), self.where(name))

    def children(self, name: str) -> Iterator[Fields]:
        """The objects of an array, each with its place in the path; none if it is not there."""
        items = self.value.get(name)
        if items:
            where = self.where(name)
            for index, item in enumerate(items):
                yield Fields(item, f"{where}[{index}]")

    def invalid(self, name: str, why: str, code: str | None = "invalid_value") -> APIError:
        """The 400 for a value whose type is right: `why` is a clause without a full stop."""
        where = self.where(name)
        return bad_request(f"Invalid '{where}': {why}.", where, code)

    def missing(self, name: str) -> APIError:
        """The 400 for a field that must be there for a reason that no declaration can say."""
        where = self.where(name)
        return bad_request(
            f"Missing required parameter: '{where}'.", where, "missing_required_parameter"
        )
