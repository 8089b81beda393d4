// Two to four candidates side by side, and how the deployments of two differ.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { byId, element } = dgdr.dom;
  const { METRICS, ranged } = dgdr.metrics;
  const { parallelism, shape } = dgdr.verdicts;

  const MOST = 4;
  const LETTERS = "ABCD";
  const NUMBERS = ["tokensPerSPerGpu", "tokensPerSPerUser", "ttft", "itl", "e2e", "concurrency", "requestRate", "cost"];
  const ROWS = [
    ["verdict", (c, { judgement }) => judgement.verdicts.get(c.id)?.outcome ?? ""],
    ["engine", (c) => `${c.backend} ${c.backendVersion}`],
    ["mode", (c) => c.mode],
    ["workers", shape],
    ["GPUs", (c) => String(c.gpus)],
    ["parallelism", (c) => c.workers.map(parallelism).join(" / ")],
    ["batch", (c) => c.workers.map((w) => w.batch).join(" / ")],
    ["tokens a step", (c) => c.workers.map((w) => w.maxNumTokens).join(" / ")],
    ["KV cache", (c) => c.workers.map((w) => w.kvCacheDtype).join(" / ")],
    ...NUMBERS.map((name) => [METRICS[name].title, (c, { facts }) => ranged(name, c, facts), name]),
  ];

  let pair = [0, 1];

  function toggled(compared, id) {
    if (compared.includes(id)) return compared.filter((each) => each !== id);
    return compared.length < MOST ? [...compared, id] : compared;
  }

  function render(state, update) {
    const { results, compared } = state;
    const chosen = compared.map((id) => results.candidates.find((c) => c.id === id));
    const place = byId("compare");
    place.hidden = chosen.length === 0;
    if (chosen.length < 2) {
      place.replaceChildren(element("p.hint", {}, `${LETTERS[0]} is ${chosen[0]?.id ?? "free"}. Tick one to three more candidates, in the table or with C in the chart, to compare.`));
      return;
    }
    if (pair.some((each) => each >= chosen.length)) pair = [0, 1];
    place.replaceChildren(
      element("div.fields", {}, element("h2", {}, "Side by side"), element("span.space", {}),
        element("button", { type: "button", id: "compare-none", onclick: () => update({ compared: [] }) }, "Clear")),
      element("div.scroll", {}, sideBySide(chosen, state, update)),
      difference(chosen),
    );
  }

  function sideBySide(chosen, state, update) {
    const head = chosen.map((c, i) => element("th", {}, element("b.letter", {}, LETTERS[i]), " ", c.id, " ",
      element("button.link", { type: "button", "aria-label": `Do not compare ${c.id}`, onclick: () => update({ compared: toggled(state.compared, c.id) }) }, "✕")));
    const rows = ROWS.map(([title, cell, metric]) => {
      const values = chosen.map((c) => cell(c, state));
      const differs = new Set(values).size > 1;
      const best = metric && differs ? bestOf(chosen, METRICS[metric], state.facts) : undefined;
      return element(differs ? "tr.differs" : "tr", {}, element("th", { scope: "row" }, title),
        ...values.map((value, i) => element(chosen[i] === best ? "td.best" : "td", {}, value)));
    });
    return element("table", {}, element("thead", {}, element("tr", {}, element("td"), ...head)), element("tbody", {}, ...rows));
  }

  function bestOf(chosen, metric, facts) {
    const known = chosen.filter((c) => c.performance);
    return known.reduce((a, b) => (metric.best * (metric.value(b, facts) - metric.value(a, facts)) > 0 ? b : a), known[0]);
  }

  function difference(chosen) {
    const output = element("pre.diff", { id: "diff", tabindex: "0" });
    const select = (which) => {
      const field = element("select", { "aria-label": which ? "with" : "from", onchange: () => {
        pair[which] = Number(field.value);
        write();
      } }, ...chosen.map((_, i) => element("option", { value: i, selected: i === pair[which] }, LETTERS[i])));
      return field;
    };
    async function write() {
      const [one, other] = await Promise.all(pair.map((each) => dgdr.source.manifest(chosen[each].id)));
      if (!one || !other) {
        output.textContent = "One of them cannot be deployed: there is no YAML of it.";
        return;
      }
      const lines = dgdr.diff.shortened(dgdr.diff.diff(one, other));
      output.replaceChildren(...lines.map((line) =>
        line ? element(`span.line.${{ " ": "same", "-": "gone", "+": "new" }[line[0]]}`, {}, `${line[0]} ${line[1]}\n`) : element("span.line.cut", {}, "⋯\n")));
    }
    write();
    return element("div", {}, element("div.fields", {}, element("h3", {}, "Their DGDs: from ", select(0), " to ", select(1))), output);
  }

  dgdr.compare = { MOST, render, toggled };
})();
