// The console of a running capture. Everything that comes from the server is put into the page as
// text, and never as markup; a call's page, which is markup, is shown in a frame that runs nothing.
"use strict";

const byId = (id) => document.getElementById(id);
const HISTORY = 180;
let token = sessionStorage.getItem("token") ?? "";
let me = null;
let timer = 0;
const history = [];

// The one way for markup into the page: into a frame without scripts, forms, or an origin.
const pages = window.trustedTypes?.createPolicy("call", { createHTML: (page) => page });

async function ask(path, options = {}) {
  const answer = await fetch(path, {
    ...options, headers: { Authorization: `Bearer ${token}` }, cache: "no-store", credentials: "omit",
  });
  if (answer.status === 401) {
    leave("This token is not known.");
    throw new Error("refused");
  }
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}

// Elements ---------------------------------------------------------------------------------------

function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") element.className = value;
    else if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

function draw(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

// A table; a column is a heading, what stands in it, and its class.
function table(columns, rows, empty) {
  if (rows.length === 0) return make("p", { class: "faint" }, empty);
  const head = columns.map(([name, , kind]) => make("th", { class: (kind ?? "").replace("mono", ""), scope: "col" }, name));
  const one = (row) => ([name, cell, kind]) => {
    const what = cell(row);
    return make("td", { class: kind ?? "", "data-name": name }, what === "" ? null : what);
  };
  const line = (row) => make("tr", {}, ...columns.map(one(row)));
  return make("table", { class: columns.length > 3 ? "cards" : "" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows.map(line)));
}

const pill = (word, code) => make("span", { class: `pill ${word}` }, code ? `${word}: ${code}` : word);
const foreign = (text) => make("bdi", {}, text);

// Figures ----------------------------------------------------------------------------------------

function short(value) {
  if (value < 9999.5) return value.toFixed(0);
  if (value < 999500) return `${(value / 1e3).toFixed(1)} k`;
  if (value < 999.5e6) return `${(value / 1e6).toFixed(1)} M`;
  return `${(value / 1e9).toFixed(1)} G`;
}

function bytes(value) {
  if (value < 999500) return `${(value / 1e3).toFixed(0)} kB`;
  if (value < 999.5e6) return `${(value / 1e6).toFixed(1)} MB`;
  if (value < 999.5e9) return `${(value / 1e9).toFixed(1)} GB`;
  return `${(value / 1e12).toFixed(1)} TB`;
}

function span(seconds) {
  const [s, m, h, d] = [seconds % 60, seconds / 60 % 60, seconds / 3600 % 24, seconds / 86400].map(Math.floor);
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${String(m).padStart(2, "0")} min`;
  if (m > 0) return `${m} min ${String(s).padStart(2, "0")} s`;
  return `${s} s`;
}

const many = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
const micro = (us) => us < 999.5 ? `${us.toFixed(0)} µs` : us < 999500 ? `${(us / 1e3).toFixed(1)} ms` : `${(us / 1e6).toFixed(1)} s`;
const when = (time) => time ? `${time.slice(0, 10)} ${time.slice(11, 19)}` : "";
const sum = (object) => Object.values(object).reduce((all, one) => all + one, 0);

// Overview ---------------------------------------------------------------------------------------

function overview(now) {
  const lost = sum(now.frames.lost) + now.frames.nic;
  const live = now.warrants.reduce((all, it) => all + it.live, 0);
  const executed = now.warrants.filter((it) => it.state === "executed").length;
  const tile = (name, value, below, kind) => make("div", { class: "tile" },
    make("dt", {}, name), make("dd", { class: kind ?? "" }, value), make("dd", {}, below));
  byId("tiles").replaceChildren(
    tile("Frames seen", `${short(now.rates.seen)}/s`, `${now.frames.seen.toLocaleString("en")} so far`),
    tile("Dropped in the kernel", `${short(now.rates.filtered)}/s`, `${now.frames.filtered.toLocaleString("en")} so far`),
    tile("Delivered", `${short(now.rates.delivered)}/s`, `${now.frames.delivered.toLocaleString("en")} so far`),
    tile("Lost", lost.toLocaleString("en"), lost ? `${short(now.rates.lost)}/s` : "nothing", lost ? "bad" : "good"),
    tile("Calls live", live.toLocaleString("en"), `${many(executed, "warrant")} executed`),
    tile("Disk free", bytes(now.disk.free), `of ${bytes(now.disk.of)}`),
  );
  rates();
  trigger(now.trigger);
  const losses = Object.entries(now.frames.lost);
  if (now.frames.nic) losses.push(["nic", now.frames.nic]);
  byId("losses").replaceChildren(table(
    [["Place", ([place]) => place, "mono"], ["Frames", ([, frames]) => frames.toLocaleString("en"), "number"]],
    losses, "Nothing is lost."));
  byId("buffers").replaceChildren(...Object.entries(now.buffers).map(([name, it]) => make("div", { class: "gauge" },
    make("span", {}, name.replace("_", " ")),
    make("meter", { max: it.of, value: it.free, low: it.of / 4, optimum: it.of, title: `${it.free} of ${it.of}` }),
    make("span", {}, `${it.free} / ${it.of}`))));
  const queues = now.interfaces.flatMap((it) => it.queues.map((queue) => ({ it, queue })));
  const ring = (it) => make("span", {}, make("meter", { max: it.room, value: it.frames, high: it.room / 2, optimum: 0 }), ` ${it.frames}`);
  byId("interfaces").replaceChildren(table([
    ["Interface", ({ it, queue }) => queue.queue === 0 ? `${it.name}: ${short(it.bits_per_s)}bit/s, ${it.mode}` : "", "wraps"],
    ["Queue", ({ queue }) => queue.queue, "number"],
    ["Media kept", ({ queue }) => `${short(queue.frames_per_s)}/s`, "number"],
    ["Media ring", ({ queue }) => ring(queue.media), "nowrap"],
    ["Signalling ring", ({ queue }) => ring(queue.signalling), "nowrap"],
    ["Lost", ({ queue }) => queue.lost, "number"],
  ], queues, "No interface."));
}

function rates() {
  const chart = byId("rates");
  const most = Math.max(1, ...history.map((it) => it.seen));
  const shown = Math.min(HISTORY, Math.max(60, history.length));
  const x = (at) => 1000 - (history.length - 1 - at) * (1000 / (shown - 1));
  const y = (value) => 196 - value / most * 186;
  const path = (name) => history.map((it, at) => `${at ? "L" : "M"}${x(at).toFixed(1)} ${y(it[name]).toFixed(1)}`).join("");
  const lines = [0, .5, 1].map((share) => draw("line", { class: "grid", x1: 0, x2: 1000, y1: y(share * most), y2: y(share * most) }));
  const under = `${path("seen")}L1000 196L${x(0).toFixed(1)} 196Z`;
  chart.replaceChildren(...lines, draw("path", { class: "under", d: under }),
    ...["seen", "delivered", "lost"].map((name) => draw("path", { class: name, d: path(name) })));
  byId("rates-from").textContent = `${shown} s ago`;
  byId("rates-most").textContent = `highest ${short(most)}/s`;
}

function trigger(it) {
  const chart = byId("trigger");
  byId("trigger-words").textContent = it
    ? `half within ${micro(it.p50)}, 99 % within ${micro(it.p99)}, longest ${micro(it.max)}, of ${it.count.toLocaleString("en")}`
    : "No call of a target has begun yet.";
  chart.toggleAttribute("hidden", !it);
  if (!it) return;
  let below = 0;
  const steps = it.up_to_us.map(([edge, count]) => {
    const step = [edge, count - below];
    below = count;
    return step;
  });
  steps.push([null, it.count - below]);
  const most = Math.max(1, ...steps.map(([, count]) => count));
  const width = 560 / steps.length;
  chart.replaceChildren(draw("line", { class: "grid", x1: 0, x2: 560, y1: 140, y2: 140 }), ...steps.flatMap(([edge, count], at) => {
    const height = count / most * 128;
    const label = edge === null ? "more" : micro(edge).replace(".0", "");
    const bar = draw("rect", { class: "step", x: at * width + 3, width: width - 6, y: 140 - height, height, rx: 2 });
    bar.append(draw("title", {}, `${label}: ${count}`));
    const text = draw("text", { x: at * width + width / 2, y: 156, "text-anchor": "middle" }, at % 2 ? "" : label);
    return [bar, text];
  }));
}

// Calls ------------------------------------------------------------------------------------------

async function calls() {
  byId("calls-words").textContent = "Reading …";
  const inspects = me.role === "inspect";
  byId("query").placeholder = inspects ? "LIID, party or Call-ID" : "LIID";
  try {
    const found = await (await ask(`api/calls?${new URLSearchParams({ find: byId("query").value })}`)).json();
    const shown = found.calls.length < found.count ? `The latest ${found.calls.length} of ${found.count.toLocaleString("en")} calls.` : `${many(found.count, "call")}.`;
    byId("calls-words").textContent = shown + (inspects ? " That you looked is in the audit." : " Your role sees no identity.");
    const name = (it) => inspects ? make("button", { class: "row", onclick: () => call(it.liid, it.cin) }, `${it.liid}/${it.cin}`) : `${it.liid}/${it.cin}`;
    const people = inspects ? [["From", (it) => foreign(it.from), "wraps"], ["To", (it) => foreign(it.to), "wraps"]] : [];
    byId("calls-table").replaceChildren(table([
      ["Call", name, "nowrap"], ["Began (UTC)", (it) => when(it.started), "nowrap"], ...people,
      ["Length", (it) => it.duration_s === null ? "" : span(it.duration_s), "number"],
      ["State", (it) => pill(it.state), "nowrap"],
      // Of one that goes on, the ledger knows nothing yet.
      ["Media", (it) => it.state === "ended" ? it.cc_packets.toLocaleString("en") : "", "number"],
      ["Missing", (it) => it.lost ? make("span", { class: "bad" }, String(it.lost)) : it.state === "ended" ? "0" : "", "number"],
      ["MOS", (it) => it.mos === null ? "" : it.mos.toFixed(2), "number"],
      ["Encryption", (it) => it.encryption.join(", "), "nowrap"],
    ], found.calls, "No call."));
  } catch (cause) {
    byId("calls-words").textContent = cause.message;
  }
}

async function call(liid, cin) {
  show("call");
  byId("call-name").textContent = `Call ${liid}/${cin}`;
  byId("call-words").textContent = "Reading the evidence, and holding it against its hashes …";
  byId("page").hidden = true;
  byId("back").focus();
  try {
    const page = await (await ask(`api/call/${encodeURIComponent(liid)}/${cin}`)).text();
    byId("page").srcdoc = pages ? pages.createHTML(page) : page;
    byId("page").hidden = false;
    byId("call-words").textContent = "That you looked is in the audit.";
  } catch (cause) {
    byId("call-words").textContent = cause.message;
  }
}

// Warrants, evidence, alarms ----------------------------------------------------------------------

function warrants(now) {
  const nameless = Object.entries(now.refused).map(([code, files]) => ({
    liid: `${files} without a LIID to trust`, state: "refused", code, version: 0, not_before: "", not_after: "",
    live: 0, calls: 0, packets: 0, bytes: 0,
  }));
  byId("warrants-table").replaceChildren(table([
    ["LIID", (it) => it.liid, "wraps"], ["State", (it) => pill(it.state, it.code), "nowrap"],
    ["Version", (it) => it.version || "", "number"],
    ["From (UTC)", (it) => when(it.not_before), "nowrap"], ["Until (UTC)", (it) => when(it.not_after), "nowrap"],
    ["Live", (it) => it.live, "number"], ["Ended", (it) => it.calls, "number"],
    ["Packets", (it) => it.packets.toLocaleString("en"), "number"], ["Kept", (it) => bytes(it.bytes), "number"],
  ], [...now.warrants, ...nameless], "No warrant."));
}

async function volumes() {
  try {
    const found = await (await ask("api/volumes")).json();
    byId("volumes").replaceChildren(table([
      ["Volume", (it) => it.file, "wraps mono"], ["Packets", (it) => it.sha256 ? it.packets.toLocaleString("en") : "", "number"],
      ["Size", (it) => bytes(it.bytes), "number"], ["Last packet (UTC)", (it) => when(it.last_packet), "nowrap"],
      ["SHA-256", (it) => it.sha256 ?? "being written", "wraps mono"],
    ], found.volumes, "Nothing is kept yet."));
  } catch (cause) {
    byId("volumes").replaceChildren(make("p", { class: "bad" }, cause.message));
  }
}

async function verify() {
  const button = byId("verify");
  button.disabled = true;
  byId("verified").replaceChildren(make("p", { class: "faint" }, "Reading every byte …"));
  try {
    const found = await (await ask("api/verify", { method: "POST" })).json();
    const { counts } = found;
    const words = `${many(counts.volumes, "sealed volume")} with ${many(counts.packets, "packet")}, ${many(counts.calls, "call")}, ${many(counts.audit_lines, "line")} of audit`;
    const breaks = found.breaks.map((it) => make("p", { class: "bad mono" }, `${it.file}: ${it.what}`));
    byId("verified").replaceChildren(make("p", {}, pill(found.state), ` ${words}.`), ...breaks);
  } catch (cause) {
    byId("verified").replaceChildren(make("p", { class: "bad" }, cause.message));
  }
  button.disabled = false;
}

function alarms(now) {
  byId("alarm-count").textContent = now.alarms.length || "";
  byId("alarms-table").replaceChildren(table([
    ["Since (UTC)", (it) => when(it.since), "nowrap"], ["Code", (it) => it.code, "mono nowrap"], ["What", (it) => it.what, "wraps"],
  ], now.alarms, "None stands."));
}

// The whole --------------------------------------------------------------------------------------

const TABS = ["overview", "calls", "warrants", "evidence", "alarms"];

function show(view) {
  for (const name of [...TABS, "call"]) byId(name).hidden = name !== view;
  const tab = view === "call" ? "calls" : view;
  for (const name of TABS) {
    byId(`tab-${name}`).setAttribute("aria-selected", String(name === tab));
    byId(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
  }
}

function open(view) {
  show(view);
  if (view === "calls") calls();
  if (view === "evidence") volumes();
}

async function look() {
  try {
    const now = await (await ask("api/snapshot")).json();
    history.push({ seen: now.rates.seen, delivered: now.rates.delivered, lost: now.rates.lost });
    if (history.length > HISTORY) history.shift();
    const wrong = now.alarms.length;
    byId("state").textContent = wrong ? many(wrong, "alarm") : `capturing for ${span(now.up_s)}`;
    byId("state").className = wrong ? "bad" : "good";
    byId("where").textContent = now.evidence;
    overview(now);
    warrants(now);
    alarms(now);
  } catch (cause) {
    if (me === null) return;
    byId("state").textContent = "no answer: has the capture ended?";
    byId("state").className = "bad";
  }
}

async function enter() {
  me = await (await ask("api/me")).json();
  sessionStorage.setItem("token", token);
  byId("entry").hidden = true;
  byId("console").hidden = false;
  byId("who").textContent = `${me.name} (${me.role})`;
  open("overview");
  await look();
  clearInterval(timer);
  timer = setInterval(look, 1000);
}

function leave(why) {
  clearInterval(timer);
  [token, me, history.length] = ["", null, 0];
  sessionStorage.removeItem("token");
  for (const id of ["calls-table", "volumes", "verified", "warrants-table"]) byId(id).replaceChildren();
  byId("page").removeAttribute("srcdoc");
  byId("console").hidden = true;
  byId("entry").hidden = false;
  byId("refused").textContent = why;
  byId("token").value = "";
  byId("token").focus();
}

byId("entry").addEventListener("submit", (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  enter().catch(() => {});
});
byId("leave").addEventListener("click", () => leave(""));
byId("back").addEventListener("click", () => { show("calls"); byId("tab-calls").focus(); });
byId("verify").addEventListener("click", verify);
byId("search").addEventListener("submit", (event) => { event.preventDefault(); calls(); });
for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => open(name));
document.querySelector("nav").addEventListener("keydown", (event) => {
  const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = TABS.findIndex((name) => document.activeElement === byId(`tab-${name}`));
  if (!by || at < 0) return;
  const next = TABS[(at + by + TABS.length) % TABS.length];
  open(next);
  byId(`tab-${next}`).focus();
});

if (token) enter().catch(() => {}); else leave("");
