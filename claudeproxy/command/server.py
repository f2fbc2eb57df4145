"""One request to the server that the settings describe."""

from __future__ import annotations

import http.client
import json
from typing import Any

import attrs
import click

from ..settings import Settings


TIMEOUT = 30.0
# Where a server that listens on every address can be reached on this machine.
LOCAL = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class Unreachable(Exception):
    """There is no server, or it is something else; the message says which."""


@attrs.frozen
class Answer:
    """The status and the JSON of an answer."""

    status: int
    body: Any

    def check(self) -> None:
        """Raise a ClickException with the server's message if it is an error."""
        if self.status == 401:
            raise click.ClickException(
                f"{self.message} This command takes the first key in CLAUDEPROXY_KEYS, or in the "
                "settings `keys` and `keys_file`."
            )
        if self.status >= 400:
            raise click.ClickException(self.message or f"The server answered {self.status}.")

    @property
    def message(self) -> str:
        """The message of an error, "" if there is none."""
        error = self.body.get("error") if isinstance(self.body, dict) else None
        message = error.get("message") if isinstance(error, dict) else None
        return message if isinstance(message, str) else ""


def address(settings: Settings) -> tuple[str, int]:
    """Where to reach the server."""
    return LOCAL.get(settings.interface, settings.interface), settings.port


def url(settings: Settings) -> str:
    """The same as a URL."""
    host, port = address(settings)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def ask(settings: Settings, path: str, timeout: float = TIMEOUT) -> Answer:
    """GET a path; raises Unreachable. With API keys in the settings, the first one is sent."""
    host, port = address(settings)
    key = next(iter(settings.keys.values()), None)
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {key}"} if key else {})
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    except (ValueError, http.client.HTTPException):
        raise Unreachable(f"What listens on {url(settings)} is not claudeproxy.") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise Unreachable(f"No server answers on {url(settings)}: {why}.") from None
    finally:
        connection.close()
