// What is asked for: the fields of the form, and the request that they make.
import { computed, signal } from "@preact/signals";
import { get } from "../api.js";

/**
 * @typedef {{id: string, billing_rule: string, parameters: any}} Model
 * @typedef {{prompt: string, mode: "auto" | "ratio" | "custom" | "table", ratio: string, tier: string, width: number,
 *   height: number, table: string, quality: string, n: number, format: string, compression: number,
 *   background: string}} Fields   `table`: a size out of the model's own list
 * @typedef {{key: string, name: string, state: "loading" | "ready" | "bad", url: string, preview: string,
 *   error: string}} Reference   `url`: what the API is given; `preview`: what is shown
 * @typedef {{url: string, preview: string, referenceKey: string, edits: import("./mask_strokes.js").Edit[]}} Mask
 */

const DEFAULT_MODEL = "gpt-image-2";
const DEFAULT_MAX_PROMPT = 32_000;
const DEFAULT_MAX_REFERENCES = 16;

/** The models that the key may use. */
export const modelNames = signal(/** @type {string[]} */ ([]));
export const modelName = signal(document.getElementById("playground")?.dataset.model ?? DEFAULT_MODEL);
/** Without parameters until it was loaded. */
export const model = signal(/** @type {Model} */ ({ id: modelName.value, billing_rule: "per_token", parameters: {} }));
export const fields = signal(
  /** @type {Fields} */ ({
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
  }),
);
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

export const maxPrompt = computed(() => model.value.parameters.prompt?.max_code_points ?? DEFAULT_MAX_PROMPT);
export const maxReferences = computed(() => model.value.parameters.image_urls?.max ?? DEFAULT_MAX_REFERENCES);

/** The size as the API names it. */
const size = computed(() => {
  const { mode, ratio, width, height, table } = fields.value;
  if (mode === "ratio") return ratio;
  if (mode === "custom") return `${width}x${height}`;
  return mode === "table" ? table : "auto";
});

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
    size: size.value,
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

/** @param {string} name */
export async function chooseModel(name) {
  modelName.value = name;
  const reply = await get(`/v1/models/${encodeURIComponent(name)}`);
  if (!reply.ok || modelName.value !== name) return;
  model.value = reply.value;
  fitFieldsToModel();
}

export async function loadModels() {
  const reply = await get("/v1/models");
  if (reply.ok) modelNames.value = reply.value.data.map((/** @type {Model} */ found) => found.id);
  await chooseModel(modelName.value);
}

/** What the model does not offer goes back to its default. */
function fitFieldsToModel() {
  const { quality: qualities, n, size: sizes } = model.value.parameters;
  const { quality, n: count, mode, table } = fields.value;
  const counts = imageCounts(n);
  setFields({
    quality: qualities?.values.includes(quality) ? quality : (qualities?.default ?? ""),
    n: counts.includes(count) ? count : counts[0],
    mode: sizes?.values ? "table" : mode === "table" ? "auto" : mode,
    table: sizes?.values?.includes(table) ? table : "auto",
  });
}

/** @param {{max?: number, values?: number[]} | undefined} rule @returns {number[]} */
export function imageCounts(rule) {
  return rule?.values ?? Array.from({ length: rule?.max ?? 1 }, (_, index) => index + 1);
}

/** Fill the form from a request that was made before. @param {any} old */
export async function fillForm(old) {
  if (old.model !== modelName.value) await chooseModel(old.model);
  const format = old.output_format ?? "png";
  setFields({
    ...sizeFields(old),
    prompt: old.prompt,
    quality: old.quality ?? "",
    n: old.n,
    format,
    compression: format === "png" ? fields.value.compression : (old.output_compression ?? 90),
    background: old.background ?? "opaque",
  });
  fitFieldsToModel();
}

/** @param {{size: string, resolution?: string}} old @returns {Partial<Fields>} */
function sizeFields({ size: name, resolution }) {
  if (model.value.parameters.size?.values) return { mode: "table", table: name };
  if (name === "auto") return { mode: "auto" };
  const pixels = /^(\d+)x(\d+)$/.exec(name);
  if (pixels) return { mode: "custom", width: Number(pixels[1]), height: Number(pixels[2]) };
  return { mode: "ratio", ratio: name, tier: resolution ?? "1K" };
}
