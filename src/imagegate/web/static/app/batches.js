// Many calls, without keeping other calls from the gateway.

// As many as a browser opens connections to a host.
const CALLS_AT_ONCE = 6;

/** @param {string[]} ids @param {(id: string) => Promise<any>} call */
export async function callInBatches(ids, call) {
  for (let at = 0; at < ids.length; at += CALLS_AT_ONCE) {
    await Promise.all(ids.slice(at, at + CALLS_AT_ONCE).map(call));
  }
}
