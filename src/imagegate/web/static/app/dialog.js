// A dialog over the page, open as long as it is rendered: focus stays inside and then returns.
import { html } from "html";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { t } from "./i18n.js";
import { liftToasts } from "./toast.js";

/**
 * Escape, ✕, a click beside it and any button inside with `data-close` close it, where `onBeforeClose` does not refuse.
 * @param {{title: string, onClose: () => void, onBeforeClose?: () => boolean | Promise<boolean>, className?: string,
 *   closeButton?: boolean, children?: any}} props
 */
export function Dialog({ title, onClose, onBeforeClose, className = "", closeButton = false, children }) {
  const box = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const asking = useRef(false);
  const told = useRef(false);
  const pressedBeside = useRef(false);
  const titleId = useId();
  useLayoutEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    liftToasts();
    return () => {
      liftToasts(dialog);
      // Removed while open, the dialog would leave the focus nowhere.
      dialog?.close();
    };
  }, []);
  const requestClose = async () => {
    if (asking.current) return;
    asking.current = true;
    const agreed = (await onBeforeClose?.()) ?? true;
    asking.current = false;
    if (!agreed || !box.current) return;
    told.current = true;
    box.current.close();
    // Not when the browser tells of it, which is later: what is opened in between would be closed too.
    onClose();
  };
  // Closed by its own removal, it tells nobody: another dialog may be open by then.
  const onClosed = () => {
    if (box.current && !told.current) onClose();
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Escape" || event.isComposing) return;
    // The browser lets the `cancel` event refuse once, and closes at the second Escape.
    event.preventDefault();
    requestClose();
  };
  const onCancel = (/** @type {Event} */ event) => {
    if (event.target !== box.current) return; // a file picker inside
    event.preventDefault();
    requestClose();
  };
  const onClick = (/** @type {MouseEvent} */ event) => {
    const target = /** @type {Element} */ (event.target);
    if (pressedBeside.current && isBeside(event)) requestClose();
    else if (target.closest("[data-close]")) requestClose();
  };
  const onPress = (/** @type {PointerEvent} */ event) => {
    pressedBeside.current = isBeside(event);
  };
  return html`
    <dialog
      class=${`dialog ${className}`}
      ref=${box}
      aria-labelledby=${titleId}
      onClose=${onClosed}
      onCancel=${onCancel}
      onKeyDown=${onKey}
      onPointerDown=${onPress}
      onClick=${onClick}
    >
      <header>
        <h2 class="small-title" id=${titleId}>${title}</h2>
        ${closeButton && html`<${CloseButton} />`}
      </header>
      ${children}
    </dialog>
  `;
}

/** Whether the pointer is on the backdrop. @param {MouseEvent} event */
function isBeside({ target, clientX, clientY }) {
  if (!(target instanceof HTMLDialogElement)) return false;
  const { left, right, top, bottom } = target.getBoundingClientRect();
  return clientX < left || clientX > right || clientY < top || clientY > bottom;
}

const CloseButton = () => {
  const text = t("app.close");
  return html`<button type="button" class="button icon bare" data-close aria-label=${text} title=${text}>✕</button>`;
};
