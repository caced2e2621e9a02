// Names of image files, and saving them.
import { localPath } from "../api.js";
import { localDay } from "../dates.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { promptOf } from "./items.js";

/** @typedef {import("./images.js").Image} Image */

const MAX_WORDS = 6;
const MAX_SLUG = 48;
const REVOKE_MS = 60_000;
const GONE = [404, 410];

/** "2026-11-30-red-fox-in-snow-1.png" @param {Image} image */
export const fileName = (image) => `${stem(image)}.${extension(image)}`;

/** Of several images that go into one folder: no two are the same. @param {Image[]} images @returns {string[]} */
export function fileNames(images) {
  const counts = /** @type {Map<string, number>} */ (new Map());
  return images.map((image) => {
    const name = stem(image);
    const count = (counts.get(name) ?? 0) + 1;
    counts.set(name, count);
    return `${name}${count > 1 ? `_${count}` : ""}.${extension(image)}`;
  });
}

/** @param {Image} image */
function stem({ run, index }) {
  const day = localDay(new Date(run.task.created * 1000));
  return `${day}-${slug(promptOf({ run })) || run.id}-${index + 1}`;
}

/** @param {Image} image */
const extension = ({ result }) => result.mime_type.split("/")[1].replace("jpeg", "jpg");

/** The first words, in letters of any script. @param {string} prompt */
function slug(prompt) {
  const words =
    prompt
      .normalize("NFC")
      .toLowerCase()
      .match(/[\p{L}\p{M}\p{N}]+/gu) ?? [];
  const [first = "", ...others] = words.slice(0, MAX_WORDS);
  let text = [...first].slice(0, MAX_SLUG).join("");
  for (const word of others) {
    if (text.length + word.length >= MAX_SLUG) break;
    text += `-${word}`;
  }
  return text;
}

/** @param {string} url @param {string} name */
function saveFile(url, name) {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  saveFile(url, name);
  setTimeout(() => URL.revokeObjectURL(url), REVOKE_MS);
}

/** The original under its name here: of a link, the gateway's header would name it. @param {Image} image */
export async function saveImage(image) {
  const url = localPath(image.result.image_url);
  const response = await fetch(url).catch(() => null);
  // Without https a bucket may refuse our scripts, but not a link.
  if (!response) return saveFile(url, fileName(image));
  if (!response.ok)
    return showToast(t(GONE.includes(response.status) ? "playground.expired" : "app.errors.codes.network"), "bad");
  saveBlob(await response.blob(), fileName(image));
}
