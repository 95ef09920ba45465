// A box with suggestions: what could come next where the cursor stands. Arrows choose, Enter and Tab take, Esc closes.

const WAIT_MS = 120;

/** Show suggestions for `box` in `list`; they come from the address in its `data-suggest`. */
export function suggestInto(box, list) {
  let found = [];
  let index = -1;
  let timer = null;
  let asked = 0;
  let isTaken = false;

  box.setAttribute("role", "combobox");
  box.setAttribute("aria-autocomplete", "list");
  box.setAttribute("aria-controls", list.id);
  close();

  function close() {
    clearTimeout(timer);
    asked += 1; // an answer that is still on its way comes too late
    list.hidden = true;
    index = -1;
    box.setAttribute("aria-expanded", "false");
    box.removeAttribute("aria-activedescendant");
  }

  async function ask() {
    const mine = ++asked;
    const query = new URLSearchParams({ q: box.value, at: box.selectionStart });
    try {
      const answer = await fetch(`${box.dataset.suggest}?${query}`);
      if (!answer.ok) return;
      const { suggestions } = await answer.json();
      if (mine === asked && document.activeElement === box) show(suggestions);
    } catch {
      // the server is away: the box works without suggestions
    }
  }

  function show(suggestions) {
    found = suggestions;
    if (found.length === 0) return close();
    list.replaceChildren(
      ...found.map((each, number) => {
        const item = document.createElement("li");
        const code = document.createElement("code");
        const meaning = document.createElement("span");
        item.id = `suggestion-${number}`;
        item.setAttribute("role", "option");
        item.setAttribute("aria-selected", "false");
        code.textContent = each.text;
        meaning.className = "quiet";
        meaning.textContent = each.meaning;
        item.append(code, meaning);
        // before the box loses the focus
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          take(number);
        });
        return item;
      }),
    );
    index = -1;
    list.hidden = false;
    box.setAttribute("aria-expanded", "true");
  }

  function choose(next) {
    index = (next + found.length) % found.length;
    [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === index)));
    list.children[index].scrollIntoView({ block: "nearest" });
    box.setAttribute("aria-activedescendant", `suggestion-${index}`);
  }

  function take(number) {
    const { text, start, end } = found[number];
    const isWhole = !/[:.]$/.test(text);
    const before = box.value.slice(0, start) + text + (isWhole ? " " : "");
    box.value = before + box.value.slice(end).replace(/^ /, isWhole ? "" : " ");
    box.setSelectionRange(before.length, before.length);
    close();
    isTaken = true;
    box.focus();
    timer = setTimeout(ask, 0);
  }

  box.addEventListener("input", () => {
    close(); // what is shown was for another text, and would be put in the wrong place
    list.replaceChildren();
    timer = setTimeout(ask, WAIT_MS);
  });
  box.addEventListener("focus", () => {
    if (!isTaken) timer = setTimeout(ask, WAIT_MS);
    isTaken = false;
  });
  box.addEventListener("blur", close);
  box.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") choose(index + 1);
    else if (event.key === "ArrowUp") choose(index < 0 ? found.length - 1 : index - 1);
    else if ((event.key === "Enter" || event.key === "Tab") && index >= 0) take(index);
    else if (event.key === "Escape") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
