const { notice } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const bar = find(".lk-bar");
const stop = find(".lk-stop");
let titled = false;

function show() {
  const value = props.value || {};
  const known = typeof value.share === "number";
  find(".lk-running").hidden = !value.running;
  find(".lk-work-stage").textContent = value.stage || "";
  find(".lk-work-left").textContent = value.left || "";
  find(".lk-work-end .lk-hint").textContent = value.step || "";
  find(".lk-idle").textContent = value.running ? "" : value.hint || "";
  find(".lk-idle").hidden = !!value.running || !value.hint;
  find(".lk-consented").textContent = value.consent || "";
  find(".lk-consented").hidden = !value.consent;
  stop.disabled = !!value.stopping;
  stop.textContent = value.stopping ? words.stopping : words.stop;
  bar.classList.toggle("waiting", !known);
  bar.firstElementChild.style.transform = known ? `scaleX(` + value.share + `)` : "";
  if (known) bar.setAttribute("aria-valuenow", String(Math.round(100 * value.share)));
  else bar.removeAttribute("aria-valuenow");
  if (value.stage) bar.setAttribute("aria-valuetext", [value.stage, value.step, value.left].filter(Boolean).join(", "));
  find(".lk-notices").replaceChildren(
    ...(value.notice ? [notice(value.notice, words.close, () => trigger("read", {}), value.bad)] : []),
  );
  // Two screens have such a panel; only the one with something under way may have the title.
  if (value.running && known) document.title = Math.round(100 * value.share) + " % " + words.app;
  else if (titled) document.title = words.app;
  titled = !!value.running && known;
}

stop.addEventListener("click", () => {
  stop.disabled = true;
  stop.textContent = words.stopping;
  trigger("stop", {});
});
watch("value", show);
show();
