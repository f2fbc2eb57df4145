"""OpenAI Chat Completions: POST /v1/chat/completions."""

from __future__ import annotations

from .request import error_body as error_body
from .request import read as read
from .schema import schemas as schemas
