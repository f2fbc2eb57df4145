"""Asks the CLI for the usage of the user's plan.

The CLI gets it from Anthropic, which costs no tokens, with one request to
https://api.anthropic.com/api/oauth/usage, whatever ANTHROPIC_BASE_URL says. It does so only for a
login with the scope `user:profile`, and only while CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC is not
set. Otherwise it responds at once with what the latest turns of the process showed, or with nothing
(2.1.197, 2.1.332).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .notices import UsageResponse
from .outbox import Outbox


GET = "get_usage"
# Set for every process; see launch.ALWAYS.
QUIET = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"


def ask(outbox: Outbox) -> None:
    """Send the request. The CLI responds beside a turn too."""
    outbox.control("apply_flag_settings", settings={"env": {QUIET: ""}})
    # The CLI would also look through the transcripts on the disk.
    outbox.control(GET, skip_behaviors=True)


def answered(outbox: Outbox, response: Mapping[str, Any]) -> UsageResponse:
    """Read the response, and take back what held for the request."""
    outbox.control("apply_flag_settings", settings={"env": {QUIET: "1"}})
    told = response.get("response")
    limits = told.get("rate_limits") if isinstance(told, Mapping) else None
    return UsageResponse(limits if isinstance(limits, Mapping) else {})
