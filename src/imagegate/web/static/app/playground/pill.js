// Where form and gallery are below each other: how many runs are under way, and the way to them.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { formatNumber, t } from "../i18n.js";
import { isWide } from "./layout.js";
import { runningRuns } from "./runs.js";

const RUNNING = ".tile:is([data-state=sending], [data-state=pending], [data-state=processing])";

/** The newest of them is the first tile. */
function goToRuns() {
  const target = document.querySelector(RUNNING) ?? document.querySelector("[data-gallery]");
  target?.scrollIntoView({ block: "center" });
  /** @type {HTMLElement | null | undefined} */ (target?.querySelector("[data-show]"))?.focus({ preventScroll: true });
}

function isInView() {
  const box = document.querySelector(RUNNING)?.getBoundingClientRect();
  return Boolean(box && box.bottom > 0 && box.top < innerHeight);
}

export function Pill() {
  const count = runningRuns.value.length;
  const [inView, setInView] = useState(false);
  useEffect(() => {
    const look = () => setInView(isInView());
    look();
    addEventListener("scroll", look, { passive: true });
    return () => removeEventListener("scroll", look);
  }, [count, isWide.value]);
  if (isWide.value || !count || inView) return null;
  return html`
    <button class="button main pill" type="button" data-pill onClick=${goToRuns}>
      ${t("playground.pill", { count: formatNumber(count) })}
    </button>
  `;
}
