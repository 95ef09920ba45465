// Lists of jobs and the page of one: choosing rows, copying texts, and the suggestions of the filter box.

import { suggestInto } from "./suggestions.js";

const page = document.getElementById("page");
const chosen = document.querySelector("[data-chosen]");
const all = document.querySelector("[data-select-all]");
const across = document.querySelector("[data-across]");
const boxes = () => [...page.querySelectorAll("[data-select]")];

function tellChosen() {
  const count = boxes().filter((box) => box.checked).length;
  const isAcross = across?.checked ?? false;
  if (chosen) chosen.textContent = isAcross ? "All that match" : `${count} selected`;
  if (all) {
    all.checked = count > 0 && count === boxes().length;
    all.indeterminate = count > 0 && !all.checked;
  }
  document.getElementById("frozen").hidden = count === 0;
}

page?.addEventListener("change", (event) => {
  if (event.target === all) for (const box of boxes()) box.checked = all.checked;
  if (event.target.matches("[data-select], [data-select-all], [data-across]")) tellChosen();
});
if (chosen) tellChosen(); // the browser remembers choices when it goes back

// Enter in a field of a popover belongs to the popover's own button, not to the first one of the form
page?.addEventListener("keydown", (event) => {
  const sheet = event.target.closest?.("#chosen .sheet");
  if (event.key !== "Enter" || !sheet || !event.target.matches("input")) return;
  event.preventDefault();
  sheet.querySelector("button[type=submit]").click();
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  } catch {
    getSelection().selectAllChildren(source); // no clipboard without HTTPS: the text is selected for Ctrl+C
  }
});

const box = document.querySelector("[data-suggest]");
if (box) suggestInto(box, document.getElementById("suggestions"));
