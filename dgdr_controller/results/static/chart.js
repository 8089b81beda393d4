// The trade-offs: every candidate as a point, the Pareto front as a line, targets as lines.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { byId, element } = dgdr.dom;
  const { METRICS, text } = dgdr.metrics;
  const { shape } = dgdr.verdicts;
  const { isOffered, meetsTargets } = dgdr.selection;
  const { d3 } = globalThis;

  const ACROSS = ["tokensPerSPerUser", "ttft", "itl", "e2e", "concurrency"];
  const UPWARD = ["tokensPerSPerGpu", "cost", "budget"];
  const MARGIN = { top: 14, right: 18, bottom: 44, left: 62 };
  const NEAR = 30; // px
  // Engines differ in form and colour, modes in filling.
  const FORMS = { vllm: d3.symbolCircle, sglang: d3.symbolSquare, trtllm: d3.symbolTriangle };
  const MODES = { aggregated: "filled", disaggregated: "hollow" };
  const SIZES = { front: 70, other: 34, selected: 150 };

  let view;

  function start(state, update) {
    const select = (id, names, value, change) =>
      element("select", { id, onchange: ({ target }) => change(target.value) },
        ...names.map((name) => element("option", { value: name, selected: name === value }, METRICS[name].title)));
    const price = element("input", {
      id: "price", type: "number", min: "0", step: "any", value: state.facts.price, inputmode: "decimal",
      oninput: () => price.value > 0 && update({ facts: { ...state.facts, price: Number(price.value) } }),
    });
    const legend = element("div.legend", { role: "group", "aria-label": "Show engines and modes" });
    const plot = element("div.plot", {});
    byId("chart").replaceChildren(
      element("div.fields", {},
        element("label", {}, "up ", select("upward", UPWARD, state.axes.y, (y) => update({ axes: { ...state.axes, y } }))),
        element("label", {}, "across ", select("across", ACROSS, state.axes.x, (x) => update({ axes: { ...state.axes, x } }))),
        element("label", {}, "a GPU costs $ ", price, " per hour")),
      legend, plot,
      element("p.hint", {}, "The line is the Pareto front within the targets, dashed without them. Click a point to look at it. With the keyboard: ← → along the front, ↑ ↓ through all, Enter to look, C to compare."),
    );
    view = { state, update, plot, legend, current: undefined };
    new ResizeObserver(() => render(view.state)).observe(plot);
  }

  function render(state) {
    Object.assign(view, { state });
    legend(state);
    const shown = state.results.candidates.filter((c) => c.performance && !state.hidden.has(c.backend) && !state.hidden.has(c.mode));
    if (!shown.length) {
      view.plot.replaceChildren(element("p.hint", {}, "There is nothing to plot: no candidate with known performance is shown."));
      return;
    }
    draw(shown, state);
  }

  function legend({ results, hidden }) {
    const button = (name, form, filling) => {
      const mark = d3.create("svg").attr("viewBox", "-8 -8 16 16").attr("aria-hidden", "true");
      mark.append("path").attr("d", d3.symbol(form, 80)()).attr("class", `point ${name} ${filling}`);
      const count = results.candidates.filter((c) => c.backend === name || c.mode === name).length;
      const toggle = () => {
        const next = new Set(hidden);
        if (!next.delete(name)) next.add(name);
        view.update({ hidden: next });
      };
      return element("button", { type: "button", "data-name": name, "aria-pressed": String(!hidden.has(name)), onclick: toggle },
        mark.node(), `${name} `, element("small", {}, count));
    };
    const has = (key) => (name) => results.candidates.some((c) => c[key] === name);
    const focused = document.activeElement?.dataset?.name;
    view.legend.replaceChildren(
      ...Object.keys(FORMS).filter(has("backend")).map((name) => button(name, FORMS[name], "filled")),
      element("span.gap", {}),
      ...Object.keys(MODES).filter(has("mode")).map((name) => button(name, d3.symbolCircle, MODES[name])),
    );
    if (focused) view.legend.querySelector(`[data-name="${focused}"]`)?.focus(); // it was drawn anew
  }

  function draw(shown, state) {
    const { axes, goal, facts, judgement } = state;
    const [across, upward] = [METRICS[axes.x], METRICS[axes.y]];
    const width = Math.max(view.plot.clientWidth, 300);
    const height = Math.round(Math.min(520, Math.max(320, width * 0.62)));
    const target = across.target?.(goal);
    const front = new Set(judgement.front.map(({ id }) => id));
    const x = scale(across, shown.map((c) => across.value(c, facts)), target && [target.value], [MARGIN.left, width - MARGIN.right]);
    const y = scale(upward, shown.map((c) => upward.value(c, facts)), undefined, [height - MARGIN.bottom, MARGIN.top]);
    const points = shown.map((candidate) => ({
      candidate, front: front.has(candidate.id),
      x: x(across.value(candidate, facts)), y: y(upward.value(candidate, facts)),
    }));
    const rank = ({ candidate, front: best }) => (candidate === judgement.choice ? 2 : best ? 1 : 0);
    points.sort((a, b) => rank(a) - rank(b) || a.x - b.x); // the best are drawn last, on top

    const svg = d3.create("svg").attr("viewBox", `0 0 ${width} ${height}`).attr("role", "group")
      .attr("aria-label", `${upward.title} over ${across.title}: ${points.length} candidates, ${front.size} on the Pareto front`);
    axesOf(svg, { x, y, width, height, across, upward });
    const label = target && targetLine(svg, target, { x, width, height, across });
    const best = points.filter((point) => point.front && isOffered(point.candidate));
    const meeting = best.filter((point) => meetsTargets(point.candidate, goal));
    const whole = envelope(best, across, upward, facts);
    const line = meeting.length ? envelope(meeting, across, upward, facts) : whole;
    // Dashed, what the front would be without targets: one of the other axis may be in the way of a point.
    const path = d3.line((p) => p.x, (p) => p.y).curve(across.best > 0 ? d3.curveStepBefore : d3.curveStepAfter);
    svg.append("path").attr("class", "whole-front").attr("d", path(whole));
    svg.append("path").attr("class", "front").attr("d", path(line));
    marks(svg, points, state, new Set(line));
    label?.raise();
    const tip = element("div.tip", { hidden: true });
    const had = view.plot.contains(document.activeElement);
    view.plot.replaceChildren(svg.node(), tip);
    Object.assign(view, { points, line, tip, width, height, nearest: d3.Delaunay.from(points, (p) => p.x, (p) => p.y) });
    svg.on("pointermove", (event) => hover(pointAt(event))).on("pointerleave", () => hover(undefined))
      .on("click", (event) => look(pointAt(event)));
    rove(view.current ?? state.card, had);
  }

  function scale({ log }, values, more = [], range) {
    const [low, high] = d3.extent([...values, ...more]);
    if (log && low > 0) return d3.scaleLog([low / 1.08, high * 1.08], range);
    return d3.scaleLinear([0, high * 1.05 || 1], range);
  }

  function axesOf(svg, { x, y, width, height, across, upward }) {
    const few = Math.max(3, Math.floor(width / 110));
    const ticks = (axis, count) => axis.ticks(count).tickFormat((value) => dgdr.numbers.exact(value)).tickSizeOuter(0);
    const low = svg.append("g").attr("class", "axis").attr("transform", `translate(0,${height - MARGIN.bottom})`)
      .call(ticks(d3.axisBottom(x), few).tickSizeInner(-(height - MARGIN.top - MARGIN.bottom)).tickPadding(8));
    if (across.log) thin(low, x, 38);
    const side = svg.append("g").attr("class", "axis").attr("transform", `translate(${MARGIN.left},0)`)
      .call(ticks(d3.axisLeft(y), 6).tickSizeInner(-(width - MARGIN.left - MARGIN.right)).tickPadding(8));
    if (upward.log) thin(side, y, 18);
    const better = ({ best }, more, less) => (best > 0 ? more : less);
    svg.append("text").attr("class", "title").attr("text-anchor", "end").attr("x", width - MARGIN.right).attr("y", height - 8)
      .text(`${across.title} – better ${better(across, "to the right →", "← to the left")}`);
    svg.append("text").attr("class", "title").attr("transform", `translate(14,${MARGIN.top}) rotate(-90)`).attr("text-anchor", "end")
      .text(`${upward.title} – better ${better(upward, "upward →", "← downward")}`);
  }

  // A logarithmic axis names more ticks than there is room for: 1, 2 and 5 of each decade stay, where it has several.
  function thin(axis, position, gap) {
    const [low, high] = position.domain();
    let last = Infinity;
    axis.selectAll(".tick").each(function each(value) {
      const round = high / low < 5 || ["1", "2", "5"].includes(value.toExponential()[0]);
      if (!round || Math.abs(position(value) - last) < gap) d3.select(this).select("text").remove();
      else last = position(value);
    });
  }

  function targetLine(svg, { value, explicit, label }, { x, width, height, across }) {
    const at = x(value);
    const [from, to] = across.best > 0 ? [MARGIN.left, at] : [at, width - MARGIN.right];
    const bottom = height - MARGIN.bottom;
    svg.append("rect").attr("class", "missed").attr("x", from).attr("y", MARGIN.top)
      .attr("width", Math.max(0, to - from)).attr("height", bottom - MARGIN.top);
    svg.append("line").attr("class", explicit ? "target" : "target default").attr("x1", at).attr("x2", at)
      .attr("y1", MARGIN.top).attr("y2", bottom);
    const right = at < width * 0.7;
    return svg.append("text").attr("class", "target-label").attr("x", at + (right ? 6 : -6)).attr("y", bottom - 8)
      .attr("text-anchor", right ? "start" : "end").text(`${label}${explicit ? "" : " (default)"}`);
  }

  // Of the front, which has more dimensions than a page, the part that no other is better than in the two shown.
  function envelope(points, across, upward, facts) {
    const value = (metric, point) => metric.best * metric.value(point.candidate, facts);
    const sorted = [...points].sort((a, b) => value(across, b) - value(across, a) || value(upward, b) - value(upward, a));
    let best = -Infinity;
    const kept = sorted.filter((point) => value(upward, point) > best && ((best = value(upward, point)), true));
    return kept.sort((a, b) => a.x - b.x);
  }

  function marks(svg, points, { judgement, card, compared }, line) {
    const size = ({ candidate, front }) => (candidate === judgement.choice ? SIZES.selected : front ? SIZES.front : SIZES.other);
    const strength = ({ candidate, front }) => {
      const { outcome } = judgement.verdicts.get(candidate.id) ?? {};
      return outcome === "misses-target" || !front ? "faint" : "strong";
    };
    svg.append("g").selectAll("path").data(points).join("path")
      .attr("d", (point) => d3.symbol(FORMS[point.candidate.backend] ?? d3.symbolDiamond, size(point))())
      .attr("transform", (point) => `translate(${point.x},${point.y})`)
      .attr("class", (point) => `point ${point.candidate.backend} ${MODES[point.candidate.mode]} ${line.has(point) ? "strong" : strength(point)}`)
      .attr("data-id", (point) => point.candidate.id)
      .attr("role", "button").attr("tabindex", -1)
      .on("focus", (_, point) => hover(point)).on("blur", () => hover(undefined)).on("keydown", key);
    const ring = (id, name, radius, letter) => {
      const point = points.find(({ candidate }) => candidate.id === id);
      if (!point) return;
      svg.append("circle").attr("class", `ring ${name}`).attr("cx", point.x).attr("cy", point.y).attr("r", radius);
      if (letter) svg.append("text").attr("class", "letter").attr("x", point.x + radius + 1).attr("y", point.y - radius + 3).text(letter);
    };
    if (judgement.choice) ring(judgement.choice.id, "chosen", 12, "recommended");
    ring(card, "looked", 16);
    compared.forEach((id, i) => ring(id, "compared", 9, "ABCD"[i]));
  }

  function numbers(candidate) {
    const { facts } = view.state;
    const names = ["tokensPerSPerGpu", "tokensPerSPerUser", "ttft", "itl", "e2e", "concurrency", "requestRate", "cost"];
    return [...names.map((name) => [METRICS[name].title, text(name, candidate, facts)]), ["GPUs", String(candidate.gpus)]];
  }

  function spoken({ candidate }) {
    const said = numbers(candidate).map(([name, value]) => `${value} ${name}`);
    return `${candidate.backend} ${candidate.mode}, ${shape(candidate)}: ${said.join(", ")}`;
  }

  function pointAt(event) {
    const [px, py] = d3.pointer(event);
    const found = view.points[view.nearest.find(px, py)];
    return found && Math.hypot(found.x - px, found.y - py) <= NEAR ? found : undefined;
  }

  function hover(point) {
    const { tip, plot, state } = view;
    plot.querySelectorAll(".point.over").forEach((each) => each.classList.remove("over"));
    tip.hidden = !point;
    if (!point) return;
    const { candidate } = point;
    mark(candidate.id)?.classList.add("over");
    const verdict = state.judgement.verdicts.get(candidate.id);
    tip.replaceChildren(
      element("b", {}, `${candidate.backend} ${candidate.mode}`), element("div", {}, shape(candidate)),
      element("dl", {}, ...numbers(candidate).flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])),
      verdict && element("div.why", {}, element("b", {}, verdict.outcome), `: ${verdict.reason}`),
    );
    const factor = plot.clientWidth / view.width;
    const left = Math.min(point.x * factor + 14, plot.clientWidth - tip.offsetWidth - 4);
    const beside = point.x * factor + 14 > left; // no room to the right
    tip.style.left = `${Math.max(4, beside ? point.x * factor - tip.offsetWidth - 14 : left)}px`;
    tip.style.top = `${Math.max(4, Math.min(point.y * factor - 20, plot.clientHeight - tip.offsetHeight - 4))}px`;
  }

  function mark(id) {
    return view.plot.querySelector(`.point[data-id="${CSS.escape(id)}"]`);
  }

  function look(point) {
    if (point) view.update({ card: point.candidate.id });
  }

  // One point at a time is in the order of the Tab key; arrows go to the others.
  function rove(id, focus) {
    view.plot.querySelectorAll('.point[tabindex="0"]').forEach((each) => each.setAttribute("tabindex", -1));
    const place = mark(id) ?? mark(view.points.at(-1).candidate.id);
    place.setAttribute("tabindex", 0);
    place.setAttribute("aria-label", spoken(view.points.find(({ candidate }) => candidate.id === place.dataset.id)));
    view.current = place.dataset.id;
    if (focus) place.focus();
  }

  function key(event, point) {
    const { key: name } = event;
    if (name === "Enter" || name === " ") look(point);
    else if (name.toLowerCase() === "c") view.update({ compared: dgdr.compare.toggled(view.state.compared, point.candidate.id) });
    else if (name.startsWith("Arrow")) {
      const along = name === "ArrowLeft" || name === "ArrowRight" ? view.line : [...view.points].sort((a, b) => a.x - b.x);
      const step = name === "ArrowRight" || name === "ArrowUp" ? 1 : -1;
      const next = along.includes(point)
        ? along[along.indexOf(point) + step]
        : along.filter((each) => (each.x - point.x) * step > 0).sort((a, b) => Math.abs(a.x - point.x) - Math.abs(b.x - point.x))[0];
      if (next) rove(next.candidate.id, true);
    } else return;
    event.preventDefault();
  }

  dgdr.chart = { FORMS, MODES, envelope, numbers, render, start };
})();
