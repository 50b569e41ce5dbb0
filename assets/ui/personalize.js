// Whom to personalize and how, what waits, and what was made. What is chosen here lies on the desk, so every window
// shows the same.
const { make, fill, notice, icon } = window.likeness;
const find = (selector) => element.querySelector(selector);
const words = props.words;
const person = find("#lk-tune-person");
const consent = find(".lk-consent input");
const start = find(".lk-start");
let tried = "";
let asked = "";
let drawn = "";

function choices(value) {
  const now = JSON.stringify([value.people, value.person]);
  if (person.dataset.shown === now) return;
  person.dataset.shown = now;
  const none = value.people.includes(value.person) ? [] : [make("option", { value: "", text: words.tune_nobody })];
  person.replaceChildren(...none, ...value.people.map((name) => make("option", { value: name, text: name })));
  person.value = value.people.includes(value.person) ? value.person : "";
}

function recipes(value) {
  const place = find(".lk-recipes > div");
  const now = JSON.stringify(value.recipes);
  if (drawn !== now) {
    drawn = now;
    place.replaceChildren(
      ...value.recipes.map((one) => {
        const box = make("input", { type: "radio", name: "lk-recipe", value: one.name });
        box.addEventListener("change", () => trigger("recipe", { name: one.name }));
        const said = make("span", {}, make("strong", { text: one.title }), make("small", { text: one.summary }));
        return make("label", { class: "lk-tick" }, box, said);
      }),
    );
  }
  for (const box of place.querySelectorAll("input")) {
    box.checked = box.value === value.recipe;
    box.closest("label").classList.toggle("on", box.checked);
  }
}

function estimate(value) {
  find(".lk-estimate").hidden = !value.photos;
  find(".lk-estimate dl").replaceChildren(
    ...value.estimate.flatMap(([term, text]) => [make("dt", { text: term }), make("dd", { text })]),
  );
  find(".lk-estimate dl").hidden = !value.estimate.length;
  find(".lk-warning").textContent = value.warning;
  find(".lk-warning").hidden = !value.warning;
  find(".lk-estimate .lk-hint").textContent = value.estimating;
  find(".lk-estimate .lk-hint").hidden = !value.estimating;
}

function row(one) {
  const facts = make("small", { text: one.about });
  const button = make("button", {
    type: "button",
    class: "lk-entry",
    "data-id": one.id,
    "aria-current": one.shown ? "true" : false,
    onclick: () => trigger("shown", { id: one.id }),
  });
  const picture = make("span", { class: "lk-thumb" });
  if (one.src) picture.append(make("img", { src: one.src, alt: "", loading: "lazy" }));
  const state = make("span", { class: "lk-state " + one.state, text: one.word });
  button.append(picture, make("span", { class: "lk-entry-text" }, make("strong", { text: one.title }), facts), state);
  return make("li", {}, button);
}

function lists(value) {
  find(".lk-queue").hidden = !value.waiting.length;
  find(".lk-queue ol").replaceChildren(
    ...value.waiting.map((one) => {
      const away = make("button", {
        type: "button",
        class: "lk-close",
        "aria-label": fill(words.queue_drop, { name: one.title }),
        onclick: () => trigger("dropped", { id: one.id }),
      });
      away.append(icon("cross"));
      return make("li", {}, make("span", { text: one.title }), away);
    }),
  );
  find(".lk-free").hidden = !value.held;
  const list = find(".lk-history ul");
  const now = JSON.stringify(value.history);
  if (list.dataset.shown !== now) {
    const at = list.contains(document.activeElement) ? document.activeElement.dataset.id : "";
    list.dataset.shown = now;
    list.replaceChildren(...value.history.map(row));
    const again = at && [...list.querySelectorAll(".lk-entry")].find((one) => one.dataset.id === at);
    if (again) again.focus();
  }
  find(".lk-history .lk-hint").hidden = !!value.history.length;
}

// A trial step takes the worker some seconds, so it is asked for only where somebody looks.
function tryOut(value) {
  const key = value.person + "/" + value.recipe + "/" + value.photos + "/" + value.busy;
  if (document.body.dataset.screen !== "tune" || !value.wants || key === tried) return;
  tried = key;
  trigger("tried", {});
}

function show() {
  const value = props.value;
  if (!value) return;
  find(".lk-status").textContent = value.status;
  choices(value);
  find(".lk-need").textContent = value.need;
  find(".lk-need").hidden = !value.need;
  recipes(value);
  estimate(value);
  find(".lk-consent").hidden = !value.ask;
  find(".lk-consent strong").textContent = fill(words.consent, { name: value.person });
  if (asked !== value.person) consent.checked = false; // an older answer may say once more that it need not be asked
  asked = value.person;
  start.textContent = value.button;
  start.disabled = !value.ready || person.value !== value.person || (value.ask && !consent.checked);
  find(".lk-idle").textContent = value.hint;
  find(".lk-idle").hidden = !value.hint;
  find(".lk-notices").replaceChildren(
    ...value.notices.map((text, index) => notice(text, words.close, () => trigger("read", { index }), true)),
  );
  lists(value);
  tryOut(value);
}

person.addEventListener("change", () => {
  if (!person.value) return;
  trigger("person", { name: person.value });
  show(); // nothing starts before it is known what there is of them
});
consent.addEventListener("change", show);
start.addEventListener("click", () => {
  start.disabled = true;
  trigger("started", { person: props.value.person, consent: consent.checked });
});
find(".lk-free").addEventListener("click", () => trigger("freed", {}));
find(".lk-history ul").addEventListener("keydown", (event) => {
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  const all = [...element.querySelectorAll(".lk-entry")];
  const next = step && all[all.indexOf(document.activeElement) + step];
  if (!next) return;
  event.preventDefault();
  next.focus();
});
new MutationObserver(() => props.value && tryOut(props.value)).observe(document.body, {
  attributes: true,
  attributeFilter: ["data-screen"],
});
watch("value", show);
show();
