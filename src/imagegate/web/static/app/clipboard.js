// Copying text, over plain http too, where browsers keep the clipboard's interface from pages.
import { t } from "./i18n.js";
import { showToast } from "./store.js";

/** Copy it, and say whether that was possible. @param {string} text */
export async function copyText(text) {
  const copied = await copy(text);
  showToast(t(copied ? "app.copied" : "playground.no_clipboard"), copied ? "" : "bad");
}

/** @param {string} text @returns {Promise<boolean>} whether it was copied */
async function copy(text) {
  if (!navigator.clipboard) return copySelection(text);
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelection(text);
  }
}

/** By a selection of the page, as the Copy of the browser's menu does. @param {string} text */
function copySelection(text) {
  const focused = /** @type {HTMLElement | null} */ (document.activeElement);
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  // Outside of an open dialog nothing can be selected.
  (focused?.closest("dialog") ?? document.body).append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return copied;
}
