// Whether there is room for two columns.
import { signal } from "@preact/signals";

const query = matchMedia("(min-width: 64rem)");

/** Form and gallery stand side by side, the drawer beside the gallery; else all are below each other. */
export const isWide = signal(query.matches);
query.addEventListener("change", () => {
  isWide.value = query.matches;
});
