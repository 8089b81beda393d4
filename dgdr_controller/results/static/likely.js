// How likely candidates meet targets: the rules of dgdr_controller/profiler/calibration/uncertainty.py and
// dgdr_controller/profiler/selection/likely.py. Tested against them on the same candidates.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});

  const EXPONENT = 2; // how much a broken promise weighs against throughput not had
  const EVEN = 0.5; // chance below which a choice is more likely to miss the targets than to meet them
  const UNLIKELY = 0.2; // chance up to which a target counts as one that cannot be met

  const NAMES = { TTFT: "ttft", ITL: "itl", "E2E latency": "e2e" };

  // Gives every candidate the chances that it meets a goal's targets.
  function assess(candidates, goal, errors) {
    for (const { performance, uncertainty } of candidates) {
      if (!uncertainty || !errors) continue;
      const row = errors.rows[uncertainty.row];
      const { probabilities } = errors;
      // The latency of a whole request errs as TTFT does, as far as it is TTFT; the rest as throughput, the other way round.
      const share = performance.e2e ? performance.ttft / performance.e2e : 1;
      const rest = row.throughput.map((factor) => -Math.log(factor)).reverse();
      const whole = row.ttft.map((factor, i) => Math.exp(share * Math.log(factor) + (1 - share) * rest[i]));
      uncertainty.chances = {
        ttft: within(goal.ttft, performance.ttft, row.ttft, probabilities),
        itl: within(goal.itl, performance.itl, row.itl, probabilities),
        e2e: within(goal.e2eLatency, performance.e2e, whole, probabilities),
      };
    }
  }

  function within(target, estimate, factors, probabilities) {
    if (!target) return undefined;
    if (estimate <= 0) return 1; // an output of one token has no ITL
    if (target.value <= 0) return probabilities[0];
    return interpolated(Math.log(target.value / estimate), factors.map(Math.log), probabilities);
  }

  // Where a curve through points is at a value: straight between two of them, level beyond the outermost.
  function interpolated(value, xs, ys) {
    if (value <= xs[0]) return ys[0];
    if (value >= xs.at(-1)) return ys.at(-1);
    const upper = xs.findIndex((x) => x > value);
    const [left, right] = [xs[upper - 1], xs[upper]];
    return ys[upper - 1] + ((ys[upper] - ys[upper - 1]) * (value - left)) / (right - left);
  }

  // How likely a candidate meets one target, by the target's name; undefined where that is unknown.
  function chanceOf({ uncertainty }, name) {
    return uncertainty?.chances?.[NAMES[name]];
  }

  // The chance that every target that the user wrote is met; 1 where there is none, or it is unknown.
  function chance(candidate, goal) {
    const targets = { TTFT: goal.ttft, ITL: goal.itl, "E2E latency": goal.e2eLatency };
    return Object.entries(targets)
      .filter(([, target]) => target?.explicit)
      .reduce((found, [name]) => found * (chanceOf(candidate, name) ?? 1), 1);
  }

  // The chance that all targets are met, written or default; undefined where it is unknown.
  function promise({ uncertainty }) {
    const known = Object.values(uncertainty?.chances ?? {}).filter((found) => found !== undefined);
    return known.length ? known.reduce((product, found) => product * found, 1) : undefined;
  }

  // How much of a candidate's score counts. Default targets are a preference and no promise: they weigh once, and only
  // where the objective is a balance.
  function weight(candidate, goal) {
    const targets = { TTFT: goal.ttft, ITL: goal.itl, "E2E latency": goal.e2eLatency };
    return Object.entries(targets)
      .filter(([name, target]) => target && chanceOf(candidate, name) !== undefined)
      .filter(([, { explicit }]) => explicit || goal.objective === "hybrid")
      .reduce((found, [name, { explicit }]) => found * chanceOf(candidate, name) ** (explicit ? EXPONENT : 1), 1);
  }

  // Writes a chance as a percentage that is never certain.
  function likelihood(found) {
    return `${Math.min(99, Math.max(1, Math.floor(found * 100 + 0.5)))} %`;
  }

  dgdr.likely = { EVEN, UNLIKELY, assess, chance, chanceOf, likelihood, promise, weight };
})();
