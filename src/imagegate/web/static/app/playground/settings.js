// The form below the prompt: model, size, resolution, quality, number, format.
import { html } from "html";
import { t } from "../i18n.js";
import { change, chooseModel, countsOf, fields, model, modelName, names } from "./form.js";
import { pixelsFault, ratioPixels, snapped } from "./sizes.js";

export function Settings() {
  const known = model.value.parameters;
  const one = fields.value;
  return html`<div class="settings">
    <${Choose} id="pg-model" label=${t("playground.model")} value=${modelName.value} options=${names.value.length ? names.value : [modelName.value]} onPick=${chooseModel} />
    <${Size} />
    <div class="pairs">
      ${known.quality && html`<${Segments} name="quality" label=${t("playground.quality.title")} value=${one.quality} options=${known.quality.values} text=${(/** @type {string} */ value) => t(`playground.quality.${value}`)} onPick=${(/** @type {string} */ quality) => change({ quality })} />`}
      <${Choose} id="pg-n" label=${t("playground.n")} value=${String(one.n)} options=${countsOf(known.n).map(String)} onPick=${(/** @type {string} */ value) => change({ n: Number(value) })} />
    </div>
    <${Format} />
  </div>`;
}

/** @param {{id: string, label: string, value: string, options: string[], text?: (value: string) => string, onPick: (value: string) => any}} props */
function Choose({ id, label, value, options, text = (one) => one, onPick }) {
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select class="input" id=${id} value=${value} onChange=${(/** @type {any} */ event) => onPick(event.target.value)}>
      ${options.map((one) => html`<option key=${one} value=${one} selected=${one === value}>${text(one)}</option>`)}
    </select>
  </div>`;
}

/** Radio buttons that look like one bar. @param {{name: string, label: string, value: string, options: string[], text: (value: string) => string, onPick: (value: string) => void, disabled?: (value: string) => boolean}} props */
export function Segments({ name, label, value, options, text, onPick, disabled = () => false }) {
  return html`<fieldset class="segments">
    <legend class="label">${label}</legend>
    <div>${options.map((one) => html`<label key=${one}>
      <input type="radio" name=${`pg-${name}`} value=${one} checked=${one === value} disabled=${disabled(one)} onChange=${() => onPick(one)} /><span>${text(one)}</span>
    </label>`)}</div>
  </fieldset>`;
}

function Size() {
  const known = model.value.parameters;
  const one = fields.value;
  const pick = (/** @type {any} */ mode) => change({ mode });
  if (known.size?.values) return html`<${Choose} id="pg-size" label=${t("playground.size.title")} value=${one.table} options=${["auto", ...known.size.values]} text=${(/** @type {string} */ value) => (value === "auto" ? t("playground.size.auto") : value.replace("x", " × "))} onPick=${(/** @type {string} */ table) => change({ table })} />`;
  return html`<${Segments} name="mode" label=${t("playground.size.title")} value=${one.mode} options=${["auto", "ratio", "custom"]} text=${(/** @type {string} */ value) => t(`playground.size.${value}`)} onPick=${pick} />
    ${one.mode === "auto" && html`<p class="hint small soft">${t("playground.size.about_auto")}</p>`}
    ${one.mode === "ratio" && html`<${Ratios} />`}
    ${one.mode === "custom" && html`<${Custom} />`}`;
}

function Ratios() {
  const known = model.value.parameters;
  const one = fields.value;
  const rules = known.size?.pixels;
  if (!rules) return null;
  return html`<${Segments} name="tier" label=${t("playground.resolution")} value=${one.tier} options=${known.resolution?.values ?? ["1K"]} text=${(/** @type {string} */ value) => value} onPick=${(/** @type {string} */ tier) => change({ tier })} />
    <fieldset class="ratios">
      <legend class="label">${t("playground.size.ratio")}</legend>
      <div>${known.size.ratios.map((/** @type {string} */ ratio) => {
        const [width, height] = ratioPixels(ratio, one.tier, rules);
        return html`<label key=${ratio}>
          <input type="radio" name="pg-ratio" value=${ratio} checked=${ratio === one.ratio} onChange=${() => change({ ratio })} />
          <span><${Shape} ratio=${ratio} /><b>${ratio}</b><small>${width}×${height}</small></span>
        </label>`;
      })}</div>
    </fieldset>`;
}

/** @param {{ratio: string}} props */
function Shape({ ratio }) {
  const [a, b] = ratio.split(":").map(Number);
  const scale = 18 / Math.max(a, b);
  const [width, height] = [a * scale, b * scale];
  return html`<svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true"><rect x=${10 - width / 2} y=${10 - height / 2} width=${width} height=${height} rx="1.5" fill="none" stroke="currentColor" stroke-width="1.5" /></svg>`;
}

function Custom() {
  const rules = model.value.parameters.size?.pixels;
  const one = fields.value;
  if (!rules) return null;
  const fault = pixelsFault(one.width, one.height, rules);
  const set = (/** @type {"width" | "height"} */ side) => (/** @type {any} */ event) => {
    const value = snapped(Number.parseInt(event.target.value, 10), rules);
    event.target.value = String(value);
    change({ [side]: value });
  };
  const input = (/** @type {"width" | "height"} */ side) => html`<div class="field">
    <label for=${`pg-${side}`}>${t(`playground.size.${side}`)}</label>
    <input class="input" id=${`pg-${side}`} type="number" inputmode="numeric" min=${rules.multiple} max=${rules.edge_max} step=${rules.multiple} value=${one[side]} onChange=${set(side)} aria-describedby="pg-custom-about" aria-invalid=${fault ? "true" : "false"} />
  </div>`;
  return html`<div class="custom">${input("width")}<span aria-hidden="true">×</span>${input("height")}</div>
    <p id="pg-custom-about" class=${`small custom-about ${fault ? "fault-text" : "soft"}`} role=${fault ? "alert" : null}>
      ${fault ? t(`playground.size.fault_${fault}`, { aspect: rules.aspect_max, min: rules.area_min.toLocaleString(), max: rules.area_max.toLocaleString(), area: (one.width * one.height).toLocaleString() }) : t("playground.size.about_custom", { step: rules.multiple, max: rules.edge_max })}
    </p>`;
}

function Format() {
  const one = fields.value;
  const text = (/** @type {string} */ value) => value.toUpperCase();
  return html`<details class="more">
    <summary>${t("playground.format.more", { format: text(one.format) })}</summary>
    <div class="stack">
      <${Segments} name="format" label=${t("playground.format.title")} value=${one.format} options=${["png", "jpeg", "webp"]} text=${text} onPick=${(/** @type {string} */ format) => change({ format, ...(format === "jpeg" ? { background: "opaque" } : {}) })} />
      <div class="field">
        <label for="pg-compression">${t("playground.format.compression")}: ${one.format === "png" ? "–" : one.compression}</label>
        <input id="pg-compression" type="range" min="0" max="100" value=${one.compression} disabled=${one.format === "png"} onInput=${(/** @type {any} */ event) => change({ compression: Number(event.target.value) })} />
      </div>
      <${Segments} name="background" label=${t("playground.background.title")} value=${one.background} options=${["opaque", "transparent"]} text=${(/** @type {string} */ value) => t(`playground.background.${value}`)} onPick=${(/** @type {string} */ background) => change({ background })} disabled=${(/** @type {string} */ value) => value === "transparent" && one.format === "jpeg"} />
      ${one.format === "jpeg" && html`<p class="small soft">${t("playground.background.jpeg")}</p>`}
    </div>
  </details>`;
}
