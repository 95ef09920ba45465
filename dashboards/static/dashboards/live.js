// Keeps the page fed: snapshots over a WebSocket, by polling while it is lost, and a word about how fresh they are.

const SILENCE_MS = 8000; // a socket this quiet counts as lost
const POLL_MS = 3000;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30000;

/**
 * Call `show(snapshot)` for every snapshot and then `tell(state, since)`; `show` says whether the figures were there.
 * `state`: "live", "polling", "stale" or "signed-out"; `since`: the Date of the last snapshot, or null.
 */
export function follow(snapshotUrl, show, tell) {
  let socket = null;
  let retryMs = FIRST_RETRY_MS;
  let lastAt = null;
  let pollTimer = null;
  let silenceTimer = null;
  let retryTimer = null;

  function received(text, state) {
    const isComplete = show(JSON.parse(text));
    if (isComplete) lastAt = new Date();
    tell(isComplete ? state : "stale", lastAt);
  }

  function connect() {
    clearTimeout(retryTimer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    socket = new WebSocket(`${scheme}//${location.host}/live`);
    socket.onmessage = (event) => {
      retryMs = FIRST_RETRY_MS;
      clearTimeout(pollTimer);
      pollTimer = null;
      clearTimeout(silenceTimer);
      silenceTimer = setTimeout(() => socket.close(), SILENCE_MS);
      received(event.data, "live");
    };
    socket.onclose = () => {
      clearTimeout(silenceTimer);
      if (document.hidden) return; // opened again when somebody looks
      if (pollTimer === null) tell("stale", lastAt);
      pollTimer ??= setTimeout(poll, 0);
      // a random share, so that the browsers of a restarted server do not all come back at once
      retryTimer = setTimeout(connect, retryMs * (0.5 + Math.random() / 2));
      retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS);
    };
  }

  async function poll() {
    try {
      const answer = await fetch(snapshotUrl, { headers: { Accept: "application/json" } });
      if (answer.status === 401 || answer.status === 403) {
        tell("signed-out", lastAt);
      } else if (answer.ok) {
        received(await answer.text(), "polling");
      } else {
        tell("stale", lastAt);
      }
    } catch {
      tell("stale", lastAt);
    }
    if (pollTimer !== null) pollTimer = setTimeout(poll, POLL_MS);
  }

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(pollTimer);
      clearTimeout(retryTimer);
      pollTimer = null;
      socket.close();
    } else {
      retryMs = FIRST_RETRY_MS;
      connect();
    }
  });
  connect();
}
