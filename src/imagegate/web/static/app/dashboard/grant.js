// The dialog in which the operator gives an account credits, or takes them back.
import { html } from "html";
import { useRef, useState } from "preact/hooks";
import { post } from "../api.js";
import { Dialog } from "../dialog.js";
import { withForm } from "../dom.js";
import { errorText } from "../errors.js";
import { TextField } from "../fields.js";
import { randomId } from "../ids.js";
import { formatCredits } from "../money.js";
import { refreshBalance, showToast } from "../store.js";
import { d } from "./components.js";
import { FormFooter } from "./dialogs.js";

/** @param {{account: any, onClose: () => void, onGrant: () => void}} props */
export function GrantDialog({ account, onClose, onGrant }) {
  const [error, setError] = useState("");
  const [busy, setBusy] = useState(false);
  // One key for each amount entered here: a second press after a lost answer grants nothing twice.
  const idempotency = useRef({ credits: "", key: "" });
  const submit = withForm(async (form) => {
    const credits = String(new FormData(form).get("credits")).trim();
    if (idempotency.current.credits !== credits) idempotency.current = { credits, key: randomId() };
    setBusy(true);
    const headers = { "Idempotency-Key": idempotency.current.key };
    const reply = await post("/v1/admin/grants", { account_id: account.id, credits }, { headers });
    setBusy(false);
    if (!reply.ok) return setError(errorText(reply));
    const [amount, available] = [reply.value.amount, reply.value.available].map(formatCredits);
    showToast(d("accounts.granted", { name: account.name, amount, available }));
    onClose();
    onGrant();
    refreshBalance();
  });
  return html`
    <${Dialog} title=${d("accounts.grant_title", { name: account.name })} onClose=${onClose}>
      <form class="stack" onSubmit=${submit}>
        <${TextField}
          id="grant-credits"
          label=${d("columns.credits")}
          name="credits"
          required
          inputmode="decimal"
          pattern="[+\\-]?[0-9]+(\\.[0-9]+)?"
          autofocus
          hint=${d("accounts.grant_about")}
          error=${error}
        />
        <${FormFooter} onCancel=${onClose} verb=${d("accounts.grant")} busy=${busy} />
      </form>
    <//>
  `;
}
