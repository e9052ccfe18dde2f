// SPDX-License-Identifier: Apache-2.0
// What the scripts of all pages share: elements, axes and lines. It stands before each of them.
"use strict";
const at = id => document.getElementById(id);

function make(tag, given = {}, ...inside) {
  const one = document.createElement(tag);
  for (const [key, value] of Object.entries(given)) key in one ? one[key] = value : one.setAttribute(key, value);
  one.append(...inside);
  return one;
}
function draw(tag, given = {}, ...inside) {
  const one = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(given)) one.setAttribute(key, value);
  one.append(...inside);
  return one;
}

const [L, R, B, T] = [46, 8, 26, 22];  // room around what is drawn: left, right, below, above
// Round numbers inside a range, at most so many steps of 1, 2 or 5 times a power of ten; `least` is the smallest step.
function ticks(low, high, most, least = 0) {
  const span = high - low || 1, rough = span / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = Math.max([1, 2, 5, 10].map(one => one * power).find(one => one >= rough * 0.999), least);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-6); i * step <= high + step * 1e-6; i++) found.push([i * step, (i * step).toFixed(digits)]);
  return found;
}
// The same where equal steps are equal factors: powers of ten, every other one of many, and 2 and 5 between few.
function factors(low, high, most) {
  const found = [], decades = Math.log10(high / low);
  const every = Math.max(1, Math.ceil(decades / most)), between = decades <= most / 3 ? [1, 2, 5] : [1];
  for (let i = Math.floor(Math.log10(low) + 1e-9); i <= Math.log10(high) + 1e-9; i++) {
    for (const one of i % every ? [] : between) {
      const value = Number(`${one}e${i}`);
      if (value >= low * 0.9999 && value <= high * 1.0001) found.push([value, String(value)]);
    }
  }
  return found.length > 1 ? found : ticks(low, high, most).filter(([value]) => value > 0);
}
// A frame with a title. Each axis has low and high; x has its word as well, may have `least`, its smallest step, and
// `log`; a `bare` y has no numbers. Below the plot `room` is left for marks that have no place on y. `place` gives pixels for values.
function chart(title, x, y, { width = 330, height = 210, room = 0 } = {}) {
  const share = (axis, value) => axis.log ? Math.log(value / axis.low) / (Math.log(axis.high / axis.low) || 1) : (value - axis.low) / (axis.high - axis.low || 1);
  const place = ([a, b]) => [L + share(x, a) * (width - L - R), height - B - room - share(y, b) * (height - B - T - room)];
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  svg.append(draw("text", { x: L, y: 12, class: "title" }, title), draw("text", { x: width - R, y: height - 1, "text-anchor": "end" }, x.word));
  for (const [value, word] of y.bare ? [] : ticks(y.low, y.high, 5)) {
    const py = place([x.low, value])[1];
    svg.append(draw("path", { d: `M${L} ${py}H${width - R}`, class: "axis" }), draw("text", { x: L - 5, y: py + 4, "text-anchor": "end" }, word));
  }
  const most = Math.max(5, Math.floor(width / 110));
  for (const [value, word] of x.log ? factors(x.low, x.high, most) : ticks(x.low, x.high, most, x.least)) {
    const px = place([value, y.low])[0];
    if (!x.word || px < width - R - 5.5 * x.word.length - 8) svg.append(draw("text", { x: px, y: height - B + 14, "text-anchor": "middle" }, word));
  }
  return { svg, place, width, height };
}
const path = (points, place) => "M" + points.map(one => place(one).map(v => v.toFixed(1)).join(" ")).join("L");

// What is nearest to the pointer, sideways, in words at the upper right.
function hover({ svg, place, width, height }, points, words) {
  const line = draw("path", { class: "cross" }), text = draw("text", { "text-anchor": "end", x: width - R, y: 12 });
  svg.append(line, text);
  svg.addEventListener("pointermove", event => {
    const px = (event.clientX - svg.getBoundingClientRect().left) * width / svg.getBoundingClientRect().width;
    const near = points.reduce((a, b) => Math.abs(place(b)[0] - px) < Math.abs(place(a)[0] - px) ? b : a);
    line.setAttribute("d", `M${place(near)[0]} ${T}V${height - B}`);
    text.textContent = words(near);
  });
  svg.addEventListener("pointerleave", () => { line.removeAttribute("d"); text.textContent = ""; });
}
