// SPDX-License-Identifier: Apache-2.0
"use strict";
const run = JSON.parse(document.getElementById("run-data").textContent);
const PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8a6d00", "#9b3fb0", "#8478FC", "#3C30A8", "#905454", "#5f9a5f", "#C03C90", "#007878", "#9C0C3C"];
const ink = i => PALETTE[i % PALETTE.length];

const number = (value, digits = 3) => value === null || value === undefined || value < 0 ? "–" : value.toFixed(digits);

// -- classes

const COLUMNS = [["class", "Class"], ["images", "Images"], ["labels", "Objects"], ["metrics/precision", "P"], ["metrics/recall", "R"], ["metrics/F1", "F1"],
  ["metrics/mAP_0.5", "mAP50"], ["metrics/mAP_0.5:0.95", "mAP50-95"], ["coco/AP_small", "small"], ["coco/AP_medium", "medium"], ["coco/AP_large", "large"], ["best_confidence", "best at"]];
let sorted = { key: "metrics/mAP_0.5:0.95", down: true };

function classTable() {
  const rows = [...run.classes].sort((a, b) => {
    const [x, y] = [a[sorted.key], b[sorted.key]];
    const order = typeof x === "string" ? x.localeCompare(y) : (x ?? -1) - (y ?? -1);
    return sorted.down ? -order : order;
  });
  const heads = COLUMNS.map(([key, word]) => {
    const button = make("button", { type: "button", textContent: word });
    button.addEventListener("click", () => {
      sorted = { key, down: sorted.key === key ? !sorted.down : key !== "class" };
      classTable();
      at("class-table").querySelector(`[data-key="${key}"] button`).focus();
    });
    return make("th", { scope: "col", "data-key": key, "aria-sort": sorted.key !== key ? "none" : sorted.down ? "descending" : "ascending" }, button);
  });
  at("class-table").tHead.replaceChildren(make("tr", {}, ...heads));
  at("class-table").tBodies[0].replaceChildren(...rows.map(row => make("tr", {}, ...COLUMNS.map(([key], i) => {
    if (i === 0) return make("td", {}, row[key]);
    return make("td", {}, Number.isInteger(row[key]) && i < 3 ? String(row[key]) : number(row[key], key === "best_confidence" ? 2 : 3));
  }))));
}

// -- gallery

const STEP = 24;
let shown = STEP;
const filter = () => ({ kind: at("kind").value, name: at("class").value, size: at("size").value, least: Number(at("least").value) });

function wanted(item, chosen) {
  if (chosen.kind === "?" ? !item.doubt : chosen.kind && item.kind !== chosen.kind) return false;
  if (chosen.name && item.said !== chosen.name && item.true !== chosen.name) return false;
  if (chosen.size && item.size !== chosen.size) return false;
  if (pair && (item.said !== pair.said || item.true !== pair.true)) return false;
  return !chosen.least || (item.confidence !== null && item.confidence >= chosen.least);
}
let pair = null;

function caption(item) {
  const words = item.said === null ? item.true : item.true !== null && item.true !== item.said ? `${item.said}, is ${item.true}` : item.said;
  const facts = [item.confidence === null ? null : `confidence ${item.confidence.toFixed(2)}`, item.iou ? `IoU ${item.iou.toFixed(2)}` : null,
    item.almost ? `found at confidence ${item.almost.toFixed(2)}` : null, item.size].filter(Boolean).join(", ");
  const parts = [make("span", { className: "tag" }, item.kind), make("b", {}, words), make("small", {}, facts), make("br"), make("small", {}, item.path.split(/[\\/]/).pop())];
  if (item.doubt) parts.push(make("br"), make("small", {}, `Label? ${item.doubt}`));
  return make("figcaption", {}, ...parts);
}
function card(item) {
  const picture = make("img", { loading: "lazy", src: item.picture, alt: `${item.kind}: ${item.said ?? item.true}`, title: item.path });
  return make("figure", { tabIndex: 0, "data-kind": item.kind }, picture, caption(item));
}
function gallery() {
  const found = run.gallery.filter(item => wanted(item, filter()));
  at("gallery").replaceChildren(...found.slice(0, shown).map(card));
  if (!found.length) at("gallery").append(make("p", { className: "empty" }, "Nothing of this kind."));
  at("more").hidden = found.length <= shown;
  at("least-shown").textContent = at("least").value;
  const of = pair ? ` (${pair.said ?? "missed"} for ${pair.true ?? "background"})` : "";
  at("shown").textContent = `${Math.min(shown, found.length)} of ${found.length} shown${of}`;
}
function options(select, words) {
  select.replaceChildren(...words.map(([value, text]) => make("option", { value, textContent: text })));
}
function filters() {
  const has = key => [...new Set(run.gallery.map(item => item[key]).filter(Boolean))];
  const kinds = has("kind").map(kind => [kind, `${kind} (${run.gallery.filter(item => item.kind === kind).length})`]);
  const doubts = run.gallery.filter(item => item.doubt).length;
  options(at("kind"), [["", "all"], ...(doubts ? [["?", `label may be wrong (${doubts})`]] : []), ...kinds]);
  options(at("class"), [["", "all"], ...[...new Set([...has("said"), ...has("true")])].sort().map(name => [name, name])]);
  options(at("size"), [["", "all"], ...["small", "medium", "large"].map(size => [size, size])]);
  at("filters").addEventListener("input", () => { shown = STEP; pair = null; gallery(); });
  at("filters").addEventListener("reset", () => setTimeout(() => { shown = STEP; pair = null; gallery(); }));
  at("filters").addEventListener("submit", event => event.preventDefault());
  at("more").addEventListener("click", () => {
    const first = shown;
    shown += STEP;
    gallery();
    at("gallery").children[first]?.focus();
  });
}
function show(said, truth) {
  at("filters").reset();
  setTimeout(() => { pair = { said, true: truth }; shown = STEP; gallery(); at("gallery-title").scrollIntoView(); at("kind").focus({ preventScroll: true }); });
}

