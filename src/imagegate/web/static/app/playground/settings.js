// The form below the prompt: model, size, resolution, quality, number, format.
import { html } from "html";
import { withValue } from "../dom.js";
import { SelectField } from "../fields.js";
import { t } from "../i18n.js";
import { chooseModel, FORMATS, fields, setFields } from "./form.js";
import { imageCounts, model, modelName, modelNames } from "./model.js";
import { Segments } from "./segments.js";
import { Size } from "./size_settings.js";

export function Settings() {
  const { n, quality } = model.value.parameters;
  const names = modelNames.value.length ? modelNames.value : [modelName.value];
  const models = names.includes(modelName.value) ? names : [modelName.value, ...names];
  const counts = imageCounts(n).map((count) => [String(count), String(count)]);
  const setCount = (/** @type {string} */ value) => setFields({ n: Number(value) });
  return html`
    <div class="settings">
      <div class="pairs">
        <${SelectField}
          id="pg-model"
          label=${t("playground.model")}
          value=${modelName.value}
          options=${models.map((name) => [name, name])}
          onPick=${chooseModel}
        />
        <${SelectField}
          id="pg-n"
          label=${t("playground.n")}
          value=${String(fields.value.n)}
          options=${counts}
          onPick=${setCount}
        />
      </div>
      <${Size} />
      ${quality && html`<${Quality} values=${quality.values} />`}
      <${Format} />
    </div>
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
    hint=${t(`playground.quality.about_${fields.value.quality || values[0]}`)}
  />
`;

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
          options=${FORMATS}
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
