// Shows a log's envelopes as they come, on the page of /operator/stream/TRIAL. It shows what /v1/trials/TRIAL/tail tells,
// and nothing is lost where it does not: what was passed over or not shown is named by its positions, with the way there.
"use strict";

(() => {
  // Rows kept on the page: some screens full.
  const ROWS_MAX = 200;
  // How often the page is drawn: a thousand records a second are a hundred rows at a time.
  const DRAW_MS = 100;

  const section = document.getElementById("tail");
  if (!section || !window.EventSource) return;
  const trial = section.dataset.trial;
  const body = section.querySelector("tbody");
  const state = document.getElementById("tail-state");
  const pause = document.getElementById("tail-pause");
  section.hidden = false;

  let waiting = [];
  let paused = false;
  let told = 0;
  let connection = "Connecting";

  const cell = (tag, text, kind) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  };
  const short = (key) => `${key.slice(0, 4)}…${key.slice(-2)}`;
  const moment = (text) => `${text.slice(0, 10)} ${text.slice(11, 19)} UTC`;

  const row = (envelope) => {
    const made = document.createElement("tr");
    const position = cell("th", envelope.seq.toLocaleString("en"), "number");
    position.scope = "row";
    const key = document.createElement("td");
    const code = cell("code", short(envelope.key));
    code.title = envelope.key;
    key.append(code);
    made.append(
      position,
      cell("td", envelope.kind.replaceAll("_", " ")),
      cell("td", envelope.site || "–"),
      key,
      cell("td", envelope.bytes.toLocaleString("en"), "number"),
      cell("td", moment(envelope.recorded_at)),
      cell("td", moment(envelope.signed_at)),
    );
    return made;
  };

  // Records that are not among the rows, and the way to them.
  const passed = (from, to) => {
    const made = document.createElement("tr");
    const only = document.createElement("td");
    only.colSpan = 7;
    const link = document.createElement("a");
    link.href = `/operator/stream/${encodeURIComponent(trial)}?from=${from}`;
    link.textContent = `Records #${from.toLocaleString("en")} to #${(to - 1).toLocaleString("en")} came faster than they can be shown here: read them in the log`;
    only.append(link);
    made.append(only);
    return made;
  };

  const say = () => {
    const count = told.toLocaleString("en");
    const text = paused
      ? `Paused; ${waiting.length.toLocaleString("en")} more came meanwhile`
      : `${connection}; ${count} since this page was opened`;
    if (state.textContent !== text) state.textContent = text;
  };

  const draw = () => {
    if (!paused && waiting.length > 0) {
      // Of more than there are rows for, the last are shown, and where the others are is said.
      const shown = waiting.slice(-ROWS_MAX);
      const first = waiting[0];
      const next = shown[0];
      const rows = shown.map((one) => (one.gap ? passed(one.gap.from, one.gap.to) : row(one.envelope)));
      if (next !== first) {
        const from = first.gap ? first.gap.from : first.envelope.seq;
        rows.unshift(passed(from, next.gap ? next.gap.from : next.envelope.seq));
      }
      body.prepend(...rows.reverse());
      while (body.rows.length > ROWS_MAX) body.deleteRow(-1);
      waiting = [];
    }
    say();
  };

  const source = new EventSource(`/v1/trials/${encodeURIComponent(trial)}/tail?from=${section.dataset.from}`);
  source.addEventListener("open", () => { connection = "Live"; });
  source.addEventListener("error", () => {
    connection = source.readyState === EventSource.CLOSED ? "Ended: sign in again, or open the page again" : "Connecting again";
  });
  source.addEventListener("envelope", (event) => {
    told += 1;
    waiting.push({ envelope: JSON.parse(event.data) });
    // A page that is paused for long holds no more than it can show; the log has the rest.
    if (waiting.length > 50 * ROWS_MAX) {
      const first = waiting[0];
      const from = first.gap ? first.gap.from : first.envelope.seq;
      const last = waiting[waiting.length - 1].envelope.seq;
      waiting = [{ gap: { from, to: last + 1 } }];
    }
  });
  source.addEventListener("gap", (event) => {
    const gap = JSON.parse(event.data);
    told += gap.to - gap.from;
    waiting.push({ gap });
  });
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
    draw();
  });
  window.setInterval(draw, DRAW_MS);
})();
