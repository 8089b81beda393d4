// A verdict with its reason on every candidate: the rules and words of dgdr_controller/profiler/selection/judge.py.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { exact, percent, significant } = dgdr.numbers;
  const { choose, criteria, dominates, front, hasLoad, isOffered, meetsTargets, served, targets } = dgdr.selection;

  const OUTCOMES = [
    "selected", "alternative", "dominated", "misses-target", "does-not-fit", "over-budget", "not-renderable",
  ];
  const WHY = {
    throughput: "most tokens/s/GPU",
    latency: "shortest request",
    hybrid: "best product of tokens/s/GPU and tokens/s/user",
  };

  // Judges candidates anew: choice, front (both of candidates) and verdict by id. What hinders a deployment is
  // no matter of targets: those verdicts stay.
  function judge(candidates, goal, budget) {
    const offered = candidates.filter(isOffered);
    const choice = choose(offered, goal, budget);
    const best = front(offered, goal, budget);
    const onFront = new Map(best.map((each) => [each, criteria(each, goal, budget)]));
    const verdictOn = (candidate) => {
      if (!isOffered(candidate)) return candidate.verdict;
      if (candidate === choice) return { outcome: "selected", reason: whySelected(choice, goal) };
      if (!meetsTargets(candidate, goal)) return { outcome: "misses-target", reason: howMissed(candidate, goal) };
      if (onFront.has(candidate)) return { outcome: "alternative", reason: against(candidate, choice) };
      return { outcome: "dominated", reason: dominator(criteria(candidate, goal, budget), onFront) };
    };
    const verdicts = new Map(candidates.map((candidate) => [candidate.id, verdictOn(candidate)]));
    return { choice, front: best, offered, verdicts };
  }

  function whySelected(choice, goal) {
    if (!meetsTargets(choice, goal)) {
      return `no configuration meets every target; this one comes closest (${howMissed(choice, goal)})`;
    }
    const fewest = hasLoad(goal) ? "fewest GPUs that serve the load, then " : "";
    return `${fewest}${WHY[goal.objective]} among those that meet the targets`;
  }

  function howMissed(candidate, goal) {
    return targets(candidate, goal)
      .filter(({ value, target }) => value > target.value)
      .map(({ name, value, target }) => `misses ${name}=${exact(target.value)}ms by ${percent(value / target.value)}`)
      .join(", ");
  }

  // Says what an alternative gives and takes against the choice.
  function against(candidate, choice) {
    const [ours, theirs] = [candidate.performance, choice.performance];
    const parts = [
      ["tokens/s/user", ours.tokensPerSPerUser, theirs.tokensPerSPerUser],
      ["tokens/s/GPU", ours.tokensPerSPerGpu, theirs.tokensPerSPerGpu],
      ["TTFT", ours.ttft, theirs.ttft],
      ["GPUs", candidate.gpus, choice.gpus],
    ]
      .filter(([, a, b]) => a !== b && b)
      .map(([name, a, b]) => `${name} ${a > b ? "+" : "−"}${percent(a / b)}`);
    return parts.length ? `${parts.join(", ")} vs selected` : "as good as the selected one";
  }

  // Names who is better; `onFront`: what its candidates are compared by.
  function dominator(measure, onFront) {
    const [by] = [...onFront].find(([, theirs]) => dominates(theirs, measure)) ?? [];
    return by
      ? `${by.id} (${by.mode}, ${shape(by)}) is at least as good in everything`
      : "equal to the selected one";
  }

  // The targets written by the user that the choice misses, and the load that it does not serve, in plain words.
  function warnings({ choice, offered }, goal, hardware) {
    if (!choice?.performance) return [];
    const found = [];
    const missed = targets(choice, goal)
      .map((each) => ({ ...each, lowest: Math.min(...offered.map(({ performance }) => performance[each.key])) }))
      .filter(({ value, target }) => value > target.value && target.explicit);
    if (missed.length) found.push(closest(missed, `${choice.backend} ${choice.mode}, ${shape(choice)}`, hardware));
    const share = served(choice, goal, hardware.totalGpus.value);
    const written = targets(choice, goal).some(({ target }) => target.explicit);
    if (share < 1) found.push(shareServed(share, written, goal, hardware));
    return found;
  }

  function closest(missed, configuration, hardware) {
    const said = (list, value) =>
      list.map((each) => `${each.name}=${distinct(value(each), each.target.value)}ms`).join(", ");
    const inCompany = missed.some(({ lowest, target }) => lowest <= target.value);
    const nearest = said(missed, ({ value, lowest }) => (inCompany ? value : lowest));
    const reached = said(missed, ({ value }) => value);
    const aside = nearest === reached ? "" : `; deployed: ${reached}`;
    const wanted = missed.map(({ name, target }) => `${name}=${exact(target.value)}ms`).join(" and ");
    return (
      `Cannot meet ${wanted}${inCompany ? " with the other targets" : ""} with this model/hardware. ` +
      `Closest achievable: ${nearest} (${configuration} on ${hardware.gpuSku}${aside}). ` +
      "Deploying with best available configuration"
    );
  }

  function shareServed(share, written, goal, hardware) {
    const load = goal.requestRate ? `requestRate=${exact(goal.requestRate)}/s` : `concurrency=${exact(goal.concurrency)}`;
    const gpus = hardware.totalGpus.value;
    const part = share >= 0.01 ? `${Math.floor(share * 100)}%` : "less than 1%";
    return (
      `Cannot serve ${load} with ${gpus} GPU${gpus > 1 ? "s" : ""}${written ? " within the latency targets" : ""}. ` +
      `Closest achievable: ${part} of it. Deploying with best available configuration`
    );
  }

  // Writes a value with as many digits as it takes to tell it from another.
  function distinct(value, other) {
    for (let digits = 3; digits <= 12; digits += 1) {
      const text = significant(value, digits);
      if (text !== exact(other)) return text;
    }
    return exact(value);
  }

  // The parallelism in a few words, as `Candidate.shape` and `Parallelism` write it.
  function shape({ mode, workers, replicas }) {
    if (mode === "aggregated") return `${replicas} × ${parallelism(workers[0])}`;
    return workers.map((w) => `${w.count * replicas} × ${parallelism(w)} ${w.role}`).join(" + ");
  }

  function parallelism({ parallelism: sizes }) {
    const more = [["pp", sizes.pp], ["dp", sizes.dp], ["moe_tp", sizes.moeTp], ["moe_ep", sizes.moeEp], ["cp", sizes.cp]];
    return [`tp${sizes.tp}`, ...more.filter(([, size]) => size > 1).map(([name, size]) => name + size)].join(" ");
  }

  dgdr.verdicts = { OUTCOMES, judge, parallelism, shape, warnings };
})();
