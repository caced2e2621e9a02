// A stand-in until the playground is there. The model is in `place.dataset.model`.
import { render } from "preact";
import { html } from "html";
import { t } from "../i18n.js";

const place = document.getElementById("playground");
if (place) render(html`<div class="empty">${t("playground.soon")}</div>`, place);
