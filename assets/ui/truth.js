const { takeIn, fill, notice } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;

function show() {
  const name = (props.value || {}).name || "";
  find(".lk-drop").hidden = !!name;
  find(".lk-truth-is").hidden = !name;
  find(".lk-truth-is span").textContent = fill(words.truth_is, { name });
}

takeIn({
  zone: element.firstElementChild,
  input: find("input[type=file]"),
  ...{ upload, words, suffixes: props.suffixes, largest: props.largest, many: false },
  say: (text) => {
    find(".lk-busy").textContent = text;
    find(".lk-busy").hidden = !text;
  },
  refuse: (text) => {
    const told = notice(text, words.close, () => told.remove());
    find(".lk-notices").replaceChildren(told);
  },
  done: (paths) => trigger("dropped", { paths }),
});
find(".lk-truth-is button").addEventListener("click", () => trigger("removed", {}));
watch("value", show);
show();
