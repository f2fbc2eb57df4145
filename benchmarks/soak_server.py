"""Runs the proxy for soak.py, with a wall clock that can be set, and tells what it holds.

    SOAK_CONTROL=FOLDER python benchmarks/soak_server.py serve ...

On SIGUSR2 it takes the number of seconds in FOLDER/offset, by which its wall clock is then ahead
of the machine's, and writes FOLDER/counts: its delayed calls, selectables and objects. To set the
clock of the machine would take root, and would concern everybody on it. The proxy's monotonic clock
is left alone, as it is when a machine's clock is set.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any


CONTROL = Path(os.environ.pop("SOAK_CONTROL"))
_machine = time.time
_ahead = [0.0]


def _wall_clock() -> float:
    return _machine() + _ahead[0]


def _name(call: Any) -> str:
    """What a delayed call is for: those of `Timers` have a name."""
    due = getattr(call.func, "__name__", "") == "_due"
    func = call.args[1] if due else call.func
    name = str(getattr(func, "__qualname__", type(func).__name__))
    return f"{name} ({call.args[0]})" if due and isinstance(call.args[0], str) else name


def counts(reactor: Any) -> dict[str, Any]:
    """What the process holds."""
    gc.collect()
    objects = gc.get_objects()
    types = Counter(f"{type(each).__module__}.{type(each).__name__}" for each in objects)
    return {
        "timers": dict(Counter(map(_name, reactor.getDelayedCalls()))),
        "selectables": dict(
            Counter(type(each).__name__ for each in {*reactor.getReaders(), *reactor.getWriters()})
        ),
        "objects": len(objects),
        "types": dict(types.most_common(400)),
    }


def _answer() -> None:
    from twisted.internet import reactor

    _ahead[0] = float((CONTROL / "offset").read_text())
    part = CONTROL / "counts.part"
    part.write_text(json.dumps(counts(reactor)))
    part.rename(CONTROL / "counts")


def _asked(*_: object) -> None:
    from twisted.internet import reactor

    # Not in the signal handler, which can interrupt anything.
    reactor.callFromThread(_answer)  # type: ignore[attr-defined]


def main() -> None:
    signal.signal(signal.SIGUSR2, _asked)
    # Before Twisted is imported, which takes it for all its timers.
    time.time = _wall_clock
    from claudeproxy.command.main import main as claudeproxy

    claudeproxy()


if __name__ == "__main__":
    sys.exit(main())
