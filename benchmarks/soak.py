"""Uses the proxy as several clients do for hours, with faults, and looks at what came of it.

    python benchmarks/soak.py [--duration 5m] [--clients 3] [--seed 1] [--pause 1] [--result FILE]

The real CLI against the demo API on loopback, each in a process of its own, with a HOME of its own.
The first quarter has the restarts of the proxy. In the rest one process has all other faults. What
it holds is compared at two quiet points of it, and each answer with what was asked. The exit status
is 1 if an answer is wrong, if a request failed without a fault, or if something leaks.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import attrs
import report
from contenders import Demo, find_cli
from soak_clients import Client
from soak_faults import Faults
from soak_proxy import Proxy
from soak_verdict import TAG, Record, State, growth, leaks, table, tally, verdict


UNITS = {"s": 1, "m": 60, "h": 3600}
SHOWN = 20


def seconds(text: str) -> float:
    """`90`, `90s`, `5m` or `2h`."""
    return float(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else float(text)


@attrs.define
class Soak:
    """One run. early, late: the quiet points. began: on the monotonic clock."""

    options: argparse.Namespace
    proxy: Proxy
    stop: threading.Event
    go: threading.Event = attrs.field(factory=threading.Event)
    records: list[Record] = attrs.field(factory=list)
    clients: list[Client] = attrs.field(factory=list)
    problems: list[str] = attrs.field(factory=list)
    early: State | None = None
    late: State | None = None
    began: float = attrs.field(factory=time.monotonic)
    faults: Faults = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.faults = Faults(self.proxy, random.Random(self.options.seed))

    def run(self) -> float:
        """Until the time is over, or `stop` is set; how long it was used, in seconds."""
        options, began = self.options, self.began
        self.proxy.start()
        self.go.set()
        for number in range(options.clients):
            told = options.seed, self.proxy.port, options.pause, self.go, self.stop, self.records
            client = Client(number, *told)
            self.clients.append(client)
            client.start()
        try:
            quarter = began + options.duration / 4
            kinds = [signal.SIGTERM, signal.SIGKILL]
            for number in range(options.restarts):
                self._use(began + (number + 0.5) / options.restarts * (quarter - began))
                if not self.stop.is_set():
                    self.faults.restart(kinds[number % 2])
            self._use(quarter + options.duration / 12)
            if not self.stop.is_set():
                self.early = self._quiet()
                self._use(began + options.duration)
                # Also of a run that is ended earlier.
                self.late = self._quiet()
        finally:
            used = time.monotonic() - began
            self.stop.set()
            self.go.set()
            for client in self.clients:
                assert client.thread is not None
                client.thread.join()
        return used

    def _use(self, until: float) -> None:
        """Let the clients ask until then, with a fault now and then."""
        while (left := until - time.monotonic()) > 0:
            self.stop.wait(min(left, self.options.every))
            if self.stop.is_set():
                return
            if until - time.monotonic() > self.options.every / 2:
                self.faults.one()
                # The demo API keeps requests; nobody looks at them here.
                self.proxy.demo.forget()
                if self.options.result is not None:
                    so_far, _ = told(self, time.monotonic() - self.began, cpu_used())
                    self.options.result.write_text(f"It still runs. So far:\n\n{so_far}")

    def _quiet(self) -> State:
        """Hold the clients, wait until all has settled, and look."""
        self.go.clear()
        for client in self.clients:
            client.idle.wait(200)
        self.proxy.set_clock(0.0)
        if not self.proxy.settle():
            self.problems.append("the proxy was still busy a minute after the last request")
        state = self.proxy.state(len(self.records))
        self.go.set()
        return state

    def end(self) -> None:
        """Stop the proxy, and look at what is left."""
        self.proxy.stop()
        if left := self.proxy.gone(10):
            self.problems.append(f"{len(left)} CLI processes left after the end")
            self.proxy.kill_clis(left)
        # After a SIGKILL the folder stays until the next start.
        if left_behind := [path.name for path in (self.proxy.home / "tmp").iterdir()]:
            self.problems.append(f"temporary files left after the end: {left_behind}")
        log = self.proxy.log.read_text("utf-8")
        if count := log.count("Traceback"):
            self.problems.append(f"{count} tracebacks in the log")
        if TAG.search(log):
            self.problems.append("a part of a request is in the log")


def told(soak: Soak, used: float, cpu: float) -> tuple[str, bool]:
    """The result as text, and whether all is well."""
    faults, records = soak.faults.done, list(soak.records)
    found = tally(records, faults)
    kinds = Counter(record.kind.partition(",")[0] for record in records)
    text = (
        f"{used / 60:.0f} minutes of {soak.options.duration / 60:.0f}, {len(records)} requests of "
        f"{soak.options.clients} clients, {cpu / used:.0%} of a core.\n\n"
    )
    text += table(("answers", "requests"), sorted(found.items()))
    text += "\n" + table(("fault", "times"), sorted(Counter(f.kind for f in faults).items()))
    text += "\n" + table(("what was asked", "requests"), sorted(kinds.items()))
    problems = [*soak.problems, *soak.faults.problems]
    if soak.early is not None and soak.late is not None:
        text += "\n" + compared(soak.early, soak.late)
        problems += [f"leak: {leak}" for leak in leaks(soak.early, soak.late)]
        if grown := growth(soak.early, soak.late):
            text += f"\nMore objects: {grown}.\n"
    else:
        problems.append("it ended before the second quiet point: leaks were not looked for")
    wrong = [record for record in records if verdict(record, faults).startswith("wrong")]
    for record in wrong[:SHOWN]:
        problems.append(f"{verdict(record, faults)}: {record}")
    if wrong[SHOWN:]:
        problems.append(f"and {len(wrong) - SHOWN} more")
    text += "\n" + ("\n".join(problems) if problems else "All is well.") + "\n"
    return text, not problems


def compared(early: State, late: State) -> str:
    """What the proxy held at both quiet points."""
    rows = [
        ("requests until then", f"{early.requests}", f"{late.requests}"),
        ("CLI processes", early.clis, late.clis),
        ("other processes", early.others, late.others),
        ("CLI processes without a proxy", early.strays, late.strays),
        ("threads", early.threads, late.threads),
        *(
            (f"descriptors: {kind}", early.descriptors.get(kind, 0), late.descriptors.get(kind, 0))
            for kind in sorted({*early.descriptors, *late.descriptors})
        ),
        *(
            (f"timers: {kind}", early.timers.get(kind, 0), late.timers.get(kind, 0))
            for kind in sorted({*early.timers, *late.timers})
        ),
        ("Python objects", f"{early.objects:,}", f"{late.objects:,}"),
        ("private memory", f"{early.private / 1e6:.1f} MB", f"{late.private / 1e6:.1f} MB"),
    ]
    return table(("the proxy holds", "early", "late"), rows)


def cpu_used() -> float:
    """Of this process and of its children that have ended."""
    of = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in of)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--duration", type=seconds, default=300.0, help="such as 90s, 5m or 2h")
    parser.add_argument("--clients", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of what is asked and done")
    parser.add_argument("--pause", type=float, default=1.0, help="mean seconds between requests")
    parser.add_argument("--every", type=float, help="seconds between two faults")
    parser.add_argument("--restarts", type=int, default=2, help="of the proxy")
    parser.add_argument("--cli", default="", help="the claude binary")
    parser.add_argument("--keep", type=Path, help="a folder for the log and all requests")
    parser.add_argument("--result", type=Path, help="a file that the result is written to")
    parser.add_argument("--write", type=Path, help="a page whose result is replaced")
    options = parser.parse_args()
    # As many as there are kinds, also in a short run.
    options.every = options.every or min(60.0, options.duration / 18)
    cli = find_cli(options.cli)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    began = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="claudeproxy-soak-", ignore_cleanup_errors=True) as at:
        (Path(at) / "demo").mkdir()
        demo = Demo.start(Path(at) / "demo")
        soak = Soak(options, Proxy(demo, cli.path, Path(at) / "proxy"), stop)
        try:
            used = soak.run()
            soak.end()
        finally:
            if soak.proxy.lives:
                soak.proxy.process.stop()
            demo.process.stop()
            if options.keep is not None:
                keep(options.keep, soak)
    text, well = told(soak, used, cpu_used())
    about = report.about(cli.version, f"; seed {options.seed}")
    result = f"{began:%H:%M} to {datetime.now(UTC):%H:%M} UTC, {about}\n\n{text}"
    print(result)
    if options.result is not None:
        options.result.write_text(result)
    if options.write is not None:
        report.write(options.write, "soak", result)
    return 0 if well else 1


def keep(folder: Path, soak: Soak) -> None:
    """For a look at what went wrong: the log, and all requests with their verdicts."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log").write_bytes(soak.proxy.log.read_bytes())
    with (folder / "requests.jsonl").open("w") as out:
        for each in soak.records:
            said = verdict(each, soak.faults.done)
            out.write(json.dumps({"verdict": said, **attrs.asdict(each)}, default=list) + "\n")
    faults = [attrs.asdict(fault) for fault in soak.faults.done]
    (folder / "faults.json").write_text(json.dumps(faults, indent=1))


if __name__ == "__main__":
    sys.exit(main())
