"use strict";

/* The page of `vtag serve`: typed text goes to /v1/tag, or to /v1/redact, and its spans are shown in colours.

   text ─ tag ─ response ─ show: visible ─ pieces ─ intoLines ─ showLines, where anything changed

   Nothing is stored: text, answer and key live in the variables below. Elements are made by the DOM alone, never from
   HTML, so no text can act on the page. */

const ALTERNATIVES = 5;
const STRETCH = 1000; // characters: parts of long lines that are out of sight are not laid out
const LINE_PARTS = /\n|[^\n]{0,1000}[^\S\n]|[^\n]{1,1000}/gu;
const RIGHT_TO_LEFT = /^\P{L}*[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
const LINE_CHARACTERS = 90; // of a line on the screen with labels, about
const LEAST_LIKELY = 0.0005; // smaller scores show as 0.000
const TYPING_MS = 150;
const LONGEST_PAUSE_MS = 2000;
const SMOOTH_MS = 50;
const AGAIN_MS = 1000;
const MARK = "#spans > div > mark"; // the mark of a piece
const DONE_MS = 1500;
const CARD_MS = 200;
const EXAMPLE = `Hi, I'm Marisol Okonkwo and I just moved to 1187 Larkspur Lane, Apt 4B, Dunmere, Oregon 97999.
Dr. Amara Lindqvist-Reyes will see you at 40 Harbour Street in Port Ellery; call (555) 010-4477 if you are late.
Passport X90817263, issued to Zoë Łukasiewicz, expires next spring.

The ferry to the islands leaves twice a day, and nobody needs a ticket in winter.`;

const NOTHING = { text: "", shown: "", spans: [] };
const $ = (id) => document.getElementById(id);
const text = $("text");
const spans = $("spans");
const card = $("card");

let key = "";
let info = null; // of the server: labels, colours, limits
/* The last response: text was sent, shown is shown, which is another one where it is redacted. Each span also has from and
   to, its place in the string that is shown. */
let answer = NOTHING;
let lines = []; // as shown: { pieces, close: "\n" or "", dir, key, element }
let pieceOf = new WeakMap(); // of each <mark> that begins a piece
let asking = new AbortController();
let connecting = {}; // the newest attempt
let took = 0; // ms until the last answer
let drawn = 0; // ms to show it
let paints = new Map(); // label → class
const off = new Set(); // labels that are not shown
const timers = {};

// --- the server ---

class Refused extends Error {
  constructor(status, content) {
    super(content.error ?? `The server answers ${status}`);
    this.status = status;
  }
}

async function ask(route, body, signal) {
  const headers = { "Content-Type": "application/json" };
  // As UTF-8 bytes: fetch accepts no other characters in a header.
  if (key) headers.Authorization = `Bearer ${String.fromCharCode(...new TextEncoder().encode(key))}`;
  const response = await fetch(route, {
    method: body ? "POST" : "GET",
    body: body && JSON.stringify(body),
    cache: "no-store",
    headers,
    signal,
  });
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, content);
  return content;
}

/** What to do after `failed`: ask for a key, say what is wrong, or wait for a server that has gone away. */
function recover(failed) {
  if (failed.name === "AbortError") return; // a newer text was sent
  const status = failed.status;
  if (status === 401) return askForKey();
  if (status && status !== 429 && status < 502) {
    if (info) show(NOTHING);
    return problem(failed.message);
  }
  problem(status === 429 ? "The server is busy. Trying again." : "The server does not answer. Trying again.");
  later("again", AGAIN_MS, connect);
}

async function connect() {
  const mine = (connecting = {});
  let found;
  try {
    found = await ask("info");
  } catch (failed) {
    if (mine === connecting) recover(failed);
    return;
  }
  if (mine !== connecting) return; // an older key's answer does not apply to a newer key
  info = found;
  problem();
  const first = $("workspace").hidden;
  $("key-form").hidden = true;
  $("workspace").hidden = false;
  $("model").textContent = info.model;
  paint(info.colors);
  $("types").textContent = info.types.map(printable).join(", ");
  document.title = `${info.model} · vtag playground`;
  const chosen = $("strategy").value;
  $("strategy").replaceChildren(...info.aggregation_strategies.map((name) => new Option(name)));
  if (info.aggregation_strategies.includes(chosen)) $("strategy").value = chosen;
  if (first) text.focus();
  return tag();
}

