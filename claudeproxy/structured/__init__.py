"""Structured answers: the schema that the Messages API gets, and the check of an answer."""
