// Anthropic's official client.

import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { Person, Picky, fault, form, kind, model, print, stream, text, url, weather } from "./shared.mjs";

const client = new Anthropic({
  baseURL: url.replace(/\/v1$/, ""),
  apiKey: "not-needed",
  maxRetries: 0,
});
const asked = { model, max_tokens: 500 };
const tools = [
  {
    name: "get_weather",
    description: "How warm it is.",
    input_schema: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
];

async function ask(messages, options = {}) {
  const told = { ...asked, messages, ...options };
  return stream ? client.messages.stream(told).finalMessage() : client.messages.create(told);
}

const kinds = {
  async plain() {
    return ask([{ role: "user", content: text }]);
  },

  async parsed() {
    const schema = { object: Person, array: z.array(z.number().int()), picky: Picky }[form];
    const output_config = { format: zodOutputFormat(schema) };
    const told = { ...asked, messages: [{ role: "user", content: text }], output_config };
    try {
      if (!stream) return (await client.messages.parse(told)).parsed_output;
      return (await client.messages.stream(told).finalMessage()).parsed_output;
    } catch (error) {
      return fault(error);
    }
  },

  async tools() {
    const messages = [{ role: "user", content: text }];
    const first = await ask(messages, { tools });
    const calls = first.content.filter((block) => block.type === "tool_use");
    const results = calls.map((call) => ({
      type: "tool_result",
      tool_use_id: call.id,
      content: weather(call.input),
    }));
    messages.push({ role: "assistant", content: first.content }, { role: "user", content: results });
    const last = await ask(messages, { tools });
    return { text: last.content.at(-1).text, called: calls.map((call) => call.input) };
  },

  // Web search and web fetch until the turn ends, and what the API has seen of them in the next.
  async web() {
    const tools = [
      { type: "web_search_20250305", name: "web_search", max_uses: 2 },
      { type: "web_fetch_20250910", name: "web_fetch", citations: { enabled: true } },
    ];
    const options = { tools, max_tokens: 2000 };
    const messages = [{ role: "user", content: text }];
    const answers = [];
    do {
      answers.push(await ask(messages, options));
      messages.push({ role: "assistant", content: answers.at(-1).content });
    } while (answers.at(-1).stop_reason === "pause_turn" && answers.length < 5);
    const seen = await ask([...messages, { role: "user", content: "SEEN" }], options);
    return { answers, seen: seen.content.at(-1).text };
  },
};

print(await kinds[kind]());
