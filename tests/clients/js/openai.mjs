// The official client.

import OpenAI from "openai";
import { zodFunction, zodResponseFormat } from "openai/helpers/zod";
import { Person, Place, collect, image, kind, model, print, stream, text, url, weather } from "./shared.mjs";

const client = new OpenAI({ baseURL: url, apiKey: "not-needed", maxRetries: 0 });
const { completions } = client.chat;
const content = image ? [{ type: "text", text }, { type: "image_url", image_url: { url: image } }] : text;
const asked = { model, messages: [{ role: "user", content }] };
const usage = { stream_options: { include_usage: true } };

const kinds = {
  // What is printed is the same whether it streams or not.
  async plain() {
    if (!stream) return completions.create(asked);
    const pieces = await collect(await completions.create({ ...asked, ...usage, stream: true }));
    const said = pieces.map((piece) => piece.choices[0]?.delta.content ?? "");
    return { choices: [{ message: { content: said.join("") } }], usage: pieces.at(-1).usage };
  },

  async parsed() {
    const options = { ...asked, response_format: zodResponseFormat(Person, "person") };
    if (!stream) return completions.parse(options);
    return completions.stream(options).finalChatCompletion();
  },

  async tools() {
    const called = [];
    const tool = zodFunction({
      name: "get_weather",
      description: "How warm it is.",
      parameters: Place,
      function: (place) => {
        called.push(place);
        return weather(place);
      },
    });
    const runner = completions.runTools({ ...asked, tools: [tool], stream });
    return { text: await runner.finalContent(), called };
  },

  // What the client says is wrong, by its own classes.
  async error() {
    try {
      await completions.create(asked);
    } catch (error) {
      return { name: error.constructor.name, status: error.status, code: error.code };
    }
  },
};

print(await kinds[kind]());
