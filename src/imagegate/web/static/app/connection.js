// Whether the gateway answers: told once when it stops to, and once when it is back.
import { signal } from "@preact/signals";
import { t } from "./i18n.js";
import { showToast } from "./toast.js";

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 15_000;

export const reachable = signal(true);

/** Call `act` each time that the gateway is back, to load again what failed meanwhile. @param {() => void} act */
export function onBack(act) {
  let wasReachable = true;
  return reachable.subscribe((isReachable) => {
    if (isReachable && !wasReachable) act();
    wasReachable = isReachable;
  });
}

/** The first look after a call was lost, which all callers share. @type {Promise<boolean> | null} */
let firstLook = null;

/** To be called where a call brought no answer. @returns {Promise<boolean>} whether the gateway still answers others */
export function checkConnection() {
  firstLook ??= answers().then((found) => {
    if (found) firstLook = null;
    else waitUntilBack();
    return found;
  });
  return firstLook;
}

async function waitUntilBack() {
  reachable.value = false;
  const endToast = showToast(t("app.connection.lost"), "bad", { stays: true });
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, MAX_WAIT_MS)) {
    await pause(wait);
    if (await answers()) break;
  }
  endToast();
  firstLook = null;
  reachable.value = true;
  showToast(t("app.connection.back"), "good");
}

/** Anything but a proxy's word that nobody is there. */
const answers = () =>
  fetch("/healthz", { cache: "no-store" }).then(
    (response) => response.status < 500,
    () => false,
  );

/** Ends early when the network is back. @param {number} ms @returns {Promise<void>} */
function pause(ms) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      removeEventListener("online", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
  });
}

addEventListener("offline", checkConnection);
