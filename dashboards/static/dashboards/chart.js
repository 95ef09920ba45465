// The throughput of the last hour as stacked bars, one per minute, with a table and a sentence that say the same.

import { row, setNumber, setText, sync } from "./dom.js";
import { clock, plural } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const SERIES = ["succeeded", "retried", "dead"];
const WIDTH = 600;
const HEIGHT = 100;
const GAP = 2;
const WINDOWS = [15, 30]; // minutes; else the whole hour

const total = (minute) => SERIES.reduce((sum, name) => sum + minute[name], 0);

/** Draw `hour`: [{at, succeeded, retried, dead}], oldest first; its youngest part if nothing happened before. */
export function draw(hour) {
  const first = hour.findIndex((minute) => total(minute) > 0);
  const length = WINDOWS.find((count) => first < 0 || count >= hour.length - first) ?? hour.length;
  const minutes = hour.slice(-length);
  const chart = document.getElementById("chart");
  const peak = Math.max(1, ...minutes.map(total));
  const step = WIDTH / minutes.length;
  chart.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  const bars = [];
  minutes.forEach((minute, index) => {
    let top = HEIGHT;
    for (const name of SERIES) {
      if (!minute[name]) continue;
      const height = Math.max(1.5, (minute[name] / peak) * (HEIGHT - 4));
      top = Math.max(0, top - height);
      bars.push(bar(name, index * step, top, step - GAP, height));
    }
  });
  chart.replaceChildren(...bars);
  describe(minutes, peak);
}

function bar(name, x, y, width, height) {
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("class", name);
  for (const [key, value] of Object.entries({ x, y, width, height })) rect.setAttribute(key, value.toFixed(2));
  return rect;
}

function describe(minutes, peak) {
  const busy = minutes.filter((minute) => total(minute) > 0);
  const sum = (name) => minutes.reduce((count, minute) => count + minute[name], 0);
  setText(document.getElementById("peak"), busy.length ? `${peak.toLocaleString("en")}/min` : "");
  setText(document.getElementById("chart-range"), `per minute, last ${minutes.length} min`);
  setText(document.getElementById("chart-start"), clock(new Date(minutes[0].at), false));
  setText(
    document.getElementById("chart-text"),
    busy.length
      ? `In the last ${minutes.length} minutes ${plural(sum("succeeded"), "job")} succeeded, ${sum("retried")} retried, ` +
          `${sum("dead")} died; at most ${peak} in one minute.`
      : "No jobs have finished in the last hour.",
  );
  sync(
    document.getElementById("minutes"),
    busy.reverse(),
    (minute) => minute.at,
    () => row("", "number", "number", "number"),
    (line, minute) => {
      setText(line.cells[0], clock(new Date(minute.at), false));
      SERIES.forEach((name, index) => setNumber(line.cells[index + 1], minute[name]));
    },
  );
}
