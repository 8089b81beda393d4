// What can be read off a candidate: title, value, which way is better, the target that bounds it.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { significant } = dgdr.numbers;

  const line = (target, value, name) =>
    target && { value, explicit: target.explicit, label: `${name} ≤ ${dgdr.numbers.exact(target.value)} ms` };

  // `value` gets the candidate and the page's facts: {price, budget} – price of a GPU per hour, GPUs of the budget.
  const METRICS = {
    tokensPerSPerGpu: { title: "tokens/s/GPU", best: 1, value: (c) => c.performance.tokensPerSPerGpu },
    budget: {
      title: "tokens/s per GPU of the budget", best: 1,
      value: (c, { budget }) => c.performance.tokensPerS / budget,
    },
    cost: {
      title: "$ per million output tokens", best: -1, log: true,
      value: (c, { price }) => (price * 1e6) / (c.performance.tokensPerSPerGpu * 3600),
    },
    tokensPerSPerUser: {
      title: "tokens/s/user", best: 1, value: (c) => c.performance.tokensPerSPerUser,
      target: (goal) => line(goal.itl, 1000 / goal.itl?.value, "ITL"), // users see 1000 / ITL tokens/s
    },
    ttft: {
      title: "TTFT in ms", best: -1, log: true, value: (c) => c.performance.ttft,
      target: (goal) => line(goal.ttft, goal.ttft?.value, "TTFT"),
    },
    itl: {
      title: "ITL in ms", best: -1, log: true, value: (c) => c.performance.itl,
      target: (goal) => line(goal.itl, goal.itl?.value, "ITL"),
    },
    e2e: {
      title: "whole request in ms", best: -1, log: true, value: (c) => c.performance.e2e,
      target: (goal) => line(goal.e2eLatency, goal.e2eLatency?.value, "request"),
    },
    concurrency: { title: "requests in flight", best: 1, value: (c) => c.performance.concurrency },
    requestRate: { title: "requests/s", best: 1, value: (c) => c.performance.requestRate },
  };

  // What a metric says of a candidate, in letters.
  function text(name, candidate, facts) {
    return candidate.performance ? significant(METRICS[name].value(candidate, facts)) : "unknown";
  }

  // The same with the range that the truth is in with 80 %, where it is known.
  function ranged(name, candidate, facts) {
    const range = candidate.uncertainty?.[name];
    const between = range ? ` (${significant(range.low, 2)}–${significant(range.high, 2)})` : "";
    return `${text(name, candidate, facts)}${between}`;
  }

  dgdr.metrics = { METRICS, ranged, text };
})();
