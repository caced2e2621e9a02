// The mask editor: what is painted on the first reference is generated again. With keys: arrows move the brush, Space
// paints.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect, useRef, useState } from "preact/hooks";
import { localPath, upload } from "../api.js";
import { Dialog } from "../dialog.js";
import { withValue } from "../dom.js";
import { showError } from "../errors.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { mask } from "./form.js";
import { MaskCanvas } from "./mask_strokes.js";

/** @typedef {import("./form.js").Reference} Reference */

/** The reference whose mask is being edited. */
export const maskedReference = signal(/** @type {Reference | null} */ (null));

/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const close = () => {
  maskedReference.value = null;
};

export function MaskEditor() {
  const reference = maskedReference.value;
  if (!reference) return null;
  return html`
    <${Dialog} title=${t("playground.mask.title")} className="pg-dialog wide" closeButton onClose=${close}>
      <${Editor} reference=${reference} />
    <//>
  `;
}

/** The PNG goes to the gateway, the edits stay here. @param {MaskCanvas} canvas @param {string} referenceKey */
async function saveMask(canvas, referenceKey) {
  const reply = await upload(await canvas.exportMask(), "mask.png");
  if (!reply.ok) return showError(reply);
  const image = await canvas.exportPreview();
  const preview = URL.createObjectURL(image);
  mask.value = { url: reply.value.data.file_url, preview, image, referenceKey, edits: canvas.edits };
  close();
}

/** A canvas with the reference's edits so far, whose changes render the component. @param {Reference} reference */
function useMaskCanvas({ key }) {
  const [, setChanges] = useState(0);
  const [canvas] = useState(() => {
    const edits = mask.value?.referenceKey === key ? mask.value.edits : [];
    return new MaskCanvas(edits, () => setChanges((count) => count + 1));
  });
  return canvas;
}

/** @param {() => void} undo */
function useUndoKey(undo) {
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      event.preventDefault();
      undo();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
}

/** @param {{reference: Reference}} props */
function Editor({ reference }) {
  const canvas = useMaskCanvas(reference);
  const [state, setState] = useState(/** @type {"loading" | "ready" | "saving" | "lost"} */ ("loading"));
  const save = async () => {
    if (canvas.isBlank()) return showToast(t("playground.mask.blank"), "bad");
    setState("saving");
    await saveMask(canvas, reference.key);
    setState("ready");
  };
  useUndoKey(() => canvas.undo());
  const ready = state === "ready";
  return html`
    <p class="small soft" id="pg-mask-about">${t("playground.mask.about")}</p>
    <${Tools} canvas=${canvas} ready=${ready} />
    <${Sheet} canvas=${canvas} reference=${reference} ready=${ready} setState=${setState} />
    ${state === "lost" && html`<p class="error-text small" role="alert">${t("playground.mask.lost")}</p>`}
    <footer>
      <button type="button" class="button bare" onClick=${close}>${t("app.cancel")}</button>
      <button type="button" class="button main" disabled=${!ready} data-mask-save onClick=${save}>
        ${t("playground.mask.save")}
      </button>
    </footer>
  `;
}

/** @param {{canvas: MaskCanvas, ready: boolean}} props */
function Tools({ canvas, ready }) {
  const tool = (/** @type {"brush" | "eraser"} */ name) => html`
    <button
      type="button"
      class="button tight"
      aria-pressed=${canvas.tool === name}
      onClick=${() => canvas.choose(name)}
    >${t(`playground.mask.${name}`)}</button>
  `;
  const setWidth = withValue((value) => {
    canvas.widthPercent = Number(value);
  });
  return html`
    <div class="row mask-tools">
      ${tool("brush")}${tool("eraser")}
      <label class="row small">
        ${t("playground.mask.width")}${" "}
        <input type="range" min="1" max="30" value=${canvas.widthPercent} onInput=${setWidth} />
      </label>
      <button type="button" class="button tight" disabled=${!ready} onClick=${() => canvas.invert()}>
        ${t("playground.mask.invert")}
      </button>
      <button type="button" class="button tight" disabled=${!canvas.edits.length} onClick=${() => canvas.undo()}>
        ${t("playground.mask.undo")}
      </button>
    </div>
  `;
}

/** A pointer handler that is given the place in fractions. @param {(x: number, y: number) => void} act */
const withPlace = (act) => (/** @type {any} */ event) => {
  const box = event.currentTarget.getBoundingClientRect();
  act((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};

/** @typedef {(state: "ready" | "lost") => void} SetState */

/**
 * The reference with the mask over it.
 * @param {{canvas: MaskCanvas, reference: Reference, ready: boolean, setState: SetState}} props
 */
function Sheet({ canvas, reference, ready, setState }) {
  const sheet = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const onLoad = (/** @type {any} */ event) => {
    if (sheet.current) canvas.attach(sheet.current, event.target.naturalWidth, event.target.naturalHeight);
    setState("ready");
  };
  const begin = withPlace((x, y) => canvas.beginStroke(x, y));
  const onPointerDown = (/** @type {any} */ event) => {
    event.currentTarget.setPointerCapture(event.pointerId);
    begin(event);
  };
  const end = () => canvas.endStroke();
  return html`
    <div class="mask-sheet">
      <img
        src=${localPath(reference.url)}
        alt=${reference.name}
        onLoad=${onLoad}
        onError=${() => setState("lost")}
        draggable=${false}
      />
      <canvas
        ref=${sheet}
        aria-label=${t("playground.mask.title")}
        onPointerDown=${onPointerDown}
        onPointerMove=${withPlace((x, y) => canvas.extendStroke(x, y))}
        onPointerUp=${end}
        onPointerCancel=${end}
      ></canvas>
      ${ready && html`<${KeyboardBrush} canvas=${canvas} />`}
    </div>
  `;
}

/** The brush for those who use keys; a step is half its width. @param {{canvas: MaskCanvas}} props */
function KeyboardBrush({ canvas }) {
  const [[x, y], setPlace] = useState(/** @type {number[]} */ ([0.5, 0.5]));
  const move = (/** @type {[number, number]} */ [dx, dy]) => {
    const stepSize = canvas.widthPercent / 200;
    const clamp = (/** @type {number} */ value) => Math.min(1, Math.max(0, value));
    setPlace(([oldX, oldY]) => [clamp(oldX + dx * stepSize), clamp(oldY + dy * stepSize)]);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (ARROWS[event.key]) move(ARROWS[event.key]);
    else if (event.key === " " || event.key === "Enter") {
      canvas.beginStroke(x, y);
      canvas.endStroke();
    } else return;
    event.preventDefault();
  };
  return html`
    <button
      type="button"
      class="mask-cursor"
      aria-label=${t("playground.mask.brush")}
      aria-describedby="pg-mask-about"
      style=${{ left: `${x * 100}%`, top: `${y * 100}%` }}
      onKeyDown=${onKeyDown}
    ></button>
  `;
}
