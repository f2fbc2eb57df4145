"""The tests of an installed claudeproxy run where there is one: `make test-installed`."""

import os


collect_ignore = [] if "INSTALLED_CLAUDEPROXY" in os.environ else ["test_installed.py"]
