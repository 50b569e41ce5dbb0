// The bar: which screen is to be seen, what the machine is, light or dark. The screen stands in the address, so that a
// reload or a second window shows the same one.
const { make, theme } = window.likeness;
const words = props.words;
const FIRST_ANSWER_MS = 15000;
const line = element.querySelector(".lk-device");
const tabs = [...element.querySelectorAll("[role=tab]")];
const first = element.querySelector("[data-first]").dataset.screen;
const show = () => {
  line.textContent = props.value || "";
};

// The page asks for everything once, and from then on for what is new: without that first answer nothing ever comes.
setTimeout(() => {
  if (props.value) return;
  const again = make("button", { type: "button", class: "lk-button", text: words.reload, onclick: () => location.reload() });
  line.replaceChildren(make("span", { role: "alert", text: words.no_first_answer + " " }), again);
}, FIRST_ANSWER_MS);

function turn() {
  const wanted = location.hash.slice(1);
  const screen = tabs.some((tab) => tab.dataset.screen === wanted) ? wanted : first;
  document.body.dataset.screen = screen;
  for (const tab of tabs) {
    const on = tab.dataset.screen === screen;
    tab.setAttribute("aria-selected", String(on));
    tab.tabIndex = on ? 0 : -1;
    if (on && tab.getClientRects().length) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    const panel = document.getElementById(tab.dataset.screen);
    if (!panel) continue;
    tab.setAttribute("aria-controls", panel.id);
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
  }
}

// Each screen is found again where it was left, and a new one at its top.
const places = {};

function go(tab) {
  places[document.body.dataset.screen] = scrollY;
  history.replaceState(null, "", "#" + tab.dataset.screen);
  turn();
  scrollTo(0, places[tab.dataset.screen] || 0);
}

for (const [index, tab] of tabs.entries()) {
  tab.addEventListener("click", () => go(tab));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    const next = tabs[(index + step + tabs.length) % tabs.length];
    go(next);
    next.focus();
  });
}
window.addEventListener("hashchange", turn);
element.querySelector(".lk-theme").addEventListener("click", theme.turn);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme.apply);
theme.apply();
watch("value", show);
show();
turn();
// The screens may come after the bar.
requestAnimationFrame(turn);
