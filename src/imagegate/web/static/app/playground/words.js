// Values of the API in the visitor's language, or as they came.
import { t, textOr } from "../i18n.js";
import { promptOf } from "./items.js";

const MAX_ALT = 120;

/** What an image is to those who do not see it. @param {import("./images.js").Image} image */
export const altText = ({ run, index }) =>
  t("playground.image_alt", { number: index + 1, prompt: promptOf({ run }).slice(0, MAX_ALT) });

/** @param {string | null | undefined} quality */
export const qualityText = (quality) => (quality ? textOr(`playground.quality.${quality}`, quality) : "");

/** As requested: "1:1 · 2K", "Auto". @param {{size?: string | null, resolution?: string | null}} request */
export function requestedSize({ size, resolution }) {
  return [size && textOr(`playground.size.${size}`, size), resolution].filter(Boolean).join(" · ");
}
