// The dialogs of the People screen, made when they are needed, so that nothing hidden is read out or found. What they
// speak of is asked for when they open: `value`, `faces`, `grid` and `person`, the open one, are functions.
function makeDialogs({ element, words, value, faces, grid, person, act, picture, button, move, named, unsorted, asks }) {
  const { make, fill } = window.likeness;
  const many = (one, some, n) => fill(n === 1 ? one : some, { n });
  let dialog = null;

  function ask(title, body, choices, { then = () => {}, wide = false, leave = words.cancel } = {}) {
    closeDialog();
    asks();
    const heading = make("h3", { text: title, id: "lk-people-dialog" });
    const form = make("form", { method: "dialog" }, heading, ...body);
    const made = make("dialog", { class: "lk lk-people-dialog" + (wide ? " lk-wide" : ""), "aria-labelledby": "lk-people-dialog" }, form);
    const buttons = choices.map((choice) =>
      make("button", {
        type: choice.main ? "submit" : "button",
        class: "lk-button" + (choice.main ? " main" : "") + (choice.bad ? " lk-bad" : ""),
        text: choice.word,
        onclick: (event) => {
          event.preventDefault();
          if (choice.then && choice.then() === false) return;
          closeDialog();
        },
      }),
    );
    form.append(make("div", { class: "lk-people-answers" }, ...buttons, button(leave, closeDialog)));
    made.addEventListener("close", () => {
      made.remove();
      if (dialog === made) dialog = null;
      then();
      if (!dialog) grid().focus();
    });
    dialog = made;
    element.append(made);
    made.showModal();
    return made;
  }

  function closeDialog() {
    if (dialog) dialog.close();
  }

  function field(label, more) {
    const input = make("input", { type: "text", autocomplete: "off", spellcheck: "false", ...more });
    return [make("label", { class: "lk-people-field" }, make("span", { text: label }), input), input];
  }

  function newPerson() {
    const ids = grid().subjects();
    const [row, input] = field(words.people_who, { title: words.people_who_help, maxlength: "200", list: "lk-people-known" });
    ask(many(words.people_new_of_one, words.people_new_of, ids.length), [row], [
      { word: words.people_make, main: true, then: () => (input.value.trim() ? void setTimeout(() => named(input.value, ids)) : false) },
    ]);
    input.focus();
  }

  function date() {
    const ids = grid().subjects();
    const first = faces().get(ids[0]) || {};
    const [yearRow, year] = field(words.people_year, { title: words.people_date_hint, type: "number", min: "1827", max: "2200", step: "1" });
    const [ageRow, age] = field(words.people_age, { title: words.people_date_hint, type: "number", min: "0", max: "120", step: "1" });
    year.value = first.year === null ? "" : first.year;
    age.value = first.age === null ? "" : first.age;
    const whole = (input) => (input.value === "" ? null : Math.round(Number(input.value)));
    ask(many(words.people_date_of_one, words.people_date_of, ids.length), [yearRow, ageRow, make("p", { class: "lk-hint", text: words.people_date_hint })], [
      { word: words.people_save, main: true, then: () => act("date", { ids, year: whole(year), age: whole(age) }) },
    ]);
    year.focus();
  }

  function rename() {
    const one = person();
    const [row, input] = field(words.people_called, { title: words.people_called_help, maxlength: "200" });
    input.value = one.name;
    ask(fill(words.people_rename_of, { who: one.label }), [row], [
      { word: words.people_save, main: true, then: () => act("rename", { person: one.id, name: input.value }) },
    ]);
    input.select();
  }

  function chooser(title, then, without, nobody) {
    const rows = [
      ...(nobody && without !== unsorted ? [{ id: unsorted, label: words.people_new, cover: "", status: "" }] : []),
      ...value().people.filter((person) => person.id !== without),
    ];
    const entries = rows.map((person) =>
      make(
        "button",
        { type: "button", class: "lk-people-entry", onclick: () => (closeDialog(), then(person.id)) },
        picture(person.cover, "lk-people-cover"),
        make("span", { class: "lk-people-words" }, make("strong", { text: person.label }), make("small", { text: person.status })),
      ),
    );
    const frame = make("div", { class: "lk-people-chooser" }, ...entries);
    frame.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const next = step && entries[entries.indexOf(document.activeElement) + step];
      if (next) {
        next.focus();
        event.preventDefault();
      }
    });
    ask(title, rows.length ? [frame] : [make("p", { text: words.people_nobody_else })], []);
    if (entries[0]) entries[0].focus();
  }

  function merge() {
    const one = person();
    chooser(
      fill(words.people_merge_of, { who: one.label }),
      (into) => act("merge", { person: one.id, into }),
      one.id,
      false,
    );
  }

  function remove() {
    const one = person();
    ask(
      fill(words.people_delete_of, { who: one.label }),
      [make("p", { text: one.holds }), make("p", { text: words.people_delete_hint })],
      [{ word: words.people_delete_yes, bad: true, then: () => act("forget", { person: one.id }) }],
    );
    dialog.querySelector(".lk-people-answers button:last-child").focus();
  }

  function folder() {
    const [row, input] = field(words.people_folder_which, { title: words.people_folder_hint, placeholder: words.people_folder_like });
    ask(words.people_folder, [row, make("p", { class: "lk-hint", text: words.people_folder_hint })], [
      { word: words.people_add_these, main: true, then: () => (input.value.trim() ? act("folder", { folder: input.value }) : false) },
    ]);
    input.focus();
  }

  function keys() {
    const rows = value().keys.map(([names, what]) =>
      make("div", {}, make("dt", {}, ...names.map((name) => make("kbd", { text: name }))), make("dd", { text: what })),
    );
    ask(words.shortcuts, [make("dl", { class: "lk-people-keys" }, ...rows)], [], { wide: true, leave: words.shortcuts_close });
  }

  // A name that somebody has already: the same one, or a namesake, who must be told apart.
  function known(name, same, ids) {
    const free = (n) => (value().people.some((person) => person.name.toLowerCase() === (name + " " + n).toLowerCase()) ? free(n + 1) : name + " " + n);
    ask(fill(words.people_known, { who: name }), [make("p", { text: words.people_known_hint })], [
      ...same.map((person) => ({ word: fill(words.people_accept, { who: person.label }), main: true, then: () => move(ids, person.id) })),
      { word: fill(words.people_namesake, { who: free(2) }), then: () => (grid().past(ids), act("new", { ids, name: free(2) })) },
    ]);
  }

  return { ask, close: closeDialog, now: () => dialog, newPerson, date, rename, chooser, merge, remove, folder, keys, known };
}
