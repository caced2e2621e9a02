// The mask editor: what is painted on the first reference is made anew. Also by keys: arrows move the brush, Space paints.
import { signal } from "@preact/signals";
import { html } from "html";
import { useEffect, useRef, useState } from "preact/hooks";
import { call, local } from "../api.js";
import { t } from "../i18n.js";
import { toast } from "../store.js";
import { mask } from "./form.js";
import { Board, exported, thumbnail } from "./marks.js";
import { Modal } from "./modal.js";

/** The reference whose mask is being drawn. */
export const masking = signal(/** @type {import("./form.js").Reference | null} */ (null));

const STEPS = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });

export function MaskEditor() {
  const one = masking.value;
  return one && html`<${Modal} title=${t("playground.mask.title")} wide onClose=${() => (masking.value = null)}><${Editor} reference=${one} /><//>`;
}

/** Keep the mask: the PNG goes to the gateway, the marks stay here. @param {Board} board @param {string} of */
async function keep(board, of) {
  const form = new FormData();
  form.append("file", await exported(board.canvas), "mask.png");
  const reply = await call("/api/v1/files/upload/stream", { form });
  if (!reply.ok) return toast(reply.status ? reply.message : t("app.errors.network"), "bad");
  mask.value = { url: reply.value.data.file_url, preview: URL.createObjectURL(await thumbnail(board.canvas)), of, marks: board.marks };
  masking.value = null;
}

/** A handler of pointers that is told where they are. @param {(x: number, y: number) => void} act */
const at = (act) => (/** @type {any} */ event) => {
  const box = event.currentTarget.getBoundingClientRect();
  act((event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
};

/** @param {{reference: import("./form.js").Reference}} props */
function Editor({ reference }) {
  const sheet = useRef(/** @type {HTMLCanvasElement | null} */ (null));
  const [, changed] = useState(0);
  const [board] = useState(() => new Board(mask.value?.of === reference.key ? mask.value.marks : [], () => changed((count) => count + 1)));
  const [state, setState] = useState("loading");
  const fit = (/** @type {any} */ event) => {
    if (sheet.current) board.fit(sheet.current, event.target.naturalWidth, event.target.naturalHeight);
    setState("");
  };
  const begin = at((x, y) => board.begin(x, y));
  const save = async () => {
    if (!board.painted) return toast(t("playground.mask.blank"), "bad");
    setState("saving");
    await keep(board, reference.key);
    setState("");
  };
  const choose = (/** @type {"brush" | "eraser"} */ tool) => {
    board.tool = tool;
    board.changed();
  };
  useEffect(() => {
    const keyed = (/** @type {KeyboardEvent} */ event) => {
      if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z") return;
      event.preventDefault();
      board.undo();
    };
    document.addEventListener("keydown", keyed);
    return () => document.removeEventListener("keydown", keyed);
  }, []);
  const button = (/** @type {"brush" | "eraser"} */ name) => html`<button type="button" class="button tight" aria-pressed=${board.tool === name} onClick=${() => choose(name)}>${t(`playground.mask.${name}`)}</button>`;
  return html`<p class="small soft" id="pg-mask-about">${t("playground.mask.about")}</p>
    <div class="row mask-tools">
      ${button("brush")}${button("eraser")}
      <label class="row small">${t("playground.mask.width")} <input type="range" min="1" max="30" value=${board.width} onInput=${(/** @type {any} */ event) => (board.width = Number(event.target.value))} /></label>
      <button type="button" class="button tight" disabled=${state !== ""} onClick=${() => board.invert()}>${t("playground.mask.invert")}</button>
      <button type="button" class="button tight" disabled=${!board.marks.length} onClick=${() => board.undo()}>${t("playground.mask.undo")}</button>
    </div>
    <div class="mask-sheet">
      <img src=${local(reference.url)} alt=${reference.name} onLoad=${fit} onError=${() => setState("lost")} draggable=${false} />
      <canvas ref=${sheet} aria-label=${t("playground.mask.title")} onPointerDown=${(/** @type {any} */ event) => { event.currentTarget.setPointerCapture(event.pointerId); begin(event); }} onPointerMove=${at((x, y) => board.move(x, y))} onPointerUp=${() => board.end()} onPointerCancel=${() => board.end()}></canvas>
      ${state === "" && html`<${Hand} board=${board} />`}
    </div>
    ${state === "lost" && html`<p class="fault-text small" role="alert">${t("playground.mask.lost")}</p>`}
    <footer><button type="button" class="button bare" onClick=${() => (masking.value = null)}>${t("app.cancel")}</button><button type="button" class="button main" disabled=${state !== ""} data-mask-save onClick=${save}>${t("playground.mask.save")}</button></footer>`;
}

/** The brush for those who use keys; a step is half its width. @param {{board: Board}} props */
function Hand({ board }) {
  const [place, setPlace] = useState([0.5, 0.5]);
  const keyed = (/** @type {KeyboardEvent} */ event) => {
    const by = STEPS[event.key];
    if (by) setPlace((old) => old.map((one, axis) => Math.min(1, Math.max(0, one + (by[axis] * board.width) / 200))));
    else if (event.key === " " || event.key === "Enter") {
      board.begin(place[0], place[1]);
      board.end();
    } else return;
    event.preventDefault();
  };
  return html`<button type="button" class="mask-hand" aria-label=${t("playground.mask.hand")} aria-describedby="pg-mask-about" style=${{ left: `${place[0] * 100}%`, top: `${place[1] * 100}%` }} onKeyDown=${keyed}></button>`;
}
