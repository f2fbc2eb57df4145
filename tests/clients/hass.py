"""A Home Assistant of its own, and what a test asks of it by its REST and WebSocket API."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import aiohttp

from .conftest import Output, started


# It compiles its own modules at its first start.
DEADLINE = 300.0
LAMP = "input_boolean.lamp"
USER = {"name": "Me", "username": "me", "password": "a-Secret-1", "language": "en"}
CONFIGURATION = """\
http:
  server_host: 127.0.0.1
  server_port: {port}
input_boolean:
  lamp:
    name: Lamp
logger:
  default: warning
  logs:
    homeassistant.bootstrap: info
recorder:
"""

Form = dict[str, Any]
Values = Mapping[str, Any]


class Hass:
    """One that runs, asked as its first user."""

    def __init__(self, origin: str, output: Output) -> None:
        self._origin = origin
        self._token = ""
        self.output = output

    def onboard(self) -> None:
        """Makes the first user, as the page of a new Home Assistant does."""
        client = f"{self._origin}/"
        code = self.post("/api/onboarding/users", client_id=client, **USER)["auth_code"]
        asked = {"grant_type": "authorization_code", "code": code, "client_id": client}
        self._token = self._ask("/auth/token", urlencode(asked).encode())["access_token"]

    def get(self, path: str) -> Any:
        return self._ask(path, None)

    def post(self, path: str, **body: Any) -> Any:
        return self._ask(path, json.dumps(body).encode(), "application/json")

    def _ask(self, path: str, data: bytes | None, content_type: str = "") -> Any:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        if content_type:
            headers["Content-Type"] = content_type
        try:
            with urlopen(Request(f"{self._origin}{path}", data, headers)) as answer:
                return json.load(answer)
        except HTTPError as error:
            error.add_note(error.read().decode())
            raise

    def tell(self, command: str, **fields: Any) -> Any:
        """The result of a command of the WebSocket API."""
        return self.listen(command, **fields)[0]["result"]

    def listen(self, command: str, until: str = "", **fields: Any) -> list[Any]:
        """The result of a command, and its events up to the one of the type `until`."""
        return asyncio.run(self._listen({"id": 1, "type": command, **fields}, until))

    async def _listen(self, command: Form, until: str) -> list[Any]:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{self._origin}/api/websocket") as connection,
        ):
            assert (await connection.receive_json())["type"] == "auth_required"
            await connection.send_json({"type": "auth", "access_token": self._token})
            assert (await connection.receive_json())["type"] == "auth_ok"
            await connection.send_json(command)
            result = await connection.receive_json()
            assert result["success"], result
            said = [result]
            while until and said[-1].get("type") != until:
                said.append((await connection.receive_json())["event"])
            return said

    def add(self, integration: str, values: Values) -> tuple[str, Values]:
        """Adds an integration, with the values for the fields of these titles.

        Its id, and the values that it has not asked for.
        """
        path = "/api/config/config_entries/flow"
        form = self.post(path, handler=integration)
        left = values
        while form["type"] == "form":
            form, left = self._fill_in(path, f"{integration}.config", form, left)
        assert form["type"] == "create_entry", form
        return form["result"]["entry_id"], left

    def add_agent(self, entry: str, integration: str, values: Values, **of: str) -> Values:
        """Adds an agent, or changes the one whose `subentry_id` is given."""
        path = "/api/config/config_entries/subentries/flow"
        form = self.post(path, handler=[entry, "conversation"], **of)
        part = f"{integration}.config_subentries.conversation"
        form, left = self._fill_in(path, part, form, values)
        assert form["type"] == "create_entry" or form["reason"] == "reconfigure_successful", form
        # It reloads the integration by itself too, but does not say when it has.
        self.post(f"/api/config/config_entries/entry/{entry}/reload")
        return left

    def _fill_in(self, path: str, part: str, form: Form, values: Values) -> tuple[Form, Values]:
        """Sends a form: what comes after it, and the values that are not for it."""
        names = self._fields(part, form)
        asked = {names[title]: value for title, value in values.items() if title in names}
        after = self.post(f"{path}/{form['flow_id']}", **asked)
        assert not after.get("errors"), after
        return after, {title: v for title, v in values.items() if title not in names}

    def _fields(self, part: str, form: Form) -> dict[str, str]:
        """The names of a form's fields by their titles: the names, where there are none."""
        integration, category = part.split(".")[:2]
        titles = self.tell(
            "frontend/get_translations",
            language="en",
            category=category,
            integration=[integration],
            config_flow=True,
        )["resources"]
        start = f"component.{part}.step.{form['step_id']}.data"
        names = [field["name"] for field in form["data_schema"]]
        return {titles.get(f"{start}.{name}", name): name for name in names}

    def agent(self) -> str:
        """The only agent but Home Assistant's own."""
        agents = self.tell("conversation/agent/list")["agents"]
        (found,) = [a["id"] for a in agents if a["id"] != "conversation.home_assistant"]
        return str(found)

    def expose(self, entity: str) -> None:
        """Lets assistants see and switch it."""
        self.tell(
            "homeassistant/expose_entity",
            assistants=["conversation"],
            entity_ids=[entity],
            should_expose=True,
        )

    def say(self, text: str, **more: str) -> tuple[str, str]:
        """What the agent answers, and the id of the conversation."""
        answer = self.post("/api/conversation/process", text=text, agent_id=self.agent(), **more)
        return answer["response"]["speech"]["plain"]["speech"], answer["conversation_id"]

    def state(self, entity: str) -> str:
        return str(self.get(f"/api/states/{entity}")["state"])

    def errors(self, integration: str) -> list[str]:
        """The errors of an integration in the log. Others have some, without a network."""
        found = re.compile(rf"(ERROR|CRITICAL) .*\.{integration}\b")
        return [line for line in self.output.lines if found.search(line)]


@contextmanager
def hass(root: Path, integration: Path | None = None) -> Iterator[Hass]:
    """A new one with a lamp, in a directory of its own; `integration` is a custom one's folder."""
    config = root / "config"
    config.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (config / "configuration.yaml").write_text(CONFIGURATION.format(port=port), "utf-8")
    if integration is not None:
        (config / "custom_components").mkdir()
        (config / "custom_components" / integration.name).symlink_to(integration)
    command = [Path(sys.prefix) / "bin" / "hass", "--config", config]
    env = {"HOME": str(root), "PATH": "/usr/bin:/bin"}
    output = Output()
    begins = r".*Home Assistant initialized.*\n"
    try:
        with started(command, env, root, output, begins, DEADLINE) as (server, _):
            home = Hass(f"http://127.0.0.1:{port}", output)
            home.onboard()
            yield home
            server.send_signal(signal.SIGTERM)
            server.wait(DEADLINE)
    finally:
        # Shown if the test fails.
        print("".join(output.lines))
