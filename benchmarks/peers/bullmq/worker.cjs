// One worker process.
"use strict";
const { Worker } = require("bullmq");
const { CONCURRENCY, NAME, connection, functions } = require("./queue.cjs");

const worker = new Worker(NAME, async (job) => functions[job.name](...job.data), {
  connection,
  concurrency: CONCURRENCY,
});
worker.on("error", (error) => console.error(error.message));
process.on("SIGTERM", () => worker.close().then(() => process.exit(0)));
