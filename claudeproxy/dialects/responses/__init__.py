"""OpenAI Responses: POST /v1/responses, and the responses that are kept."""

from __future__ import annotations

from .request import Responses as Responses
from .schema import schemas as schemas
from .store import ResponseStore as ResponseStore
