// A dialog over the page, open as long as it is rendered: focus stays inside and then returns, Escape closes it.
import { html } from "html";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "./i18n.js";

/**
 * @param {{title: string, onClose: () => void, className?: string, closeButton?: boolean, children?: any}} props
 */
export function Dialog({ title, onClose, className = "", closeButton = false, children }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const titleId = useId();
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    // Removed while open, the dialog would leave the focus nowhere.
    return () => dialog?.close();
  }, []);
  // Closed by its own removal, it tells nobody: another dialog may be open by then.
  const notify = () => {
    if (box.current) onClose();
  };
  return html`
    <dialog class=${`dialog ${className}`} ref=${box} aria-labelledby=${titleId} onClose=${notify}>
      <header>
        <h2 class="small-title" id=${titleId}>${title}</h2>
        ${closeButton && html`<${CloseButton} onClick=${() => box.current?.close()} />`}
      </header>
      ${children}
    </dialog>
  `;
}

/** @param {{onClick: () => void}} props */
const CloseButton = ({ onClick }) =>
  html`<button type="button" class="button tight bare" aria-label=${t("app.close")} onClick=${onClick}>✕</button>`;
