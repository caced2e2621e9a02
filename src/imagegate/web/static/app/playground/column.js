// A column is as high as what is in sight below its upper edge, so that its last row never leaves the window.

/** @param {HTMLElement} column @returns {() => void} the end of it */
export function followFold(column) {
  const measure = () =>
    column.style.setProperty("--top", `${Math.max(0, Math.round(column.getBoundingClientRect().top))}px`);
  measure();
  // Both come once a frame, before it is drawn.
  addEventListener("scroll", measure, { passive: true });
  addEventListener("resize", measure);
  return () => {
    removeEventListener("scroll", measure);
    removeEventListener("resize", measure);
  };
}
