// The playground: composer on the left, runs and history on the right.
import { effect } from "@preact/signals";
import { render } from "preact";
import { html } from "html";
import { account } from "../store.js";
import { Composer } from "./composer.js";
import { loadModels } from "./form.js";
import { History, watchHistory } from "./history.js";
import { Help, watchKeys } from "./keys.js";
import { Compare, Lightbox } from "./lightbox.js";
import { MaskEditor } from "./mask.js";
import { watchPrice } from "./price.js";
import { Runs } from "./cards.js";
import { References } from "./references.js";
import { resume, runs } from "./runs.js";
import { Selection } from "./selection.js";
import { Code } from "./snippets.js";

function Playground() {
  return html`<div class="playground">
    <${Composer}><${References} /><//>
    <div class="stage"><${Runs} /><${History} /></div>
    <${Selection} /><${Lightbox} /><${Compare} /><${MaskEditor} /><${Code} /><${Help} />
  </div>`;
}

const place = document.getElementById("playground");
if (place) {
  place.textContent = "";
  render(html`<${Playground} />`, place);
  watchPrice();
  watchHistory();
  watchKeys();
  let before = "";
  effect(() => {
    const who = account.value;
    if (before && before !== who?.key_shown) runs.value = [];
    before = who?.key_shown ?? "";
    if (!who) return;
    loadModels();
    resume();
  });
}
