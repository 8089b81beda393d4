// The page: one state, and views that show it. A view changes the state through `update` alone.
"use strict";
(() => {
  const dgdr = globalThis.dgdr;
  const VIEWS = [dgdr.headline, dgdr.chart, dgdr.card, dgdr.compare, dgdr.table, ...(dgdr.live ? [dgdr.live] : [])];
  const PRICE = 3; // $ for a GPU and hour, to begin with: the reader knows better

  function start(content) {
    const { results } = content;
    const budget = results.hardware.totalGpus.value;
    // For what was asked, the judgement that came with the results; where no performance is known, for anything.
    const judged = (goal, asked) => {
      dgdr.likely.assess(results.candidates, goal, results.estimateErrors);
      const judgement = dgdr.verdicts.judge(results.candidates, goal, budget);
      if (!asked && judgement.offered.length) return judgement;
      const choice = results.candidates.find(({ id }) => id === results.selected);
      const front = results.pareto.map((id) => results.candidates.find((c) => c.id === id));
      return { ...judgement, choice, front, verdicts: new Map(results.candidates.map((c) => [c.id, c.verdict])) };
    };
    const state = {
      results, defaults: content.defaults, request: content.request,
      goal: results.goal, asked: true, judgement: judged(results.goal, true),
      facts: { price: PRICE, budget }, axes: { x: "tokensPerSPerUser", y: "tokensPerSPerGpu" }, hidden: new Set(),
      card: results.selected ?? results.candidates[0]?.id, compared: [],
    };

    function update(changes) {
      const before = state.judgement.choice?.id;
      Object.assign(state, changes);
      if ("goal" in changes) {
        state.judgement = judged(state.goal, state.asked);
        if (state.card === before) state.card = state.judgement.choice?.id ?? state.card; // who looks at the winner goes on to
      }
      const focused = selectorOf(document.activeElement);
      for (const view of VIEWS) view.render(state, update);
      if (document.activeElement === document.body && focused) document.querySelector(focused)?.focus({ preventScroll: true });
    }

    dgdr.whatif.start(state, update);
    dgdr.chart.start(state, update);
    dgdr.table.start(state, update);
    update({});
    document.body.dataset.ready = "true";
  }

  // By what an element is found again once its view was drawn anew: whoever uses the keyboard stays where they are.
  function selectorOf({ id, ariaLabel }) {
    if (id) return `#${CSS.escape(id)}`;
    return ariaLabel ? `[aria-label="${CSS.escape(ariaLabel)}"]` : "";
  }

  // What cannot be read is said: a page is never blank.
  function failed({ message }) {
    dgdr.dom.byId("headline").replaceChildren(dgdr.dom.element("p.warning", { role: "alert" }, `The results cannot be shown: ${message}`));
  }

  dgdr.source.content().then(start).catch(failed);
})();
