// What BullMQ's client and worker share: connection, the functions of benchmarks/work.py, the options.
"use strict";
const fs = require("node:fs");

const SOCKET = process.env.REDIS_URL.replace("unix://", "");
const NAME = "benchmarks";
const CONCURRENCY = 100;
const connection = { path: SOCKET, maxRetriesPerRequest: null };
const jobOptions = { removeOnComplete: true, removeOnFail: true };

function usedMilliseconds() {
  const used = process.cpuUsage();
  return (used.user + used.system) / 1000;
}

const functions = {
  noop() {},
  work(milliseconds) {
    const ends = usedMilliseconds() + milliseconds;
    while (usedMilliseconds() < ends);
  },
  stamp(path, sent) {
    fs.appendFileSync(path, `${process.hrtime.bigint()} ${sent}\n`);
  },
  async mark(path, key, milliseconds) {
    fs.appendFileSync(path, `began ${key}\n`);
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
    fs.appendFileSync(path, `ended ${key}\n`);
  },
};

module.exports = { CONCURRENCY, NAME, connection, functions, jobOptions };
