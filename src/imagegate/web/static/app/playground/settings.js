// The form below the prompt: model, size, resolution, quality, number, format.
import { html } from "html";
import { withValue } from "../dom.js";
import { SelectField } from "../fields.js";
import { t } from "../i18n.js";
import { chooseModel, fields, imageCounts, model, modelName, modelNames, setFields } from "./form.js";
import { pixelError, ratioPixels, snapEdge } from "./sizes.js";

export function Settings() {
  const { n, quality } = model.value.parameters;
  const names = modelNames.value.length ? modelNames.value : [modelName.value];
  const models = names.map((name) => [name, name]);
  const counts = imageCounts(n).map((count) => [String(count), String(count)]);
  const setCount = (/** @type {string} */ value) => setFields({ n: Number(value) });
  return html`
    <div class="settings">
      <${SelectField}
        id="pg-model"
        label=${t("playground.model")}
        value=${modelName.value}
        options=${models}
        onPick=${chooseModel}
      />
      <${Size} />
      <div class="pairs">
        ${quality && html`<${Quality} values=${quality.values} />`}
        <${SelectField}
          id="pg-n"
          label=${t("playground.n")}
          value=${String(fields.value.n)}
          options=${counts}
          onPick=${setCount}
        />
      </div>
      <${Format} />
    </div>
  `;
}

/**
 * Radio buttons that look like one bar.
 * @param {{name: string, label: string, value: string, options: string[], text: (value: string) => string,
 *   onPick: (value: any) => void, isDisabled?: (value: string) => boolean}} props
 */
function Segments({ name, label, value, options, text, onPick, isDisabled = () => false }) {
  const segment = (/** @type {string} */ option) => html`
    <label key=${option}>
      <input
        type="radio"
        name=${`pg-${name}`}
        value=${option}
        checked=${option === value}
        disabled=${isDisabled(option)}
        onChange=${() => onPick(option)}
      />
      <span>${text(option)}</span>
    </label>
  `;
  return html`
    <fieldset class="segments">
      <legend class="label">${label}</legend>
      <div>${options.map(segment)}</div>
    </fieldset>
  `;
}

/** @param {{values: string[]}} props */
const Quality = ({ values }) => html`
  <${Segments}
    name="quality"
    label=${t("playground.quality.title")}
    value=${fields.value.quality}
    options=${values}
    text=${(/** @type {string} */ value) => t(`playground.quality.${value}`)}
    onPick=${(/** @type {string} */ quality) => setFields({ quality })}
  />
`;

function Size() {
  const sizes = model.value.parameters.size?.values;
  if (sizes) return html`<${SizeTable} sizes=${sizes} />`;
  const { mode } = fields.value;
  return html`
    <${Segments}
      name="mode"
      label=${t("playground.size.title")}
      value=${mode}
      options=${["auto", "ratio", "custom"]}
      text=${(/** @type {string} */ value) => t(`playground.size.${value}`)}
      onPick=${(/** @type {"auto" | "ratio" | "custom"} */ value) => setFields({ mode: value })}
    />
    ${mode === "auto" && html`<p class="hint small soft">${t("playground.size.about_auto")}</p>`}
    ${mode === "ratio" && html`<${Ratios} />`}
    ${mode === "custom" && html`<${CustomSize} />`}
  `;
}

/** The sizes of a model that allows no others. @param {{sizes: string[]}} props */
function SizeTable({ sizes }) {
  const options = [["auto", t("playground.size.auto")], ...sizes.map((size) => [size, size.replace("x", " × ")])];
  const pick = (/** @type {string} */ table) => setFields({ table });
  const { table } = fields.value;
  return html`
    <${SelectField} id="pg-size" label=${t("playground.size.title")} value=${table} options=${options} onPick=${pick} />
  `;
}

function Ratios() {
  const { size, resolution } = model.value.parameters;
  const { tier } = fields.value;
  const rules = size?.pixels;
  if (!rules) return null;
  const choice = (/** @type {string} */ ratio) => html`<${Ratio} key=${ratio} ratio=${ratio} rules=${rules} />`;
  return html`
    <${Segments}
      name="tier"
      label=${t("playground.resolution")}
      value=${tier}
      options=${resolution?.values ?? ["1K"]}
      text=${(/** @type {string} */ value) => value}
      onPick=${(/** @type {string} */ value) => setFields({ tier: value })}
    />
    <fieldset class="ratios">
      <legend class="label">${t("playground.size.ratio")}</legend>
      <div>${size.ratios.map(choice)}</div>
    </fieldset>
  `;
}

