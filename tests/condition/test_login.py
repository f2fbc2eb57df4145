"""What is read of the account that a CLI process tells."""

from __future__ import annotations

from typing import Any

import pytest

from claudeproxy.condition.login import Login


@pytest.mark.parametrize(
    ("account", "there", "by", "plan"),
    [
        ({}, False, None, None),
        ({"tokenSource": "none", "apiProvider": "firstParty"}, False, None, None),
        ({"tokenSource": None, "apiKeySource": "none"}, False, None, None),
        # A login that is only in .credentials.json.
        (
            {"subscriptionType": "Claude Max", "apiProvider": "firstParty"},
            *(True, "plan", "Claude Max"),
        ),
        ({"email": "a@b", "subscriptionType": "max"}, True, "plan", "max"),
        ({"email": "a@b"}, True, "plan", None),
        ({"tokenSource": "CLAUDE_CODE_OAUTH_TOKEN"}, True, "token", None),
        ({"tokenSource": "none", "apiKeySource": "ANTHROPIC_API_KEY"}, True, "key", None),
        ({"tokenSource": "none", "apiProvider": "bedrock"}, True, "provider", None),
        ({"subscriptionType": "someone@example.org"}, True, "plan", None),
    ],
)
def test_what_an_account_is(account: dict[str, Any], there: bool, by: str, plan: str) -> None:
    login = Login.of(account)
    assert (login.there, login.by, login.plan) == (there, by, plan)
    assert "@" not in repr(login)


def test_two_accounts_of_one_plan_differ() -> None:
    first, second = ({"email": name, "subscriptionType": "max"} for name in ("a@b", "c@d"))
    assert Login.of(first) != Login.of(second)
    assert Login.of(first) == Login.of({**first, "somethingElse": 1})
