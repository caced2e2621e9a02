// A mask as the edits that made it: strokes of brush and eraser, and inversions. Undo draws it again from the start, so
// that a large image costs only its own canvas; exported, it is a PNG whose painted parts are transparent.

/**
 * @typedef {{kind: "brush" | "eraser", width: number, points: [number, number][]}} Stroke in pixels of the image
 * @typedef {Stroke | {kind: "invert"}} Edit
 */

// Only for the eye: what counts is where there is any.
const COLOR = "#e8451f";
const DEFAULT_WIDTH_PERCENT = 8;
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

/** A canvas over the image, with its edits. Strokes are kept as they come, faster than the page is rendered. */
export class MaskCanvas {
  /** @param {Edit[]} edits @param {() => void} onChange called after every edit */
  constructor(edits, onChange) {
    this.edits = edits;
    this.onChange = onChange;
    this.tool = /** @type {"brush" | "eraser"} */ ("brush");
    /** Of the brush, in percent of the shorter edge. */
    this.widthPercent = DEFAULT_WIDTH_PERCENT;
    this.canvas = document.createElement("canvas");
    this.stroke = /** @type {Stroke | null} */ (null);
  }

  /** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height in pixels of the image */
  attach(canvas, width, height) {
    this.canvas = canvas;
    canvas.width = width;
    canvas.height = height;
    this.redraw();
  }

  /** @param {"brush" | "eraser"} tool */
  choose(tool) {
    this.tool = tool;
    this.onChange();
  }

  redraw() {
    contextOf(this.canvas).clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const edit of this.edits) {
      if (edit.kind === "invert") drawInversion(this.canvas);
      else drawStroke(this.canvas, edit);
    }
    this.onChange();
  }

  /** @param {number} x @param {number} y in fractions of the image @returns {[number, number]} */
  toPixels = (x, y) => [x * this.canvas.width, y * this.canvas.height];

  /** @param {number} x @param {number} y */
  beginStroke(x, y) {
    const width = (this.widthPercent / 100) * Math.min(this.canvas.width, this.canvas.height);
    this.stroke = { kind: this.tool, width, points: [this.toPixels(x, y)] };
    drawStroke(this.canvas, this.stroke);
  }

  /** @param {number} x @param {number} y */
  extendStroke(x, y) {
    if (!this.stroke) return;
    this.stroke.points.push(this.toPixels(x, y));
    drawStroke(this.canvas, this.stroke, this.stroke.points.length - 2);
  }

  endStroke() {
    if (this.stroke) this.edits = [...this.edits, this.stroke];
    this.stroke = null;
    this.onChange();
  }

  invert() {
    this.edits = [...this.edits, /** @type {Edit} */ ({ kind: "invert" })];
    this.redraw();
  }

  undo() {
    this.edits = this.edits.slice(0, -1);
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
