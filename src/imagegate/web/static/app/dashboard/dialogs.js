// Dialogs of more than one view: a secret that is shown once, and what stands below every form.
import { html } from "html";
import { useRef, useState } from "preact/hooks";
import { askConfirm } from "../confirm.js";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { d } from "./components.js";

/** Copies where the page may: on plain http it may not. @param {{value: string, onCopy?: () => void}} props */
export function CopyButton({ value, onCopy }) {
  const [copied, setCopied] = useState(false);
  if (!navigator.clipboard) return null;
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    setCopied(true);
    onCopy?.();
  };
  const text = copied ? t("app.copied") : d("copy");
  return html`<button type="button" class="button tight" onClick=${copy}>${text}</button>`;
}

/**
 * A value to be copied; `onTake` when it was, by the button or by the keyboard.
 * @param {{label: string, value: string, about?: string, onTake?: () => void}} props
 */
export function Secret({ label, value, about, onTake }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const select = () => field.current?.select();
  return html`
    <div class="field">
      <label for="secret-value">${label}</label>
      <div class="row secret">
        <input
          class="input"
          id="secret-value"
          ref=${field}
          readonly
          value=${value}
          onFocus=${select}
          onCopy=${onTake}
        />
        <${CopyButton} value=${value} onCopy=${onTake} />
      </div>
      ${about && html`<p class="hint">${about}</p>`}
    </div>
  `;
}

/** @param {{title: string, onClose: () => void, onBeforeClose?: () => Promise<boolean>, children: any}} props */
export const SecretDialog = ({ title, onClose, onBeforeClose, children }) => html`
  <${Dialog} title=${title} onClose=${onClose} onBeforeClose=${onBeforeClose}>
    ${children}
    <footer><button class="button main" data-close>${t("app.close")}</button></footer>
  <//>
`;

/**
 * A key's value, which no one can show again: it closes unasked only once it was copied.
 * @param {{of: any, onClose: () => void}} props
 */
export function NewKeyDialog({ of, onClose }) {
  const taken = useRef(false);
  const onTake = () => {
    taken.current = true;
  };
  const mayClose = async () => {
    const question = { title: d("keys.lose_title"), text: d("keys.lose_text"), confirm: d("keys.lose"), danger: true };
    return taken.current || askConfirm(question);
  };
  return html`
    <${SecretDialog} title=${d("keys.new_title")} onClose=${onClose} onBeforeClose=${mayClose}>
      <${Secret} label=${of.name} value=${of.key} about=${d("keys.once")} onTake=${onTake} />
    <//>
  `;
}

/** Whether what was typed may be lost. */
export const askDiscard = () =>
  askConfirm({ title: d("discard.title"), text: d("discard.text"), confirm: d("discard.confirm"), danger: true });

/** @param {{onCancel: () => void, verb: string, busy?: boolean}} props */
export const FormFooter = ({ onCancel, verb, busy = false }) => html`
  <footer>
    <button type="button" class="button" onClick=${onCancel}>${t("app.cancel")}</button>
    <button class="button main" aria-busy=${busy} disabled=${busy}>${verb}</button>
  </footer>
`;
