// A mask as the edits that made it: strokes of brush and eraser, inversions, fresh starts, an older mask. Undo draws it
// again from the start, so that a large image costs only its own canvas; exported, it is a PNG whose painted parts are
// transparent.

import { signal } from "@preact/signals";
import { localPath } from "../api.js";

/**
 * @typedef {{kind: "brush" | "eraser", width: number, points: [number, number][]}} Stroke in pixels of the image
 * @typedef {Stroke | {kind: "invert"} | {kind: "clear"} | {kind: "mask", url: string}} Edit
 * @typedef {"brush" | "eraser" | "hand"} Tool   the hand moves the enlarged image
 */

// Only for the eye: what counts is where there is any.
const COLOR = "#e8451f";
const DEFAULT_WIDTH_PERCENT = 8;
export const MIN_WIDTH_PERCENT = 1;
export const MAX_WIDTH_PERCENT = 30;
const MAX_PREVIEW_EDGE = 144;
/** Whether anything is painted is looked up in a copy of at most this edge. */
const MAX_PROBE_EDGE = 256;

/** @param {HTMLCanvasElement} canvas */
const contextOf = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** Draw from one of its points on. @param {HTMLCanvasElement} canvas @param {Stroke} stroke @param {number} [from] */
function drawStroke(canvas, stroke, from = 0) {
  const context = contextOf(canvas);
  context.globalCompositeOperation = stroke.kind === "brush" ? "source-over" : "destination-out";
  context.lineWidth = stroke.width;
  context.lineCap = context.lineJoin = "round";
  context.strokeStyle = COLOR;
  context.beginPath();
  const [x, y] = stroke.points[from];
  context.moveTo(x, y);
  context.lineTo(x + 0.01, y); // a line of no length leaves no dot
  for (const point of stroke.points.slice(from)) context.lineTo(...point);
  context.stroke();
}

/** @param {HTMLCanvasElement} canvas */
function drawInversion(canvas) {
  const context = contextOf(canvas);
  context.globalCompositeOperation = "xor";
  context.fillStyle = COLOR;
  context.fillRect(0, 0, canvas.width, canvas.height);
}

/** Painted where it is transparent. @param {HTMLCanvasElement} canvas @param {ImageBitmap} older */
function drawMask(canvas, older) {
  const context = contextOf(canvas);
  context.globalCompositeOperation = "source-over";
  context.fillStyle = COLOR;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "destination-out";
  context.drawImage(older, 0, 0, canvas.width, canvas.height);
}

/** A canvas over the image, with its edits. Strokes are kept as they come, faster than the page is rendered. */
export class MaskCanvas {
  /** @param {Edit[]} edits */
  constructor(edits) {
    this.saved = edits;
    this.edits = signal(edits);
    this.undone = signal(/** @type {Edit[]} */ ([]));
    this.tool = signal(/** @type {Tool} */ ("brush"));
    /** Of the brush, in percent of the shorter edge. */
    this.widthPercent = signal(DEFAULT_WIDTH_PERCENT);
    this.older = /** @type {Map<string, ImageBitmap>} */ (new Map());
    this.canvas = document.createElement("canvas");
    this.stroke = /** @type {Stroke | null} */ (null);
  }

  /** Fetch the older masks among the edits; one that is gone is no longer an edit. */
  async load() {
    for (const edit of this.edits.value) {
      if (edit.kind !== "mask") continue;
      const bitmap = await fetchBitmap(edit.url);
      if (bitmap) this.older.set(edit.url, bitmap);
      else this.edits.value = this.edits.value.filter((other) => other !== edit);
    }
  }

  /** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height in pixels of the image */
  attach(canvas, width, height) {
    this.canvas = canvas;
    canvas.width = width;
    canvas.height = height;
    this.redraw();
  }

  /** Whether there are edits that the mask of the form does not have. */
  get isChanged() {
    const edits = this.edits.value;
    return edits.length !== this.saved.length || edits.some((edit, at) => edit !== this.saved[at]);
  }

  /** @param {number} percent */
  setWidth(percent) {
    this.widthPercent.value = Math.min(MAX_WIDTH_PERCENT, Math.max(MIN_WIDTH_PERCENT, percent));
  }

