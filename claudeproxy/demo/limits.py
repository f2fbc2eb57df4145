"""The headers in which the API reports the use of a subscription's limits.

Pure.  Times are in seconds since the epoch.
"""

from __future__ import annotations

import math


FIVE_HOURS = 5 * 3600
SEVEN_DAYS = 7 * 24 * 3600

_UNIFIED = "anthropic-ratelimit-unified"


def allowed_headers(now: float, *, warning: bool) -> dict[str, str]:
    """Within the limits; ``warning``: with 0.91 of the five hours' used.

    Without the threshold older CLIs (2.1.197) warn only if less than 0.72 of the window is over.
    """
    end = _end(now, FIVE_HOURS)
    if not warning:
        return _headers(now, end, "allowed", "0.12")
    near = _headers(now, end, "allowed_warning", "0.91")
    return {**near, f"{_UNIFIED}-5h-surpassed-threshold": "0.9"}


def rejected_headers(now: float, seconds: int) -> dict[str, str]:
    """The five hours' limit is reached, for so many seconds more."""
    rejected = _headers(now, math.ceil(now + seconds), "rejected", "1")
    return {**rejected, "retry-after": str(seconds)}


def _headers(now: float, resets_at: int, status: str, used: str) -> dict[str, str]:
    return {
        f"{_UNIFIED}-status": status,
        f"{_UNIFIED}-reset": str(resets_at),
        f"{_UNIFIED}-representative-claim": "five_hour",
        f"{_UNIFIED}-5h-status": status,
        f"{_UNIFIED}-5h-reset": str(resets_at),
        f"{_UNIFIED}-5h-utilization": used,
        f"{_UNIFIED}-7d-status": "allowed",
        f"{_UNIFIED}-7d-reset": str(_end(now, SEVEN_DAYS)),
        f"{_UNIFIED}-7d-utilization": "0.05",
    }


def _end(now: float, length: int) -> int:
    """When the window ends that contains ``now``: each begins where the one before ends."""
    return (math.floor(now / length) + 1) * length
