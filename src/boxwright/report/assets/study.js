// SPDX-License-Identifier: Apache-2.0
const study = JSON.parse(at("study-data").textContent);
const { keys, results, columns, families } = study;

// -- trials

const trials = columns.name.map((_, i) => Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column[i]])));
const byName = new Map(trials.map((one, i) => [one.name, i]));
trials.forEach((one, i) => {
  one.at = i;
  one.parents = families[one.family];
  one.whole = one.epochs >= one.horizon;
  const before = byName.get(one.before);
  one.spent = one.old ? 0 : one.epochs - (before === undefined ? 0 : trials[before].epochs);
});
const tried = trials.filter(one => !one.judges);  // those of a verdict have other seeds, and are no part of the search
const old = tried.filter(one => one.old);  // of an earlier record: they stand before all others, as long as a whole one
for (const one of old) one.epochs = study.epochs;
const first = old.length ? 1 + old.reduce((most, one) => Math.max(most, one.trial), 0) : 0;
const RUNGS = [...new Set(tried.map(one => one.epochs))].sort((a, b) => a - b);
const [BEST, START] = [trials[study.best], trials[study.start]];
const measured = one => one.fitness !== null;
const short = value => value === null || value === undefined ? "–" : String(Number(value.toPrecision(5)));
const fit = value => value === null ? "–" : value >= 0.1 || value <= 0 ? value.toFixed(4) : String(Number(value.toPrecision(3)));
const cut = (text, most) => text.length > most ? text.slice(0, most - 1) + "…" : text;
const least = list => list.reduce((a, b) => Math.min(a, b), Infinity), most = list => list.reduce((a, b) => Math.max(a, b), -Infinity);
const clock = s => s === null ? "–" : s < 120 ? `${s.toFixed(0)} s` : s < 7200 ? `${(s / 60).toFixed(0)} min` : `${(s / 3600).toFixed(1)} h`;
const trained = epochs => `${epochs} epoch${epochs === 1 ? "" : "s"}`;

// -- what the charts show

const chosen = { x: "trial", epochs: "", part: "1" };
const CHOICES = {
  x: ["Over", [["trial", "number of the trial"], ["spent", "epochs spent"]]],
  epochs: ["Trained for", [["", "all"], ...RUNGS.map(one => [String(one), trained(one)])]],
  part: ["Trainings", [["1", "all"], ["0.5", "best half"], ["0.1", "best tenth"]]],
};
function wanted() {
  const here = tried.filter(one => !chosen.epochs || String(one.epochs) === chosen.epochs);
  if (chosen.part === "1") return here;
  const ranked = here.filter(measured).sort((a, b) => b.fitness - a.fitness || a.at - b.at);
  return ranked.slice(0, Math.ceil(ranked.length * Number(chosen.part)));
}
function tools() {
  for (const form of document.querySelectorAll("form[data-tools]")) {
    const names = Object.keys(CHOICES).filter(name => name === "x" ? form.dataset.tools : name !== "epochs" || RUNGS.length > 1);
    form.append(...names.map(name => {
      const select = make("select", { "data-choice": name }, ...CHOICES[name][1].map(([value, text]) => make("option", { value, textContent: text })));
      select.addEventListener("change", () => {
        chosen[name] = select.value;
        document.querySelectorAll(`[data-choice=${name}]`).forEach(one => { one.value = select.value; });
        charts();
      });
      return make("label", {}, `${CHOICES[name][0]} `, select);
    }));
    form.addEventListener("submit", event => event.preventDefault());
    form.hidden = tried.length < 2;
  }
}

// -- marks

