// Short messages at the edge of the page, in front of everything else that is open.

const SHOWN_MS = 6000;
// An error says what to do, which takes longer to read.
const SHOWN_BAD_MS = 10_000;

/** What ends each toast that is shown, by its text. @type {Map<string, () => void>} */
const shown = new Map();
const box = document.getElementById("toasts");

/**
 * A message; the same one again replaces the first. It goes by itself, by a click, or by the function that is returned.
 * @param {string} text
 * @param {"" | "bad" | "good"} [kind]
 * @param {{stays?: boolean}} [options]
 * @returns {() => void}
 */
export function showToast(text, kind = "", { stays = false } = {}) {
  shown.get(text)?.();
  const toast = document.createElement("div");
  toast.className = `toast ${kind}`;
  toast.textContent = text;
  const timer = stays ? 0 : setTimeout(() => end(), kind === "bad" ? SHOWN_BAD_MS : SHOWN_MS);
  const end = () => {
    clearTimeout(timer);
    toast.remove();
    if (shown.get(text) === end) shown.delete(text);
    if (shown.size === 0) box?.hidePopover?.();
  };
  shown.set(text, end);
  toast.addEventListener("click", end);
  liftToasts();
  box?.append(toast);
  return end;
}

/**
 * Put the messages into the dialog on top, or back on the page: what is outside of an open dialog can neither be
 * clicked nor is it read out.
 * @param {Element | null} [leaving] a dialog that is about to go
 */
export function liftToasts(leaving = null) {
  if (!box) return;
  const open = [...document.querySelectorAll("dialog:modal")].filter((dialog) => dialog !== leaving);
  const host = open.at(-1) ?? document.body;
  if (box.parentElement !== host) host.append(box);
  if (shown.size === 0) return;
  // Shown anew, it lies over what was opened since.
  box.hidePopover?.();
  box.showPopover?.();
}
