// The size: left to the model, a ratio with a resolution, exact pixels, or one of the model's own sizes.
import { html } from "html";
import { SelectField } from "../fields.js";
import { t } from "../i18n.js";
import { fields, setFields } from "./form.js";
import { model } from "./model.js";
import { quote } from "./price.js";
import { Segments } from "./segments.js";
import { pixelError, ratioPixels, snapEdge } from "./sizes.js";

/** @typedef {import("./sizes.js").PixelRules} PixelRules */

export function Size() {
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
    ${mode === "auto" && html`<${AutoHint} />`}
    ${mode === "ratio" && html`<${Ratios} />`}
    ${mode === "custom" && html`<${CustomSize} />`}
  `;
}

/** Which size is priced, as the quote says. */
function AutoHint() {
  const { assumed, width, height } = quote.value?.size ?? {};
  const name = assumed ? "about_auto" : "about_auto_unpriced";
  return html`<p class="segment-hint small soft">${t(`playground.size.${name}`, { size: `${width}×${height}` })}</p>`;
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
      hint=${t(`playground.size.about_${tier}`)}
    />
    <fieldset class="ratios">
      <legend class="label">${t("playground.size.ratio")}</legend>
      <div>${size.ratios.map(choice)}</div>
    </fieldset>
  `;
}

/** @param {{ratio: string, rules: PixelRules}} props */
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

/** @param {string} error @param {PixelRules} rules */
function customSizeText(error, rules) {
  if (!error) return t("playground.size.about_custom", { step: rules.multiple, max: rules.edge_max });
  const { width, height } = fields.value;
  const [area, min, max] = [width * height, rules.area_min, rules.area_max].map((pixels) => pixels.toLocaleString());
  return t(`playground.size.error_${error}`, { aspect: rules.aspect_max, min, max, area });
}

/** @param {{side: "width" | "height", rules: PixelRules, invalid: boolean}} props */
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
