// The form's column is as high as what is in sight below its upper edge, so that its last row never leaves the window.

/** @param {HTMLElement} form @returns {() => void} the end of it */
export function followFold(form) {
  let scheduled = 0;
  const measure = () => {
    scheduled = 0;
    form.style.setProperty("--top", `${Math.max(0, Math.round(form.getBoundingClientRect().top))}px`);
  };
  const onMove = () => {
    scheduled ||= requestAnimationFrame(measure);
  };
  measure();
  addEventListener("scroll", onMove, { passive: true });
  addEventListener("resize", onMove);
  return () => {
    cancelAnimationFrame(scheduled);
    removeEventListener("scroll", onMove);
    removeEventListener("resize", onMove);
  };
}
