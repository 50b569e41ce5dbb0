// The weight files with their licences, and what else there is to know and to do about this installation. Rows are made
// once and filled again, so that a button keeps the focus while a download goes on.
const { make, fill, notice } = window.likeness;
const find = (selector, within = element) => within.querySelector(selector);
const words = props.words;
const rows = new Map();
let groupsShown = "";
let asked = "";
const sure = new Set();

// Deleting wants a second click; a row that is drawn anew meanwhile still knows of the first.
function warn(button, id) {
  sure.add(id);
  button.textContent = words.file_delete_sure;
  button.classList.add("danger");
}

function fileRow(one) {
  const parts = {
    state: make("span", { class: "lk-state" }),
    about: make("p", { class: "lk-file-about" }),
    licence: make("p", { class: "lk-file-licence" }),
    wrong: make("p", { class: "lk-warning" }),
    bar: make("div", { class: "lk-bar", role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100", "aria-label": one.file }),
    left: make("p", { class: "lk-hint" }),
    tools: make("div", { class: "lk-file-tools" }),
  };
  parts.bar.append(make("div"));
  const head = make("div", { class: "lk-file-head" }, make("strong", { text: one.file }), parts.state);
  const text = make("div", { class: "lk-file-text" }, head, parts.about, parts.licence, parts.wrong, parts.bar, parts.left);
  const row = make("li", { class: "lk-file", "data-id": one.id }, text, parts.tools);
  return { row, parts, shown: "" };
}

function button(name, text, one, main = false) {
  const made = make("button", { type: "button", class: main ? "lk-button main" : "lk-button", "data-tool": name, text });
  made.setAttribute("aria-label", text + ": " + one.file);
  made.addEventListener("click", () => {
    const acts = {
      get: () => trigger("get", { id: one.id }),
      accept: () => trigger("accepted", { id: one.id, licence: one.licence }),
      stop: () => trigger("stop", { id: one.id }),
      verify: () => trigger("verify", { id: one.id }),
      use: () => {
        find(".lk-own select").value = one.id;
        find("#lk-own-path").focus();
      },
    };
    if (name === "delete" && !sure.has(one.id)) {
      warn(made, one.id);
      return;
    }
    sure.delete(one.id);
    made.disabled = name !== "use";
    window.setTimeout(() => (made.disabled = false), 1500);
    if (name === "delete") trigger("deleted", { id: one.id });
    else acts[name]();
  });
  if (name === "delete" && sure.has(one.id)) warn(made, one.id);
  return made;
}

function tools(one) {
  const found = [];
  if (one.busy) return [button("stop", words.stop, one)];
  if (one.needs) found.push(button("accept", fill(words.file_accept, { licence: one.licence }), one, true));
  else if (one.gets) found.push(button("get", one.state === "partly" ? words.file_resume : words.file_get, one, true));
  if (one.here) found.push(button("verify", words.file_verify, one));
  if (!one.here) found.push(button("use", words.file_use, one));
  if (one.deletes) found.push(button("delete", words.file_delete, one));
  return found;
}

function fillRow(held, one) {
  const { parts } = held;
  parts.state.className = "lk-state " + one.state;
  parts.state.textContent = one.word;
  parts.about.textContent = one.about;
  const link = make("a", { href: one.terms, target: "_blank", rel: "noreferrer noopener", text: one.licence });
  const use = make("span", { class: "lk-use " + one.commercial, text: one.use });
  parts.licence.replaceChildren(use, " ", link, ". ", one.words);
  parts.wrong.textContent = one.sentence;
  parts.wrong.hidden = !one.sentence;
  const share = one.share;
  parts.bar.hidden = share === null && !one.busy;
  parts.bar.classList.toggle("waiting", one.busy && share === null);
  parts.bar.firstChild.style.transform = share === null ? "" : "scaleX(" + share + ")";
  if (share === null) parts.bar.removeAttribute("aria-valuenow");
  else parts.bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
  parts.left.textContent = one.left;
  parts.left.hidden = !one.left;
  const key = JSON.stringify([one.busy, one.needs, one.gets, one.here, one.deletes, one.state === "partly"]);
  if (held.shown === key) return;
  held.shown = key;
  const at = parts.tools.contains(document.activeElement);
  parts.tools.replaceChildren(...tools(one));
  if (at && parts.tools.firstChild) parts.tools.firstChild.focus();
}

function groups(value) {
  const key = JSON.stringify(value.groups.map((group) => [group.title, group.about, group.rows.map((one) => one.id)]));
  const place = find(".lk-families");
  if (key !== groupsShown) {
    groupsShown = key;
    rows.clear();
    place.replaceChildren(
      ...value.groups.map((group) => {
        const list = make("ul", {});
        for (const one of group.rows) {
          const held = fileRow(one);
          rows.set(group.title + one.id, held);
          list.append(held.row);
        }
        const state = make("span", { class: "lk-state" });
        const summary = make("summary", {}, make("span", { class: "lk-family-title" }, make("strong", { text: group.title }), make("small", { text: group.about })), state);
        const box = make("details", { class: "lk-family", "data-group": group.id }, summary, list);
        return box;
      }),
    );
  }
  value.groups.forEach((group, n) => {
    const box = place.children[n];
    const state = find("summary .lk-state", box);
    state.className = "lk-state " + group.state;
    state.textContent = group.word;
    if (group.busy) box.open = true;
    for (const one of group.rows) fillRow(rows.get(group.title + one.id), one);
  });
}

function pairs(place, list) {
  const key = JSON.stringify(list);
  if (place.dataset.shown === key) return;
  place.dataset.shown = key;
  place.replaceChildren(...list.flatMap(([term, text]) => [make("dt", { text: term }), make("dd", { text })]));
}

function options(select, list, first) {
  const key = JSON.stringify(list);
  if (select.dataset.shown === key) return;
  const before = select.value;
  select.dataset.shown = key;
  select.replaceChildren(make("option", { value: "", text: first }), ...list.map(([id, text]) => make("option", { value: id, text })));
  select.value = list.some(([id]) => id === before) ? before : "";
}

function show() {
  const value = props.value;
  if (!value) return;
  find(".lk-status").textContent = value.status;
  const offline = find(".lk-offline");
  find("input", offline).checked = value.offline;
  find("input", offline).disabled = value.offline_fixed;
  find("small", offline).textContent = value.offline_why;
  find(".lk-file-notices").replaceChildren(
    ...value.notices.map(([text, bad], index) => notice(text, words.close, () => trigger("read", { index }), bad)),
  );
  groups(value);
  options(find(".lk-own select"), value.ids, words.own_any);
  find(".lk-shared").replaceChildren(
    ...value.shared.map((folder) => {
      const away = make("button", { type: "button", class: "lk-link", text: words.shared_forget, onclick: () => trigger("unshared", { folder }) });
      return make("li", {}, make("span", { text: fill(words.shared, { folder }) }), away);
    }),
  );
  pairs(find(".lk-machine"), value.machine);
  pairs(find(".lk-places"), value.places);
  const privacy = find(".lk-privacy");
  if (!privacy.children.length) privacy.append(...value.privacy.map((text) => make("li", { text })));
  options(find(".lk-models-side select"), value.people.map((name) => [name, name]), words.remove_choose);
  find(".lk-models-side form button").disabled = value.removing;
  find(".lk-removed").replaceChildren(
    ...(value.removed ? [notice(value.removed, words.close, () => trigger("told", {}), value.removed_bad)] : []),
  );
  const report = find(".lk-report");
  report.hidden = !value.report;
  if (report.value !== value.report) report.value = value.report;
  find("[data-do=copy]").hidden = !value.report;
  find("[data-do=gather]").textContent = value.gathering ? words.diagnostics_coming : words.diagnostics_make;
  find("[data-do=gather]").disabled = value.gathering;
}

find(".lk-offline input").addEventListener("change", (event) => trigger("offline", { on: event.target.checked }));
find(".lk-own form").addEventListener("submit", (event) => {
  event.preventDefault();
  const path = find("#lk-own-path").value.trim();
  if (path) trigger("use", { place: path, id: find(".lk-own select").value }); // Gradio takes a "path" for a file of its own
});
find(".lk-models-side form").addEventListener("submit", (event) => {
  event.preventDefault();
  asked = find(".lk-models-side select").value;
  if (!asked) return;
  find(".lk-sure p").textContent = fill(words.remove_sure, { name: asked });
  find(".lk-sure").hidden = false;
  find(".lk-sure [data-answer=no]").focus();
});
find(".lk-sure").addEventListener("click", (event) => {
  const answer = event.target.dataset.answer;
  if (!answer) return;
  find(".lk-sure").hidden = true;
  if (answer === "yes") trigger("removed", { name: asked });
  find(".lk-models-side form button").focus();
});
find("[data-do=gather]").addEventListener("click", () => trigger("gathered", {}));
find("[data-do=copy]").addEventListener("click", (event) => {
  const report = find(".lk-report");
  const done = () => {
    event.target.textContent = words.diagnostics_copied;
    window.setTimeout(() => (event.target.textContent = words.diagnostics_copy), 2000);
  };
  report.select();
  navigator.clipboard.writeText(report.value).then(done, () => document.execCommand("copy") && done());
});
watch("value", show);
show();
