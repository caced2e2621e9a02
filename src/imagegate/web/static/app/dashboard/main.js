// A stand-in until the dashboard is there.
import { render } from "preact";
import { html } from "html";
import { t } from "../i18n.js";

const place = document.getElementById("dashboard");
if (place) render(html`<div class="empty">${t("dashboard.soon")}</div>`, place);
