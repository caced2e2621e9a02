// The mask editor: what is painted on the first reference is made anew. Also by keys: arrows move the brush, Space paints.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, local } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../store.js";
import { mask } from "./form.js";
import { drawAll, drawStroke, exported, isPainted, thumbnail } from "./marks.js";
import { Modal } from "./modal.js";

/** @typedef {import("./marks.js").Mark} Mark */

/** The reference whose mask is being drawn. */
export const masking = signal(/** @type {import("./form.js").Reference | null} */ (null));

const STEPS = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });

export function MaskEditor() {
  const one = masking.value;
  return one && html`<${Modal} title=${t("playground.mask.title")} wide onClose=${() => (masking.value = null)}><${Editor} reference=${one} /><//>`;
}

/** Where the pointer is, in pixels of the picture. @param {HTMLCanvasElement} canvas @param {PointerEvent} event @returns {[number, number]} */
function spot(canvas, event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) * canvas.width) / box.width, ((event.clientY - box.top) * canvas.height) / box.height];
}

/** Keep the mask: the PNG goes to the gateway, the marks stay here. @param {HTMLCanvasElement} canvas @param {string} of @param {Mark[]} marks */
async function keep(canvas, of, marks) {
  const form = new FormData();
  form.append("file", await exported(canvas), "mask.png");
  const reply = await call("/api/v1/files/upload/stream", { form });
  if (!reply.ok) return toast(reply.status ? reply.message : t("app.errors.network"), "bad");
  mask.value = { url: reply.value.data.file_url, preview: URL.createObjectURL(await thumbnail(canvas)), of, marks };
  masking.value = null;
}

/** @param {{reference: import("./form.js").Reference}} props */
function Editor({ reference }) {
  const sheet = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const canvas = () => /** @type {HTMLCanvasElement} */ (sheet.current);
  const [marks, setMarks] = useState(/** @type {Mark[]} */ (mask.value?.of === reference.key ? mask.value.marks : []));
  const [stroke, setStroke] = useState(/** @type {import("./marks.js").Stroke | null} */ (null));
  const [tool, setTool] = useState(/** @type {"brush" | "eraser"} */ ("brush"));
  const [width, setWidth] = useState(8);
  const [state, setState] = useState("loading");
  const pixels = () => (width / 100) * Math.min(canvas().width, canvas().height);
  const drawn = (/** @type {Mark[]} */ list) => {
    drawAll(canvas(), list);
    setMarks(list);
  };
  const add = (/** @type {Mark} */ mark) => drawn([...marks, mark]);
  const undo = () => drawn(marks.slice(0, -1));
  const fit = (/** @type {any} */ event) => {
    canvas().width = event.target.naturalWidth;
    canvas().height = event.target.naturalHeight;
    drawAll(canvas(), marks);
    setState("");
  };
  const down = (/** @type {PointerEvent} */ event) => {
    canvas().setPointerCapture(event.pointerId);
    const begun = { kind: tool, width: pixels(), points: [spot(canvas(), event)] };
    drawStroke(canvas(), begun);
    setStroke(begun);
  };
  const moved = (/** @type {PointerEvent} */ event) => {
    if (!stroke) return;
    stroke.points.push(spot(canvas(), event));
    drawStroke(canvas(), stroke, stroke.points.length - 2);
  };
  const up = () => {
    if (stroke) setMarks([...marks, stroke]);
    setStroke(null);
  };
  const save = async () => {
    if (!isPainted(canvas())) return toast(t("playground.mask.blank"), "bad");
    setState("saving");
    await keep(canvas(), reference.key, marks);
    setState("");
  };
  useEffect(() => {
    const keyed = (/** @type {KeyboardEvent} */ event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      event.preventDefault();
      undo();
    };
    document.addEventListener("keydown", keyed);
    return () => document.removeEventListener("keydown", keyed);
  }, [marks]);
  const button = (/** @type {"brush" | "eraser"} */ name) => html`<button type="button" class="button tight" aria-pressed=${tool === name} onClick=${() => setTool(name)}>${t(`playground.mask.${name}`)}</button>`;
  return html`<p class="small soft" id="pg-mask-about">${t("playground.mask.about")}</p>
    <div class="row mask-tools">
      ${button("brush")}${button("eraser")}
      <label class="row small">${t("playground.mask.width")} <input type="range" min="1" max="30" value=${width} onInput=${(/** @type {any} */ event) => setWidth(Number(event.target.value))} /></label>
      <button type="button" class="button tight" disabled=${state !== ""} onClick=${() => add({ kind: "invert" })}>${t("playground.mask.invert")}</button>
      <button type="button" class="button tight" disabled=${!marks.length} onClick=${undo}>${t("playground.mask.undo")}</button>
    </div>
    <div class="mask-sheet">
      <img src=${local(reference.url)} alt=${reference.name} onLoad=${fit} onError=${() => setState("lost")} draggable=${false} />
      <canvas ref=${sheet} aria-label=${t("playground.mask.title")} onPointerDown=${down} onPointerMove=${moved} onPointerUp=${up} onPointerCancel=${up}></canvas>
      ${state === "" && html`<${Hand} step=${width} dab=${(/** @type {number} */ x, /** @type {number} */ y) => add({ kind: tool, width: pixels(), points: [[x * canvas().width, y * canvas().height]] })} />`}
    </div>
    ${state === "lost" && html`<p class="fault-text small" role="alert">${t("playground.mask.lost")}</p>`}
    <footer><button type="button" class="button bare" onClick=${() => (masking.value = null)}>${t("app.cancel")}</button><button type="button" class="button main" disabled=${state !== ""} data-mask-save onClick=${save}>${t("playground.mask.save")}</button></footer>`;
}

/** The brush for those who use keys; `step` in percent of the sheet. @param {{step: number, dab: (x: number, y: number) => void}} props */
function Hand({ step, dab }) {
  const [at, setAt] = useState(/** @type {[number, number]} */ ([0.5, 0.5]));
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    const by = STEPS[event.key];
    if (by) setAt(/** @type {[number, number]} */ (at.map((one, axis) => Math.min(1, Math.max(0, one + (by[axis] * step) / 200)))));
    else if (event.key === " " || event.key === "Enter") dab(...at);
    else return;
    event.preventDefault();
  };
  return html`<button type="button" class="mask-hand" aria-label=${t("playground.mask.hand")} aria-describedby="pg-mask-about" style=${{ left: `${at[0] * 100}%`, top: `${at[1] * 100}%` }} onKeyDown=${keyed}></button>`;
}
