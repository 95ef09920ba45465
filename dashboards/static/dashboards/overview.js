// The overview: fills the page from snapshots.

import { draw } from "./chart.js";
import { element, row, setNumber, setText, sync } from "./dom.js";
import { follow } from "./live.js";
import { bytes, clock, duration } from "./words.js";

const root = document.getElementById("overview").dataset;
const jobsUrl = (queue, state) =>
  root.jobsUrl ? `${root.jobsUrl}?queue=${encodeURIComponent(queue)}&state=${state}` : "";

function show(snapshot) {
  showHealth(snapshot.health);
  if (!snapshot.at) return false; // the ledger is away: the former figures stay
  showCards(snapshot.totals);
  showQueues(snapshot.queues);
  showWorkers(snapshot.workers);
  showLetters(snapshot.dead_letters, new Date(snapshot.at));
  draw(snapshot.throughput);
  return true;
}

function showHealth(health) {
  const { broker, ledger, scheduler, workers } = health;
  part("broker", broker.is_up ? "up" : "down", broker.is_up ? milliseconds(broker.ping_seconds) : "unreachable");
  part("ledger", ledger.is_up ? "up" : "down", ledger.is_up ? milliseconds(ledger.query_seconds) : "unreachable");
  if (!scheduler) {
    part("scheduler", "unknown", "–");
    part("workers", "unknown", "–");
    return;
  }
  part("scheduler", scheduler.is_up ? "up" : "down", scheduler.is_up ? scheduler.holder : "none leads");
  const living = `${workers.count}${workers.is_capped ? "+" : ""}`;
  if (!workers.count) part("workers", "down", "none");
  else if (workers.silent_count) part("workers", "warning", `${living}, ${workers.silent_count} silent`);
  else part("workers", "up", living);
}

function part(name, state, detail) {
  const item = document.querySelector(`#health [data-part="${name}"]`);
  item.dataset.state = state;
  setText(item.querySelector(".detail"), detail);
}

function showCards(totals) {
  for (const card of document.querySelectorAll("#cards .card")) {
    const name = card.dataset.figure;
    const isCapped = name === "dead" && totals.is_dead_capped;
    setText(card.querySelector("dd"), totals[name].toLocaleString("en") + (isCapped ? "+" : ""));
    card.classList.toggle("alert", name === "dead" && totals.dead > 0);
  }
}

function showQueues(queues) {
  const states = ["queued", "running", "scheduled", "retrying"];
  sync(
    document.getElementById("queues"),
    queues,
    (queue) => queue.name,
    () => row("name", "number", "number", "number", "number", "number", "number"),
    (line, queue) => {
      showQueueName(line.cells[0], queue);
      states.forEach((state, index) =>
        setNumber(line.cells[index + 1], queue[state], jobsUrl(queue.name, state)),
      );
      setText(line.cells[5], queue.oldest_seconds === null ? "–" : duration(queue.oldest_seconds));
      setNumber(line.cells[6], queue.worker_count);
      line.cells[6].classList.toggle("alert", queue.worker_count === 0 && queue.queued > 0);
    },
  );
}

function showQueueName(cell, queue) {
  const isPaused = queue.paused_at !== null;
  const why = isPaused ? `Paused by ${queue.paused_by}${queue.paused_reason ? `: ${queue.paused_reason}` : ""}` : "";
  if (cell.dataset.why === why && cell.childNodes.length) return;
  cell.dataset.why = why;
  cell.replaceChildren(queue.name);
  if (isPaused) {
    const badge = element("span", "badge", "paused");
    badge.title = why;
    cell.append(" ", badge, element("span", "hidden", `. ${why}`));
  }
}

function showWorkers(workers) {
  sync(
    document.getElementById("workers"),
    workers,
    (worker) => worker.id,
    () => row("name", "", "number", "number", "number"),
    (line, worker) => {
      setText(line.cells[0], worker.id);
      line.cells[0].title = `${worker.node}, process ${worker.pid}`;
      setText(line.cells[1], worker.queues.join(", ") || "all");
      setNumber(line.cells[2], worker.running_count);
      setText(line.cells[3], bytes(worker.memory_bytes));
      setText(line.cells[4], duration(worker.heartbeat_age_seconds));
      line.cells[4].classList.toggle("alert", worker.is_silent);
    },
  );
}

function showLetters(letters, now) {
  sync(
    document.getElementById("letters"),
    letters,
    (letter) => letter.id,
    (letter) => {
      const name = element(root.deadUrl ? "a" : "span", "task", letter.task);
      if (root.deadUrl) name.href = `${root.deadUrl}${letter.id}/change/`;
      const why = [letter.exception_class, letter.message].filter(Boolean).join(": ") || letter.reason;
      return element("li", "", name, element("span", "quiet age"), element("span", "why", why));
    },
    (item, letter) => {
      const seconds = Math.max(0, (now - new Date(letter.finished_at)) / 1000);
      setText(item.querySelector(".age"), `${letter.queue} · ${duration(seconds)}`);
    },
  );
}

const milliseconds = (seconds) => `${(seconds * 1000).toFixed(1)} ms`;

const WORDS = {
  live: () => "Live",
  polling: () => "Polling",
  stale: (since) => (since ? `Stale since ${clock(since)}` : "No connection"),
  "signed-out": () => "Signed out: reload",
};
let toldState = "";

function tell(state, since) {
  document.getElementById("live").dataset.state = state;
  const fresh = state === "live" || state === "polling";
  setText(document.getElementById("live-text"), WORDS[state](since) + (fresh ? ` · ${clock(since)}` : ""));
  document.getElementById("content").classList.toggle("is-stale", !fresh);
  if (state !== toldState) setText(document.getElementById("announcement"), WORDS[state](since));
  toldState = state;
}

show(JSON.parse(document.getElementById("snapshot").textContent));
follow(root.snapshotUrl, show, tell);