const ROOM = 16;  // below a plot, for what failed
// Dots of one look as one path: thousands of them are drawn at once. In layers, so that many are darker than one.
function dots(points, place, given) {
  const size = points.length <= 60 ? 7 : points.length <= 500 ? 5 : points.length <= 2000 ? 3.5 : 2.5;
  const many = points.length > 1000, layers = many ? 6 : points.length > 300 ? 4 : 1, drawn = Array.from({ length: layers }, () => "");
  points.forEach((one, i) => { const [x, y] = place(one); drawn[i % layers] += `M${x.toFixed(1)} ${y.toFixed(1)}h0`; });
  return drawn.map(d => draw("path", { d, "stroke-width": size, ...given, class: many ? "dots many" : "dots" }));
}
function crosses(points, place, y, given = {}) {
  const r = points.length <= 100 ? 3 : 2;
  return draw("path", { d: points.map(one => { const x = place(one)[0]; return `M${(x - r).toFixed(1)} ${y - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`; }).join(""), class: "failed", ...given });
}
const rung = one => RUNGS.length < 2 ? 100 : Math.round(50 + 50 * RUNGS.indexOf(one.epochs) / (RUNGS.length - 1));
const tint = share => `color-mix(in oklab, var(--blue) ${share}%, var(--paper))`;
const diamond = ([x, y], r = 5.5) => draw("path", { d: `M${x} ${y - r}l${r} ${r}l${-r} ${r}l${-r} ${-r}z`, class: "start" });
const dot = ([x, y]) => draw("circle", { cx: x, cy: y, r: 5, class: "best ringed" });

// Every training at its place, the failed ones below the plot; `x` gives where a training stands.
function scatter(title, x, list, shape = {}) {
  const good = list.filter(measured), bad = list.filter(one => !measured(one));
  const heights = good.map(one => one.fitness), [low, high] = good.length ? [least(heights), most(heights)] : [0, 1];
  const edge = (high - low) * 0.05 || Math.abs(high) * 0.05 || 0.5;
  const frame = chart(cut(title, 24), x, { low: low - edge, high: high + edge, bare: !good.length }, { room: bad.length ? ROOM : 0, ...shape });
  const { svg, place, height } = frame, spot = one => [x.of(one), one.fitness ?? low];
  if (title.length > 24) svg.append(draw("title", {}, title));
  for (const epochs of RUNGS) {
    const here = good.filter(one => one.epochs === epochs);
    if (here.length) svg.append(...dots(here.map(spot), place, { stroke: tint(rung(here[0])), "data-count": here.length }));
  }
  if (bad.length) svg.append(crosses(bad.map(spot), place, height - B - 5));
  return { ...frame, spot, good, bad, low, high };
}
const shownOn = (list, one) => one && measured(one) && list.includes(one);

// Nearest to the pointer in both directions; a click opens the trial.
function pointed({ svg, place, width, height, spot }, list, words) {
  if (!list.length) return;
  const text = draw("text", { "text-anchor": "end", x: width - R, y: 12 }), ring = draw("circle", { r: 7, class: "pointed" });
  const places = list.map(one => measured(one) ? place(spot(one)) : [place(spot(one))[0], height - B - 5]);
  svg.append(ring, text);
  const near = event => {
    const box = svg.getBoundingClientRect(), scale = width / box.width;
    const px = (event.clientX - box.left) * scale, py = (event.clientY - box.top) * scale;
    let found = -1, closest = 24 ** 2;
    places.forEach(([a, b], i) => { const d = (a - px) ** 2 + (b - py) ** 2; if (d < closest) [found, closest] = [i, d]; });
    return found;
  };
  const clear = () => { text.textContent = ""; ring.setAttribute("visibility", "hidden"); svg.style.cursor = ""; };
  clear();
  svg.addEventListener("pointermove", event => {
    const i = near(event);
    if (i < 0) return clear();
    ring.setAttribute("visibility", "visible");
    ring.setAttribute("cx", places[i][0]);
    ring.setAttribute("cy", places[i][1]);
    text.textContent = words(list[i]);
    svg.style.cursor = "pointer";
  });
  svg.addEventListener("pointerleave", clear);
  svg.addEventListener("click", event => { const i = near(event); if (i >= 0) open(list[i].at); });
}
const inWords = one => `${cut(one.name, 14)}: ${measured(one) ? fit(one.fitness) : cut(one.failure || "no number", 24)}`;

