// Values of the API in the visitor's language, or as they came: an upstream may name some that have no translation.
import { t } from "../i18n.js";

/** @param {string} name of a text @param {string} value what stands there where there is none */
export function textOr(name, value) {
  const text = t(name);
  return text === name ? value : text;
}

/** @param {string | null | undefined} quality */
export const qualityText = (quality) => (quality ? textOr(`playground.quality.${quality}`, quality) : "");

/** As requested: "1:1 · 2K", "Auto". @param {{size?: string | null, resolution?: string | null}} request */
export function requestedSize({ size, resolution }) {
  return [size && textOr(`playground.size.${size}`, size), resolution].filter(Boolean).join(" · ");
}
