// The official client.

import OpenAI from "openai";
import { zodFunction, zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { Person, Picky, Place, collect, fault, form, image, kind, model, print, stream, text, url, weather } from "./shared.mjs";

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

  async responses() {
    const told = { model, input: text };
    if (!stream) return { text: (await client.responses.create(told)).output_text };
    const running = client.responses.stream(told);
    const events = await collect(running);
    return { text: (await running.finalResponse()).output_text, last: events.at(-1).type };
  },

  async follows() {
    const first = await client.responses.create({ model, input: text });
    const next = { model, input: "ECHO:next", previous_response_id: first.id };
    return { text: (await client.responses.create(next)).output_text };
  },

  async parsedResponse() {
    const format = zodTextFormat(Person, "person");
    const told = { model, input: text, text: { format } };
    if (!stream) return (await client.responses.parse(told)).output_parsed;
    return (await client.responses.stream(told).finalResponse()).output_parsed;
  },

  // Web search on Responses, and what the API has seen of it in the next turn.
  async search() {
    const told = { model, input: text, tools: [{ type: "web_search" }], include: ["web_search_call.action.sources"] };
    let response, events;
    if (stream) {
      const running = client.responses.stream(told);
      events = (await collect(running)).map((event) => event.type);
      response = await running.finalResponse();
    } else {
      response = await client.responses.create(told);
    }
    const next = { ...told, input: [{ role: "user", content: text }, ...response.output, { role: "user", content: "SEEN" }] };
    const seen = (await client.responses.create(next)).output_text;
    return { output: response.output, events, seen };
  },

  async searchInChat() {
    const told = { ...asked, web_search_options: {} };
    if (!stream) return (await completions.create(told)).choices[0].message;
    return (await completions.stream(told).finalChatCompletion()).choices[0].message;
  },

  // What the client says is wrong, by its own classes.
  async error() {
    try {
      await completions.create(asked);
    } catch (error) {
      return fault(error);
    }
  },

  // An answer that does not match, or one that is cut off.
  async picky() {
    const options = { ...asked, response_format: zodResponseFormat(Picky, "picky") };
    const format = zodTextFormat(Picky, "picky");
    const told = { model, input: text, text: { format } };
    if (form === "cut") options.max_completion_tokens = 1;
    try {
      if (form === "responses") {
        if (!stream) return (await client.responses.parse(told)).output_parsed;
        return (await client.responses.stream(told).finalResponse()).output_parsed;
      }
      if (!stream) return (await completions.parse(options)).choices[0].message.parsed;
      return (await completions.stream(options).finalChatCompletion()).choices[0].message.parsed;
    } catch (error) {
      return fault(error);
    }
  },
};

print(await kinds[kind]());