// -- course

function course() {
  const list = wanted(), place = at("course-chart"), width = Math.max(300, place.clientWidth);
  at("course-note").textContent = !tried.length ? "No trial has ended yet." : old.length && chosen.x === "trial" ? "Trials below 0 were taken over from an earlier record." : "";
  place.replaceChildren();
  at("course-legend").replaceChildren();
  if (!list.length) return;
  let sum = 0;
  const spent = new Map(tried.map(one => [one, sum += one.spent]));
  const over = chosen.x === "trial" ? one => one.old ? one.trial - first : one.trial : one => spent.get(one);
  const all = list.map(over), [low, high] = [least(all), most(all)], edge = low === high ? 1 : Math.max((high - low) * 0.01, chosen.x === "trial" ? 0.5 : 0);
  const x = { word: chosen.x === "trial" ? "trial" : "epochs", of: over, low: low - edge, high: high + edge, least: 1 };
  const frame = scatter("Fitness", x, list, { width, height: Math.round(Math.min(420, Math.max(230, width * 0.32))) });
  const { svg } = frame, on = spot => frame.place(spot);
  if (frame.bad.length) svg.append(draw("text", { x: L - 5, y: frame.height - B - 1, "text-anchor": "end", class: "wrong" }, "failed"));
  if (RUNGS.length > 1 && frame.good.length <= 400 && chosen.x === "trial") svg.append(steps(frame));
  const line = record(list.filter(one => one.whole && measured(one)), over, x.high);
  if (line.length > 1) svg.append(draw("path", { d: path(line, on), class: "record" }));
  if (shownOn(list, START)) svg.append(diamond(on(frame.spot(START))));
  if (shownOn(list, BEST)) svg.append(dot(on(frame.spot(BEST))));
  pointed(frame, list, inWords);
  place.append(svg);
  legend(list, frame);
}
// The best of the whole trainings so far, as a staircase.
function record(list, over, end) {
  const points = [];
  let best = -Infinity;
  for (const one of [...list].sort((a, b) => over(a) - over(b))) {
    if (one.fitness <= best) continue;
    if (points.length) points.push([over(one), best]);
    points.push([over(one), best = one.fitness]);
  }
  return points.length ? [...points, [end, best]] : points;
}
// What one trial came to after fewer and after more epochs belongs together.
function steps({ good, place, spot }) {
  const pairs = good.filter(one => byName.has(one.before)).map(one => [one, trials[byName.get(one.before)]]).filter(([, before]) => good.includes(before));
  return draw("path", { d: pairs.map(([one, before]) => path([spot(before), spot(one)], place)).join(""), class: "step" });
}
function legend(list, frame) {
  const swatch = share => { const one = make("i"); one.style.background = tint(share); return one; };
  const items = RUNGS.length > 1 ? RUNGS.filter(epochs => list.some(one => one.epochs === epochs)).map(epochs => [swatch(rung({ epochs })), `${trained(epochs)} (${frame.good.filter(one => one.epochs === epochs).length})`]) : [[swatch(100), `trained (${frame.good.length})`]];
  if (list.some(one => one.whole && measured(one))) items.push([make("i", { className: "mark line" }), RUNGS.length > 1 ? "best whole training so far" : "best so far"]);
  if (shownOn(list, BEST)) items.push([make("i", { className: "mark best" }), "best set"]);
  if (shownOn(list, START)) items.push([make("i", { className: "mark start" }), "start set"]);
  if (frame.bad.length) items.push([make("i", { className: "mark failed" }), `failed (${frame.bad.length})`]);
  at("course-legend").replaceChildren(...items.map(parts => make("span", { className: "said" }, ...parts)));
}

// -- generations

