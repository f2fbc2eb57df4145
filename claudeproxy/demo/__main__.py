"""``python -m claudeproxy.demo``: run the demo API on its own, for any CLI.

``GET /requests`` lists the requests that it received. ``DELETE /requests`` clears the list.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.task import react

from .service import DemoService


def main(reactor: Any, *arguments: str) -> Deferred[None]:
    """Serves until the process is told to end."""
    parser = argparse.ArgumentParser(prog="python -m claudeproxy.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 for any free one")
    service = DemoService(reactor, parser.parse_args(arguments).port)
    try:
        service.startService()
    except CannotListenError as error:
        raise SystemExit(str(error)) from error
    sys.stdout.write(f"{service.url}\n")
    sys.stdout.flush()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
    return Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:])
