"""n8n with the values that `claudeproxy client` prints. Its installation is very large.

`make test-clients` leaves it out; `make test-clients-large` runs it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .. import demo
from ..conftest import Settings, deadline


PREFIX = Path(sys.prefix)
# It makes its database first, which takes most of a minute.
DEADLINE = 300.0
# What the credential calls the fields of its form.
FIELDS = {"API Key": "apiKey", "Base URL": "url"}


@pytest.fixture(autouse=True)
def in_time(url: str) -> Iterator[None]:
    with deadline("a test's end", DEADLINE):
        yield


def workflow(text: str) -> dict[str, Any]:
    """A workflow of a trigger, and a chain whose model uses the credential."""
    langchain = "@n8n/n8n-nodes-langchain"
    model = {"__rl": True, "mode": "id", "value": demo.MODEL}
    nodes: list[dict[str, Any]] = [
        {"name": "Start", "type": "n8n-nodes-base.manualTrigger", "typeVersion": 1},
        {
            "name": "Chain",
            "type": f"{langchain}.chainLlm",
            "typeVersion": 1.7,
            "parameters": {"promptType": "define", "text": text},
        },
        {
            "name": "Model",
            "type": f"{langchain}.lmChatOpenAi",
            "typeVersion": 1.2,
            "parameters": {"model": model, "options": {}},
            "credentials": {"openAiApi": {"id": "claudeproxy", "name": "claudeproxy"}},
        },
    ]
    to_chain: dict[str, Any] = {"node": "Chain", "index": 0}
    return {
        "id": "trial",
        "name": "trial",
        "active": False,
        "settings": {"executionOrder": "v1"},
        "nodes": [
            {"id": node["name"], "position": [0, 0], "parameters": {}, **node} for node in nodes
        ],
        "connections": {
            "Start": {"main": [[{**to_chain, "type": "main"}]]},
            "Model": {"ai_languageModel": [[{**to_chain, "type": "ai_languageModel"}]]},
        },
    }


def test_a_chain_with_its_chat_model(settings: Settings, tmp_path: Path) -> None:
    values = dict(line.split(": ") for line in settings("n8n").splitlines())
    credential = {
        "id": "claudeproxy",
        "name": "claudeproxy",
        "type": "openAiApi",
        "data": {FIELDS[name]: value for name, value in values.items()},
    }

    def n8n(*arguments: str) -> str:
        return subprocess.run(
            [PREFIX / "node_modules" / ".bin" / "n8n", *arguments],
            env={
                "HOME": str(tmp_path),
                "N8N_DIAGNOSTICS_ENABLED": "false",
                "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
                "PATH": f"{PREFIX / 'bin'}:/usr/bin:/bin",
            },
            cwd=tmp_path,
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout

    (tmp_path / "credential.json").write_text(json.dumps([credential]))
    (tmp_path / "workflow.json").write_text(json.dumps([workflow(demo.SAY)]))
    n8n("import:credentials", "--input=credential.json")
    n8n("import:workflow", "--input=workflow.json")
    printed = n8n("execute", "--id=trial", "--rawOutput")
    done = json.JSONDecoder().raw_decode(printed, printed.index('{\n  "data"'))[0]
    assert done["status"] == "success"
    (chain,) = done["data"]["resultData"]["runData"]["Chain"]
    assert chain["data"]["main"][0][0]["json"] == {"text": demo.TEXT}
