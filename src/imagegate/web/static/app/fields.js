// Form fields that more than one part of the page uses.
import { html } from "html";
import { withValue } from "./dom.js";

/**
 * @typedef {{id: string, label: string, value: string, options: [value: string, text: string][],
 *   onPick: (value: string) => any}} SelectProps
 * @param {SelectProps} props
 */
export function SelectField({ id, label, value, options, onPick }) {
  const option = (/** @type {[string, string]} */ [name, text]) =>
    html`<option key=${name} value=${name} selected=${name === value}>${text}</option>`;
  return html`
    <div class="field">
      <label for=${id}>${label}</label>
      <select class="input" id=${id} value=${value} onChange=${withValue(onPick)}>${options.map(option)}</select>
    </div>
  `;
}
