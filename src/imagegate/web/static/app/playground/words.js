// Values of the API in the visitor's language, or as they came.
import { textOr } from "../i18n.js";

/** @param {string | null | undefined} quality */
export const qualityText = (quality) => (quality ? textOr(`playground.quality.${quality}`, quality) : "");

/** As requested: "1:1 · 2K", "Auto". @param {{size?: string | null, resolution?: string | null}} request */
export function requestedSize({ size, resolution }) {
  return [size && textOr(`playground.size.${size}`, size), resolution].filter(Boolean).join(" · ");
}
