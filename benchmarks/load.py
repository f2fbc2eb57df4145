"""Loads claudeproxy beyond its bounds and looks at what stays behind.

    python benchmarks/load.py [--streams 200] [--row 2000] [--write doc/reliability.md]

The real CLI against the demo API on loopback, each in a process of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import report
from contenders import Demo, Server, claudeproxy, find_cli


SYSTEM = {"role": "system", "content": "You are brief."}


def outcome(server: Server, number: int) -> str:
    """Ask for a text of one's own: `right`, `429` or what else came."""
    text = f"this is for {number}"
    asked = [SYSTEM, {"role": "user", "content": f"ECHO:{text}"}]
    try:
        told = "".join(piece for _, piece in server.ask(asked))
    except RuntimeError as error:
        return "429" if f"{server.name}: 429 " in str(error) else "other"
    except (OSError, http.client.HTTPException):
        return "other"
    return "right" if told.strip() == text else "other"


def state(server: Server) -> tuple[int, int, int, float]:
    """Of the proxy: descriptors, processes with its children, threads, resident MB."""
    pid = server.process.popen.pid
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    rss = int(status["VmRSS"].split()[0]) / 1024
    return fds, len(server.process.tree()), int(status["Threads"]), rss


def slow_reader(server: Server) -> float:
    """MB that the proxy grows by while a client does not read a long answer."""
    before = state(server)[3]
    asked = [{"role": "user", "content": "LONG:200000"}]
    body = json.dumps({"model": server.model, "stream": True, "messages": asked}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head.encode() + body)
        most = before
        for _ in range(50):
            time.sleep(0.1)
            most = max(most, state(server)[3])
    return most - before


def shown(what: str, counted: Counter[str], seconds: float) -> str:
    figures = " | ".join(str(counted[name]) for name in ("right", "429", "other"))
    return f"| {what} | {figures} | {seconds:.1f} s |\n"


def measure(server: Server, streams: int, row: int) -> str:
    """Everything, as two tables."""
    for number in range(20):
        outcome(server, number)
    time.sleep(2)
    states = [("before", state(server))]
    table = "| load | ended right | 429 | other | time |\n| --- | --- | --- | --- | --- |\n"

    began = time.perf_counter()
    with ThreadPoolExecutor(streams) as executor:
        counted = Counter(executor.map(lambda n: outcome(server, n), range(streams)))
    table += shown(f"{streams} streams at once", counted, time.perf_counter() - began)
    time.sleep(2)
    states.append((f"after {streams} at once", state(server)))

    began = time.perf_counter()
    counted = Counter(outcome(server, number) for number in range(row))
    table += shown(f"{row} requests in a row", counted, time.perf_counter() - began)
    time.sleep(2)
    states.append((f"after {row} in a row", state(server)))

    grown = slow_reader(server)
    time.sleep(6)
    states.append(("after a client that did not read", state(server)))
    table += "\n| the proxy | descriptors | processes | threads | resident |\n"
    table += "| --- | --- | --- | --- | --- |\n"
    for what, (fds, processes, threads, rss) in states:
        table += f"| {what} | {fds} | {processes} | {threads} | {rss:.0f} MB |\n"
    return (
        table + f"\nWhile a client did not read 200,000 tokens, the proxy grew by {grown:.1f} MB.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--row", type=int, default=2000)
    parser.add_argument("--cli", default="", help="the claude binary")
    parser.add_argument("--write", type=Path, help="a file whose result is replaced")
    options = parser.parse_args()
    cli = find_cli(options.cli)
    with tempfile.TemporaryDirectory(prefix="claudeproxy-load-", ignore_cleanup_errors=True) as at:
        homes = [Path(at) / name for name in ("demo", "proxy")]
        for home in homes:
            home.mkdir()
        demo = Demo.start(homes[0])
        running = [demo.process]
        try:
            server = claudeproxy(demo, cli.path, homes[1])
            running.append(server.process)
            table = measure(server, options.streams, options.row)
        finally:
            for process in reversed(running):
                process.stop()
    about = report.about(cli.version, "; as it comes: 8 workers, a queue of 64")
    print(f"{about}\n\n{table}")
    if options.write is not None:
        report.write(options.write, "result", f"{about}\n\n{table}")


if __name__ == "__main__":
    sys.exit(main())
