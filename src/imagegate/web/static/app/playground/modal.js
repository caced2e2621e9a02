// A dialog over the page: focus stays inside, Escape closes it.
import { html } from "html";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "../i18n.js";

/** @param {{title: string, onClose: () => void, wide?: boolean, children?: any}} props */
export function Modal({ title, onClose, wide, children }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const name = useId();
  useLayoutEffect(() => {
    box.current?.showModal();
  }, []);
  return html`<dialog class=${`dialog pg-dialog ${wide ? "wide" : ""}`} ref=${box} aria-labelledby=${name} onClose=${onClose}>
    <header><h2 class="small-title" id=${name}>${title}</h2><button type="button" class="button tight bare" aria-label=${t("app.close")} onClick=${() => box.current?.close()}>✕</button></header>
    ${children}
  </dialog>`;
}
