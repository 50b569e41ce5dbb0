const { make } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;

function cellOf(cell) {
  const field = make("td", cell.best ? { class: "best" } : {}, cell.text);
  if (cell.best) field.append(" ", make("span", { class: "lk-best", text: words.best }));
  return field;
}

function show() {
  const value = props.value || {};
  find(".lk-comparison").hidden = !value.rows;
  if (!value.rows) return;
  find("caption").textContent = value.caption;
  find("thead tr").replaceChildren(
    make("th", { scope: "col", text: value.first }),
    ...value.columns.map((column) =>
      make("th", { scope: "col", title: column.what }, column.title, " ", make("span", { "aria-hidden": "true", text: column.arrow }), make("span", { class: "lk-hidden", text: column.spoken })),
    ),
  );
  find("tbody").replaceChildren(
    ...value.rows.map((row) =>
      make("tr", {}, make("th", { scope: "row" }, row.name, make("small", { text: row.detail })), ...row.cells.map(cellOf)),
    ),
  );
  find(".lk-notes").replaceChildren(...value.notes.map((text) => make("li", { text })));
  find(".lk-sheets").hidden = !value.sheets;
  for (const link of element.querySelectorAll("[data-sheet]")) {
    const kind = link.dataset.sheet;
    link.textContent = words["sheet_" + kind];
    if (!value.sheets) continue;
    link.href = value.sheets[kind].href;
    link.setAttribute("download", value.sheets[kind].name);
  }
}

watch("value", show);
show();
