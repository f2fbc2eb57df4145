"""Measures claudeproxy beside a bare CLI and beside the tool that it replaces, in one run.

    python benchmarks/compare.py [--node-modules DIR] [--cli PATH] [--write doc/performance.md]
    python benchmarks/compare.py --streams
    python benchmarks/compare.py --burst
    python benchmarks/compare.py --structured

`make bench` installs what it needs. Every contender uses the same real CLI against the same demo
API on loopback, so what differs is what each makes of it. Figures are medians; read the ratios.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import report
from contenders import (
    Demo,
    Floor,
    Messages,
    Responses,
    Server,
    claudeproxy,
    find_cli,
    replaced,
)
from histories import Chat, regenerated, replayed, rounds_after, structured, user

from claudeproxy.cli import launch


SYSTEM = "You are brief."
Contender = Any


def messages(*texts: str, system: str = SYSTEM) -> list[dict[str, str]]:
    """A system message, then the user's and the assistant's in turn."""
    roles = ("user", "assistant")
    turns = [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]
    return [{"role": "system", "content": system}, *turns]


def first_token(contender: Contender, asked: list[dict[str, str]]) -> tuple[float, str]:
    """Seconds to the first text, and the whole answer."""
    began = time.perf_counter()
    arrived, texts = None, []
    for at, text in contender.ask(asked):
        arrived = arrived or at
        texts.append(text)
    if arrived is None:
        raise RuntimeError(f"{contender.name} said nothing")
    return arrived - began, "".join(texts)


def one_shots(contender: Contender, count: int, pause: float) -> float:
    """Median seconds to the first token of separate requests with one system prompt."""
    taken = []
    for number in range(count):
        time.sleep(pause)
        taken.append(first_token(contender, messages(f"ECHO:answer {number}"))[0])
    return statistics.median(taken)


def conversations(contender: Contender, count: int) -> float:
    """Median seconds to the first token of turns 2 to 4."""
    taken = []
    for number in range(count):
        said = [f"ECHO:start of {number}"]
        for turn in range(4):
            seconds, answer = first_token(contender, messages(*said))
            if turn:
                taken.append(seconds)
            said += [answer, f"ECHO:turn {turn} of {number}"]
    return statistics.median(taken)


def new_prompts(contender: Contender, count: int) -> float:
    """Median seconds to the first token with a system prompt never used before."""
    taken = []
    for number in range(count):
        time.sleep(2.5)  # a spare is made while it is quiet
        asked = messages("ECHO:hello", system=f"You are number {number}.")
        taken.append(first_token(contender, asked)[0])
    return statistics.median(taken)


def each_at_once(
    contender: Contender, clients: int, system: str = SYSTEM
) -> tuple[list[float], float]:
    """One-shots of so many clients: seconds to the first token of each, and until all have all."""

    def client(number: int) -> float:
        asked = messages(f"ECHO:client {number}", system=system.format(number))
        seconds, answer = first_token(contender, asked)
        if answer.strip() != f"client {number}":
            raise RuntimeError(f"client {number} of {contender.name} got {answer!r}")
        return seconds

    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as executor:
        first = list(executor.map(client, range(clients)))
    return first, time.perf_counter() - began


def at_once(contender: Contender, clients: int, system: str = SYSTEM) -> float:
    """Seconds until all of so many one-shot clients have their answer."""
    return each_at_once(contender, clients, system)[1]


def batch(contender: Contender, count: int, clients: int = 4) -> float:
    """Requests per second of a batch."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as executor:
        list(
            executor.map(lambda n: first_token(contender, messages(f"ECHO:item {n}")), range(count))
        )
    return count / (time.perf_counter() - began)


def long_stream(contender: Contender, tokens: int = 3000) -> tuple[float, float, int]:
    """Seconds for a long stream, the contender's own CPU seconds for it, and its deltas."""
    cpu, began = contender.process.cpu(), time.perf_counter()
    deltas = sum(1 for _ in contender.ask(messages(f"LONG:{tokens}")))
    return time.perf_counter() - began, contender.process.cpu() - cpu, deltas


