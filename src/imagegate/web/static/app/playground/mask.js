// The mask editor: what is painted becomes transparent in a PNG of the size of the first reference, and is made anew.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, local } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../store.js";
import { mask } from "./form.js";
import { Modal } from "./modal.js";

/** The reference whose mask is being drawn. */
export const masking = signal(/** @type {import("./form.js").Reference | null} */ (null));

const MOST_UNDO = 20;

export function MaskEditor() {
  const one = masking.value;
  return one && html`<${Modal} title=${t("playground.mask.title")} wide onClose=${() => (masking.value = null)}><${Editor} reference=${one} /><//>`;
}

/** Where the pointer is, in pixels of the picture. @param {HTMLCanvasElement} canvas @param {PointerEvent} event @returns {[number, number]} */
function spot(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
}

/** The painted places of `canvas` become the transparent ones of a white PNG. @param {HTMLCanvasElement} canvas @returns {Promise<Blob | null>} */
function exported(canvas) {
  const out = document.createElement("canvas");
  out.width = canvas.width;
  out.height = canvas.height;
  const pen = /** @type {CanvasRenderingContext2D} */ (out.getContext("2d"));
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, out.width, out.height);
  pen.globalCompositeOperation = "destination-out";
  pen.drawImage(canvas, 0, 0);
  return new Promise((done) => out.toBlob(done, "image/png"));
}

/** Painted and bare change places. @param {HTMLCanvasElement} canvas */
function invert(canvas) {
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.globalCompositeOperation = "xor";
  pen.fillStyle = "#000";
  pen.fillRect(0, 0, canvas.width, canvas.height);
}

/** @param {{reference: import("./form.js").Reference}} props */
function Editor({ reference }) {
  const sheet = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const steps = useRef(/** @type {ImageData[]} */ ([]));
  const last = useRef(/** @type {[number, number] | null} */ (null));
  const [tool, setTool] = useState("brush");
  const [width, setWidth] = useState(8);
  const [, redraw] = useState(0);
  const [busy, setBusy] = useState(false);
  const pen = () => /** @type {CanvasRenderingContext2D} */ (sheet.current?.getContext("2d", { willReadFrequently: true }));
  const fit = (/** @type {any} */ event) => {
    const canvas = /** @type {HTMLCanvasElement} */ (sheet.current);
    canvas.width = event.target.naturalWidth;
    canvas.height = event.target.naturalHeight;
  };
  const remember = () => {
    const canvas = /** @type {HTMLCanvasElement} */ (sheet.current);
    steps.current = [...steps.current.slice(1 - MOST_UNDO), pen().getImageData(0, 0, canvas.width, canvas.height)];
    redraw((count) => count + 1);
  };
  const undo = () => {
    const step = steps.current.pop();
    if (step) pen().putImageData(step, 0, 0);
    redraw((count) => count + 1);
  };
  const draw = (/** @type {[number, number]} */ to) => {
    const one = pen();
    one.globalCompositeOperation = tool === "brush" ? "source-over" : "destination-out";
    one.lineWidth = (width / 100) * Math.min(one.canvas.width, one.canvas.height);
    one.lineCap = one.lineJoin = "round";
    one.strokeStyle = "#000";
    one.beginPath();
    one.moveTo(...(last.current ?? to));
    one.lineTo(...to);
    one.stroke();
    last.current = to;
  };
  const down = (/** @type {any} */ event) => {
    event.target.setPointerCapture(event.pointerId);
    remember();
    draw(spot(event.target, event));
  };
  const moved = (/** @type {any} */ event) => last.current && draw(spot(event.target, event));
  const up = () => (last.current = null);
  useEffect(() => {
    const keyed = (/** @type {KeyboardEvent} */ event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
        event.preventDefault();
        undo();
      }
    };
    document.addEventListener("keydown", keyed);
    return () => document.removeEventListener("keydown", keyed);
  }, []);
  const save = async () => {
    const canvas = /** @type {HTMLCanvasElement} */ (sheet.current);
    if (!steps.current.length) return toast(t("playground.mask.blank"), "bad");
    setBusy(true);
    const blob = await exported(canvas);
    const form = new FormData();
    form.append("file", /** @type {Blob} */ (blob), "mask.png");
    const reply = await call("/api/v1/files/upload/stream", { form });
    setBusy(false);
    if (!reply.ok) return toast(reply.status ? reply.message : t("app.errors.network"), "bad");
    mask.value = { url: reply.value.data.file_url, preview: "", of: reference.key };
    masking.value = null;
  };
  const button = (/** @type {string} */ name) => html`<button type="button" class="button tight" aria-pressed=${tool === name} onClick=${() => setTool(name)}>${t(`playground.mask.${name}`)}</button>`;
  return html`<p class="small soft">${t("playground.mask.about")}</p>
    <div class="row mask-tools">
      ${button("brush")}${button("eraser")}
      <label class="row small">${t("playground.mask.width")} <input type="range" min="1" max="30" value=${width} onInput=${(/** @type {any} */ event) => setWidth(Number(event.target.value))} /></label>
      <button type="button" class="button tight" onClick=${() => { remember(); invert(/** @type {any} */ (sheet.current)); }}>${t("playground.mask.invert")}</button>
      <button type="button" class="button tight" disabled=${!steps.current.length} onClick=${undo}>${t("playground.mask.undo")}</button>
    </div>
    <div class="mask-sheet">
      <img src=${local(reference.url)} alt=${reference.name} onLoad=${fit} draggable=${false} />
      <canvas ref=${sheet} aria-label=${t("playground.mask.title")} onPointerDown=${down} onPointerMove=${moved} onPointerUp=${up} onPointerCancel=${up}></canvas>
    </div>
    <footer><button type="button" class="button bare" onClick=${() => (masking.value = null)}>${t("app.cancel")}</button><button type="button" class="button main" disabled=${busy} data-mask-save onClick=${save}>${t("playground.mask.save")}</button></footer>`;
}
