"""Settings for clients, complete and ready to paste.

`$URL` is the base URL with /v1, `$ORIGIN` the same without it, `$PORT`, `$KEY` and `$MODEL` what
they are called. Those that are in doc/clients.md too are the same there.
"""

from __future__ import annotations

import attrs


# What stands for the API key: without keys any text will do.
NO_KEY, YOUR_KEY = "not-needed", "YOUR_KEY"


@attrs.frozen
class Client:
    """A client.

    where: what to do with the text. tried: the test that runs the client, as a path in this
    repository; "" if there is none. keyed: more lines of the text, for a server with keys. give:
    where the key goes, if it is not in the text.
    """

    title: str
    where: str
    text: str
    tried: str = ""
    model: str = "opus"
    keyed: str = ""
    give: str = ""

    def template(self, *, with_keys: bool) -> str:
        """The text for a server, before anything is filled in."""
        return self.text + (self.keyed if with_keys else "")


OPENCLAW = """\
{
  "models": {
    "providers": {
      "claudeproxy": {
        "baseUrl": "$URL",
        "apiKey": "$KEY",
        "api": "openai-completions",
        "models": [
          {"id": "$MODEL", "name": "$MODEL", "reasoning": true, "input": ["text", "image"],
           "maxTokens": 32000, "compat": {"supportsReasoningEffort": true,
           "supportedReasoningEfforts": ["none", "low", "medium", "high", "xhigh", "max"]}}
        ]
      }
    }
  },
  "agents": {"defaults": {"model": {"primary": "claudeproxy/$MODEL"}}}
}"""

CODEX = """\
model = "$MODEL"
model_provider = "claudeproxy"

[model_providers.claudeproxy]
name = "claudeproxy"
base_url = "$URL"
wire_api = "responses\""""

CONTINUE = """\
name: claudeproxy
version: 1.0.0
schema: v1
models:
  - name: Claude
    provider: openai
    model: $MODEL
    apiBase: $URL
    apiKey: $KEY
    roles: [chat, edit, apply]
    capabilities: [tool_use, image_input]
    defaultCompletionOptions: {contextLength: 200000, maxTokens: 32000}"""

OPENCODE = """\
{
  "$schema": "https://opencode.ai/config.json",
  "provider": {
    "claudeproxy": {
      "npm": "@ai-sdk/openai-compatible",
      "name": "claudeproxy",
      "options": {"baseURL": "$URL", "apiKey": "$KEY"},
      "models": {"$MODEL": {"attachment": true, "reasoning": true, "tool_call": true,
                          "limit": {"context": 200000, "output": 32000}}}
    }
  },
  "model": "claudeproxy/$MODEL"
}"""

QWEN_CODE = "OPENAI_BASE_URL=$URL OPENAI_API_KEY=$KEY OPENAI_MODEL=$MODEL qwen"

COPILOT = """\
COPILOT_PROVIDER_BASE_URL=$URL COPILOT_PROVIDER_API_KEY=$KEY \\
  COPILOT_MODEL=$MODEL COPILOT_OFFLINE=true copilot"""

OPEN_WEBUI_DOCKER = """\
docker run -d --name open-webui -p 127.0.0.1:3000:8080 \\
  --add-host=host.docker.internal:host-gateway \\
  -e OPENAI_API_BASE_URL=http://host.docker.internal:$PORT/v1 -e OPENAI_API_KEY=$KEY \\
  -v open-webui:/app/backend/data openwebui/open-webui:main"""

OPEN_WEBUI = """\
OPENAI_API_BASE_URL=$URL OPENAI_API_KEY=$KEY open-webui serve --host 127.0.0.1 --port 3000"""

HOME_ASSISTANT = """\
URL: $URL
API key: $KEY
Model: $MODEL"""

HOME_ASSISTANT_EXTENDED = """\
API Key: $KEY
Base Url: $URL
chat_model: $MODEL"""

N8N = """\
API Key: $KEY
Base URL: $URL"""

GOOSE = """\
GOOSE_PROVIDER=openai OPENAI_HOST=$ORIGIN OPENAI_API_KEY=$KEY GOOSE_MODEL=$MODEL goose session"""

ZED = """\
{
  "language_models": {
    "openai_compatible": {
      "claudeproxy": {
        "api_url": "$URL",
        "available_models": [
          {
            "name": "$MODEL",
            "display_name": "Claude",
            "max_tokens": 200000,
            "capabilities": {"tools": true, "images": true, "parallel_tool_calls": true}
          }
        ]
      }
    }
  }
}"""

VSCODE = """\
[
  {
    "name": "claudeproxy",
    "vendor": "customendpoint",
    "apiKey": "$KEY",
    "apiType": "chat-completions",
    "models": [
      {
        "id": "$MODEL",
        "name": "Claude",
        "url": "$URL/chat/completions",
        "toolCalling": true,
        "vision": true,
        "maxInputTokens": 200000,
        "maxOutputTokens": 32000
      }
    ]
  }
]"""

