// The model that is asked, and what it accepts.
import { computed, signal } from "@preact/signals";
import { get } from "../api.js";

/** @typedef {{id: string, billing_rule: string, parameters: any}} Model */

const DEFAULT_MODEL = "gpt-image-2";
const DEFAULT_MAX_PROMPT = 32_000;
const DEFAULT_MAX_REFERENCES = 16;
const DEFAULT_MAX_BYTES = 50 * 1024 * 1024;

/** The model whose page this is. */
export const pageModel = document.getElementById("playground")?.dataset.model ?? DEFAULT_MODEL;
/** The models that the visitor may use. */
export const modelNames = signal(/** @type {string[]} */ ([]));
export const modelName = signal(pageModel);
/** Without parameters until it was loaded. */
export const model = signal(/** @type {Model} */ ({ id: pageModel, billing_rule: "per_token", parameters: {} }));
/** The model that was asked for last and has answered, or could not. */
const settledName = signal("");
/** Whether all is known of the model that will be. */
export const isModelSettled = computed(() => settledName.value === modelName.value);
/** Whether `model` is the one that `modelName` names. */
export const isModelLoaded = computed(() => model.value.id === modelName.value && "prompt" in model.value.parameters);

export const maxPrompt = computed(() => model.value.parameters.prompt?.max_code_points ?? DEFAULT_MAX_PROMPT);
export const maxReferences = computed(() => model.value.parameters.image_urls?.max ?? DEFAULT_MAX_REFERENCES);
export const maxReferenceBytes = computed(() => model.value.parameters.image_urls?.max_bytes ?? DEFAULT_MAX_BYTES);

/** The numbers of images that a rule allows. @param {{max?: number, values?: number[]} | undefined} rule */
export function imageCounts(rule) {
  return rule?.values ?? Array.from({ length: rule?.max ?? 1 }, (_, index) => index + 1);
}

/** @param {string} name @returns {Promise<boolean>} whether it is the model now */
export async function loadModel(name) {
  modelName.value = name;
  const reply = await get(`/v1/models/${encodeURIComponent(name)}`);
  if (modelName.value !== name) return false;
  // A name that the catalog spells otherwise (an alias) is kept as it was asked for.
  if (reply.ok) model.value = { ...reply.value, id: name };
  settledName.value = name;
  return reply.ok;
}

export async function loadModelNames() {
  const reply = await get("/v1/models");
  if (reply.ok) modelNames.value = reply.value.data.map((/** @type {Model} */ found) => found.id);
}
