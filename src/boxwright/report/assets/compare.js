// SPDX-License-Identifier: Apache-2.0
"use strict";
const runs = JSON.parse(document.getElementById("run-data").textContent);
const INKS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8478FC", "#905454"];
const ink = i => INKS[i % INKS.length];
const KEY = "metrics/mAP_0.5:0.95";

const classes = [...new Set(runs.flatMap(run => run.classes.map(one => one.class)))];
const value = (run, name) => run.classes.find(one => one.class === name)?.[KEY];
at("class-table").tHead.append(make("tr", {}, make("th", { textContent: "Class" }), ...runs.map(run => make("th", { textContent: run.name }))));
at("class-table").tBodies[0].append(...classes.map(name => {
  const best = Math.max(...runs.map(run => value(run, name) ?? -1));
  return make("tr", {}, make("td", { textContent: name }), ...runs.map(run => {
    const mine = value(run, name), text = mine === undefined ? "–" : mine.toFixed(3);
    return make("td", {}, mine === best && runs.length > 1 ? make("b", { textContent: text }) : text);
  }));
}));

const legend = runs.map((run, i) => {
  const dot = make("i");
  dot.style.background = ink(i);
  return make("span", { className: "tag" }, dot, run.name);
});
at("legend").append(...legend);
const [W, H] = [330, 210];
for (const name of Object.keys(runs[0].history).filter(one => one !== "epoch")) {
  const lines = runs.map(run => (run.history[name] ?? []).map((y, i) => [run.history.epoch[i] + 1, y]).filter(([, y]) => y !== null));
  const all = lines.flat();
  if (!all.length) continue;
  const [x0, x1] = [Math.min(...all.map(p => p[0])), Math.max(...all.map(p => p[0]))], [y0, y1] = [Math.min(...all.map(p => p[1])), Math.max(...all.map(p => p[1]))];
  const place = ([x, y]) => `${(L + (x - x0) / (x1 - x0 || 1) * (W - L - R)).toFixed(1)} ${(H - B - (y - y0) / (y1 - y0 || 1) * (H - B - T)).toFixed(1)}`;
  const svg = draw("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": name }, draw("text", { x: L, y: 12, class: "title" }, name));
  for (const share of [0, 0.5, 1]) {
    const y = H - B - share * (H - B - T);
    svg.append(draw("path", { d: `M${L} ${y}H${W - 8}`, class: "axis" }), draw("text", { x: L - 5, y: y + 4, "text-anchor": "end" }, String(Number((y0 + share * (y1 - y0)).toPrecision(2)))));
    svg.append(draw("text", { x: L + share * (W - L - R), y: H - B + 14, "text-anchor": "middle" }, String(Math.round(x0 + share * (x1 - x0)))));
  }
  lines.forEach((line, i) => line.length && svg.append(draw("path", { d: "M" + line.map(place).join("L"), fill: "none", stroke: ink(i), "stroke-width": 1.8 })));
  at("course-charts").append(svg);
}
document.body.dataset.ready = "yes";
