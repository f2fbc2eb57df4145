"""Measures what a claudeproxy costs that nobody asks anything.

    python benchmarks/idle.py [--minutes 10] [--cli PATH] [--write doc/performance.md]

Some servers with different settings run at the same time, on the same demo API and real CLI. Each
answers some requests; then nobody asks for so many minutes; then each answers one more.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import attrs
import report
from compare import first_token, messages, one_shots
from contenders import Demo, Server, claudeproxy, find_cli


# A server is idle after its `idle_time`, which is 600 seconds by default.
LONG = ("--idle-time", "86400")
SHORT = ("--idle-time", "10")
# Meanwhile spares are started, processes of these end, and the rest is stopped.
SETTLE = 45.0
CASES = (
    ("just used, `pause_idle = false`", (*LONG, "--pause-idle", "false")),
    ("just used", LONG),
    ("idle, `pause_idle = false`", (*SHORT, "--pause-idle", "false")),
    ("idle", SHORT),
    ("idle, `idle_spares = false`", (*SHORT, "--idle-spares", "false")),
)


@attrs.frozen
class Cost:
    """What a server's processes have used until now, and what they use now.

    proxy: seconds of CPU of the proxy itself. clis: those of each CLI process, by its pid.
    switches: how often the proxy gave up the CPU. private, pss: bytes of all; the latter with its
    part of what processes share.
    """

    proxy: float
    clis: dict[int, float]
    switches: int
    private: int
    pss: int


def cost(server: Server) -> Cost:
    """What a server costs now."""
    proxy, *clis = server.process.tree()
    return Cost(
        _cpu(proxy),
        {pid: _cpu(pid) for pid in clis},
        _status(proxy, "voluntary_ctxt_switches"),
        sum(_memory(pid, "Private_") for pid in (proxy, *clis)),
        sum(_memory(pid, "Pss:") for pid in (proxy, *clis)),
    )


def _cpu(pid: int) -> float:
    # Not the more precise schedstat of each thread: that of threads that have ended is lost.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _status(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _memory(pid: int, start: str) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(start))


def use(server: Server) -> None:
    """Some one-shots, a conversation, and an agent whose tool call waits for its result."""
    one_shots(server, 3, 1.0)
    said = ["ECHO:hello"]
    for turn in range(3):
        _, answer = first_token(server, messages(*said, system="You are chatty."))
        said += [answer, f"ECHO:{turn}"]
    call: dict[str, Any] = {
        "messages": messages("hello", system="You are an agent."),
        "tools": [{"type": "function", "function": {"name": "look"}}],
        "tool_choice": "required",
    }
    for _ in server.deltas(call):
        pass


def measure(servers: dict[str, Server], minutes: float) -> str:
    """The table for the manual."""
    for server in servers.values():
        use(server)
    time.sleep(SETTLE)
    before = {name: cost(server) for name, server in servers.items()}
    time.sleep(minutes * 60)
    rows = []
    for name, server in servers.items():
        was, now = before[name], cost(server)
        if was.clis.keys() != now.clis.keys():
            raise RuntimeError(f"processes of {name} were started or ended: {was}, {now}")
        clis = sum(now.clis[pid] - was.clis[pid] for pid in now.clis)
        cells = (
            str(len(now.clis)),
            f"{clis / minutes / 60:.2%}",
            f"{(now.proxy - was.proxy) / minutes / 60:.3%}",
            str(now.switches - was.switches),
            f"{now.private / 1e6:.0f} MB",
            f"{now.pss / 1e6:.0f} MB",
        )
        taken, _ = first_token(server, messages("ECHO:and now"))
        rows.append(f"| {name} | {' | '.join(cells)} | {taken * 1000:.0f} ms |")
        print(rows[-1], flush=True)
    head = (
        "| server | CLI processes | their CPU | the proxy's CPU | its wake-ups | private memory "
        "| Pss | first token afterwards |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n"
    )
    return head + "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10.0, help="for how long nobody asks")
    parser.add_argument(
        "--cli", default="", help="the claude binary; default: as the proxy finds it"
    )
    parser.add_argument("--write", type=Path, help="a file whose table is replaced by the result")
    options = parser.parse_args()
    cli = find_cli(options.cli)
    with tempfile.TemporaryDirectory(prefix="claudeproxy-bench-", ignore_cleanup_errors=True) as at:
        home = Path(at)
        demo = Demo.start(home)
        running: list[Any] = [demo]
        servers: dict[str, Server] = {}
        try:
            for name, settings in CASES:
                place = home / str(len(servers))
                place.mkdir()
                servers[name] = claudeproxy(demo, cli.path, place, *settings)
                running.append(servers[name])
            table = measure(servers, options.minutes)
        finally:
            for contender in reversed(running):
                contender.process.stop()
    about = report.about(cli.version, f"; nobody asked for {options.minutes:g} minutes")
    print(f"\n{about}\n\n{table}")
    if options.write is not None:
        report.write(options.write, "idle", f"{about}\n\n{table}")


if __name__ == "__main__":
    sys.exit(main())
