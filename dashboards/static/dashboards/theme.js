// Light, dark or the system's choice; kept under the key that the admin uses, so that both look alike.
"use strict";
(() => {
  const order = ["auto", "light", "dark"];
  const signs = { auto: "◐", light: "☀", dark: "☾" };
  const words = { auto: "automatic", light: "light", dark: "dark" };

  const stored = () => {
    try {
      const theme = localStorage.getItem("theme");
      return order.includes(theme) ? theme : "auto";
    } catch {
      return "auto"; // storage is blocked
    }
  };
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    const button = document.getElementById("theme");
    if (button) {
      button.textContent = signs[theme];
      button.title = `Theme: ${words[theme]} (t)`;
      button.setAttribute("aria-label", `Theme: ${words[theme]}`);
    }
  };

  apply(stored()); // before the first paint
  document.addEventListener("DOMContentLoaded", () => {
    apply(stored());
    document.getElementById("theme").addEventListener("click", () => {
      const next = order[(order.indexOf(document.documentElement.dataset.theme) + 1) % order.length];
      try {
        localStorage.setItem("theme", next);
      } catch {
        // the choice then lasts for this page
      }
      apply(next);
    });
  });
})();