/** @param {{ratio: string, rules: import("./sizes.js").PixelRules}} props */
function Ratio({ ratio, rules }) {
  const { ratio: chosen, tier } = fields.value;
  const [width, height] = ratioPixels(ratio, tier, rules);
  const choose = () => setFields({ ratio });
  return html`
    <label>
      <input type="radio" name="pg-ratio" value=${ratio} checked=${ratio === chosen} onChange=${choose} />
      <span><${RatioIcon} ratio=${ratio} /><b>${ratio}</b><small>${width}×${height}</small></span>
    </label>
  `;
}

const ICON_EDGE = 20;

/** @param {{ratio: string}} props */
function RatioIcon({ ratio }) {
  const [a, b] = ratio.split(":").map(Number);
  const scale = (ICON_EDGE - 2) / Math.max(a, b);
  const [width, height] = [a * scale, b * scale];
  return html`
    <svg viewBox="0 0 20 20" width=${ICON_EDGE} height=${ICON_EDGE} aria-hidden="true">
      <rect
        x=${(ICON_EDGE - width) / 2}
        y=${(ICON_EDGE - height) / 2}
        width=${width}
        height=${height}
        rx="1.5"
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
      />
    </svg>
  `;
}

function CustomSize() {
  const rules = model.value.parameters.size?.pixels;
  if (!rules) return null;
  const { width, height } = fields.value;
  const error = pixelError(width, height, rules);
  return html`
    <div class="custom">
      <${Edge} side="width" rules=${rules} invalid=${Boolean(error)} />
      <span aria-hidden="true">×</span>
      <${Edge} side="height" rules=${rules} invalid=${Boolean(error)} />
    </div>
    <p
      id="pg-custom-about"
      class=${`small custom-about ${error ? "error-text" : "soft"}`}
      role=${error ? "alert" : null}
    >${customSizeText(error, rules)}</p>
  `;
}

/** @param {string} error @param {import("./sizes.js").PixelRules} rules */
function customSizeText(error, rules) {
  if (!error) return t("playground.size.about_custom", { step: rules.multiple, max: rules.edge_max });
  const { width, height } = fields.value;
  const [area, min, max] = [width * height, rules.area_min, rules.area_max].map((pixels) => pixels.toLocaleString());
  return t(`playground.size.error_${error}`, { aspect: rules.aspect_max, min, max, area });
}

/** @param {{side: "width" | "height", rules: import("./sizes.js").PixelRules, invalid: boolean}} props */
function Edge({ side, rules, invalid }) {
  const onChange = (/** @type {any} */ event) => {
    const value = snapEdge(Number.parseInt(event.target.value, 10), rules);
    event.target.value = String(value);
    setFields({ [side]: value });
  };
  return html`
    <div class="field">
      <label for=${`pg-${side}`}>${t(`playground.size.${side}`)}</label>
      <input
        class="input"
        id=${`pg-${side}`}
        type="number"
        inputmode="numeric"
        min=${rules.multiple}
        max=${rules.edge_max}
        step=${rules.multiple}
        value=${fields.value[side]}
        onChange=${onChange}
        aria-describedby="pg-custom-about"
        aria-invalid=${invalid ? "true" : "false"}
      />
    </div>
  `;
}

/** @param {string} format */
const formatName = (format) => format.toUpperCase();

/** JPEG has no transparency. @param {string} format */
const setFormat = (format) => setFields({ format, ...(format === "jpeg" ? { background: "opaque" } : {}) });

function Format() {
  const { format, background } = fields.value;
  return html`
    <details class="more">
      <summary>${t("playground.format.more", { format: formatName(format) })}</summary>
      <div class="stack">
        <${Segments}
          name="format"
          label=${t("playground.format.title")}
          value=${format}
          options=${["png", "jpeg", "webp"]}
          text=${formatName}
          onPick=${setFormat}
        />
        <${Compression} />
        <${Segments}
          name="background"
          label=${t("playground.background.title")}
          value=${background}
          options=${["opaque", "transparent"]}
          text=${(/** @type {string} */ value) => t(`playground.background.${value}`)}
          onPick=${(/** @type {string} */ value) => setFields({ background: value })}
          isDisabled=${(/** @type {string} */ value) => value === "transparent" && format === "jpeg"}
        />
        ${format === "jpeg" && html`<p class="small soft">${t("playground.background.jpeg")}</p>`}
      </div>
    </details>
  `;
}

function Compression() {
  const { format, compression } = fields.value;
  const lossless = format === "png";
  const setCompression = withValue((value) => setFields({ compression: Number(value) }));
  return html`
    <div class="field">
      <label for="pg-compression">${t("playground.format.compression")}: ${lossless ? "–" : compression}</label>
      <input
        id="pg-compression"
        type="range"
        min="0"
        max="100"
        value=${compression}
        disabled=${lossless}
        onInput=${setCompression}
      />
    </div>
  `;
}
