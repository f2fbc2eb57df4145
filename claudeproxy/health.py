"""What GET /health and GET /health/ready tell, and what the log and the terminal say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger

from . import __version__
from .condition.faults import Reason
from .condition.machine import Condition


class Health:
    """Tells the condition of the CLI, and logs its changes.

    A CLI that does not start is logged where its processes are started.
    """

    log = Logger()

    def __init__(
        self,
        condition: Condition,
        processes: Callable[[], Mapping[str, int]],
        look: Callable[[], None],
        *,
        demo: bool,
    ) -> None:
        """processes: how many there are, by activity. look: looks again for a CLI or a login."""
        self._condition = condition
        self._processes = processes
        self._look = look
        self._demo = demo
        self._since = condition.monotonic()
        self._reason: Reason | None = Reason.STARTING
        self._told = ""
        condition.on_change = self._changed

    def about(self) -> dict[str, Any]:
        """The versions and the state, without a look at the CLI."""
        condition = self._condition
        return {
            "version": __version__,
            "cli": condition.cli_report(),
            "login": condition.login_report(),
            "demo": self._demo,
            "processes": dict(self._processes()),
            "uptime": round(condition.monotonic() - self._since, 1),
        }

    def readiness(self) -> dict[str, Any]:
        """Whether the server can answer requests; if not, it is looked at again meanwhile."""
        self._look()
        return {**self._condition.report(), **self.about()}

    def welcome(self, url: str, *, with_key: bool = False) -> str:
        """The message for the user who started the server, when it has looked for the CLI.

        with_key: whether clients need an API key.
        """
        cli = self._condition.cli
        if cli is None or self._condition.reason in _BROKEN:
            return (
                f"claudeproxy is listening on {url}/v1, but cannot answer yet. "
                f"{self._condition.message}\nStatus page: {url}/"
            )
        header = ' -H "Authorization: Bearer $KEY"' if with_key else ""
        try_it = "Try it, with KEY set to one of your API keys:" if with_key else "Try it:"
        key = "one of your API keys" if with_key else "any API key"
        return f"""
claudeproxy {__version__} is listening on {url}/v1
Claude Code {cli.version}: {cli.path} ({cli.where})
{self._state()}
Status page: {url}/

{try_it}
  curl {url}/v1/chat/completions -H 'Content-Type: application/json'{header} \\
    -d '{{"model": "sonnet", "messages": [{{"role": "user", "content": "Hello!"}}]}}'

For an OpenAI client: base URL {url}/v1, {key}. Press Ctrl-C to stop.
"""

    def login(self) -> str:
        """A sentence about the login."""
        if self._demo:
            return "No login is needed."
        state = self._condition.login_report()["state"]
        return _UNSURE.get(state) or self._logged_in()

    def _state(self) -> str:
        if self._demo:
            return "Demo: a built-in stand-in answers instead of Claude. No login is needed."
        if self._condition.reason is not None:
            return f"NOT READY: {self._condition.message}"
        return self._logged_in()

    def _logged_in(self) -> str:
        login = self._condition.login
        by = None if login is None else _BY.get(login.by or "")
        return f"Logged in ({by.format(plan=login.plan)})." if by and login else "Logged in."

    def _changed(self) -> None:
        """Log a new condition: each sentence once until the condition is good again."""
        before, reason = self._reason, self._condition.reason
        self._reason = reason
        if reason is before or reason in (Reason.STARTING, Reason.STOPPING):
            return
        if reason is None:
            if self._told:
                self._told = ""
                self.log.info("Requests can be answered again.")
            return
        error = self._condition.error
        starts_failed = reason is Reason.CLI_BROKEN and self._condition.cli is not None
        if error is not None and error.message != self._told and not starts_failed:
            self._told = error.message
            self.log.error("{sentence}", sentence=error.message)


_BROKEN = (Reason.NO_CLI, Reason.CLI_TOO_OLD, Reason.CLI_BROKEN)
_UNSURE = {"no": "The CLI is not logged in.", "unknown": "The login is not known yet."}
_BY = {
    "plan": "plan: {plan}",
    "token": "by CLAUDE_CODE_OAUTH_TOKEN",
    "key": "by an API key",
    "provider": "by another provider",
}
