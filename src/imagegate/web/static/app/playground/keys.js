// Keys that work wherever the focus is, and the list of them.
import { signal } from "@preact/signals";
import { html } from "html";
import { t } from "../i18n.js";
import { go } from "./composer.js";
import { Modal } from "./modal.js";

export const helping = signal(false);
const KEYS = [["Ctrl + Enter, ⌘ + Enter", "run"], ["/", "focus"], ["Esc", "close"], ["?", "help"], ["← →", "arrows"], ["+ − 0", "zoom"], ["Delete", "remove"], ["Ctrl + V", "paste"], ["Ctrl + Z", "undo"]];

/** @param {EventTarget | null} target */
const typing = (target) => target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** @param {KeyboardEvent} event */
function pressed(event) {
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) go();
  else if (event.key === "/" && !typing(event.target)) document.getElementById("pg-prompt")?.focus();
  else if (event.key === "?" && !typing(event.target)) helping.value = true;
  else return;
  event.preventDefault();
}

export function watchKeys() {
  document.addEventListener("keydown", pressed);
}

export function Help() {
  return helping.value && html`<${Modal} title=${t("playground.keys.title")} onClose=${() => (helping.value = false)}>
    <dl class="keys">${KEYS.map(([key, name]) => html`<div key=${name}><dt><kbd>${key}</kbd></dt><dd>${t(`playground.keys.${name}`)}</dd></div>`)}</dl>
  <//>`;
}
