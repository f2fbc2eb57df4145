"""How this very claudeproxy was installed."""

from __future__ import annotations

import os
import sys

from . import install_hint


INSTALL_HINT = install_hint.text(
    sys.executable, sys.prefix, sys.base_prefix, os.listdir(sys.prefix)
)
