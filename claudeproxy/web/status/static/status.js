// The parts of the page, and the key that they share.

import { $, copyButton } from "./dom.js";
import * as live from "./live.js";
import { showPlan } from "./state.js";
import * as trying from "./try.js";

const STORED = "claudeproxy-key";
const withKeys = document.body.dataset.keys === "yes";
let key = withKeys ? (sessionStorage.getItem(STORED) ?? "") : "";
let begun = false;

const headers = () => (key ? { authorization: `Bearer ${key}` } : {});

async function get(path) {
  const response = await fetch(path, { headers: headers(), cache: "no-store" });
  const told = await response.json();
  if (!response.ok) throw Object.assign(new Error(told.error?.message ?? "The server refuses."), { status: response.status });
  return told;
}

function begin() {
  if (begun) {
    live.restart();
  } else {
    begun = true;
    trying.start(headers, () => withKeys);
    live.start(headers, askKey, ready);
  }
}

// The server has become ready, so the CLI can be asked.
async function ready() {
  try {
    const names = (await get("/v1/models")).data.map((model) => model.id);
    trying.showModels(names);
    $("use-model").replaceChildren(new Option("as recommended", ""), ...names.map((name) => new Option(name, name)));
    // It is asked for the limits, if what is known of them is old.
    showPlan(await get("/v1/usage"));
  } catch {
    // The state says why, and this is tried again when it is good.
  }
}

// The key

function askKey(message) {
  key = "";
  sessionStorage.removeItem(STORED);
  $("key-forget").hidden = true;
  tellKey(message, true);
  $("key").focus();
}

function tellKey(message, error) {
  $("key-told").textContent = message;
  $("key-told").classList.toggle("error", error);
}

async function useKey(given) {
  key = given;
  try {
    await get("/status/data");
  } catch (error) {
    if (error.status === 401) askKey(error.message);
    else tellKey(error.status ? error.message : "The server cannot be reached. If it has stopped, start it again, and then send the key again.", true);
    return;
  }
  sessionStorage.setItem(STORED, key);
  $("key").value = "";
  $("key-forget").hidden = false;
  tellKey("The page uses the key that you gave.", false);
  begin();
}

// The settings for clients, for the address by which this page was asked and the chosen model.

function fillClients() {
  const model = $("use-model").value;
  const port = location.port || (location.protocol === "https:" ? "443" : "80");
  const values = {
    $URL: `${location.origin}/v1`, $ORIGIN: location.origin, $PORT: port, $KEY: withKeys ? "YOUR_KEY" : "not-needed",
  };
  $("base-url").textContent = values.$URL;
  $("origin").textContent = values.$ORIGIN;
  for (const client of document.querySelectorAll(".client")) {
    const shown = client.querySelector("pre");
    values.$MODEL = model || client.dataset.model;
    shown.textContent = Object.entries(values).reduce((text, [name, value]) => text.replaceAll(name, () => value), shown.dataset.text);
  }
}

function startClients() {
  const label = document.createElement("label");
  const select = document.createElement("select");
  select.id = "use-model";
  select.append(new Option("as recommended", ""));
  label.append("Model ", select);
  $("clients").before(label);
  select.addEventListener("change", fillClients);
  for (const client of document.querySelectorAll(".client")) {
    const shown = client.querySelector("pre");
    shown.before(copyButton(() => shown.textContent, client.querySelector("summary").textContent));
  }
  fillClients();
}

startClients();
if (withKeys) {
  $("key-form").addEventListener("submit", (event) => { event.preventDefault(); useKey($("key").value.trim()); });
  $("key-forget").addEventListener("click", () => { askKey(""); location.reload(); });
  if (key) useKey(key);
} else {
  begin();
}
