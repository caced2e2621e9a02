// An error of the API as one line for the visitor.
import { t } from "./i18n.js";
import { showToast } from "./store.js";

/** @param {import("./api.js").ApiError} error */
export const errorText = (error) => (error.status ? error.message : t("app.errors.network"));

/** @param {import("./api.js").ApiError} error */
export const showError = (error) => showToast(errorText(error), "bad");
