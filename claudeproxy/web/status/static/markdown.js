// A small part of Markdown as DOM nodes: paragraphs, headings, code, lists, bold, italic and links.
// Everything else stays text. No HTML is ever parsed.

import { element } from "./dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([\w+#.-]*)\s*$/;
const ITEM = /^( {0,8})(?:[-*+]|(\d{1,9})[.)])\s+(.*)$/;
const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/;

export function markdown(text) {
  const lines = text.replace(/\r\n?/g, "\n").split("\n");
  const nodes = [];
  let at = 0;
  while (at < lines.length) {
    const fence = FENCE.exec(lines[at]);
    const heading = HEADING.exec(lines[at]);
    if (!lines[at].trim()) {
      at += 1;
    } else if (fence) {
      const body = [];
      for (at += 1; at < lines.length && !closes(lines[at], fence[1]); at += 1) body.push(lines[at]);
      at += 1;
      nodes.push(element("pre", { tabindex: "0", "aria-label": "Code" }, element("code", {}, body.join("\n"))));
    } else if (heading) {
      nodes.push(element("p", {}, element("strong", {}, ...inline(heading[2]))));
      at += 1;
    } else if (ITEM.test(lines[at])) {
      const begin = at;
      while (at < lines.length && (ITEM.test(lines[at]) || /^\s+\S/.test(lines[at]))) at += 1;
      nodes.push(list(lines.slice(begin, at)));
    } else {
      const begin = at;
      at += 1;
      while (at < lines.length && lines[at].trim() && !FENCE.test(lines[at]) && !ITEM.test(lines[at])
        && !HEADING.test(lines[at])) at += 1;
      nodes.push(element("p", {}, ...broken(lines.slice(begin, at))));
    }
  }
  return nodes;
}

const closes = (line, fence) => line.trim().startsWith(fence) && !line.trim().replaceAll(fence[0], "");

// The lines of a paragraph; two spaces at the end of a line break it.
function broken(lines) {
  const nodes = [];
  lines.forEach((line, index) => {
    const last = index === lines.length - 1;
    nodes.push(...inline(line.trim()), last ? "" : line.endsWith("  ") ? element("br") : "\n");
  });
  return nodes;
}

// A list from its lines. What is indented further belongs to the item before it.
function list(lines) {
  const [, indent, number] = ITEM.exec(lines[0]) ?? [null, "", undefined];
  const made = number === undefined ? element("ul") : element("ol", { start: number });
  let at = 0;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]);
    const texts = [item ? item[3] : lines[at].trim()];
    const below = [];
    for (at += 1; at < lines.length; at += 1) {
      const next = ITEM.exec(lines[at]);
      if (next && next[1].length <= indent.length) break;
      if (next || below.length) below.push(lines[at]);
      else texts.push(lines[at].trim());
    }
    made.append(element("li", {}, ...inline(texts.join(" ")), below.length ? list(below) : ""));
  }
  return made;
}

// What stands within a line. Each rule has a pattern that begins at the present place.
const RULES = [
  [/^\\([\\`*_{}[\]()#+.!~-])/, (found) => found[1]],
  [/^(`+)([^`]|[^`][\s\S]*?[^`])\1(?!`)/, (found) => element("code", {}, found[2].trim() || found[2])],
  [/^\*\*(?=\S)([\s\S]*?\S)\*\*/, (found, depth) => element("strong", {}, ...inline(found[1], depth))],
  [/^__(?=\S)([\s\S]*?\S)__(?!\w)/, (found, depth) => element("strong", {}, ...inline(found[1], depth))],
  [/^\*(?=[^\s*])([^*]*[^\s*])\*(?!\*)/, (found, depth) => element("em", {}, ...inline(found[1], depth))],
  [/^_(?=[^\s_])([^_]*[^\s_])_(?!\w)/, (found, depth) => element("em", {}, ...inline(found[1], depth))],
  [/^\[([^[\]]{1,500})\]\(([^()\s]{1,2000})\)/, (found, depth) => link(found[2], inline(found[1], depth), found[0])],
  [/^<(https?:\/\/[^<>\s]{1,2000})>/, (found) => link(found[1], [found[1]], found[0])],
];
const SPECIAL = /[\\`*_[<]/;
const DEEPEST = 6;

function inline(text, depth = 0) {
  const nodes = [];
  let plain = "";
  let rest = text;
  let before = "";
  while (rest) {
    const found = depth < DEEPEST ? rule(rest, before) : null;
    if (found) {
      if (plain) nodes.push(plain);
      plain = "";
      const [match, make] = found;
      nodes.push(make(match, depth + 1));
      before = match[0].at(-1);
      rest = rest.slice(match[0].length);
    } else {
      const next = rest.slice(1).search(SPECIAL);
      const step = depth < DEEPEST ? (next < 0 ? rest.length : next + 1) : rest.length;
      plain += rest.slice(0, step);
      before = rest[step - 1];
      rest = rest.slice(step);
    }
  }
  if (plain) nodes.push(plain);
  return nodes;
}

function rule(rest, before) {
  // An underscore within a word is part of it.
  if (rest[0] === "_" && /\w/.test(before)) return null;
  for (const [pattern, make] of RULES) {
    const match = pattern.exec(rest);
    if (match) return [match, make];
  }
  return null;
}

// A link to another page; any other scheme than http and https stays text.
function link(target, children, source) {
  let url;
  try {
    url = new URL(target);
  } catch {
    return source;
  }
  if (url.protocol !== "http:" && url.protocol !== "https:") return source;
  return element("a", { href: url.href, rel: "noopener noreferrer", target: "_blank" }, ...children);
}
