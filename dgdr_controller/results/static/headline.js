// The verdict in one sentence, what to beware of, and where the numbers come from.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { byId, element } = dgdr.dom;
  const { exact, significant } = dgdr.numbers;
  const { chanceOf, likelihood } = dgdr.likely;
  const { shape, warnings, withDrafts } = dgdr.verdicts;

  const WHAT_IF =
    "What if: judged by the targets and the objective below. The search does not depend on them: its best for these " +
    "is among its candidates.";

  const strong = (text) => element("strong", {}, text);
  const gpus = (count) => (count === 1 ? "1 GPU" : `${count} GPUs`);

  function render(state) {
    const { results, judgement, goal, asked } = state;
    const { hardware, request } = results;
    const place = `${hardware.totalGpus.value} × ${hardware.gpuSku}`;
    byId("headline").replaceChildren(
      element("p.place", {},
        element("b", {}, request.spec.model), ` on ${place} · ${workload(goal)} · request `, element("code", {}, request.name)),
      ...verdict(state, judgement.choice),
      element("div.warnings", {}, ...said(state).map((text) => element("p.warning", {}, text))),
      ...(asked ? [] : [element("p.whatif", {}, WHAT_IF)]),
    );
    provenance(state);
  }

  function workload({ isl, osl, concurrency, requestRate }) {
    const load = concurrency ? ` · ${exact(concurrency)} requests in flight` : requestRate ? ` · ${exact(requestRate)} requests/s` : "";
    return `${isl} tokens in, ${osl} out${load}`;
  }

  function verdict({ results, goal, facts, asked, judgement }, choice) {
    if (!choice) return [element("h1", {}, "No configuration can be deployed"), ...reasons(results)];
    const title = element("h1", {}, asked ? "Recommended: " : "With these: ",
      strong(`${choice.backend} ${choice.mode}, ${shape(choice)}`), ` on ${gpus(choice.gpus)}`);
    if (!choice.performance) {
      return [title, element("p.lead", {}, "It is the smallest engine that the model fits in. Its performance is unknown: nothing was simulated.")];
    }
    const { ttft, itl, e2e, concurrency } = choice.performance;
    const users = significant(concurrency);
    const how = choice.source === "measured" ? "Measured " : "Estimated ";
    const numbers = [
      [strong(`${dgdr.metrics.text("tokensPerSPerGpu", choice, facts)} tokens/s/GPU`), between(choice, "tokensPerSPerGpu"), " and ",
        strong(`${dgdr.metrics.text("tokensPerSPerUser", choice, facts)} tokens/s`), " for each user"],
      [", TTFT ", strong(`${significant(ttft)} ms`), between(choice, "ttft"), ...against(choice, "TTFT", ttft, goal.ttft)],
      [", ITL ", strong(`${significant(itl)} ms`), between(choice, "itl"), ...against(choice, "ITL", itl, goal.itl)],
      goal.e2eLatency ? [", whole request ", strong(`${significant(e2e)} ms`), between(choice, "e2e"), ...against(choice, "E2E latency", e2e, goal.e2eLatency)] : [],
    ];
    const reason = judgement.verdicts.get(choice.id)?.reason ?? "the best of all candidates";
    return [
      title,
      element("p.lead", {}, how, ...numbers.flat(),
        `, at its full load of ${users} concurrent request${users === "1" ? "" : "s"}. `,
        element("span.reason", {}, `${reason[0].toUpperCase()}${reason.slice(1)}.`)),
    ];
  }

  // The range that the truth is in with 80 %.
  function between({ uncertainty }, name) {
    const range = uncertainty?.[name];
    return range ? ` (${significant(range.low, 2)}–${significant(range.high, 2)})` : "";
  }

  function against(choice, name, value, target) {
    if (!target) return [];
    const chance = chanceOf(choice, name);
    const likely = chance === undefined ? "" : `, ${likelihood(chance)} likely`;
    const missed = value > target.value;
    const text = `${missed ? "over" : "within"} ${exact(target.value)} ms${target.explicit ? "" : ", the default"}`;
    return [" (", element(missed ? "span.bad" : "span.good", {}, `${missed ? "✕" : "✓"} ${text}${likely}`), ")"];
  }

  function reasons({ searches = [] }) {
    const told = searches.filter(({ message }) => message);
    return told.map((search) => element("p.lead", {}, became(search)));
  }

  // What became of the search of one engine and mode.
  function became({ backend, mode, draftTokens, message }) {
    return `${withDrafts(`${backend} ${mode}`, draftTokens)}: ${message}`;
  }

  // With the targets of the request what the profiler said; with others what it would say of them.
  function said({ results, asked, judgement, goal }) {
    const given = results.warnings ?? [];
    if (asked) return given.map(({ message }) => message);
    const others = given.filter(({ type }) => type !== "SLAWarning").map(({ message }) => message);
    return [...others, ...warnings(judgement, goal, results.hardware)];
  }

  function provenance({ results }) {
    const { engine, engineVersion, perfDatabase = {}, mode, notes = [] } = results.provenance;
    const how = { rapid: "Estimated, not measured", thorough: "Measured", naive: "Planned by memory fit" }[mode];
    const data = Object.entries(perfDatabase).map(([backend, version]) => `${backend} ${version}`).join(", ");
    const searched = (results.searches ?? []).filter(({ message }) => message);
    byId("provenance").replaceChildren(
      element("h2", {}, "About the numbers"),
      element("p", {}, strong(how), `, by ${engine} ${engineVersion}${data ? ` with the performance data of ${data}` : ""}.`),
      element("ul", {}, ...notes.map((note) => element("li", {}, note)),
        ...searched.map((search) => element("li", {}, became(search)))),
    );
  }

  dgdr.headline = { render };
})();
