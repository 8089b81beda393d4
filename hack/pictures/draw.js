// Draws the document as it is shown, down to a height, as SVG: boxes, lines of text, and its own SVG elements.
// What looks alike shares a class, and points share their form, so that a thousand of them stay small.
(bottom) => {
  const NAMESPACE = "http://www.w3.org/2000/svg";
  const DRAWN = ["d", "x", "y", "x1", "x2", "y1", "y2", "dy", "r", "cx", "cy", "width", "height", "transform", "text-anchor"];
  const classes = new Map();
  const forms = new Map();
  const out = [];
  const ruler = document.createElement("canvas").getContext("2d");
  const round = (number) => String(Math.round(number * 10) / 10);
  const rounded = (text) => text.replace(/-?\d+\.\d+(e-?\d+)?/g, round);
  const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
  const isSeen = (colour) => colour !== "none" && !/rgba\(.*, 0\)/.test(colour);

  function named(declarations) {
    if (!classes.has(declarations)) classes.set(declarations, `c${classes.size}`);
    return classes.get(declarations);
  }

  function box(element, style) {
    const { x, y, width, height } = element.getBoundingClientRect();
    const border = parseFloat(style.borderTopWidth);
    const stroke = border && style.borderTopStyle !== "none" && isSeen(style.borderTopColor) ? style.borderTopColor : "none";
    if (stroke === "none" && !isSeen(style.backgroundColor)) return;
    const fill = isSeen(style.backgroundColor) ? style.backgroundColor : "none";
    const inset = stroke === "none" ? 0 : border / 2;
    const radius = Math.min(parseFloat(style.borderTopLeftRadius) || 0, height / 2);
    const looks = named(`fill:${fill};stroke:${stroke}`);
    out.push(`<rect class="${looks}" x="${round(x + inset)}" y="${round(y + inset)}" width="${round(width - 2 * inset)}" ` +
      `height="${round(height - 2 * inset)}" rx="${round(radius)}"/>`);
  }

  function line(text, { x, y, width, height }, style) {
    ruler.font = `${style.fontWeight} ${style.fontSize} ${style.fontFamily}`;
    const { fontBoundingBoxAscent: up, fontBoundingBoxDescent: down } = ruler.measureText(text);
    const looks = named(`fill:${style.color};font:${style.fontWeight} ${style.fontSize} ${family(style)}`);
    out.push(`<text class="${looks}" x="${round(x)}" y="${round(y + (height - up - down) / 2 + up)}" ` +
      `textLength="${round(width)}">${escape(text)}</text>`);
  }

  const family = (style) => style.fontFamily.replace(/"/g, "'");

  // A text node is cut where it is wrapped.
  function text(node, style) {
    const range = document.createRange();
    const lines = [];
    for (const word of node.data.matchAll(/\S+/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const { left, right, top, height } = range.getBoundingClientRect();
      const last = lines.at(-1);
      if (last && Math.abs(last.y - top) < 2) Object.assign(last, { text: `${last.text} ${word[0]}`, width: right - last.x });
      else if (right > left) lines.push({ text: word[0], x: left, y: top, width: right - left, height });
    }
    for (const each of lines) line(each.text, each, style);
  }

  function control(element, style) {
    const said = element.tagName === "SELECT" ? element.selectedOptions[0]?.textContent : element.value || element.placeholder;
    if (!said) return;
    const look = element.value ? style : getComputedStyle(element, "::placeholder");
    const { x, y, height } = element.getBoundingClientRect();
    ruler.font = `${look.fontWeight} ${look.fontSize} ${look.fontFamily}`;
    const from = x + parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth);
    line(said, { x: from, y, width: ruler.measureText(said).width, height }, look);
  }

  function form(d) {
    if (!forms.has(d)) forms.set(d, `f${forms.size}`);
    return forms.get(d);
  }

  function vector(element) {
    const style = getComputedStyle(element);
    if (style.display === "none" || element.tagName === "title") return "";
    const properties = ["fill", "fill-opacity", "stroke", "stroke-opacity", "stroke-width", "stroke-dasharray", "opacity", "paint-order"];
    if (element.tagName === "text") properties.push("font-weight", "font-size");
    const usual = { "fill-opacity": "1", "stroke-opacity": "1", "stroke-dasharray": "none", opacity: "1", "paint-order": "normal" };
    const looks = properties.filter((name) => style.getPropertyValue(name) !== usual[name]);
    const css = looks.map((name) => `${name}:${style.getPropertyValue(name)}`).join(";") +
      (element.tagName === "text" ? `;font-family:${family(style)}` : "");
    const isGroup = element.tagName === "g";
    const drawn = isGroup ? "" : ` class="${named(css)}"`;
    const moved = /^translate\(([-\d.e]+),([-\d.e]+)\)$/.exec(element.getAttribute("transform") ?? "");
    if (element.tagName === "path" && moved) {
      return `<use href="#${form(rounded(element.getAttribute("d")))}"${drawn} x="${round(+moved[1])}" y="${round(+moved[2])}"/>\n`;
    }
    const attributes = DRAWN.filter((name) => element.hasAttribute(name))
      .map((name) => ` ${name}="${rounded(element.getAttribute(name))}"`).join("");
    const anchor = isGroup && element.getAttribute("text-anchor") === null && style.textAnchor !== "start" ? ` text-anchor="${style.textAnchor}"` : "";
    const inner = element.children.length ? [...element.children].map(vector).join("") : escape(element.textContent.trim());
    return `<${element.tagName}${drawn}${attributes}${anchor}>${inner}</${element.tagName}>\n`;
  }

  function svg(element) {
    const { x, y, width, height } = element.getBoundingClientRect();
    const view = element.getAttribute("viewBox");
    const inner = [...element.children].map(vector).join("");
    out.push(`<svg x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${round(height)}" overflow="visible"` +
      `${view ? ` viewBox="${view}"` : ""}>${inner}</svg>`);
  }

  function walk(element) {
    const style = getComputedStyle(element);
    const { top, width, height } = element.getBoundingClientRect();
    const hidden = style.display === "none" || style.visibility === "hidden" || style.opacity === "0" || style.clipPath !== "none";
    if (hidden || top > bottom || (!width && !height && style.display !== "contents")) return;
    if (element.namespaceURI === NAMESPACE) return svg(element);
    if (element !== document.body) box(element, style); // the ground is drawn with round corners
    if (["INPUT", "SELECT"].includes(element.tagName)) return control(element, style);
    if (element.tagName === "LI") out.push(bullet(element, style));
    if (element.tagName === "SUMMARY") out.push(triangle(element, style));
    for (const child of element.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) text(child, style);
      else if (child.nodeType === Node.ELEMENT_NODE && (element.tagName !== "DETAILS" || element.open || child.tagName === "SUMMARY")) walk(child);
    }
  }

  function bullet(element, style) {
    const { x, y } = element.getBoundingClientRect();
    return `<circle class="${named(`fill:${style.color}`)}" cx="${round(x - 9)}" cy="${round(y + parseFloat(style.lineHeight) / 2)}" r="2"/>`;
  }

  function triangle(element, style) {
    const { x, y, height } = element.getBoundingClientRect();
    return `<path class="${named(`fill:${style.color}`)}" d="M${round(x + 2)} ${round(y + height / 2 - 4)}l7 4l-7 4z"/>`;
  }

  const width = document.documentElement.clientWidth;
  walk(document.body);
  const style = [...classes].map(([css, name]) => `.${name}{${css}}`).join("\n");
  const defined = [...forms].map(([d, name]) => `<path id="${name}" d="${d}"/>`).join("");
  const ground = getComputedStyle(document.body).backgroundColor;
  return `<svg xmlns="${NAMESPACE}" viewBox="0 0 ${width} ${bottom}" width="${width}" height="${bottom}">\n` +
    `<title>${escape(document.title)}</title>\n<style>\n${style}\n</style>\n<defs>${defined}</defs>\n` +
    `<rect width="${width}" height="${bottom}" rx="10" fill="${ground}"/>\n${out.join("\n")}\n</svg>\n`;
}
