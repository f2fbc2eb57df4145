"""Whether a client wants the page or the JSON of `GET /`."""

from __future__ import annotations


def wants_page(accept: str | None) -> bool:
    """Whether an Accept header names HTML, and prefers no JSON to it.

    Browsers name it. Other clients name JSON or anything (`*/*`), or nothing at all.
    """
    weights = dict(map(_read, (accept or "").lower().split(",")))
    html = weights.get("text/html", 0.0)
    return html > 0 and html >= weights.get("application/json", 0.0)


def _read(part: str) -> tuple[str, float]:
    name, *parameters = [piece.strip() for piece in part.split(";")]
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 0.0
    return name, 1.0