def continued(contender: Contender, history: int, turns: int = 9) -> float:
    """Median CPU seconds of the contender for a turn with so many messages of 1.6 kB before it."""
    said = [f"{number} {'history ' * 200}" for number in range(history)]
    said.append("ECHO:after the history")
    taken = []
    for number in range(turns + 1):
        before = contender.process.cpu()
        _, answer = first_token(contender, messages(*said))
        if number:
            taken.append(contender.process.cpu() - before)
        said += [answer, f"ECHO:turn {number}"]
    return statistics.median(taken)


def replay(contender: Contender, turns: int = 40) -> tuple[float, float]:
    """First token with a history that no process holds, and of the turn after it."""
    said = [f"message {n}" for n in range(turns)] + ["ECHO:after the history"]
    fresh, answer = first_token(contender, messages(*said))
    again, _ = first_token(contender, messages(*said, answer, "ECHO:and on"))
    return fresh, again


def agent_rounds(server: Server, rounds: int, *, changing: bool) -> float:
    """Median seconds from a tool's result to the first text after it, in one conversation.

    changing: another max_tokens each time, with which no running turn can go on.
    """
    chat = Chat(server, tools=True)
    taken = []
    for number in range(rounds):
        limits = {"tool_choice": "required", "max_tokens": 1000 + number * changing}
        newest = chat.result(f"seen {number}") if number else user("hello")
        taken.append(chat.ask(newest, **limits))
    return statistics.median(taken[1:])


