// What is asked for: the fields of the form, the request that they make, and why it cannot be run yet.
import { computed, signal } from "@preact/signals";
import { localPath } from "../api.js";
import { t } from "../i18n.js";
import { randomId } from "../ids.js";
import {
  imageCounts,
  isModelLoaded,
  loadModel,
  loadModelNames,
  maxPrompt,
  maxReferences,
  model,
  modelName,
} from "./model.js";
import { pixelError, sizeOfRatio, snapEdge } from "./sizes.js";

/**
 * @typedef {{prompt: string, mode: "auto" | "ratio" | "custom" | "table", ratio: string, tier: string, width: number,
 *   height: number, table: string, quality: string, n: number, format: string, compression: number,
 *   background: string}} Fields   `table`: a size out of the model's own list
 * @typedef {{key: string, name: string, state: "waiting" | "loading" | "ready" | "bad", url: string, preview: string,
 *   error: string, progress: number}} Reference   `url`: what the API is given; `preview`: what is shown; "waiting":
 *   for somebody to sign in; `progress` of the upload, 0 to 1
 * @typedef {{url: string, preview: string, referenceKey: string, edits: import("./mask_strokes.js").Edit[],
 *   image?: Blob}} Mask   `image`: what `preview` shows
 */

export const FORMATS = ["png", "jpeg", "webp"];

/** @type {Readonly<Fields>} */
export const EMPTY_FIELDS = {
  prompt: "",
  mode: "auto",
  ratio: "1:1",
  tier: "1K",
  width: 1024,
  height: 1024,
  table: "auto",
  quality: "",
  n: 1,
  format: "png",
  compression: 90,
  background: "opaque",
};

export const fields = signal(/** @type {Fields} */ ({ ...EMPTY_FIELDS }));
export const references = signal(/** @type {Reference[]} */ ([]));
/** It counts only while its reference is the first one. */
export const mask = signal(/** @type {Mask | null} */ (null));

/** @param {Partial<Fields>} changes */
export function setFields(changes) {
  fields.value = { ...fields.value, ...changes };
}

export function focusPrompt() {
  document.getElementById("pg-prompt")?.focus();
}

/** Unicode code points, as the API counts. @param {string} text */
export const countCodePoints = (text) => [...text].length;

/** The size as the API names it. @param {Fields} fields */
export function sizeName({ mode, ratio, width, height, table }) {
  if (mode === "ratio") return ratio;
  if (mode === "custom") return `${width}x${height}`;
  return mode === "table" ? table : "auto";
}

const readyReferences = computed(() => references.value.filter((reference) => reference.state === "ready"));

/** Whether the mask belongs to the reference that the API applies it to. */
export const maskApplies = computed(
  () => mask.value !== null && readyReferences.value[0]?.key === mask.value.referenceKey,
);

export const request = computed(() => {
  const { prompt, mode, tier, quality, n, format, compression, background } = fields.value;
  const { parameters } = model.value;
  const urls = readyReferences.value.map((reference) => reference.url);
  return {
    model: modelName.value,
    prompt,
    size: sizeName(fields.value),
    ...(mode === "ratio" && parameters.resolution ? { resolution: tier } : {}),
    ...(parameters.quality ? { quality: quality || parameters.quality.default } : {}),
    n,
    ...(urls.length ? { image_urls: urls } : {}),
    ...(maskApplies.value && parameters.mask_url ? { mask_url: mask.value?.url } : {}),
    output_format: format,
    ...(format === "png" ? {} : { output_compression: compression }),
    ...(background === "opaque" ? {} : { background }),
  };
});

/** @param {string} name @param {Record<string, string | number>} [values] */
const obstacle = (name, values) => t(`playground.obstacle.${name}`, values);

/** @param {Reference} reference */
function referenceFault({ name, state }) {
  if (state === "bad") return obstacle("reference", { name });
  return state === "loading" ? obstacle("uploading", { name }) : "";
}

function maskFault() {
  if (!mask.value) return "";
  if (model.value.parameters.mask_url === false) return obstacle("no_mask");
  if (!mask.value.url) return obstacle("mask_lost");
  return maskApplies.value || references.value[0]?.state === "loading" ? "" : t("playground.mask.not_first");
}

/** Why these settings cannot be priced or run, apart from a prompt that is still empty. */
export const faults = computed(() => {
  const { prompt, mode, width, height } = fields.value;
  const rules = model.value.parameters.size?.pixels;
  return [
    countCodePoints(prompt) > maxPrompt.value && obstacle("long"),
    mode === "custom" && rules && pixelError(width, height, rules) && obstacle("size"),
    references.value.length > maxReferences.value && t("playground.references.full", { max: maxReferences.value }),
    ...references.value.map(referenceFault),
    maskFault(),
  ].filter((text) => typeof text === "string" && text !== "");
});

