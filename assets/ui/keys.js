// `?` lists the keys of the screen that is to be seen. Screens with a viewer have a list of their own there.
const { make, typing } = window.likeness;
const sheet = element.querySelector("dialog");

function help() {
  const keys = [...(props.screens[document.body.dataset.screen] || []), ...props.screens.all];
  element.querySelector("dl").replaceChildren(
    ...keys.flatMap(([names, text]) => [
      make("dt", {}, ...names.map((key) => make("kbd", { text: key }))),
      make("dd", { text }),
    ]),
  );
  sheet.showModal();
}

element.querySelector("button").addEventListener("click", () => sheet.close());
sheet.addEventListener("click", (event) => {
  if (event.target === sheet) sheet.close();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "?" || event.ctrlKey || event.metaKey || event.altKey || typing()) return;
  const viewer = [...document.querySelectorAll(".lk-viewer")].some((one) => one.getClientRects().length > 0);
  if (viewer || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  help();
});
