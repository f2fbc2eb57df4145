// Vercel's AI SDK, on Chat Completions and, by OpenAI's own provider, on Responses.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateObject, generateText, isStepCount, streamObject, streamText, tool } from "ai";
import { Person, Place, api, collect, image, kind, model, print, stream, text, url, weather } from "./shared.mjs";

const provider =
  api === "responses"
    ? createOpenAI({ baseURL: url, apiKey: "not-needed" })
    : createOpenAICompatible({
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
  return { ...(await resolved(result, ["text", "usage", "steps", "reasoningText"])), pieces };
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

  async parsed() {
    const output = Output.object({ schema: Person });
    if (!stream) return (await generateText({ ...asked, output })).output;
    return streamText({ ...asked, output, onError }).output;
  },

  async object() {
    if (!stream) return (await generateObject({ ...asked, schema: Person })).object;
    const result = streamObject({ ...asked, schema: Person, onError });
    await collect(result.partialObjectStream);
    return result.object;
  },
};

print(await kinds[kind]());
