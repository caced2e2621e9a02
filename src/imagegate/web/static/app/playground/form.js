// What is being asked for: the fields of the form, and the request that they make.
import { computed, signal } from "@preact/signals";
import { call } from "../api.js";

/**
 * @typedef {{id: string, billing_rule: string, parameters: any}} Model
 * @typedef {{prompt: string, mode: "auto" | "ratio" | "custom" | "table", ratio: string, tier: string, width: number,
 *   height: number, table: string, quality: string, n: number, format: string, compression: number,
 *   background: string}} Fields
 * @typedef {{key: string, name: string, state: "loading" | "ready" | "bad", url: string, preview: string,
 *   fault: string}} Reference   `url`: what the API is given; `preview`: what is shown
 */

const place = document.getElementById("playground");

/** Names that the key may use. */
export const names = signal(/** @type {string[]} */ ([]));
export const modelName = signal(place?.dataset.model ?? "gpt-image-2");
/** Empty parameters until it was asked for. */
export const model = signal(/** @type {Model} */ ({ id: modelName.value, billing_rule: "per_token", parameters: {} }));
export const fields = signal(/** @type {Fields} */ ({
  prompt: "", mode: "auto", ratio: "1:1", tier: "1K", width: 1024, height: 1024, table: "auto", quality: "", n: 1,
  format: "png", compression: 90, background: "opaque",
}));
export const references = signal(/** @type {Reference[]} */ ([]));
/** The mask on the reference whose key is `of`; it counts while that one is the first. */
export const mask = signal(/** @type {{url: string, preview: string, of: string, marks: import("./marks.js").Mark[]} | null} */ (null));

/** @param {Partial<Fields>} changes */
export function change(changes) {
  fields.value = { ...fields.value, ...changes };
}

/** Unicode code points, as the API counts. @param {string} text */
export const codePoints = (text) => [...text].length;

/** The size as the API names it. */
export const size = computed(() => {
  const one = fields.value;
  if (one.mode === "ratio") return one.ratio;
  if (one.mode === "custom") return `${one.width}x${one.height}`;
  return one.mode === "table" ? one.table : "auto";
});

export const readyReferences = computed(() => references.value.filter((one) => one.state === "ready"));

/** Whether the mask belongs to the reference that the API applies it to. */
export const masked = computed(() => mask.value !== null && readyReferences.value[0]?.key === mask.value.of);

export const request = computed(() => {
  const one = fields.value;
  const known = model.value.parameters;
  const urls = readyReferences.value.map((reference) => reference.url);
  return {
    model: modelName.value,
    prompt: one.prompt,
    size: size.value,
    ...(one.mode === "ratio" && known.resolution ? { resolution: one.tier } : {}),
    ...(known.quality ? { quality: one.quality || known.quality.default } : {}),
    n: one.n,
    ...(urls.length ? { image_urls: urls } : {}),
    ...(masked.value && known.mask_url ? { mask_url: mask.value?.url } : {}),
    output_format: one.format,
    ...(one.format === "png" ? {} : { output_compression: one.compression }),
    ...(one.background === "opaque" ? {} : { background: one.background }),
  };
});

/** @param {string} name */
export async function chooseModel(name) {
  modelName.value = name;
  const reply = await call(`/v1/models/${encodeURIComponent(name)}`);
  if (!reply.ok || modelName.value !== name) return;
  model.value = reply.value;
  fit();
}

export async function loadModels() {
  const reply = await call("/v1/models");
  if (reply.ok) names.value = reply.value.data.map((/** @type {Model} */ one) => one.id);
  await chooseModel(modelName.value);
}

/** What the model does not know goes back to its default. */
function fit() {
  const known = model.value.parameters;
  const one = fields.value;
  const counts = countsOf(known.n);
  const table = known.size?.values;
  change({
    quality: known.quality?.values.includes(one.quality) ? one.quality : known.quality?.default ?? "",
    n: counts.includes(one.n) ? one.n : counts[0],
    mode: table ? "table" : one.mode === "table" ? "auto" : one.mode,
    table: table?.includes(one.table) ? one.table : "auto",
  });
}

/** @param {{max?: number, values?: number[]} | undefined} rule @returns {number[]} */
export function countsOf(rule) {
  return rule?.values ?? Array.from({ length: rule?.max ?? 1 }, (_, at) => at + 1);
}

/** Fill the form from a request that was made before. @param {any} old */
export async function edit(old) {
  if (old.model !== modelName.value) await chooseModel(old.model);
  const pixels = /^(\d+)x(\d+)$/.exec(old.size);
  const known = model.value.parameters;
  /** @type {Partial<Fields>} */
  const sized = known.size?.values ? { mode: "table", table: old.size }
    : pixels ? { mode: "custom", width: Number(pixels[1]), height: Number(pixels[2]) }
    : old.size === "auto" ? { mode: "auto" } : { mode: "ratio", ratio: old.size, tier: old.resolution ?? "1K" };
  change({
    ...sized, prompt: old.prompt, quality: old.quality ?? "", n: old.n, format: old.output_format ?? "png",
    compression: old.output_format === "png" ? fields.value.compression : old.output_compression ?? 90,
    background: old.background ?? "opaque",
  });
  fit();
}
