// What a report's page does: tables sort, filter and become CSV; the methods can be copied.
// It fetches nothing and sends nothing; the page's content security policy lets no other script run. The files of this
// folder that end in .js stand in the page as one script, inside one function.
const make = (tag, properties, ...children) => {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
};
const plain = (text) => text.replace(/[\u00a0\u202f\s]+/g, " ").trim();

// ---------------------------------------------------------------- tables

const POWERS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

// The first number of a cell as it is written for people: true minus signs, powers of ten, bounds.
function numberIn(text) {
  const found = /(−|-)?\s*(\d+(?:\.\d+)?)/.exec(text);
  if (!found) return NaN;
  let value = Number(found[2]) * (found[1] ? -1 : 1);
  const power = /× 10(⁻?)([⁰¹²³⁴⁵⁶⁷⁸⁹]+)/.exec(plain(text));
  if (power) value *= 10 ** ((power[1] ? -1 : 1) * Number([...power[2]].map((c) => POWERS.indexOf(c)).join("")));
  return value;
}

const collator = new Intl.Collator("en", { numeric: true });
const isAbsent = (cell) => /^(–.*)?$/.test(plain(cell.textContent));

function byColumn(index, numeric, direction) {
  return (a, b) => {
    const [p, q] = [a.cells[index], b.cells[index]];
    if (isAbsent(p) || isAbsent(q)) return isAbsent(p) - isAbsent(q); // what is not there comes last either way
    if (!numeric) return direction * collator.compare(plain(p.textContent), plain(q.textContent));
    const [x, y] = [p, q].map((cell) => (cell.dataset.v !== undefined ? Number(cell.dataset.v) : numberIn(cell.textContent)));
    if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
    return direction * (x - y);
  };
}

function sortable(table, rows) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    const button = make("button", { type: "button", className: "sort" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const next = before === "ascending" ? "descending" : before === "descending" ? null : "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (next) head.setAttribute("aria-sort", next);
      const order = next
        ? rows.slice().sort(byColumn(index, head.classList.contains("num"), next === "ascending" ? 1 : -1))
        : rows;
      table.tBodies[0].append(...order);
    });
  });
}

// A spreadsheet must not take text from somebody's file for a formula.
function csvCell(text) {
  const safe = /^[=+@\t]|^-(?![\d.])/.test(text) ? `'${text}` : text;
  return /[",\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function csvOf(table, rows) {
  const more = Object.entries(JSON.parse(table.dataset.more ?? "{}"));
  const heads = [...table.tHead.rows[0].cells].map((head) => {
    const unit = head.querySelector(".unit");
    const name = plain(head.textContent.slice(0, unit ? -unit.textContent.length : undefined));
    return unit ? `${name} (${plain(unit.textContent)})` : name;
  });
  const lines = [...table.tBodies[0].rows]
    .filter((row) => !row.hidden)
    .map((row) => [
      ...[...row.cells].map((cell) => cell.dataset.v ?? plain(cell.textContent).replaceAll("−", "-").replace(/^–$/, "")),
      ...more.map(([, values]) => String(values[rows.indexOf(row)] ?? "")),
    ]);
  return [[...heads, ...more.map(([name]) => name)], ...lines]
    .map((line) => line.map(csvCell).join(",") + "\r\n")
    .join("");
}

function save(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const link = make("a", { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

function filterable(table, rows, caption, tools) {
  const told = make("span", { className: "told" });
  told.setAttribute("role", "status");
  const field = make("input", { type: "search", placeholder: "Filter rows", autocomplete: "off" });
  field.setAttribute("aria-label", `Filter rows of ${caption}`);
  const texts = rows.map((row) => plain(row.textContent).toLowerCase());
  field.addEventListener("input", () => {
    const wanted = plain(field.value).toLowerCase();
    rows.forEach((row, k) => (row.hidden = !texts[k].includes(wanted)));
    const shown = rows.filter((row) => !row.hidden).length;
    told.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  });
  tools.append(told, field);
}

function enliven(box) {
  const table = box.querySelector("table.data");
  const caption = plain(box.querySelector(".caption").textContent);
  const rows = [...table.tBodies[0].rows].filter((row) => row.cells[0].colSpan === 1 || row.cells.length > 1);
  if (!rows.length) return;
  const tools = make("div", { className: "tools" });
  if (rows.length > 8) filterable(table, rows, caption, tools);
  const button = make("button", { type: "button", className: "tool" }, "CSV");
  button.setAttribute("aria-label", `CSV of ${caption}`);
  const stem = caption.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 60);
  button.addEventListener("click", () => save(csvOf(table, rows), `${stem || "table"}.csv`));
  tools.append(button);
  const head = make("div", { className: "tablehead" });
  box.querySelector(".caption").before(head);
  head.append(box.querySelector(".caption"), tools);
  if (rows.length > 1) sortable(table, rows);
}

// ---------------------------------------------------------------- text to copy

function copyable(section) {
  const button = section.querySelector("button.copy");
  const text = [...section.querySelectorAll("blockquote p")].map((p) => plain(p.textContent)).join("\n\n");
  const byHand = () => {
    const area = make("textarea", { value: text });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  button.hidden = false;
  button.addEventListener("click", async () => {
    let done = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      done = byHand();
    }
    button.textContent = done ? "Copied" : "Copying is not allowed here";
    setTimeout(() => (button.textContent = "Copy the text"), 2500);
  });
}