JETBRAINS = """\
Provider: OpenAI-compatible
URL: $URL
API Key: $KEY"""

OBSIDIAN = """\
Provider: OpenAI Format
Base URL: $URL
API Key: $KEY
Model Name: $MODEL"""

CURL = """\
curl $URL/chat/completions -H 'Content-Type: application/json' \\
  -H 'Authorization: Bearer $KEY' \\
  -d '{"model": "$MODEL", "messages": [{"role": "user", "content": "Hello!"}]}'"""

OPENAI_PYTHON = """\
from openai import OpenAI

client = OpenAI(base_url="$URL", api_key="$KEY")
answer = client.chat.completions.create(
    model="$MODEL", messages=[{"role": "user", "content": "Hello!"}]
)
print(answer.choices[0].message.content)"""

OPENAI_JS = """\
import OpenAI from "openai";

const client = new OpenAI({ baseURL: "$URL", apiKey: "$KEY" });
const answer = await client.chat.completions.create({
  model: "$MODEL",
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.choices[0].message.content);"""

ANTHROPIC_PYTHON = """\
from anthropic import Anthropic

client = Anthropic(base_url="$ORIGIN", api_key="$KEY")
answer = client.messages.create(
    model="$MODEL", max_tokens=1000, messages=[{"role": "user", "content": "Hello!"}]
)
print(answer.content[-1].text)"""

ANTHROPIC_JS = """\
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: "$ORIGIN", apiKey: "$KEY" });
const answer = await client.messages.create({
  model: "$MODEL",
  max_tokens: 1000,
  messages: [{ role: "user", content: "Hello!" }],
});
console.log(answer.content.at(-1).text);"""

AI_SDK = """\
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText } from "ai";

const provider = createOpenAICompatible({
  name: "claudeproxy",
  baseURL: "$URL",
  apiKey: "$KEY",
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const { text } = await generateText({ model: provider("$MODEL"), prompt: "Hello!" });
console.log(text);"""

LANGCHAIN = """\
from langchain_openai import ChatOpenAI

model = ChatOpenAI(
    base_url="$URL", api_key="$KEY", model="$MODEL", stream_usage=True
)
print(model.invoke("Hello!").text)"""

LITELLM = """\
import litellm

answer = litellm.completion(
    model="openai/$MODEL",
    api_base="$URL",
    api_key="$KEY",
    messages=[{"role": "user", "content": "Hello!"}],
)
print(answer.choices[0].message.content)"""

LLAMAINDEX = """\
from llama_index.llms.openai_like import OpenAILike

llm = OpenAILike(
    model="$MODEL",
    api_base="$URL",
    api_key="$KEY",
    is_chat_model=True,
    is_function_calling_model=True,
    context_window=200_000,
)
print(llm.complete("Hello!").text)"""

PYDANTIC_AI = """\
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

provider = OpenAIProvider(base_url="$URL", api_key="$KEY")
agent = Agent(OpenAIChatModel("$MODEL", provider=provider))
print(agent.run_sync("Hello!").output)"""

LLM = """\
- model_id: claude
  model_name: $MODEL
  api_base: $URL
  supports_schema: true
  supports_tools: true
  vision: true"""

CLINE = "cline auth --provider openai-compatible --apikey $KEY --modelid $MODEL --baseurl $URL"

AIDER = "OPENAI_API_BASE=$URL OPENAI_API_KEY=$KEY aider --model openai/$MODEL"

