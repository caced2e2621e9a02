// The tools of the mask editor: brush, eraser and hand, the brush's width, and what changes the mask as a whole.
import { html } from "html";
import { withValue } from "../dom.js";
import { t } from "../i18n.js";
import { MAX_WIDTH_PERCENT, MIN_WIDTH_PERCENT } from "./mask_strokes.js";
import { IconTool, ZoomTools } from "./zoom.js";

/** @typedef {import("./mask_strokes.js").MaskCanvas} MaskCanvas */

/** @param {{canvas: MaskCanvas, zoom: import("./zoom_view.js").Zoom, ready: boolean}} props */
export function MaskTools({ canvas, zoom, ready }) {
  const tool = (/** @type {import("./mask_strokes.js").Tool} */ name) => html`
    <button
      type="button"
      class="button tight"
      aria-pressed=${canvas.tool.value === name}
      onClick=${() => {
        canvas.tool.value = name;
      }}
    >${t(`playground.mask.${name}`)}</button>
  `;
  return html`
    <div class="viewer-tools mask-tools">
      <div class="viewer-modes" role="group" aria-label=${t("playground.mask.tools")}>
        ${tool("brush")}${tool("eraser")}${tool("hand")}
      </div>
      <label class="row small">
        ${t("playground.mask.width")}
        <input
          type="range"
          min=${MIN_WIDTH_PERCENT}
          max=${MAX_WIDTH_PERCENT}
          value=${canvas.widthPercent.value}
          onInput=${withValue((value) => canvas.setWidth(Number(value)))}
        />
      </label>
      <${Edits} canvas=${canvas} ready=${ready} />
      <${ZoomTools} zoom=${zoom} />
    </div>
  `;
}

/** @param {{canvas: MaskCanvas, ready: boolean}} props */
const Edits = ({ canvas, ready }) => html`
  <div class="row">
    <${IconTool}
      text="↶"
      label=${t("playground.mask.undo")}
      isOff=${!canvas.edits.value.length}
      onClick=${() => canvas.undo()}
    />
    <${IconTool}
      text="↷"
      label=${t("playground.mask.redo")}
      isOff=${!canvas.undone.value.length}
      onClick=${() => canvas.redo()}
    />
    <button type="button" class="button tight" disabled=${!ready} onClick=${() => canvas.apply("invert")}>
      ${t("playground.mask.invert")}
    </button>
    <button
      type="button"
      class="button tight"
      aria-disabled=${!canvas.edits.value.length}
      onClick=${() => canvas.edits.value.length && canvas.apply("clear")}
    >${t("playground.mask.clear")}</button>
  </div>
`;
