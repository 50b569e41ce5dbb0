const { make } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const row = find(".lk-tries-row");
const form = find(".lk-save");
let typed = false;

const tries = () => (props.value || {}).tries || [];
const chosen = () => tries().find((one) => one.shown);

function tileOf(one) {
  const told = [one.title, one.detail, one.identity && words.try_identity + " " + one.identity].filter(Boolean).join(", ");
  const image = one.src ? make("img", { src: one.src, alt: "", draggable: "false" }) : make("span", { class: "lk-waits" });
  const number = make("kbd", { text: String(one.number), "aria-hidden": "true" });
  const fields = { class: "lk-try", role: "option", "aria-selected": String(one.shown), "aria-label": told, title: told };
  const tile = make("li", { ...fields, tabindex: one.shown ? "0" : "-1", "data-id": one.id }, make("span", { class: "lk-try-face" }, image, number));
  tile.append(make("span", { class: "lk-try-title", text: one.title }));
  tile.append(make("span", { class: "lk-try-number", text: one.identity || "\u00a0" }));
  return tile;
}

const tileOfId = (id) => [...row.children].find((tile) => tile.dataset.id === id);

function show() {
  const value = props.value || {};
  const focused = element.contains(document.activeElement) && document.activeElement.dataset.id;
  element.firstElementChild.hidden = !tries().length && !value.coming;
  row.replaceChildren(...tries().map(tileOf));
  for (let n = 0; n < (value.coming || 0); n += 1) {
    row.append(make("li", { class: "lk-try coming", role: "presentation" }, make("span", { class: "lk-try-face" }, make("span", { class: "lk-waits" }))));
  }
  if (!chosen() && row.firstElementChild) row.firstElementChild.tabIndex = 0;
  if (focused) {
    const again = tileOfId(focused) || row.querySelector(".lk-try[aria-selected=true]") || row.querySelector(".lk-try");
    if (again) again.focus();
  }
  find(".lk-tries-head .lk-hint").textContent = chosen() ? chosen().detail : words.try_pick;
  for (const button of element.querySelectorAll("[data-do]")) button.disabled = !chosen() || (button.dataset.do === "save" && !value.ready);
  find(".lk-tries-do").hidden = !tries().length;
  find(".lk-beside").hidden = !value.source;
  find(".lk-beside").title = value.source || "";
  if (!typed && value.folder) form.elements.folder.value = value.folder;
  find(".lk-saved").textContent = value.saved || "";
  const shown = row.querySelector("[aria-selected=true]");
  if (shown && shown.dataset.id !== row.dataset.at) {
    row.dataset.at = shown.dataset.id;
    row.scrollLeft = Math.max(0, shown.offsetLeft - row.offsetLeft - row.clientWidth / 2 + 40);
  }
}

function pick(tile) {
  if (tile && tile.dataset.id) trigger("picked", { id: tile.dataset.id });
}

row.addEventListener("click", (event) => pick(event.target.closest(".lk-try")));
row.addEventListener("keydown", (event) => {
  const tiles = [...row.querySelectorAll(".lk-try[data-id]")];
  const at = tiles.indexOf(event.target);
  const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: tiles.length - 1 }[event.key];
  if (event.key === "Enter" || event.key === " ") pick(event.target);
  else if (to === undefined) return;
  else if (tiles[to]) tiles[to].focus();
  event.preventDefault();
  event.stopPropagation();
});
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  if (button.dataset.do === "save") {
    form.hidden = !form.hidden;
    button.setAttribute("aria-expanded", String(!form.hidden));
    if (!form.hidden) form.elements.folder.focus();
  } else {
    trigger(button.dataset.do, { id: chosen().id });
  }
});
// Gradio lets Python listen to events by the names that stand in quotes here: "used", "again".
form.elements.folder.addEventListener("input", () => {
  typed = true;
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (form.elements.folder.value.trim()) trigger("exported", { folder: form.elements.folder.value });
});
find(".lk-beside").addEventListener("click", () => trigger("exported", { folder: "" }));
watch("value", show);
show();