  redraw() {
    this.#draw({ kind: "clear" });
    for (const edit of this.edits.value) this.#draw(edit);
  }

  /** @param {Edit} edit */
  #draw(edit) {
    if (edit.kind === "invert") drawInversion(this.canvas);
    else if (edit.kind === "clear") contextOf(this.canvas).clearRect(0, 0, this.canvas.width, this.canvas.height);
    else if (edit.kind === "mask") drawMask(this.canvas, /** @type {ImageBitmap} */ (this.older.get(edit.url)));
    else drawStroke(this.canvas, edit);
  }

  /** @param {Edit} edit drawn already */
  #append(edit) {
    this.edits.value = [...this.edits.value, edit];
    this.undone.value = [];
  }

  /** @param {number} x @param {number} y in fractions of the image @returns {[number, number]} */
  toPixels = (x, y) => [x * this.canvas.width, y * this.canvas.height];

  /** @param {number} x @param {number} y */
  beginStroke(x, y) {
    const width = (this.widthPercent.value / 100) * Math.min(this.canvas.width, this.canvas.height);
    const kind = this.tool.value === "eraser" ? "eraser" : "brush";
    const stroke = /** @type {Stroke} */ ({ kind, width, points: [this.toPixels(x, y)] });
    this.stroke = stroke;
    drawStroke(this.canvas, stroke);
  }

  /** @param {number} x @param {number} y */
  extendStroke(x, y) {
    if (!this.stroke) return;
    this.stroke.points.push(this.toPixels(x, y));
    drawStroke(this.canvas, this.stroke, this.stroke.points.length - 2);
  }

  endStroke() {
    const { stroke } = this;
    this.stroke = null;
    if (stroke) this.#append(stroke);
  }

  cancelStroke() {
    this.stroke = null;
    this.redraw();
  }

  /** @param {"invert" | "clear"} kind */
  apply(kind) {
    const edit = /** @type {Edit} */ ({ kind });
    this.#draw(edit);
    this.#append(edit);
  }

  undo() {
    const last = this.edits.value.at(-1);
    if (!last) return;
    this.edits.value = this.edits.value.slice(0, -1);
    this.undone.value = [...this.undone.value, last];
    this.redraw();
  }

  redo() {
    const last = this.undone.value.at(-1);
    if (!last) return;
    this.undone.value = this.undone.value.slice(0, -1);
    this.edits.value = [...this.edits.value, last];
    this.redraw();
  }

  isBlank() {
    const probe = shrink(this.canvas, MAX_PROBE_EDGE);
    const { data } = contextOf(probe).getImageData(0, 0, probe.width, probe.height);
    return !data.some((value, index) => index % 4 === 3 && value > 0);
  }

  /** White, with the painted parts transparent. @returns {Promise<Blob>} */
  exportMask() {
    const copy = shrink(this.canvas, Infinity);
    const context = contextOf(copy);
    context.globalCompositeOperation = "source-out";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, copy.width, copy.height);
    return toPng(copy);
  }

  /** A small copy as it looks here. @returns {Promise<Blob>} */
  exportPreview() {
    return toPng(shrink(this.canvas, MAX_PREVIEW_EDGE));
  }
}

/** A copy with no edge above `maxEdge`. @param {HTMLCanvasElement} canvas @param {number} maxEdge */
function shrink(canvas, maxEdge) {
  const scale = Math.min(1, maxEdge / Math.max(canvas.width, canvas.height));
  const copy = document.createElement("canvas");
  copy.width = Math.max(1, Math.round(canvas.width * scale));
  copy.height = Math.max(1, Math.round(canvas.height * scale));
  contextOf(copy).drawImage(canvas, 0, 0, copy.width, copy.height);
  return copy;
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
function toPng(canvas) {
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no PNG"))), "image/png");
  });
}

/** Its pixels, from wherever the gateway keeps it. @param {string} url */
async function fetchBitmap(url) {
  try {
    const response = await fetch(localPath(url));
    return response.ok ? await createImageBitmap(await response.blob()) : null;
  } catch {
    return null;
  }
}
