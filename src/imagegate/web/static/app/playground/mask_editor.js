// The mask editor: what is painted on the first reference is generated again. With keys: arrows move the brush, Space
// paints.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { localPath, upload } from "../api.js";
import { askConfirm } from "../confirm.js";
import { Dialog } from "../dialog.js";
import { showError } from "../errors.js";
import { t } from "../i18n.js";
import { mask } from "./form.js";
import { maskedReference } from "./images.js";
import { MaskSheet } from "./mask_sheet.js";
import { MaskCanvas } from "./mask_strokes.js";
import { MaskTools } from "./mask_tools.js";
import { useZoom, useZoomKeys } from "./zoom.js";

/** @typedef {import("./form.js").Reference} Reference */

const close = () => {
  maskedReference.value = null;
};

export function MaskEditor() {
  const reference = maskedReference.value;
  return reference && html`<${MaskDialog} key=${reference.key} reference=${reference} />`;
}

/** @param {{reference: Reference}} props */
function MaskDialog({ reference }) {
  const [canvas] = useState(() => new MaskCanvas(editsOf(reference.key)));
  const mayClose = () =>
    !canvas.isChanged ||
    askConfirm({
      title: t("playground.mask.discard.title"),
      text: t("playground.mask.discard.text"),
      confirm: t("playground.mask.discard.confirm"),
      cancel: t("playground.mask.discard.cancel"),
      danger: true,
    });
  return html`
    <${Dialog}
      title=${t("playground.mask.title")}
      className="viewer"
      closeButton
      onBeforeClose=${mayClose}
      onClose=${close}
    ><${Editor} canvas=${canvas} reference=${reference} /><//>
  `;
}

/** The PNG goes to the gateway, the edits stay here. @param {MaskCanvas} canvas @param {string} referenceKey */
async function saveMask(canvas, referenceKey) {
  const reply = await upload(await canvas.exportMask(), "mask.png");
  if (!reply.ok) return showError(reply);
  const image = await canvas.exportPreview();
  const preview = URL.createObjectURL(image);
  mask.value = { url: reply.value.data.file_url, preview, image, referenceKey, edits: canvas.edits.value };
  close();
}

/** @param {string} key of a reference @returns {import("./mask_strokes.js").Edit[]} */
function editsOf(key) {
  if (mask.value?.referenceKey !== key) return [];
  const { edits, url } = mask.value;
  // Of a request that was made before, only its file is known.
  return edits.length || !url ? edits : [{ kind: "mask", url }];
}

/** Undo and redo. @param {MaskCanvas} canvas */
function useEditKeys(canvas) {
  useEffect(() => {
    const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
      const isCommand = event.ctrlKey || event.metaKey;
      const key = event.key.toLowerCase();
      if (isCommand && key === "z") event.shiftKey ? canvas.redo() : canvas.undo();
      else if (isCommand && key === "y") canvas.redo();
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, []);
}

/**
 * The reference as the browser reads it, with what is in the mask already.
 * @param {MaskCanvas} canvas
 * @param {Reference} reference
 * @returns {import("./mask_sheet.js").LoadedImage | "loading" | "lost"}
 */
function useLoaded(canvas, { url, name }) {
  const [loaded, setLoaded] = useState(
    /** @type {import("./mask_sheet.js").LoadedImage | "loading" | "lost"} */ ("loading"),
  );
  useEffect(() => {
    const image = new Image();
    image.src = localPath(url);
    Promise.all([image.decode(), canvas.load()]).then(
      () => setLoaded({ url, name, width: image.naturalWidth, height: image.naturalHeight }),
      () => setLoaded("lost"),
    );
  }, []);
  return loaded;
}

/** @param {{canvas: MaskCanvas, reference: Reference}} props */
function Editor({ canvas, reference }) {
  const zoom = useZoom(true);
  const loaded = useLoaded(canvas, reference);
  const [isSaving, setSaving] = useState(false);
  const [blankEdits, setBlankEdits] = useState(/** @type {unknown} */ (null));
  const save = async () => {
    if (canvas.isBlank()) return setBlankEdits(canvas.edits.value);
    setSaving(true);
    await saveMask(canvas, reference.key);
    setSaving(false);
  };
  useEditKeys(canvas);
  useZoomKeys(zoom, {
    "[": () => canvas.setWidth(canvas.widthPercent.value - 1),
    "]": () => canvas.setWidth(canvas.widthPercent.value + 1),
  });
  // Told until something is painted.
  const isBlank = blankEdits === canvas.edits.value;
  const ready = typeof loaded === "object";
  return html`
    <${MaskTools} canvas=${canvas} zoom=${zoom} ready=${ready} />
    ${ready ? html`<${MaskSheet} ...${{ canvas, loaded, zoom }} />` : html`<${Absent} isLost=${loaded === "lost"} />`}
    <footer>
      <p class="small soft">
        ${t("playground.mask.about")} <span id="pg-mask-keys">${t("playground.mask.keys")}</span>
      </p>
      <p class="small error-text" role="alert">${isBlank && t("playground.mask.blank")}</p>
      <button type="button" class="button" data-close>${t("app.cancel")}</button>
      <button type="button" class="button main" disabled=${!ready || isSaving} data-mask-save onClick=${save}>
        ${t("playground.mask.save")}
      </button>
    </footer>
  `;
}

/** @param {{isLost: boolean}} props */
const Absent = ({ isLost }) => html`
  <div class="mask-stage">
    ${
      isLost
        ? html`<p class="viewer-lost error-text small" role="alert">${t("playground.mask.lost")}</p>`
        : html`<span class="skeleton"></span>`
    }
  </div>
`;