function generations() {
  const place = at("generation-chart");
  if (!place) return;
  const rows = [];
  for (const one of tried.filter(one => measured(one) && !one.old)) (rows[Math.floor(one.trial / study.generation_size)] ??= []).push(one.fitness);
  const known = rows.map((list, i) => [i, list.sort((a, b) => a - b)]).filter(([, list]) => list.length);
  place.replaceChildren();
  if (!known.length) return place.append(make("p", { className: "empty" }, "No training has succeeded."));
  const quantile = (list, q) => { const i = q * (list.length - 1), j = Math.floor(i); return list[j] + (i - j) * ((list[j + 1] ?? list[j]) - list[j]); };
  const [low, high] = [least(known.map(([, list]) => quantile(list, 0.25))), most(known.map(([, list]) => list.at(-1)))], edge = (high - low) * 0.05 || 0.5;
  const width = Math.max(300, place.clientWidth);
  const frame = chart("Fitness", { word: "generation", low: 0, high: Math.max(1, known.at(-1)[0]), least: 1 }, { low: low - edge, high: high + edge }, { width, height: Math.round(Math.min(320, Math.max(210, width * 0.25))) });
  const line = q => known.map(([i, list]) => [i, quantile(list, q)]);
  frame.svg.append(draw("path", { d: path([...line(0.25), ...line(0.75).reverse()], frame.place) + "Z", class: "band" }), draw("path", { d: path(line(0.5), frame.place), class: "line" }), draw("path", { d: path(line(1), frame.place), class: "mean" }));
  frame.svg.append(...dots(line(0.5), frame.place, { stroke: "var(--blue)" }), ...dots(line(1), frame.place, { stroke: "var(--ink)" }));
  hover(frame, known, ([i, list]) => `generation ${i}: best ${fit(list.at(-1))}, median ${fit(quantile(list, 0.5))}, of ${list.length}`);
  place.append(frame.svg);
}

// -- a panel for each key

function panels() {
  const list = wanted();
  if (!list.length || !keys.length) return at("key-charts").replaceChildren(make("p", { className: "empty" }, keys.length ? "No trial has ended yet." : "No key was searched."));
  at("key-charts").replaceChildren(...study.order.map(k => {
    const key = keys[k];
    const of = one => one.values[k], here = list.filter(one => of(one) !== null && (!key.log || of(one) > 0));
    const ends = [...here.map(of), key.low, key.high, key.start].filter(value => value !== null && (!key.log || value > 0));
    const [low, high] = [least(ends), most(ends)], edge = low === high ? Math.abs(low) * 0.1 || 0.5 : 0;
    const x = { word: "", of, low: low - edge, high: high + edge, log: key.log };
    const frame = scatter(key.name, x, here), { svg, place, height } = frame;
    const upright = (value, kind) => { const px = place([value, frame.low])[0]; return draw("path", { d: `M${px} ${T}V${height - B}`, class: kind }); };
    if (key.start !== null && (!key.log || key.start > 0)) svg.append(upright(key.start, "start-line"));
    if (shownOn(here, START)) svg.append(diamond(place(frame.spot(START))));
    if (shownOn(here, BEST)) svg.append(dot(place(frame.spot(BEST))));
    pointed(frame, here, one => `${short(of(one))}, ${inWords(one)}`);
    return svg;
  }));
}

// -- where the best sets lie: parallel coordinates, one level line for each key

