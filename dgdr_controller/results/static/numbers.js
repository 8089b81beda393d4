// Numbers as people read them: `significant` and `exact` of dgdr_api.conditions.
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
    const scaled = places < 0 ? value / scale : value * scale;
    const lower = Math.floor(scaled);
    if (scaled - lower === 0.5 && (places < 0 ? scaled * scale : scaled / scale) === value) {
      const even = lower % 2 === 0 ? lower : lower + 1;
      return places < 0 ? even * scale : even / scale;
    }
    return places < 0 ? Math.round(scaled) * scale : Number(value.toFixed(Math.min(places, 100)));
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
