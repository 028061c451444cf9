// What ipywidgets leave open on a page: names for the handles of sliders, and whether motion is unwelcome.
const HANDLES = ".jupyter-widgets.widget-slider";

function name(root) {
  for (const slider of root.querySelectorAll(HANDLES)) {
    const label = slider.querySelector(".widget-label")?.textContent.trim();
    for (const handle of slider.querySelectorAll(".noUi-handle")) {
      if (label && handle.getAttribute("aria-label") !== label) handle.setAttribute("aria-label", label);
    }
  }
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
