// Which lines two texts share: the longest common subsequence.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});

  // Returns [mark, line] with mark " ", "-" (only in the first) or "+" (only in the second).
  function diff(one, other) {
    const [a, b] = [one.split("\n"), other.split("\n")];
    const shared = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i -= 1) {
      for (let j = b.length - 1; j >= 0; j -= 1) {
        shared[i][j] = a[i] === b[j] ? shared[i + 1][j + 1] + 1 : Math.max(shared[i + 1][j], shared[i][j + 1]);
      }
    }
    const found = [];
    let [i, j] = [0, 0];
    while (i < a.length || j < b.length) {
      if (i < a.length && j < b.length && a[i] === b[j]) {
        found.push([" ", a[i]]);
        i += 1;
        j += 1;
      } else if (j >= b.length || (i < a.length && shared[i + 1][j] >= shared[i][j + 1])) {
        found.push(["-", a[i]]);
        i += 1;
      } else {
        found.push(["+", b[j]]);
        j += 1;
      }
    }
    return found;
  }

  // Leaves out what is equal and farther than this many lines from a difference; null stands for it.
  function shortened(lines, context = 3) {
    const near = lines.map((_, i) => lines.slice(Math.max(0, i - context), i + context + 1).some(([mark]) => mark !== " "));
    return lines.flatMap((line, i) => (near[i] ? [line] : near[i - 1] ?? i === 0 ? [null] : []));
  }

  dgdr.diff = { diff, shortened };
})();
