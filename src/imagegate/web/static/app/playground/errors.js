// The errors of runs, with whether anything was charged.
import { html } from "html";
import { chargeText, ErrorBox } from "../errors.js";

/** A refused request: there is no task, and nothing is held. @param {{error: import("../api.js").ApiError}} props */
export const RequestError = ({ error }) => html`<${ErrorBox} error=${error} charge=${chargeText(error)} />`;

/** A task that failed. @param {{task: any}} props */
export const TaskError = ({ task }) => html`<${ErrorBox} error=${task.error ?? {}} charge=${chargeText(task)} />`;
