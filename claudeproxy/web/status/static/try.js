// A prompt for the public API, with its answer as it is written.

import { $, copyButton, count, element, seconds } from "./dom.js";
import { markdown } from "./markdown.js";

const PATH = "/v1/chat/completions";
const TYPES = ["image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf"];
const LARGEST = 20e6;
// How often the answer is drawn again while it comes, in milliseconds.
const DRAW = 80;

let attached = [];
let running = null;
let keyHeaders = () => ({});
let hasKey = () => false;
let last = null;

export function start(headers, withKey) {
  keyHeaders = headers;
  hasKey = withKey;
  $("try-locked").hidden = true;
  $("try-form").hidden = false;
  $("request").hidden = false;
  $("request-body").before(copyButton(() => JSON.stringify(body()), "the body"));
  $("request-curl").before(copyButton(() => curl(body()), "the request with curl"));
  $("try-form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  $("try-form").addEventListener("input", showRequest);
  $("stop").addEventListener("click", () => running?.abort());
  $("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  });
  $("files").addEventListener("change", async () => {
    await attach([...$("files").files]);
    $("files").value = "";
  });
  const drop = $("drop");
  for (const happening of ["dragenter", "dragover"]) {
    drop.addEventListener(happening, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    attach([...event.dataTransfer.files]);
  });
  drop.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) {
      event.preventDefault();
      attach([...event.clipboardData.files]);
    }
  });
  showRequest();
}

export function showModels(names) {
  const chosen = $("model").value;
  $("model").replaceChildren(...names.map((name) => element("option", {}, name)));
  $("model").value = names.includes(chosen) ? chosen : names[0];
  showRequest();
}

async function attach(files) {
  for (const file of files) {
    if (!TYPES.includes(file.type)) {
      tell(`${file.name} is neither a picture nor a PDF file.`, true);
    } else if (file.size > LARGEST) {
      tell(`${file.name} is larger than ${LARGEST / 1e6} MB.`, true);
    } else {
      attached.push({ name: file.name, type: file.type, url: await dataUrl(file) });
    }
  }
  showAttached();
}

const dataUrl = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});

function showAttached() {
  $("attached").replaceChildren(...attached.map((one) => element("li", {},
    one.type === "application/pdf" ? "" : element("img", { src: one.url, alt: "" }), one.name,
    element("button", {
      type: "button", class: "plain", "aria-label": `Remove ${one.name}`,
      onclick: () => { attached = attached.filter((other) => other !== one); showAttached(); $("prompt").focus(); },
    }, "Remove"))));
  showRequest();
}

function body() {
  const text = $("prompt").value;
  const parts = attached.map((one) => (one.type === "application/pdf"
    ? { type: "file", file: { filename: one.name, file_data: one.url } }
    : { type: "image_url", image_url: { url: one.url } }));
  const content = parts.length ? [...parts, { type: "text", text }] : text;
  const effort = $("effort").value;
  return {
    model: $("model").value,
    messages: [{ role: "user", content }],
    ...(effort ? { reasoning_effort: effort } : {}),
    stream: true,
    stream_options: { include_usage: true },
  };
}

function curl(asked) {
  const key = hasKey() ? ' -H "Authorization: Bearer $KEY"' : "";
  // In a here-document the shell changes nothing, and there is no limit to its length.
  return `curl -N ${location.origin}${PATH} -H 'Content-Type: application/json'${key} --data-binary @- <<'EOF'\n`
    + `${JSON.stringify(asked)}\nEOF`;
}

function showRequest() {
  const asked = body();
  // Files are shown by their beginnings, and copied whole.
  const shown = JSON.parse(JSON.stringify(asked), (name, value) => (
    (name === "url" || name === "file_data") && value.length > 60 ? `${value.slice(0, 40)}... (${count(value.length)} characters)` : value
  ));
  $("request-body").textContent = JSON.stringify(shown, null, 2);
  $("request-curl").textContent = curl(shown);
}

function tell(message, error = false) {
  $("answer-part").hidden = false;
  // A screen reader reads it aloud, so only if it is new.
  if ($("answer-told").textContent !== message) $("answer-told").textContent = message;
  $("answer-told").classList.toggle("error", error);
}

async function send() {
  if (running) return;
  if (!$("prompt").value.trim() && !attached.length) {
    $("prompt").focus();
    return;
  }
  const mine = running = new AbortController();
  last = { text: "", thinking: "", usage: null, first: null, begun: performance.now(), rung: "" };
  $("send").disabled = true;
  $("stop").disabled = false;
  $("answer").setAttribute("aria-busy", "true");
  $("thinking").hidden = true;
  draw();
  tell("Waiting for the answer ...");
  const drawing = setInterval(draw, DRAW);
  try {
    const response = await fetch(PATH, {
      method: "POST", headers: { "content-type": "application/json", ...keyHeaders() },
      body: JSON.stringify(body()), signal: mine.signal,
    });
    last.rung = response.headers.get("x-claudeproxy-worker") ?? "";
    if (!response.ok) throw new Told((await response.json()).error.message);
    await consume(response.body);
    draw();
    tell(summary("Done"));
  } catch (error) {
    draw();
    if (mine.signal.aborted) tell(summary("Stopped"));
    else tell(error instanceof Told ? error.message : "The connection to the server broke.", true);
  } finally {
    clearInterval(drawing);
    running = null;
    $("send").disabled = false;
    $("stop").disabled = true;
    $("answer").removeAttribute("aria-busy");
  }
}

// An error that the server has told.
class Told extends Error {}

async function consume(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      if (frame.startsWith("data: ") && frame !== "data: [DONE]") take(JSON.parse(frame.slice(6)));
    }
  }
}

function take(chunk) {
  if (chunk.error) throw new Told(chunk.error.message);
  const delta = chunk.choices?.[0]?.delta ?? {};
  if (delta.content || delta.reasoning_content) last.first ??= (performance.now() - last.begun) / 1000;
  last.text += delta.content ?? "";
  last.thinking += delta.reasoning_content ?? "";
  last.usage = chunk.usage ?? last.usage;
}

let drawn = "";

function draw() {
  const now = `${last.thinking.length} ${last.text}`;
  if (now === drawn) return;
  drawn = now;
  const answer = $("answer");
  const atEnd = answer.scrollHeight - answer.scrollTop - answer.clientHeight < 40;
  answer.replaceChildren(...markdown(last.text));
  if (atEnd) answer.scrollTop = answer.scrollHeight;
  $("thinking").hidden = !last.thinking;
  $("thinking").lastElementChild.replaceChildren(...markdown(last.thinking));
  if (last.text) tell("The answer is being written ...");
}

function summary(word) {
  const parts = [`${word} after ${seconds((performance.now() - last.begun) / 1000)}`];
  if (last.first !== null) parts.push(`first token after ${seconds(last.first)}`);
  if (last.rung) parts.push(`process ${last.rung}`);
  const usage = last.usage;
  if (usage) {
    const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
    parts.push(`${count(usage.prompt_tokens)} tokens in (${count(cached)} cached), ${count(usage.completion_tokens)} out`);
  }
  return `${parts.join(", ")}.`;
}
