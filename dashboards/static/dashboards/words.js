// Figures as people say them.

/** Seconds as "0.4 s", "38 s", "12 min", "3 h", "2 d". */
export function duration(seconds) {
  if (seconds < 9.5) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Bytes as "48 MB". */
export function bytes(count) {
  if (!count) return "–";
  const megabytes = count / 1048576;
  return megabytes < 1024 ? `${Math.round(megabytes)} MB` : `${(megabytes / 1024).toFixed(1)} GB`;
}

/** A moment as "13:02:41", in the reader's own time zone. */
export function clock(date, withSeconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hour12: false };
  if (withSeconds) options.second = "2-digit";
  return date.toLocaleTimeString("en-GB", options);
}

/** "1 job", "2 jobs". */
export function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
