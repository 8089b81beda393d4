// All candidates: sorted by any column, filtered by words and verdict.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { byId, element, tell } = dgdr.dom;
  const { METRICS, text } = dgdr.metrics;
  const { likelihood, promise } = dgdr.likely;
  const { OUTCOMES, shape } = dgdr.verdicts;

  const ROWS = 40; // drawn at first
  const NUMBERS = [
    ["tokensPerSPerGpu", "tok/s/GPU"], ["tokensPerSPerUser", "tok/s/user"], ["ttft", "TTFT ms"], ["itl", "ITL ms"], ["e2e", "request ms"],
    ["concurrency", "in flight"], ["cost", "$/M tokens"],
  ];
  const COLUMNS = [
    { key: "engine", title: "engine", value: (c) => c.backend },
    { key: "mode", title: "mode", value: (c) => c.mode, cell: (c) => (c.mode === "aggregated" ? "agg" : "disagg") },
    { key: "workers", title: "workers", value: shape },
    { key: "batch", title: "batch", number: true, value: (c) => c.workers.at(-1).batch, cell: (c) => c.workers.map((w) => w.batch).join("/") },
    { key: "gpus", title: "GPUs", number: true, value: (c) => c.gpus },
    ...NUMBERS.map(([name, title]) => ({
      key: name, title, number: true, falling: METRICS[name].best > 0,
      value: (c, { facts }) => (c.performance ? METRICS[name].value(c, facts) : undefined),
      cell: (c, { facts }) => text(name, c, facts),
    })),
    {
      key: "likely", title: "all targets", number: true, falling: true, value: (c) => promise(c),
      cell: (c) => (promise(c) === undefined ? "" : likelihood(promise(c))),
    },
    {
      key: "verdict", title: "verdict", value: (c, { judgement }) => OUTCOMES.indexOf(judgement.verdicts.get(c.id)?.outcome),
      cell: (c, { judgement }) => judgement.verdicts.get(c.id)?.outcome ?? "",
    },
    { key: "why", title: "why", value: (c, { judgement }) => judgement.verdicts.get(c.id)?.reason ?? "" },
  ];

  let view;

  function start(state, update) {
    const words = element("input", { id: "words", type: "search", placeholder: "tp4, vllm, -disagg …", "aria-label": "Filter by words", oninput: () => again() });
    const outcome = element("select", { id: "outcome", "aria-label": "Filter by verdict", onchange: () => again() },
      element("option", { value: "" }, "every verdict"), ...OUTCOMES.map((each) => element("option", { value: each }, each)));
    const save = (kind, type, write) => () =>
      dgdr.export.download(`candidates.${kind}`, type, write(view.state.results.candidates, view.state.judgement.verdicts));
    const count = element("span.count", { role: "status" });
    const head = element("tr", {}, element("th", {}, element("span.hidden", {}, "compare")), ...COLUMNS.map((column) => heading(column)));
    const body = element("tbody", {});
    const more = element("button", { type: "button", id: "more", onclick: () => {
      view.rows = Infinity;
      render(view.state);
    } });
    byId("table").replaceChildren(
      element("div.fields", {}, element("h2", {}, "All candidates"), words, outcome, count, element("span.space", {}),
        element("button", { type: "button", id: "csv", onclick: save("csv", "text/csv", dgdr.export.csv) }, "CSV"),
        element("button", { type: "button", id: "json", onclick: save("json", "application/json", dgdr.export.json) }, "JSON")),
      element("div.scroll", { tabindex: "0", role: "region", "aria-label": "Candidates" }, element("table", {}, element("thead", {}, head), body)),
      more,
    );
    view = { state, update, words, outcome, count, head, body, more, rows: ROWS, by: undefined, falling: false };
  }

  function again() {
    view.rows = ROWS;
    render(view.state);
  }

  function heading(column) {
    const sort = () => {
      view.falling = view.by === column ? !view.falling : Boolean(column.falling);
      view.by = column;
      again();
    };
    return element(column.number ? "th.number" : "th", { "data-key": column.key, "aria-sort": "none" }, element("button", { type: "button", onclick: sort }, column.title));
  }

  function render(state) {
    view.state = state;
    const found = sorted(filtered(state), state);
    view.body.replaceChildren(...found.slice(0, view.rows).map((candidate) => row(candidate, state)));
    view.count.textContent = `${found.length} of ${state.results.candidates.length}`;
    view.more.hidden = found.length <= view.rows;
    view.more.textContent = `Show all ${found.length}`;
    for (const each of view.head.querySelectorAll("[data-key]")) {
      const direction = view.falling ? "descending" : "ascending";
      each.setAttribute("aria-sort", each.dataset.key === view.by?.key ? direction : "none");
    }
  }

  // Every word must be in the row; one that begins with a minus sign must not.
  function filtered(state) {
    const words = view.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = view.outcome.value;
    return state.results.candidates.filter((candidate) => {
      const { outcome, reason } = state.judgement.verdicts.get(candidate.id) ?? {};
      if (state.hidden.has(candidate.backend) || state.hidden.has(candidate.mode) || (wanted && outcome !== wanted)) return false;
      const content = [candidate.id, candidate.backend, candidate.mode, shape(candidate), `${candidate.gpus}gpus`, outcome, reason].join(" ").toLowerCase();
      return words.every((word) => (word.length > 1 && word.startsWith("-") ? !content.includes(word.slice(1)) : content.includes(word)));
    });
  }

  // Until a column is chosen: the recommended one, the front, the others, each by falling tokens/s/GPU.
  function sorted(candidates, state) {
    const { by, falling } = view;
    const front = new Set(state.judgement.front.map(({ id }) => id));
    const rank = (c) => [
      c === state.judgement.choice ? 0 : 1, front.has(c.id) ? 0 : 1,
      OUTCOMES.indexOf(state.judgement.verdicts.get(c.id)?.outcome), -(c.performance?.tokensPerSPerGpu ?? 0), c.id,
    ];
    const standing = new Map(candidates.map((c) => [c, by ? [by.value(c, state)] : rank(c)]));
    const order = [...candidates].sort((a, b) => dgdr.selection.compared(standing.get(a), standing.get(b)));
    return by && falling ? order.reverse() : order;
  }

  function row(candidate, state) {
    const { id } = candidate;
    const inside = state.compared.includes(id);
    const tick = element("input", {
      type: "checkbox", checked: inside, "aria-label": `Compare ${id}`,
      onchange: () => {
        if (!tick.checked || state.compared.length < dgdr.compare.MOST) view.update({ compared: dgdr.compare.toggled(state.compared, id) });
        else {
          tick.checked = false;
          tell(`At most ${dgdr.compare.MOST} are compared`);
        }
      },
    });
    const cells = COLUMNS.map((column) => {
      const value = (column.cell ?? column.value)(candidate, state);
      if (column.key === "engine") {
        return element("td", {}, element("button.link", { type: "button", "aria-label": `${value}: look at ${id}`, onclick: look }, element(`i.dot.${candidate.backend}`), value));
      }
      if (column.key === "verdict") return element("td", {}, value && element(`span.badge.${value}`, {}, value));
      return element(column.number ? "td.number" : `td.${column.key}`, {}, String(value));
    });
    function look() {
      view.update({ card: id });
    }
    const classes = [state.card === id && "looked", candidate === state.judgement.choice && "chosen"].filter(Boolean);
    return element("tr", { "data-id": id, class: classes.join(" ") || false, onclick: ({ target }) => !target.closest("input,button") && look() },
      element("td", {}, tick), ...cells);
  }

  dgdr.table = { render, start };
})();
