// What the parts of the page share: making elements, taking files in, light and dark. Text is only ever set as text.
window.likeness = (() => {
  const ICONS = {
    tick: "M2.5 6.5 5 9l4.5-6",
    cross: "M2.5 2.5l7 7m0-7-7 7",
  };

  function make(tag, fields = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(fields)) {
      if (name === "class") element.className = value;
      else if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }

  function icon(name) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 12 12");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(space, "path");
    for (const [key, value] of Object.entries({
      d: ICONS[name],
      fill: "none",
      stroke: "currentColor",
      "stroke-width": "2",
      "stroke-linecap": "round",
      "stroke-linejoin": "round",
    })) {
      path.setAttribute(key, value);
    }
    svg.append(path);
    return svg;
  }

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));

  // A dropped folder is walked; of what is in it only photos are taken, by the end of their names.
  async function walk(entry, suffixes) {
    if (entry.isFile) {
      return new Promise((done) => entry.file((file) => done([file]), () => done([])));
    }
    const reader = entry.createReader();
    const found = [];
    for (;;) {
      const part = await new Promise((done) => reader.readEntries(done, () => done([])));
      if (!part.length) break;
      for (const inner of part) {
        const photo = suffixes.some((suffix) => inner.name.toLowerCase().endsWith(suffix));
        if (!inner.name.startsWith(".") && (inner.isDirectory || photo)) found.push(...(await walk(inner, suffixes)));
      }
    }
    return found;
  }

  async function filesOf(transfer, suffixes) {
    // Entries are gone after the first wait, so they are asked for at once.
    const entries = [...transfer.items].map((item) => (item.webkitGetAsEntry ? item.webkitGetAsEntry() : null));
    const plain = [...transfer.files];
    if (!entries.some((entry) => entry && entry.isDirectory)) return plain;
    return (await Promise.all(entries.filter(Boolean).map((entry) => walk(entry, suffixes)))).flat();
  }

  // Lets `zone` take dropped files and `input`, if there is one, chosen ones, uploads them byte for byte, and hands on their places.
  // Gives back `take`, for files that came in another way.
  function takeIn({ zone, input, upload, say, refuse, done, words, suffixes, largest, many }) {
    let inside = 0;
    const over = (on) => zone.classList.toggle("lk-over", on);

    async function take(files) {
      const wanted = many ? files : files.slice(0, 1);
      const of = wanted.length;
      let batch = [];
      for (const [index, file] of wanted.entries()) {
        say(wanted.length > 1 ? fill(words.copying_many, { n: index + 1, m: wanted.length }) : words.copying);
        if (file.size > largest * 1e6) {
          refuse(fill(words.too_large, { name: file.name, size: Math.round(file.size / 1e6), largest }));
          continue;
        }
        try {
          batch.push((await upload(file)).path);
        } catch {
          refuse(fill(words.not_copied, { name: file.name }));
        }
        if (batch.length === 8) {
          done(batch, of);
          batch = [];
        }
      }
      say("");
      if (batch.length) done(batch, of);
    }

    // What is dragged about on the page itself is no file.
    const ours = (event) => event.dataTransfer && ![...event.dataTransfer.types].includes("Files");

    zone.addEventListener("dragenter", (event) => {
      event.preventDefault();
      if (ours(event)) return;
      inside += 1;
      over(true);
    });
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("dragleave", (event) => {
      if (ours(event)) return;
      inside = Math.max(0, inside - 1);
      if (!inside) over(false);
    });
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      event.taken = true; // what lies further out need not take it too
      if (ours(event)) return;
      inside = 0;
      over(false);
      filesOf(event.dataTransfer, suffixes).then(take);
    });
    if (input) {
      input.addEventListener("change", () => {
        take([...input.files]).finally(() => {
          input.value = "";
        });
      });
    }
    return { take, over, takeDrop: (event) => filesOf(event.dataTransfer, suffixes).then(take) };
  }

  // A line that stands until it is closed; those of the browser and those of the engine look alike.
  function notice(text, closeLabel, close, bad = false) {
    const button = make("button", { type: "button", class: "lk-close", "aria-label": closeLabel, onclick: close });
    button.append(icon("cross"));
    return make("div", { class: bad ? "lk-notice bad" : "lk-notice" }, make("p", { text }), button);
  }

  const typing = () => {
    const at = document.activeElement;
    return !!at && (at.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName));
  };

  const theme = {
    get: () => localStorage.getItem("likeness-theme") || "",
    dark: () => (theme.get() ? theme.get() === "dark" : matchMedia("(prefers-color-scheme: dark)").matches),
    apply: () => document.body.classList.toggle("dark", theme.dark()),
    turn: () => {
      localStorage.setItem("likeness-theme", theme.dark() ? "light" : "dark");
      theme.apply();
    },
  };

  // A file that misses its zone must not replace the page.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());

  return { make, icon, fill, takeIn, notice, typing, theme };
})();
