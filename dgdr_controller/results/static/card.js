// The candidate that is looked at: its numbers against the targets, and what can be done with it.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { byId, element } = dgdr.dom;
  const { exact, significant } = dgdr.numbers;
  const { METRICS, ranged, text } = dgdr.metrics;
  const { chanceOf, likelihood } = dgdr.likely;
  const { parallelism, shape } = dgdr.verdicts;

  const NUMBERS = ["tokensPerSPerGpu", "tokensPerSPerUser", "ttft", "itl", "e2e", "concurrency", "requestRate", "cost"];

  function render(state, update) {
    const { results, judgement, goal, facts, card, compared } = state;
    const candidate = results.candidates.find(({ id }) => id === card);
    if (!candidate) {
      byId("card").replaceChildren(element("p.hint", {}, "There is no candidate to look at."));
      return;
    }
    const verdict = judgement.verdicts.get(card);
    byId("card").replaceChildren(
      element("p.badges", {}, element(`span.badge.${verdict?.outcome}`, {}, verdict?.outcome ?? "not judged"), element("code", {}, candidate.id)),
      element("h2", {}, `${candidate.backend} ${candidate.mode}`, element("br"), shape(candidate)),
      verdict && element("p.why", {}, verdict.reason),
      ...targets(candidate, goal),
      element("dl", {}, ...NUMBERS.flatMap((name) => [element("dt", {}, METRICS[name].title), element("dd", {}, ranged(name, candidate, facts))])),
      ...simulated(candidate, facts),
      workers(candidate),
      actions(candidate, compared, update),
    );
  }

  // Bars: how much of a target is used.
  function targets(candidate, goal) {
    if (!candidate.performance) return [];
    return dgdr.selection.targets(candidate, goal).map(({ name, value, target }) => {
      const missed = value > target.value;
      const bar = element("div.bar", { role: "img", "aria-label": `${significant((value / target.value) * 100, 2)} % of the target` }, element("i"));
      bar.firstChild.style.width = `${Math.min(100, (value / target.value) * 100)}%`;
      const limit = `${exact(target.value)} ms${target.explicit ? "" : " (default)"}`;
      return element(missed ? "div.target.missed" : "div.target", {},
        element("span", {}, `${missed ? "✕" : "✓"} ${name} ${significant(value)} of ${limit}${odds(candidate, name)}`), bar);
    });
  }

  function odds(candidate, name) {
    const chance = chanceOf(candidate, name);
    return chance === undefined ? "" : `, ${likelihood(chance)} likely`;
  }

  // What the simulator itself says, before measurements correct it.
  function simulated(candidate, facts) {
    if (!candidate.simulated) return [];
    const own = { performance: candidate.simulated };
    const parts = ["tokensPerSPerGpu", "ttft", "itl"].map((name) => `${METRICS[name].title} ${text(name, own, facts)}`);
    return [element("p.hint", {}, `A range holds the truth in 80 % of cases. The simulator itself says: ${parts.join(", ")}.`)];
  }

  function workers({ workers: roles, replicas, contextLength, backendVersion, source }) {
    const each = roles.map((w) => element("li", {},
      `${w.count * replicas} × ${w.role === "aggregated" ? "worker" : w.role}: ${parallelism(w)}, batch ${w.batch}, ` +
      `≤ ${w.maxNumTokens} tokens a step, KV cache ${w.kvCacheDtype}` +
      (w.memoryGib === undefined ? "" : `, ${significant(w.memoryGib)} GiB of each GPU`)));
    return element("ul.workers", {}, ...each, element("li", {}, `context of ${contextLength} tokens · engine ${backendVersion} · numbers: ${source}`));
  }

  function actions({ id }, compared, update) {
    const place = element("div.actions", {});
    const inside = compared.includes(id);
    const compare = element("button", {
      type: "button", id: "compare-this", disabled: !inside && compared.length >= dgdr.compare.MOST,
      onclick: () => update({ compared: dgdr.compare.toggled(compared, id) }),
    }, inside ? "Do not compare" : "Compare");
    place.append(compare);
    dgdr.source.manifest(id).then((yaml) => {
      if (!yaml) {
        place.append(element("p.hint", {}, "It cannot be deployed: there is no YAML of it."));
        return;
      }
      place.prepend(
        element("button.main", { type: "button", id: "download", onclick: () => dgdr.export.download(`${id}.yaml`, "application/yaml", yaml) }, "Download DGD"),
        element("button", { type: "button", id: "copy", onclick: () => dgdr.export.copy(dgdr.export.heredoc(yaml), "The kubectl command") }, "Copy as kubectl apply"),
      );
      const text_ = element("details", {}, element("summary", {}, "Show the YAML"), element("pre", { tabindex: "0" }, yaml));
      place.append(text_);
    });
    return place;
  }

  dgdr.card = { render };
})();
