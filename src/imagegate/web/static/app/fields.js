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

/**
 * A text input with its label, hint and error; `error` is "" while there is none. Other props go to the input.
 * @param {{id: string, label: string, className?: string, hint?: string, error?: string, [input: string]: any}} props
 */
export function TextField({ id, label, className = "", hint, error, ...input }) {
  const [hintId, errorId] = [`${id}-hint`, `${id}-error`];
  const described = [hint && hintId, error !== undefined && errorId].filter(Boolean).join(" ");
  return html`
    <div class=${`field ${className}`}>
      <label for=${id}>${label}</label>
      <input
        class="input"
        id=${id}
        aria-invalid=${error ? "true" : "false"}
        aria-describedby=${described || undefined}
        ...${input}
      />
      ${hint && html`<p class="hint" id=${hintId}>${hint}</p>`}
      ${error !== undefined && html`<p class="error" id=${errorId} role="alert">${error}</p>`}
    </div>
  `;
}
