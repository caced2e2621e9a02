// An image as it stands in a comparison.
import { html } from "html";
import { localPath } from "../api.js";
import { promptOf } from "./items.js";
import { altText, qualityText } from "./words.js";

/** @typedef {import("./images.js").Image} Image */

/** Model, quality, size and the prompt. @param {Image} image */
export function describeImage(image) {
  const { run, result } = image;
  const facts = [
    run.task.model,
    qualityText(run.task.request?.quality),
    `${result.width} × ${result.height}`,
    promptOf(image),
  ];
  return facts.filter(Boolean).join(" · ");
}

/** @param {{image: Image, style?: Record<string, string>}} props */
export function ComparedImage({ image, style }) {
  const { image_url, width, height } = image.result;
  const alt = altText(image);
  return html`<img src=${localPath(image_url)} ...${{ width, height, style, alt }} draggable=${false} />`;
}
