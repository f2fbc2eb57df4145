"""Anthropic Messages: POST /v1/messages and /v1/messages/count_tokens."""

from __future__ import annotations

from .request import count_tokens as count_tokens
from .request import error_body as error_body
from .request import read as read
from .schema import schemas as schemas
