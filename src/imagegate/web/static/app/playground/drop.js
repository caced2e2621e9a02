// Files dropped anywhere on the page become references; a file never replaces the page.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect } from "preact/hooks";
import { t } from "../i18n.js";
import { addFiles } from "./references.js";

/** Whether files are being dragged over the page. */
const over = signal(false);
/** `dragleave` comes for every element; while files stay over the page `dragover` comes several times a second. */
const LEFT_MS = 400;

/** @param {DragEvent} event */
const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files"));
const isDialogOpen = () => document.querySelector("dialog[open]") !== null;

function watchDrops() {
  let fromHere = false;
  let timer = 0;
  const leave = () => {
    over.value = false;
  };
  const onDragOver = (/** @type {DragEvent} */ event) => {
    if (fromHere || !hasFiles(event)) return;
    event.preventDefault();
    const wanted = !isDialogOpen();
    if (event.dataTransfer) event.dataTransfer.dropEffect = wanted ? "copy" : "none";
    over.value = wanted;
    clearTimeout(timer);
    timer = setTimeout(leave, LEFT_MS);
  };
  const onDrop = (/** @type {DragEvent} */ event) => {
    if (fromHere || !hasFiles(event)) return;
    event.preventDefault();
    leave();
    if (!isDialogOpen()) addFiles(event.dataTransfer?.files ?? []);
  };
  // An image of this page that is dragged is not a file of the person's.
  const onDragStart = () => {
    fromHere = true;
  };
  const onDragEnd = () => {
    fromHere = false;
  };
  /** @type {[string, (event: any) => void][]} */
  const listeners = [
    ["dragover", onDragOver],
    ["drop", onDrop],
    ["dragstart", onDragStart],
    ["dragend", onDragEnd],
  ];
  for (const [name, listener] of listeners) document.addEventListener(name, listener);
  return () => {
    clearTimeout(timer);
    for (const [name, listener] of listeners) document.removeEventListener(name, listener);
  };
}

/** Covers the window while files are over it. */
export function DropOverlay() {
  useEffect(watchDrops, []);
  if (!over.value) return null;
  return html`<div class="drop-overlay" data-drop><p>${t("playground.references.drop")}</p></div>`;
}
