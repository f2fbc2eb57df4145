"""Open WebUI with the command that `claudeproxy client` prints. Its installation is very large.

`make test-clients` leaves it out; `make test-clients-large` runs it. It needs curl, and port 3000
must be free. Without a network it has no model for its own search in documents, and says so; chats
do not need one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from .. import demo
from ..conftest import Demo, deadline, printed
from .server import DEADLINE, OpenWebUI, process, text


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


@pytest.fixture(scope="module")
def webui(demo_auto: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenWebUI]:
    root = tmp_path_factory.mktemp("open-webui")
    command = printed(root, "open-webui-pip", demo_auto.url).rstrip()
    with (
        (root / "log").open("w") as log,
        process(["/bin/sh", "-c", f"exec env {command}"], root, stdout=log),
    ):
        yield OpenWebUI("http://127.0.0.1:3000")


def test_a_chat(webui: OpenWebUI) -> None:
    webui.answers()


def test_a_picture_reaches_the_api(webui: OpenWebUI) -> None:
    picture = {"type": "image_url", "image_url": {"url": demo.PIXEL_URL}}
    seen = webui.chat([{"type": "text", "text": "SEEN"}, picture])
    assert demo.images(seen) == [demo.PIXEL_SOURCE]


def test_a_custom_parameter_of_a_model_switches_web_search_on(webui: OpenWebUI) -> None:
    assert cited(webui.stream(demo.SEARCH, model="opus")) == []
    # As the form of a model's advanced parameters stores it.
    parameters = {"custom_params": {"web_search_options": "{}"}}
    webui.ask(
        "/api/v1/models/create",
        {"id": "opus", "base_model_id": None, "name": "opus", "meta": {}, "params": parameters},
    )
    deltas = webui.stream(demo.SEARCH, model="opus")
    assert all(sentence in text(deltas) for sentence, _ in demo.CITED)
    assert cited(deltas) == [url for _, url in demo.CITED]


def test_only_this_machine_reaches_it(webui: OpenWebUI) -> None:
    # It would listen on every address. Linux has all of 127.0.0.0/8.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", 3000), timeout=10).close()


def cited(deltas: list[dict[str, Any]]) -> list[str]:
    """The addresses of the pages that a streamed answer cites."""
    annotations = [each for delta in deltas for each in delta.get("annotations") or []]
    return [each["url_citation"]["url"] for each in annotations]