// -- confusion

const { names, counts } = run.confusion;
const heads = [...names, "background"];
const label = i => i < names.length ? names[i] : null;

function matrix(mode) {
  const size = heads.length;
  const sums = i => mode === "row" ? counts[i].reduce((a, b) => a + b, 0) : counts.reduce((a, row) => a + row[i], 0);
  const totals = mode === "count" ? null : heads.map((_, i) => sums(i));
  const most = Math.max(1, ...counts.flat());
  const value = (r, c) => mode === "count" ? counts[r][c] / most : counts[r][c] / ((mode === "row" ? totals[r] : totals[c]) || 1);
  const fine = size > 32;
  at("matrix").classList.toggle("fine", fine);
  at("matrix").style.setProperty("--cell", `${Math.max(26, Math.min(52, 560 / size))}px`);
  const step = fine ? Math.ceil(size / 60) : 1;
  const word = i => i % step && i < size - 1 ? "" : heads[i];
  const head = make("tr", {}, make("th"), ...heads.map((_, c) => make("th", { scope: "col", title: heads[c] }, make("span", {}, word(c)))));
  const rows = counts.map((row, r) => make("tr", {}, make("th", { scope: "row", className: "row", title: heads[r] }, word(r)), ...row.map((count, c) => {
    const share = value(r, c);
    const said = r < names.length ? heads[r] : "missed", truth = c < names.length ? heads[c] : "nothing there";
    const text = !count ? "" : mode === "count" ? String(count) : share.toFixed(2).replace(/^0/, "");
    const cell = make("button", { type: "button", textContent: text, tabIndex: count && !fine ? 0 : -1, title: `${said}, is ${truth}: ${count}`, "aria-label": `${said}, is ${truth}: ${count}` });
    cell.style.background = count ? `color-mix(in oklab, var(--blue) ${Math.round(8 + 92 * share)}%, var(--paper))` : "color-mix(in oklab, var(--line) 35%, var(--paper))";
    if (share > 0.55) cell.style.color = "var(--paper)";
    cell.addEventListener("click", () => show(label(r), label(c)));
    return make("td", {}, cell);
  })));
  at("matrix").replaceChildren(make("table", { className: "matrix" }, make("thead", {}, head), make("tbody", {}, ...rows)));
  for (const button of at("matrix-tools").children) button.setAttribute("aria-pressed", String(button.value === mode));
}
function confusion() {
  for (const [mode, text] of [["column", "share of each true class"], ["row", "share of each predicted class"], ["count", "counts"]]) {
    const button = make("button", { type: "button", value: mode, textContent: text });
    button.addEventListener("click", () => matrix(mode));
    at("matrix-tools").append(button);
  }
  matrix("column");
  const all = counts.flatMap((row, r) => row.map((count, c) => ({ count, r, c }))).filter(one => one.count && one.r !== one.c).sort((a, b) => b.count - a.count);
  const end = names.length;
  const pairs = [all.filter(({ r, c }) => r < end && c < end).slice(0, 8), all.filter(({ r }) => r === end).slice(0, 5), all.filter(({ c }) => c === end).slice(0, 5)].flat();
  at("pairs").append(...pairs.map(({ count, r, c }) => {
    const words = r === names.length ? `${heads[c]} missed` : c === names.length ? `${heads[r]} too many` : `${heads[c]} called ${heads[r]}`;
    const button = make("button", { type: "button", textContent: `${count} × ${words}` });
    button.addEventListener("click", () => show(label(r), label(c)));
    return button;
  }));
}

// -- charts

