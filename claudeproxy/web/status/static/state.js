// The state, in the server's own words.

import { $, day, element, withCode } from "./dom.js";

// When the server was started, by this machine's clock.
let started = null;

export function showUptime(uptime) {
  started = uptime === null || uptime === undefined ? null : Date.now() / 1000 - uptime;
}

export function showUnreachable(message) {
  $("verdict").dataset.ready = "no";
  $("verdict").dataset.told = "";
  $("verdict").replaceChildren(element("strong", {}, "Not ready"), " ", element("span", {}, message));
  document.title = "Not ready - claudeproxy";
}

export function showState(state) {
  const word = state.ready ? "Ready" : "Not ready";
  const verdict = $("verdict");
  const told = `${word} ${state.message}`;
  if (verdict.dataset.told !== told) {
    // A screen reader reads it aloud, so only if it is new.
    verdict.dataset.told = told;
    verdict.dataset.ready = state.ready ? "yes" : "no";
    verdict.replaceChildren(element("strong", {}, word), " ", element("span", {}, ...withCode(state.message)));
  }
  // Another server may have taken the place of the one that the page came from.
  $("demo").hidden = !state.demo;
  document.title = `${state.demo ? "Demo" : word} - claudeproxy`;
  const cli = state.cli;
  const rows = [
    ["CLI", cli ? `Claude Code ${cli.version}: ${cli.path} (${cli.where})` : "It has found no Claude Code CLI yet."],
    ["Login", state.login_text],
    ["Server", `claudeproxy ${state.version}` + (started === null ? "" : `, running since ${day(started)}`)],
  ];
  $("facts").replaceChildren(...rows.map(([name, text]) => (
    element("div", {}, element("dt", {}, name), element("dd", {}, text))
  )));
}

export function showPlan(plan) {
  const windows = plan.windows ?? [];
  if (!windows.length) {
    $("plan").replaceChildren(element("p", {}, plan.note ?? ""));
    return;
  }
  $("plan").replaceChildren(element("ul", {}, ...windows.map((window) => {
    const title = window.name.replaceAll("_", "-");
    const known = typeof window.used === "number";
    const share = known ? `${Math.round(window.used * 100)}% used` : "not known";
    const meter = known
      ? element("meter", { min: 0, max: 1, low: 0.8, high: 0.95, optimum: 0, value: window.used, "aria-label": title })
      : "";
    const ends = window.resets_at ? `, resets ${day(window.resets_at)}` : "";
    return element("li", {}, element("span", {}, title), meter, element("span", {}, share + ends));
  })));
}
