// The settings and the prompt after # in the address: to share, to bookmark, to go back to. No key, no reference.
import { EMPTY_FIELDS, fields, fitFieldsToModel, requestFields, setFields, sizeName } from "./form.js";
import { loadModel, model, modelName, pageModel } from "./model.js";

/** As the API names them. A # that names none of these is a place on the page, or not ours. */
const NAMES = [
  "prompt",
  "model",
  "size",
  "resolution",
  "quality",
  "n",
  "output_format",
  "output_compression",
  "background",
];
/** A longer prompt is kept in the draft alone: links of this length still pass through mail and chat. */
const MAX_PROMPT = 4000;
const MAX_ADDRESS = 100_000;

/** The settings that differ from the model's own, as they stand after #. */
export function formAddress() {
  const { prompt, mode, tier, quality, n, format, compression, background } = fields.value;
  const { parameters } = model.value;
  const size = sizeName(fields.value);
  const settings = {
    model: modelName.value === pageModel ? "" : modelName.value,
    size: size === "auto" ? "" : size,
    resolution: mode === "ratio" && parameters.resolution && tier !== EMPTY_FIELDS.tier ? tier : "",
    quality: quality === parameters.quality?.default ? "" : quality,
    n: n === 1 ? "" : String(n),
    output_format: format === "png" ? "" : format,
    output_compression: format === "png" || compression === EMPTY_FIELDS.compression ? "" : String(compression),
    background: background === "opaque" ? "" : background,
    prompt: prompt.length <= MAX_PROMPT ? prompt : "",
  };
  const named = Object.entries(settings).filter(([, value]) => value !== "");
  // Spaces stand as %20: programs that find links in text often end them at a +.
  return new URLSearchParams(named).toString().replaceAll("+", "%20");
}

/** What the address asks for; null where it names no setting. @returns {Record<string, string> | null} */
export function readAddress() {
  const text = location.hash.slice(1);
  if (!text.includes("=") || text.length > MAX_ADDRESS) return null;
  const found = [...new URLSearchParams(text)].filter(([name]) => NAMES.includes(name));
  return found.length ? Object.fromEntries(found) : null;
}

/** @param {Record<string, string>} settings */
export async function applyAddress(settings) {
  const { prompt } = fields.value;
  setFields(requestFields(settings));
  // A prompt that was too long for the address is still in the form.
  if (settings.prompt === undefined && prompt.length > MAX_PROMPT) setFields({ prompt });
  const wanted = settings.model ?? pageModel;
  if (wanted !== modelName.value) await loadModel(wanted);
  fitFieldsToModel();
}

/** @param {string} address @param {boolean} [push] as a step that "back" undoes */
export function writeAddress(address, push = false) {
  const url = location.pathname + location.search + (address ? `#${address}` : "");
  const state = { form: true };
  if (push) history.pushState(state, "", url);
  else history.replaceState(state, "", url);
}
