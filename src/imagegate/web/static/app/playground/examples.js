// The examples on the page: a click fills the form with the request that made the image.
import { fillForm, focusPrompt } from "./form.js";

/** @param {MouseEvent} event */
const opensElsewhere = (event) =>
  event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;

document.addEventListener("click", async (event) => {
  const example = /** @type {HTMLElement | null} */ (/** @type {Element} */ (event.target).closest("[data-example]"))
    ?.dataset.example;
  if (!example || opensElsewhere(event)) return;
  event.preventDefault();
  await fillForm(JSON.parse(example));
  focusPrompt();
});
