"""What is compared: each contender is a server process, or for the floor a bare CLI process.

All of them talk to the same demo API on loopback, with the same CLI and a clean environment.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs

from claudeproxy.cli.launch import CLI, candidates, read_version


PATH = "/usr/local/bin:/usr/bin:/bin"
# What is measured is the checkout that this file is in.
CHECKOUT = str(Path(__file__).resolve().parent.parent)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the port answers; fails if the process ends first."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended")
        time.sleep(0.05)
    raise RuntimeError(f"{process.args} does not answer")


@attrs.define
class Process:
    """A process in a group of its own, which is ended as a whole."""

    popen: subprocess.Popen[bytes]

    @classmethod
    def start(cls, argv: list[str], env: dict[str, str], cwd: Path, **more: Any) -> Process:
        """Start it with just this environment."""
        more = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more}
        return cls(subprocess.Popen(argv, env=env, cwd=cwd, start_new_session=True, **more))

    def stop(self) -> None:
        """End it, and all of its children."""
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, signal.SIGTERM)
            try:
                self.popen.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(self.popen.pid, signal.SIGKILL)

    def tree(self) -> list[int]:
        """It and all of its descendants."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                parents[int(entry.name)] = int(stat[1])
        found = [self.popen.pid]
        for pid in found:
            found.extend(child for child, parent in parents.items() if parent == pid)
        return found

    def private_memory(self) -> int:
        """Bytes that only this tree uses."""
        total = 0
        for pid in self.tree():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))
        return total * 1024

    def cpu(self) -> float:
        """Seconds of CPU that the process itself has used, without its children."""
        tasks = Path(f"/proc/{self.popen.pid}/task").glob("*/schedstat")
        # Nanoseconds, where the kernel counts them; else hundredths of a second must do.
        if precise := sum(int(task.read_text().split()[0]) for task in tasks):
            return precise / 1e9
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@attrs.define
class Demo:
    """The stand-in for Anthropic's API, in a process of its own."""

    process: Process
    port: int

    @classmethod
    def start(cls, home: Path) -> Demo:
        """Start it on a free port."""
        port = free_port()
        argv = [sys.executable, "-m", "claudeproxy.demo", "--port", str(port)]
        env = {"PATH": PATH, "HOME": str(home), "PYTHONPATH": CHECKOUT}
        process = Process.start(argv, env, home)
        wait_for(port, process.popen)
        return cls(process, port)

    def bytes_of_last_request(self) -> int:
        """How large the body of the newest request was, as JSON without white space."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/requests")
        requests = json.loads(connection.getresponse().read())
        connection.close()
        asked = [request for request in requests if request["path"] == "/v1/messages"]
        return len(json.dumps(asked[-1]["body"], separators=(",", ":"), ensure_ascii=False))

    def forget(self) -> None:
        """Empty its list of requests."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("DELETE", "/requests")
        connection.getresponse().read()
        connection.close()


def find_cli(setting: str) -> CLI:
    """The CLI that claudeproxy would find."""
    for path, where in candidates(setting, os.environ):
        asked = subprocess.run([path, "--version"], capture_output=True, timeout=20, check=False)
        if version := read_version(asked.stdout):
            return CLI(path, version, where)
    raise RuntimeError("there is no Claude Code CLI")


