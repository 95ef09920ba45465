// What benchmarks/client.py is to the systems in Python: the same actions, the same answers, one JSON value a line.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { Queue } = require("bullmq");
const { CONCURRENCY, NAME, connection, jobOptions } = require("./queue.cjs");

const BATCH = 1000;
const WARM_UP_COUNT = 100;
const POLL_SECONDS = 0.05;
const WORK_MILLISECONDS = 1.0;
const LONGEST_SECONDS = 180;

const queue = new Queue(NAME, { connection });
const say = (value) => fs.writeSync(1, JSON.stringify(value) + "\n");
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const now = () => process.hrtime.bigint();
const secondsSince = (begun) => Number(now() - begun) / 1e9;
const enqueue = (task, call) => queue.add(task, call, jobOptions);
const enqueueMany = (task, calls) => queue.addBulk(calls.map((data) => ({ name: task, data, opts: jobOptions })));

function version(name) {
  return JSON.parse(fs.readFileSync(path.join(process.env.NODE_PATH, name, "package.json"))).version;
}

async function isDrained() {
  const counts = await queue.getJobCounts("wait", "active", "prioritized", "delayed");
  return Object.values(counts).every((count) => count === 0);
}

async function waitUntilDrained(file, pollSeconds = POLL_SECONDS) {
  const deadline = now() + BigInt(LONGEST_SECONDS * 1e9);
  for (;;) {
    if (fs.existsSync(file) && (await isDrained())) return;
    if (now() > deadline) throw new Error(`jobs were left after ${LONGEST_SECONDS} s`);
    await pause(pollSeconds * 1000);
  }
}

async function fill(task, count, call) {
  for (let start = 0; start < count; start += BATCH) {
    const calls = Array.from({ length: Math.min(BATCH, count - start) }, (_, index) => call(start + index));
    await enqueueMany(task, calls);
  }
}

const plain = (task) => () => (task === "work" ? [WORK_MILLISECONDS] : []);

const actions = {
  describe() {
    const worker = ["node", path.join(__dirname, "worker.cjs")];
    say({
      configuration:
        `new Worker with concurrency: ${CONCURRENCY}, one command a process; removeOnComplete: true;` +
        " the functions written again in JavaScript",
      bulk: "addBulk, 1,000 jobs a call",
      versions: { bullmq: version("bullmq"), ioredis: version("ioredis"), node: process.version },
      python: "-",
      workers: { 1: [worker], 2: [worker, worker] },
      companions: [],
    });
  },
  async prepare() {
    await queue.waitUntilReady();
  },
  async single(seconds) {
    for (let index = 0; index < WARM_UP_COUNT; index++) await enqueue("noop", []);
    let count = 0;
    const begun = now();
    for (; secondsSince(begun) < seconds; count++) await enqueue("noop", []);
    say({ count, seconds: secondsSince(begun) });
  },
  async bulk(seconds) {
    await fill("noop", WARM_UP_COUNT, plain("noop"));
    let count = 0;
    const begun = now();
    for (; secondsSince(begun) < seconds; count += BATCH) await fill("noop", BATCH, plain("noop"));
    say({ count, seconds: secondsSince(begun) });
  },
  async drain(task, count, file, pollSeconds) {
    await enqueue("stamp", [file, "0"]);
    const begun = now();
    await fill(task, Number(count), plain(task));
    say({ is_filled: true, fill_seconds: secondsSince(begun) });
    await waitUntilDrained(file, Number(pollSeconds));
    const ended = now();
    const first = BigInt(fs.readFileSync(file, "utf8").split(" ")[0]);
    say({ count: Number(count), seconds: Number(ended - first) / 1e9 });
  },
  async marks(count, file, milliseconds) {
    await fill("mark", Number(count), (key) => [file, key, Number(milliseconds)]);
    say({ is_filled: true });
  },
  async left() {
    say({ is_drained: await isDrained() });
  },
  async latency(rate, seconds, file) {
    say({ is_filled: true });
    await enqueue("stamp", [`${file}.warm-up`, "0"]);
    await waitUntilDrained(`${file}.warm-up`);
    const begun = now();
    for (let index = 0; index < rate * seconds; index++) {
      await pause(Math.max(0, (index / rate - secondsSince(begun)) * 1000));
      await enqueue("stamp", [file, String(now())]);
    }
    await waitUntilDrained(file);
    const lines = fs.readFileSync(file, "utf8").trim().split("\n").map((line) => line.split(" ").map(BigInt));
    const waits = lines.map(([began, sent]) => Number(began - sent) / 1e6);
    say({ milliseconds: waits.sort((left, right) => left - right) });
  },
};

const [action, ...options] = process.argv.slice(2);
Promise.resolve(actions[action](...options)).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
