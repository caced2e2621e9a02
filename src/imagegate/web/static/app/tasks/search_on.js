// The end of a list that has older tasks, at which nobody has looked yet.
import { html } from "html";
import { t } from "../i18n.js";

/** @param {{list: import("./list.js").TaskList}} props */
export const SearchOn = ({ list }) => html`
  <p class="list-end small soft" data-search-on>
    ${t(list.rows.value.length ? "app.tasks.searched_some" : "app.tasks.searched_none")}
    <button class="button tight" type="button" disabled=${list.loading.value} onClick=${list.more}>
      ${t("app.tasks.search_on")}
    </button>
  </p>
`;