const MANY = 10;
let picked = -1;
function sets() {
  const place = at("set-chart"), width = Math.max(300, place.clientWidth), narrow = width < 620;
  const whole = tried.filter(one => measured(one) && one.whole), longest = most(tried.filter(measured).map(one => one.epochs));
  const best = (whole.length ? whole : tried.filter(one => measured(one) && one.epochs === longest)).sort((a, b) => b.fitness - a.fitness || a.at - b.at).slice(0, MANY);
  place.replaceChildren();
  at("set-legend").replaceChildren();
  at("sets-note").textContent = best.length > 1 && keys.length
    ? `The ${best.length} best sets, each a line through its values between the limits. Where lines spread over everything, a key hardly matters; where they lie close together, it is settled, or the sets come from one another. A name brings a line to the front.`
    : "There are too few trainings to compare.";
  if (best.length < 2 || !keys.length) return;
  const [left, right, step] = narrow ? [52, 52, 42] : [210, 70, 27], top = narrow ? 24 : 14, height = top + step * (keys.length - 1) + 20;
  const share = (key, value) => key.high === key.low ? 0.5 : key.log ? Math.log(Math.max(value, key.low) / key.low) / Math.log(key.high / key.low) : (value - key.low) / (key.high - key.low);
  const x = (key, value) => left + Math.min(1, Math.max(0, share(key, value))) * (width - left - right);
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Values of the best sets" });
  const rows = study.order.map((k, i) => [keys[k], k, top + i * step]);
  const names = [];
  for (const [key, , y] of rows) {
    const name = draw("text", { x: narrow ? left : 0, y: narrow ? y - 9 : y + 4, class: "title name" }, cut(key.name, narrow ? 34 : 21));
    name.append(draw("title", {}, key.name));
    names.push(name);
    svg.append(draw("path", { d: `M${left} ${y}H${width - right}`, class: "axis thick" }), draw("text", { x: left - 7, y: y + 4, "text-anchor": "end" }, short(key.low)), draw("text", { x: width - right + 7, y: y + 4 }, short(key.high)));
  }
  const through = values => rows.map(([key, k, y]) => [key, values[k], y]).filter(([, value]) => value !== null).map(([key, value, y], i) => `${i ? "L" : "M"}${x(key, value).toFixed(1)} ${y}`).join("");
  for (const one of [...best].reverse()) svg.append(draw("path", { d: through(one.values), class: one === BEST ? "set first" : "set", "data-at": one.at }));
  svg.append(draw("path", { d: through(keys.map(key => key.start)), class: "set origin" }));
  const front = trials[best.some(one => one.at === picked) ? picked : best.includes(BEST) ? BEST.at : best[0].at];
  if (front.at === picked) svg.append(draw("path", { d: through(front.values), class: "set picked" }));
  for (const [key, k, y] of rows) {
    if (key.start !== null) svg.append(diamond([x(key, key.start), y], 4.5));
    if (front.values[k] !== null) svg.append(draw("circle", { cx: x(key, front.values[k]), cy: y, r: 4, class: front === BEST ? "best ringed" : "spot ringed" }, draw("title", {}, `${key.name}: ${short(front.values[k])}`)));
  }
  svg.append(...names);  // readable before the lines
  place.append(svg);
  at("set-legend").append(make("span", { className: "said" }, make("i", { className: "mark dashed" }), "start set"), ...best.map(one => {
    const button = make("button", { type: "button", "aria-pressed": String(one.at === picked), "data-at": one.at }, one === BEST ? make("i", { className: "mark best" }) : "", `${cut(one.name, 24)}: ${fit(one.fitness)}`);
    button.addEventListener("click", () => { picked = picked === one.at ? -1 : one.at; sets(); at("set-legend").querySelector(`[data-at="${one.at}"]`).focus(); });
    return button;
  }));
}

// -- table of all trainings

