"""Stop sequences of white space only, which the API refuses: the text is cut here."""

from __future__ import annotations

from collections.abc import Iterable


class StopCutter:
    """Cuts a text that comes in pieces at the first of some sequences."""

    def __init__(self, stops: Iterable[str] = ()) -> None:
        """Those with more than white space in them are the API's own business."""
        self._stops = tuple(stop for stop in stops if not stop.strip())
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """The text that is sure not to be part of a stop sequence, up to the first one."""
        if not self._stops:
            return text
        text = self._held + text
        # The one that is complete first, however the text is cut into pieces.
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
        """What was held back and turned out to be text."""
        held, self._held = self._held, ""
        return held

    @staticmethod
    def _begun(text: str, stop: str) -> int:
        """How much of the stop sequence the text ends with."""
        return next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)
