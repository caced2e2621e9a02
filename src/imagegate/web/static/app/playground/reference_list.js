// References: dropped, picked, pasted or named by URL; put in order by dragging or with the keyboard.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { withValue } from "../dom.js";
import { formatNumber, t } from "../i18n.js";
import { mask, maskApplies, maxReferences, model, references } from "./form.js";
import { maskedReference } from "./mask_editor.js";
import { addFiles, addUrl, moveReference, removeReference, TYPES, updateReference } from "./references.js";

/** @typedef {import("./form.js").Reference} Reference */

const DRAG_TYPE = "application/x-place";
const BYTES_PER_MB = 1_048_576;
const DEFAULT_MAX_BYTES = 50 * BYTES_PER_MB;
/** @type {Record<string, number>} */
const ARROW_STEPS = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };

/** Images in the clipboard become references, wherever the focus is. @param {ClipboardEvent} event */
function onPaste(event) {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  if (!files.length || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  addFiles(files);
}

export function References() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    document.addEventListener("paste", onPaste);
    return () => document.removeEventListener("paste", onPaste);
  }, []);
  const onDrop = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(false);
    if (event.dataTransfer?.files.length) addFiles(event.dataTransfer.files);
  };
  const onDragOver = (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    setOver(true);
  };
  const count = references.value.length;
  const item = (/** @type {Reference} */ reference, /** @type {number} */ index) =>
    html`<${Thumbnail} key=${reference.key} reference=${reference} index=${index} count=${count} />`;
  return html`
    <fieldset
      class=${`references ${over ? "over" : ""}`}
      onDragOver=${onDragOver}
      onDragLeave=${() => setOver(false)}
      onDrop=${onDrop}
    >
      <legend class="label">
        ${t("playground.references.title")}${" "}
        <span class="soft">${formatNumber(count)} / ${formatNumber(maxReferences.value)}</span>
      </legend>
      ${count > 0 && html`<ol class="thumbs">${references.value.map(item)}</ol>`}
      <${AddRow} />
      ${mask.value && html`<${MaskNote} preview=${mask.value.preview} applies=${maskApplies.value} />`}
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
  const maxMb = (model.value.parameters.image_urls?.max_bytes ?? DEFAULT_MAX_BYTES) / BYTES_PER_MB;
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
  `;
}

/** @param {{reference: Reference, index: number, count: number}} props */
function Thumbnail({ reference, index, count }) {
  const { key, name, state, error } = reference;
  const remove = () => removeReference(key);
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
        onKeyDown=${onKeyDown}
      >
        <${Preview} reference=${reference} />
        <b>${index + 1}</b>
      </div>
      <button
        type="button"
        class="thumb-remove"
        aria-label=${t("playground.references.remove", { name })}
        onClick=${remove}
      >✕</button>
      ${maskable && html`<${MaskButton} reference=${reference} />`}
      ${error && html`<p class="small error-text" role="alert">${name}: ${error}</p>`}
    </li>
  `;
}

/** A reference dropped on another takes its place. @param {number} index */
const dragHandlers = (index) => ({
  draggable: true,
  onDragStart: (/** @type {DragEvent} */ event) => event.dataTransfer?.setData(DRAG_TYPE, String(index)),
  onDragOver: (/** @type {DragEvent} */ event) => event.preventDefault(),
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
