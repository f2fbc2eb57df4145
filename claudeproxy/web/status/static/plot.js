// Small plots as SVG: columns that stand on each other, or lines.

import { count, drawn, element, seconds } from "./dom.js";

const WIDTH = 320, HEIGHT = 110, TOP = 8, LEFT = 42, BOTTOM = 14;

export function plots(columns, period) {
  const sum = (name) => columns[name].reduce((total, value) => total + value, 0);
  const most = (name) => Math.max(0, ...columns[name].filter((value) => value !== null));
  const each = period === "hour" ? "a minute" : "in 15 minutes";
  const prompt = sum("input") + sum("cached") + sum("written");
  const share = prompt ? `, ${Math.round((100 * sum("cached")) / prompt)}% of the prompts from the cache` : "";
  return [
    figure("Requests", `${count(sum("requests"))}, at most ${count(most("requests"))} ${each}`, columns,
      [["requests", "a", "requests"]], stacked, count),
    figure("First token", most("p95") ? `longest p95 ${seconds(most("p95"))}` : "none yet", columns,
      [["p50", "a", "p50"], ["p95", "b", "p95"]], lines, seconds),
    figure("Tokens", `${count(prompt + sum("output"))}${share}`, columns,
      [["cached", "d", "cached"], ["written", "c", "written to the cache"], ["input", "a", "other input"], ["output", "b", "output"]],
      stacked, short),
    figure("Errors", count(sum("errors")), columns, [["errors", "b", "errors"]], stacked, count),
  ];
}

function figure(title, summary, columns, series, draw, format) {
  const [highest, marks] = draw(columns, series);
  const svg = drawn("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "plot", role: "img", "aria-label": `${title}: ${summary}` },
    ...scale(highest, format), ...marks, ...times(columns));
  const legend = series.length > 1 ? series.flatMap(([, color, name]) => [element("i", { class: color }), name]) : [];
  return element("figure", {}, element("figcaption", {}, element("strong", {}, title), " ", element("span", {}, summary)),
    svg, legend.length ? element("p", { class: "legend" }, ...legend) : "");
}

const y = (value, highest) => HEIGHT - BOTTOM - (value / highest) * (HEIGHT - BOTTOM - TOP);

function scale(highest, format) {
  return [highest, highest / 2].flatMap((value) => [
    drawn("line", { x1: LEFT, x2: WIDTH, y1: y(value, highest), y2: y(value, highest), class: "grid" }),
    value === highest || Number.isInteger(value) || format !== count
      ? drawn("text", { x: LEFT - 4, y: y(value, highest) + 4, "text-anchor": "end" }, format(value))
      : "",
  ]);
}

function times(columns) {
  const points = columns.requests.length;
  return [0, 0.5, 1].map((share) => {
    const at = new Date((columns.begin + columns.step * points * share) * 1000);
    const text = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
    const anchor = ["start", "middle", "end"][share * 2];
    return drawn("text", { x: LEFT + (WIDTH - LEFT) * share, y: HEIGHT - 2, "text-anchor": anchor }, text);
  });
}

function stacked(columns, series) {
  const points = columns.requests.length;
  const totals = Array.from({ length: points }, (_, index) => series.reduce((total, [name]) => total + columns[name][index], 0));
  const highest = rounded(Math.max(...totals));
  const width = (WIDTH - LEFT) / points;
  const marks = [];
  for (let index = 0; index < points; index += 1) {
    let below = 0;
    for (const [name, color] of series) {
      const value = columns[name][index];
      if (value) {
        const top = y(below + value, highest);
        marks.push(drawn("rect", {
          x: LEFT + index * width, y: top, width: Math.max(width - 0.6, 0.6), height: y(below, highest) - top, class: color,
        }));
      }
      below += value;
    }
  }
  return [highest, marks];
}

function lines(columns, series) {
  const highest = rounded(Math.max(0, ...series.flatMap(([name]) => columns[name].filter((value) => value !== null))), 0.1);
  const marks = [];
  for (const [name, color] of series) {
    const values = columns[name];
    const width = (WIDTH - LEFT) / values.length;
    const points = [];
    values.forEach((value, index) => {
      if (value === null) return;
      const place = [LEFT + (index + 0.5) * width, y(value, highest)];
      points.push(place.map((part) => part.toFixed(1)).join());
      marks.push(drawn("circle", { cx: place[0], cy: place[1], r: 1.6, class: color }));
    });
    if (points.length > 1) marks.push(drawn("polyline", { points: points.join(" "), class: color }));
  }
  return [highest, marks];
}

// The top of the scale: 1, 2 or 5 with zeros.
function rounded(value, least = 1) {
  if (value <= least) return least;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((top) => top >= value * 0.9999);
}

export function short(value) {
  for (const [size, name] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${Number((value / size).toPrecision(3))}${name}`;
  }
  return `${value}`;
}
