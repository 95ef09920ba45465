// The charts: statistics from the ledger as lines, as a table and as a sentence that says the same.

/* global uPlot */

const LEAST_MS = 5000; // minutes change no faster
const FORMATS = { "jobs/min": short, s: duration, "%": (value) => `${value.toFixed(value < 10 ? 1 : 0)}%` };

function short(value) {
  if (value >= 1e6) return `${+(value / 1e6).toFixed(1)}M`;
  if (value >= 1000) return `${+(value / 1000).toFixed(1)}k`;
  return `${+value.toFixed(value < 10 ? 2 : 0)}`;
}

function duration(seconds) {
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 100) return `${+seconds.toFixed(1)} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

const DAY = { day: "2-digit", month: "short" };
const TIME = { hour: "2-digit", minute: "2-digit" };

/** Say a moment: the day, the time, or both, as marks `step` seconds apart need it. */
function moment(seconds, step = null) {
  const parts = step === null ? { ...DAY, ...TIME } : step >= 43200 ? DAY : TIME;
  return new Date(seconds * 1000).toLocaleString("en-GB", parts);
}

/** Return a colour of the palette as the canvas understands it. */
function colour(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** Leave zeros between zeros out: a line at rest would lie over the others, and a red one alarm. */
function withoutRest(line) {
  return line.map((value, index) => (value || line[index - 1] || line[index + 1] ? value : null));
}

class Chart {
  constructor(root) {
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    this.shown = null;
    this.plot = null;
    this.fetchedAt = -Infinity;
    this.find("[data-measures]").addEventListener("change", (event) => this.choose("measure", event.target.value));
    for (const button of root.querySelectorAll("button[data-range]")) {
      button.addEventListener("click", () => this.choose("range", button.dataset.range));
    }
    this.find("[data-table]").addEventListener("toggle", () => this.fillTable());
    new ResizeObserver(() => this.plot?.setSize(this.size())).observe(this.find("[data-plot]"));
    this.load();
  }

  choose(name, value) {
    this.root.dataset[name] = value;
    for (const button of this.root.querySelectorAll("button[data-range]")) {
      button.setAttribute("aria-pressed", String(button.dataset.range === this.root.dataset.range));
    }
    const address = new URL(location);
    address.searchParams.set(name, value);
    history.replaceState(null, "", address); // so that the address shows the same to others
    this.load();
  }

  size() {
    const box = this.find("[data-plot]");
    return { width: box.clientWidth, height: box.clientHeight };
  }

  async load() {
    this.fetchedAt = performance.now();
    const { url, range, measure, queue, task } = this.root.dataset;
    const query = new URLSearchParams({ range, measure, ...(queue && { queue }), ...(task && { task }) });
    let answer;
    try {
      answer = await fetch(`${url}?${query}`, { headers: { Accept: "application/json" } });
    } catch {
      answer = null;
    }
    if (!answer?.ok) {
      this.find("[data-text]").textContent = "The figures of the chart cannot be read now.";
      return;
    }
    this.shown = await answer.json();
    this.draw();
  }

  draw() {
    const { unit, labels, colours, at, lines, text } = this.shown;
    const write = FORMATS[unit];
    const quiet = colour("--body-quiet-color");
    const grid = { stroke: colour("--hairline-color"), width: 1 };
    this.find("[data-unit]").textContent = unit === "s" ? "" : unit;
    this.find("[data-text]").textContent = text;
    this.writeLegend(null);
    this.fillTable();
    const series = colours.map((name, index) => {
      const stroke = colour(`--qh-${name}-fill`);
      return {
        label: labels[index], stroke, width: 1.6, points: { size: 4, show: unit !== "jobs/min" },
        fill: index === 0 ? stroke.replace(")", ", 0.10)").replace("rgb(", "rgba(") : undefined,
      };
    });
    this.plot?.destroy();
    this.plot = new uPlot(
      {
        ...this.size(),
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 6 } },
        scales: { y: { range: (_, low, high) => [0, high ? Math.max(high * 1.08, unit === "s" ? 0.01 : 1) : 10] } },
        axes: [
          { stroke: quiet, grid: { show: false }, ticks: { show: false }, size: 26, font: "11px sans-serif", space: 64,
            values: (_, ticks, __, ___, step) => ticks.map((at) => moment(at, step)) },
          { stroke: quiet, grid, ticks: { show: false }, size: 52, font: "11px sans-serif", space: 34,
            values: (_, ticks) => ticks.map(write) },
        ],
        series: [{}, ...series],
        hooks: { setCursor: [(plot) => this.writeLegend(plot.cursor.idx)] },
      },
      [at, ...lines.map(withoutRest)],
      this.find("[data-plot]"),
    );
  }

  /** Name the lines, with the values under the cursor if it is over the chart. */
  writeLegend(index) {
    const { unit, labels, colours, at, lines } = this.shown;
    const items = labels.map((label, number) => {
      const item = document.createElement("li");
      const value = index == null ? null : lines[number][index];
      item.className = colours[number];
      item.textContent = value == null ? label : `${label} ${FORMATS[unit](value)}`;
      return item;
    });
    if (index != null) {
      const when = document.createElement("li");
      when.textContent = moment(at[index]);
      items.push(when);
    }
    this.find("[data-legend]").replaceChildren(...items);
  }

  fillTable() {
    if (!this.shown || !this.find("[data-table]").open) return;
    const { unit, labels, at, lines } = this.shown;
    const cell = (tag, text, name = "") => {
      const made = document.createElement(tag);
      made.textContent = text;
      made.className = name;
      if (tag === "th") made.scope = "col";
      return made;
    };
    this.find("thead tr").replaceChildren(cell("th", "From"), ...labels.map((label) => cell("th", label, "number")));
    const rows = at.map((seconds, index) => {
      const row = document.createElement("tr");
      const values = lines.map((line) => (line[index] == null ? "–" : FORMATS[unit](line[index])));
      row.append(cell("td", moment(seconds)), ...values.map((value) => cell("td", value, "number")));
      return row;
    });
    this.find("tbody").replaceChildren(...rows.reverse());
  }
}

const charts = [...document.querySelectorAll("[data-chart]")].map((root) => new Chart(root));
document.body.addEventListener("tick", () => {
  for (const chart of charts) if (performance.now() - chart.fetchedAt > LEAST_MS) chart.load();
});
const redraw = () => charts.forEach((chart) => chart.shown && chart.draw());
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
