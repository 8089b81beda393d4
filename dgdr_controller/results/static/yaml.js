// YAML of a manifest. A string is quoted unless it is plainly a word: JSON's strings are strings in YAML as well.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  const WORD = /^[A-Za-z/][\w./-]*$/;
  const NO_STRING = /^(y|n|yes|no|on|off|true|false|null)$/i;

  function scalar(value) {
    if (typeof value !== "string") return JSON.stringify(value);
    return WORD.test(value) && !NO_STRING.test(value) ? value : JSON.stringify(value);
  }

  function isCollection(value) {
    return value !== null && typeof value === "object" && Object.keys(value).length > 0;
  }

  function lines(value, indent) {
    const pad = "  ".repeat(indent);
    if (Array.isArray(value)) {
      return value.flatMap((each) => {
        if (!isCollection(each)) return [`${pad}- ${scalar(each)}`];
        const [first, ...rest] = lines(each, indent + 1);
        return [`${pad}- ${first.trimStart()}`, ...rest];
      });
    }
    return Object.entries(value).flatMap(([key, each]) =>
      isCollection(each) ? [`${pad}${scalar(key)}:`, ...lines(each, indent + 1)] : [`${pad}${scalar(key)}: ${scalar(each)}`],
    );
  }

  dgdr.yaml = { dump: (value) => `${lines(value, 0).join("\n")}\n` };
})();
