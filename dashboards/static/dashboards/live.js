// Keeps the page fed: snapshots over a WebSocket, by polling while it is lost, and a word about how fresh they are.

const SILENCE_MS = 8000; // a socket this quiet counts as lost
const POLL_MS = 3000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30000;

/**
 * Call `show(snapshot)` for every snapshot and then `tell(state, since)`; `show` says whether the figures were there.
 * `state`: "live", "polling", "stale", "signed-out" or "off"; `since`: the Date of the last snapshot, or null.
 * Nothing comes while the tab is hidden. Returns {refresh, setOff}.
 */
export function follow(snapshotUrl, socketPath, show, tell) {
  let socket = null;
  let retryMs = FIRST_RETRY_MS;
  let lastAt = null;
  let pollTimer = null;
  let silenceTimer = null;
  let retryTimer = null;
  let isOff = false;

  const isAsleep = () => isOff || document.hidden;

  function received(text, state) {
    const isComplete = show(JSON.parse(text));
    if (isComplete) lastAt = new Date();
    tell(isComplete ? state : "stale", lastAt);
  }

  function connect() {
    clearTimeout(retryTimer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const mine = new WebSocket(`${scheme}//${location.host}${socketPath}`);
    socket = mine;
    mine.onmessage = (event) => {
      if (mine !== socket) return;
      retryMs = FIRST_RETRY_MS;
      clearTimeout(pollTimer);
      pollTimer = null;
      clearTimeout(silenceTimer);
      silenceTimer = setTimeout(() => mine.close(), SILENCE_MS);
      received(event.data, "live");
    };
    mine.onclose = () => {
      if (mine !== socket) return;
      clearTimeout(silenceTimer);
      socket = null;
      if (isAsleep()) return; // opened again when somebody looks
      if (pollTimer === null) tell("stale", lastAt);
      pollTimer ??= setTimeout(poll, 0);
      // a random share, so that the browsers of a restarted server do not all come back at once
      retryTimer = setTimeout(connect, retryMs * (0.5 + Math.random() / 2));
      retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
    };
  }

  async function poll() {
    await fetchOnce(isOff ? "off" : "polling");
    if (pollTimer !== null) pollTimer = setTimeout(poll, POLL_MS);
  }

  async function fetchOnce(state) {
    try {
      const answer = await fetch(snapshotUrl, { headers: { Accept: "application/json" } });
      if (answer.status === 401 || answer.status === 403) tell("signed-out", lastAt);
      else if (answer.ok) received(await answer.text(), state);
      else tell("stale", lastAt);
    } catch {
      tell("stale", lastAt);
    }
  }

  function sleep() {
    clearTimeout(pollTimer);
    clearTimeout(retryTimer);
    clearTimeout(silenceTimer);
    pollTimer = null;
    const old = socket;
    socket = null;
    old?.close();
  }

  function wake() {
    if (socket !== null || isAsleep()) return;
    retryMs = FIRST_RETRY_MS;
    connect();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? sleep() : wake()));
  wake();
  return {
    /** Ask for a snapshot now. */
    refresh: () => fetchOnce(isOff ? "off" : "live"),
    /** Stop asking, or begin again. */
    setOff(off) {
      isOff = off;
      if (off) {
        sleep();
        tell("off", lastAt);
      } else wake();
    },
  };
}
