"""Asks the CLI how it is logged in, which costs nothing."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from typing import Any

from ...cli import launch, scratch
from ...cli.process import Worker
from ...conversation import Profile
from ...errors import APIError
from ...settings import Settings
from .facts import Login


# With one of them, the CLI would use another account, another address or another cloud.
ELSEWHERE = (
    *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"),
    *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
)
# How the CLI names where a token or a key is from, and what that is.
SOURCES = {
    "CLAUDE_CODE_OAUTH_TOKEN": "the token in CLAUDE_CODE_OAUTH_TOKEN",
    "ANTHROPIC_API_KEY": "the API key in ANTHROPIC_API_KEY, which is billed to an API account",
    "ANTHROPIC_AUTH_TOKEN": "the token in ANTHROPIC_AUTH_TOKEN",
    "apiKeyHelper": "the API key of an apiKeyHelper, which is billed to an API account",
    "claude.ai": "a login with claude.ai",
}


def described(account: Mapping[str, Any]) -> str:
    """The account of an initialize response, as text for the user."""
    parts = []
    if email := account.get("email"):
        parts.append(str(email))
    if plan := account.get("subscriptionType"):
        parts.append(f"plan: {plan}")
    if organization := account.get("organization"):
        parts.append(f"organization: {organization}")
    for name in ("tokenSource", "apiKeySource"):
        source = account.get(name)
        if source not in (None, "none"):
            parts.append(SOURCES.get(str(source), f"by {source}"))
    return ", ".join(parts) or "how is not known"


async def ask_login(
    reactor: Any, cli: launch.CLI, settings: Settings, environ: Mapping[str, str]
) -> Login:
    """Start the CLI as the server does, and ask it for its account."""
    temporary = scratch.make()
    how = launch.Launch.of(cli, settings, environ, temporary)
    worker = Worker(reactor, how, settings.longest_retry, "")
    try:
        worker.start()
        worker.initialize(Profile(), settings.start_timeout)
        ready = await worker.ready
        return Login(ready.logged_in, described(ready.account))
    except APIError as error:
        return Login(False, problem=error.message)
    except OSError as error:
        return Login(False, problem=str(error))
    finally:
        await worker.stop("asked for its login")
        shutil.rmtree(temporary, ignore_errors=True)