SHELL, PYTHON, NODE = "Run", "Python", "JavaScript"
WEBUI_WHERE = "Run (the server must listen where containers reach it: doc/clients/open-webui.md)"
AGENTS = "tests/clients/agents/test_settings.py"
OPENCLAW_TESTS = "tests/clients/agents/test_openclaw.py"
N8N_TESTS = "tests/clients/n8n/test_n8n.py"
OPEN_WEBUI_TESTS = "tests/clients/open-webui/test_open_webui.py"
OPEN_WEBUI_DOCKER_TESTS = "tests/clients/open-webui/test_docker.py"
NEWEST = "tests/clients/newest/test_settings.py"
JS = "tests/clients/js/test_settings.py"
CLIENTS = {
    "ai-sdk": Client("AI SDK (Vercel)", NODE, AI_SDK, JS, "sonnet"),
    "aider": Client("aider", SHELL, AIDER, "tests/clients/aider/test_aider.py"),
    "anthropic-js": Client("anthropic (npm)", NODE, ANTHROPIC_JS, JS, "sonnet"),
    "anthropic-python": Client("anthropic (Python)", PYTHON, ANTHROPIC_PYTHON, NEWEST, "sonnet"),
    "claude-code": Client(
        "Claude Code", SHELL, "ANTHROPIC_BASE_URL=$ORIGIN ANTHROPIC_AUTH_TOKEN=$KEY claude", AGENTS
    ),
    "cline": Client("Cline CLI", SHELL, CLINE, AGENTS, "claude-opus-4"),
    "codex": Client(
        "Codex CLI",
        "Put this into ~/.codex/config.toml",
        CODEX,
        AGENTS,
        keyed='\nenv_key = "CODEX_KEY"',
        give="Set the variable CODEX_KEY to one of this server's keys before you start Codex.",
    ),
    "continue": Client("Continue", "Put this into ~/.continue/config.yaml", CONTINUE, AGENTS),
    "copilot": Client("GitHub Copilot CLI", SHELL, COPILOT, AGENTS, "claude-opus-4"),
    "curl": Client("curl", SHELL, CURL, NEWEST, "sonnet"),
    "goose": Client("Goose", SHELL, GOOSE),
    "home-assistant": Client(
        "Home Assistant",
        "Add the integration llama.cpp (for any server of OpenAI's API), and enter this",
        HOME_ASSISTANT,
        "tests/clients/home-assistant/test_home_assistant.py",
        "sonnet",
    ),
    "home-assistant-extended": Client(
        "Home Assistant (Extended OpenAI Conversation)",
        "Enter this in the settings of the integration, and chat_model in those of its agent",
        HOME_ASSISTANT_EXTENDED,
        "tests/clients/home-assistant-extended/test_extended.py",
        "sonnet",
    ),
    "jetbrains": Client(
        "JetBrains AI Assistant",
        "Enter this in Settings | Tools | AI Assistant | Providers & API keys",
        JETBRAINS,
    ),
    "langchain": Client("LangChain", PYTHON, LANGCHAIN, NEWEST, "sonnet"),
    "litellm": Client(
        "LiteLLM", PYTHON, LITELLM, "tests/clients/litellm/test_settings.py", "sonnet"
    ),
    "llamaindex": Client(
        "LlamaIndex", PYTHON, LLAMAINDEX, "tests/clients/llamaindex/test_settings.py", "sonnet"
    ),
    "llm": Client(
        "llm",
        "Put this into extra-openai-models.yaml in the folder of `llm logs path`",
        LLM,
        NEWEST,
        give="Run `llm keys set openai`, and enter one of this server's keys.",
    ),
    "n8n": Client("n8n", "Enter this in a credential of the type OpenAI", N8N, N8N_TESTS),
    "obsidian": Client(
        "Obsidian (the plugin Copilot)", "Enter this for a custom model of the plugin", OBSIDIAN
    ),
    "open-webui": Client(
        "Open WebUI in Docker", WEBUI_WHERE, OPEN_WEBUI_DOCKER, OPEN_WEBUI_DOCKER_TESTS
    ),
    "open-webui-pip": Client("Open WebUI from pip", SHELL, OPEN_WEBUI, OPEN_WEBUI_TESTS),
    "openai-js": Client("openai (npm)", NODE, OPENAI_JS, JS, "sonnet"),
    "openai-python": Client("openai (Python)", PYTHON, OPENAI_PYTHON, NEWEST, "sonnet"),
    "openclaw": Client(
        "OpenClaw",
        "Put this into ~/.openclaw/openclaw.json",
        OPENCLAW,
        OPENCLAW_TESTS,
        "claude-opus-4",
    ),
    "opencode": Client(
        "opencode", "Put this into ~/.config/opencode/opencode.json", OPENCODE, AGENTS
    ),
    "pydantic-ai": Client("Pydantic AI", PYTHON, PYDANTIC_AI, NEWEST, "sonnet"),
    "qwen-code": Client("Qwen Code", SHELL, QWEN_CODE, AGENTS, "claude-opus-4"),
    "vscode": Client("VS Code with Copilot", "Put this into chatLanguageModels.json", VSCODE),
    "zed": Client(
        "Zed",
        "Put this into ~/.config/zed/settings.json",
        ZED,
        give="Enter one of this server's keys in the agent's settings, under LLM Providers.",
    ),
}


def filled(client: Client, origin: str, key: str, model: str | None = None) -> str:
    """The settings of a client for the server at an origin, such as http://localhost:3456.

    key: what stands for the API key; with NO_KEY they are for a server without keys.
    """
    values = {
        "$URL": f"{origin}/v1",
        "$ORIGIN": origin,
        "$PORT": origin.rpartition(":")[2],
        "$KEY": key,
        "$MODEL": model or client.model,
    }
    text = client.template(with_keys=key != NO_KEY)
    for name, value in values.items():
        text = text.replace(name, value)
    return text
