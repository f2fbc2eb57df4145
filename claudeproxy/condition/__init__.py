"""The condition of the CLI: whether it can answer, and whether it is logged in.

Everything here is pure. The pool and the service tell the `Condition` what they see. The banner,
the log, GET /health/ready and the errors for clients are made from it.
"""
