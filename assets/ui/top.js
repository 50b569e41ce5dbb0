const { theme } = window.likeness;
const line = element.querySelector(".lk-device");
const show = () => {
  line.textContent = props.value || "";
};
element.querySelector(".lk-theme").addEventListener("click", theme.turn);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", theme.apply);
theme.apply();
watch("value", show);
show();
