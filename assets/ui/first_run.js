// The four steps for somebody who is here for the first time, and how far the sample person is in them.
const { make } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const STEPS = ["photos", "damaged", "tune", "look"];
const AT = { offered: -1, photos: 0, damaged: 1, tuning: 2, restoring: 3, done: 4, stopped: -1 };

function show() {
  const value = props.value;
  if (!value) return;
  const first = find(".lk-first");
  first.hidden = value.stage === "gone";
  if (first.hidden) return;
  const at = AT[value.stage];
  const working = ["photos", "damaged", "tuning", "restoring"].includes(value.stage);
  find(".lk-first-text p").textContent = value.lead;
  find(".lk-first-steps").replaceChildren(
    ...STEPS.map((name, n) => {
      const kind = n < at ? "done" : n === at ? "now" : "";
      const number = make("span", { class: "lk-number", "aria-hidden": "true", text: n < at ? "\u2713" : String(n + 1) });
      const said = make("span", {}, make("strong", { text: words["first_" + name] }), make("small", { text: words["first_" + name + "_about"] }));
      return make("li", { class: kind, "aria-current": n === at ? "step" : false }, number, said);
    }),
  );
  const act = find("[data-do=try]");
  act.hidden = working || value.stage === "done";
  act.textContent = value.stage === "stopped" ? words.first_again : words.first_try;
  const own = find("[data-do=own]");
  own.hidden = working;
  own.textContent = value.stage === "done" ? words.first_next : words.first_own;
  own.classList.toggle("main", value.stage === "done");
  find(".lk-first > .lk-hint").textContent = value.note;
}

find("[data-do=try]").addEventListener("click", (event) => {
  event.target.hidden = true;
  location.hash = "#desk";
  trigger("begun", {});
});
find("[data-do=own]").addEventListener("click", () => trigger("left", {}));
watch("value", show);
show();
