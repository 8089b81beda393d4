// The page that a server in the cluster keeps up to date: where the request stands, and the button that deploys.
"use strict";
(() => {
  const dgdr = globalThis.dgdr;
  const { element, tell } = dgdr.dom;
  const { significant } = dgdr.numbers;
  const { shape } = dgdr.verdicts;

  const LOST = "Connection lost; retrying. If kubectl port-forward has ended, start it again";
  const RETRY_MS = 2000;
  const token = document.querySelector('meta[name="dgdr-token"]').content;
  const panel = element("section.panel", { id: "live", "aria-label": "Where the request stands" });
  const now = element("div", { role: "status", "aria-live": "polite" });
  const button = element("div.actions", {});
  document.querySelector("main").prepend(panel);
  panel.append(now, button);

  let state; // of the page, once there are results
  let seen = { phase: "", message: "Asking the page's server", conditions: [], points: [] };
  let lost = false;
  let shown; // version of the results that the page shows
  let arrived;
  const results = new Promise((resolve) => { arrived = resolve; });

  // The results, as soon as there are any.
  async function content() {
    await results;
    const answer = await fetch("content");
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.message);
    shown = seen.results;
    return body;
  }

  function listen() {
    const events = new EventSource("events");
    events.onmessage = ({ data }) => {
      lost = false;
      seen = JSON.parse(data);
      if (seen.hasResults) arrived();
      draw();
    };
    events.onerror = () => {
      lost = true;
      draw();
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
    };
  }

  function draw() {
    const { phase, message, progress, points, conditions } = seen;
    const verified = conditions.find(({ type }) => type === "PerformanceVerified");
    now.replaceChildren(
      element("p.badges", {}, element(`span.badge.phase.${phase.toLowerCase() || "unknown"}`, {}, phase || "…"), element("span", {}, message)),
      progress?.total && phase === "Profiling" && element("progress", { max: progress.total, value: progress.completed, "aria-label": `${progress.completed} of ${progress.total}` }) || "",
      seen.deployed ? element("p.hint", {}, "Candidate ", element("code", {}, seen.deployed), " is deployed") : "",
      verified ? element("p.hint", {}, `${verified.reason}: ${verified.message}`) : "",
      lost ? element("p.warning", {}, LOST) : "",
      points.length && !state ? measured(points) : "",
      conditions.length ? list(conditions) : "",
    );
    offer();
  }

  // What a thorough search has measured so far.
  function measured(points) {
    const rows = points.map((p) => element("tr", {}, element("td", {}, element("code", {}, p.trial)),
      ...[p.concurrency, significant(p.ttft), significant(p.itl), significant(p.tokens_per_s)].map((value) => element("td.number", {}, String(value)))));
    const head = ["measured so far", "in flight", "TTFT ms", "ITL ms", "tokens/s"];
    return element("table", {}, element("thead", {}, element("tr", {}, ...head.map((title, i) => element(i ? "th.number" : "th", {}, title)))), element("tbody", {}, ...rows));
  }

  function list(conditions) {
    const open = now.querySelector("details")?.open;
    return element("details", { open: open || false }, element("summary", {}, "Conditions"),
      element("table", {}, element("tbody", {}, ...conditions.map(({ type, status, reason, message }) =>
        element("tr", {}, element("td", {}, type), element("td", {}, status), element("td", {}, reason), element("td.why", {}, message))))));
  }

  // The button is there where it has an effect: while nothing is deployed.
  function offer() {
    const candidate = state?.results.candidates.find(({ id }) => id === state.card);
    const offered = candidate && seen.phase === "Ready" && !["does-not-fit", "over-budget", "not-renderable", "failed-trial"].includes(candidate.verdict?.outcome);
    const text = offered ? `Deploy ${candidate.id}` : "";
    if (button.dataset.text === text) return;
    button.dataset.text = text;
    button.replaceChildren(...(offered ? [element("button.main", { type: "button", id: "deploy", onclick: () => confirm(candidate) }, text)] : []));
  }

  function confirm(candidate) {
    const { gpuSku } = state.results.hardware;
    if (seen.results !== shown) return refuse("the results have changed; reload the page");
    const version = seen.resourceVersion; // of the request as it is while its user decides
    const gpus = `${candidate.gpus} × ${gpuSku} GPU${candidate.gpus > 1 ? "s" : ""}`;
    const dialog = element("dialog", { "aria-label": "Confirm" },
      element("h2", {}, `Deploy on ${gpus}?`),
      element("p", {}, `${candidate.backend} ${candidate.mode}, ${shape(candidate)} (${candidate.id})`),
      element("div.actions", {},
        element("button.main", { type: "button", id: "confirm", onclick: () => { dialog.close(); deploy(candidate.id, version); } }, "Deploy"),
        element("button", { type: "button", id: "cancel", onclick: () => dialog.close() }, "Cancel")));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  async function deploy(candidate, resourceVersion) {
    let text;
    try {
      const answer = await fetch("deploy", {
        method: "POST", headers: { "Content-Type": "application/json", "X-DGDR-Token": token },
        body: JSON.stringify({ candidate, resourceVersion }),
      });
      const { message } = await answer.json();
      if (answer.ok) return tell(message);
      text = message;
    } catch {
      text = LOST;
    }
    refuse(text);
  }

  function refuse(text) {
    document.getElementById("refused")?.remove();
    button.append(element("p.warning", { id: "refused", role: "alert" }, `Not deployed: ${text}`));
  }

  function render(changed) {
    state = changed;
    draw();
  }

  dgdr.source.content = content;
  dgdr.live = { render };
  draw();
  listen();
})();
