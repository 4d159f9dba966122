"use strict";
const $ = (id) => document.getElementById(id);
const index = JSON.parse($("index").textContent);
const HEIGHT = 44;
// Columns of index.rows.
const [LINE, ID, CHANNEL, LENGTH, TRAINED, TURNS, TOOLS, FLAGS] = [0, 1, 2, 3, 4, 5, 6, 7];
const chunks = new Map();
let shown = index.rows.map((_, n) => n);
let current = 0;
let searched = null; // rows that hold the text searched for; null: no search

async function rowsOf(chunk) {
  if (!chunks.has(chunk)) {
    if (chunks.size > 40) chunks.delete(chunks.keys().next().value);
    const packed = Uint8Array.from(atob($("chunk" + chunk).textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    chunks.set(chunk, new Response(stream).json());
  }
  return chunks.get(chunk);
}

const rowAt = async (n) => (await rowsOf(Math.floor(n / index.chunk)))[n % index.chunk];

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const number = (value) => value.toLocaleString("en");
const percent = (part, whole) => (whole ? ((100 * part) / whole).toFixed(1) + " %" : "-");

function filter() {
  const low = $("low").value === "" ? -1 : +$("low").value;
  const high = $("high").value === "" ? Infinity : +$("high").value;
  const channel = $("channel").value, flag = $("flag").value, tool = $("tool").value;
  const before = shown[current];
  shown = [];
  index.rows.forEach((row, n) => {
    if (row[LENGTH] < low || row[LENGTH] > high) return;
    if (channel && index.channels[row[CHANNEL]] !== channel) return;
    if (tool && !row[TOOLS].some((t) => index.tools[t] === tool)) return;
    if (flag && !row[FLAGS].some((f) => index.flags[f] === flag)) return;
    if (searched && !searched.has(n)) return;
    shown.push(n);
  });
  $("shown").textContent = `${number(shown.length)} of ${number(index.rows.length)} rows`;
  $("spacer").style.height = shown.length * HEIGHT + "px";
  drawCharts();
  select(Math.max(0, shown.indexOf(before)));
}

async function search() {
  const text = $("text").value.toLowerCase();
  searched = null;
  if (text) {
    searched = new Set();
    for (let chunk = 0; chunk * index.chunk < index.rows.length; chunk++) {
      const rows = await rowsOf(chunk);
      rows.forEach((row, n) => {
        const at = chunk * index.chunk + n;
        const named = index.rows[at][ID].toLowerCase().includes(text);
        if (named || row.some((span) => span[2].toLowerCase().includes(text))) searched.add(at);
      });
      if (chunk % 5 === 4) {
        $("shown").textContent = `searching ... ${number(Math.min(index.rows.length, (chunk + 1) * index.chunk))}`;
        await new Promise((done) => setTimeout(done));
      }
    }
  }
  filter();
}

function drawList() {
  const first = Math.max(0, Math.floor($("list").scrollTop / HEIGHT) - 5);
  const last = Math.min(shown.length, first + Math.ceil($("list").clientHeight / HEIGHT) + 10);
  const items = [];
  for (let at = first; at < last; at++) {
    const row = index.rows[shown[at]];
    const item = element("li", "", `line ${number(row[LINE])}${row[ID] ? " · " + row[ID] : ""}`);
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", at === current);
    item.dataset.at = at;
    const size = `${number(row[LENGTH])} ${index.unit}s · ${percent(row[TRAINED], row[LENGTH])} trained `;
    const about = element("small", "", `${index.channels[row[CHANNEL]]} · ${size}`);
    for (const flag of row[FLAGS]) {
      about.append(element("span", index.flags[flag] === "masked" ? "" : "flag", index.flags[flag] + " "));
    }
    item.append(about);
    items.push(item);
  }
  $("rows").style.top = first * HEIGHT + "px";
  $("rows").replaceChildren(...items);
}

async function select(at) {
  current = Math.max(0, Math.min(shown.length - 1, at));
  const list = $("list"), top = current * HEIGHT;
  if (top < list.scrollTop) list.scrollTop = top;
  if (top + HEIGHT > list.scrollTop + list.clientHeight) list.scrollTop = top + HEIGHT - list.clientHeight;
  drawList();
  const n = shown[current];
  if (n === undefined) return $("row").replaceChildren(element("p", "", "No row is like this."));
  const spans = await rowAt(n);
  if (n === shown[current]) drawRow(n, spans);
}

function drawRow(n, spans) {
  const row = index.rows[n];
  const title = element("h2", "", `line ${number(row[LINE])}${row[ID] ? " · " + row[ID] : ""} `);
  const tools = row[TOOLS].map((t) => index.tools[t]).join(", ");
  const share = percent(row[TRAINED], row[LENGTH]);
  const size = `${number(row[LENGTH])} ${index.unit}s, ${number(row[TRAINED])} trained (${share})`;
  const called = tools ? " · calls " + tools : "";
  title.append(element("small", "", `${index.channels[row[CHANNEL]]} · ${size} · ${row[TURNS]} turns${called}`));
  const parts = [title];
  let message = -1, text = null;
  for (const span of spans) {
    if (span[1] !== message || text === null) {
      message = span[1];
      const block = element("section", "message");
      text = element("div", "text");
      block.append(element("b", "", `message ${message}`), text);
      parts.push(block);
    }
    if (span[6]) text.parentNode.insertBefore(element("p", "problem", span[6]), text);
    text.append(drawSpan(span));
  }
  $("row").replaceChildren(...parts);
  $("row").scrollTop = 0;
}

// span: [kind, message, text, trained (0, 1 or one for each token), lengths of tokens, weights, fault]
function drawSpan(span) {
  const [kind, message, text, trained, lengths, weights, fault] = span;
  const name = index.kinds[kind];
  const count = lengths ? lengths.length : 0;
  const part = Array.isArray(trained) ? trained.reduce((sum, one) => sum + one, 0) : trained * (count || 1);
  const state = part === 0 ? "not trained" : part === (count || 1) ? "trained" : `${part} of ${count} trained`;
  const weight = weights && weights.length ? `, weight ${[...new Set(weights)].join(", ")}` : "";
  const made = element("span", `s ${name} ${part ? "on" : "off"}${fault ? " bad" : ""}`);
  const size = count ? `${count} tokens` : `${text.length} characters`;
  made.dataset.about = `${name} · ${state}${weight} · ${size} · message ${message}${fault ? " · " + fault : ""}`;
  if (!count) {
    made.append(...visible(text));
    return made;
  }
  const letters = Array.from(text);
  let at = 0;
  lengths.forEach((length, n) => {
    const on = Array.isArray(trained) ? trained[n] : trained;
    const token = element("span", "t");
    token.append(...visible(letters.slice(at, at + length).join("")));
    if (Array.isArray(trained)) token.className = `t ${on ? "on" : "off"}`;
    made.append(token);
    at += length;
  });
  return made;
}

// Letters that cannot be seen are shown by their number: they are trained too.
const UNSEEN = /([\u0000-\u0008\u000b-\u001f\u007f\u00ad\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\ufeff])/;
function visible(text) {
  const code = (part) => element("span", "unseen", part.codePointAt(0).toString(16).padStart(4, "0"));
  return text.split(UNSEEN).map((part) => (UNSEEN.test(part) ? code(part) : part));
}

const SVG = "http://www.w3.org/2000/svg";
function drawBars(title, bars, onPick) {
  const width = 220, height = 56, step = width / Math.max(bars.length, 1);
  const most = Math.max(1, ...bars.map((bar) => bar.count));
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", width);
  svg.setAttribute("height", height + 14);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", title);
  bars.forEach((bar, n) => {
    const rect = document.createElementNS(SVG, "rect");
    const size = bar.count ? Math.max(1, (height * bar.count) / most) : 0;
    const place = { x: n * step, y: height - size, width: Math.max(1, step - 1), height: size };
    for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value);
    const about = document.createElementNS(SVG, "title");
    about.textContent = `${bar.label}: ${number(bar.count)} rows`;
    rect.append(about);
    if (onPick) {
      rect.dataset.value = bar.label;
      rect.addEventListener("click", () => onPick(bar));
    }
    svg.append(rect);
  });
  const ends = bars.length ? [bars[0].label, bars[bars.length - 1].label] : ["", ""];
  ends.forEach((label, n) => {
    const text = document.createElementNS(SVG, "text");
    text.setAttribute("x", n ? width : 0);
    text.setAttribute("y", height + 11);
    text.setAttribute("text-anchor", n ? "end" : "start");
    text.textContent = label.length > 18 ? label.slice(0, 17) + "…" : label;
    svg.append(text);
  });
  const figure = element("figure");
  figure.append(svg, element("figcaption", "", title));
  return figure;
}

function histogram(values, bins, label) {
  const high = Math.max(1, ...values.length ? [values.reduce((a, b) => Math.max(a, b), 0)] : [1]);
  const size = high / bins;
  const bar = (low, high) => ({ count: 0, low, high, label: label(low, high) });
  const bars = Array.from({ length: bins }, (_, n) => bar(n * size, (n + 1) * size));
  for (const value of values) bars[Math.min(bins - 1, Math.floor(value / size))].count++;
  return bars;
}

function counts(values) {
  const found = new Map();
  for (const value of values) found.set(value, (found.get(value) || 0) + 1);
  return [...found].sort((a, b) => a[0] - b[0]).slice(0, 40).map(([value, count]) => ({ label: String(value), count }));
}

function drawCharts() {
  const rows = shown.map((n) => index.rows[n]);
  const range = (low, high) => `${number(Math.round(low))}–${number(Math.round(high))}`;
  const tools = new Map();
  for (const row of rows) {
    for (const tool of row[TOOLS]) tools.set(index.tools[tool], (tools.get(index.tools[tool]) || 0) + 1);
  }
  const bars = [...tools].sort((a, b) => b[1] - a[1]).slice(0, 24).map(([label, count]) => ({ label, count }));
  const shares = rows.map((row) => (row[LENGTH] ? (100 * row[TRAINED]) / row[LENGTH] : 0));
  $("charts").replaceChildren(
    drawBars(`length in ${index.unit}s`, histogram(rows.map((row) => row[LENGTH]), 24, range), (bar) => {
      $("low").value = Math.floor(bar.low);
      $("high").value = Math.ceil(bar.high);
      filter();
    }),
    drawBars("trained share", histogram(shares, 20, (low, high) => `${low.toFixed(0)}–${high.toFixed(0)} %`)),
    drawBars("turns", counts(rows.map((row) => row[TURNS]))),
    drawBars(`tools called (${number(tools.size)})`, bars, (bar) => {
      $("tool").value = bar.label;
      filter();
    }),
  );
}

function fill(id, names) {
  for (const name of names) if (name) $(id).append(new Option(name, name));
}

function nextFault() {
  for (let step = 1; step <= shown.length; step++) {
    const at = (current + step) % shown.length;
    if (index.rows[shown[at]][FLAGS].some((f) => index.flags[f] === "faulty")) return select(at);
  }
}

const KEYS = {
  ArrowDown: () => select(current + 1),
  j: () => select(current + 1),
  ArrowUp: () => select(current - 1),
  k: () => select(current - 1),
  PageDown: () => select(current + 20),
  PageUp: () => select(current - 20),
  Home: () => select(0),
  End: () => select(shown.length - 1),
  n: nextFault,
  t: () => document.body.classList.toggle("tokens"),
  "/": () => $("text").focus(),
};

function start() {
  let dark = matchMedia("(prefers-color-scheme: dark)").matches;
  $("theme").addEventListener("click", () => {
    dark = !dark;
    document.documentElement.style.colorScheme = dark ? "dark" : "light";
  });
  fill("channel", index.channels);
  fill("tool", [...index.tools].sort());
  fill("flag", index.flags);
  const length = index.rows.reduce((sum, row) => sum + row[LENGTH], 0);
  const trained = index.rows.reduce((sum, row) => sum + row[TRAINED], 0);
  const size = `${number(length)} ${index.unit}s, ${number(trained)} trained (${percent(trained, length)})`;
  $("totals").textContent = `${number(index.rows.length)} rows · ${size}`;
  for (const kind of index.kinds) $("legend").append(element("span", `s ${kind} on`, kind));
  $("legend").append(element("span", "s template off", "pale: not trained"));
  for (const id of ["channel", "tool", "flag", "low", "high"]) $(id).addEventListener("change", filter);
  $("text").addEventListener("change", search);
  $("clear").addEventListener("click", () => {
    for (const id of ["channel", "tool", "flag", "low", "high", "text"]) $(id).value = "";
    searched = null;
    filter();
  });
  $("list").addEventListener("scroll", drawList);
  addEventListener("resize", drawList);
  $("rows").addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (item) select(+item.dataset.at);
  });
  $("row").addEventListener("mouseover", (event) => {
    const span = event.target.closest(".s");
    if (span) $("hover").textContent = span.dataset.about;
  });
  addEventListener("keydown", (event) => {
    if (event.target.closest("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = KEYS[event.key];
    if (action) {
      event.preventDefault();
      action();
    }
  });
  filter();
  document.body.dataset.ready = "yes";
}
start();
