// A mask as what was done to make it: strokes of brush and eraser, and inversions. Drawn again from the start on undo,
// so that a large picture costs its own canvas alone; written as a PNG whose painted places are transparent.

/**
 * @typedef {{kind: "brush" | "eraser", width: number, points: [number, number][]}} Stroke in pixels of the picture
 * @typedef {Stroke | {kind: "invert"}} Mark
 */

// For the eye alone: what counts is where there is any.
const INK = "#e8451f";

/** @param {HTMLCanvasElement} canvas */
const pen = (canvas) => /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));

/** A stroke from one of its points on. @param {HTMLCanvasElement} canvas @param {Stroke} stroke @param {number} [from] */
function drawStroke(canvas, stroke, from = 0) {
  const one = pen(canvas);
  one.globalCompositeOperation = stroke.kind === "brush" ? "source-over" : "destination-out";
  one.lineWidth = stroke.width;
  one.lineCap = one.lineJoin = "round";
  one.strokeStyle = INK;
  one.beginPath();
  const [x, y] = stroke.points[from];
  one.moveTo(x, y);
  one.lineTo(x + 0.01, y); // a line of no length leaves no dot
  for (const point of stroke.points.slice(from)) one.lineTo(...point);
  one.stroke();
}

/** Painted and bare change places. @param {HTMLCanvasElement} canvas */
function invert(canvas) {
  const one = pen(canvas);
  one.globalCompositeOperation = "xor";
  one.fillStyle = INK;
  one.fillRect(0, 0, canvas.width, canvas.height);
}

/** A sheet over the picture, and what was done on it. Strokes are kept as they come, faster than the page is drawn. */
export class Board {
  /** @param {Mark[]} marks @param {() => void} changed told after every mark */
  constructor(marks, changed) {
    this.marks = marks;
    this.tool = /** @type {"brush" | "eraser"} */ ("brush");
    /** Of the brush, in percent of the shorter edge. */
    this.width = 8;
    this.changed = changed;
    this.canvas = document.createElement("canvas");
    this.stroke = /** @type {Stroke | null} */ (null);
  }

  /** @param {HTMLCanvasElement} canvas @param {number} width @param {number} height in pixels of the picture */
  fit(canvas, width, height) {
    this.canvas = canvas;
    canvas.width = width;
    canvas.height = height;
    this.draw();
  }

  draw() {
    pen(this.canvas).clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const mark of this.marks) {
      if (mark.kind === "invert") invert(this.canvas);
      else drawStroke(this.canvas, mark);
    }
    this.changed();
  }

  /** @param {number} x @param {number} y in fractions of the picture @returns {[number, number]} */
  spot = (x, y) => [x * this.canvas.width, y * this.canvas.height];

  /** @param {number} x @param {number} y */
  begin(x, y) {
    this.stroke = { kind: this.tool, width: (this.width / 100) * Math.min(this.canvas.width, this.canvas.height), points: [this.spot(x, y)] };
    drawStroke(this.canvas, this.stroke);
  }

  /** @param {number} x @param {number} y */
  move(x, y) {
    if (!this.stroke) return;
    this.stroke.points.push(this.spot(x, y));
    drawStroke(this.canvas, this.stroke, this.stroke.points.length - 2);
  }

  end() {
    if (this.stroke) this.marks = [...this.marks, this.stroke];
    this.stroke = null;
    this.changed();
  }

  invert() {
    this.marks = [...this.marks, /** @type {Mark} */ ({ kind: "invert" })];
    this.draw();
  }

  undo() {
    this.marks = this.marks.slice(0, -1);
    this.draw();
  }

  get painted() {
    const small = scaled(this.canvas, 256);
    return pen(small).getImageData(0, 0, small.width, small.height).data.some((value, at) => at % 4 === 3 && value > 0);
  }
}

/** The painted places become the transparent ones of a white PNG of the same size. @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export function exported(canvas) {
  const out = scaled(canvas, Infinity);
  const one = pen(out);
  one.globalCompositeOperation = "source-out";
  one.fillStyle = "#fff";
  one.fillRect(0, 0, out.width, out.height);
  return png(out);
}

/** A small picture of it, for the eye. @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
export const thumbnail = (canvas) => png(scaled(canvas, 144));

/** A copy with no edge above `most`. @param {HTMLCanvasElement} canvas @param {number} most */
function scaled(canvas, most) {
  const scale = Math.min(1, most / Math.max(canvas.width, canvas.height));
  const out = document.createElement("canvas");
  out.width = Math.max(1, Math.round(canvas.width * scale));
  out.height = Math.max(1, Math.round(canvas.height * scale));
  pen(out).drawImage(canvas, 0, 0, out.width, out.height);
  return out;
}

/** @param {HTMLCanvasElement} canvas @returns {Promise<Blob>} */
const png = (canvas) => new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("no PNG"))), "image/png"));
