// A component whose module is loaded when it is rendered for the first time.
import { html } from "html";
import { useEffect, useState } from "preact/hooks";
import { t } from "./i18n.js";
import { showToast } from "./store.js";

/** @param {() => Promise<any>} load resolves to the component */
export function lazy(load) {
  /** @type {any} */
  let loaded = null;
  return function Lazy(/** @type {any} */ props) {
    const [component, setComponent] = useState(() => loaded);
    useEffect(() => {
      if (loaded) return;
      const show = (/** @type {any} */ found) => {
        loaded = found;
        setComponent(() => found);
      };
      load().then(show, () => showToast(t("app.errors.codes.network"), "bad"));
    }, []);
    return component && html`<${component} ...${props} />`;
  };
}
