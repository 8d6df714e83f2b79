"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // --- sorting: rows without a value come last, rows of equal value keep their order ---
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  function valueIn(cell, numeric) {
    if (numeric) return "v" in cell.dataset ? Number(cell.dataset.v) : null;
    return cell.textContent.trim() || null;
  }

  function compare(one, other, numeric) {
    return numeric ? one - other : collator.compare(one, other);
  }

  function sort(header) {
    const table = header.closest("table");
    const descending = header.getAttribute("aria-sort") === "ascending";
    const numeric = header.classList.contains("number");
    const rows = all("tbody > tr", table).map((row) => [valueIn(row.cells[header.cellIndex], numeric), row]);
    rows.sort(([one], [other]) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return descending ? compare(other, one, numeric) : compare(one, other, numeric);
    });
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    table.tBodies[0].append(...rows.map(([, row]) => row));
  }

  for (const header of all("table.sortable thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sort(header));
    header.append(button);
  }

  // --- filter: every word must be there ---
  const filter = document.getElementById("filter");
  const found = document.getElementById("found");
  let items = null;

  function textOf(element) {
    return (element.dataset.find || element.textContent).toLowerCase();
  }

  function apply() {
    items ??= all("[data-find]").map((element) => [element, textOf(element)]);
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    root.classList.toggle("filtering", words.length > 0);
    let scores = 0;
    for (const [element, text] of items) {
      const fits = words.every((word) => text.includes(word));
      element.hidden = !fits;
      if (fits && element.matches("#scores tr")) scores += 1;
    }
    for (const block of all(".block")) block.hidden = !block.querySelector("li:not([hidden])");
    found.textContent = words.length ? `${scores} score${scores === 1 ? "" : "s"}` : "";
  }
  filter.addEventListener("input", apply);

  // --- theme: the reader's own until the button is used ---
  const dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const isDark = (root.style.colorScheme || (dark.matches ? "dark" : "light")) === "dark";
    root.style.colorScheme = isDark ? "light" : "dark";
  });

  // --- links into folds open them; so does printing, except for configurations ---
  function openTarget() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  }
  addEventListener("hashchange", openTarget);
  openTarget();

  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details:not([open])").filter((fold) => !fold.id.startsWith("configuration"));
    opened.forEach((fold) => (fold.open = true));
  });
  addEventListener("afterprint", () => opened.forEach((fold) => (fold.open = false)));

  document.querySelector(".tools").hidden = false;
})();
