// The frame of every page: shows each snapshot, lets the page pull its rows, and holds them while somebody chooses.

import { listenToKeys } from "./keys.js";
import { follow } from "./live.js";

const INTERVAL_KEY = "queuehub.interval";
const TOLERANCE_MS = 400; // snapshots come about once a second, not on the dot
const QUIET_MS = 10000; // between two announcements

const byId = (id) => document.getElementById(id);
const { snapshotUrl, livePath, every } = document.body.dataset;
const page = byId("page");
const interval = byId("interval");

let drawnAt = -Infinity;
let tickedAt = -Infinity;
let isForced = false;

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function show(snapshot) {
  const now = performance.now();
  const waitMs = Number(interval.value) * 1000 - TOLERANCE_MS;
  if (!isForced && now - drawnAt < waitMs) return Boolean(snapshot.at);
  drawnAt = now;
  showStrip(snapshot.strip);
  if (!snapshot.at) return false; // the ledger is away: the former figures stay
  showWords(snapshot.words);
  if (isForced || now - tickedAt >= Number(every) * 1000 - TOLERANCE_MS) {
    tickedAt = now;
    isForced = false;
    document.body.dispatchEvent(new Event("tick"));
  }
  return true;
}

function showStrip(strip) {
  for (const item of document.querySelectorAll("#health [data-part]")) {
    const [state, detail] = strip[item.dataset.part];
    item.dataset.state = state;
    setText(item.querySelector(".detail"), detail);
  }
}

let deadWord = null;

function showWords(words) {
  for (const node of document.querySelectorAll("[data-word]")) {
    const word = words[node.dataset.word] ?? "";
    setText(node, word);
    node.toggleAttribute("data-zero", word === "0");
  }
  if (deadWord !== null && deadWord !== words.dead) announce(`Dead letters: ${words.dead}`);
  deadWord = words.dead;
}

// -- how fresh it is ---------------------------------------------------------------------------------------------

const clock = (date) => date.toLocaleTimeString("en-GB");
const WORDS = {
  live: () => "Live",
  polling: () => "Polling",
  stale: (since) => (since ? `Stale since ${clock(since)}` : "No connection"),
  off: () => "Off",
  "signed-out": () => "Signed out: load the page again",
};
let toldState = "connecting";

function tell(state, since) {
  byId("live").dataset.state = state;
  const isFresh = state === "live" || state === "polling";
  const isTimed = since && (isFresh || state === "off");
  setText(byId("live-text"), WORDS[state](since) + (isTimed ? ` · ${clock(since)}` : ""));
  document.body.classList.toggle("is-stale", state === "stale" || state === "signed-out");
  // the first connection is no news
  if (state !== toldState && toldState !== "connecting") announce(WORDS[state](since));
  toldState = state;
}

let announcedAt = -Infinity;
let pending = null;

function announce(text) {
  clearTimeout(pending);
  const waitMs = Math.max(0, announcedAt + QUIET_MS - performance.now());
  pending = setTimeout(() => {
    announcedAt = performance.now();
    setText(byId("announcement"), text);
  }, waitMs);
}

// -- rows are held while somebody chooses ------------------------------------------------------------------------

const isChoosing = () =>
  page !== null &&
  (page.querySelector(":popover-open, [data-select]:checked") !== null ||
    page.contains(document.activeElement?.closest("input, textarea")));

function hold(event) {
  if (event.target !== page && event.detail?.ctx?.sourceElement !== page) return;
  const isHeld = isChoosing();
  byId("frozen").hidden = !isHeld;
  if (isHeld) event.preventDefault();
}

document.body.addEventListener("htmx:before:request", hold);
document.body.addEventListener("htmx:before:swap", hold);
document.addEventListener("toggle", () => (byId("frozen").hidden = !isChoosing()), true);

// -- how often ---------------------------------------------------------------------------------------------------

function remembered() {
  try {
    return localStorage.getItem(INTERVAL_KEY);
  } catch {
    return null; // storage is blocked
  }
}

const stored = remembered();
if ([...interval.options].some((option) => option.value === stored)) interval.value = stored;
const feed = follow(snapshotUrl, livePath, show, tell);
if (interval.value === "0") feed.setOff(true);
interval.addEventListener("change", () => {
  try {
    localStorage.setItem(INTERVAL_KEY, interval.value);
  } catch {
    // the choice then lasts for this page
  }
  feed.setOff(interval.value === "0");
  if (interval.value !== "0") refresh();
});

function refresh() {
  isForced = true;
  feed.refresh();
}

listenToKeys({ refresh });
// on a telephone the bar is longer than the screen
document.querySelector(".bar nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
