"""Access to an object in a checked request, with its path for error messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..errors import APIError, bad_request


@attrs.frozen
class Fields:
    """A JSON object. `path` is its place in the request, "" for the request itself.

    The request has been checked against its declaration, so all values have the declared types.
    `null` means that a field is absent.
    """

    value: Mapping[str, Any]
    path: str = ""

    def where(self, name: str) -> str:
        """The full name of a field, as in `messages[0].role`."""
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        """Whether the field is present and not null."""
        return self.value.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a field, or `default` if it is absent."""
        value = self.value.get(name)
        return default if value is None else value

    def child(self, name: str) -> Fields:
        """The object in a field, or an empty one if the field is absent."""
        return Fields(self.get(name, {}), self.where(name))

    def children(self, name: str) -> Iterator[Fields]:
        """Yield the objects of an array, each with its path; nothing if the array is absent."""
        items = self.value.get(name)
        if items:
            where = self.where(name)
            for index, item in enumerate(items):
                yield Fields(item, f"{where}[{index}]")

    def invalid(self, name: str, why: str, code: str | None = "invalid_value") -> APIError:
        """Return the 400 for a value of the right type. `why` is a clause without a full stop."""
        where = self.where(name)
        return bad_request(f"Invalid '{where}': {why}.", where, code)

    def missing(self, name: str) -> APIError:
        """Return the 400 for a field whose absence the declaration cannot rule out."""
        where = self.where(name)
        return bad_request(
            f"Missing required parameter: '{where}'.", where, "missing_required_parameter"
        )
