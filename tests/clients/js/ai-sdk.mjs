// Vercel's AI SDK, on Chat Completions and, by the providers for their own APIs, on Responses and
// Messages.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateObject, generateText, isStepCount, streamObject, streamText, tool } from "ai";
import { Colour, Person, Picky, Place, api, collect, fault, form, image, kind, model, print, stream, text, url, weather } from "./shared.mjs";

const openai = createOpenAI({ baseURL: url, apiKey: "not-needed" });
const anthropic = createAnthropic({ baseURL: url, apiKey: "not-needed" });
const provider = { responses: openai, messages: anthropic }[api] ??
  createOpenAICompatible({
    name: "claudeproxy",
    baseURL: url,
    includeUsage: true,
    supportsStructuredOutputs: true,
  });
const content = [{ type: "text", text }];
if (image) content.push({ type: "file", mediaType: "image/png", data: image });
const asked = { model: provider(model), messages: [{ role: "user", content }], maxRetries: 0 };

// What went wrong in a stream is told here, and nowhere else.
const onError = ({ error }) => {
  throw error;
};

// What is read of the result of either way is a promise in a stream; `pieces` are its texts.
async function ask(options) {
  if (!stream) return generateText({ ...asked, ...options });
  const result = streamText({ ...asked, ...options, onError });
  const pieces = await collect(result.textStream);
  return { ...(await resolved(result, ["text", "usage", "steps", "reasoningText", "sources"])), pieces };
}

async function resolved(result, names) {
  const values = await Promise.all(names.map((name) => result[name]));
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
}

const kinds = {
  async plain() {
    const { text, usage, pieces } = await ask({});
    return { text, usage, pieces };
  },

  async reasoning() {
    const { text, reasoningText } = await ask({
      providerOptions: { claudeproxy: { reasoningEffort: "high" } },
    });
    return { text, reasoning: reasoningText };
  },

  async tools() {
    const get_weather = tool({
      description: "How warm it is.",
      inputSchema: Place,
      execute: weather,
    });
    const { text, steps } = await ask({ tools: { get_weather }, stopWhen: isStepCount(5) });
    const called = steps.flatMap((step) => step.toolCalls.map((call) => call.input));
    return { text, called, reasons: steps.map((step) => step.finishReason) };
  },

  // Web search by the tool of each provider, beside a function, and what the API has seen of it in
  // the next turn.
  async web() {
    const web = {
      responses: () => ({ web_search: openai.tools.webSearch({ searchContextSize: "low" }) }),
      messages: () => ({
        web_search: anthropic.tools.webSearch_20250305({ maxUses: 2 }),
        web_fetch: anthropic.tools.webFetch_20250910({ citations: { enabled: true } }),
      }),
    }[api]();
    const get_weather = tool({ description: "How warm it is.", inputSchema: Place, execute: weather });
    const tools = { ...web, get_weather };
    const first = await ask({ tools, stopWhen: isStepCount(5) });
    const called = first.steps.flatMap((step) =>
      step.toolCalls.map((call) => [call.toolName, call.input, call.providerExecuted ?? false]),
    );
    const results = first.steps.flatMap((step) => step.toolResults.map((result) => result.output));
    const urls = first.sources.map((source) => source.url ?? source.title);
    const said = first.steps.flatMap((step) => step.response.messages);
    const messages = [...asked.messages, ...said, { role: "user", content: "SEEN" }];
    const next = await generateText({ ...asked, messages, tools });
    return { text: first.text, called, results, urls, seen: next.text };
  },

  // Each form of output that they have, by the functions for it and by those for text.
  async parsed() {
    const output = {
      object: () => Output.object({ schema: Person }),
      array: () => Output.array({ element: Person }),
      enum: () => Output.choice({ options: Colour }),
      json: () => Output.json(),
    }[form]();
    if (!stream) return (await generateText({ ...asked, output })).output;
    const result = streamText({ ...asked, output, onError });
    const partial = await collect(result.partialOutputStream);
    return last(partial, await result.output);
  },

  async object() {
    const output = {
      object: { schema: Person },
      array: { output: "array", schema: Person },
      enum: { output: "enum", enum: Colour },
      json: { output: "no-schema" },
    }[form];
    if (!stream) return (await generateObject({ ...asked, ...output })).object;
    const result = streamObject({ ...asked, ...output, onError });
    const partial = await collect(result.partialObjectStream);
    return last(partial, await result.object);
  },

  // An answer that does not match.
  async picky() {
    try {
      if (!stream) return (await generateObject({ ...asked, schema: Picky })).object;
      const result = streamObject({ ...asked, schema: Picky, onError: () => {} });
      await collect(result.partialObjectStream);
      return await result.object;
    } catch (error) {
      return { ...fault(error), status: error.statusCode, retries: error.isRetryable };
    }
  },
};

function last(partial, whole) {
  if (JSON.stringify(partial.at(-1)) !== JSON.stringify(whole)) throw new Error("not the whole");
  return whole;
}

print(await kinds[kind]());
