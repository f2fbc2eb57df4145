"""Implements stop sequences of white space only, which the API refuses."""

from __future__ import annotations

from collections.abc import Iterable


class StopCutter:
    """Cuts a text that comes in pieces at the first stop sequence."""

    def __init__(self, stops: Iterable[str] = ()) -> None:
        """stops: all stop sequences. Those with other characters are left to the API."""
        self._stops = tuple(stop for stop in stops if not stop.strip())
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """Return the text that is certainly before any stop sequence."""
        if not self._stops:
            return text
        text = self._held + text
        # The sequence that ends first counts, so that the result does not depend on the pieces.
        found = [
            (place + len(stop), place, stop)
            for stop in self._stops
            if (place := text.find(stop)) >= 0
        ]
        if found:
            _, place, self.found = min(found)
            self._held = ""
            return text[:place]
        kept = max(self._begun(text, stop) for stop in self._stops)
        self._held = text[len(text) - kept :]
        return text[: len(text) - kept]

    def flush(self) -> str:
        """Return the text that was held back, at the end of the input."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _begun(text: str, stop: str) -> int:
        """The length of the longest beginning of the stop sequence that the text ends with."""
        return next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)