async function tag() {
  clearTimeout(timers.typing);
  asking.abort();
  const mine = (asking = new AbortController());
  const asked = text.value;
  if (!asked.trim()) {
    took = 0;
    problem();
    return show(NOTHING);
  }
  spans.ariaBusy = true;
  const began = performance.now();
  const redacted = $("redacted").checked;
  const how = redacted ? {} : { aggregation_strategy: $("strategy").value, top_k: ALTERNATIVES };
  let found;
  try {
    [found] = (await ask(redacted ? "v1/redact" : "v1/tag", { input: asked, ...how }, mine.signal)).results;
  } catch (failed) {
    if (mine === asking) recover(failed);
    return;
  }
  if (mine !== asking) return; // an older answer must not replace a newer one
  took = performance.now() - began;
  problem();
  const shown = redacted ? found.text : asked;
  const places = redacted ? found.replacements : found.spans;
  place(shown, places);
  const { tokens, windows } = found.usage;
  const cost = `${count(tokens, "token")}, ${count(windows, "window")}`;
  show({ text: asked, shown, spans: places, redacted, cost });
}

/** Offsets count code points, as Python does; JavaScript's strings are UTF-16. */
function place(shown, found) {
  const at = [0];
  for (const character of shown) at.push(at[at.length - 1] + character.length);
  for (const span of found) {
    span.from = at[span.start];
    span.to = at[span.end];
  }
}

function askForKey() {
  problem(key ? "That key is not right." : undefined);
  key = "";
  $("workspace").hidden = true;
  $("key-form").hidden = false;
  $("key").value = "";
  $("key").focus();
}

function problem(message = "") {
  if ($("problem").textContent !== message) $("problem").textContent = message;
  $("problem").hidden = !message;
}

// --- output ---

function show(newer) {
  const began = performance.now();
  answer = newer;
  spans.ariaBusy = false;
  const shown = visible();
  const cut = pieces(answer.shown, shown);
  if (answer.redacted) for (const piece of cut) piece.ends = []; // what is shown is the label, or has none to show
  hideCard();
  showLines(intoLines(cut));
  // A policy has thresholds of its own.
  for (const control of [$("strategy"), $("threshold")]) control.disabled = Boolean(answer.redacted);
  $("hint").hidden = Boolean(answer.text);
  showLegend();
  drawn = performance.now() - began;
  const ms = `${Math.round(took)} ms`;
  const what = answer.redacted ? "replacement" : "span";
  $("status").textContent = answer.text ? [count(shown.length, what), answer.cost, ms].join(" · ") : "";
}

/** What the threshold and the legend leave. A replacement has no score. */
function visible() {
  const least = Number($("threshold").value);
  return answer.spans.filter((span) => (answer.redacted || span.score >= least) && !off.has(span.label));
}

/** The text cut at every border of a span, as by view.py's _pieces: { text, over, ends }.

    over: the spans over it, from outer to inner. ends: those that end with it. */
function pieces(whole, found) {
  const waiting = found.filter((span) => span.from < span.to).sort((a, b) => a.from - b.from || b.to - a.to);
  const borders = new Set([0, whole.length]);
  for (const span of waiting) borders.add(span.from).add(span.to);
  const edges = [...borders].sort((a, b) => a - b);
  const cut = [];
  let open = [];
  let next = 0;
  for (let i = 0; i + 1 < edges.length; i++) {
    while (next < waiting.length && waiting[next].from === edges[i]) open.push(waiting[next++]);
    const ends = open.filter((span) => span.to === edges[i + 1]).reverse();
    cut.push({ text: whole.slice(edges[i], edges[i + 1]), over: open, ends });
    open = open.filter((span) => span.to > edges[i + 1]);
  }
  return cut;
}

