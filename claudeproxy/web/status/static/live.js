// What the server does: requests, processes and plots, kept up to date by server-sent events.
//
// They are read with fetch, as an EventSource cannot send a key. A page that nobody sees reads none.

import { $, clock, count, element, seconds } from "./dom.js";
import { plots, short } from "./plot.js";
import { showPlan, showState, showUnreachable, showUptime } from "./state.js";

const MOST = 100;
// Without a key, a click or a scroll for so long, the page stops to read until somebody comes back.
const FORGOTTEN = 3600e3;
const RETRY = 3000;
const UNREACHABLE = "The server cannot be reached. If it has stopped, start it again; this page then goes on by itself.";
const COLUMNS = [
  ["Time", (one) => clock(one.at)],
  ["Model", (one) => one.model],
  ["Process", (one) => one.rung],
  ["First token", (one) => seconds(one.first_token), "number"],
  ["Total", (one) => seconds(one.seconds), "number"],
  ["Tokens in", (one) => (one.tokens ? short(one.tokens.input + one.tokens.cached + one.tokens.written) : ""), "number"],
  ["cached", (one) => (one.tokens ? short(one.tokens.cached) : ""), "number"],
  ["out", (one) => (one.tokens ? short(one.tokens.output) : ""), "number"],
  ["Outcome", outcome, "outcome"],
  ["Key", (one) => (one.key === "none" ? "" : one.key)],
  ["Route", (one) => one.route.replace(/^POST /, "")],
];
const NOW = [
  ["Since", (one) => clock(one.at)],
  ["Model", (one) => (one.model === "none" ? "" : one.model)],
  ["Process", (one) => one.rung || "waits"],
  ["First token", (one) => seconds(one.first_token), "number"],
  ["Key", (one) => (one.key === "none" ? "" : one.key)],
  ["Route", (one) => one.route.replace(/^POST /, "")],
];

let data = { running: [], recent: [], processes: [], waiting: 0, plots: null };
let rows = new Map();
let reading = null;
let retry = 0;
let touched = Date.now();
let keyHeaders = () => ({});
let refused = () => {};
let becameReady = () => {};

// headers: returns those with the key. onRefused: called if it is wrong. onReady: when the server
// can answer, and could not before.
export function start(headers, onRefused, onReady) {
  keyHeaders = headers;
  refused = onRefused;
  becameReady = onReady;
  $("live-part").hidden = false;
  head("recent", COLUMNS);
  head("running", NOW);
  for (const radio of document.querySelectorAll("input[name=period]")) radio.addEventListener("change", showPlots);
  for (const happening of ["keydown", "pointerdown", "wheel", "scroll"]) {
    addEventListener(happening, () => { touched = Date.now(); }, { passive: true });
  }
  $("resume").addEventListener("click", () => { touched = Date.now(); read(); });
  document.addEventListener("visibilitychange", () => (document.hidden ? leave("") : read()));
  addEventListener("pagehide", () => leave(""));
  read();
}

export function restart() {
  leave("");
  read();
}

function leave(message) {
  clearTimeout(retry);
  reading?.abort();
  reading = null;
  tell(message);
}

function tell(message, error = false) {
  $("live-told").textContent = message;
  $("live-told").classList.toggle("error", error);
}

async function read() {
  if (reading || document.hidden) return;
  clearTimeout(retry);
  if (Date.now() - touched > FORGOTTEN) {
    tell("Paused, as nobody has used this page for an hour.");
    $("resume").hidden = false;
    return;
  }
  $("resume").hidden = true;
  const mine = reading = new AbortController();
  let wait = RETRY;
  try {
    const response = await fetch("/status/events", { headers: keyHeaders(), signal: mine.signal, cache: "no-store" });
    if (!response.ok) {
      const told = await response.json().catch(() => ({}));
      if (response.status === 401) {
        reading = null;
        refused(told.error?.message ?? "");
        return;
      }
      tell(told.error?.message ?? `The server answered with ${response.status}.`, true);
      wait = 1000 * (Number(response.headers.get("retry-after")) || 30);
    } else {
      tell("");
      if (await consume(response.body)) wait = 0;
    }
  } catch (error) {
    if (mine.signal.aborted) return;
    tell(UNREACHABLE, true);
    showUnreachable(UNREACHABLE);
  }
  if (reading === mine) {
    reading = null;
    retry = setTimeout(read, wait);
  }
}

// Read a stream; whether it ended as the server said.
async function consume(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const [, event, text] = /^event: (\w+)\ndata: (.*)$/.exec(frame) ?? [];
      if (event === "end") return true;
      if (event) take(event, JSON.parse(text));
    }
  }
}

function take(event, told) {
  if (event === "snapshot") {
    data = { ...data, recent: [] };
    rows = new Map();
    showUptime(told.uptime);
  }
  if (told.recent) {
    const newest = data.recent.at(-1)?.number ?? 0;
    data.recent = [...data.recent, ...told.recent.filter((one) => one.number > newest)].slice(-MOST);
  }
  const { recent, ...others } = told;
  const wasReady = data.state?.ready;
  data = { ...data, ...others };
  if (told.state) showState(told.state);
  if (told.state?.ready && !wasReady) becameReady();
  if (told.plan) showPlan(told.plan);
  if (recent) showRecent();
  if (told.plots) showPlots();
  if (told.running) showRunning();
  if (told.processes || told.waiting !== undefined) showProcesses();
}

function outcome(one) {
  if (one.outcome === "ok") return "ok";
  const status = one.status === null || one.status === 200 ? "" : ` ${one.status}`;
  return `${one.outcome}${status}${one.error ? `: ${one.error}` : ""}`;
}

function head(id, columns) {
  $(id).tHead.replaceChildren(element("tr", {}, ...columns.map(([name, , kind]) => (
    element("th", { scope: "col", class: kind === "number" ? kind : undefined }, name)
  ))));
}

const row = (one, columns) => element("tr", { class: one.outcome }, ...columns.map(([, text, kind]) => (
  element("td", { class: kind }, text(one))
)));

const nothing = (text, columns) => [element("tr", {}, element("td", { colspan: columns.length }, text))];

function showRecent() {
  const shown = new Map();
  for (const one of data.recent) shown.set(one.number, rows.get(one.number) ?? row(one, COLUMNS));
  rows = shown;
  $("recent").tBodies[0].replaceChildren(...(rows.size ? [...rows.values()].reverse() : nothing("None yet.", COLUMNS)));
}

function showRunning() {
  $("running").tBodies[0].replaceChildren(...(
    data.running.length ? data.running.map((one) => row(one, NOW)) : nothing("None.", NOW)
  ));
}

const DOES = {
  blank: "spare", busy: "answers", ending: "ends a turn", parked: "waits for tool results", preparing: "is made ready", idle: "idle",
};

function showProcesses() {
  const waiting = data.waiting ? `${count(data.waiting)} in the queue` : "nothing in the queue";
  const number = data.processes.length;
  $("now").textContent = `${count(number)} ${number === 1 ? "process" : "processes"}, ${waiting}.`;
  $("processes").replaceChildren(...data.processes.map((one) => {
    const turns = one.turns ? `${count(one.turns)} ${one.turns === 1 ? "turn" : "turns"}` : "";
    const parts = [DOES[one.activity] ?? one.activity, one.model, turns, `since ${clock(one.since)}`];
    return element("li", { class: one.activity }, parts.filter(Boolean).join(", "));
  }));
}

function showPlots() {
  if (!data.plots) return;
  const period = document.querySelector("input[name=period]:checked").value;
  $("plots").replaceChildren(...plots(data.plots[period], period));
}
