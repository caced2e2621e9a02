// What is seen of an image: how far it is enlarged, and which of its points is in the middle. Frames that share a
// `Zoom` show the same part of their images, whatever their sizes.
import { signal } from "@preact/signals";

/**
 * @typedef {{width: number, height: number}} Size
 * @typedef {{x: number, y: number}} Point
 * @typedef {{scale: number, x: number, y: number}} View   `scale` 1: the whole image; x, y in fractions of the image
 * @typedef {{frame: Size, sheet: Size, fit: number}} Geometry   in CSS pixels; `sheet`: the image at scale 1, `fit`:
 *   CSS pixels for each of its pixels then
 */

const MAX_SCALE = 16;
const STEP = 1.5;
const PAN_SHARE = 0.15;
/** @type {View} */
const WHOLE = { scale: 1, x: 0.5, y: 0.5 };
/** @type {Point} */
const MIDDLE = { x: 0, y: 0 };

/** @param {Size} frame @param {Size} image @param {boolean} enlarges beyond its own pixels @returns {Geometry} */
export function fitImage(frame, image, enlarges) {
  const fit = Math.min(frame.width / image.width, frame.height / image.height, enlarges ? Infinity : 1);
  return { frame, sheet: { width: image.width * fit, height: image.height * fit }, fit };
}

/** The share of the image that its frame shows at once. @param {number} scale @param {Geometry} geometry */
const shares = (scale, { frame, sheet }) => ({
  x: frame.width / (sheet.width * scale),
  y: frame.height / (sheet.height * scale),
});

/** @param {number} middle @param {number} share */
const clampMiddle = (middle, share) => (share >= 1 ? 0.5 : Math.min(1 - share / 2, Math.max(share / 2, middle)));

/** No more beside the image than needed. @param {View} view @param {Geometry} geometry @returns {View} */
export function clampView({ scale, x, y }, geometry) {
  const share = shares(scale, geometry);
  return { scale, x: clampMiddle(x, share.x), y: clampMiddle(y, share.y) };
}

/** From where to where the image is seen, across. @param {View} view @param {Geometry} geometry */
export function seenAcross({ scale, x }, geometry) {
  const half = shares(scale, geometry).x / 2;
  return { from: Math.max(0, x - half), to: Math.min(1, x + half) };
}

/**
 * In fractions of the image.
 * @param {Point} point from the middle of the frame
 * @param {View} view
 * @param {Geometry} geometry
 */
export const placeOf = (point, { scale, x, y }, { sheet }) => ({
  x: x + point.x / (sheet.width * scale),
  y: y + point.y / (sheet.height * scale),
});

/**
 * From the left and top of the frame.
 * @param {Point} place in fractions of the image
 * @param {View} view
 * @param {Geometry} geometry
 * @returns {Point}
 */
export const pointOf = (place, { scale, x, y }, { frame, sheet }) => ({
  x: frame.width / 2 + (place.x - x) * sheet.width * scale,
  y: frame.height / 2 + (place.y - y) * sheet.height * scale,
});

export class Zoom {
  /** @param {boolean} [enlarges] whether a small image fills its frame */
  constructor(enlarges = false) {
    this.enlarges = enlarges;
    this.view = signal(WHOLE);
    /** Of the frame that was measured last. */
    this.geometry = signal(/** @type {Geometry | null} */ (null));
  }

  /** @param {number} scale @param {Point} [point] stays where it is @param {Geometry | null} [geometry] */
  zoomTo(scale, point = MIDDLE, geometry = this.geometry.peek()) {
    if (!geometry) return;
    const old = clampView(this.view.peek(), geometry);
    const place = placeOf(point, old, geometry);
    const next = Math.min(MAX_SCALE, Math.max(1, scale));
    const { sheet } = geometry;
    const [x, y] = [place.x - point.x / (sheet.width * next), place.y - point.y / (sheet.height * next)];
    this.view.value = clampView({ scale: next, x, y }, geometry);
  }

  /** @param {number} factor @param {Point} [point] @param {Geometry} [geometry] */
  zoomBy(factor, point, geometry) {
    this.zoomTo(this.view.peek().scale * factor, point, geometry);
  }

  /** @param {number} dx @param {number} dy of the image, in CSS pixels @param {Geometry} geometry */
  panBy(dx, dy, geometry) {
    const { scale, x, y } = clampView(this.view.peek(), geometry);
    const { width, height } = geometry.sheet;
    this.view.value = clampView({ scale, x: x - dx / (width * scale), y: y - dy / (height * scale) }, geometry);
  }

  /** Move to a place that is not seen. @param {Point} place in fractions of the image */
  reveal({ x, y }) {
    const geometry = this.geometry.peek();
    if (!geometry) return;
    const view = clampView(this.view.peek(), geometry);
    const { frame } = geometry;
    const point = pointOf({ x, y }, view, geometry);
    const isSeen = point.x >= 0 && point.y >= 0 && point.x <= frame.width && point.y <= frame.height;
    if (!isSeen) this.view.value = clampView({ scale: view.scale, x, y }, geometry);
  }

  /** By a part of what is seen. @param {number} right @param {number} down */
  step(right, down) {
    const geometry = this.geometry.peek();
    if (geometry)
      this.panBy(-right * geometry.frame.width * PAN_SHARE, -down * geometry.frame.height * PAN_SHARE, geometry);
  }

  zoomIn = () => this.zoomBy(STEP);
  zoomOut = () => this.zoomBy(1 / STEP);
  reset = () => {
    this.view.value = WHOLE;
  };

  /** The whole image, or its own pixels at this point. @param {Point} point @param {Geometry} geometry */
  toggle(point, geometry) {
    if (this.view.peek().scale > 1) this.reset();
    else this.zoomTo(Math.max(2, 1 / geometry.fit), point, geometry);
  }
}
