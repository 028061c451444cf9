// What ipywidgets leave open on a page: names for handles of sliders and for bars, places whose sentences are read out
// when they change, and whether motion is unwelcome.
function set(element, attribute, value) {
  if (element.getAttribute(attribute) !== value) element.setAttribute(attribute, value);
}

function name(root) {
  for (const slider of root.querySelectorAll(".jupyter-widgets.widget-slider")) {
    const label = slider.querySelector(".widget-label")?.textContent.trim();
    for (const handle of slider.querySelectorAll(".noUi-handle")) if (label) set(handle, "aria-label", label);
  }
  for (const bar of root.querySelectorAll(".widget-hprogress .progress-bar")) {
    set(bar, "role", "progressbar");
    set(bar, "aria-label", "Progress");
    set(bar, "aria-valuenow", String(Math.round(parseFloat(bar.style.width) || 0)));
  }
  // A sentence comes in place of another, so what is watched has to be the place.
  for (const said of root.querySelectorAll(".announced")) set(said.closest(".jupyter-widgets"), "aria-live", "polite");
}

function render({ model, el }) {
  const asked = window.matchMedia("(prefers-reduced-motion: reduce)");
  const tell = () => {
    model.set("calm", asked.matches);
    model.save_changes();
  };
  asked.addEventListener("change", tell);
  tell();
  let panel = null;
  const seen = new MutationObserver(() => name(panel));
  const begin = () => {
    panel = el.closest(".nagkit-panel") ?? document.body;
    seen.observe(panel, { subtree: true, childList: true, characterData: true });
    name(panel);
  };
  requestAnimationFrame(begin);  // by then the element is in its panel
  return () => {
    seen.disconnect();
    asked.removeEventListener("change", tell);
  };
}

export default { render };
