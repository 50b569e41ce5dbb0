// Marks in the list of restorers those that cannot work yet, and says what each lacks: as the description of its box,
// and below the list, where it unfolds.
const { make, fill } = window.likeness;
const find = (selector) => element.querySelector(selector);

function mark(value) {
  for (const label of document.querySelectorAll("#compare-ways label")) {
    const box = label.querySelector("input");
    if (!box) continue;
    const title = label.textContent.trim();
    const number = value.findIndex((one) => one.title === title);
    label.classList.toggle("lk-unready", number >= 0);
    label.title = number >= 0 ? value[number].why : "";
    if (number >= 0) box.setAttribute("aria-describedby", "lk-lacks-" + value[number].id);
    else box.removeAttribute("aria-describedby");
  }
}

function show() {
  const value = props.value || [];
  find(".lk-lacking").hidden = !value.length;
  find("summary").textContent = fill(props.words.lacking_of, { names: value.map((one) => one.title).join(", ") });
  find("ul").replaceChildren(
    ...value.map((one) => make("li", { id: "lk-lacks-" + one.id }, make("strong", { text: one.title }), " ", one.why)),
  );
  mark(value);
}

watch("value", show);
// The list is drawn when its screen is opened, and drawn again when it is set.
new MutationObserver(() => mark(props.value || [])).observe(document.body, { childList: true, subtree: true });
show();
