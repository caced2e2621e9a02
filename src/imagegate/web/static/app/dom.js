// Event handlers that are given what they need instead of the event.

/** The value of the field that was changed. @param {(value: string) => void} act */
export const withValue = (act) => (/** @type {any} */ event) => act(event.target.value);

/** The submitted form, which the browser does not send itself. @param {(form: HTMLFormElement) => any} act */
export const withForm = (act) => (/** @type {SubmitEvent} */ event) => {
  event.preventDefault();
  return act(/** @type {HTMLFormElement} */ (event.target));
};