const STEP = 100;
let shown = STEP, sorted = { name: "fitness", down: true }, opened = -1, asked = -1;  // opened in its row, asked for elsewhere
const outcome = one => one.failure ? `failed: ${one.failure}` : !measured(one) ? "no number" : one === BEST ? "best" : one === START ? "start" : one.judges ? "verdict" : one.old ? "earlier record" : one.whole ? "done" : `ended at ${one.epochs} of ${one.horizon}`;
const numbers = list => list.map(([name, word, of, show]) => ({ name, word, of, show: one => show(of(one), one), numeric: true }));
const COLUMNS = [
  { name: "name", word: "Trial", of: one => one.name },
  { name: "outcome", word: "Outcome", of: outcome },
  ...numbers([["fitness", "Fitness", one => one.fitness, fit], ["epochs", "Epochs", one => one.old ? null : one.epochs, value => value === null ? "–" : String(value)], ["seconds", "Time", one => one.seconds, clock]]),
  ...numbers([...keys.map(key => key.name), ...study.others].map((name, k) => [`key ${k}`, name, one => one.values[k], short])),
  ...numbers(results.map((name, k) => [`result ${k}`, name.replace("metrics/", ""), one => one.results[k], short])),
  ...numbers([["seed", "Seed", one => one.seed, value => value === null ? "–" : String(value)]]),
  { name: "origin", word: "Origin", of: one => one.origin }, { name: "parents", word: "Made from", of: one => one.parents.join(", ") },
  { name: "before", word: "Goes on from", of: one => one.before }, { name: "worker", word: "Worker", of: one => one.worker }, { name: "reason", word: "Reason of failure", of: one => one.reason },
];
const KINDS = [["", "all", () => true], ["whole", "trained to the end", one => !one.judges && measured(one) && one.whole], ["early", "ended early", one => !one.judges && measured(one) && !one.whole],
  ["failed", "failed", one => !measured(one)], ["verdict", "for the verdict", one => one.judges]];
const order = new Intl.Collator("en", { numeric: true });
const hay = trials.map(one => [one.name, outcome(one), one.origin, one.reason, one.worker].join("\n").toLowerCase());