class Table:
    """Rows of figures, with ratios to the first contender's."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, str, str, str, str]] = []

    def add(
        self,
        what: str,
        ours: float,
        floor: float | None,
        theirs: float | None,
        show: Callable[[float], str],
        better: str = "less",
    ) -> None:
        """One measurement; `better` is "less" or "more"."""
        ratio = ""
        if theirs is not None:
            times = theirs / ours if better == "less" else ours / theirs
            ratio = f"{times:.1f} times"
        shown = [show(value) if value is not None else "" for value in (ours, floor, theirs)]
        self.rows.append((what, shown[0], shown[1], shown[2], ratio))
        print(" | ".join(self.rows[-1]), flush=True)

    def markdown(self) -> str:
        """The table for the manual."""
        head = (
            "| | claudeproxy | bare CLI (floor) | claude-max-api-proxy 1.0.0 | better by |\n"
            "| --- | --- | --- | --- | --- |\n"
        )
        return head + "".join(f"| {' | '.join(row)} |\n" for row in self.rows)


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def seconds(value: float) -> str:
    return f"{value:.2f} s"


def add_streams(
    table: Table,
    what: str,
    ours: Contender,
    floor: Floor | None = None,
    theirs: Server | None = None,
) -> None:
    """Two rows: how long streams take, and the CPU that they take in the proxy."""
    streams = [long_stream(ours) for _ in range(5)]
    if any(deltas != 3000 for _, _, deltas in streams):
        raise RuntimeError(f"deltas are missing: {streams}")
    table.add(
        what,
        statistics.median(taken for taken, _, _ in streams),
        statistics.median(long_stream(floor)[0] for _ in range(5)) if floor is not None else None,
        long_stream(theirs)[0] if theirs is not None else None,
        seconds,
    )
    table.add(
        "the same, the proxy's own CPU",
        statistics.median(cpu for _, cpu, _ in streams),
        None,
        long_stream(theirs)[1] if theirs is not None else None,
        lambda value: f"{value:.3f} s",
    )


def add_histories(table: Table, ours: Server) -> None:
    """Rows for conversations that go on, go back, or are replayed."""
    for messages in (20, 200, 400):
        time.sleep(2)
        continued, worded = rounds_after(ours, messages, 7)
        table.add(
            f"first token, a continued turn, {messages} messages of history",
            continued,
            None,
            None,
            milliseconds,
        )
        table.add(
            "what an agent's round with words beside its results takes longer",
            worded - continued,
            None,
            None,
            milliseconds,
        )
    table.add(
        "first token, turn 10 of 20 regenerated",
        regenerated(ours, 20, 10, 7),
        None,
        None,
        milliseconds,
    )
    table.add(
        "first token, 400 messages of history, replayed",
        replayed(ours, 400, 3),
        None,
        None,
        seconds,
    )


def add_structured(table: Table, ours: Server) -> None:
    """Rows for answers that must match a schema."""
    plain, with_schema = structured(ours, 20)
    table.add(
        "first token, one-shots with 20 different JSON schemas, same system prompt",
        with_schema,
        None,
        None,
        milliseconds,
    )
    table.add(
        "what they take longer than one-shots without a schema in turn with them",
        with_schema - plain,
        None,
        None,
        milliseconds,
    )


def measure_streams(ours: Server, floor: Floor, theirs: Server | None) -> Table:
    """The long streams alone."""
    table = Table()
    for contender in (ours, Responses(ours), Messages(ours), floor, theirs):
        if contender is not None:
            long_stream(contender)
    # Meanwhile the proxy starts more processes, which takes CPU too.
    time.sleep(5)
    one_shots(ours, 5, 0.0)
    time.sleep(3)
    add_streams(table, "stream of 3000 tokens", ours, floor, theirs)
    for dialect in (Responses(ours), Messages(ours)):
        add_streams(table, f"stream of 3000 tokens, by {type(dialect).__name__}", dialect)
    return table


def measure_burst(ours: Server, theirs: Server | None, runs: int = 9) -> Table:
    """Clients with new system prompts alone. The second figure is the median of all clients."""
    table = Table()
    for clients in (2, 5, 10):
        shown: list[tuple[float, float] | None] = []
        for contender in (ours, theirs):
            taken, first = [], []
            for run in range(runs if contender is not None else 0):
                time.sleep(3)
                system = f"You are new in run {run} of {clients}, number {{}}."
                each, last = each_at_once(contender, clients, system)
                taken.append(last)
                first += each
            figures = (statistics.median(taken), statistics.median(first)) if taken else None
            shown.append(figures)
        mine, yours = shown
        assert mine is not None
        for what, index in (
            (f"{clients} clients at once, new system prompts", 0),
            ("first token", 1),
        ):
            table.add(what, mine[index], None, yours and yours[index], seconds)
    return table


def measure(ours: Server, floor: Floor, theirs: Server | None, demo: Demo) -> Table:
    """Everything, with all contenders up, one after the other."""
    table = Table()
    for contender in (ours, floor, theirs):
        if contender is not None:
            first_token(contender, messages("ECHO:warm up"))

    def both(measured: Callable[..., float], *args: Any) -> float | None:
        return measured(theirs, *args) if theirs is not None else None

    time.sleep(3)
    one_shots(ours, 5, 0.0)
    floors = [one_shots(floor, 15, 0.2)]
    calm = one_shots(ours, 15, 0.2)
    floors.append(one_shots(floor, 15, 0.2))
    low = statistics.mean(floors)
    table.add(
        "first token, one-shot, same system prompt",
        calm,
        low,
        both(one_shots, 5, 0.2),
        milliseconds,
    )
    table.add(
        "first token, one-shot, back to back",
        one_shots(ours, 30, 0.0),
        one_shots(floor, 30, 0.0),
        both(one_shots, 5, 0.0),
        milliseconds,
    )
    table.add(
        "first token, turns 2 to 4 of a conversation",
        conversations(ours, 4),
        low,
        both(conversations, 2),
        milliseconds,
    )
    table.add(
        "first token, new system prompt, spare ready",
        new_prompts(ours, 4),
        None,
        both(new_prompts, 2),
        milliseconds,
    )
    for clients in (1, 5, 10, 20):
        table.add(
            f"{clients} one-shot clients at once, all done",
            statistics.median([at_once(ours, clients) for _ in range(3)]),
            None,
            both(at_once, clients),
            seconds,
        )
    time.sleep(3)
    table.add(
        "10 clients at once, 10 new system prompts",
        at_once(ours, 10, "You are new, number {}."),
        None,
        both(at_once, 10, "You are new, number {}."),
        seconds,
    )
    time.sleep(3)
    table.add(
        "batch of one-shots, 4 at a time",
        batch(ours, 200),
        None,
        both(batch, 12),
        lambda value: f"{value:.1f}/s",
        "more",
    )
    time.sleep(3)
    add_streams(table, "stream of 3000 tokens", ours, floor, theirs)
    for dialect in (Responses(ours), Messages(ours)):
        called = type(dialect).__name__
        time.sleep(3)
        one_shots(dialect, 3, 0.0)
        table.add(
            f"first token, one-shot, by {called}",
            one_shots(dialect, 15, 0.2),
            None,
            None,
            milliseconds,
        )
        add_streams(table, f"stream of 3000 tokens, by {called}", dialect)
    time.sleep(3)
    fresh, again = replay(ours)
    theirs_replayed = replay(theirs) if theirs is not None else (None, None)
    table.add(
        "first token, 40 messages of history, replayed", fresh, None, theirs_replayed[0], seconds
    )
    table.add("first token, the turn after it", again, None, theirs_replayed[1], milliseconds)
    for history in (20, 200, 800):
        time.sleep(2)
        table.add(
            f"the proxy's own CPU for a continued turn, {history} messages of history",
            continued(ours, history),
            None,
            None,
            lambda value: f"{value * 1000:.1f} ms",
        )
    time.sleep(2)
    table.add(
        "an agent's next round, first token: the turn goes on",
        agent_rounds(ours, 10, changing=False),
        None,
        None,
        milliseconds,
    )
    table.add(
        "the same with another max_tokens: its process is taken back",
        agent_rounds(ours, 10, changing=True),
        None,
        None,
        milliseconds,
    )
    time.sleep(3)
    add_structured(table, ours)
    add_histories(table, ours)
    first_token(ours, messages("hi"))
    mine = demo.bytes_of_last_request()
    yours = None
    if theirs is not None:
        first_token(theirs, messages("hi"))
        yours = demo.bytes_of_last_request()
    table.add("sent upstream for `hi`", mine, None, yours, lambda value: f"{value / 1000:.1f} kB")
    table.add(
        "private memory, at rest afterwards",
        ours.process.private_memory(),
        floor.process.private_memory(),
        theirs.process.private_memory() if theirs is not None else None,
        lambda value: f"{value / 1e6:.0f} MB",
    )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--node-modules", type=Path, help="where claude-max-api-proxy is")
    parser.add_argument(
        "--cli", default="", help="the claude binary; default: as the proxy finds it"
    )
    parser.add_argument("--write", type=Path, help="a file whose table is replaced by the result")
    parser.add_argument("--streams", action="store_true", help="measure only the long streams")
    parser.add_argument("--structured", action="store_true", help="measure only JSON schemas")
    parser.add_argument("--burst", action="store_true", help="measure only new system prompts")
    options = parser.parse_args()
    if (options.streams or options.burst or options.structured) and options.write:
        parser.error("--write needs all rows")
    cli = find_cli(options.cli)
    with tempfile.TemporaryDirectory(prefix="claudeproxy-bench-", ignore_cleanup_errors=True) as at:
        homes = [Path(at) / name for name in ("ours", "floor", "theirs")]
        for home in homes:
            home.mkdir()
        demo = Demo.start(homes[0])
        running: list[Any] = [demo]
        try:
            ours = claudeproxy(demo, cli.path, homes[0])
            running.append(ours)
            floor = Floor(demo, [cli.path, *launch.ARGUMENTS], dict(launch.ALWAYS), homes[1])
            running.append(floor)
            theirs = None
            if options.node_modules is not None:
                theirs = replaced(demo, cli.path, homes[2], options.node_modules.resolve())
                running.append(theirs)
            if options.streams:
                table = measure_streams(ours, floor, theirs)
            elif options.burst:
                table = measure_burst(ours, theirs)
            elif options.structured:
                table = Table()
                add_structured(table, ours)
            else:
                table = measure(ours, floor, theirs, demo)
        finally:
            for contender in reversed(running):
                contender.process.stop()
    about = report.about(cli.version)
    print(f"\n{about}\n\n{table.markdown()}")
    if options.write is not None:
        report.write(options.write, "result", f"{about}\n\n{table.markdown()}")


if __name__ == "__main__":
    sys.exit(main())