/** Lines of the text, long ones in stretches; a span is never cut. Each has a key, alike where it looks alike. */
function intoLines(cut) {
  const made = [];
  let own = [];
  let length = 0;
  let dir = "auto";
  const end = (close) => {
    made.push({ pieces: own, close, dir, key: JSON.stringify([dir, ...own.map(look)]) });
    // A line's direction is that of its start.
    if (close) dir = "auto";
    else if (dir === "auto") dir = RIGHT_TO_LEFT.test(own.map((piece) => piece.text).join("")) ? "rtl" : "ltr";
    own = [];
    length = 0;
  };
  cut.forEach((piece, i) => {
    const parts = piece.over.length ? [piece.text] : piece.text.match(LINE_PARTS);
    for (const part of parts) {
      if (part === "\n" && !piece.over.length) {
        end("\n");
        continue;
      }
      own.push(piece.over.length ? piece : { text: part, over: [], ends: [] });
      length += part.length;
      const whole = !cut[i + 1]?.over.some((span) => piece.over.includes(span));
      if (whole && (length > 2 * STRETCH || (length > STRETCH && /\s$/.test(part)))) end("");
    }
  });
  end("");
  return made;
}

const look = (piece) => [piece.text, ...piece.over.map((span) => [span.label, piece.ends.includes(span)])];

/** Only what has changed is made anew: what lies between the first lines that are alike and the last ones. */
function showLines(newer) {
  let same = 0;
  const most = Math.min(lines.length, newer.length);
  while (same < most && lines[same].key === newer[same].key) same++;
  let tail = 0;
  while (tail < most - same && lines.at(-1 - tail).key === newer.at(-1 - tail).key) tail++;
  for (const line of lines.slice(same, lines.length - tail)) line.element.remove();
  const before = tail ? lines[lines.length - tail].element : null;
  const kept = [...lines.slice(0, same), ...(tail ? lines.slice(-tail) : [])];
  newer.forEach((line, i) => {
    const made = i >= same && i < newer.length - tail;
    line.element = made ? lineElement(line) : kept[i < same ? i : i - newer.length + kept.length].element;
    const covered = line.pieces.filter((piece) => piece.over.length);
    line.element.querySelectorAll(":scope > mark").forEach((mark, at) => pieceOf.set(mark, covered[at]));
  });
  const fresh = document.createDocumentFragment();
  fresh.append(...newer.slice(same, newer.length - tail).map((line) => line.element));
  spans.insertBefore(fresh, before);
  lines = newer;
  const stop = spans.querySelector('mark[tabindex="0"]') ?? spans.querySelector("mark");
  if (stop) stop.tabIndex = 0;
  spans.tabIndex = stop ? -1 : 0;
}

function lineElement(line) {
  const element = document.createElement("div");
  element.dir = line.dir;
  element.style.containIntrinsicSize = `auto ${Math.ceil(line.key.length / LINE_CHARACTERS) * 2}em`;
  element.append(...line.pieces.map((piece) => (piece.over.length ? markElement(piece) : printable(piece.text))));
  const blank = !line.pieces.length && line.dir === "auto"; // not the rest of a long line
  if (blank) element.append(document.createElement("br"));
  return element;
}

function markElement(piece) {
  let inner = printable(piece.text);
  for (const span of [...piece.over].reverse()) {
    const mark = document.createElement("mark");
    mark.append(inner);
    mark.className = paints.get(span.label) ?? "";
    if (piece.ends.includes(span)) {
      const label = document.createElement("b");
      label.textContent = ` ${printable(span.label)}`; // a space, so that screen readers read two words
      mark.append(label);
    }
    inner = mark;
  }
  inner.tabIndex = -1;
  return inner;
}

/** Control characters are shown, as in a terminal. */
function printable(string) {
  return string.replace(/[\0-\x08\x0b-\x1f\x7f-\x9f]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : code === 0x7f ? "\u2421" : "\ufffd";
  });
}

/** A class for the colour of each label. */
function paint(colors) {
  paints = new Map(Object.keys(colors).map((label, i) => [label, `paint-${i}`]));
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(Object.values(colors).map((color, i) => `.paint-${i} { background: ${color}; }`).join("\n"));
  document.adoptedStyleSheets = [sheet];
}

/** The labels found, in the model's order, each with how many spans of it the slider leaves. */
function showLegend() {
  const least = answer.redacted ? 0 : Number($("threshold").value);
  const counts = new Map([...off].map((label) => [label, 0]));
  for (const { label, score } of answer.spans) counts.set(label, (counts.get(label) ?? 0) + (answer.redacted || score >= least));
  const labels = Object.keys(info.colors).filter((label) => counts.has(label));
  const legend = $("legend");
  if (labels.join("\n") !== [...legend.children].map((row) => row.dataset.label).join("\n")) {
    legend.replaceChildren(...labels.map(legendRow));
  }
  labels.forEach((label, i) => (legend.children[i].querySelector("span").textContent = counts.get(label)));
}

