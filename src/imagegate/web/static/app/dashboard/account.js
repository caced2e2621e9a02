// One account as the operator sees it: its balance, its latest tasks, what was done with it, and its closing.
import { html } from "html";
import { useState } from "preact/hooks";
import { post } from "../api.js";
import { askConfirm } from "../confirm.js";
import { showError } from "../errors.js";
import { formatNumber } from "../i18n.js";
import { formatCredits, formatUsd } from "../money.js";
import { showToast } from "../store.js";
import { AuditTable } from "./audit.js";
import { d, Facts, Loader, StateBadge, Time, View } from "./components.js";
import { useData } from "./data.js";
import { CopyButton } from "./dialogs.js";
import { GrantDialog } from "./grant.js";
import { linkTo } from "./router.js";
import { Tile, Tiles } from "./tiles.js";
import { TasksOfAll } from "./work.js";

const INTERVAL_S = 10;

/** @param {{id: string}} props */
export function Account({ id }) {
  const name = encodeURIComponent(id);
  const account = useData(`/v1/admin/accounts/${name}`, INTERVAL_S);
  const tasks = useData(`/v1/admin/tasks?account=${name}&limit=5`, INTERVAL_S);
  const acts = useData(`/v1/admin/audit?account_id=${name}&limit=20`, 3 * INTERVAL_S);
  const reload = () => {
    account.reload();
    acts.reload();
  };
  const back = html`<a class="button tight" href=${linkTo("accounts")}>${d("accounts.back")}</a>`;
  return html`
    <${View} title=${account.value?.name ?? d("columns.account")} about=${d("accounts.one_about")} actions=${back}>
      <${Loader} data=${account} view=${Details} reload=${reload} />
      <section class="stack">
        <div class="row apart">
          <h3>${d("accounts.tasks")}</h3>
          <a href=${linkTo("work", "", { account: id })}>${d("accounts.every_task")}</a>
        </div>
        <${Loader}
          data=${tasks}
          view=${TasksOfAll}
          caption=${d("accounts.tasks")}
          empty=${d("work.none")}
          without=${["account"]}
        />
      </section>
      <section class="stack">
        <h3>${d("views.audit")}</h3>
        <${Loader} data=${acts} view=${Acts} />
      </section>
    <//>
  `;
}

/** @param {{value: any}} props */
const Acts = ({ value }) => html`<${AuditTable} rows=${value.data} />`;

/** @param {{value: any, reload: () => void}} props */
function Details({ value: account, reload }) {
  const [granting, setGranting] = useState(false);
  const closed = account.closed_at !== null;
  const change = async (/** @type {"close" | "reopen"} */ act) => {
    const question = { title: d("accounts.close_title", { name: account.name }), text: d("accounts.close_text") };
    if (act === "close" && !(await askConfirm({ ...question, confirm: d("accounts.close"), danger: true }))) return;
    const reply = await post(`/v1/admin/accounts/${encodeURIComponent(account.id)}/${act}`);
    if (!reply.ok) return showError(reply);
    showToast(d(`accounts.was_${act}`, { name: account.name }));
    reload();
  };
  const credits = (/** @type {any} */ money) => d("credits", { n: formatCredits(money) });
  /** @type {[string, any][]} */
  const facts = [
    [d("columns.status"), html`<${StateBadge} state=${closed ? "closed" : "open"} />`],
    [d("accounts.closed_since"), closed && html`<${Time} seconds=${account.closed_at} />`],
    [d("accounts.since"), html`<${Time} seconds=${account.created} />`],
    [d("accounts.id"), html`<code>${account.id}</code> <${CopyButton} value=${account.id} />`],
  ];
  return html`
    <${Tiles}>
      <${Tile}
        title=${d("columns.available")}
        figure=${formatUsd(account.available)}
        about=${credits(account.available)}
      />
      <${Tile} title=${d("columns.held")} figure=${formatUsd(account.held)} about=${credits(account.held)} />
      <${Tile} title=${d("accounts.used")} figure=${formatUsd(account.used)} about=${credits(account.used)} />
      <${Tile}
        title=${d("accounts.unfinished")}
        figure=${formatNumber(account.unfinished_tasks)}
        href=${linkTo("work", "", { account: account.id, status: "processing" })}
      />
    <//>
    <div class="card stack">
      <${Facts} pairs=${facts} />
      <div class="row">
        <button class="button main" onClick=${() => setGranting(true)}>${d("accounts.grant")}</button>
        ${
          closed
            ? html`<button class="button" onClick=${() => change("reopen")}>${d("accounts.reopen")}</button>`
            : html`<button class="button bad" onClick=${() => change("close")}>${d("accounts.close")}</button>`
        }
      </div>
    </div>
    ${granting && html`<${GrantDialog} account=${account} onClose=${() => setGranting(false)} onGrant=${reload} />`}
  `;
}
