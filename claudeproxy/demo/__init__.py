"""A strict stand-in for Anthropic's Messages API, to try everything with no login and no quota.

``server`` answers HTTP, ``service`` listens; ``rules`` and ``blocks`` say what the API refuses,
``words`` and ``script`` what it answers, ``answer`` the shapes of the answers on the wire.
"""