function legendRow(label) {
  const row = document.createElement("li");
  row.dataset.label = label;
  const whole = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = !off.has(label);
  box.addEventListener("change", () => {
    if (box.checked) off.delete(label);
    else off.add(label);
    showSoon();
  });
  const name = document.createElement("mark");
  name.textContent = printable(label);
  name.className = paints.get(label);
  whole.append(box, name, document.createElement("span"));
  row.append(whole);
  return row;
}

// --- the card of a span: score, place, and alternatives ---

function showCard(mark) {
  clearTimeout(timers.card);
  const { over } = pieceOf.get(mark);
  card.replaceChildren(...[...over].reverse().map(cardEntry));
  card.hidden = false;
  const [first] = mark.getClientRects();
  const { offsetWidth: width, offsetHeight: height } = card;
  const below = first.bottom + 6 + height <= innerHeight || first.top < height + 6;
  const left = Math.max(8, Math.min(first.left, document.documentElement.clientWidth - width - 8));
  card.style.left = `${left + scrollX}px`;
  card.style.top = `${(below ? first.bottom + 6 : first.top - 6 - height) + scrollY}px`;
  spans.querySelector("[aria-describedby]")?.removeAttribute("aria-describedby");
  mark.setAttribute("aria-describedby", "card");
}

function hideCard() {
  clearTimeout(timers.card);
  card.hidden = true;
}

function cardEntry(span) {
  const entry = document.createElement("div");
  const title = document.createElement("p");
  const label = document.createElement("strong");
  label.textContent = printable(span.label);
  title.append(label, answer.redacted ? ` ${span.action}` : ` ${span.score.toFixed(3)}`);
  const where = document.createElement("p");
  where.className = "quiet";
  where.textContent = `characters ${span.start} to ${span.end}`;
  const table = document.createElement("table");
  for (const { label: name, score } of (span.top ?? []).filter((other) => other.score >= LEAST_LIKELY)) {
    const row = table.insertRow();
    const head = document.createElement("th");
    head.scope = "row";
    head.textContent = printable(name);
    const bar = document.createElement("span");
    bar.className = `bar ${paints.get(name) ?? ""}`;
    bar.style.width = `${score * 100}%`;
    row.append(head);
    row.insertCell().append(bar);
    row.insertCell().textContent = score.toFixed(3);
  }
  entry.append(title, where, table);
  return entry;
}

const markAt = (event) => event.target.closest?.(MARK);

spans.addEventListener("pointerover", (event) => {
  const mark = markAt(event);
  if (mark) showCard(mark);
});
for (const element of [spans, card]) {
  element.addEventListener("pointerout", () => later("card", CARD_MS, hideCard));
}
card.addEventListener("pointerover", () => clearTimeout(timers.card));
spans.addEventListener("focusin", (event) => {
  const mark = markAt(event);
  if (!mark) return;
  spans.querySelector('mark[tabindex="0"]').tabIndex = -1;
  mark.tabIndex = 0;
  showCard(mark);
});
spans.addEventListener("focusout", hideCard);
// Moving to a span by keyboard may scroll: its card follows it, other cards close.
spans.addEventListener("scroll", () => {
  const mark = document.activeElement.closest(MARK);
  if (mark && !card.hidden) showCard(mark);
  else hideCard();
});

/** One stop of the Tab key for all spans; arrows go from one to the next, Home and End to the first and the last. */
spans.addEventListener("keydown", (event) => {
  const marks = [...spans.querySelectorAll(MARK)];
  const at = marks.indexOf(event.target);
  const [next, previous, last] = [at + 1, at - 1, marks.length - 1];
  const goals = { ArrowRight: next, ArrowDown: next, ArrowLeft: previous, ArrowUp: previous, Home: 0, End: last };
  const to = goals[event.key];
  if (at < 0 || to === undefined) return;
  event.preventDefault();
  marks[to]?.focus();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideCard();
});

// --- copies ---

