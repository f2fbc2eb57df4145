"""LangChain's own tests for a chat model, of langchain-tests: each in four ways of asking.

What is not overridden here is the suite's own. It was written for models that choose tools by
what a prompt says, so that it asks the demo's model that does the same.
"""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langchain_tests.integration_tests import ChatModelIntegrationTests

from .. import demo


# LangChain keeps its connections from one test to the next, and they belong to an event loop.
pytestmark = pytest.mark.asyncio(loop_scope="session")

# A document without a page.
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
CACHED = 7
CREATED = 8


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch: pytest.MonkeyPatch) -> None:
    """The suite fetches the files that it sends to the model. Here they are others."""

    def get(url: str, **_: Any) -> SimpleNamespace:
        files = {"png": base64.b64decode(demo.PIXEL), "pdf": PDF}
        return SimpleNamespace(content=files[url.rpartition(".")[2]])

    monkeypatch.setattr(httpx, "get", get)


class Standard(ChatModelIntegrationTests):
    """What the four have in common."""

    settings: dict[str, Any] = {}
    base_url = ""

    @pytest.fixture(autouse=True)
    def server(self, url: str) -> None:
        self.base_url = url

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatOpenAI

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url,
            "model": demo.CHOOSING,
            "max_retries": 0,
            **self.settings,
        }

    @property
    def model_override_value(self) -> str:
        return "haiku"

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_pdf_tool_message(self) -> bool:
        return True

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        # Claude takes no audio: the server refuses it with a 400.
        return False

    @property
    def enable_vcr_tests(self) -> bool:
        # It measures how long recorded answers take to read. Nothing is recorded here.
        return False

    @property
    def supported_usage_metadata_details(self) -> dict[Any, Any]:
        # No audio: see above.
        told = ["reasoning_output", "cache_read_input", "cache_creation_input"]
        return {"invoke": told, "stream": told}

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        answer = self._answer(f"CACHED:{CACHED} {demo.SAY}", stream=stream)
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["input_token_details"]["cache_read"] == CACHED
        return answer

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        return self._answer(f"CREATED:{CREATED} {demo.SAY}", stream=stream)

    def invoke_with_reasoning_output(self, *, stream: bool = False) -> AIMessage:
        return self._answer(demo.THINK, stream=stream)

    def _answer(self, text: str, *, stream: bool) -> AIMessage:
        model = self.chat_model_class(**self.chat_model_params)
        if not stream:
            return model.invoke(text)
        first, *rest = model.stream(text)
        answer = sum(rest, first)
        assert isinstance(answer, AIMessage)
        return answer


class TestChatCompletions(Standard):
    settings = {"use_responses_api": False, "stream_usage": True}


class TestChatCompletionsStreamed(Standard):
    """Each answer is streamed, also where the test asks for all of it at once."""

    settings = {"use_responses_api": False, "streaming": True, "stream_usage": True}


class TestResponses(Standard):
    settings = {"use_responses_api": True}


class TestMessages(Standard):
    settings = {"api_key": "not-needed", "max_tokens": 1000}

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatAnthropic

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {**super().chat_model_params, "base_url": self.base_url.removesuffix("/v1")}

    @property
    def supported_usage_metadata_details(self) -> dict[Any, Any]:
        # The Messages API counts no tokens of reasoning apart from the others.
        told = ["cache_read_input", "cache_creation_input"]
        return {"invoke": told, "stream": told}
