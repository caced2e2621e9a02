// The images of a task, and what can be done with each.
import { html } from "html";
import { localPath } from "../api.js";
import { withThumbnailRetry } from "../dom.js";
import { formatTime, t } from "../i18n.js";
import { addAsReference } from "./actions.js";
import { fileName, saveImage } from "./files.js";
import { DownloadIcon, ReferenceIcon } from "./icons.js";
import { enlarged, isSelected, refOf, toggleSelected } from "./images.js";
import { clock } from "./runs.js";
import { altText } from "./words.js";

/** @typedef {import("./runs.js").Run} Run */
/** @typedef {import("./images.js").Image} Image */

/** @param {{run: Run}} props */
export function Images({ run }) {
  const { result_data: results = [], results_expire_at: expiresAt, notice } = run.task;
  const expired = Boolean(expiresAt) && expiresAt <= clock.value;
  const item = (/** @type {any} */ result, /** @type {number} */ index) =>
    html`<li key=${result.result_id}><${Figure} image=${{ run, result, index }} expired=${expired} /></li>`;
  return html`
    <ul class=${`images ${results.length > 1 ? "many" : ""}`}>${results.map(item)}</ul>
    <div class="small soft">
      ${expiresAt && html`<p data-expiry><${Countdown} until=${expiresAt} /></p>`}
      ${notice && html`<p>${t("playground.embedded")}</p>`}
    </div>
  `;
}

/** @param {{image: Image, expired: boolean}} props */
function Figure({ image, expired }) {
  const preview = html`<${Preview} image=${image} expired=${expired} />`;
  const { result, index } = image;
  const frame = { aspectRatio: `${result.width} / ${result.height}`, "--ratio": result.width / result.height };
  if (expired) return html`<figure><div class="image" style=${frame}>${preview}</div></figure>`;
  const name = fileName(image);
  const ref = refOf(image);
  const enlarge = () => {
    enlarged.value = ref;
  };
  const use = () => addAsReference(result, name);
  const save = () => saveImage(image);
  const number = index + 1;
  return html`
    <figure>
      <div class="image" style=${frame}>
        <button
          class="open"
          type="button"
          data-open
          aria-label=${t("playground.enlarge", { number })}
          onClick=${enlarge}
        >${preview}</button>
        <label class="choose">
          <input
            type="checkbox"
            checked=${isSelected(ref)}
            onChange=${() => toggleSelected(ref)}
            aria-label=${t("playground.selection.select", { number })}
            data-choose
          />
        </label>
      </div>
      <figcaption class="row">
        <${Tool} text=${t("playground.use")} attrs=${{ "data-use": true }} onClick=${use}><${ReferenceIcon} /><//>
        <${Tool} text=${t("playground.download")} attrs=${{ "data-save": true }} onClick=${save}><${DownloadIcon} /><//>
      </figcaption>
    </figure>
  `;
}

/**
 * Its text is hidden where images are small.
 * @param {{text: string, attrs: any, onClick: any, children?: any}} props
 */
const Tool = ({ text, attrs, onClick, children }) => html`
  <button class="button tight bare" type="button" title=${text} ...${attrs} onClick=${onClick}>
    ${children} <span>${text}</span>
  </button>
`;

/** @param {{image: Image, expired: boolean}} props */
function Preview({ image, expired }) {
  const { result } = image;
  // Without thumbnails, which an installation may choose, there is only the original.
  const source = result.thumbnail_url ?? (expired ? "" : result.image_url);
  if (!source) return html`<span class="not-stored">${t("playground.not_stored")}</span>`;
  return html`
    <img
      src=${localPath(source)}
      onError=${withThumbnailRetry()}
      width=${result.width}
      height=${result.height}
      alt=${altText(image)}
      loading="lazy"
      decoding="async"
    />
  `;
}

/** @param {{until: number}} props */
function Countdown({ until }) {
  const left = until - clock.value;
  if (left <= 0) return html`<span>${t("playground.expired")}</span>`;
  const [minutes, seconds] = [Math.floor((left % 3600) / 60), left % 60].map((one) => String(one).padStart(2, "0"));
  const time = `${Math.floor(left / 3600)}:${minutes}:${seconds}`;
  return html`<span title=${formatTime(until)}>${t("playground.expires", { left: time })}</span>`;
}