function smooth(values) {
  const width = Math.max(values.length * 0.03, 1.2);
  return values.map((_, i) => {
    let sum = 0, all = 0;
    values.forEach((v, j) => { const w = Math.exp(-(((j - i) / width) ** 2) / 2); sum += w * v; all += w; });
    return sum / all;
  });
}
function course() {
  const epochs = (run.history.epoch ?? []).map(one => one + 1);  // people count from 1
  for (const [name, column] of Object.entries(run.history)) {
    if (name === "epoch" || !column.some(value => value !== null)) continue;
    if (name.endsWith("cls_loss") && !column.some(Boolean)) continue;  // of one class there is nothing to lose
    const points = column.map((value, i) => [epochs[i], value]).filter(([, value]) => value !== null);
    const values = points.map(([, value]) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const frame = chart(name, { word: "epoch", low: points[0][0], high: points.at(-1)[0], least: 1 }, { low, high: high === low ? low + 1 : high });
    const { svg, place } = frame;  // steps of 1, since there is no epoch 4.5
    svg.append(draw("path", { d: path(points, place), class: "raw" }));
    svg.append(draw("path", { d: path(points.map(([x], i) => [x, smooth(values)[i]]), place), class: "line" }));
    const best = points.find(([x]) => x === run.best_epoch + 1);
    if (best) svg.append(draw("circle", { cx: place(best)[0], cy: place(best)[1], r: 4, class: "best" }));
    hover(frame, points, ([x, y]) => `epoch ${x}: ${Number(y.toPrecision(4))}`);
    at("course-charts").append(svg);
  }
  if (!at("course-charts").children.length) at("course-charts").append(make("p", { className: "empty" }, "No results.csv in this run."));
}
const off = new Set();
function curves() {
  const grid = run.curves.confidence, point = run.curves.operating_point, classes = run.curves.classes;
  at("curve-charts").replaceChildren();
  for (const [key, title, x] of [["recall_precision", "Precision over recall", "recall"], ["f1", "F1 over confidence", "confidence"], ["precision", "Precision over confidence", "confidence"], ["recall", "Recall over confidence", "confidence"]]) {
    const frame = chart(title, { word: x, low: 0, high: 1 }, { low: 0, high: 1 });
    const { svg, place } = frame;
    if (!classes.length) continue;
    const many = classes.length > 20;
    classes.forEach((one, i) => {
      if (!off.has(one.name)) svg.append(draw("path", { d: path(grid.map((c, j) => [c, one[key][j]]), place), fill: "none", stroke: many ? "var(--blue)" : ink(i), "stroke-width": 1.3, opacity: many ? 0.25 : 0.9 }));
    });
    const smoothed = run.curves.f1_smoothed;  // at whose peak P and R are read
    const mean = name => name === "f1" && smoothed ? smoothed : grid.map((_, j) => classes.reduce((sum, one) => sum + one[name][j], 0) / classes.length);
    const points = grid.map((c, j) => [c, mean(key)[j]]);
    svg.append(draw("path", { d: path(points, place), class: "mean" }));
    const nearest = grid.reduce((a, c, j) => Math.abs(c - point) < Math.abs(grid[a] - point) ? j : a, 0);
    const spot = key === "recall_precision" ? [mean("recall")[nearest], mean("precision")[nearest]] : [point, mean(key)[nearest]];
    svg.append(draw("circle", { cx: place(spot)[0], cy: place(spot)[1], r: 4.5, class: "best" }));
    hover(frame, points, ([a, b]) => `${x} ${a.toFixed(2)}: ${b.toFixed(3)}`);
    at("curve-charts").append(svg);
  }
  const found = one => one.recall_precision.some(value => value > 0);
  const idle = classes.filter(one => !found(one)).length;
  at("curve-legend").replaceChildren(...classes.map((one, i) => {
    if (!found(one)) return "";  // a line at 0 that nobody needs to switch off
    const button = make("button", { type: "button", "aria-pressed": String(!off.has(one.name)), "data-class": i });
    const dot = make("i");
    dot.style.background = ink(i);
    button.append(dot, one.name);
    button.addEventListener("click", () => { off.has(one.name) ? off.delete(one.name) : off.add(one.name); curves(); at("curve-legend").querySelector(`[data-class="${i}"]`).focus(); });
    return button;
  }), idle ? make("span", { className: "note" }, idle === classes.length ? "No detection stands on an object of its class." : `At 0 throughout: ${idle} of ${classes.length} classes.`) : "");
}
function worst() {
  const place = at("worst-images");
  for (const one of run.worst.filter(one => one.picture)) {
    const picture = make("img", { src: one.picture, alt: one.path, title: one.path });
    const figure = make("figure", { tabIndex: 0 }, picture,
      make("figcaption", {}, make("b", {}, `${one.wrong} wrong, ${one.right} right`), make("small", {}, one.path.split(/[\\/]/).pop())));
    picture.addEventListener("load", () => {  // as wide as it is beside its height, so that a row has no blanks
      const shape = picture.naturalWidth / picture.naturalHeight;
      figure.style.flex = `${shape} 1 ${Math.round(shape * 230)}px`;
      figure.style.maxWidth = `${Math.round(shape * 420)}px`;
    });
    place.append(figure);
  }
  if (!run.worst.length) place.append(make("p", { className: "empty" }, "No mistakes."));
}

classTable();
filters();
gallery();
confusion();
worst();
curves();
course();
document.body.dataset.ready = "yes";
