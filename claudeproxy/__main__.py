"""`python -m claudeproxy`."""

from .command.main import main


main()
