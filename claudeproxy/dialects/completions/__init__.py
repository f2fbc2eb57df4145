"""OpenAI Completions, the API before Chat Completions: POST /v1/completions."""

from __future__ import annotations

from .answer import error_body as error_body
from .request import read as read
from .schema import schemas as schemas
