// What fingers, mouse and wheel do over a frame: one pointer drags, two pinch, the wheel zooms at its place.

/**
 * @typedef {import("./zoom_view.js").Point} Point   from the middle of the frame, in CSS pixels
 * @typedef {{move: (point: Point) => void, end: () => void, cancel: () => void}} Grip   what one pointer holds
 * @typedef {{
 *   grip: (point: Point) => Grip | null,
 *   pan: (dx: number, dy: number) => void,
 *   zoom: (factor: number, point: Point) => void,
 *   toggle: (point: Point) => void,
 *   hover: (point: Point | null) => void,
 *   swipe: (dx: number) => void,
 *   beside: () => void,
 * }} Actions   `grip`: null lets the pointer pan; `swipe`: a finger went across; `beside`: a click beside the image
 */

// A hand that clicks moves this far.
const CLICK_PX = 4;
const LINE_PX = 16;
const WHEEL_RATE = 0.002;
// The browser reports a pinch on a touchpad as a wheel with Ctrl and small steps.
const PINCH_RATE = 0.01;
const MIDDLE_BUTTON = 1;

export class Gestures {
  /** @param {HTMLElement} frame @param {() => Actions} actions those of the latest rendering */
  constructor(frame, actions) {
    this.frame = frame;
    this.actions = actions;
    this.pointers = /** @type {Map<number, Point>} */ (new Map());
    this.start = { x: 0, y: 0 };
    this.grip = /** @type {Grip | null} */ (null);
    /** Whether the pointers did more than click. */
    this.moved = false;
    this.pinched = false;
    this.listeners = new AbortController();
    this.#listen("pointerdown", this.#down);
    this.#listen("pointermove", this.#move);
    this.#listen("pointerup", this.#up);
    this.#listen("pointercancel", this.#cancel);
    this.#listen("pointerleave", () => this.actions().hover(null));
    this.#listen("wheel", this.#wheel);
    this.#listen("click", this.#click);
    this.#listen("dblclick", this.#doubleClick);
  }

  end() {
    this.listeners.abort();
  }

  /** @param {string} type @param {(event: any) => void} act */
  #listen(type, act) {
    this.frame.addEventListener(type, act, { signal: this.listeners.signal, passive: false });
  }

  /** @param {MouseEvent} event @returns {Point} */
  #point({ clientX, clientY }) {
    const { left, top, width, height } = this.frame.getBoundingClientRect();
    return { x: clientX - left - width / 2, y: clientY - top - height / 2 };
  }

  #down = (/** @type {PointerEvent} */ event) => {
    if (isOnControl(event) || event.button > MIDDLE_BUTTON) return;
    // Of the middle button, the browser would scroll by itself; of the left one, drag the image away.
    event.preventDefault();
    const point = this.#point(event);
    this.pointers.set(event.pointerId, point);
    if (this.pointers.size === 1) this.#begin(event, point);
    else this.#beginPinch(event);
  };

  /** @param {PointerEvent} event @param {Point} point */
  #begin(event, point) {
    this.start = point;
    this.grip = event.button === MIDDLE_BUTTON ? null : this.actions().grip(point);
    this.moved = this.grip !== null;
    this.pinched = false;
    if (this.grip) this.frame.setPointerCapture(event.pointerId);
  }

  /** @param {PointerEvent} event */
  #beginPinch(event) {
    this.grip?.cancel();
    this.grip = null;
    this.moved = this.pinched = true;
    this.frame.setPointerCapture(event.pointerId);
  }

  #move = (/** @type {PointerEvent} */ event) => {
    const point = this.#point(event);
    if (event.pointerType !== "touch") this.actions().hover(point);
    const old = this.pointers.get(event.pointerId);
    if (!old) return;
    if (this.grip) this.#moveGrip(event, this.grip);
    else if (this.pointers.size > 1) this.#pinch(event.pointerId, point);
    else if (!this.#isDrag(event, point)) return;
    else this.actions().pan(point.x - old.x, point.y - old.y);
    this.pointers.set(event.pointerId, point);
  };

  /**
   * A fast pointer reports several places at once; not on plain http.
   * @param {PointerEvent} event
   * @param {Grip} grip
   */
  #moveGrip(event, grip) {
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) grip.move(this.#point(one));
  }

  /** @param {PointerEvent} event @param {Point} point */
  #isDrag(event, point) {
    if (!this.moved && Math.hypot(point.x - this.start.x, point.y - this.start.y) >= CLICK_PX) {
      this.moved = true;
      // Not before: a click would be told to the frame instead of what it hits.
      this.frame.setPointerCapture(event.pointerId);
    }
    return this.moved;
  }

  /** @param {number} id @param {Point} point where this pointer is now */
  #pinch(id, point) {
    const [one, other] = [...this.pointers.values()];
    const [a, b] = [...this.pointers].map(([key, old]) => (key === id ? point : old));
    const [before, after] = [middle(one, other), middle(a, b)];
    this.actions().zoom(distance(a, b) / Math.max(1, distance(one, other)), before);
    this.actions().pan(after.x - before.x, after.y - before.y);
  }

  #up = (/** @type {PointerEvent} */ event) => {
    if (!this.pointers.delete(event.pointerId)) return;
    this.grip?.end();
    if (!this.grip && this.moved && !this.pinched && event.pointerType === "touch") {
      this.actions().swipe(this.#point(event).x - this.start.x);
    }
    this.grip = null;
  };

  #cancel = (/** @type {PointerEvent} */ event) => {
    this.pointers.delete(event.pointerId);
    this.grip?.cancel();
    this.grip = null;
  };

  #wheel = (/** @type {WheelEvent} */ event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE_PX : 1);
    this.actions().zoom(Math.exp(-pixels * (event.ctrlKey ? PINCH_RATE : WHEEL_RATE)), this.#point(event));
  };

  #click = (/** @type {MouseEvent} */ event) => {
    if (!this.moved && event.target === this.frame) this.actions().beside();
  };

  #doubleClick = (/** @type {MouseEvent} */ event) => {
    if (!isOnControl(event)) this.actions().toggle(this.#point(event));
  };
}

/** @param {Event} event */
const isOnControl = ({ target }) => target instanceof Element && Boolean(target.closest("button, a, input, select"));

/** @param {Point} one @param {Point} other */
const middle = (one, other) => ({ x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 });
/** @param {Point} one @param {Point} other */
const distance = (one, other) => Math.hypot(one.x - other.x, one.y - other.y);
