// What is taken away: files and the clipboard.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const { element, tell } = dgdr.dom;
  const { significant } = dgdr.numbers;
  const { shape } = dgdr.verdicts;

  const TOTALS = ["ttft", "itl", "e2e", "tokensPerS", "tokensPerSPerGpu", "tokensPerSPerUser", "concurrency", "requestRate"];
  const RANGES = ["ttft", "itl", "e2e", "tokensPerSPerGpu"]; // that the truth is in with 80 %
  const DIGITS = 6; // what the simulator hands over; the rest is arithmetic

  function download(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = element("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
    tell(`${name} is downloaded`);
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const field = element("textarea", { readonly: true }); // where a page may not write to the clipboard by itself
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
    tell(`${what} is copied`);
  }

  // A command that creates what the YAML says, whatever lines it has.
  function heredoc(yaml) {
    let end = "EOF";
    while (yaml.split("\n").includes(end)) end += "_";
    return `kubectl apply -f - <<'${end}'\n${yaml}${end}\n`;
  }

  function csv(candidates, verdicts) {
    const head = [
      "id", "backend", "backendVersion", "mode", "shape", "replicas", "gpus", "batch", "maxNumTokens", "kvCacheDtype",
      "memoryGib", "contextLength", ...TOTALS, ...RANGES.flatMap((name) => [`${name}Low`, `${name}High`]), "likely",
      "source", "outcome", "reason",
    ];
    const each = (workers, value) => workers.map(value).join("/");
    const rows = candidates.map((c) => [
      c.id, c.backend, c.backendVersion, c.mode, shape(c), c.replicas, c.gpus,
      each(c.workers, (w) => w.batch), each(c.workers, (w) => w.maxNumTokens), each(c.workers, (w) => w.kvCacheDtype),
      each(c.workers, (w) => rounded(w.memoryGib)), c.contextLength,
      ...TOTALS.map((name) => rounded(c.performance?.[name])),
      ...RANGES.flatMap((name) => ["low", "high"].map((end) => rounded(c.uncertainty?.[name]?.[end]))),
      rounded(dgdr.likely.promise(c)), c.source, verdicts.get(c.id)?.outcome, verdicts.get(c.id)?.reason,
    ]);
    return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  }

  function rounded(value) {
    return value === undefined ? "" : significant(value, DIGITS);
  }

  // RFC 4180; a text that a spreadsheet would take for a formula is told from one.
  function cell(value = "") {
    const text = String(value).replace(/^(?=[=+@\t\r])/, "'");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  function json(candidates, verdicts) {
    return `${JSON.stringify(candidates.map((c) => ({ ...c, verdict: verdicts.get(c.id) })), null, 1)}\n`;
  }

  dgdr.export = { copy, csv, download, heredoc, json };
})();
