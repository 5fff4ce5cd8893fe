"use strict";
(() => {
  const each = (selector, action, root = document) => root.querySelectorAll(selector).forEach(action);

  // Charts: points tell more, legend entries switch their series off.
  const tip = document.getElementById("tip");
  each("circle.hit title", (title) => {
    title.parentNode.dataset.tip = title.textContent;
    title.remove();
  });
  function show(event) {
    const hit = event.target.closest ? event.target.closest("circle.hit") : null;
    if (!hit) return hide();
    const [head, ...rest] = hit.dataset.tip.split("\n");
    const strong = document.createElement("b");
    strong.textContent = head;
    tip.replaceChildren(strong, ...rest.flatMap((line) => [document.createElement("br"), line]));
    tip.hidden = false;
    const width = tip.offsetWidth, height = tip.offsetHeight, at = hit.getBoundingClientRect();
    const x = at.left + at.width / 2, left = Math.min(Math.max(8, x - width / 2), innerWidth - width - 8);
    const above = at.top - height - 8;
    tip.style.left = `${left}px`;
    tip.style.top = `${above > 8 ? above : at.bottom + 8}px`;
  }
  function hide() { tip.hidden = true; }
  each(".canvas", (canvas) => {
    canvas.addEventListener("pointerover", show);
    canvas.addEventListener("click", show);
    canvas.addEventListener("pointerleave", hide);
  });
  addEventListener("scroll", hide, { passive: true });
  each(".legend button", (button) => {
    const figure = button.closest("figure"), series = button.dataset.series;
    const own = (action) => each(`[data-s="${series}"]`, action, figure);
    button.addEventListener("click", () => {
      const on = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(on));
      own((part) => part.classList.toggle("off", !on));
    });
    const dim = (on) => () => each(".series", (part) => part.classList.toggle("dim", on && part.dataset.s !== series), figure);
    button.addEventListener("pointerenter", dim(true));
    button.addEventListener("pointerleave", dim(false));
  });

  // The summary's smaller problems.
  each("[data-expand]", (button) => button.addEventListener("click", () => {
    button.closest("tbody").classList.add("all");
    button.closest("tr").remove();
  }));

  // The table: drawn from packed columns, sorted by what it shows, filtered by words and menus.
  const table = document.getElementById("table");
  if (table) {
    const packed = JSON.parse(document.getElementById("rows").textContent);
    const cell = (column, row) => column.values[column.at[row]];
    const make = (name, text, type = "") => {
      const made = document.createElement(name);
      made.textContent = text;
      if (type) made.className = type;
      return made;
    };
    const head = table.tHead.insertRow(), body = table.tBodies[0];
    const heads = packed.columns.map((column) => {
      const made = make("th", "", column.number ? "num" : ""), button = make("button", column.title);
      made.scope = "col";
      made.setAttribute("aria-sort", "none");
      button.type = "button";
      button.title = column.hint;
      made.append(button);
      head.append(made);
      return made;
    });
    // The id as kbench prints it: both halves of the axes, sorted by name.
    const id = (row) => `${cell(packed.kernel, row)}[${[cell(packed.problem, row), cell(packed.chosen, row)]
      .filter(Boolean).flatMap((half) => half.split(",")).sort().join(",")}]`;
    const rows = packed.status.at.map((_, row) => {
      const status = cell(packed.status, row), made = make("tr", "", `${status} ${cell(packed.marks, row)}`.trim());
      for (const column of packed.columns) {
        const text = cell(column, row), made_cell = make("td", "", column.number ? "num" : "");
        if (column.title === "status" && status !== "ok") made_cell.append(make("span", text, `badge ${status}`));
        else if (column.title === "message") {
          const why = make("span", text, "why");
          why.title = text;
          made_cell.append(why);
        } else if (column.title === "configuration" && cell(packed.anchor, row)) {
          const link = make("a", text, "opens");
          link.href = `#${cell(packed.anchor, row)}`;
          link.title = "profiled: metrics, diagnosis and timeline";
          made_cell.append(link);
        } else made_cell.textContent = text;
        made.append(made_cell);
      }
      made.dataset.config = id(row);
      return made;
    });
    body.append(...rows);

    const scale = { ns: 1e-9, "µs": 1e-6, ms: 1e-3, s: 1, B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
    const value = (row, column) => {
      const text = row.cells[column].textContent;
      if (!packed.columns[column].number) return text;
      const [number, unit] = text.replace("±", "").split(" ");
      return text === "–" ? null : Number(number) * (scale[unit] || 1);
    };
    const compare = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true });
    heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      const seconds = packed.columns[column].values.some((text) => / (ns|µs|ms|s)$/.test(text));
      const first = packed.columns[column].number && !seconds ? "descending" : "ascending";
      const next = was === "none" ? first : was === "ascending" ? "descending" : "ascending";
      heads.forEach((other) => other.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      const sign = next === "ascending" ? 1 : -1;
      const keyed = rows.map((row, index) => ({ row, index, key: value(row, column) }));
      keyed.sort((a, b) => {
        if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.index - b.index;
        return sign * compare(a.key, b.key) || a.index - b.index;
      });
      body.append(...keyed.map((item) => item.row));
    }));
    const find = document.getElementById("find"), menus = [...document.querySelectorAll("[data-filter]")];
    // A row is found by its id, by its range's name in a profiler (KERNEL.KEY), and by all that it shows.
    const keys = packed.columns.find((column) => column.title === "key");
    const text = rows.map((row, index) =>
      `${row.dataset.config} ${cell(packed.kernel, index)}.${cell(keys, index)} ${row.textContent}`.toLowerCase());
    const filter = () => {
      const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, index) => {
        const fits = words.every((word) => text[index].includes(word))
          && menus.every((menu) => !menu.value || cell(packed[menu.dataset.filter], index) === menu.value);
        row.hidden = !fits;
        shown += fits;
      });
      document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
    };
    find.addEventListener("input", filter);
    menus.forEach((menu) => menu.addEventListener("change", filter));
    filter(); // a browser may have kept what was typed before a reload
  }

  // Profiled rows: a link to one opens it.
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const row = target && target.closest("details.profile");
    if (!row) return;
    row.open = true;
    row.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  each('a[href^="#"]', (link) => link.addEventListener("click", () => { if (link.hash === location.hash) reveal(); }));
  reveal();

  // Light and dark: the system's choice until the button is used.
  document.getElementById("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
})();
