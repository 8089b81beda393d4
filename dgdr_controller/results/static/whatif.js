// Targets and objective to try out; and the request to create for another workload.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { byId, element } = dgdr.dom;
  const { exact } = dgdr.numbers;

  const OBJECTIVES = ["hybrid", "throughput", "latency"];
  const TARGETS = [
    ["ttft", "TTFT", "ttft"],
    ["itl", "ITL", "itl"],
    ["e2e", "whole request", "e2eLatency"],
  ];

  // What the form shows of a goal: targets that were written, and an empty field for a default one.
  function formOf(goal) {
    const written = (target) => (target?.explicit ? target.value : undefined);
    return { ttft: written(goal.ttft), itl: written(goal.itl), e2e: written(goal.e2eLatency), objective: goal.objective };
  }

  // The goal that a form means: as in a request, a target for the whole request replaces the others.
  function goalOf(form, original, defaults) {
    const { ttft, itl, e2eLatency, ...rest } = original;
    const target = (value, otherwise) =>
      value ? { value, explicit: true } : otherwise && { value: otherwise, explicit: false };
    return form.e2e
      ? { ...rest, objective: form.objective, e2eLatency: { value: form.e2e, explicit: true } }
      : { ...rest, objective: form.objective, ttft: target(form.ttft, defaults.ttft), itl: target(form.itl, defaults.itl) };
  }

  function start(state, update) {
    const original = formOf(state.results.goal);
    const form = { ...original };
    const isAsked = () => Object.keys(original).every((key) => form[key] === original[key]);
    const changed = () => {
      const asked = isAsked();
      const goal = asked ? state.results.goal : goalOf(form, state.results.goal, state.defaults);
      show();
      update({ goal, asked });
    };
    const fields = TARGETS.map(([key, title]) => {
      const field = element("input", {
        id: `target-${key}`, type: "number", min: "0", step: "any", inputmode: "decimal",
        oninput: () => {
          form[key] = field.value > 0 ? Number(field.value) : undefined;
          changed();
        },
      });
      return { key, title, field };
    });
    const objectives = OBJECTIVES.map((each) =>
      element("input", { type: "radio", name: "objective", id: `objective-${each}`, value: each, onchange: () => {
        form.objective = each;
        changed();
      } }));
    const reset = element("button", { type: "button", id: "reset", onclick: () => {
      Object.assign(form, original);
      fill();
      changed();
    } }, "Back to what was asked");

    function fill() {
      for (const { key, field } of fields) field.value = form[key] === undefined ? "" : exact(form[key]);
      for (const each of objectives) each.checked = each.value === form.objective;
    }

    function show() {
      for (const { key, field } of fields) {
        field.disabled = key !== "e2e" && form.e2e !== undefined;
        const otherwise = form.e2e === undefined && state.defaults[key];
        field.placeholder = otherwise ? `${exact(otherwise)}, default` : "none";
      }
      reset.hidden = isAsked();
    }

    byId("whatif").replaceChildren(
      element("div.fields", {},
        element("h2", {}, "What if"),
        ...fields.map(({ title, field }) => element("label", {}, `${title} ≤ `, field, " ms")),
        element("fieldset.choice", {}, element("legend", {}, "optimise for"),
          ...objectives.map((each) => element("label", {}, each, element("span", {}, each.value)))),
        reset,
        element("button.quiet", { type: "button", id: "workload-toggle", "aria-expanded": "false", "aria-controls": "workload", onclick: toggle }, "Another workload …")),
      workload(state, () => form),
    );
    fill();
    show();
  }

  function toggle({ currentTarget }) {
    const open = byId("workload").toggleAttribute("hidden") === false;
    currentTarget.setAttribute("aria-expanded", String(open));
    if (open) byId("isl").focus();
  }

  // Other lengths need a new search: the page writes the request for it.
  function workload({ results, request }, form) {
    const length = (id, value) => element("input", { id, type: "number", min: "1", step: "1", value, oninput: write });
    const [isl, osl] = [length("isl", results.goal.isl), length("osl", results.goal.osl)];
    const output = element("pre", { id: "dgdr", tabindex: "0" });
    const whole = (field, otherwise) => (Number.isInteger(Number(field.value)) && field.value > 0 ? Number(field.value) : otherwise);
    const yaml = () =>
      dgdr.yaml.dump(requestFor(request, form(), whole(isl, results.goal.isl), whole(osl, results.goal.osl)));
    function write() {
      output.textContent = yaml();
    }
    const copied = () => dgdr.export.copy(dgdr.export.heredoc(yaml()), "The kubectl command");
    byId("whatif").addEventListener("input", write);
    byId("whatif").addEventListener("click", write);
    output.textContent = yaml();
    return element("div", { id: "workload", hidden: true },
      element("p", {}, "Other lengths change every number: they take a new search. This request asks for it, with the targets above, and deploys nothing by itself."),
      element("div.fields", {},
        element("label", {}, "input tokens ", isl), element("label", {}, "output tokens ", osl),
        element("button", { type: "button", onclick: copied }, "Copy as kubectl apply"),
        element("button", { type: "button", onclick: () => dgdr.export.download("dgdr.yaml", "application/yaml", yaml()) }, "Download")),
      output);
  }

  function requestFor(request, form, isl, osl) {
    const { sla, workload: load, ...spec } = request.spec;
    const targets = form.e2e ? { e2eLatency: form.e2e } : { ttft: form.ttft, itl: form.itl };
    const { ttft, itl, e2eLatency, optimizationType, ...rest } = sla ?? {};
    const objective = form.objective !== "hybrid" || optimizationType ? { optimizationType: form.objective } : {};
    const wanted = Object.entries({ ...rest, ...targets, ...objective }).filter(([, value]) => value !== undefined);
    const suffix = `-${isl}-${osl}`;
    return {
      ...request,
      metadata: { ...request.metadata, name: `${request.metadata.name.slice(0, LONGEST_NAME - suffix.length)}${suffix}` },
      spec: { ...spec, autoApply: false, workload: { ...load, isl, osl }, ...(wanted.length ? { sla: Object.fromEntries(wanted) } : {}) },
    };
  }

  const LONGEST_NAME = 33; // what dgdr_api.validation lets through

  dgdr.whatif = { formOf, goalOf, requestFor, start };
})();
