// A choice between a few values.
import { html } from "html";

/**
 * Radio buttons that look like one bar.
 * @param {{name: string, label: string, value: string, options: string[], text: (value: string) => string,
 *   onPick: (value: any) => void, isDisabled?: (value: string) => boolean, hint?: string}} props   `hint`: what the
 *   chosen value means
 */
export function Segments({ name, label, value, options, text, onPick, isDisabled = () => false, hint = "" }) {
  const hintId = `pg-${name}-hint`;
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
    <fieldset class="segments" aria-describedby=${hint ? hintId : null}>
      <legend class="label">${label}</legend>
      <div>${options.map(segment)}</div>
      ${hint && html`<p class="segment-hint small soft" id=${hintId}>${hint}</p>`}
    </fieldset>
  `;
}
