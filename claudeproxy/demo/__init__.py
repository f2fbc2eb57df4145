"""A strict stand-in for Anthropic's Messages API, which needs no login and uses no quota.

``server`` handles HTTP requests and ``service`` listens for them. ``rules`` and ``blocks`` check
requests. ``words`` and ``script`` decide the answer, and ``answer`` defines its wire format.
"""
