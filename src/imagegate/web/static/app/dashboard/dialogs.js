// Dialogs of more than one view: confirmations, and secrets that are shown once.
import { html } from "html";
import { useRef } from "preact/hooks";
import { Dialog } from "../dialog.js";
import { t } from "../i18n.js";
import { showToast } from "../store.js";
import { d } from "./components.js";

/** A value that is shown once. @param {{label: string, value: string, about?: string}} props */
export function Secret({ label, value, about }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const select = () => field.current?.select();
  const copy = async () => {
    await navigator.clipboard.writeText(value);
    showToast(t("app.copied"));
  };
  return html`
    <div class="field">
      <label for="secret-value">${label}</label>
      <div class="row secret">
        <input class="input" id="secret-value" ref=${field} readonly value=${value} onFocus=${select} />
        ${navigator.clipboard && html`<button type="button" class="button" onClick=${copy}>${d("copy")}</button>`}
      </div>
      ${about && html`<p class="hint">${about}</p>`}
    </div>
  `;
}

/** @param {{title: string, onClose: () => void, children: any}} props */
export const SecretDialog = ({ title, onClose, children }) => html`
  <${Dialog} title=${title} onClose=${onClose}>
    ${children}
    <footer><button class="button main" onClick=${onClose}>${t("app.close")}</button></footer>
  <//>
`;

/** A key's value, which no one can show again. @param {{of: any, onClose: () => void}} props */
export const NewKeyDialog = ({ of, onClose }) => html`
  <${SecretDialog} title=${d("keys.new_title")} onClose=${onClose}>
    <${Secret} label=${of.name} value=${of.key} about=${d("keys.once")} />
  <//>
`;

/** @param {{onCancel: () => void, verb: string, busy?: boolean}} props */
export const FormFooter = ({ onCancel, verb, busy = false }) => html`
  <footer>
    <button type="button" class="button bare" onClick=${onCancel}>${t("app.cancel")}</button>
    <button class="button main" disabled=${busy}>${verb}</button>
  </footer>
`;

/** @param {{title: string, text: string, verb: string, onConfirm: () => void, onClose: () => void}} props */
export function ConfirmDialog({ title, text, verb, onConfirm, onClose }) {
  const confirm = () => {
    onClose();
    onConfirm();
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      <p>${text}</p>
      <footer>
        <button class="button bare" onClick=${onClose}>${t("app.cancel")}</button>
        <button class="button bad" onClick=${confirm}>${verb}</button>
      </footer>
    <//>
  `;
}
