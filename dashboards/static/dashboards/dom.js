// Small tools for the document. All text goes in as text, never as HTML.

/** Make an element; `children` are texts or nodes. */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/** Set the text only where it differs, so that selections and screen readers are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Make the children of `parent` match `items`, one per key, in order; nodes of known keys are kept and updated, so
 * that the keyboard focus stays where it is. `build(item)` makes a node, `update(node, item)` fills it.
 */
export function sync(parent, items, key, build, update) {
  const known = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let before = parent.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    let node = known.get(name);
    known.delete(name);
    if (!node) {
      node = build(item);
      node.dataset.key = name;
    }
    update(node, item);
    if (node === before) before = before.nextElementSibling;
    else parent.insertBefore(node, before);
  }
  for (const node of known.values()) node.remove();
  const empty = document.querySelector(`[data-empty="${parent.id}"]`);
  if (empty) empty.hidden = items.length > 0;
}

/** Make a row of cells: `cells` are class names. */
export function row(...cells) {
  return element("tr", "", ...cells.map((name) => element("td", name)));
}

/** Put a number into a cell, as a link where there is an address; zero is quiet. */
export function setNumber(cell, number, href = "") {
  const text = number.toLocaleString("en");
  cell.classList.toggle("zero", number === 0);
  if (!href || number === 0) return setText(cell, text);
  let link = cell.querySelector("a");
  if (!link) {
    cell.textContent = "";
    link = element("a");
    cell.append(link);
  }
  link.href = href;
  setText(link, text);
}
