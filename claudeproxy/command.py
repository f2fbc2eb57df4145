"""The command `claudeproxy`, which runs the twistd plugin."""

from __future__ import annotations

import sys

from twisted.scripts import twistd

from . import __version__


USAGE = """\
usage: claudeproxy serve [options]   run in the foreground (twistd -n claudeproxy)
       claudeproxy demo [options]    the same, with a built-in stand-in for Anthropic's API
       claudeproxy serve --help      all options

As a daemon: twistd --pidfile=FILE --logfile=FILE claudeproxy [options]
"""


def main() -> None:
    """Run the command line."""
    match sys.argv[1:]:
        case ["serve", *options]:
            arguments = options
        case ["demo", *options]:
            arguments = ["--demo", *options]
        case ["--version"]:
            sys.stdout.write(f"claudeproxy {__version__}\n")
            return
        case ["--help" | "-h"]:
            sys.stdout.write(USAGE)
            return
        case _:
            sys.stderr.write(USAGE)
            sys.exit(2)
    # A server in the foreground needs no pid file.
    sys.argv[:] = ["claudeproxy", "--nodaemon", "--pidfile=", "claudeproxy", *arguments]
    twistd.run()
