// Keys that work wherever the focus is, and the list of them.
import { signal } from "@preact/signals";
import { html } from "html";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { focusPrompt } from "./form.js";

export const shortcutsOpen = signal(false);

const SHORTCUTS = [
  ["Ctrl + Enter, ⌘ + Enter", "run"],
  ["/", "focus"],
  ["Esc", "close"],
  ["?", "help"],
  ["← →", "arrows"],
  ["+ − 0", "zoom"],
  ["Delete", "remove"],
  ["Ctrl + V", "paste"],
  ["Ctrl + Z", "undo"],
];
const TEXT_FIELDS = ["INPUT", "TEXTAREA", "SELECT"];

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || TEXT_FIELDS.includes(target.tagName));

/** @param {() => void} run */
export function watchKeys(run) {
  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const act = actionOf(event, run);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

const openShortcuts = () => {
  shortcutsOpen.value = true;
};

/** @param {KeyboardEvent} event @param {() => void} run @returns {(() => void) | undefined} */
function actionOf(event, run) {
  if (event.key === "Enter") return event.ctrlKey || event.metaKey ? run : undefined;
  if (isTyping(event.target)) return undefined;
  return { "/": focusPrompt, "?": openShortcuts }[event.key];
}

export function ShortcutsDialog() {
  if (!shortcutsOpen.value) return null;
  const close = () => {
    shortcutsOpen.value = false;
  };
  const item = (/** @type {string[]} */ [key, name]) =>
    html`<div key=${name}><dt><kbd>${key}</kbd></dt><dd>${t(`playground.shortcuts.${name}`)}</dd></div>`;
  return html`
    <${Dialog} title=${t("playground.shortcuts.title")} className="pg-dialog" closeButton onClose=${close}>
      <dl class="keys">${SHORTCUTS.map(item)}</dl>
    <//>
  `;
}
