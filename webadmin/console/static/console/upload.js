// The upload page: files and folders are dropped or chosen, compared with what is there, and sent one by one, each with its bar.
// Texts go in as text, never as markup.
"use strict";
(() => {
  const form = document.getElementById("upload");
  const texts = JSON.parse(document.getElementById("upload-texts").textContent);
  const say = (name, ...values) => values.reduce((text, value) => text.replace("{}", value), texts[name]);
  const MOST = Number(form.dataset.mostMb) * 1e6;
  const AT_ONCE = 3;
  const KNOWN = new Set(["duplicate", "unchanged"]);
  const chosen = [];
  const held = []; // ids of documents that are sent and not begun: where a press did not come so far, the next one goes on with them
  let busy = false;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const collection = () => form.elements.new_collection.value.trim() || (form.elements.collection.value && form.elements.collection.selectedOptions[0].textContent) || "";
  const size = (bytes) => {
    const [unit, by] = bytes < 1e3 ? ["byte", 1] : bytes < 1e6 ? ["kilobyte", 1e3] : ["megabyte", 1e6];
    return new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit, maximumFractionDigits: 1 }).format(bytes / by);
  };
  const body = (fields) => {
    const data = new FormData();
    data.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    return data;
  };
  const ask = async (address, fields) => {
    try {
      return await (await fetch(address, { method: "POST", body: body(fields) })).json();
    } catch { // no answer, or one of somebody in between
      return { error: texts.lost };
    }
  };

  const count = () => {
    document.getElementById("chosen").hidden = !chosen.length;
    const sent = chosen.filter((entry) => entry.tick.checked);
    document.getElementById("chosen-title").textContent = say("chosen", chosen.length, sent.length);
    const all = sent.reduce((sum, entry) => sum + entry.file.size, 0);
    const done = sent.reduce((sum, entry) => sum + entry.file.size * entry.bar.value, 0);
    document.getElementById("whole").value = all ? done / all : 0;
  };

  const add = (file, path) => {
    if (busy || chosen.some((entry) => entry.path === path)) return;
    const tick = make("input", { type: "checkbox", "aria-label": path });
    const bar = make("progress", { class: "bar", max: "1", value: "0", "aria-label": say("progress", path) });
    const what = make("td", { class: "breaks" }, texts.hashing);
    const name = make("bdi", {}, path);
    const drop = make("button", { type: "button", class: "icon-button", "aria-label": `${texts.remove}: ${path}` }, make("span", { class: "material-symbols-outlined", "aria-hidden": "true" }, "close"));
    const row = make("tr", {}, make("td", {}, tick), make("th", { scope: "row", class: "breaks" }, name), make("td", { class: "number nowrap" }, size(file.size)), what, make("td", {}, bar), make("td", {}, drop));
    const entry = { file, path, tick, bar, what, name, row, hash: null, outcome: null };
    tick.checked = file.size <= MOST;
    tick.disabled = !tick.checked;
    if (!tick.checked) what.textContent = say("too_large", form.dataset.mostMb);
    tick.addEventListener("change", count);
    drop.addEventListener("click", () => {
      if (busy) return;
      chosen.splice(chosen.indexOf(entry), 1);
      row.remove();
      count();
    });
    chosen.push(entry);
    document.getElementById("files").append(row);
  };

  const hash = async (file) => {
    if (!window.crypto.subtle) return "";
    const digest = await window.crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  };

  const compare = async () => {
    count();
    const open = chosen.filter((entry) => !entry.tick.disabled && entry.outcome === null);
    for (const entry of open) {
      try { entry.hash ??= await hash(entry.file); } catch { entry.hash = ""; }
    }
    if (!open.length || busy) return;
    const asked = JSON.stringify(open.map((entry) => ({ path: entry.path, sha256: entry.hash })));
    const answer = await ask(form.dataset.known, { collection: collection(), files: asked });
    if (busy) return;
    open.forEach((entry, number) => {
      const found = answer.files?.[number];
      entry.what.textContent = found ? found.sentence : answer.error;
      if (!found) return;
      entry.outcome = found.outcome;
      entry.tick.checked = !KNOWN.has(found.outcome);
      entry.row.dataset.outcome = found.outcome;
    });
    count();
  };
  const again = () => {
    if (busy) return;
    for (const entry of chosen) entry.outcome = null;
    compare();
  };

  // closed: places that could not be read.
  const walk = async (entry, path, found, closed) => {
    try {
      if (entry.isFile) {
        found.push([await new Promise((done, fail) => entry.file(done, fail)), path + entry.name]);
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const part = await new Promise((done, fail) => reader.readEntries(done, fail));
        if (!part.length) break;
        for (const inner of part) await walk(inner, `${path}${entry.name}/`, found, closed);
      }
    } catch {
      closed.push(path + entry.name);
    }
  };
  // Of a folder that has no entry the browser makes a file that nobody can read.
  const alone = async (file, found, closed) => {
    try {
      await file.slice(0, 1).arrayBuffer();
      found.push([file, file.name]);
    } catch {
      closed.push(file.name);
    }
  };
  const visible = (path) => !path.split("/").some((part) => part.startsWith("."));
  const take = (files) => {
    for (const [file, path] of files) if (visible(path)) add(file, path);
    compare();
  };

  const area = document.getElementById("drop");
  for (const name of ["dragenter", "dragover"]) area.addEventListener(name, (event) => { event.preventDefault(); area.classList.add("over"); });
  for (const name of ["dragleave", "drop"]) area.addEventListener(name, () => area.classList.remove("over"));
  area.addEventListener("drop", async (event) => {
    event.preventDefault();
    // Both must be asked for at once: the items are gone after this turn. Not every file has an entry, such as one out of an archive.
    const dropped = [...event.dataTransfer.items].filter((item) => item.kind === "file").map((item) => [item.webkitGetAsEntry(), item.getAsFile()]);
    const [found, closed] = [[], []];
    for (const [entry, file] of dropped) {
      if (entry) await walk(entry, "", found, closed);
      else if (file) await alone(file, found, closed);
    }
    take(found);
    const said = document.getElementById("said");
    said.className = closed.length ? "notice bad" : "";
    said.textContent = closed.map((place) => say("closed", place)).join(" ");
  });
  for (const input of [form.elements.files, document.getElementById("folder")]) {
    input.hasChangeListener = true; // unfold's own wants a text field beside every file input
    input.addEventListener("change", () => {
      take([...input.files].map((file) => [file, file.webkitRelativePath || file.name]));
      input.value = "";
    });
  }
  form.elements.collection.addEventListener("change", again);
  form.elements.new_collection.addEventListener("change", again);

  const send = (entry) => new Promise((done) => {
    const request = new XMLHttpRequest();
    const end = (answer, failed) => {
      entry.what.textContent = answer.sentence || answer.error || texts.lost;
      entry.bar.dataset.state = failed ? "failed" : "succeeded";
      if (!failed) entry.bar.value = 1;
      if (answer.url) entry.name.replaceChildren(make("a", { class: "link", href: answer.url }, entry.path));
      count();
      done(failed ? null : answer);
    };
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) { entry.bar.value = event.loaded / event.total; count(); }
    });
    request.addEventListener("load", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* said as a broken connection */ }
      end(answer, request.status !== 200 || answer.outcome === "refused");
    });
    request.addEventListener("error", () => end({}, true));
    entry.what.textContent = texts.sending;
    request.open("POST", form.dataset.one);
    request.send(body({ files: entry.file, path: entry.path, collection: form.elements.collection.value, new_collection: form.elements.new_collection.value }));
  });

  const begin = async () => {
    const said = document.getElementById("said");
    if (!form.elements.ingest?.checked) {
      said.className = "notice";
      said.textContent = say("held", held.splice(0).length);
      return;
    }
    const answer = await ask(form.dataset.begin, { documents: JSON.stringify(held) });
    if ("done" in answer) held.length = 0;
    const problems = [answer.error, answer.notice, ...(answer.refused || [])].filter(Boolean);
    said.className = problems.length ? "notice warn" : "notice good";
    said.textContent = [...(answer.done ? [say("begun", answer.done)] : []), ...problems].join(" ");
  };

  form.addEventListener("submit", async (event) => {
    if (!chosen.length && !held.length) return;
    event.preventDefault();
    if (busy) return;
    const said = document.getElementById("said");
    if (!collection()) {
      said.className = "notice bad";
      said.textContent = texts.collection;
      return;
    }
    busy = true;
    document.getElementById("send").disabled = true;
    said.className = said.textContent = "";
    try {
      const waiting = chosen.filter((entry) => entry.tick.checked && !entry.sent);
      for (const entry of waiting) entry.what.textContent = texts.waiting;
      const worker = async () => {
        for (let entry = waiting.shift(); entry; entry = waiting.shift()) {
          const answer = await send(entry);
          entry.sent = Boolean(answer);
          if (answer?.made_pending) held.push(answer.document);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      if (held.length) await begin();
    } finally {
      busy = false;
      document.getElementById("send").disabled = false;
    }
  });
})();
