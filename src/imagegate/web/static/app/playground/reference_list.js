// References: dropped, picked, pasted or named by URL; put in order by dragging or with the keyboard.
import { html } from "html";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { withValue } from "../dom.js";
import { formatNumber, t } from "../i18n.js";
import { account } from "../store.js";
import { DropOverlay } from "./drop.js";
import { mask, maskApplies, references } from "./form.js";
import { maskedReference } from "./images.js";
import { maxReferenceBytes, maxReferences, model } from "./model.js";
import {
  addFiles,
  addUrl,
  isRetryable,
  moveReference,
  removeReference,
  retryUpload,
  TYPES,
  updateReference,
} from "./references.js";

/** @typedef {import("./form.js").Reference} Reference */

const DRAG_TYPE = "application/x-place";
const BYTES_PER_MB = 1_048_576;
/** @type {Record<string, number>} */
const ARROW_STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/**
 * Images in the clipboard become references, but for a copied text that brings an image of itself.
 * @param {ClipboardEvent} event
 */
function onPaste(event) {
  const data = event.clipboardData;
  const images = [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const isText = event.target instanceof HTMLTextAreaElement && data?.types.includes("text/plain");
  if (!images.length || isText || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  addFiles(images);
}

/** After one was removed the focus goes to its neighbour, or to where more are added. */
function useFocusAfterRemoval() {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const removed = useRef(-1);
  useLayoutEffect(() => {
    if (removed.current < 0) return;
    const faces = /** @type {HTMLElement[]} */ ([...(box.current?.querySelectorAll(".thumb-face") ?? [])]);
    const next = faces[Math.min(removed.current, faces.length - 1)];
    (next ?? /** @type {HTMLElement | null} */ (box.current?.querySelector("[data-files]")))?.focus();
    removed.current = -1;
  });
  const remove = (/** @type {string} */ key, /** @type {number} */ index) => {
    removed.current = index;
    removeReference(key);
  };
  return { box, remove };
}

export function References() {
  const { box, remove } = useFocusAfterRemoval();
  useEffect(() => {
    document.addEventListener("paste", onPaste);
    return () => document.removeEventListener("paste", onPaste);
  }, []);
  const count = references.value.length;
  const good = references.value.filter((reference) => reference.state !== "bad").length;
  const waiting = references.value.some((reference) => reference.state === "waiting");
  const item = (/** @type {Reference} */ reference, /** @type {number} */ index) => html`
    <${Thumbnail}
      key=${reference.key}
      reference=${reference}
      index=${index}
      count=${count}
      remove=${() => remove(reference.key, index)}
    />
  `;
  return html`
    <fieldset class="references" ref=${box}>
      <legend class="label">
        ${t("playground.references.title")}${" "}
        <span class="soft">${formatNumber(good)} / ${formatNumber(maxReferences.value)}</span>
      </legend>
      ${count > 0 && html`<ol class="thumbs">${references.value.map(item)}</ol>`}
      ${mask.value && html`<${MaskNote} preview=${mask.value.preview} applies=${maskApplies.value} />`}
      <${AddRow} />
      ${waiting && !account.value && html`<p class="small" data-waiting>${t("playground.references.waiting")}</p>`}
      <${DropOverlay} />
    </fieldset>
  `;
}

/** @param {{preview: string, applies: boolean}} props */
function MaskNote({ preview, applies }) {
  const remove = () => {
    mask.value = null;
  };
  return html`
    <p class="small row" data-mask-on=${String(applies)}>
      ${preview && html`<img class="mask-small" src=${preview} alt="" width="40" height="40" />`}
      <span class=${applies ? "" : "error-text"}>${t(`playground.mask.${applies ? "applies" : "not_first"}`)}</span>
      <button type="button" class="button tight bare" onClick=${remove}>${t("playground.mask.remove")}</button>
    </p>
  `;
}

function AddRow() {
  const [url, setUrl] = useState("");
  const add = () => {
    if (!url.trim()) return;
    addUrl(url.trim());
    setUrl("");
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    // Enter would submit the form around it.
    if (event.key !== "Enter" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    add();
  };
  const onPick = (/** @type {any} */ event) => {
    addFiles([...event.target.files]);
    event.target.value = "";
  };
  const types = TYPES.join(",");
  const maxMb = Math.floor(maxReferenceBytes.value / BYTES_PER_MB);
  return html`
    <div class="add">
      <label class="button tight pick-file">
        <input type="file" class="unseen" accept=${types} multiple onChange=${onPick} data-files />
        ${t("playground.references.pick")}
      </label>
      <input
        class="input tight"
        type="url"
        placeholder=${t("playground.references.url")}
        aria-label=${t("playground.references.url")}
        value=${url}
        onInput=${withValue(setUrl)}
        onKeyDown=${onKeyDown}
      />
      <button class="button tight" type="button" disabled=${!url.trim()} onClick=${add}>
        ${t("playground.references.add")}
      </button>
    </div>
    <p class="small soft">${t("playground.references.about", { size: formatNumber(maxMb) })}</p>
    ${references.value.length > 1 && html`<p class="small soft">${t("playground.references.order")}</p>`}
  `;
}

/** @param {{reference: Reference, index: number, count: number, remove: () => void}} props */
function Thumbnail({ reference, index, count, remove }) {
  const { key, name, state, error } = reference;
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const step = ARROW_STEPS[event.key];
    if (event.key === "Delete" || event.key === "Backspace") remove();
    else if (step) moveReference(index, index + step);
    else return;
    event.preventDefault();
  };
  const maskable = index === 0 && state === "ready" && model.value.parameters.mask_url;
  return html`
    <li class=${`thumb ${state}`} data-reference=${state} ...${dragHandlers(index)}>
      <div
        class="thumb-face"
        tabindex="0"
        role="group"
        aria-roledescription=${t("playground.references.movable")}
        aria-label=${t("playground.references.position", { number: index + 1, count, name })}
        title=${name}
        onKeyDown=${onKeyDown}
      >
        <${Preview} reference=${reference} />
        <b>${index + 1}</b>
        ${state === "loading" && html`<${UploadProgress} reference=${reference} />`}
      </div>
      <button
        type="button"
        class="thumb-remove"
        aria-label=${t("playground.references.remove", { name })}
        onClick=${remove}
      >✕</button>
      ${maskable && html`<${MaskButton} reference=${reference} />`}
      ${error && html`<p class="small error-text" role="alert">${name}: ${error} <${RetryButton} id=${key} /></p>`}
    </li>
  `;
}

/** What is fetched by URL has no measure. @param {{reference: Reference}} props */
const UploadProgress = ({ reference: { key, name, progress } }) => html`
  <progress
    max="1"
    value=${isRetryable(key) ? progress : null}
    aria-label=${t("playground.references.progress", { name })}
  ></progress>
`;

/** For files that are still here. @param {{id: string}} props */
function RetryButton({ id }) {
  if (!isRetryable(id)) return null;
  const retry = () => retryUpload(id);
  return html`<button type="button" class="button tight" onClick=${retry}>${t("app.retry")}</button>`;
}

/** A reference dropped on another takes its place. @param {number} index */
const dragHandlers = (index) => ({
  draggable: true,
  onDragStart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData(DRAG_TYPE, String(index)),
  onDragOver: (/** @type {DragEvent} */ event) => {
    if (event.dataTransfer?.types.includes(DRAG_TYPE)) event.preventDefault();
  },
  onDrop: (/** @type {DragEvent} */ event) => {
    const from = event.dataTransfer?.getData(DRAG_TYPE);
    if (!from) return;
    event.preventDefault();
    event.stopPropagation();
    moveReference(Number(from), index);
  },
});

/** @param {{reference: Reference}} props */
function Preview({ reference: { key, state, preview } }) {
  const forget = () => updateReference(key, { preview: "" });
  if (preview) return html`<img src=${preview} alt="" width="72" height="72" draggable=${false} onError=${forget} />`;
  return html`<span class=${state === "loading" ? "skeleton" : "not-stored"}>${state === "bad" ? "!" : ""}</span>`;
}

/** @param {{reference: Reference}} props */
function MaskButton({ reference }) {
  const open = () => {
    maskedReference.value = reference;
  };
  return html`
    <button type="button" class="button tight thumb-mask" data-mask onClick=${open}>
      ${t("playground.mask.open")}
    </button>
  `;
}
