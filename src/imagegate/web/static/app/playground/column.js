// The form's column is as high as what is in sight below its upper edge, so that its last row never leaves the window.

/** @param {HTMLElement} form @returns {() => void} the end of it */
export function followFold(form) {
  const measure = () =>
    form.style.setProperty("--top", `${Math.max(0, Math.round(form.getBoundingClientRect().top))}px`);
  measure();
  // Both come once a frame, before it is drawn.
  addEventListener("scroll", measure, { passive: true });
  addEventListener("resize", measure);
  return () => {
    removeEventListener("scroll", measure);
    removeEventListener("resize", measure);
  };
}