/** Why the form cannot be run, a text each; none: it can. */
export const blockers = computed(() =>
  fields.value.prompt.trim() ? faults.value : [obstacle("empty"), ...faults.value],
);

/** @param {string} name */
export async function chooseModel(name) {
  if (await loadModel(name)) fitFieldsToModel();
}

export async function loadModels() {
  await Promise.all([loadModelNames(), chooseModel(modelName.value)]);
}

/** What the model does not offer goes back to its default. */
export function fitFieldsToModel() {
  if (!isModelLoaded.value) return;
  const { quality: qualities, n, resolution } = model.value.parameters;
  const { quality, n: count, tier } = fields.value;
  const counts = imageCounts(n);
  setFields({
    ...sizeFields(sizeName(fields.value)),
    tier: resolution?.values.includes(tier) ? tier : EMPTY_FIELDS.tier,
    quality: qualities?.values.includes(quality) ? quality : (qualities?.default ?? ""),
    n: counts.includes(count) ? count : counts[0],
  });
}

/**
 * The fields that name this size, or the nearest that the model has.
 * @param {string} name
 * @returns {Partial<Fields>}
 */
function sizeFields(name) {
  const { values, ratios, pixels: rules } = model.value.parameters.size ?? {};
  if (values) return { mode: "table", table: values.includes(name) ? name : sizeOfRatio(name, values) };
  const pixels = /^(\d{1,5})x(\d{1,5})$/.exec(name);
  if (pixels) {
    const [width, height] = pixels.slice(1).map((edge) => (rules ? snapEdge(Number(edge), rules) : Number(edge)));
    return { mode: "custom", width, height };
  }
  const isRatio = ratios?.includes(name) ?? /^\d+:\d+$/.test(name);
  return isRatio ? { mode: "ratio", ratio: name } : { mode: "auto" };
}

/** @typedef {{model: string, fields: Fields, references: Reference[], mask: Mask | null}} FormState */

/** @returns {FormState} */
export const formState = () => ({
  model: modelName.value,
  fields: fields.value,
  references: references.value,
  mask: mask.value,
});

/** Counts the steps that "back" undoes: runs, and what was filled in. */
export const steps = signal(0);

/** What stood in the form before something else took its place; null where nothing was lost. */
export const overwritten = signal(/** @type {FormState | null} */ (null));

/** @param {FormState} before */
export function offerUndo(before) {
  const isKept = (/** @type {Reference} */ { key }) => references.value.some((one) => one.key === key);
  const { prompt } = before.fields;
  const lostText = prompt.trim() !== "" && prompt !== fields.value.prompt;
  overwritten.value = lostText || !before.references.every(isKept) ? before : null;
}

/** @param {FormState} state */
export async function restoreForm(state) {
  fields.value = state.fields;
  references.value = state.references;
  mask.value = state.mask;
  if (state.model !== modelName.value) await chooseModel(state.model);
}

/** @param {number} value */
const isPercentage = (value) => Number.isInteger(value) && value >= 0 && value <= 100;

/** Settings of a request, each of which may be missing. @param {any} old @returns {Partial<Fields>} */
export function requestFields(old) {
  const format = FORMATS.includes(old.output_format) ? old.output_format : EMPTY_FIELDS.format;
  const compression = Number(old.output_compression ?? EMPTY_FIELDS.compression);
  return {
    ...sizeFields(String(old.size ?? "auto")),
    tier: old.resolution ?? EMPTY_FIELDS.tier,
    prompt: String(old.prompt ?? ""),
    quality: old.quality ?? "",
    n: Number(old.n ?? 1),
    format,
    compression: format !== "png" && isPercentage(compression) ? compression : EMPTY_FIELDS.compression,
    background: old.background === "transparent" && format !== "jpeg" ? "transparent" : "opaque",
  };
}

/**
 * Fill the form from a request that was made before, or an example. What was typed can be had back (`overwritten`).
 * @param {any} old
 */
export async function fillForm(old) {
  const before = formState();
  steps.value += 1;
  if (old.model && old.model !== modelName.value) await chooseModel(old.model);
  setFields(requestFields(old));
  fitFieldsToModel();
  const urls = /** @type {string[]} */ (old.image_urls ?? []);
  references.value = urls.map((url, index) =>
    storedReference(url, t("playground.references.of_run", { number: index + 1 })),
  );
  const [first] = references.value;
  mask.value = old.mask_url && first ? { url: old.mask_url, preview: "", referenceKey: first.key, edits: [] } : null;
  offerUndo(before);
}

/**
 * An image that the gateway has already.
 * @param {string} url
 * @param {string} name
 * @param {string} [preview]
 * @returns {Reference}
 */
export function storedReference(url, name, preview = url) {
  return { key: randomId(), name, state: "ready", url, preview: localPath(preview), error: "", progress: 1 };
}
