// Numbers as people read them: `significant` and `exact` of dgdr_api.formatting.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});

  // Writes a number with this many significant digits and without an exponent (1740.6 → "1740").
  function significant(value, digits = 3) {
    if (value === 0) return "0";
    if (!Number.isFinite(value)) return "∞";
    const rounded = roundedHalfToEven(value, digits - 1 - Math.floor(Math.log10(Math.abs(value))));
    const text = String(rounded);
    return text.includes("e-") ? rounded.toFixed(20).replace(/0+$/, "") : text;
  }

  // Python rounds what lies exactly between two decimals to the even one, JavaScript away from zero.
  function roundedHalfToEven(value, places) {
    const scale = 10 ** Math.abs(places);
    const halves = places < 0 ? value % scale === scale / 2 : /^50*$/.test(decimals(value, places + ALL).slice(places));
    if (!halves) return places < 0 ? Math.round(value / scale) * scale : Number(value.toFixed(Math.min(places, MOST)));
    const lower = Math.floor(places < 0 ? value / scale : value * scale);
    const even = lower % 2 === 0 ? lower : lower + 1;
    return places < 0 ? even * scale : even / scale;
  }

  const MOST = 100; // of decimals, in toFixed
  const ALL = 30; // decimals that tell a number from every other of its size

  function decimals(value, count) {
    return value.toFixed(Math.min(count, MOST)).split(".")[1];
  }

  // Writes a number that a person wrote, as they wrote it.
  function exact(value) {
    return significant(value, 12);
  }

  // Writes how far a ratio is from 1: 0.88 → "12 %".
  function percent(ratio) {
    return `${significant(Math.abs(ratio - 1) * 100, 2)} %`;
  }

  dgdr.numbers = { exact, percent, significant };
})();