function found() {
  const words = at("query").value.toLowerCase().split(/\s+/).filter(Boolean), kind = KINDS.find(([name]) => name === at("kind").value)[2];
  const column = COLUMNS.find(one => one.name === sorted.name), sign = sorted.down ? -1 : 1;
  const keyed = trials.filter((one, i) => kind(one) && words.every(word => hay[i].includes(word))).map(one => [column.of(one), one]);
  const missing = value => value === null || value === undefined || value === "";
  keyed.sort(([a, one], [b, other]) => missing(a) || missing(b) ? missing(a) - missing(b) || one.at - other.at
    : sign * (column.numeric ? a - b : order.compare(a, b)) || one.at - other.at);  // what is missing stands last either way
  const list = keyed.map(([, one]) => one), far = list.indexOf(trials[asked]);
  return far < shown ? list : [list[far], ...list.slice(0, far), ...list.slice(far + 1)];  // as the first, where it would be out of sight
}
function heads() {
  at("trial-table").tHead.replaceChildren(make("tr", {}, ...COLUMNS.map((column, i) => {
    const button = make("button", { type: "button", textContent: cut(column.word, 30), title: column.word });
    button.addEventListener("click", () => {
      sorted = { name: column.name, down: sorted.name === column.name ? !sorted.down : Boolean(column.numeric) };
      again();
      heads();
      at("trial-table").tHead.querySelectorAll("button")[i].focus({ preventScroll: true });
    });
    return make("th", { scope: "col", className: column.numeric ? "" : "text", "aria-sort": sorted.name !== column.name ? "none" : sorted.down ? "descending" : "ascending" }, button);
  })));
}
function row(one) {
  const cells = COLUMNS.map((column, i) => {
    if (i) return make("td", { className: column.numeric ? "" : "text" }, column.numeric ? column.show(one) : i === 1 ? make("span", { className: `tag${measured(one) ? "" : " wrong"}` }, cut(outcome(one), 40)) : cut(column.of(one), 60));
    const button = make("button", { type: "button", "aria-expanded": String(opened === one.at), "data-at": one.at, title: one.name }, cut(one.name, 24));
    return make("td", {}, button);
  });
  const line = make("tr", { className: "trial", "data-at": one.at }, ...cells);
  return opened === one.at ? [line, make("tr", { className: "detail" }, make("td", { colSpan: COLUMNS.length }, detail(one)))] : [line];
}
function link(name) {
  if (!byName.has(name)) return name;
  const button = make("button", { type: "button", className: "link", textContent: name });
  button.addEventListener("click", event => { event.stopPropagation(); open(byName.get(name)); });
  return button;
}
const joined = parts => parts.flatMap((part, i) => i ? [", ", part] : [part]);
function detail(one) {
  const facts = [["Outcome", outcome(one)], one.reason && ["Reason", one.reason], one.origin && ["Origin", one.origin], one.parents.length && ["Made from", ...joined(one.parents.map(link))], one.before && ["Goes on from", link(one.before)],
    ["Fitness", fit(one.fitness)], ["Trained", one.old ? "not known for how long" : one.horizon > one.epochs ? `${trained(one.epochs)} of a schedule of ${one.horizon}` : trained(one.epochs)], one.seed !== null && ["Seed", String(one.seed)], ["Time", clock(one.seconds)], one.worker && ["Worker", one.worker],
    ...results.map((name, k) => one.results[k] !== null && [name, short(one.results[k])])].filter(Boolean);
  const values = [...keys, ...study.others.map(name => ({ name, start: null }))].map((key, k) => [key, one.values[k]]).filter(([, value]) => value !== null);
  const list = (rows, className) => make("dl", { className }, ...rows.map(([term, ...parts]) => make("div", {}, make("dt", {}, term), make("dd", {}, ...parts))));
  const changed = ([key, value]) => [key.name, short(value), key.start === null || key.start === value ? "" : make("small", {}, ` start ${short(key.start)}`)];
  return make("div", { className: "inside" }, list(facts, "facts"), list(values.map(changed), "values"));
}
function table() {
  const list = found();
  at("trial-table").tBodies[0].replaceChildren(...list.slice(0, shown).flatMap(row));
  if (!list.length) at("trial-table").tBodies[0].append(make("tr", {}, make("td", { colSpan: COLUMNS.length, className: "empty" }, trials.length ? "Nothing of this kind." : "No trial has ended yet.")));
  at("more").hidden = list.length <= shown;
  at("shown").textContent = `${Math.min(shown, list.length)} of ${list.length} shown`;
}
function again() {
  [shown, asked] = [STEP, -1];
  table();
}
function toggle(place) {
  opened = opened === place ? -1 : place;
  table();
  at("trial-table").querySelector(`button[data-at="${place}"]`)?.focus({ preventScroll: true });
}
// Show one trial in the table, wherever it was asked for.
function open(place) {
  at("query").value = at("kind").value = "";
  opened = asked = place;
  table();
  const button = at("trial-table").querySelector(`button[data-at="${place}"]`);
  button.scrollIntoView({ block: "center" });
  button.focus({ preventScroll: true });
}
function filters() {
  at("kind").replaceChildren(...KINDS.filter(([name, , is]) => !name || trials.some(is)).map(([value, text, is]) => make("option", { value, textContent: `${text} (${trials.filter(is).length})` })));
  at("filters").addEventListener("input", again);
  at("filters").addEventListener("reset", () => setTimeout(again));
  at("filters").addEventListener("submit", event => event.preventDefault());
  at("more").addEventListener("click", () => {
    const first = shown;
    shown += STEP;
    table();
    at("trial-table").querySelectorAll("tr.trial button[data-at]")[first]?.focus();
  });
  at("trial-table").tBodies[0].addEventListener("click", event => {
    const line = event.target.closest("tr.trial");
    if (line && !String(getSelection())) toggle(Number(line.dataset.at));
  });
}

function charts() { course(); panels(); }
tools();
charts();
generations();
sets();
filters();
heads();
table();
let wide = at("course-chart").clientWidth;
new ResizeObserver(() => {
  if (at("course-chart").clientWidth === wide) return;
  wide = at("course-chart").clientWidth;
  course();
  generations();
  sets();
}).observe(at("course-chart"));
document.body.dataset.ready = "yes";