const COPIES = {
  text: () => lines.flatMap((line) => [...line.pieces.map((piece) => piece.text), line.close]).join(""),
  json: () =>
    answer.redacted
      ? JSON.stringify({ text: answer.shown, replacements: answer.spans.map(plain) }, null, 2)
      : JSON.stringify({ text: answer.text, spans: visible().map(plain) }, null, 2),
  curl: () =>
    [
      `curl ${url()} -H 'Content-Type: application/json' \\`,
      ...(key ? [`     -H "Authorization: Bearer $VTAG_API_KEY" \\`] : []),
      `     --data-binary @- <<'JSON'`,
      JSON.stringify(request()),
      "JSON",
      "",
    ].join("\n"),
  python: () =>
    `import json
${key ? "import os\n" : ""}from urllib.request import Request, urlopen

body = ${JSON.stringify(request())}
headers = {"Content-Type": "application/json"${key ? ', "Authorization": "Bearer " + os.environ["VTAG_API_KEY"]' : ""}}
with urlopen(Request("${url()}", json.dumps(body).encode(), headers)) as response:
    ${answer.redacted ? REDACTED : TAGGED}
`,
};

const REDACTED = `print(json.load(response)["results"][0]["text"])`;
const TAGGED = `for span in json.load(response)["results"][0]["spans"]:
        print(span["start"], span["end"], span["label"], span["score"], span["text"])`;

const url = () => new URL(answer.redacted ? "v1/redact" : "v1/tag", location.href).href;

/** A span without what the page adds. */
const plain = ({ from, to, top, ...own }) => own;

/** What gives the spans that are shown. */
function request() {
  if (answer.redacted) return { input: answer.text };
  const least = Number($("threshold").value);
  return {
    input: answer.text,
    aggregation_strategy: $("strategy").value,
    ...(least && { threshold: least }),
    ...(off.size && { ignore_labels: ["O", ...off] }),
  };
}

async function copy(button) {
  try {
    await toClipboard(COPIES[button.dataset.copy]());
  } catch {
    return problem("The browser does not let this page copy.");
  }
  button.classList.add("done");
  setTimeout(() => button.classList.remove("done"), DONE_MS);
  $("status").textContent = "Copied";
}

async function toClipboard(string) {
  if (navigator.clipboard) return navigator.clipboard.writeText(string);
  // Browsers have no clipboard API over plain HTTP from another machine.
  const write = (event) => {
    event.preventDefault();
    event.clipboardData.setData("text/plain", string);
  };
  addEventListener("copy", write, { once: true });
  if (!document.execCommand("copy")) throw new Error("refused");
}

// --- input: typed, dropped, chosen ---

async function read(file) {
  if (!file) return;
  if (file.size > info.limits.body_bytes) {
    return problem(`A text of at most ${info.limits.body_bytes} bytes goes to this server.`);
  }
  try {
    text.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch {
    return problem("The file is no text in UTF-8.");
  }
  return tag();
}

function later(name, ms, action) {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(action, ms);
}

/** Show the answer anew: before the next picture, or once the slider rests where it takes longer than a picture may. */
function showSoon() {
  cancelAnimationFrame(timers.frame);
  clearTimeout(timers.rest);
  if (drawn < SMOOTH_MS) timers.frame = requestAnimationFrame(() => show(answer));
  else later("rest", 2 * drawn, () => show(answer));
}

const count = (number, name) => `${number.toLocaleString("en")} ${name}${number === 1 ? "" : "s"}`;

// Slow texts are sent after a longer pause, so that the server keeps up.
text.addEventListener("input", () => later("typing", Math.min(Math.max(TYPING_MS, took), LONGEST_PAUSE_MS), tag));
$("strategy").addEventListener("change", tag);
$("threshold").addEventListener("input", () => {
  $("least").textContent = Number($("threshold").value).toFixed(2);
  showSoon();
});
$("redacted").addEventListener("change", tag);
$("example").addEventListener("click", () => {
  text.value = EXAMPLE;
  tag();
});
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  read($("file").files[0]);
  $("file").value = "";
});
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  $("key").value = "";
  problem();
  connect();
});
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copy(button));
}
for (const kind of ["dragover", "dragleave", "drop"]) {
  addEventListener(kind, (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return; // the browser handles dragged text
    event.preventDefault();
    document.body.classList.toggle("dropping", kind === "dragover");
    if (kind === "drop" && info) read(event.dataTransfer.files[0]);
  });
}

connect();
