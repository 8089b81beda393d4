// Where the page's content comes from: here, the page itself. A page that is served live has another `content`.
"use strict";
(() => {
  const dgdr = (globalThis.dgdr ??= {});
  let unpacked;

  async function content() {
    return JSON.parse(document.getElementById("content").textContent);
  }

  // The YAML of a candidate's deployment; undefined where it cannot be deployed.
  async function manifest(id) {
    unpacked ??= dgdr.source.content().then(({ manifests }) => unpack(manifests));
    return (await unpacked)[id];
  }

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(stream).json();
  }

  dgdr.source = { content, manifest };
})();
