"""What a CLI process tells of its login when it starts (`account` in its initialize response)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs


NONE = (None, "", "none")
# The fields that tell one account from another.
WHO = ("email", "organization", "subscriptionType", "tokenSource", "apiKeySource", "apiProvider")
PLAN = re.compile(r"[\w .-]{1,40}", re.ASCII)


@attrs.frozen
class Login:
    """The login that a process has found; it may be expired or revoked.

    there: whether there is one. by: `plan`, `token`, `key` or `provider`; None if unknown. plan:
    the name of the plan, if the CLI tells it. who: which account it is. That may hold an e-mail
    address, so it is compared but never shown.
    """

    there: bool
    by: str | None = None
    plan: str | None = None
    who: tuple[tuple[str, str], ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, account: Mapping[str, Any]) -> Login:
        """Read the `account` of an initialize response (seen on 2.1.197 to 2.1.332).

        A login that is only in `.credentials.json` has `subscriptionType` and nothing else.
        """
        told = {name: str(account[name]) for name in WHO if account.get(name) not in NONE}
        plan = told.get("subscriptionType")
        by = None
        if told.get("apiProvider", "firstParty") != "firstParty":
            # Bedrock and the like: the CLI itself needs no login then.
            by = "provider"
        elif plan is not None or "email" in told:
            by = "plan"
        elif "tokenSource" in told:
            by = "token"
        elif "apiKeySource" in told:
            by = "key"
        shown = plan if plan is not None and PLAN.fullmatch(plan) else None
        return cls(by is not None, by, shown, tuple(sorted(told.items())))
