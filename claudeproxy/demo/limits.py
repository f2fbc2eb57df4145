"""The headers in which the API reports the use of a subscription's limits.

Pure.  Times are in seconds since the epoch.
"""

from __future__ import annotations

import math


FIVE_HOURS = 5 * 3600
SEVEN_DAYS = 7 * 24 * 3600

_UNIFIED = "anthropic-ratelimit-unified"


def allowed_headers(now: float, *, warning: bool) -> dict[str, str]:
    """Within the limits; ``warning``: with 0.91 of the five hours' used."""
    status = "allowed_warning" if warning else "allowed"
    five, seven = str(math.ceil(now + FIVE_HOURS)), str(math.ceil(now + SEVEN_DAYS))
    return {
        f"{_UNIFIED}-status": status,
        f"{_UNIFIED}-reset": five,
        f"{_UNIFIED}-representative-claim": "five_hour",
        f"{_UNIFIED}-5h-status": status,
        f"{_UNIFIED}-5h-reset": five,
        f"{_UNIFIED}-5h-utilization": "0.91" if warning else "0.12",
        f"{_UNIFIED}-7d-status": "allowed",
        f"{_UNIFIED}-7d-reset": seven,
        f"{_UNIFIED}-7d-utilization": "0.05",
    }


def rejected_headers(now: float, seconds: int) -> dict[str, str]:
    """The five hours' limit is reached, for so many seconds more."""
    return {
        f"{_UNIFIED}-status": "rejected",
        f"{_UNIFIED}-reset": str(math.ceil(now + seconds)),
        f"{_UNIFIED}-representative-claim": "five_hour",
        "retry-after": str(seconds),
    }
