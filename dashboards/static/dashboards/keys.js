// Keys. None of them changes anything: they move, open, show and choose.

const CHORD_MS = 1200;

/** Listen to keys; `refresh` pulls everything at once. */
export function listenToKeys({ refresh }) {
  let isAfterG = false;
  let chordTimer = null;

  const actions = {
    "/": () => document.querySelector("#search, [data-filter]")?.focus(),
    "?": () => document.getElementById("help")?.togglePopover(),
    r: refresh,
    t: () => document.getElementById("theme")?.click(),
    j: () => moveRow(1),
    k: () => moveRow(-1),
    x: () => focusedRow()?.querySelector("[data-select]")?.click(),
    Enter: () => focusedRow()?.querySelector("a")?.click(),
    g: () => {
      isAfterG = true;
      chordTimer = setTimeout(() => (isAfterG = false), CHORD_MS);
    },
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const field = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (field) {
      if (event.key === "Escape" && !field.closest("[popover]")) field.blur();
      return;
    }
    if (isAfterG) {
      clearTimeout(chordTimer);
      isAfterG = false;
      document.querySelector(`.bar nav a[data-key="${CSS.escape(event.key)}"]`)?.click();
      event.preventDefault();
      return;
    }
    if (event.key === "Escape" && focusedRow()) document.activeElement.blur();
    // on a link or a button, Enter is the browser's
    if (event.key === "Enter" && document.activeElement !== focusedRow()) return;
    if (document.querySelector(":popover-open") && event.key !== "?") return;
    const action = Object.hasOwn(actions, event.key) ? actions[event.key] : null;
    if (!action) return;
    event.preventDefault();
    action();
  });
}

const focusedRow = () => document.activeElement?.closest("[data-row]") ?? null;

function moveRow(step) {
  const rows = [...document.querySelectorAll("#page [data-row]")];
  const index = rows.indexOf(focusedRow());
  const next = index < 0 ? (step > 0 ? 0 : rows.length - 1) : index + step;
  rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
}
