// Two to four images beside each other, or two of them under a slider.
import { html } from "html";
import { useState } from "preact/hooks";
import { localPath } from "../api.js";
import { Dialog } from "../dialog.js";
import { withValue } from "../dom.js";
import { t } from "../i18n.js";
import { compared, findImages } from "./images.js";

/** @typedef {import("./images.js").Image} Image */

const close = () => {
  compared.value = [];
};

export function CompareDialog() {
  const images = findImages(compared.value);
  if (images.length < 2) return null;
  return html`
    <${Dialog} title=${t("playground.compare.title")} className="pg-dialog wide" closeButton onClose=${close}>
      <${Comparison} images=${images} />
    <//>
  `;
}

/** @param {{images: Image[]}} props */
function Comparison({ images }) {
  const [mode, setMode] = useState(images.length === 2 ? "slider" : "beside");
  const button = (/** @type {string} */ name) => html`
    <button
      type="button"
      class="button tight"
      aria-pressed=${mode === name}
      data-mode=${name}
      onClick=${() => setMode(name)}
    >${t(`playground.compare.${name}`)}</button>
  `;
  return html`
    <p class="row">${button("beside")}${button("slider")}</p>
    <${mode === "beside" ? SideBySide : Slider} images=${images} />
  `;
}

/** Quality, size and the prompt's beginning. @param {Image} image */
function describe({ run, result }) {
  const { quality, prompt } = run.task.request ?? {};
  return [quality, `${result.width} × ${result.height}`, prompt?.slice(0, 80)].filter(Boolean).join(" · ");
}

/** @param {{images: Image[]}} props */
const SideBySide = ({ images }) => html`
  <ul class=${`beside of-${images.length}`}>
    ${images.map((image) => html`<${Figure} key=${image.run.id + image.index} image=${image} />`)}
  </ul>
`;

/** @param {{image: Image}} props */
function Figure({ image }) {
  const about = describe(image);
  const { image_url, width, height } = image.result;
  return html`
    <li>
      <figure>
        <img src=${localPath(image_url)} width=${width} height=${height} alt=${about} />
        <figcaption class="small">${about}</figcaption>
      </figure>
    </li>
  `;
}

/** Two images over each other; which two is chosen where there are more. @param {{images: Image[]}} props */
function Slider({ images }) {
  const [percent, setPercent] = useState(50);
  const [sides, setSides] = useState([0, 1]);
  const [left, right] = sides.map((index) => images[index]);
  const setSide = (/** @type {number} */ side) => (/** @type {string} */ value) =>
    setSides(sides.map((old, index) => (index === side ? Number(value) : old)));
  const { image_url, width, height } = right.result;
  const clip = { clipPath: `inset(0 ${100 - percent}% 0 0)` };
  return html`
    <div class="slider">
      <div class="slider-sheet">
        <img src=${localPath(image_url)} width=${width} height=${height} alt=${describe(right)} />
        <img class="over" src=${localPath(left.result.image_url)} alt=${describe(left)} style=${clip} />
        <span class="slider-edge" style=${{ left: `${percent}%` }} aria-hidden="true"></span>
      </div>
      <input
        type="range"
        min="0"
        max="100"
        value=${percent}
        aria-label=${t("playground.compare.slider")}
        onInput=${withValue((value) => setPercent(Number(value)))}
      />
      <${Side} name="left" images=${images} index=${sides[0]} onPick=${setSide(0)} />
      <${Side} name="right" images=${images} index=${sides[1]} onPick=${setSide(1)} />
    </div>
  `;
}

/** @param {{name: string, images: Image[], index: number, onPick: (value: string) => void}} props */
function Side({ name, images, index, onPick }) {
  const label = t(`playground.compare.${name}`);
  if (images.length === 2) {
    return html`<p class="small">${label}: <span class="soft">${describe(images[index])}</span></p>`;
  }
  const option = (/** @type {Image} */ image, /** @type {number} */ at) =>
    html`<option key=${at} value=${at} selected=${at === index}>${at + 1} · ${describe(image)}</option>`;
  const onChange = withValue(onPick);
  return html`
    <label class="row small">
      ${label} <select class="input tight" data-side=${name} onChange=${onChange}>${images.map(option)}</select>
    </label>
  `;
}