def environment(demo: Demo, home: Path) -> dict[str, str]:
    """What every contender gets."""
    return {
        "PATH": PATH,
        "HOME": str(home),
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{demo.port}",
        "ANTHROPIC_API_KEY": "sk-ant-api03-anything",
        "DISABLE_AUTOUPDATER": "1",
        "DISABLE_TELEMETRY": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


@attrs.define
class Server:
    """A contender with an OpenAI-compatible API.

    worker: how claudeproxy served the newest request.
    """

    name: str
    process: Process
    port: int
    model: str = "claude-sonnet-4"
    worker: str = ""

    def ask(self, messages: list[dict[str, str]]) -> Iterator[tuple[float, str]]:
        """Stream an answer: the time of arrival and the text of each delta."""
        for at, delta in self.deltas({"messages": messages}):
            if text := delta.get("content"):
                yield at, text

    def deltas(self, request: dict[str, Any]) -> Iterator[tuple[float, dict[str, Any]]]:
        """Stream the answer to a request: the time of arrival of each delta, and it itself."""
        for at, event in self.events("/v1/chat/completions", request):
            if event["choices"]:
                yield at, event["choices"][0]["delta"]

    def events(self, path: str, request: dict[str, Any]) -> Iterator[tuple[float, Any]]:
        """The data of each event of a stream, and when it arrived."""
        body = json.dumps({"model": self.model, "stream": True, **request})
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            if response.status != 200:
                raise RuntimeError(f"{self.name}: {response.status} {response.read()[:500]!r}")
            self.worker = response.getheader("x-claudeproxy-worker", "")
            for line in response:
                if line.startswith(b"data: {"):
                    event = json.loads(line[6:])
                    if "error" in event:
                        raise RuntimeError(f"{self.name}: {event}")
                    yield time.perf_counter(), event
        finally:
            connection.close()


@attrs.frozen
class Responses:
    """The same server, asked through OpenAI Responses."""

    server: Server
    name = "claudeproxy, Responses"

    @property
    def process(self) -> Process:
        """The server's."""
        return self.server.process

    def ask(self, messages: list[dict[str, str]]) -> Iterator[tuple[float, str]]:
        """Stream an answer, as Server does."""
        for at, event in self.server.events("/v1/responses", {"input": messages}):
            if event["type"] == "response.output_text.delta":
                yield at, event["delta"]


@attrs.frozen
class Messages:
    """The same server, asked through Anthropic Messages."""

    server: Server
    name = "claudeproxy, Messages"

    @property
    def process(self) -> Process:
        """The server's."""
        return self.server.process

    def ask(self, messages: list[dict[str, str]]) -> Iterator[tuple[float, str]]:
        """Stream an answer, as Server does."""
        system, *turns = messages
        request = {"system": system["content"], "messages": turns, "max_tokens": 32_000}
        for at, event in self.server.events("/v1/messages", request):
            if event["type"] == "content_block_delta":
                yield at, event["delta"]["text"]


def claudeproxy(demo: Demo, cli: str, home: Path, *options: str) -> Server:
    """This project's proxy, as it comes unless there are options."""
    port = free_port()
    argv = [
        *(sys.executable, "-m", "claudeproxy", "serve", "--port", str(port), "--cli", cli),
        *("--directory", str(home / "empty")),
        *("--pass-environment", "ANTHROPIC_BASE_URL,ANTHROPIC_API_KEY"),
        *options,
    ]
    env = {**environment(demo, home), "PYTHONPATH": CHECKOUT}
    process = Process.start(argv, env, home)
    wait_for(port, process.popen)
    return Server("claudeproxy", process, port)


def replaced(demo: Demo, cli: str, home: Path, node_modules: Path) -> Server:
    """The npm package claude-max-api-proxy 1.0.0; it looks for `claude` on PATH."""
    port = free_port()
    places = home / "bin"
    places.mkdir(exist_ok=True)
    (places / "claude").symlink_to(cli)
    env = environment(demo, home)
    env["PATH"] = f"{places}:{env['PATH']}"
    script = node_modules / "claude-max-api-proxy" / "dist" / "server" / "standalone.js"
    node = shutil.which("node")
    if node is None or not script.exists():
        raise RuntimeError(f"no node, or no {script}")
    process = Process.start([node, str(script), str(port)], env, home)
    wait_for(port, process.popen)
    return Server("claude-max-api-proxy 1.0.0", process, port)


class Floor:
    """One warm CLI process, driven by nothing but reads and writes."""

    name = "bare CLI (floor)"

    def __init__(self, demo: Demo, argv: list[str], env: dict[str, str], home: Path) -> None:
        self.process = Process.start(
            argv,
            {**environment(demo, home), **env},
            home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._write(
            {
                "type": "control_request",
                "request_id": "init",
                "request": {"subtype": "initialize", "systemPrompt": ["You are brief."]},
            }
        )
        while next(self._read())["type"] != "control_response":
            pass

    def ask(self, messages: list[dict[str, str]]) -> Iterator[tuple[float, str]]:
        """Only the newest message is sent: the process remembers the others."""
        self._write(
            {
                "type": "user",
                "message": {"role": "user", "content": messages[-1]["content"]},
                "parent_tool_use_id": None,
                "client_composed": True,
            }
        )
        for line in self._read():
            if line["type"] == "result":
                return
            if line["type"] == "stream_event":
                text = line["event"].get("delta", {}).get("text")
                if text:
                    yield time.perf_counter(), text

    def _write(self, line: dict[str, Any]) -> None:
        assert self.process.popen.stdin is not None
        self.process.popen.stdin.write(json.dumps(line).encode() + b"\n")
        self.process.popen.stdin.flush()

    def _read(self) -> Iterator[dict[str, Any]]:
        assert self.process.popen.stdout is not None
        for line in self.process.popen.stdout:
            yield json.loads(line)
