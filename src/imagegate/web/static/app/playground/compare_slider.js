// Two images over each other; what is left of the edge is of one, what is right of it of the other.
import { html } from "html";
import { useState } from "preact/hooks";
import { withValue } from "../dom.js";
import { t } from "../i18n.js";
import { ComparedImage, describeImage } from "./compare_image.js";
import { ZoomFrame } from "./zoom.js";
import { pointOf, seenAcross } from "./zoom_view.js";

/** @typedef {import("./images.js").Image} Image */
/** @typedef {import("./zoom_view.js").Zoom} Zoom */
/** @typedef {import("./zoom_view.js").View} View */
/** @typedef {import("./zoom_view.js").Geometry} Geometry */

/** So close to the edge of an enlarged image, the pointer takes it instead of the image. */
const GRIP_PX = 24;

/** Which two is chosen where there are more. @param {{zoom: Zoom, images: Image[], onBeside: () => void}} props */
export function Slider({ zoom, images, onBeside }) {
  const [sides, setSides] = useState([0, 1]);
  const [left, right] = sides.map((index) => images[index]);
  const setSide = (/** @type {number} */ side) => (/** @type {string} */ value) =>
    setSides(sides.map((old, index) => (index === side ? Number(value) : old)));
  return html`
    <${SliderFrame} ...${{ zoom, left, right, onBeside }} />
    <div class="slider-sides">
      <${Side} name="left" images=${images} index=${sides[0]} onPick=${setSide(0)} />
      <${Side} name="right" images=${images} index=${sides[1]} onPick=${setSide(1)} />
    </div>
  `;
}

/** The edge is a place of what is seen, so that it stays in sight while the images move under it. */
class Edge {
  /** @param {number} percent @param {View} view @param {Geometry} geometry */
  constructor(percent, view, geometry) {
    const { from, to } = seenAcross(view, geometry);
    this.from = from;
    this.span = to - from;
    /** In fractions of the image. */
    this.place = from + (percent / 100) * this.span;
    this.imageWidth = geometry.sheet.width * view.scale;
    const top = pointOf({ x: this.place, y: 0 }, view, geometry);
    const { height } = geometry.frame;
    /** In CSS pixels of the frame: as high as what is seen. */
    this.left = top.x;
    this.top = Math.max(0, top.y);
    this.height = Math.min(height, pointOf({ x: 0, y: 1 }, view, geometry).y) - this.top;
  }

  /** @param {number} x in fractions of the image */
  percentAt(x) {
    return Math.min(100, Math.max(0, (100 * (x - this.from)) / this.span));
  }

  /** @param {number} x in fractions of the image */
  isNear(x) {
    return Math.abs(x - this.place) * this.imageWidth < GRIP_PX;
  }
}

/** @param {import("./zoom.js").Place} place */
const isInside = ({ x, y }) => x >= 0 && x <= 1 && y >= 0 && y <= 1;

/** @param {{zoom: Zoom, left: Image, right: Image, onBeside: () => void}} props */
function SliderFrame({ zoom, left, right, onBeside }) {
  const [percent, setPercent] = useState(50);
  const onGrip = /** @type {import("./zoom.js").OnGrip} */ (place, view, geometry) => {
    const edge = new Edge(percent, view, geometry);
    // An enlarged image is moved, unless the edge is taken.
    if (!edge.isNear(place.x) && (view.scale > 1 || !isInside(place))) return null;
    const move = (/** @type {{x: number}} */ { x }) => setPercent(edge.percentAt(x));
    move(place);
    return { move, end: () => {}, cancel: () => {} };
  };
  const sheet = (/** @type {View} */ view, /** @type {Geometry} */ geometry) => {
    const cut = 100 - 100 * new Edge(percent, view, geometry).place;
    return html`
      <${ComparedImage} image=${right} />
      <${ComparedImage} image=${left} style=${{ clipPath: `inset(0 ${cut}% 0 0)` }} />
    `;
  };
  const overlay = (/** @type {View} */ view, /** @type {Geometry} */ geometry) => {
    const { left: x, top, height: length } = new Edge(percent, view, geometry);
    const style = { left: `${x}px`, top: `${top}px`, height: `${length}px` };
    return html`
      <input
        type="range"
        class="unseen"
        min="0"
        max="100"
        value=${Math.round(percent)}
        aria-label=${t("playground.compare.slider")}
        onInput=${withValue((value) => setPercent(Number(value)))}
      />
      <span class="slider-edge" style=${style} aria-hidden="true"></span>
    `;
  };
  const { width, height } = right.result;
  return html`<${ZoomFrame} ...${{ zoom, width, height, onGrip, onBeside, overlay }}>${sheet}<//>`;
}

/** @param {{name: string, images: Image[], index: number, onPick: (value: string) => void}} props */
function Side({ name, images, index, onPick }) {
  const label = t(`playground.compare.${name}`);
  const about = describeImage(images[index]);
  if (images.length === 2) return html`<p class="small" title=${about}><b>${label}</b> ${about}</p>`;
  const option = (/** @type {Image} */ image, /** @type {number} */ at) =>
    html`<option key=${at} value=${at} selected=${at === index}>${at + 1} · ${describeImage(image)}</option>`;
  return html`
    <label class="small">
      <b>${label}</b>
      <select class="input tight" data-side=${name} onChange=${withValue(onPick)}>${images.map(option)}</select>
    </label>
  `;
}
