const { make } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const row = find(".lk-presets-row");
const form = find(".lk-presets-own");
const remove = find(".lk-preset-delete");

const presets = () => (props.value || {}).presets || [];
const at = () => presets().find((one) => one.id === props.value.at);

function tell(one) {
  find(".lk-hint").textContent = one ? one.sentence || words.preset_own : words.preset_none;
}

function show() {
  const focused = element.contains(document.activeElement) && document.activeElement.dataset.id;
  row.replaceChildren(
    ...presets().map((one) => {
      const fields = { type: "button", class: one.own ? "lk-chip own" : "lk-chip", "data-id": one.id, title: one.sentence || words.preset_own };
      const pressed = String(!!at() && at().id === one.id);
      const chip = make("button", { ...fields, "aria-pressed": pressed, onclick: () => trigger("used", { id: one.id }) });
      chip.append(make("span", { text: one.title }));
      for (const kind of ["pointerenter", "focus"]) chip.addEventListener(kind, () => tell(one));
      for (const kind of ["pointerleave", "blur"]) chip.addEventListener(kind, () => tell(at()));
      return chip;
    }),
  );
  if (focused) [...row.children].find((chip) => chip.dataset.id === focused)?.focus();
  tell(at());
  remove.hidden = !at() || !at().own;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const title = form.elements.title.value;
  if (!title.trim()) {
    form.elements.title.focus();
    return;
  }
  trigger("saved", { title });
  form.elements.title.value = "";
});
remove.addEventListener("click", () => at() && trigger("deleted", { id: at().id }));
watch("value", show);
show();
