// Elements from values. Text becomes text nodes, never markup: nothing that an object says can become an element.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});

  // element("a.link", {href: "#x", onclick: f}, "text", child, …); falsy children are left out.
  function element(name, attributes = {}, ...children) {
    const [tag, ...classes] = name.split(".");
    const made = document.createElement(tag);
    if (classes.length) made.className = classes.join(" ");
    for (const [key, value] of Object.entries(attributes)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value === true) made.setAttribute(key, "");
      else if (value !== false && value !== undefined && value !== null) made.setAttribute(key, value);
    }
    made.append(...children.flat().filter((child) => child !== false && child !== undefined && child !== null));
    return made;
  }

  function byId(id) {
    return document.getElementById(id);
  }

  // Says something in passing, to eyes and to screen readers.
  let timer;
  function tell(text) {
    const place = byId("told");
    place.textContent = text;
    place.classList.add("shown");
    clearTimeout(timer);
    timer = setTimeout(() => place.classList.remove("shown"), 2500);
  }

  dgdr.dom = { byId, element, tell };
})();
