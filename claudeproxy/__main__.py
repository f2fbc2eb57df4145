"""`python -m claudeproxy`."""

from .command import main


main()
