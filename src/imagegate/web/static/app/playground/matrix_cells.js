// One prompt over several settings: what can be chosen, and the requests that the choice makes.
import { computed, signal } from "@preact/signals";
import { get } from "../api.js";
import { t } from "../i18n.js";
import { request } from "./form.js";
import { modelName, modelNames } from "./model.js";
import { qualityText } from "./words.js";

/**
 * @typedef {"model" | "quality" | "size" | "resolution"} Axis
 * @typedef {Record<Axis, string>} Values   "" where the model has no such setting
 * @typedef {{key: string, values: Values, body: any}} Cell   `key`: the body as text
 */

export const AXES = /** @type {Axis[]} */ (["model", "quality", "size", "resolution"]);
export const MAX_CELLS = 12;
/** Which axis is across where several have as many values. */
const COLUMNS = /** @type {Axis[]} */ (["quality", "size", "resolution", "model"]);

/** What was chosen on each axis; nothing chosen is what the form says. */
const chosen = signal(/** @type {Record<Axis, string[]>} */ ({ model: [], quality: [], size: [], resolution: [] }));
/** What each model accepts, once it was loaded. @type {import("@preact/signals").Signal<Record<string, any>>} */
const parameters = signal({});

/** @param {string} size */
const isRatio = (size) => size.includes(":");

/** @param {string[]} lists */
const distinct = (lists) => [...new Set(lists)];

/** The values of an axis, in the order of the page. @type {Record<Axis, () => string[]>} */
const CHOICES = {
  model: () => (modelNames.value.length ? modelNames.value : [modelName.value]),
  quality: () => distinct(ofModels((accepted) => accepted.quality?.values)),
  size: () => distinct(["auto", ...ofModels((accepted) => accepted.size?.ratios), request.value.size]),
  resolution: () =>
    selected("size").some(isRatio) ? distinct(ofModels((accepted) => accepted.resolution?.values)) : [],
};

/** @param {(accepted: any) => string[] | undefined} values */
const ofModels = (values) => selected("model").flatMap((name) => values(parameters.value[name] ?? {}) ?? []);

/** @param {Axis} axis */
export const choices = (axis) => CHOICES[axis]();

/** What counts on an axis: the chosen ones that are still offered, else what the form says. @param {Axis} axis */
export function selected(axis) {
  const offered =
    axis === "model" ? chosen.value.model : choices(axis).filter((one) => chosen.value[axis].includes(one));
  if (offered.length) return offered;
  const { [axis]: own } = /** @type {Partial<Values>} */ (request.value);
  return own ? [own] : [];
}

/** @param {Axis} axis @param {string} value */
export function toggle(axis, value) {
  const before = selected(axis);
  const after = before.includes(value) ? before.filter((one) => one !== value) : [...before, value];
  chosen.value = { ...chosen.value, [axis]: choices(axis).filter((one) => after.includes(one)) };
}

/** What the chosen models accept. */
export async function loadParameters() {
  const unknown = selected("model").filter((name) => !(name in parameters.value));
  await Promise.all(unknown.map(loadModelParameters));
}

/** @param {string} name */
async function loadModelParameters(name) {
  const reply = await get(`/v1/models/${encodeURIComponent(name)}`);
  if (reply.ok) parameters.value = { ...parameters.value, [name]: reply.value.parameters };
}

/** Every combination; those that come to the same request are one. Empty until the models are known. */
export const cells = computed(() => {
  const models = selected("model");
  if (!models.every((name) => name in parameters.value)) return [];
  const found = models.flatMap((model) => combinations(model).map((values) => cellOf(model, values)));
  return [...new Map(found.map((cell) => [cell.key, cell])).values()];
});

/** @param {string} model @returns {Values[]} */
function combinations(model) {
  const orNone = (/** @type {string[]} */ values) => (values.length ? values : [""]);
  return orNone(selected("quality")).flatMap((quality) =>
    orNone(selected("size")).flatMap((size) =>
      orNone(selected("resolution")).map((resolution) => ({ model, quality, size, resolution })),
    ),
  );
}

/** What a model does not know is left out. @param {string} model @param {Values} wanted @returns {Cell} */
function cellOf(model, wanted) {
  const { quality, resolution } = parameters.value[model];
  const values = {
    ...wanted,
    quality: quality ? wanted.quality || quality.default : "",
    resolution: resolution && isRatio(wanted.size) ? wanted.resolution : "",
  };
  const { quality: _quality, resolution: _resolution, ...form } = /** @type {any} */ (request.value);
  const settings = Object.fromEntries(Object.entries(values).filter(([, value]) => value));
  const body = { ...form, ...settings };
  return { key: JSON.stringify(body), values, body };
}

/** @param {Axis} axis @param {string} value */
export function valueText(axis, value) {
  if (axis === "quality" && value) return qualityText(value);
  return value === "auto" ? t("playground.size.auto") : value.replace(/^(\d+)x(\d+)$/, "$1 × $2") || "–";
}

/** @param {{values: Values}} cell @param {Axis[]} [axes] */
export const nameOf = ({ values }, axes = AXES) =>
  axes
    .filter((axis) => values[axis])
    .map((axis) => valueText(axis, values[axis]))
    .join(" · ");

/**
 * The cells in rows across the axis with most values, so that a row shows what that axis changes. Every row has a place
 * for each of its values, so that columns stay columns.
 * @template {{values: Values}} T
 * @param {T[]} all
 * @returns {{title: string, places: {title: string, cell: T | undefined}[]}[]}
 */
export function arrange(all) {
  const valuesOf = (/** @type {Axis} */ axis) => [...new Set(all.map(({ values }) => values[axis]))];
  // What a model does not have makes no row of its own.
  const counts = COLUMNS.map((axis) => valuesOf(axis).filter(Boolean).length);
  const column = COLUMNS[counts.indexOf(Math.max(...counts))];
  const others = AXES.filter((axis) => axis !== column && counts[COLUMNS.indexOf(axis)] > 1);
  return [...new Set(all.map((cell) => nameOf(cell, others)))].map((title) => {
    const row = all.filter((cell) => nameOf(cell, others) === title);
    const place = (/** @type {string} */ value) => ({
      title: valueText(column, value),
      cell: row.find(({ values }) => values[column] === value),
    });
    return { title, places: valuesOf(column).map(place) };
  });
}
