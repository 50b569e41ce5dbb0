const { make, fill, icon, notice } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const form = find(".lk-pile-new");
const list = find(".lk-pile-rows ul");
const bar = find(".lk-bar");
const stop = find(".lk-stop");
const GROUPS = { done: ["done", "skipped"], failed: ["failed"], waiting: ["waiting", "running"] };
let filter = "all";

const inFilter = (state) => filter === "all" || GROUPS[filter].includes(state);

// A row is changed only where it differs, so that five hundred of them stay quick and nothing loses its place.
function rowOf(item, [name, state, sentence, id]) {
  const written = JSON.stringify([name, state, sentence, id]);
  item.hidden = !inFilter(state);
  if (item.dataset.written === written) return;
  item.dataset.written = written;
  item.dataset.state = state;
  const sign = make("span", { class: "lk-sign", "aria-hidden": "true" });
  if (state === "done" || state === "skipped") sign.append(icon("tick"));
  else if (state === "failed") sign.append(icon("cross"));
  const short = name.split(/[\\/]/).pop();
  const told = make("span", { class: "lk-row-told" }, make("span", { class: "lk-row-name", text: short, title: name }));
  told.append(make("span", { class: "lk-row-state", text: sentence || words["pile_is_" + state] }));
  const parts = [sign, told];
  if (id) {
    const label = fill(words.pile_open_one, { name: short });
    parts.push(make("button", { type: "button", class: "lk-link", text: words.pile_open, "aria-label": label, onclick: () => trigger("opened", { id }) }));
  }
  item.replaceChildren(...parts);
}

function show() {
  const value = props.value || {};
  const rows = value.rows || [];
  const known = typeof value.share === "number";
  element.firstElementChild.hidden = !value.waiting && !rows.length && !value.running && !value.notice;
  find(".lk-status").textContent = value.status || "";
  form.hidden = !value.waiting;
  find(".lk-pile-waiting").textContent = value.waiting || "";
  form.elements.out.placeholder = value.dropped ? words.pile_out_dropped : words.pile_out_beside;
  find(".lk-pile-begin").disabled = !!value.running;
  find(".lk-pile-running").hidden = !value.running;
  find(".lk-pile-running .lk-hint").textContent = [value.stage, value.step, value.left].filter(Boolean).join(", ");
  stop.disabled = !!value.stopping;
  stop.textContent = value.stopping ? words.stopping : words.stop;
  bar.classList.toggle("waiting", !known);
  bar.firstElementChild.style.transform = known ? "scaleX(" + value.share + ")" : "";
  if (known) bar.setAttribute("aria-valuenow", String(Math.round(100 * value.share)));
  else bar.removeAttribute("aria-valuenow");
  find(".lk-pile-rows").hidden = !rows.length;
  find(".lk-pile-where").textContent = value.where || "";
  find(".lk-pile-where").title = value.where || "";
  showRows(rows);
  find(".lk-notices").replaceChildren(
    ...(value.notice ? [notice(value.notice, words.close, () => trigger("read", {}), value.bad)] : []),
  );
}

function showRows(rows) {
  const counts = { all: rows.length, done: 0, failed: 0, waiting: 0 };
  for (const row of rows) for (const [name, states] of Object.entries(GROUPS)) if (states.includes(row[1])) counts[name] += 1;
  for (const button of element.querySelectorAll("[data-filter]")) {
    button.textContent = words["pile_show_" + button.dataset.filter] + " " + counts[button.dataset.filter];
    button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  }
  while (list.children.length > rows.length) list.lastChild.remove();
  while (list.children.length < rows.length) list.append(make("li", {}));
  rows.forEach((row, index) => rowOf(list.children[index], row));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  trigger("begun", { out: form.elements.out.value, skip: form.elements.skip.checked });
});
find(".lk-pile-leave").addEventListener("click", () => trigger("scattered", {}));
find(".lk-pile-filter").addEventListener("click", (event) => {
  const button = event.target.closest("[data-filter]");
  if (!button) return;
  filter = button.dataset.filter;
  showRows((props.value || {}).rows || []);
});
stop.addEventListener("click", () => {
  stop.disabled = true;
  stop.textContent = words.stopping;
  trigger("stop", {});
});
watch("value", show);
show();
