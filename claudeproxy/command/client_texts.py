"""Settings for clients, complete and ready to paste.

`$URL` is the base URL with /v1, `$ORIGIN` the same without it, `$PORT`, `$KEY` and `$MODEL` what
they are called. Those that are in doc/clients.md too are the same there.
"""

from __future__ import annotations

import attrs


@attrs.frozen
class Client:
    """A client. where: what to do with the text. tested: whether the project's tests run it."""

    title: str
    where: str
    text: str
    model: str = "opus"
    tested: bool = True


OPENCLAW = """\
{
  "models": {
    "providers": {
      "claudeproxy": {
        "baseUrl": "$URL",
        "apiKey": "$KEY",
        "api": "openai-completions",
        "models": [
          {"id": "$MODEL", "name": "Opus", "reasoning": true, "input": ["text", "image"]}
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
models:
  - name: Claude
    provider: openai
    model: $MODEL
    apiBase: $URL
    apiKey: $KEY"""

OPEN_WEBUI = """\
docker run -d --name open-webui -p 127.0.0.1:3000:8080 \\
  --add-host=host.docker.internal:host-gateway \\
  -e OPENAI_API_BASE_URL=http://host.docker.internal:$PORT/v1 -e OPENAI_API_KEY=$KEY \\
  -v open-webui:/app/backend/data openwebui/open-webui:main"""

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

model = ChatOpenAI(base_url="$URL", api_key="$KEY", model="$MODEL", stream_usage=True)
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

CLINE = """\
cline auth --provider openai-compatible --apikey $KEY --modelid $MODEL --baseurl $URL"""

AIDER = """\
OPENAI_API_BASE=$URL OPENAI_API_KEY=$KEY aider --model openai/$MODEL"""

SHELL, PYTHON, NODE = "Run", "Python", "JavaScript"
CLIENTS = {
    "ai-sdk": Client("AI SDK (Vercel)", NODE, AI_SDK, "sonnet"),
    "aider": Client("aider", SHELL, AIDER, tested=False),
    "anthropic-js": Client("anthropic (npm)", NODE, ANTHROPIC_JS, "sonnet"),
    "anthropic-python": Client("anthropic (Python)", PYTHON, ANTHROPIC_PYTHON, "sonnet"),
    "claude-code": Client(
        "Claude Code", SHELL, "ANTHROPIC_BASE_URL=$ORIGIN ANTHROPIC_API_KEY=$KEY claude"
    ),
    "cline": Client("Cline CLI", SHELL, CLINE, "claude-opus-4"),
    "codex": Client("Codex CLI", "Put this into ~/.codex/config.toml", CODEX),
    "continue": Client("Continue", "Put this into config.yaml", CONTINUE, tested=False),
    "curl": Client("curl", SHELL, CURL, "sonnet"),
    "langchain": Client("LangChain", PYTHON, LANGCHAIN, "sonnet"),
    "litellm": Client("LiteLLM", PYTHON, LITELLM, "sonnet"),
    "llm": Client(
        "llm", "Put this into extra-openai-models.yaml in the folder of `llm logs path`", LLM
    ),
    "open-webui": Client(
        "Open WebUI in Docker",
        "Run (the server must listen where containers reach it: doc/clients.md)",
        OPEN_WEBUI,
        tested=False,
    ),
    "openai-js": Client("openai (npm)", NODE, OPENAI_JS, "sonnet"),
    "openai-python": Client("openai (Python)", PYTHON, OPENAI_PYTHON, "sonnet"),
    "openclaw": Client(
        "OpenClaw", "Put this into ~/.openclaw/openclaw.json", OPENCLAW, "claude-opus-4"
    ),
    "pydantic-ai": Client("Pydantic AI", PYTHON, PYDANTIC_AI, "sonnet"),
}


def filled(client: Client, origin: str, key: str, model: str | None = None) -> str:
    """The settings of a client for the server at an origin, such as http://localhost:3456."""
    values = {
        "$URL": f"{origin}/v1",
        "$ORIGIN": origin,
        "$PORT": origin.rpartition(":")[2],
        "$KEY": key,
        "$MODEL": model or client.model,
    }
    text = client.text
    for name, value in values.items():
        text = text.replace(name, value)
    return text
